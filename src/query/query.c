#include "query/query.h"

#include "query/read.h"
#include "query/spec.h"

#include <assert.h>
#include <stdlib.h>

enum phase {
    PHASE_NEW,
    PHASE_WAITING,
    PHASE_WORKING,
    PHASE_PARKED, /* read, but not enough yet: until the head goes on, or its time is over */
    PHASE_STOPPING,
    PHASE_ENDED,
    PHASE_COUNT
};

enum {
    PARKED_MS_MIN = 20
}; /* a parked request is not read again sooner, however much is written */

struct request {
    struct query *query;
    struct request *before, *after; /* all in flight, oldest first */
    uint64_t id;
    enum phase phase;
    int64_t started_mono_ms;
    int64_t deadline_from_ms; /* began to wait or to run; parked time does not count */
    struct arena arena;       /* the specification's */
    struct query_spec spec;
    query_done *done; /* NULL: answered */
    void *arg;
    struct head_wait wait;

    /* On a worker. The loop touches guard's atomics and `running` only, until job's done. */
    struct executor_job job;
    struct read_guard guard;
    struct read read;
    int status;
    _Atomic bool running;
    pthread_mutex_t connection_lock; /* see source.h */

    struct executor_job interrupt;
    bool interrupting;

    struct {                         /* PARKED */
        struct samples_spec samples; /* the specification's, with where the range begins by now */
        union query_result *result;  /* what there is, if nothing comes */
        int64_t until_ms;            /* INT64_MAX: no end */
        int64_t again_ms;            /* not before */
        bool waits;                  /* for the head; else it has gone on */
    } parked;
};

struct query {
    struct query_config config;
    struct request *oldest, *newest;
    uint64_t next_id;
    bool stopped;
    struct query_stats stats;
    uint32_t parked; /* of those in flight */
};

static void request_move(struct request *r, enum phase to)
{
    static const bool allowed[PHASE_COUNT][PHASE_COUNT] = {
        [PHASE_NEW][PHASE_WAITING] = true,      [PHASE_NEW][PHASE_ENDED] = true,
        [PHASE_WAITING][PHASE_WORKING] = true,  [PHASE_WAITING][PHASE_ENDED] = true,
        [PHASE_WORKING][PHASE_WAITING] = true, /* the snapshot was ahead of the head */
        [PHASE_WORKING][PHASE_STOPPING] = true, [PHASE_WORKING][PHASE_ENDED] = true,
        [PHASE_WORKING][PHASE_PARKED] = true,   [PHASE_PARKED][PHASE_WORKING] = true,
        [PHASE_PARKED][PHASE_ENDED] = true,     [PHASE_STOPPING][PHASE_ENDED] = true,
    };
    assert(allowed[r->phase][to]);
    r->query->parked += (to == PHASE_PARKED) - (r->phase == PHASE_PARKED);
    r->phase = to;
}

static const char *phase_text(const struct request *r)
{
    switch (r->phase) {
    case PHASE_WAITING:
        return "waiting";
    case PHASE_WORKING:
        return atomic_load(&r->running) ? "running" : "queued";
    case PHASE_PARKED:
        return "blocked";
    default:
        return "stopping";
    }
}

static void request_link(struct request *r)
{
    struct query *query = r->query;
    r->before = query->newest;
    *(r->before != NULL ? &r->before->after : &query->oldest) = r;
    query->newest = r;
    query->stats.in_flight++;
}

static void request_unlink(struct request *r)
{
    struct query *query = r->query;
    if (r->before != NULL)
        r->before->after = r->after;
    else
        query->oldest = r->after;
    if (r->after != NULL)
        r->after->before = r->before;
    else
        query->newest = r->before;
    assert(query->oldest != r && query->newest != r);
    query->stats.in_flight--;
    query->stats.rows += atomic_load(&r->guard.rows);
    query->stats.bytes += atomic_load(&r->guard.bytes);
}

static void request_free(struct request *r)
{
    query_result_free(&r->parked.result);
    pthread_mutex_destroy(&r->connection_lock);
    arena_fini(&r->arena);
    free(r);
}

/* The answer's callback may submit and kill requests: nothing of r may be used after it but by
 * whoever knows that r is still there. */
static void request_answer(struct request *r, int status, const char *why,
                           union query_result *result)
{
    struct query_stats *stats = &r->query->stats;
    stats->done += status == 0;
    stats->killed += status == LT_ECANCELLED;
    stats->timed_out += status == LT_ETIMEOUT;
    stats->failed += status != 0 && status != LT_ECANCELLED && status != LT_ETIMEOUT;
    query_done *done = r->done;
    r->done = NULL;
    done(r->arg, &(struct query_answer){.status = status, .why = why, .result = result});
}

