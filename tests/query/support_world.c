#include "support_world.h"

#include "base/error.h"
#include "support_runs.h"
#include "vector/arrival.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint32_t world_random(struct world *w, uint32_t below)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(w->seed >> 8) * below >> 24);
}

static struct slice text(const char *s)
{
    return slice_str(s);
}

void world_point(struct world *w, const char *host, const char *metric, int64_t time_ms,
                 double value, uint8_t policy)
{
    struct world_point p = {
        .offset = w->applied++, .time_ms = time_ms, .value = value, .policy = policy};
    int err = catalog_host(w->catalog, text(host), &p.host);
    err |= catalog_resolve(w->catalog, text(metric), &p.series);
    assert(err == 0);
    bool pushed = VEC_PUSH(&w->points, p);
    assert(pushed);
    (void)err, (void)pushed;
}

void world_beat(struct world *w, const char *host, const char *collector, uint32_t second)
{
    struct world_beat b = {.offset = w->applied++, .second = second};
    int err = catalog_host(w->catalog, text(host), &b.host);
    b.collector = catalog_find_collector(w->catalog, text(collector));
    assert(err == 0 && b.collector != CATALOG_NONE);
    bool pushed = VEC_PUSH(&w->beats, b);
    assert(pushed);
    (void)err, (void)pushed;
}

static bool same_point(const struct world_point *a, const struct world_point *b)
{
    return a->host == b->host && a->time_ms == b->time_ms &&
           memcmp(&a->series, &b->series, sizeof(a->series)) == 0;
}

void world_seal(struct world *w, uint64_t next)
{
    for (uint32_t i = 0; i < w->points.n; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i && first; j++)
            first = !same_point(&w->points.v[i], &w->points.v[j]);
        w->points.v[i].fresh =
            first && w->points.v[i].policy != POLICY_ERASE && world_random(w, 4) > 0;
    }
    w->next = next;
    w->lo = next > 0 ? world_random(w, (uint32_t)next + 1) : 0;
    w->flush_records = 1 + world_random(w, 20);
}

/* ---- scans ---- */

static bool listed(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

struct columns {
    struct block block;
    uint32_t items[256];
    int64_t times[256];
    double values[256];
    uint8_t policies[256];
};

/* Columns that live as long as a view. */
struct kept_columns {
    VEC(struct columns *) v;
};

static int visit_kept(struct kept_columns *kept, const struct columns *c, block_visit *visit,
                      void *arg)
{
    struct columns *copy = malloc(sizeof(*copy));
    assert(copy != NULL);
    *copy = *c;
    copy->block.items = copy->items;
    copy->block.times_ms = copy->times;
    copy->block.values = copy->values;
    copy->block.policies = c->block.policies == NULL ? NULL : copy->policies;
    copy->block.stays = true;
    bool pushed = VEC_PUSH(&kept->v, copy);
    assert(pushed);
    (void)pushed;
    return visit(arg, &copy->block);
}

/* With the real codec. The body goes as soon as the visit is over. */
static int visit_sealed(const struct columns *c, block_visit *visit, void *arg)
{
    struct arrival_points points = {.count = c->block.count,
                                    .items = c->block.items,
                                    .times_ms = c->block.times_ms,
                                    .values = c->block.values,
                                    .policies = c->block.policies};
    struct arrival_codec *codec;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    int err = arrival_codec_create(&codec);
    assert(err == 0);
    err = arrival_encode(codec, &points, &body);
    assert(err == 0);
    arrival_codec_destroy(&codec);
    struct block sealed = c->block;
    sealed.count = 0;
    sealed.items = NULL;
    sealed.times_ms = NULL;
    sealed.values = NULL;
    sealed.policies = NULL;
    sealed.body = buffer_slice(&body);
    err = visit(arg, &sealed);
    buffer_fini(&body);
    return err;
}

/* Points of offsets [from, to) in units of `records`, grouped as a flush groups them; in descending
 * order of units, and with things that nobody asked for, because readers must cope with both. */
static int scan_points(struct world *w, uint64_t from, uint64_t to, uint64_t records,
                       struct kept_columns *kept, const struct block_filter *filter,
                       block_visit *visit, void *arg)
{
    int err = 0;
    struct columns *c = malloc(sizeof(*c));
    for (uint64_t unit = to / records + 1; unit-- > 0 && err == 0;) {
        uint64_t lo = unit * records, hi = lo + records;
        bool done[512] = {0};
        for (uint32_t i = 0; i < w->points.n && err == 0; i++) {
            struct world_point *first = &w->points.v[i];
            if (first->compacted || first->offset < lo || first->offset >= hi ||
                first->offset < from || first->offset >= to || done[first->offset - lo])
                continue;
            c->block = (struct block){.category = first->series.category,
                                      .dimension = first->series.dimension,
                                      .host = first->host,
                                      .fresh = first->fresh,
                                      .lo = lo,
                                      .items = c->items,
                                      .times_ms = c->times,
                                      .values = c->values,
                                      .policies = c->policies};
            bool plain = true;
            for (uint32_t j = i;
                 j < w->points.n && w->points.v[j].offset < hi && w->points.v[j].offset < to; j++) {
                struct world_point *p = &w->points.v[j];
                if (p->compacted || p->series.category != first->series.category ||
                    p->host != first->host || p->series.dimension != first->series.dimension ||
                    p->fresh != first->fresh)
                    continue;
                done[p->offset - lo] = true;
                uint32_t n = c->block.count++;
                c->items[n] = p->series.item;
                c->times[n] = p->time_ms;
                c->values[n] = p->value;
                c->policies[n] = p->policy;
                plain &= p->policy == POLICY_LAST;
            }
            if (plain && world_random(w, 2) == 0)
                c->block.policies = NULL;
            bool asked = block_filter_has_category(filter, c->block.category) &&
                         c->block.fresh == filter->fresh &&
                         listed(filter->dimensions, filter->dimensions_count, c->block.dimension) &&
                         (filter->hosts == NULL ||
                          listed(filter->hosts, filter->hosts_count, c->block.host));
            if (!asked && world_random(w, 4) != 0)
                continue;
            if (kept != NULL)
                err = visit_kept(kept, c, visit, arg);
            else if (filter->sealed && world_random(w, 4) != 0)
                err = visit_sealed(c, visit, arg);
            else
                err = visit(arg, &c->block);
        }
    }
    free(c);
    return err;
}

static int scan_beats(struct world *w, uint64_t from, uint64_t to, const struct beat_filter *filter,
                      beat_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t i = 0; i < w->beats.n && err == 0; i++) {
        const struct world_beat *b = &w->beats.v[i];
        if (b->offset < from || b->offset >= to || b->collector != filter->collector)
            continue;
        uint8_t bits[BEAT_BYTES] = {0};
        uint32_t second = b->second % BEAT_SECONDS;
        bits[second / 8] |= (uint8_t)(1 << (second % 8));
        struct beat_block block = {
            .host = b->host, .collector = b->collector, .from_s = b->second - second, .bits = bits};
        err = visit(arg, &block);
    }
    return err;
}

