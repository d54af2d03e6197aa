#ifndef QUERY_FOLD_H
#define QUERY_FOLD_H

#include "query/crew.h"
#include "query/source.h"

/* Each point of a filter exactly once, as its policy leaves it (DESIGN section 4, "Sums and
 * upserts").
 *
 * Pass 1 reads the blocks that are not fresh: their points are collected, and their series are
 * noted as touched. Pass 2 reads the fresh blocks: points of touched series are collected too, all
 * others go straight to the sink, by several workers where it allows that. Then the collected ones
 * are sorted by (series, time, log order) and folded, and what is left goes to the sink as well. So
 * memory is needed only for what was written twice, and a retried batch changes no answer. Thread:
 * a worker. */

struct fold_series {
    uint32_t category;
    uint32_t dimension;
    uint32_t host;
    uint32_t item;
};

struct fold_sink {
    /* Is anything of this block wanted? Sources may hand over more than was asked for. */
    bool (*select)(void *arg, const struct block *block);
    /* Is this item of the block selected last wanted? NULL: all are. */
    bool (*wants)(void *arg, uint32_t item);
    /* One point, within the filter's times. May be NaN. */
    int (*add)(void *arg, const struct fold_series *series, int64_t time_ms, double value);
    /* The same for some points of one series that follow each other in a block: where there are
     * thousands of one series, looking for it once is enough. NULL: add is called. */
    int (*add_many)(void *arg, const struct fold_series *series, const int64_t *times_ms,
                    const double *values, uint32_t count);
    /* Takes back a point of a hidden run: it comes by add after all, perhaps with another value.
     * NULL: the sink cannot. */
    int (*retract)(void *arg, const struct fold_series *series, int64_t time_ms, double value);
    /* As add, for all points of a block that no other point writes again: by several members at
     * once, none of which does add or retract meanwhile. NULL: add is called. It looks at the items
     * itself, and is called in place of add_many, and also where only others are wanted. */
    int (*take)(void *arg, const struct crew_member *member, const struct block *block);
    struct read *read; /* with take: the read whose source this is, and whose workers help */
    void *arg;
    bool ordered; /* a series' points must come in ascending time: all of them are collected */
};

/* filter->fresh is ignored. Returns what add returns, if that is not 0; LT_ELIMIT. */
MUST_USE int fold_run(struct source *source, const struct block_filter *filter,
                      const struct fold_sink *sink);

/* Its points in [from, to); points into *series. */
struct block_filter fold_filter_of(const struct fold_series *series, int64_t from_ms,
                                   int64_t to_ms);
/* May the block hold its points? */
bool fold_may_hold(const struct block *block, const struct fold_series *series);

/* One series' points in [from, to), as fold_run. */
MUST_USE int fold_one(struct source *source, const struct fold_series *series, int64_t from_ms,
                      int64_t to_ms, bool ordered,
                      int (*add)(void *arg, const struct fold_series *series, int64_t time_ms,
                                 double value),
                      void *arg);

/* A compact run of 1 second, within the filter's times, whose points the sink has from elsewhere
 * (summaries, rank rows). */
struct fold_hidden {
    const struct storage_run *run;
    bool touched; /* out, with FOLD_TOUCHED */
};
enum { FOLD_TOUCHED = 1 };

/* As fold_run, but points of hidden runs are read only where others of their series were written
 * again; those are taken back, and added as they now are. FOLD_TOUCHED, before anything was added:
 * the sink cannot take back, or there would be too many; hide the touched ones no more. */
MUST_USE int fold_run_hiding(struct source *source, const struct block_filter *filter,
                             const struct fold_sink *sink, struct fold_hidden *hidden,
                             uint32_t hidden_count);

#endif
