#include "store/partition.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/logger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The owner: lease, load, flush; and, where this process may not flush, follow. One thread a
 * partition, one storage session. Its life is a loop of generations: load what is stored, serve
 * until anything does not fit, drop all of it, load again. */

enum {
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 2000,
    FOLLOW_MS = 500,
    TRIM_MS = 10 * 60 * 1000,
    BOUNDS_MS = 1000,
    HALTED_MS = 5000, /* between looks whether somebody has mended the log */
};

#define HALTED_WHY                                                                                 \
    "the log does not continue what is stored; nothing is skipped. Restore the log, or the "       \
    "database to where the log begins"

#define NEWER_WHY                                                                                  \
    "a newer version wrote to the log or the database what this one cannot read; nothing is "      \
    "skipped. Upgrade this process"

struct owner {
    struct partition *p;
    struct storage_session *session;
    struct storage_session *side; /* renews the lease while the other one loads */
    bool owns;
    bool halted; /* the generation before this one ended so: not mended until the tail says so */
    uint64_t epoch;
    uint64_t named_epoch;  /* whose owner's name the partition has */
    int64_t renew_mono_ms; /* next time */
    int64_t trim_mono_ms;
    int64_t bounds_mono_ms;
    int retry_ms;
};

const char *partition_state_text(enum partition_state state)
{
    static const char *const texts[PARTITION_STATES] = {
        "starting", "storage unreachable", "following", "owning", "halted", "stopped"};
    return texts[state];
}

/* The allowed edges; STOPPED can be reached from everywhere. */
static bool edge_allowed(enum partition_state from, enum partition_state to)
{
    static const uint8_t allowed[PARTITION_STATES] = {
#define TO(state) (1u << PARTITION_##state)
        [PARTITION_STARTING] =
            TO(UNREACHABLE) | TO(FOLLOWING) | TO(OWNING) | TO(HALTED) | TO(STARTING),
        [PARTITION_UNREACHABLE] = TO(STARTING) | TO(UNREACHABLE),
        [PARTITION_FOLLOWING] = TO(STARTING) | TO(FOLLOWING) | TO(HALTED),
        [PARTITION_OWNING] = TO(STARTING) | TO(OWNING) | TO(HALTED),
        [PARTITION_HALTED] = TO(STARTING) | TO(HALTED) | TO(FOLLOWING) | TO(OWNING),
        [PARTITION_STOPPED] = 0,
#undef TO
    };
    return to == PARTITION_STOPPED || (allowed[from] & 1u << to) != 0;
}

void partition_set_state(struct partition *p, enum partition_state state, const char *why)
{
    pthread_mutex_lock(&p->lock);
    enum partition_state old = p->state;
    bool news = old != state || strcmp(p->why, why) != 0;
    bool allowed = edge_allowed(old, state);
    p->state = state;
    snprintf(p->why, sizeof(p->why), "%s", why);
    /* Halted, what is stored can still be read. */
    p->loaded = p->segments.n > 0 && (state == PARTITION_FOLLOWING || state == PARTITION_OWNING ||
                                      state == PARTITION_HALTED);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (!allowed)
        log_error("store", "partition %u: %s -> %s is not a step that exists", p->number,
                  partition_state_text(old), partition_state_text(state));
    if (news && state != PARTITION_STARTING)
        logger_write(state == PARTITION_HALTED ? LOGGER_ERROR : LOGGER_INFO, "store",
                     "partition %u: %s%s%s", p->number, partition_state_text(state),
                     *why != '\0' ? ": " : "", why);
    partition_wake_waiters(p, UINT64_MAX);
}

void partition_name_thread(const struct partition *p, const char *what)
{
    char name[16]; /* all that the kernel keeps */
    snprintf(name, sizeof(name), "%s %" PRIu32, what, p->number);
    pthread_setname_np(pthread_self(), name);
}

static bool is_stopping(struct partition *p)
{
    pthread_mutex_lock(&p->lock);
    bool stopping = p->stopping;
    pthread_mutex_unlock(&p->lock);
    return stopping;
}

void partition_pause(struct partition *p, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;
    pthread_mutex_lock(&p->lock);
    cond_wait_until(&p->changed, &p->lock, until_ms);
    pthread_mutex_unlock(&p->lock);
}

static void back_off(struct owner *o)
{
    int64_t until = clock_mono_ms() + o->retry_ms;
    int64_t left;
    while ((left = until - clock_mono_ms()) > 0 && !is_stopping(o->p))
        partition_pause(o->p, left);
    o->retry_ms = o->retry_ms * 2 > RETRY_MS_MAX ? RETRY_MS_MAX : o->retry_ms * 2;
}

