#ifndef JOBS_COMPACT_ODD_H
#define JOBS_COMPACT_ODD_H

#include "base/attr.h"
#include "jobs/compact_inputs.h"

#include <stdbool.h>

/* The catch-all's runs that give up the points of a range: one new arrival run of what they keep.
 * lo, fresh and order stay as they are, so that whoever folds them gets the same.
 *
 * Thread: one at a time. May block. */

/* *run_out: BUILDING, all its rows written; *kept_out false: nothing is left to keep, and there is
 * no run. */
MUST_USE int compact_odd_rewrite(struct job_context *context, const struct compact_inputs *in,
                                 struct storage_range range, struct storage_run *run_out,
                                 bool *kept_out);

#endif
