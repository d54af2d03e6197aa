#include "reactor/pool.h"

#include "base/attr.h"
#include "base/error.h"
#include "base/logger.h"
#include "reactor/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char module[] = "pool";

enum { THREAD_NAME_BYTES_MAX = 16 }; /* Linux' limit, with the NUL */

/* IDLE --submit--> QUEUED --worker--> RUNNING --> RAN ---------> IDLE, done(ran = true)
 *                     `---cancel, shutdown--> CANCELLED --> IDLE, done(ran = false) */
enum job_state { JOB_IDLE, JOB_QUEUED, JOB_RUNNING, JOB_RAN, JOB_CANCELLED };

struct job_list {
    struct executor_job *first;
    struct executor_job **last; /* where the next one is hung */
};

struct pool {
    struct executor executor;
    struct pool_config config;
    struct reactor *reactor;
    uv_async_t finished;
    pthread_t *threads;
    uint32_t threads_count; /* that run */

    pthread_mutex_t lock;            /* all below */
    pthread_cond_t work;             /* queue, assists or stopping changed */
    pthread_cond_t ready;            /* answered changed */
    pthread_cond_t let_go;           /* a helper has returned */
    struct executor_assist *assists; /* loops that may need helpers, the newest first */
    struct job_list queue;
    struct job_list over; /* for their done */
    uint32_t queued;
    uint32_t running;
    uint32_t answered; /* threads whose context is made, or was not */
    int status;        /* of the first context that could not be made */
    bool stopping;
};

static void job_move(struct executor_job *job, enum job_state to)
{
    static const uint8_t allowed[] = {
        [JOB_IDLE] = 1 << JOB_QUEUED,    [JOB_QUEUED] = 1 << JOB_RUNNING | 1 << JOB_CANCELLED,
        [JOB_RUNNING] = 1 << JOB_RAN,    [JOB_RAN] = 1 << JOB_IDLE,
        [JOB_CANCELLED] = 1 << JOB_IDLE,
    };
    assert(allowed[job->state] & 1 << to);
    job->state = to;
}

