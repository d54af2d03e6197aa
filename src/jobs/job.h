#ifndef JOBS_JOB_H
#define JOBS_JOB_H

#include "base/attr.h"
#include "port/guard.h"
#include "port/storage.h"
#include "port/storage_reads.h"
#include "port/storage_runs.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What one kind of job is to the scheduler (jobs.h): it names the next piece of work that is due,
 * and does a piece. Both may be repeated at any time, after any interruption: what is done stands
 * in the manifest, in the transaction that did it.
 *
 * Thread: the partition's job thread. May block. */

struct catalog;

struct job_context {
    struct storage_session *session; /* changes: create, put, publish, drop */
    struct storage_session *reader;  /* reads, while rows are being written by the other */
    struct read_guard *guard;        /* of the reader; cancelled when the job has to stop */
    struct storage_fence fence;
    uint32_t environment;
    const struct job_limits *limits;
    struct job_progress *progress;
    int64_t now_ms;  /* wall clock when the piece of work was chosen */
    int64_t last_ms; /* when a piece of this job last ended here, 0: none has */
    /* A reference to the environment's catalog, or NULL while it is being loaded. */
    struct catalog *(*catalog)(void *arg, uint32_t environment);
    void *catalog_arg;
    /* Appends a record to the partition's log, and waits until it stands there: 0. LT_EUNAVAILABLE:
     * it does not, and will not; LT_EOUTCOME, LT_ECANCELLED: it may. NULL: this process cannot. */
    int (*append)(void *arg, struct slice record, uint64_t *offset_out);
    void *append_arg;
    int64_t paced_mono_us; /* job_pace's: what was written is paid for until then; 0 at first */
};

enum { JOB_RANKED_ITEMS = 8192 };

struct job_limits {
    size_t memory_bytes_max;   /* of one piece of work: 1 GiB */
    uint64_t bytes_per_second; /* written; 0: no limit */
    uint32_t ranked_items_min; /* JOB_RANKED_ITEMS: of a (category, dimension) with rank rows */
    int64_t grace_ms;          /* a range is compacted this long after its end */
    int64_t late_ms;           /* late points wait this long at least for the next pass */
    uint64_t piece_points;     /* of a range that is still open, compacted ahead; 0: never */
    int64_t piece_ms;          /* … once its arrival run is so old */
    int64_t keep_1s_ms, keep_1m_ms, keep_1h_ms;
    int64_t forget_every_ms;  /* items that were not seen for long are looked for */
    int64_t forget_wait_ms;   /* ... and forgotten this long after they were doomed */
    int64_t read_deadline_ms; /* no read lasts longer: runs are dropped after twice that */
};

/* Written by the job, read by STATUS. */
struct job_progress {
    _Atomic uint64_t points_done, points_all; /* of the piece in hand */
    _Atomic uint64_t rows, bytes;             /* written since the start of the process */
};

struct job_unit {
    struct storage_range range;
    uint64_t run;      /* where the piece is about one run: expire */
    bool open;         /* compact: what there is of a range that is still open */
    int64_t due_ms;    /* since when it has been due: lag */
    const char *waits; /* a literal: it is due, and may not be done yet; NULL: it may */
};

struct job {
    const char *name; /* "compact" */
    const char *help; /* for JOBS */
    /* 1: *out is due now; 0: nothing is. `runs`: as storage_runs listed them a moment ago. */
    int (*next)(const struct job_context *context, const struct storage_run *runs, uint32_t count,
                struct job_unit *out);
    int (*run)(struct job_context *context, const struct job_unit *unit);
};

/* Between steps of a piece of work: LT_ECANCELLED when it has to stop; sleeps where bytes were
 * written faster than the limit allows. */
MUST_USE int job_pace(struct job_context *context, uint64_t bytes_written);

/* compact.c: the points of a closed range into one compact run; of one that is still open and
 * large, what there is of it, into one more. */
extern const struct job job_compact;
/* Whatever stands in [from, to) of 1-second arrival runs, due or not: JOBS RUN, tools/generate.
 * Also where nothing is new: reprocessing makes a new run from the old one. */
MUST_USE int compact_range(struct job_context *context, struct storage_range range);
/* The fresh points of the range's arrival runs, into one more compact run of the range; its other
 * points stay arrival rows, and runs that are compact already stay as they are. */
MUST_USE int compact_piece(struct job_context *context, struct storage_range range);

/* downsample.c: a day's compact runs into coarser ones, 1 min and 1 h. */
extern const struct job job_downsample;
/* The day at range.from_s, due or not: JOBS RUN. */
MUST_USE int downsample_day(struct job_context *context, struct storage_range day);

/* expire.c: runs past their retention leave; runs that have left, and what interrupted jobs left
 * behind, are dropped. */
extern const struct job job_expire;

/* ahead.c: the coming hour's arrival tables are made before the hour begins. */
extern const struct job job_ahead;

/* seen.c: when items were first and last seen, from the catalog to storage. */
extern const struct job job_seen;

/* forget.c: items that were not seen for longer than anything is kept leave the catalog. */
extern const struct job job_forget;

#endif