/* ---- becoming somebody ---- */

static int prepare(struct owner *o)
{
    const struct tenant *tenant = o->p->store->config.tenant;
    uint32_t *ids, count;
    int err = generation_environments(tenant, GENERATION_ALL, &ids, &count);
    if (err != 0)
        return err;
    err = storage_prepare(o->session, tenant_partitions(tenant), ids, count);
    free(ids);
    return err;
}

/* Where the database was restored from a backup, the log may know higher epochs than it: decided
 * records of a lower one would not count. */
static int outbid_log(struct owner *o, uint64_t *epoch)
{
    struct partition *p = o->p;
    pthread_mutex_lock(&p->lock);
    uint64_t highest = p->log_epoch_max;
    pthread_mutex_unlock(&p->lock);
    if (*epoch > highest)
        return 0;
    int err = storage_lease_raise(o->session, p->number, *epoch, highest + 1);
    if (err == 0)
        *epoch = highest + 1;
    return err;
}

static int take_lease(struct owner *o)
{
    struct partition *p = o->p;
    const struct store_config *config = &p->store->config;
    struct storage_progress progress;
    int64_t asked_ms = clock_mono_ms();
    int err = storage_lease_take(o->session, p->number, slice_str(config->node),
                                 (int)config->lease_ms, &progress);
    if (err == 0)
        err = outbid_log(o, &progress.epoch);
    o->owns = err == 0;
    if (err == 0) {
        pthread_mutex_lock(&p->lock);
        p->epoch = o->epoch = progress.epoch;
        pthread_mutex_unlock(&p->lock);
        atomic_store(&p->lease_mono_ms, asked_ms + config->lease_ms);
        o->renew_mono_ms = clock_mono_ms() + config->lease_ms / 3;
    }
    return err;
}

/* ---- serving ---- */

/* The oldest segment if it is sealed, with a reference; or NULL. */
static struct segment *sealed_segment(struct partition *p)
{
    pthread_mutex_lock(&p->lock);
    struct segment *s = p->segments.n > 1 ? segment_ref(p->segments.v[0]) : NULL;
    pthread_mutex_unlock(&p->lock);
    return s;
}

/* Storage has it: the head lets go, views may still hold it. */
static void drop_segment(struct partition *p, struct segment *s)
{
    for (uint32_t i = 0; i < s->catalogs_count; i++)
        catalog_forget_changes(s->catalogs[i].catalog, s->catalogs[i].to);
    pthread_mutex_lock(&p->lock);
    struct segment *oldest = p->segments.v[0];
    p->segments.n--;
    memmove(p->segments.v, p->segments.v + 1, p->segments.n * sizeof(p->segments.v[0]));
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    segment_unref(&oldest);
}

/* A flush failed: what is stored now? 0: nothing of it, do it again. 1: it is there. Else not ours.
 */
static int settle(struct owner *o, const struct segment *s)
{
    struct storage_progress now;
    int err = storage_progress_read(o->session, o->p->number, &now);
    if (err != 0)
        return err;
    if (now.epoch != o->epoch)
        return LT_EFENCED;
    if (now.next == s->lo)
        return 0;
    return now.next == atomic_load(&s->hi) && now.checksum == s->checksum ? 1 : LT_EDIVERGED;
}

static bool is_lost(int err)
{
    return err == LT_EFENCED || err == LT_EDIVERGED;
}

/* 0, an error that may pass (the segment stays), or LT_EFENCED, LT_EDIVERGED. */
static int flush_one(struct owner *o, struct segment *s)
{
    struct partition *p = o->p;
    int64_t started = clock_mono_ms();
    int err = flush_segment(p, o->session, s, o->epoch);
    if (err != 0 && !is_lost(err)) {
        atomic_fetch_add(&p->stats.flush_retries, 1);
        log_warn("store", "partition %u: flush of offsets %llu to %llu: %s; tried again", p->number,
                 (unsigned long long)s->lo, (unsigned long long)atomic_load(&s->hi),
                 error_text(err));
        int settled = settle(o, s);
        if (settled == 0)
            return err;
        err = settled == 1 ? 0 : settled;
    }
    if (err != 0)
        return err;
    failpoint("flush.done");
    drop_segment(p, s);
    atomic_fetch_add(&p->stats.flushes, 1);
    atomic_store(&p->stats.flush_ms, clock_mono_ms() - started);
    atomic_store(&p->stats.flush_wall_ms, clock_wall_ms());
    o->retry_ms = RETRY_MS_MIN;
    return 0;
}