static void request_end(struct request *r, int status, const char *why, union query_result *result)
{
    request_move(r, PHASE_ENDED);
    request_unlink(r);
    request_answer(r, status, why, result);
    request_free(r);
}

/* A request that was answered before goes when no worker holds it any more. */
static void request_release(struct request *r)
{
    if (r->phase != PHASE_STOPPING || r->interrupting)
        return;
    request_move(r, PHASE_ENDED);
    request_unlink(r);
    request_free(r);
}

/* ---- work ---- */

static void work(struct executor_job *job, void *context)
{
    struct request *r = CONTAINER_OF(job, struct request, job);
    atomic_store(&r->running, true);
    r->read.session = context;
    r->status = read_guard_check(&r->guard);
    if (r->status == 0)
        r->status = read_run(&r->read);
    atomic_store(&r->running, false);
}

static int request_wait(struct request *r, uint64_t offset, bool ends_halted);
static bool request_park(struct request *r, union query_result *result);

static void work_done(struct executor_job *job, bool ran)
{
    struct request *r = CONTAINER_OF(job, struct request, job);
    int status = ran ? r->status : LT_ECLOSED;
    union query_result *result = status == 0 ? &r->read.answer->result : NULL;
    if (r->phase == PHASE_STOPPING) {
        query_result_free(&result);
        r->job.done = NULL;
        request_release(r);
        return;
    }
    if (status == LT_EAGAIN) {
        request_move(r, PHASE_WAITING);
        status = request_wait(r, r->read.wait_for, false);
        if (status == 0)
            return;
    }
    if (status == 0 && request_park(r, result))
        return;
    const char *why = ran ? r->read.why : "the server is shutting down";
    request_end(r, status, status != 0 && why[0] == '\0' ? error_text(status) : why, result);
}

static int request_enqueue(struct request *r)
{
    r->job = (struct executor_job){.work = work, .done = work_done};
    int err = executor_submit(r->query->config.executor, &r->job);
    if (err == 0)
        request_move(r, PHASE_WORKING);
    return err;
}

static void waited(void *arg, int status)
{
    struct request *r = arg;
    if (status == 0)
        status = request_enqueue(r);
    if (status != 0)
        request_end(r, status, error_text(status), NULL);
}

/* The request is WAITING. On failure it still is, and nothing will call back. */
static int request_wait(struct request *r, uint64_t offset, bool ends_halted)
{
    r->wait = (struct head_wait){.partition = r->spec.environment->partition,
                                 .offset = offset,
                                 .ends_halted = ends_halted,
                                 .done = waited,
                                 .arg = r};
    return head_wait_for(r->query->config.head, &r->wait) ? request_enqueue(r) : 0;
}

/* ---- parked: TS.READ BLOCK ---- */

static void set_deadline(struct request *r, int64_t now_ms)
{
    r->deadline_from_ms = now_ms;
    r->guard.deadline_mono_ms = now_ms + r->query->config.deadline_ms;
    for (uint32_t i = 0; i < READ_HELPERS_MAX; i++)
        r->read.helpers[i].deadline_mono_ms = r->guard.deadline_mono_ms;
}

static void request_read_again(struct request *r, int64_t now_ms)
{
    set_deadline(r, now_ms);
    int err = request_enqueue(r);
    if (err != 0)
        request_end(r, err, error_text(err), NULL);
}

/* What came too soon after the read before waits for the next tick. */
static void head_went_on(void *arg, int status)
{
    struct request *r = arg;
    int64_t now_ms = clock_mono_ms();
    r->parked.waits = false;
    if (status != 0)
        request_end(r, status, error_text(status), NULL);
    else if (now_ms >= r->parked.again_ms)
        request_read_again(r, now_ms);
}

/* Is there too little for an answer? Then the request keeps it, and no worker. */
static bool request_park(struct request *r, union query_result *result)
{
    const struct samples_spec *samples = r->spec.samples;
    int64_t now_ms = clock_mono_ms();
    bool waits = r->spec.what == QUERY_SAMPLES && samples->points_min > result->samples.found &&
                 now_ms < r->parked.until_ms;
    bool was_known = r->parked.result != NULL && r->parked.result->samples.series[0].known;
    query_result_free(&r->parked.result);
    if (!waits || (was_known && !result->samples.series[0].known))
        return false;
    r->parked.samples.cursor = SAMPLES_FROM;
    r->parked.samples.from_ms = result->samples.from_ms;
    r->parked.result = result;
    r->parked.again_ms = now_ms + PARKED_MS_MIN;
    r->wait = (struct head_wait){.partition = r->spec.environment->partition,
                                 .offset = result->samples.source.offset + 1,
                                 .done = head_went_on,
                                 .arg = r};
    request_move(r, PHASE_PARKED);
    r->parked.waits = !head_wait_for(r->query->config.head, &r->wait);
    return true;
}

