#ifndef JOBS_SEAT_H
#define JOBS_SEAT_H

#include "base/vec.h"
#include "jobs/jobs.h"

#include <pthread.h>

/* One partition, as the loop and its job thread share it. Internal to jobs/. */

enum { JOBS_MAX = 8, JOBS_REQUESTS_MAX = 64 };

/* The jobs in the order in which they are offered work. */
struct job_entry {
    const struct job *job;
    int (*range)(struct job_context *context, struct storage_range range); /* JOBS RUN; or NULL */
    int64_t grain_s;                                                       /* of range */
};
extern const struct job_entry job_entries[];
extern const uint32_t job_entries_count;

/* A job of an environment. Under the seat's lock, but for progress. */
struct seat_line {
    struct job_progress progress;
    bool paused, running, failing;
    bool has_unit;
    struct job_unit unit; /* in hand; else the last that was due */
    uint64_t pieces;
    int64_t last_wall_ms, last_took_ms;
    int error; /* what was logged last, 0: all is well */
    char error_text[JOBS_ERROR_BYTES];
    char asked_error[JOBS_ERROR_BYTES]; /* of the last JOBS RUN */
    int64_t retry_mono_ms;              /* not before */
    int64_t retry_ms;
};

struct seat_environment {
    const struct tenant_environment *environment;
    struct seat_line lines[JOBS_MAX];
};

enum seat_request_kind { SEAT_PAUSE, SEAT_RESUME, SEAT_RUN };
struct seat_request {
    enum seat_request_kind kind;
    uint32_t environment, job; /* positions */
    struct storage_range range;
    int64_t cursor_s; /* RUN: what lies before it is done */
    jobs_done *done;
    void *arg;
    int outcome;
};

enum seat_append_state { SEAT_NONE, SEAT_WANTED, SEAT_FLYING, SEAT_DONE };
struct seat_append { /* append.c; under lock */
    enum seat_append_state state;
    uint64_t ticket;     /* which one it is */
    struct slice record; /* the thread's, while it waits */
    int outcome;
    uint64_t offset;
};
struct append_flight;

struct seat {
    struct jobs *jobs;
    uint32_t partition;
    pthread_t thread;
    bool started; /* the loop's */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* requests, stop; waits by the monotonic clock */

    /* Under lock. */
    bool stopping;
    bool poked; /* the thread has not looked since something was asked for */
    bool owned;
    uint64_t epoch;
    struct seat_environment *environments;
    uint32_t environments_count;
    VEC(struct seat_request) requests; /* in order; for the thread */
    VEC(struct seat_request) outcomes; /* for the loop */
    struct seat_line *in_hand;         /* whose piece runs now, or NULL */
    bool asked;                        /* ... by JOBS RUN */
    struct read_guard guard;           /* cancelled: under lock */
    struct seat_append append;
    struct append_flight *flights; /* the loop's */
};

struct jobs {
    struct jobs_config config;
    int event_fd;
    struct seat *seats; /* by partition */
    uint32_t seats_count;
};

/* append.c. Thread: loop. Hands over what a job wants in the log; forgets what is in flight. */
void append_dispatch(struct seat *seat);
void append_fini(struct seat *seat);
/* As job_context's append; arg: the seat. Thread: the job's. */
int append_wait(void *arg, struct slice record, uint64_t *offset_out);

/* worker.c: the thread. */
void *seat_main(void *seat);

/* The request's outcome goes to the loop. Under lock. */
void seat_answer(struct seat *seat, const struct seat_request *request, int outcome);

#endif