static int renew(struct owner *o, struct storage_session *session)
{
    const struct store_config *config = &o->p->store->config;
    if (clock_mono_ms() < o->renew_mono_ms)
        return 0;
    int64_t asked_ms = clock_mono_ms();
    int err = storage_lease_renew(session, o->p->number, o->epoch, (int)config->lease_ms);
    if (err == 0) {
        atomic_store(&o->p->lease_mono_ms, asked_ms + config->lease_ms);
        o->renew_mono_ms = clock_mono_ms() + config->lease_ms / 3;
    }
    return err;
}

/* Without this, two processes whose loads take longer than the lease would take it from each other
 * for ever. A renewal that fails is tried again soon; the load itself tells what is wrong. */
static int keep_lease(void *arg)
{
    struct owner *o = arg;
    int err = o->owns ? renew(o, o->side) : 0;
    if (err != 0)
        o->renew_mono_ms = clock_mono_ms() + RETRY_MS_MIN;
    return err == LT_EFENCED ? err : 0;
}

/* Flushes all that is sealed; a backlog may take longer than the lease lasts. */
static int flush_sealed(struct owner *o)
{
    int err = 0;
    struct segment *s;
    while (err == 0 && (s = sealed_segment(o->p)) != NULL) {
        err = flush_one(o, s);
        segment_unref(&s);
        if (err == 0)
            err = renew(o, o->session);
    }
    return err;
}

/* Who decides, for those who ask here. */
static int note_owner(struct owner *o, uint64_t epoch)
{
    struct partition *p = o->p;
    struct buffer name;
    if (epoch == o->named_epoch)
        return 0;
    buffer_init(&name, sizeof(p->owner) - 1);
    int err = storage_lease_owner(o->session, p->number, &name);
    if (err == 0) {
        pthread_mutex_lock(&p->lock);
        snprintf(p->owner, sizeof(p->owner), "%.*s", (int)name.len, name.data);
        pthread_mutex_unlock(&p->lock);
        o->named_epoch = epoch;
    }
    buffer_fini(&name);
    return err;
}

/* Somebody else flushes: lets go what is stored; takes over when the lease is free. */
static int follow(struct owner *o)
{
    struct partition *p = o->p;
    struct storage_progress now;
    int err = storage_progress_read(o->session, p->number, &now);
    if (err == 0)
        err = note_owner(o, now.epoch);
    if (err != 0)
        return err;
    struct segment *s;
    while ((s = sealed_segment(p)) != NULL) {
        bool stored = atomic_load(&s->hi) <= now.next;
        if (stored)
            drop_segment(p, s);
        segment_unref(&s);
        if (!stored)
            break;
    }
    pthread_mutex_lock(&p->lock);
    bool restored = now.next < p->segments.v[0]->lo;
    pthread_mutex_unlock(&p->lock);
    if (restored)
        return LT_EDIVERGED; /* an older backup is back: our head begins too late */
    if (p->store->config.flushes && take_lease(o) == 0)
        return LT_EFENCED; /* ours now: load again, as the owner */
    return 0;
}

static void sample_log(struct owner *o)
{
    struct log_bounds bounds;
    if (clock_mono_ms() < o->bounds_mono_ms)
        return;
    o->bounds_mono_ms = clock_mono_ms() + BOUNDS_MS;
    if (log_bounds(o->p->store->config.log, o->p->number, BOUNDS_MS, &bounds) == 0) {
        atomic_store(&o->p->stats.log_start, bounds.start);
        atomic_store(&o->p->stats.log_end, bounds.end);
    }
}

static void trim(struct owner *o)
{
    struct partition *p = o->p;
    if (clock_mono_ms() < o->trim_mono_ms)
        return;
    o->trim_mono_ms = clock_mono_ms() + TRIM_MS;
    pthread_mutex_lock(&p->lock);
    uint64_t stored = p->segments.v[0]->lo;
    pthread_mutex_unlock(&p->lock);
    trim_log(p, stored);
}

static void show_state(struct owner *o, const char *why)
{
    o->halted = o->halted && !atomic_load(&o->p->tail_verified);
    if (o->halted)
        partition_set_state(o->p, PARTITION_HALTED, HALTED_WHY);
    else
        partition_set_state(o->p, o->owns ? PARTITION_OWNING : PARTITION_FOLLOWING, why);
}