/* Its time is over: what there is, is the answer. */
static void request_unpark(struct request *r)
{
    union query_result *result = r->parked.result;
    r->parked.result = NULL;
    if (r->parked.waits)
        head_wait_cancel(r->query->config.head, &r->wait);
    request_end(r, 0, "", result);
}

/* Answers run other code, which may end any request: so the search starts over after each. */
static void tick_parked(struct query *query, int64_t now_ms)
{
    struct request *r = query->oldest;
    while (r != NULL && query->parked > 0) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who has ended is in no list */
        bool over = r->phase == PHASE_PARKED && now_ms >= r->parked.until_ms;
        bool again = r->phase == PHASE_PARKED && !r->parked.waits && now_ms >= r->parked.again_ms;
        struct request *next = over || again ? NULL : r->after;
        if (over)
            request_unpark(r);
        else if (again)
            request_read_again(r, now_ms);
        r = over || again ? query->oldest : next;
    }
}

/* ---- stopping ---- */

/* The request's connections: its own first, then its helpers'. */
static struct read_guard *guard_at(struct request *r, uint32_t i)
{
    return i == 0 ? &r->guard : &r->read.helpers[i - 1];
}

/* Thread: the control executor's. */
static void interrupt_work(struct executor_job *job, void *context)
{
    struct request *r = CONTAINER_OF(job, struct request, interrupt);
    for (uint32_t i = 0; i <= READ_HELPERS_MAX; i++) {
        pthread_mutex_lock(&r->connection_lock);
        uint64_t connection = atomic_load(&guard_at(r, i)->connection);
        if (connection != 0)
            (void)storage_interrupt(context, connection);
        pthread_mutex_unlock(&r->connection_lock);
    }
}

static void interrupt_done(struct executor_job *job, bool ran)
{
    struct request *r = CONTAINER_OF(job, struct request, interrupt);
    r->interrupting = false;
    if (r->job.done == NULL)
        request_release(r);
}

/* A statement that starts after this sees guard.cancelled, but for the moment between its check and
 * its start: the next tick interrupts again. */
static void request_interrupt(struct request *r)
{
    bool connected = false;
    for (uint32_t i = 0; i <= READ_HELPERS_MAX; i++)
        connected |= atomic_load(&guard_at(r, i)->connection) != 0;
    if (r->interrupting || r->query->config.control == NULL || !connected)
        return;
    r->interrupt = (struct executor_job){.work = interrupt_work, .done = interrupt_done};
    r->interrupting = executor_submit(r->query->config.control, &r->interrupt) == 0;
}

static void request_stop(struct request *r, int status, const char *why)
{
    if (r->phase == PHASE_PARKED) {
        if (r->parked.waits)
            head_wait_cancel(r->query->config.head, &r->wait);
        request_end(r, status, why, NULL);
        return;
    }
    if (r->phase == PHASE_WAITING) {
        head_wait_cancel(r->query->config.head, &r->wait);
        if (status == LT_ETIMEOUT)
            why = "the read waited as long as query-deadline allows: memory and tables are behind "
                  "the log, a write that it must see is not there yet; see partition in STATUS";
        request_end(r, status, why, NULL);
        return;
    }
    atomic_store(&r->guard.cancelled, true);
    request_move(r, PHASE_STOPPING);
    if (!executor_cancel(r->query->config.executor, &r->job))
        request_interrupt(r);
    request_answer(r, status, why, NULL);
}

static bool is_stoppable(const struct request *r)
{
    return r->phase == PHASE_WAITING || r->phase == PHASE_WORKING || r->phase == PHASE_PARKED;
}

/* A parked one has no deadline but its own. */
static bool is_past(const struct request *r, int64_t started_before_ms)
{
    return started_before_ms == INT64_MAX ||
           (r->phase != PHASE_PARKED && r->deadline_from_ms <= started_before_ms);
}

static struct request *find_stoppable(const struct query *query, int64_t started_before_ms)
{
    struct request *r = query->oldest;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who has ended is in no list */
    while (r != NULL && (!is_stoppable(r) || !is_past(r, started_before_ms)))
        r = r->after;
    return r;
}

/* Answers run other code, which may end any request: so the search starts over after each. */
static void stop_all(struct query *query, int64_t started_before_ms, int status, const char *why)
{
    struct request *r;
    while ((r = find_stoppable(query, started_before_ms)) != NULL)
        request_stop(r, status, why);
}

/* ---- interface ---- */

