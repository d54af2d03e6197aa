#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "base/attr.h"
#include "base/option.h"
#include "jobs/job.h"
#include "port/log.h"
#include "port/status.h"
#include "port/storage.h"
#include "tenant/tenant.h"

#include <stdbool.h>
#include <stdint.h>

/* The scheduler: does what is due, one piece of work at a time, for each partition that this
 * process owns.
 *
 * Each partition has one thread with two storage sessions. While the fence is ours it goes round:
 * for each environment of the partition it lists the runs and offers them to each job in turn
 * (job.h), which does at most one piece; then once more, or after interval_ms where nothing was
 * due. A job that fails waits 1 s, 2 s, … 60 s; nothing that goes wrong ends the thread. It runs
 * at a low priority, so that it yields to ingest.
 *
 *   loop thread                                        job threads
 *   jobs_pause, jobs_run --- requests (under lock) ---> do them
 *   jobs_dispatch <--------- outcomes (event_fd) ------
 *   jobs_dispatch <--------- a record for the log; its report comes back (append.c)
 *   jobs_line, jobs_status <- lines (under lock) ------
 *
 * Thread: loop, all of it. Nothing blocks but jobs_stop and jobs_destroy. */

struct jobs;

struct jobs_config {
    struct storage *storage;
    const struct tenant *tenant; /* must outlive the jobs */
    /* Does this process own the partition, and since which epoch? Thread: any. */
    bool (*fence)(void *arg, uint32_t partition, uint64_t *epoch_out);
    void *fence_arg;
    /* As job_context's. Thread: any. */
    struct catalog *(*catalog)(void *arg, uint32_t environment);
    void *catalog_arg;
    /* As log_append: for what a job has to say in the log. NULL: this process cannot. Thread: loop.
     */
    int (*append)(void *arg, uint32_t partition, struct slice record, log_done *done,
                  void *done_arg);
    void *append_arg;
    struct job_limits limits;
    int64_t interval_ms;
};

extern const struct option_spec jobs_options[];
extern const size_t jobs_options_count;
/* Fills limits and interval_ms, but for keep_1s_ms and read_deadline_ms, which are other modules'.
 */
void jobs_config_load(struct jobs_config *config, const struct option_set *options);

MUST_USE int jobs_create(const struct jobs_config *config, struct jobs **out);
MUST_USE int jobs_start(struct jobs *jobs);

/* Ends what runs, soon: for the beginning of a drain. Requests are answered LT_ECLOSED. */
void jobs_end(struct jobs *jobs);
/* Waits for the threads. False: one still waits for storage; as store_stop. Before store_stop, so
 * that nothing is written after the lease was given back. */
MUST_USE bool jobs_stop(struct jobs *jobs, int64_t timeout_ms);
/* Answers what is left. */
void jobs_destroy(struct jobs **jobs);

/* Readable when an outcome waits: then jobs_dispatch calls the done functions. */
int jobs_event_fd(const struct jobs *jobs);
void jobs_dispatch(struct jobs *jobs);

/* ---- what they do ---- */

uint32_t jobs_count(void);
const char *jobs_name(uint32_t job);
/* false: there is no such job. */
bool jobs_find(struct slice name, uint32_t *out);

enum jobs_state {
    JOBS_ELSEWHERE, /* another process owns the partition, or none does at the moment */
    JOBS_IDLE,
    JOBS_RUNNING,
    JOBS_PAUSED,
    JOBS_FAILING, /* the last piece failed; it is tried again */
};
const char *jobs_state_text(enum jobs_state state);

enum { JOBS_ERROR_BYTES = 160 };

struct jobs_line { /* one job of one environment */
    const char *name, *help;
    enum jobs_state state;
    bool has_piece; /* range: in hand, or due; else there is none */
    struct storage_range range;
    uint64_t points_done, points_all; /* of the piece in hand */
    uint64_t rows, bytes;             /* written since the start of the process */
    uint64_t pieces;                  /* done since then */
    uint32_t asked;                   /* JOBS RUN: how many wait or run */
    int64_t lag_ms;                   /* the oldest due piece has waited this long */
    int64_t last_wall_ms;             /* when the last piece ended, 0: none has */
    int64_t last_took_ms;
    char error[JOBS_ERROR_BYTES];       /* why it fails, or waits; "" where it does not */
    char asked_error[JOBS_ERROR_BYTES]; /* why the last JOBS RUN was given up; "": it was not */
};
void jobs_line(struct jobs *jobs, const struct tenant_environment *environment, uint32_t job,
               struct jobs_line *out);

/* As a status_provider's write; arg is the struct jobs. */
void jobs_status(void *arg, struct status_sink *sink);

/* ---- telling them ---- */

/* outcome: 0 or why it is not so. Called once, within jobs_dispatch, jobs_end or jobs_destroy. */
typedef void jobs_done(void *arg, int outcome);

/* A paused job begins no piece, and ends the one in hand, which starts anew on resume. Holds at
 * once, and after a restart if the outcome is 0: LT_EHELD (not ours), LT_ECLOSED, or what storage
 * says. LT_EBUSY: too many requests wait; then done is not called. */
MUST_USE int jobs_pause(struct jobs *jobs, const struct tenant_environment *environment,
                        uint32_t job, bool paused, jobs_done *done, void *arg);

/* Does the job's work on [from, to), rounded out to what it works on (an hour, a day), even where
 * it is paused or nothing is due. Queued in memory; a restart or another owner forgets it.
 * LT_EUNSUPPORTED: the job goes by the clock alone. LT_EHELD: not ours. LT_EBUSY. ahead_out: how
 * many requests wait before it. */
MUST_USE int jobs_run(struct jobs *jobs, const struct tenant_environment *environment, uint32_t job,
                      struct storage_range range, uint32_t *ahead_out);

#endif
