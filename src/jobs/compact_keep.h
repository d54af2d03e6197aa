#ifndef JOBS_COMPACT_KEEP_H
#define JOBS_COMPACT_KEEP_H

#include "base/attr.h"
#include "jobs/compact_inputs.h"

#include <stdbool.h>

/* What stays arrival rows though the runs that it stands in leave: one new arrival run. lo, fresh
 * and order stay as they are, so that whoever folds them gets the same.
 *
 * Thread: one at a time. May block. *run_out: BUILDING, all its rows written; *kept_out false:
 * nothing is left to keep, and there is no run. */

/* Of the catch-all's runs: what is not of the range. */
MUST_USE int compact_keep_odd(struct job_context *context, const struct compact_inputs *in,
                              struct storage_range range, struct storage_run *run_out,
                              bool *kept_out);

/* Of a piece's: what is not fresh. */
MUST_USE int compact_keep_late(struct job_context *context, const struct compact_inputs *in,
                               struct storage_range range, struct storage_run *run_out,
                               bool *kept_out);

#endif
