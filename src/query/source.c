#include "query/source.h"

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
    source->next = source->bounds.lo;
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

int source_scan(struct source *source, const struct block_filter *filter, block_visit *visit,
                void *arg)
{
    struct guarded_visit v = {.guard = source->guard, .block = visit, .arg = arg};
    int err = read_guard_check(source->guard);
    source->order_floor = 0;
    if (err == 0 && source->session != NULL)
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
