#ifndef JOBS_COMPACT_FOLD_H
#define JOBS_COMPACT_FOLD_H

#include "base/attr.h"
#include "base/vec.h"
#include "jobs/compact_gather.h"
#include "vector/series.h"

#include <stdint.h>

/* One part's points, series by series, each (series, time) once: as its policies leave it, in log
 * order. The order is that of model/block.h, and so of every reader: a point of a fresh block or of
 * the compact run first, then by lo, then in the order in which blocks were added.
 *
 * Fresh points are sorted by item: a counting sort by 11 bits at a time, the first time straight
 * from the chunks, so that a part of a large group, which spans 10 bits, is moved once. A series
 * whose points are all fresh and in order, as nearly all are, goes on as it stands; others are
 * merged.
 *
 * Thread: one at a time. Never blocks. */
struct folder {
    VEC(struct gather_point) points, points_spare;
    VEC(struct gather_later) later, later_spare;
    VEC(struct gather_later) series; /* a series that has to be folded */
    VEC(int64_t) times_ms;
    VEC(double) values;
};

void folder_init(struct folder *f);
void folder_fini(struct folder *f);

/* Items ascending; at least one point each, times ascending strictly. The columns are valid during
 * the call. Return 0 to go on. */
typedef int folder_visit(void *arg, uint32_t item, const struct vector_points *points);

/* from_ms: the range's start. Returns what visit returns, if not 0; LT_ENOMEM. */
MUST_USE int folder_run(struct folder *f, int64_t from_ms, const struct gather_part *part,
                        folder_visit *visit, void *arg);

#endif
