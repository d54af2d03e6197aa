#include "query/source.h"

#include "port/storage_reads.h"

int source_open(struct source *source, const struct source_config *config)
{
    *source = (struct source){.head = config->head,
                              .session = config->session,
                              .guard = config->guard,
                              .connection_lock = config->connection_lock};
    int err = head_pin(source->head, config->environment, &source->view);
    if (err != 0)
        return err;
    source->bounds = head_bounds(source->head, source->view);
    source->next =
        source->bounds.lo > source->bounds.cleared ? source->bounds.lo : source->bounds.cleared;
    if (source->session == NULL)
        return 0;
    err = storage_snapshot_begin(source->session, config->environment, config->partition,
                                 source->guard, &source->next);
    if (err != 0)
        goto fail_view;
    if (source->next > source->bounds.applied) {
        source_close(source);
        return LT_EAGAIN;
    }
    if (source->next < source->bounds.cleared) {
        storage_snapshot_clear(source->session);
        source->next = source->bounds.cleared;
    }
    return 0;

fail_view:
    source->session = NULL;
    source_close(source);
    return err;
}

void source_close(struct source *source)
{
    if (source->session != NULL) {
        /* Whoever interrupts holds the lock, so that it never hits the next reader of this
         * connection. */
        pthread_mutex_lock(source->connection_lock);
        storage_snapshot_end(source->session);
        atomic_store(&source->guard->connection, 0);
        pthread_mutex_unlock(source->connection_lock);
    }
    head_unpin(source->head, &source->view);
}

bool source_has_gap(const struct source *source)
{
    return source->next < source->bounds.lo;
}

struct guarded_visit {
    struct read_guard *guard;
    block_visit *block;
    beat_visit *beat;
    void *arg;
};

static int visit_block(void *arg, const struct block *block)
{
    const struct guarded_visit *v = arg;
    int err = read_guard_check(v->guard);
    return err != 0 ? err : v->block(v->arg, block);
}

static int visit_beat(void *arg, const struct beat_block *beat)
{
    const struct guarded_visit *v = arg;
    int err = read_guard_check(v->guard);
    return err != 0 ? err : v->beat(v->arg, beat);
}

/* Can a run hold times of the filter? */
static bool run_matters(const struct storage_run *run, const struct block_filter *filter)
{
    if (run->resolution_s != 1 || filter->from_ms >= filter->to_ms)
        return false;
    return storage_is_catch_all(run->range) ||
           (storage_run_from_ms(run) <= block_last_ms(filter->to_ms) &&
            storage_run_to_ms(run) > filter->from_ms);
}

static bool is_listed(const struct storage_run *run, const struct storage_run *const *list,
                      uint32_t count)
{
    uint32_t i = 0;
    while (i < count && list[i]->id != run->id)
        i++;
    return i < count;
}

static int scan_runs(struct source *source, const struct block_filter *filter,
                     const struct storage_run *const *except, uint32_t except_count,
                     struct guarded_visit *v)
{
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(source->session, &count);
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++)
        if (run_matters(&runs[i], filter) && !is_listed(&runs[i], except, except_count))
            err = storage_run_scan(source->session, &runs[i], filter, visit_block, v);
    return err;
}

int source_scan_run(struct source *source, const struct storage_run *run,
                    const struct block_filter *filter, block_visit *visit, void *arg)
{
    struct guarded_visit v = {.guard = source->guard, .block = visit, .arg = arg};
    int err = read_guard_check(source->guard);
    source->order_floor = 0;
    return err != 0 ? err : storage_run_scan(source->session, run, filter, visit_block, &v);
}

int source_scan(struct source *source, const struct block_filter *filter, block_visit *visit,
                void *arg)
{
    return source_scan_except(source, filter, NULL, 0, visit, arg);
}

int source_scan_except(struct source *source, const struct block_filter *filter,
                       const struct storage_run *const *except, uint32_t except_count,
                       block_visit *visit, void *arg)
{
    struct guarded_visit v = {.guard = source->guard, .block = visit, .arg = arg};
    int err = read_guard_check(source->guard);
    source->order_floor = 0;
    if (err == 0 && source->session != NULL && except_count > 0)
        err = scan_runs(source, filter, except, except_count, &v);
    else if (err == 0 && source->session != NULL)
        err = storage_snapshot_scan(source->session, filter, visit_block, &v);
    source->order_floor = source->next;
    if (err == 0)
        err = head_scan(source->head, source->view, source->next, filter, visit_block, &v);
    return err;
}

int source_scan_beats(struct source *source, const struct beat_filter *filter, beat_visit *visit,
                      void *arg)
{
    struct guarded_visit v = {.guard = source->guard, .beat = visit, .arg = arg};
    int err = read_guard_check(source->guard);
    if (err == 0 && source->session != NULL)
        err = storage_snapshot_scan_beats(source->session, filter, visit_beat, &v);
    if (err == 0)
        err = head_scan_beats(source->head, source->view, source->next, filter, visit_beat, &v);
    return err;
}
