#ifndef JOBS_COMPACT_WRITE_H
#define JOBS_COMPACT_WRITE_H

#include "base/attr.h"
#include "base/buffer.h"
#include "jobs/compact_tally.h"
#include "jobs/job.h"
#include "vector/pack.h"
#include "vector/rank_minutes.h"

#include <stdint.h>

/* The rows of a compact run that is being built: observation rows as series go by, rank rows and
 * minute totals once a (category, dimension) is complete. Counts what it writes in the run and in
 * the job's progress, and keeps its pace.
 *
 * Thread: one at a time. May block. Errors: those of port/storage.h, of job_pace, LT_ENOMEM. */

enum {
    /* A (category, dimension) with fewer items than job_limits says has no rank rows and no minute
       totals: a reader adds up its few observation rows as fast, and a small server's tables stay
       half the size. On many hosts its rows are not few: there these are enough. */
    WRITE_RANKED_ITEMS = 64,
    WRITE_RANKED_HOSTS = 9,
    /* A host with so many items has total and top of its own. */
    WRITE_RANKED_HOST_ITEMS = 4096,
};

/* The best items over all hosts of a (category, dimension) with rank rows, best first. */
struct run_writer_list {
    uint32_t category, dimension;
    uint32_t count;
    uint32_t items[RANK_MINUTES_ROWS * RANK_MINUTES_ENTRIES];
};

struct run_writer {
    struct job_context *context;
    struct storage_run *run;
    struct pack_writer *pack;
    struct buffer body;
    struct storage_pack group;         /* the one in hand: category, dimension, host; else 0 */
    bool begun;                        /* the pack has been begun, and may hold series */
    uint64_t unpaced;                  /* bytes written that job_pace has not seen */
    VEC(struct run_writer_list) lists; /* so far; at 1 second only */
};

/* run: BUILDING; its counts are kept up to date. Both live as long. */
MUST_USE int run_writer_init(struct run_writer *w, struct job_context *context,
                             struct storage_run *run);
void run_writer_fini(struct run_writer *w);

/* Groups in any order, series of a group with items ascending. */
void run_writer_group(struct run_writer *w, const struct storage_group *group);
MUST_USE int run_writer_series(struct run_writer *w, uint32_t item,
                               const struct vector_points *points, struct summary *summary_out);
MUST_USE int run_writer_group_end(struct run_writer *w);

/* A row that the caller has packed, of the group in hand; part: which of its series' rows, 0 where
 * that has one. An empty row is none. */
MUST_USE int run_writer_row(struct run_writer *w, uint32_t part, const struct pack_row *row);

/* Rank rows of the tally's host, after tally_host_end, if it has enough items. */
MUST_USE int run_writer_host(struct run_writer *w, const struct tally *tally);
/* Rank rows over all hosts, and minute totals, if there are enough items. */
MUST_USE int run_writer_tally(struct run_writer *w, const struct tally *tally);
/* Totals alone, of so many minutes each, for a run that has no rank rows of its own. */
MUST_USE int run_writer_totals(struct run_writer *w, const struct tally *tally, uint32_t minutes);

/* What items of a list have, minute by minute. */
MUST_USE int run_writer_minutes(struct run_writer *w, const struct run_writer_list *list,
                                uint32_t number, const struct rank_minutes *minutes);

MUST_USE int run_writer_beats(struct run_writer *w, const struct storage_beats *beats);
MUST_USE int run_writer_finish(struct run_writer *w);

#endif