/* ---- the head port ---- */

struct head_view {
    struct world *world;
    struct head_bounds bounds;
    struct kept_columns kept;
};

static int view_pin(struct head *head, uint32_t environment, struct head_view **out)
{
    struct world *w = CONTAINER_OF(head, struct world, head);
    if (w->pin_error != 0)
        return w->pin_error;
    struct head_view *view = malloc(sizeof(*view));
    *view = (struct head_view){
        .world = w,
        .bounds = {.lo = w->lo, .applied = w->applied, .applied_ms = 1000, .halted = w->halted}};
    w->pins++;
    *out = view;
    return 0;
}

static void view_unpin(struct head_view **view)
{
    (*view)->world->pins--;
    for (uint32_t i = 0; i < (*view)->kept.v.n; i++)
        free((*view)->kept.v.v[i]);
    VEC_FINI(&(*view)->kept.v);
    free(*view);
    *view = NULL;
}

static struct head_bounds view_bounds(const struct head_view *view)
{
    return view->bounds;
}

static struct catalog *view_catalog(const struct head_view *view)
{
    return view->world->catalog;
}

static int view_scan(struct head_view *view, uint64_t from_offset,
                     const struct block_filter *filter, block_visit *visit, void *arg)
{
    struct world *w = view->world;
    uint64_t from = from_offset > view->bounds.lo ? from_offset : view->bounds.lo;
    return scan_points(w, from, view->bounds.applied, w->flush_records + 7, &view->kept, filter,
                       visit, arg);
}

static int view_scan_beats(struct head_view *view, uint64_t from_offset,
                           const struct beat_filter *filter, beat_visit *visit, void *arg)
{
    uint64_t from = from_offset > view->bounds.lo ? from_offset : view->bounds.lo;
    return scan_beats(view->world, from, view->bounds.applied, filter, visit, arg);
}

static bool wait_is_over(const struct world *w, const struct head_wait *wait)
{
    return w->applied >= wait->offset || (w->halted && wait->ends_halted);
}

static bool head_wait_op(struct head *head, struct head_wait *wait)
{
    struct world *w = CONTAINER_OF(head, struct world, head);
    if (wait_is_over(w, wait))
        return true;
    wait->next = w->waits;
    w->waits = wait;
    return false;
}

