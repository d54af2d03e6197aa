#ifndef QUERY_SPAN_PLAN_H
#define QUERY_SPAN_PLAN_H

#include "base/attr.h"
#include "base/vec.h"
#include "port/storage_types.h"

#include <stdbool.h>
#include <stdint.h>

/* Which of the runs in force answer a range of time, and how. Pure.
 *
 *   1 s    -----------------------[h][h][h][h][h][h][h][h][h][h]   compact, an hour each
 *   60 s   ------[day     ][day     ][day     ][day     ]
 *   range       |.............................................|
 *              edge  whole     whole    hours      hours  points
 *
 * Where there are 1-second runs, they are the truth. One is whole where all its points lie within
 * the range, though its hour may not: an hour that is still open has several, each of some minutes.
 * A day's run stands for its hours' runs where it lies whole within the range and none of them is
 * newer than what it was made from. Before the oldest 1-second run, time belongs to the coarser
 * ones: whole ones as they are, others bucket by bucket. Nothing of what a plan does not name is
 * left out by it: hours at the edges of the range, arrival runs and the head are points. */

struct span_whole {
    const struct storage_run *run;
    int64_t from_ms, to_ms;          /* where it has points: within the range asked for */
    uint32_t hidden_from, hidden_to; /* the 1-second runs that it stands for: span_plan.hidden */
};

struct span_edge { /* buckets of a coarser run that start in [from, to) */
    const struct storage_run *run;
    int64_t from_ms, to_ms;
};

struct span_plan {
    int64_t from_ms, to_ms; /* the bounds used: in coarser data a bucket counts where it starts */
    VEC(struct span_whole) whole;
    VEC(const struct storage_run *) hidden;
    VEC(struct span_edge) edges;
};

enum span_detail {
    SPAN_DAYS,   /* a day's run may stand for its hours */
    SPAN_HOURS,  /* it may not: an hour of it has to be read point by point */
    SPAN_POINTS, /* neither may 1-second runs be whole */
};

/* runs are borrowed. LT_ENOMEM. */
MUST_USE int span_plan_make(struct span_plan *plan, const struct storage_run *runs, uint32_t count,
                            int64_t from_ms, int64_t to_ms, enum span_detail detail);
void span_plan_fini(struct span_plan *plan);

#endif