static void job_list_init(struct job_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void job_list_push(struct job_list *list, struct executor_job *job)
{
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static void job_list_remove(struct job_list *list, struct executor_job *job)
{
    struct executor_job **at = &list->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (list->last == &job->next)
        list->last = at;
    job->next = NULL;
}

/* With the lock. */
static void cancel_queued(struct pool *pool, struct executor_job *job)
{
    job_list_remove(&pool->queue, job);
    pool->queued--;
    job_move(job, JOB_CANCELLED);
    job_list_push(&pool->over, job);
}

/* ---- workers ---- */

/* With the lock, which it gives up while the job runs. */
static void run_first(struct pool *pool, void *context)
{
    struct executor_job *job = pool->queue.first;
    job_list_remove(&pool->queue, job);
    job_move(job, JOB_RUNNING);
    pool->queued--;
    pool->running++;
    pthread_mutex_unlock(&pool->lock);
    job->work(job, context);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    job_move(job, JOB_RAN);
    job_list_push(&pool->over, job);
    uv_async_send(&pool->finished);
}

/* With the lock. */
static struct executor_assist *find_assist(const struct pool *pool)
{
    struct executor_assist *assist = pool->assists;
    while (assist != NULL && assist->begun == assist->helpers_max)
        assist = assist->next;
    return assist;
}

/* With the lock, which it gives up while it helps. A helper that returns has found no part left, so
 * the next one is not called for nothing: begun only grows. */
static void help(struct pool *pool, struct executor_assist *assist, void *context)
{
    assist->begun++;
    assist->running++;
    pthread_mutex_unlock(&pool->lock);
    assist->work(assist, context);
    pthread_mutex_lock(&pool->lock);
    assist->begun = assist->helpers_max;
    if (--assist->running == 0)
        pthread_cond_broadcast(&pool->let_go);
}

static void *worker(void *arg)
{
    struct pool *pool = arg;
    const struct pool_config *config = &pool->config;
    void *context = NULL;
    int status = 0;
    if (config->context_create != NULL)
        status = config->context_create(config->arg, &context);
    pthread_mutex_lock(&pool->lock);
    pool->answered++;
    if (pool->status == 0)
        pool->status = status;
    pthread_cond_signal(&pool->ready);
    for (;;) {
        struct executor_assist *assist = NULL;
        while (pool->queue.first == NULL && !pool->stopping && (assist = find_assist(pool)) == NULL)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stopping)
            break;
        if (assist != NULL)
            help(pool, assist, context);
        else
            run_first(pool, context);
    }
    pthread_mutex_unlock(&pool->lock);
    if (status == 0 && config->context_destroy != NULL)
        config->context_destroy(&context);
    return NULL;
}

static int start_worker(struct pool *pool)
{
    /* Signals are the loop's; in a worker they would only interrupt its system calls. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t *thread = &pool->threads[pool->threads_count];
    int error = pthread_create(thread, NULL, worker, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        log_error(module, "cannot start a thread of %s: %s", pool->config.name, strerror(error));
        return LT_ENOMEM;
    }
    char name[THREAD_NAME_BYTES_MAX];
    snprintf(name, sizeof(name), "%s", pool->config.name);
    pthread_setname_np(*thread, name);
    pool->threads_count++;
    return 0;
}

static void stop_workers(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    while (pool->queue.first != NULL)
        cancel_queued(pool, pool->queue.first);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->threads_count; i++)
        pthread_join(pool->threads[i], NULL);
}

/* ---- the loop's side ---- */

static void call_done(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct executor_job *job = pool->over.first;
    job_list_init(&pool->over);
    pthread_mutex_unlock(&pool->lock);
    while (job != NULL) {
        /* done may free the job, or submit it again. */
        struct executor_job *next = job->next;
        bool ran = job->state == JOB_RAN;
        job_move(job, JOB_IDLE);
        job->done(job, ran);
        job = next;
    }
}

static void on_finished(uv_async_t *async)
{
    call_done(CONTAINER_OF(async, struct pool, finished));
}

static int submit(struct executor *executor, struct executor_job *job)
{
    struct pool *pool = CONTAINER_OF(executor, struct pool, executor);
    int status = 0;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping)
        status = LT_ECLOSED;
    else if (pool->queued >= pool->config.queue_max)
        status = LT_EBUSY;
    if (status == 0) {
        job->state = JOB_QUEUED; /* whatever it was: a fresh job need not be cleared */
        job_list_push(&pool->queue, job);
        pool->queued++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
}

static bool cancel(struct executor *executor, struct executor_job *job)
{
    struct pool *pool = CONTAINER_OF(executor, struct pool, executor);
    pthread_mutex_lock(&pool->lock);
    bool queued = job->state == JOB_QUEUED;
    if (queued) {
        cancel_queued(pool, job);
        uv_async_send(&pool->finished);
    }
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

static void assist_begin(struct executor *executor, struct executor_assist *assist)
{
    struct pool *pool = CONTAINER_OF(executor, struct pool, executor);
    assist->begun = assist->running = 0;
    pthread_mutex_lock(&pool->lock);
    assist->next = pool->assists;
    pool->assists = assist;
    for (uint32_t i = 0; i < assist->helpers_max; i++)
        pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

static void assist_end(struct executor *executor, struct executor_assist *assist)
{
    struct pool *pool = CONTAINER_OF(executor, struct pool, executor);
    pthread_mutex_lock(&pool->lock);
    struct executor_assist **at = &pool->assists;
    while (*at != assist)
        at = &(*at)->next;
    *at = assist->next;
    while (assist->running > 0)
        pthread_cond_wait(&pool->let_go, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static const struct executor_ops pool_ops = {
    .submit = submit, .cancel = cancel, .assist_begin = assist_begin, .assist_end = assist_end};

static void pool_free(uv_handle_t *handle)
{
    struct pool *pool = CONTAINER_OF((uv_async_t *)handle, struct pool, finished);
    pthread_cond_destroy(&pool->let_go);
    pthread_cond_destroy(&pool->ready);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

int pool_create(struct reactor *reactor, const struct pool_config *config, struct pool **out)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return LT_ENOMEM;
    int status = LT_ENOMEM;
    pool->threads = calloc(config->threads, sizeof(*pool->threads));
    if (pool->threads == NULL)
        goto fail_threads;
    status = LT_EIO;
    if (uv_async_init(&reactor->loop, &pool->finished, on_finished) != 0)
        goto fail_async;
    pool->executor.ops = &pool_ops;
    pool->config = *config;
    pool->reactor = reactor;
    job_list_init(&pool->queue);
    job_list_init(&pool->over);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->ready, NULL);
    pthread_cond_init(&pool->let_go, NULL);
    reactor->lent++;

    status = 0;
    while (status == 0 && pool->threads_count < config->threads)
        status = start_worker(pool);
    pthread_mutex_lock(&pool->lock);
    while (pool->answered < pool->threads_count)
        pthread_cond_wait(&pool->ready, &pool->lock);
    if (status == 0)
        status = pool->status;
    pthread_mutex_unlock(&pool->lock);
    if (status != 0) {
        pool_destroy(&pool);
        return status;
    }
    *out = pool;
    return 0;

fail_async:
    free(pool->threads);
fail_threads:
    free(pool);
    return status;
}

void pool_destroy(struct pool **pool_ref)
{
    struct pool *pool = *pool_ref;
    if (pool == NULL)
        return;
    stop_workers(pool);
    call_done(pool);
    pool->reactor->lent--;
    uv_close((uv_handle_t *)&pool->finished, pool_free);
    *pool_ref = NULL;
}

struct executor *pool_executor(struct pool *pool)
{
    return &pool->executor;
}

struct pool_state pool_state(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct pool_state state = {
        .queued = pool->queued, .running = pool->running, .threads = pool->threads_count};
    pthread_mutex_unlock(&pool->lock);
    return state;
}
