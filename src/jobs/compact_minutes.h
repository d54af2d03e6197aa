#ifndef JOBS_COMPACT_MINUTES_H
#define JOBS_COMPACT_MINUTES_H

#include "base/attr.h"
#include "jobs/compact_write.h"

/* What the best items of a run have minute by minute (vector/rank_minutes.h), so that a sparkline
 * of the best reads a few rows of an hour, and not one observation row for each item.
 *
 * Who is best over all hosts is known only when the last host's series have gone by; so their
 * points are read once more, from the rows that the writer has just written. Nothing where the
 * range is longer than an hour.
 *
 * Thread: one at a time. May block. context->reader: after storage_reader_begin. Errors: those of
 * port/storage.h, of job_pace, LT_ENOMEM. */
MUST_USE int compact_minutes(struct job_context *context, struct run_writer *writer);

#endif
