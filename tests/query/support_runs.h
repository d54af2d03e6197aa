#ifndef TESTS_QUERY_SUPPORT_RUNS_H
#define TESTS_QUERY_SUPPORT_RUNS_H

#include "port/storage_types.h"
#include "support_world.h"

/* Compact runs of a world's points, with the real codecs: what jobs write, in arrays. */

struct run_point {
    uint32_t category, dimension, host, item;
    int64_t time_ms;
    double value;
};

struct world_run {
    struct storage_run run;
    bool left;                    /* not in force any more */
    VEC(struct run_point) points; /* by category, dimension, host, item, time */
    VEC(struct storage_pack) packs;
    VEC(struct storage_rank) ranks;
    VEC(struct storage_total) totals;
};

struct compact_style {
    uint32_t rank_items_min; /* groups of fewer have no rank rows and totals */
    uint32_t top_max;        /* lists are cut there */
    uint32_t row_items_max;
    bool no_minutes;        /* the best have no rows by minute */
    uint32_t own_items_min; /* hosts with so many items have lists of their own; 0: none has */
};

/* Points of offsets below `upto` (at most the world's next) move from arrival rows into a run of
 * [from_s, to_s). */
void world_compact(struct world *w, int64_t from_s, int64_t to_s, uint64_t upto,
                   const struct compact_style *style);

/* Of a range that is still open: fresh points of [from_ms, to_ms) and offsets below the world's
 * next move into one more run of [from_s, to_s). */
void world_compact_piece(struct world *w, int64_t from_s, int64_t to_s, int64_t from_ms,
                         int64_t to_ms, const struct compact_style *style);

/* Late points: what is left in arrival rows, and what the runs of exactly this range hold, become
 * one new run; those leave. */
void world_compact_again(struct world *w, int64_t from_s, int64_t to_s,
                         const struct compact_style *style);

/* A run of coarser resolution over [from_s, to_s) from the 1-second runs in it. */
void world_downsample(struct world *w, int64_t from_s, int64_t to_s, uint32_t resolution_s,
                      const struct compact_style *style);

/* Takes runs of a resolution that end at or before to_s out of force. */
void world_expire(struct world *w, uint32_t resolution_s, int64_t to_s);

/* No runs: all points are arrival rows again. */
void world_forget_runs(struct world *w);

/* The storage port's reads of runs. */
extern const struct storage_ops world_run_ops;

/* Fresh blocks of all 1-second runs in force. */
int world_scan_runs(struct world *w, const struct block_filter *filter, block_visit *visit,
                    void *arg);

#endif
