#ifndef JOBS_DOWNSAMPLE_WRITE_H
#define JOBS_DOWNSAMPLE_WRITE_H

#include "base/attr.h"
#include "base/vec.h"
#include "jobs/compact_tally.h"
#include "jobs/compact_write.h"
#include "jobs/downsample_read.h"
#include "jobs/job.h"
#include "vector/rollup.h"

#include <stdint.h>

/* The two runs that a day is downsampled into: minutes, and hours made of them. Observation rows as
 * series go by; the day's rank rows (of minutes: which hours' items they are is the same), and
 * totals by minute and by hour, once a (category, dimension) is complete.
 *
 * Thread: one at a time. May block. Errors: those of port/storage.h, of job_pace, LT_ENOMEM. */

struct coarse_run {
    struct storage_run run;   /* BUILDING */
    struct run_writer writer; /* ranks, totals, heartbeats, and counts */
    struct rollup_writer *rollup;
    bool begun;
};

struct day_writer {
    struct job_context *context;
    struct storage_range day;
    struct coarse_run minutes, hours;
    struct tally tally;
    const struct storage_group *group; /* in hand; NULL: none yet */
    struct rollup_bucket hour_buckets[DAY_HOURS];
};

/* sources: the greatest id that the runs were made from. */
MUST_USE int day_writer_init(struct day_writer *w, struct job_context *context,
                             struct storage_range day, uint64_t sources);
void day_writer_fini(struct day_writer *w);

/* Groups ascending, items of a group ascending; a group may come again while it is the last. It
 * lives until the next one. */
MUST_USE int day_writer_series(struct day_writer *w, const struct storage_group *group,
                               const struct merge_series *series);
MUST_USE int day_writer_beats(struct day_writer *w, const struct day_beats *beats);
/* After the last series: all is in storage, to be published. */
MUST_USE int day_writer_finish(struct day_writer *w);
/* It was for nothing. */
void day_writer_drop(struct day_writer *w);

#endif