static void head_wait_cancel_op(struct head *head, struct head_wait *wait)
{
    struct world *w = CONTAINER_OF(head, struct world, head);
    struct head_wait **at = &w->waits;
    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
}

void world_apply(struct world *w, uint64_t applied)
{
    w->applied = applied;
    for (struct head_wait **at = &w->waits; *at != NULL;) {
        struct head_wait *wait = *at;
        if (wait_is_over(w, wait)) {
            *at = wait->next;
            wait->done(wait->arg, 0);
            at = &w->waits;
        } else {
            at = &wait->next;
        }
    }
}

/* ---- the storage port ---- */

static int snapshot_begin(struct storage_session *s, uint32_t environment, uint32_t partition,
                          struct read_guard *guard, uint64_t *next_out)
{
    struct world *w = CONTAINER_OF(s, struct world, session);
    if (w->begin_error != 0 && w->begin_errors_left != 0) {
        w->begin_errors_left -= w->begin_errors_left > 0;
        return w->begin_error;
    }
    if (w->jumps_to != 0)
        w->next = w->jumps_to;
    w->guard = guard;
    atomic_store(&guard->connection, 77);
    atomic_store(&guard->statement, "SELECT");
    w->snapshots++;
    *next_out = w->next;
    return 0;
}

static int snapshot_scan(struct storage_session *s, const struct block_filter *filter,
                         block_visit *visit, void *arg)
{
    struct world *w = CONTAINER_OF(s, struct world, session);
    atomic_store(&w->in_scan, true);
    while (atomic_load(&w->stuck)) {
        if (atomic_load(&w->interrupted))
            return LT_ECANCELLED;
        if (!w->deaf && read_guard_check(w->guard) != 0)
            return read_guard_check(w->guard);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (w->scan_error != 0)
        return w->scan_error;
    atomic_fetch_add(&w->guard->rows, 1);
    atomic_fetch_add(&w->guard->bytes, 10);
    int err = world_scan_arrival(w, filter, visit, arg);
    return err != 0 ? err : world_scan_runs(w, filter, visit, arg);
}

int world_scan_arrival(struct world *w, const struct block_filter *filter, block_visit *visit,
                       void *arg)
{
    return scan_points(w, 0, w->next, w->flush_records, NULL, filter, visit, arg);
}

/* All its rows are as flushes wrote them; tests/query/test_cover.c and the integration tests have
 * runs. */
static int snapshot_scan_beats(struct storage_session *s, const struct beat_filter *filter,
                               beat_visit *visit, void *arg)
{
    struct world *w = CONTAINER_OF(s, struct world, session);
    return scan_beats(w, 0, w->next, filter, visit, arg);
}

static void snapshot_end(struct storage_session *s)
{
    struct world *w = CONTAINER_OF(s, struct world, session);
    atomic_store(&w->guard->connection, 0);
    w->snapshots--;
}

static int interrupt(struct storage_session *s, uint64_t connection)
{
    struct world *w = CONTAINER_OF(s, struct world, session);
    assert(connection == 77);
    atomic_fetch_add(&w->interrupts, 1);
    atomic_store(&w->interrupted, true);
    return 0;
}

void world_init(struct world *w, uint32_t seed)
{
    static const struct head_ops head = {.pin = view_pin,
                                         .unpin = view_unpin,
                                         .bounds = view_bounds,
                                         .catalog = view_catalog,
                                         .scan = view_scan,
                                         .scan_beats = view_scan_beats,
                                         .wait = head_wait_op,
                                         .wait_cancel = head_wait_cancel_op};
    static struct storage_ops storage;
    storage = world_run_ops;
    storage.snapshot_begin = snapshot_begin;
    storage.snapshot_scan = snapshot_scan;
    storage.snapshot_scan_beats = snapshot_scan_beats;
    storage.snapshot_end = snapshot_end;
    storage.interrupt = interrupt;
    *w = (struct world){.head.ops = &head,
                        .session.ops = &storage,
                        .environment = {.id = 1, .name = "default"},
                        .seed = seed};
    int err = catalog_create(1, &w->catalog);
    assert(err == 0);
    (void)err;
}

void world_fini(struct world *w)
{
    assert(w->pins == 0 && w->snapshots == 0 && w->waits == NULL);
    VEC_FINI(&w->points);
    VEC_FINI(&w->beats);
    world_forget_runs(w);
    catalog_unref(&w->catalog);
}

/* ---- executors ---- */

static int inline_submit(struct executor *executor, struct executor_job *job)
{
    struct inline_executor *e = CONTAINER_OF(executor, struct inline_executor, executor);
    if (e->refuse != 0)
        return e->refuse;
    job->next = NULL;
    job->state = 0;
    *e->last = job;
    e->last = &job->next;
    return 0;
}

/* Cancelled jobs keep their place: their done comes with ran = false. */
static bool inline_cancel(struct executor *executor, struct executor_job *job)
{
    job->state = 1;
    return true;
}

/* Helpers are threads, without a context of their own. */
static void *help_main(void *arg)
{
    struct executor_assist *assist = arg;
    assist->work(assist, NULL);
    return NULL;
}

static void inline_assist_begin(struct executor *executor, struct executor_assist *assist)
{
    struct inline_executor *e = CONTAINER_OF(executor, struct inline_executor, executor);
    assert(e->helpers_count == 0);
    while (e->helpers_count < assist->helpers_max) {
        int err = pthread_create(&e->helpers[e->helpers_count++], NULL, help_main, assist);
        assert(err == 0);
        (void)err;
    }
}

static void inline_assist_end(struct executor *executor, struct executor_assist *assist)
{
    struct inline_executor *e = CONTAINER_OF(executor, struct inline_executor, executor);
    while (e->helpers_count > 0)
        pthread_join(e->helpers[--e->helpers_count], NULL);
}

void inline_init(struct inline_executor *e, void *context)
{
    static const struct executor_ops ops = {.submit = inline_submit,
                                            .cancel = inline_cancel,
                                            .assist_begin = inline_assist_begin,
                                            .assist_end = inline_assist_end};
    *e = (struct inline_executor){.executor.ops = &ops, .context = context};
    e->last = &e->first;
}

bool inline_run(struct inline_executor *e, bool ran)
{
    struct executor_job *job = e->first;
    if (job == NULL)
        return false;
    e->first = job->next;
    if (e->first == NULL)
        e->last = &e->first;
    ran = ran && job->state == 0;
    if (ran)
        job->work(job, e->context);
    job->done(job, ran);
    return true;
}

static void *threaded_main(void *arg)
{
    struct threaded_executor *e = arg;
    pthread_mutex_lock(&e->lock);
    while (!e->stop) {
        struct executor_job *job = e->queue;
        if (job == NULL) {
            pthread_cond_wait(&e->wake, &e->lock);
            continue;
        }
        e->queue = job->next;
        e->running = job;
        pthread_mutex_unlock(&e->lock);
        job->work(job, e->context);
        pthread_mutex_lock(&e->lock);
        e->running = NULL;
        job->next = e->finished;
        e->finished = job;
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

static int threaded_submit(struct executor *executor, struct executor_job *job)
{
    struct threaded_executor *e = CONTAINER_OF(executor, struct threaded_executor, executor);
    pthread_mutex_lock(&e->lock);
    struct executor_job **at = &e->queue;
    while (*at != NULL)
        at = &(*at)->next;
    job->next = NULL;
    job->state = 0;
    *at = job;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    return 0;
}

static bool threaded_cancel(struct executor *executor, struct executor_job *job)
{
    struct threaded_executor *e = CONTAINER_OF(executor, struct threaded_executor, executor);
    pthread_mutex_lock(&e->lock);
    struct executor_job **at = &e->queue;
    while (*at != NULL && *at != job)
        at = &(*at)->next;
    bool queued = *at == job;
    if (queued) {
        *at = job->next;
        job->state = 1;
        job->next = e->finished;
        e->finished = job;
    }
    pthread_mutex_unlock(&e->lock);
    return queued;
}

void threaded_init(struct threaded_executor *e, void *context)
{
    static const struct executor_ops ops = {.submit = threaded_submit, .cancel = threaded_cancel};
    *e = (struct threaded_executor){.executor.ops = &ops, .context = context};
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->wake, NULL);
    int err = pthread_create(&e->thread, NULL, threaded_main, e);
    assert(err == 0);
    (void)err;
}

void threaded_fini(struct threaded_executor *e)
{
    pthread_mutex_lock(&e->lock);
    e->stop = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    for (struct executor_job *job = e->queue; job != NULL;) {
        struct executor_job *next = job->next;
        job->done(job, false);
        job = next;
    }
    e->queue = NULL;
    while (threaded_pump(e))
        ;
    pthread_cond_destroy(&e->wake);
    pthread_mutex_destroy(&e->lock);
}

bool threaded_pump(struct threaded_executor *e)
{
    pthread_mutex_lock(&e->lock);
    struct executor_job *job = e->finished;
    if (job != NULL)
        e->finished = job->next;
    pthread_mutex_unlock(&e->lock);
    if (job == NULL)
        return false;
    job->done(job, job->state == 0);
    return true;
}
