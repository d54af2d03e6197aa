#ifndef JOBS_COMPACT_TALLY_H
#define JOBS_COMPACT_TALLY_H

#include "base/attr.h"
#include "base/sum.h"
#include "base/vec.h"
#include "jobs/compact_best.h"
#include "vector/itemset.h"
#include "vector/rank.h"
#include "vector/rollup.h"
#include "vector/series.h"
#include "vector/summary.h"

#include <stddef.h>
#include <stdint.h>

/* What the items of one (category, dimension) add up to, while its series go by, host after host:
 *
 *   for each item, over all hosts     sum, count, max, in pages like those of rank rows
 *   for each host, and for all        summary, which items, the best of them
 *   for each host and minute          count, sum, min, max
 *
 * About 24 bytes an item, and 2.4 KB a host at 60 minutes. Points that are not numbers count for
 * nothing here, and an item that has no other is none.
 *
 * Thread: one at a time. Never blocks. */

struct tally_page {
    uint64_t counts[RANK_PAGE_ITEMS]; /* 0: no such item */
    double sums[RANK_PAGE_ITEMS];
    double maxs[RANK_PAGE_ITEMS];
    double *lost; /* what the sums' rounding took (base/sum.h); NULL: nothing */
};
enum { TALLY_PAGE_BYTES = sizeof(struct tally_page) };

struct tally_minute {
    uint64_t count;
    struct sum sum;
    double min, max; /* while count is 0: of no meaning */
};
void tally_minute_merge(struct tally_minute *to, const struct tally_minute *m);

struct tally_host {
    uint32_t host;
    uint32_t minutes; /* position in tally.minutes of the first of minutes_count */
};

struct tally {
    int64_t from_ms;
    uint32_t minutes_count; /* of the range */

    struct tally_page **pages;
    uint32_t pages_count;
    size_t bytes; /* of pages */

    VEC(struct tally_host) hosts; /* that have items; the last one is in hand */
    VEC(struct tally_minute) minutes;
    struct summary all;

    bool host_ranked; /* the host in hand may get rank rows of its own */
    uint64_t host_items;
    struct summary host;
    bool host_negative;
    struct itemset *host_set;
    struct best host_best;
};

void tally_init(struct tally *t, int64_t from_ms, int64_t to_ms);
void tally_fini(struct tally *t);

/* Forgets everything: the next (category, dimension). */
void tally_reset(struct tally *t);

/* The series that follow are of this host. ranked: which items, and the best, are wanted. */
MUST_USE int tally_host_begin(struct tally *t, uint32_t host, bool ranked);
/* Items ascend strictly within a host. summary: of the points. */
MUST_USE int tally_add_points(struct tally *t, uint32_t item, const struct vector_points *points,
                              const struct summary *summary);
/* As tally_add_points, of what the points add up to minute by minute (number: from the range's
 * start). */
MUST_USE int tally_add_buckets(struct tally *t, uint32_t item, const struct rollup_bucket *buckets,
                               uint32_t count, const struct summary *summary);
/* The host's summary, items and best are complete, until the next begin. */
void tally_host_end(struct tally *t);

/* Number of items, over all hosts. */
uint64_t tally_items(const struct tally *t);

/* A page's items, over all hosts, as a rank page; false: there are none. */
bool tally_page(const struct tally *t, uint32_t number, struct rank_page *out);

#endif
