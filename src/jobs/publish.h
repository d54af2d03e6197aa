#ifndef JOBS_PUBLISH_H
#define JOBS_PUBLISH_H

#include "jobs/job.h"

/* storage_runs_publish, also where a try's outcome is not known: then the list of runs tells.
 * in_count >= 1. May block. Errors as there, but for LT_EOUTCOME where asking fails too. */
MUST_USE int job_publish(struct job_context *context, const struct storage_run *in,
                         uint32_t in_count, const uint64_t *out, uint32_t out_count);

#endif
