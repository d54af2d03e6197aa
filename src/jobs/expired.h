#ifndef JOBS_EXPIRED_H
#define JOBS_EXPIRED_H

#include "jobs/job.h"

/* The days that end at or before *out (Unix seconds; INT64_MIN: none) have lost their 1-second
 * data, or are about to. What appears there later came too late for the day's own pass: it is added
 * to the coarser runs, which are not made again from it. */
MUST_USE int expired_until(struct job_context *context, int64_t *out);

#endif