/* Until there is something to do again, unless a sealed segment wakes us earlier. */
static int64_t idle_ms(const struct owner *o)
{
    int64_t left = o->owns ? o->renew_mono_ms - clock_mono_ms() : FOLLOW_MS;
    return left > FOLLOW_MS ? FOLLOW_MS : left < 1 ? 1 : left;
}

/* Serves one generation. Returns why it ended; 0: the process stops. */
static int serve(struct owner *o)
{
    struct partition *p = o->p;
    int err = 0;
    while (!is_lost(err) && !is_stopping(p)) {
        err = atomic_load(&p->tail_error);
        if (err != 0)
            return err;
        err = o->owns ? flush_sealed(o) : follow(o);
        if (err == 0 && o->owns)
            err = renew(o, o->session);
        if (err == 0 && o->owns)
            trim(o);
        if (err == 0) {
            sample_log(o);
            show_state(o, "");
            partition_pause(p, idle_ms(o));
        } else if (!is_lost(err)) {
            show_state(o, error_text(err));
            back_off(o);
        }
    }
    return is_lost(err) ? err : 0;
}

/* TERM: what the head holds goes to storage, as far as the time allows. The log has all of it. */
static void finish(struct owner *o)
{
    struct partition *p = o->p;
    atomic_store(&p->seal_now, true);
    tail_stop(p);
    int err = 0;
    while (o->owns && clock_mono_ms() < p->stop_mono_ms) {
        err = flush_sealed(o);
        if (err == 0 || is_lost(err))
            break;
        partition_pause(p, RETRY_MS_MIN);
    }
    if (o->owns)
        storage_lease_release(o->session, p->number, o->epoch);
}

/* One generation: 0 when the process stops. */
static int generation(struct owner *o)
{
    struct partition *p = o->p;
    bool flushes = p->store->config.flushes;
    o->owns = false;
    pthread_mutex_lock(&p->lock);
    p->epoch = 0;
    pthread_mutex_unlock(&p->lock);
    int err = prepare(o);
    if (err == 0 && flushes)
        err = take_lease(o);
    if (err == LT_EHELD) {
        log_info("store", "partition %u: another owner has the lease", p->number);
        err = 0;
    }
    if (err == 0)
        err = generation_load(p, o->session, keep_lease, o);
    if (err == 0 && o->owns && p->generation.progress.log_epoch.epoch >= o->epoch)
        err = LT_EFENCED; /* the next one outbids it */
    if (err != 0)
        return err;
    err = tail_start(p);
    if (err == 0) {
        show_state(o, "");
        o->retry_ms = RETRY_MS_MIN;
        err = serve(o);
        if (err == 0)
            finish(o);
        tail_stop(p);
    }
    return err;
}

/* What the end of a generation means for the next one. */
static void explain(struct owner *o, int err)
{
    struct partition *p = o->p;
    switch (err) {
    case LT_EFENCED:
    case LT_EDIVERGED:
        log_warn("store", "partition %u: %s; loading again", p->number, error_text(err));
        break;
    case LT_EVERSION:
        partition_set_state(p, PARTITION_HALTED, NEWER_WHY);
        o->retry_ms = HALTED_MS;
        back_off(o);
        break;
    case LT_ETRIMMED:
    case LT_EGAP:
    case LT_ECORRUPT:
        partition_set_state(p, PARTITION_HALTED, HALTED_WHY);
        o->halted = true;
        o->retry_ms = HALTED_MS;
        back_off(o);
        break;
    default:
        partition_set_state(p, PARTITION_STARTING, error_text(err));
        partition_drop_head(p);
        partition_set_state(p, PARTITION_UNREACHABLE, error_text(err));
        back_off(o);
        break;
    }
}

void *owner_main(void *arg)
{
    struct partition *p = arg;
    struct owner o = {.p = p, .retry_ms = RETRY_MS_MIN};
    partition_name_thread(p, "owner");
    int err = storage_session_create(p->store->config.storage, &o.session);
    if (err == 0)
        err = storage_session_create(p->store->config.storage, &o.side);
    while (err == 0 && !is_stopping(p)) {
        int ended = generation(&o);
        if (ended == 0)
            break;
        explain(&o, ended);
        partition_set_state(p, PARTITION_STARTING, "");
        partition_drop_head(p);
    }
    partition_set_state(p, PARTITION_STOPPED, err == 0 ? "" : error_text(err));
    partition_drop_head(p);
    storage_session_destroy(&o.side);
    storage_session_destroy(&o.session);
    return NULL;
}
