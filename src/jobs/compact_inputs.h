#ifndef JOBS_COMPACT_INPUTS_H
#define JOBS_COMPACT_INPUTS_H

#include "base/attr.h"
#include "base/vec.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <stdint.h>

/* What a range is compacted from: its closed arrival runs, its compact runs, and those of the
 * catch-all that hold points of it ("odd": the clocks that they came from have been caught up
 * with). A piece of a range that is still open: what flushes wrote, and of that what is fresh. And
 * the groups (category, dimension, host) that they have points of.
 *
 * Thread: one at a time. May block. Errors: those of port/storage.h, LT_ENOMEM. */

struct compact_input {
    struct storage_run run;
    bool odd;
};

struct compact_inputs {
    VEC(struct storage_run) listed;   /* all runs of the environment */
    VEC(struct compact_input) inputs; /* in the order of their ids, compact runs first */
    VEC(struct storage_group) groups; /* ascending; points: an upper bound */
    VEC(uint64_t) expected;           /* by group: points that are not odd, exactly */
    uint64_t newest;                  /* the greatest id */
    uint32_t odd_count;
    uint64_t late; /* piece: how many points are not fresh */
    bool piece;
};

void compact_inputs_init(struct compact_inputs *in);
void compact_inputs_fini(struct compact_inputs *in);

/* Lists the runs, and drops those that an earlier piece of work left BUILDING. */
MUST_USE int compact_inputs_list(struct compact_inputs *in, struct job_context *context);

/* Closes what is open in the range, and finds the inputs; none: nothing to do. The reader has
 * begun. */
MUST_USE int compact_inputs_take(struct compact_inputs *in, struct job_context *context,
                                 struct storage_range range, bool piece);
MUST_USE int compact_inputs_groups(struct compact_inputs *in, struct job_context *context);

/* Does the run hold a point of the range? */
MUST_USE int compact_run_holds(struct job_context *context, const struct storage_run *run,
                               struct storage_range range, bool *out);

/* Visits the run's blocks category by category, what is fresh first, unless late alone is wanted;
 * from and to as in a filter. */
MUST_USE int compact_run_scan(struct job_context *context, const struct storage_run *run,
                              int64_t from_ms, int64_t to_ms, bool late_only, block_visit *visit,
                              void *arg);

static inline bool compact_same_range(struct storage_range a, struct storage_range b)
{
    return a.from_s == b.from_s && a.to_s == b.to_s;
}

#endif
