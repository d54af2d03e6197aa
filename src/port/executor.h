#ifndef PORT_EXECUTOR_H
#define PORT_EXECUTOR_H

#include "base/attr.h"

#include <stdbool.h>

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

struct executor_ops {
    int (*submit)(struct executor *executor, struct executor_job *job);
    bool (*cancel)(struct executor *executor, struct executor_job *job);
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

#endif