int query_create(const struct query_config *config, struct query **out)
{
    struct query *query = calloc(1, sizeof(*query));
    if (query == NULL)
        return LT_ENOMEM;
    query->config = *config;
    query->next_id = 1;
    *out = query;
    return 0;
}

void query_stop(struct query *query)
{
    query->stopped = true;
    stop_all(query, INT64_MAX, LT_ECANCELLED, "the server is shutting down");
}

void query_destroy(struct query **query)
{
    if (*query == NULL)
        return;
    query_stop(*query);
    assert((*query)->oldest == NULL);
    free(*query);
    *query = NULL;
}

void query_tick(struct query *query, int64_t now_mono_ms)
{
    stop_all(
        query, now_mono_ms - query->config.deadline_ms, LT_ETIMEOUT,
        "the read took longer than query-deadline allows: narrow its time range, hosts or pattern");
    for (struct request *r = query->oldest; r != NULL; r = r->after)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who has ended is in no list */
        if (r->phase == PHASE_STOPPING)
            request_interrupt(r);
    tick_parked(query, now_mono_ms);
}

static int request_create(struct query *query, const struct query_spec *spec, struct request **out)
{
    struct request *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return LT_ENOMEM;
    arena_init(&r->arena);
    int err = spec_copy(&r->arena, spec, &r->spec);
    if (err != 0)
        goto fail_arena;
    if (pthread_mutex_init(&r->connection_lock, NULL) != 0) {
        err = LT_ENOMEM;
        goto fail_arena;
    }
    r->query = query;
    r->started_mono_ms = clock_mono_ms();
    r->parked.until_ms = INT64_MAX;
    if (spec->samples != NULL) {
        r->parked.samples = *r->spec.samples;
        r->spec.samples = &r->parked.samples;
        if (spec->samples->block_ms > 0 && spec->samples->block_ms < INT64_MAX - r->started_mono_ms)
            r->parked.until_ms = r->started_mono_ms + spec->samples->block_ms;
    }
    r->guard.memory_bytes_max = query->config.memory_bytes_max;
    r->read = (struct read){.head = query->config.head,
                            .spec = &r->spec,
                            .guard = &r->guard,
                            .connection_lock = &r->connection_lock,
                            .executor = query->config.executor};
    for (uint32_t i = 0; i < READ_HELPERS_MAX; i++) {
        r->read.helpers[i].parent = &r->guard;
        r->read.helpers[i].memory_bytes_max = r->guard.memory_bytes_max;
    }
    set_deadline(r, r->started_mono_ms);
    *out = r;
    return 0;

fail_arena:
    arena_fini(&r->arena);
    free(r);
    return err;
}

int query_submit(struct query *query, const struct query_spec *spec, query_done *done, void *arg,
                 uint64_t *id_out)
{
    struct request *r = NULL;
    int err = LT_EBUSY;
    if (query->stopped)
        err = LT_ECLOSED;
    else if (query->stats.in_flight - query->parked < query->config.requests_max)
        err = request_create(query, spec, &r);
    if (err != 0)
        goto fail;
    r->done = done;
    r->arg = arg;
    request_move(r, PHASE_WAITING);
    err = request_wait(r, spec->after, true);
    if (err != 0)
        goto fail_request;
    r->id = query->next_id++;
    request_link(r);
    *id_out = r->id;
    return 0;

fail_request:
    request_free(r);
fail:
    query->stats.refused++;
    return err;
}

int query_kill(struct query *query, uint64_t id)
{
    struct request *r = query->oldest;
    while (r != NULL && r->id != id)
        r = r->after;
    if (r == NULL || !is_stoppable(r))
        return LT_ENOTFOUND;
    request_stop(r, LT_ECANCELLED, "killed by REQUEST KILL");
    return 0;
}

void query_each(struct query *query, void (*visit)(void *arg, const struct query_request *request),
                void *arg)
{
    int64_t now_ms = clock_mono_ms();
    for (struct request *r = query->oldest; r != NULL; r = r->after) {
        const char *statement = atomic_load(&r->guard.statement);
        uint64_t rows = 0, bytes = 0;
        for (uint32_t i = 0; i <= READ_HELPERS_MAX; i++) {
            rows += atomic_load(&guard_at(r, i)->rows);
            bytes += atomic_load(&guard_at(r, i)->bytes);
        }
        visit(arg, &(struct query_request){
                       .id = r->id,
                       .client = r->spec.client,
                       .command = r->spec.command,
                       .phase = phase_text(r),
                       .age_ms = now_ms - r->started_mono_ms,
                       .rows = rows,
                       .bytes = bytes,
                       .memory_bytes = atomic_load(&r->guard.memory_bytes),
                       .statement = statement != NULL ? statement : "",
                   });
    }
}

struct query_stats query_stats(const struct query *query)
{
    return query->stats;
}
