#ifndef PORT_EXECUTOR_H
#define PORT_EXECUTOR_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs blocking work on its own threads. Adapter: reactor/pool. */

struct executor;
struct executor_job;

/* Thread: a worker. context belongs to that worker (its storage session). May block. */
typedef void executor_work(struct executor_job *job, void *context);

/* Thread: loop, once for each submit that returned 0. ran is false for a job that was cancelled
 * while it was still queued, or dropped at shutdown. */
typedef void executor_done(struct executor_job *job, bool ran);

/* Embedded in the caller's request; caller-owned; must live until done. */
struct executor_job {
    executor_work *work;
    executor_done *done;
    struct executor_job *next; /* the executor's */
    int state;                 /* the executor's */
};

/* A loop that a running job shares with workers that have nothing else to do: each takes part by
 * part, by a counter of the caller's, until none is left. Embedded in the caller's state;
 * caller-owned; must live from begin to end. */
struct executor_assist {
    /* Thread: a worker other than the caller's, with its own context. Returns when no part is left
     * to take. May block. Called at most once for each helper. */
    void (*work)(struct executor_assist *assist, void *context);
    uint32_t helpers_max;
    uint32_t begun, running;      /* the executor's */
    struct executor_assist *next; /* the executor's */
};

struct executor_ops {
    int (*submit)(struct executor *executor, struct executor_job *job);
    bool (*cancel)(struct executor *executor, struct executor_job *job);
    /* May both be NULL: then nobody helps. */
    void (*assist_begin)(struct executor *executor, struct executor_assist *assist);
    void (*assist_end)(struct executor *executor, struct executor_assist *assist);
};

struct executor {
    const struct executor_ops *ops;
};

/* Thread: loop. Never blocks. LT_EBUSY: the queue is full, nothing was taken. */
MUST_USE static inline int executor_submit(struct executor *executor, struct executor_job *job)
{
    return executor->ops->submit(executor, job);
}

/* Thread: loop. True: the job was still queued, and its done is called (ran = false) in a later
 * turn. False: it runs or has run; its owner has other means to stop it (read_guard). */
static inline bool executor_cancel(struct executor *executor, struct executor_job *job)
{
    return executor->ops->cancel(executor, job);
}

/* Thread: a worker, within a job's work. Workers that are idle, or become so, may call assist->work
 * from now on; jobs that are queued go first. Never blocks: the caller does all of it where nobody
 * comes. */
static inline void executor_assist_begin(struct executor *executor, struct executor_assist *assist)
{
    if (executor->ops->assist_begin != NULL)
        executor->ops->assist_begin(executor, assist);
}

/* Thread: the same. Nobody begins any more; waits for those that have. */
static inline void executor_assist_end(struct executor *executor, struct executor_assist *assist)
{
    if (executor->ops->assist_end != NULL)
        executor->ops->assist_end(executor, assist);
}

#endif
