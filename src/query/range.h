#ifndef QUERY_RANGE_H
#define QUERY_RANGE_H

#include "query/beats.h"
#include "query/buckets.h"
#include "query/cover.h"
#include "query/fold.h"
#include "query/read.h"
#include "vector/minutes.h"

#include <stdbool.h>
#include <stdint.h>

/* RANGE, between its files: plan and finish (range.c), which resolution serves which hours
 * (range_cover.c), points and buckets into tallies (range_scan.c; of many series: range_share.h),
 * heartbeats (range_beats.c). One thread. */

/* The increase of a counter's first bucket needs the point before it: look back this far, at least.
 */
enum { RANGE_LOOK_BACK_MS = 60 * 1000 };

struct range_target {
    struct fold_series series;
    uint32_t key; /* position among the keys */
    bool known;
    enum kind kind;
    enum aggregate aggregate;
    struct beats_pair pair;
    bool has_pair;
    unsigned columns; /* of buckets, that the answer is made of (enum pack_columns) */
    struct tally *tallies;
    double counter; /* rate of a counter: the point before, if has_counter */
    int64_t counter_ms;
    bool has_counter;
};

/* A run whose buckets serve a part. */
struct range_source {
    struct storage_run run; /* a copy: a run that serves two parts is read for each */
    const struct cover_part *part;
};

struct range {
    struct read *read;
    struct catalog *catalog;
    int64_t from_ms, to_ms; /* [from, to) */
    struct cover_steps steps;
    struct range_target *targets; /* by series; unknown ones last */
    uint32_t count;
    uint32_t known;
    uint32_t buckets;
    struct beats_pair *pairs; /* of all targets, ascending */
    uint32_t pairs_count;
    struct cover cover;
    struct {
        int64_t *v;
        uint32_t n, cap;
    } dirty; /* hours in which head or catch-all have points of targets */

    /* While it is scanned. */
    const struct cover_part *part;
    struct range_source *sources;
    const struct storage_run **runs; /* of sources */
    uint32_t sources_count;
    struct minutes_codec *minutes; /* made when they are needed */
    struct rollup_codec *rollup;
    const struct storage_pack *pack;
    uint32_t group, group_end; /* targets of the block or row selected last */
    uint32_t *items;           /* of these, ascending, each once */
    uint32_t items_count;
    unsigned columns;          /* of buckets: what the targets need (enum pack_columns) */
    struct range_share *share; /* NULL: points come one by one (range_share.h) */
    void *scan; /* whose scan range_each_family runs, where that is not this one's (samples.h) */
};

/* Targets that one scan reads: of one category, or of many that have a single item each, as metrics
 * without variable components are: a dashboard asks for dozens of those, and a statement each would
 * cost more than what they read. */
struct range_family {
    const uint32_t *targets; /* positions, ascending */
    uint32_t count;
};
MUST_USE int range_each_family(struct range *r,
                               int (*scan)(struct range *r, const struct range_family *f));
/* Of series of the family; more may match. Borrows from the scratch. */
MUST_USE int range_filter(struct range *r, const struct range_family *f, int64_t from_ms,
                          int64_t to_ms, struct block_filter *out);

/* Are targets of the block's group wanted? They become r->group. */
bool range_select_block(void *arg, const struct block *block);
bool range_wants_item(void *arg, uint32_t item);
/* The first known target that is not before series. */
uint32_t range_find(const struct range *r, const struct fold_series *series);
int range_compare_series(const struct fold_series *a, const struct fold_series *b);

/* Must its points come in ascending time? */
static inline bool range_is_ordered(const struct range_target *t)
{
    return t->kind == KIND_COUNTER && t->aggregate == AGGREGATE_RATE;
}

/* Points of one series, in any order, into its targets' tallies: a fold_sink's add_many. */
MUST_USE int range_add_many(void *arg, const struct fold_series *series, const int64_t *times_ms,
                            const double *values, uint32_t count);

/* What scan and cover made. */
void range_fini(struct range *r);
/* Fills r->cover. */
MUST_USE int range_plan_cover(struct range *r);
/* Points and buckets into tallies. */
MUST_USE int range_scan(struct range *r);
/* Heartbeats into tallies, where they matter: after range_scan. */
MUST_USE int range_scan_beats(struct range *r);

/* Runs visit for the pairs of each collector. */
MUST_USE int range_each_collector(struct range *r, int64_t from_ms, int64_t to_ms,
                                  int (*visit)(struct range *r, const struct beat_filter *filter));

static inline struct tally *range_tally(const struct range *r, const struct range_target *t,
                                        int64_t time_ms)
{
    return &t->tallies[(time_ms - r->steps.origin_ms) / r->steps.step_ms];
}

#endif
