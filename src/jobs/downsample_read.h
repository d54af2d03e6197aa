#ifndef JOBS_DOWNSAMPLE_READ_H
#define JOBS_DOWNSAMPLE_READ_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/vec.h"
#include "jobs/compact_batch.h"
#include "jobs/downsample_merge.h"
#include "jobs/job.h"
#include "vector/minutes.h"
#include "vector/rollup.h"

#include <stdbool.h>
#include <stdint.h>

/* What a day is downsampled from: its 1-second compact runs; or, where these have expired and
 * points came late, what was downsampled before and the runs of the late points. In buckets of a
 * minute.
 *
 * Thread: one at a time. May block. Errors: those of port/storage.h, LT_ENOMEM, LT_ECORRUPT. */

enum { DAY_MINUTES = 1440, DAY_HOURS = 24 };

struct day_beats { /* seconds that reported, by minute */
    uint32_t collector, host;
    uint16_t minutes[DAY_MINUTES];
};

struct day_reader {
    struct job_context *context;
    struct storage_range day;
    VEC(struct storage_run) sources;  /* by time; what was downsampled before comes first */
    VEC(struct storage_group) groups; /* ascending; points: of all sources */
    uint64_t newest;                  /* the greatest id of 1-second sources */
    const struct storage_run *minutes, *hours; /* in force now; of `listed` */
    VEC(struct storage_run) listed;
    struct minutes_codec *minute_codec;
    struct rollup_codec *rollup;

    /* The batch in hand. */
    struct batch batch;
    uint32_t item_first, item_last; /* inclusive */
    struct merge merge;
    const struct storage_run *source;
    uint32_t group; /* where the last row's group was found, in the batch */

    VEC(struct day_beats) beats;
    struct hash_index beats_index;
};

MUST_USE int day_reader_init(struct day_reader *r, struct job_context *context,
                             struct storage_range day);
void day_reader_fini(struct day_reader *r);

/* Finds the sources; none: nothing to do. LT_EAGAIN: some of the day is not compact yet. */
MUST_USE int day_reader_sources(struct day_reader *r);
/* The reader's session has begun. */
MUST_USE int day_reader_groups(struct day_reader *r);

/* The groups from `first` on that are read together, and the spans of items in which they are: one,
 * unless it is a single large group. Ascending first items in spans_out; the first is 0. */
struct item_spans {
    VEC(uint32_t) first;
};
MUST_USE int day_reader_batch(struct day_reader *r, uint32_t first, struct item_spans *spans_out);

/* Reads a span of the batch: r->merge is ready for merge_next. */
MUST_USE int day_reader_gather(struct day_reader *r, const struct item_spans *spans,
                               uint32_t number);

/* All heartbeats, by (collector, host). */
MUST_USE int day_reader_beats(struct day_reader *r);

#endif
