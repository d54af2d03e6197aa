#ifndef REACTOR_POOL_H
#define REACTOR_POOL_H

#include "port/executor.h"

#include <stdint.h>

/* Worker threads for blocking calls: own threads, because libuv's four are shared with DNS. A
 * bounded FIFO queue; completions reach the loop by one uv_async. Implements port/executor.h. */

struct reactor;
struct pool;

struct pool_config {
    const char *name; /* of its threads */
    uint32_t threads;
    uint32_t queue_max;
    /* Each thread's context: made by it before its first job, torn down by it at its end. NULL:
     * none. Making one must not connect to anything: where one fails, pool_create fails with its
     * error. */
    int (*context_create)(void *arg, void **out);
    void (*context_destroy)(void **context);
    void *arg;
};

/* Thread: loop. Returns when each thread has its context. config is copied. */
MUST_USE int pool_create(struct reactor *reactor, const struct pool_config *config,
                         struct pool **out);
/* Thread: loop. Queued jobs get done(ran = false); waits for the running ones; all done calls are
 * made within. A submit from one of them gets LT_ECLOSED. */
void pool_destroy(struct pool **pool);

/* Lives as long as the pool. */
struct executor *pool_executor(struct pool *pool);

struct pool_state {
    uint32_t queued;
    uint32_t running;
    uint32_t threads;
};
struct pool_state pool_state(struct pool *pool);

#endif
