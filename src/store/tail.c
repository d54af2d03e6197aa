#include "store/partition.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/logger.h"
#include "catalog/declared.h"
#include "catalog/forget.h"

#include <stdlib.h>

/* The consumer: one thread a partition, from the log to the open segment. */

enum {
    RECORDS_A_TURN = 64,
    POINTS_A_TURN = 64,
    FORGETS_A_SEGMENT = 8, /* records; each rewrites 65,536 names in the flush's transaction */
    IDLE_MS = 200,         /* looks at the clock this often while nothing comes */
    FULL_PAUSE_MS = 20,    /* while the head is at its limit */
    UNAVAILABLE_PAUSE_MS = 50,
    VERIFY_TIMEOUT_MS = 1000,
};

enum { NO_SECOND = UINT32_MAX, NO_ENVIRONMENT = UINT32_MAX };

struct resolved { /* a record's metric, once looked up */
    struct catalog_series series;
    int64_t seen_hour_s; /* the catalog knows of this hour already */
    bool known;
};

struct collector_of { /* whose heartbeat a point is, and how far it has come */
    uint32_t environment, host, collector;
    uint32_t floor; /* in novelty */
};

struct tail { /* the thread's own */
    struct partition *p;
    struct generation *g;
    struct segment *open; /* borrowed from p->segments */
    struct catalog *catalog;
    uint32_t environment;
    VEC(struct resolved) metrics;
    VEC(uint32_t) hosts; /* by the record's index; CATALOG_NONE: not looked up yet */
    /* The last ones: neighbours mostly have the same. */
    struct collector_of collector;
    struct segment_group *group; /* of the open segment, or NULL */
    struct segment_group *beat;  /* the same, and its second: a run repeats it */
    uint32_t beat_second;
    uint32_t forgets;   /* records in the open segment */
    uint64_t log_epoch; /* the highest that the log announced */
    bool watched;       /* some series' newest point is */
    bool knows;         /* all that was declared when it began is applied */
    bool fenced;        /* the log announced a higher epoch than ours */
};

/* ---- sealing ---- */

static int collect_watermarks(struct tail *t)
{
    struct novelty *n = &t->g->novelty;
    for (uint32_t i = 0; i < n->floors_count; i++) {
        struct novelty_floor *f = &n->floors[i];
        if (f->newest_ms == f->noted_ms)
            continue;
        struct segment_watermark w = {f->environment, f->host, f->collector, f->newest_ms};
        if (!VEC_PUSH(&t->open->watermarks, w))
            return LT_ENOMEM;
        f->noted_ms = f->newest_ms;
    }
    return 0;
}

/* Replay brings many records at once that cost a flush much; and a clear stands alone. */
static bool is_full(const struct tail *t)
{
    return t->forgets >= FORGETS_A_SEGMENT || atomic_load(&t->open->clears) != SEGMENT_CLEARS_NONE;
}

static bool seal_due(const struct tail *t)
{
    const struct segment *s = t->open;
    const struct store_config *config = &t->p->store->config;
    if (atomic_load(&s->hi) == s->lo)
        return false;
    return atomic_load(&t->p->seal_now) || is_full(t) ||
           atomic_load_explicit(&s->bytes, memory_order_relaxed) >= config->flush_bytes ||
           clock_mono_ms() - s->opened_mono_ms >= config->flush_interval_ms;
}

static int seal(struct tail *t)
{
    struct partition *p = t->p;
    struct segment *next = NULL;
    int err = collect_watermarks(t);
    if (err == 0)
        segment_seal(t->open);
    if (err == 0)
        err = segment_create(atomic_load(&t->open->hi), t->g->catalogs, t->g->environments_count,
                             &next);
    if (err != 0)
        return err;
    pthread_mutex_lock(&p->lock);
    if (VEC_PUSH(&p->segments, next)) {
        t->open = next;
        t->group = t->beat = NULL;
        t->forgets = 0;
    } else {
        err = LT_ENOMEM;
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (err != 0)
        segment_unref(&next);
    return err;
}

/* ---- one record ---- */

static struct catalog *find_catalog(const struct tail *t, uint32_t environment)
{
    for (uint32_t i = 0; i < t->g->environments_count; i++)
        if (t->g->environments[i].id == environment &&
            t->g->environments[i].partition == t->p->number)
            return t->g->catalogs[i];
    return NULL;
}

static int prepare_names(struct tail *t, const struct record *r)
{
    t->metrics.n = 0;
    t->hosts.n = 0;
    if (!VEC_RESERVE(&t->metrics, r->points.metrics_count) ||
        !VEC_RESERVE(&t->hosts, r->points.hosts_count))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < r->points.metrics_count; i++)
        t->metrics.v[t->metrics.n++].known = false;
    for (uint32_t i = 0; i < r->points.hosts_count; i++)
        t->hosts.v[t->hosts.n++] = CATALOG_NONE;
    t->beat_second = NO_SECOND;
    return 0;
}

static struct segment_group *group_of(struct tail *t, struct segment_group **last,
                                      uint32_t category, uint32_t dimension, uint32_t host,
                                      int64_t hour_s, bool fresh)
{
    struct segment_group *g = *last;
    if (g == NULL || g->category != category || g->dimension != dimension || g->host != host ||
        g->hour_s != hour_s || g->fresh != fresh || g->environment != t->environment)
        *last = segment_group(t->open, t->environment, category, dimension, host, hour_s, fresh);
    return *last;
}

static int note_beat(struct tail *t, uint64_t offset, uint32_t host, uint32_t collector,
                     int64_t time_ms)
{
    int64_t hour_s = segment_hour_of(time_ms);
    uint32_t second = (uint32_t)(time_ms / 1000 - hour_s);
    struct segment_group *before = t->beat;
    struct segment_group *g = group_of(t, &t->beat, SEGMENT_BEATS, collector, host, hour_s, true);
    if (g == NULL)
        return LT_ENOMEM;
    if (g == before && second == t->beat_second)
        return 0;
    t->beat_second = second;
    return segment_append(t->open, g, offset, second, time_ms, 1, POLICY_LAST);
}

static int floor_of(struct tail *t, uint32_t host, uint32_t collector, uint32_t *out)
{
    struct collector_of *last = &t->collector;
    int err = 0;
    if (last->environment != t->environment || last->host != host || last->collector != collector) {
        err = novelty_floor(&t->g->novelty, t->environment, host, collector, &last->floor);
        last->environment = err == 0 ? t->environment : NO_ENVIRONMENT;
        last->host = host;
        last->collector = collector;
    }
    *out = last->floor;
    return err;
}

struct placed { /* a point on its way in */
    const struct record_run *run;
    uint32_t host;
    uint32_t metric; /* in the record */
    enum policy policy;
    uint64_t series; /* for novelty */
};

/* A decided point that is new for sure brings its series in: such series are written again. */
COLD static void note_newest(struct tail *t, uint64_t offset, const struct placed *p, double value,
                             bool fresh)
{
    const struct record_run *run = p->run;
    const struct catalog_series *s = &t->metrics.v[p->metric].series;
    const struct newest_key key = {t->environment, p->host, s->category, s->item, s->dimension};
    const struct newest_change change = {.offset = offset,
                                         .time_ms = run->time_ms,
                                         .value = value,
                                         .policy = p->policy,
                                         .enters = run->decided && fresh};
    newest_apply(&t->p->newest, &key, p->series, &change);
}

static int apply_point(struct tail *t, uint64_t offset, const struct placed *p, double value)
{
    const struct record_run *run = p->run;
    const struct catalog_series *s = &t->metrics.v[p->metric].series;
    int64_t hour_s = segment_hour_of(run->time_ms);
    uint32_t floor;
    int err = floor_of(t, p->host, s->collector, &floor);
    if (err != 0)
        return err;
    /* An erasing point is never new, nor the newest: it is no point. */
    int fresh = p->policy == POLICY_ERASE
                    ? 0
                    : novelty_judge(&t->g->novelty, floor, p->series, run->time_ms);
    if (fresh < 0)
        return fresh;
    if (UNLIKELY(run->decided || (t->watched && newest_wants(&t->p->newest, p->series))))
        note_newest(t, offset, p, value, fresh == 1);
    struct segment_group *g =
        group_of(t, &t->group, s->category, s->dimension, p->host, hour_s, fresh == 1);
    if (g == NULL)
        return LT_ENOMEM;
    err = segment_append(t->open, g, offset, s->item, run->time_ms, value, p->policy);
    if (err == 0 && run->observed)
        err = note_beat(t, offset, p->host, s->collector, run->time_ms);
    return err;
}

/* Ids are given in the order in which points name what is new. */
static int resolve_metrics(struct tail *t, const struct record *r, const struct placed *points,
                           uint32_t count)
{
    struct slice names[POINTS_A_TURN];
    struct catalog_series series[POINTS_A_TURN];
    uint32_t metrics[POINTS_A_TURN], n = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct resolved *metric = &t->metrics.v[points[i].metric];
        if (metric->known)
            continue;
        metric->known = true;
        metric->seen_hour_s = -1;
        metrics[n] = points[i].metric;
        names[n++] = r->points.metrics[points[i].metric];
    }
    int err = n > 0 ? catalog_resolve_all(t->catalog, names, n, series) : 0;
    for (uint32_t i = 0; err == 0 && i < n; i++)
        t->metrics.v[metrics[i]].series = series[i];
    return err;
}

/* What the next points will look at in memory begins to come. */
static void fetch_points(struct tail *t, struct placed *points, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct placed *p = &points[i];
        struct resolved *metric = &t->metrics.v[p->metric];
        const struct catalog_series *s = &metric->series;
        p->series = novelty_series(t->environment, p->host, s->category, s->item, s->dimension);
        novelty_prefetch(&t->g->novelty, p->series);
        int64_t hour_s = segment_hour_of(p->run->time_ms);
        if (hour_s != metric->seen_hour_s) {
            catalog_seen(t->catalog, s->category, s->item, p->run->time_ms);
            metric->seen_hour_s = hour_s;
        }
    }
}

/* A turn's points: each step for all of them before the next step, so that the waits for memory,
 * which are most of what a point costs, go on side by side. */
static int apply_turn(struct tail *t, uint64_t offset, const struct record *r,
                      struct placed *points, uint32_t first, uint32_t count)
{
    int err = resolve_metrics(t, r, points, count);
    if (err != 0)
        return err;
    fetch_points(t, points, count);
    for (uint32_t i = 0; err == 0 && i < count; i++)
        err = apply_point(t, offset, &points[i], r->points.values[first + i]);
    return err;
}

/* Is it of an owner that was replaced before? */
static bool is_outdated(const struct tail *t, const struct record *r)
{
    return r->epoch < t->log_epoch;
}

/* Follows docs/adr/0022-decided-points.md: only an owner decides points. */
static bool is_rejected(const struct tail *t, const struct record *r, const struct record_run *run)
{
    return UNLIKELY(run->decided) && is_outdated(t, r);
}

/* Who took the point did not know what is declared; here in the log's order everybody does, and
 * finds the same. BLOCK keeps the first; IGNORE and retention need the series' state and do
 * nothing. */
COLD static enum policy declared_policy(const struct tail *t, const struct record *r,
                                        const struct record_run *run, uint32_t metric)
{
    struct settings settings;
    bool declared = catalog_deciding(t->catalog, r->points.hosts[run->host],
                                     r->points.metrics[metric], &settings);
    return declared ? settings_policy(settings.duplicate) : POLICY_LAST;
}

static int apply_points(struct tail *t, uint64_t offset, const struct record *r)
{
    struct placed points[POINTS_A_TURN];
    uint32_t n = 0, at = 0, rejected = 0;
    int err = prepare_names(t, r);
    for (uint32_t i = 0; err == 0 && i < r->points.runs_count; i++) {
        const struct record_run *run = &r->points.runs[i];
        if (is_rejected(t, r, run)) {
            err = n > 0 ? apply_turn(t, offset, r, points, at - n, n) : 0;
            n = 0;
            at += run->count;
            rejected += run->count;
            continue;
        }
        uint32_t *host = &t->hosts.v[run->host];
        if (*host == CATALOG_NONE)
            err = catalog_host(t->catalog, r->points.hosts[run->host], host);
        for (uint32_t j = 0; err == 0 && j < run->count; j++, at++) {
            uint32_t metric = r->points.metric_index[at];
            points[n] = (struct placed){run, *host, metric, run->policy, 0};
            if (UNLIKELY(run->policy == POLICY_DECLARED))
                points[n].policy = declared_policy(t, r, run, metric);
            n++;
            if (n < POINTS_A_TURN)
                continue;
            err = apply_turn(t, offset, r, points, at + 1 - n, n);
            n = 0;
        }
    }
    if (err == 0 && n > 0)
        err = apply_turn(t, offset, r, points, at - n, n);
    if (err == 0)
        atomic_fetch_add(&t->p->stats.points, r->points.count - rejected);
    if (rejected > 0)
        atomic_fetch_add(&t->p->stats.rejected, rejected);
    return err;
}

static void apply_epoch(struct tail *t, uint64_t offset, const struct record *r)
{
    struct partition *p = t->p;
    pthread_mutex_lock(&p->lock);
    if (epochs_note(&p->epochs, offset, r->epoch))
        t->open->log_epoch = (struct storage_log_epoch){t->log_epoch = r->epoch, offset};
    if (r->epoch > p->log_epoch_max)
        p->log_epoch_max = r->epoch;
    t->fenced = p->epoch != 0 && r->epoch > p->epoch;
    pthread_mutex_unlock(&p->lock);
}

/* Follows docs/adr/0016-items-are-forgotten.md: nothing but the log decides who is forgotten. */
static int apply_forget(struct tail *t, const struct record *r)
{
    uint32_t forgotten;
    int err = catalog_forget(t->catalog, r->items.round, r->items.category, r->items.items,
                             r->items.count, &forgotten);
    if (err != 0)
        return err;
    t->forgets++;
    atomic_fetch_add(&t->p->stats.forgotten, forgotten);
    return 0;
}

static int apply_series(struct tail *t, uint64_t offset, const struct record *r)
{
    int err;
    bool by_owner = r->epoch != 0;
    if (by_owner && is_outdated(t, r))
        return 0;
    if (r->what == RECORD_DROP)
        err = catalog_drop(t->catalog, r->series.host, r->series.metric);
    else
        err = catalog_declare(t->catalog, offset, r->series.host, r->series.metric, r->series.way,
                              &r->series.settings, r->series.labels, r->series.labels_count);
    if (err == 0 && t->knows)
        partition_note_declares(t->p, t->catalog); /* before the offset counts as applied */
    return err;
}

/* The segment of a clear holds nothing else, so that its flush empties the environment and puts
 * nothing there. */
static int apply_clear(struct tail *t, uint64_t offset)
{
    int err = atomic_load(&t->open->hi) != t->open->lo ? seal(t) : 0;
    if (err == 0)
        err = catalog_drop_all(t->catalog);
    if (err != 0)
        return err;
    if (t->knows)
        partition_note_declares(t->p, t->catalog);
    newest_clear(&t->p->newest, t->environment, offset);
    atomic_store(&t->open->clears, t->environment);
    return 0;
}

static int apply_record(struct tail *t, uint64_t offset, const struct record *r)
{
    bool changed;
    int err = 0;
    switch (r->what) {
    case RECORD_POINTS:
    case RECORD_DECIDED:
    case RECORD_UNDECIDED:
        return apply_points(t, offset, r);
    case RECORD_RULE:
        err = catalog_add_rule(t->catalog, r->rule.pattern, r->rule.kind, r->rule.precision);
        return err == LT_ENOMEM ? err : 0; /* a rule that stands already is no news */
    case RECORD_TEXT:
        return catalog_set_text(t->catalog, r->text.stem, r->text.text, &changed);
    case RECORD_DOOM:
        return catalog_doom(t->catalog, r->items.round, r->items.category, r->items.items,
                            r->items.count);
    case RECORD_FORGET:
        return apply_forget(t, r);
    case RECORD_SERIES:
    case RECORD_DROP:
        return apply_series(t, offset, r);
    case RECORD_CLEAR:
        return apply_clear(t, offset);
    case RECORD_NOOP:
    case RECORD_EPOCH: /* the partition's, not an environment's */
        return 0;
    }
    return 0;
}

/* A record that nobody can read must not stop the partition; it must not be forgotten either. */
static void quarantine(struct tail *t, uint64_t offset, const char *why)
{
    atomic_fetch_add(&t->p->stats.quarantined, 1);
    atomic_store(&t->p->stats.quarantined_offset, offset);
    log_error("store", "partition %u: record %llu is set aside, %s; it stays in the log",
              t->p->number, (unsigned long long)offset, why);
}

static int apply(struct tail *t, const struct log_record *in)
{
    struct record record;
    t->watched = newest_begin(&t->p->newest, in->offset);
    int err = record_read(t->p->decoder, in->bytes, &record);
    /* A newer program wrote it, and reads it: who went on without it would give other ids than the
     * others (docs/adr/0004-ids-follow-the-log.md). */
    if (err == LT_ENOMEM || err == LT_EVERSION)
        return err;
    if (err != 0) {
        quarantine(t, in->offset, error_text(err));
        err = 0;
    } else {
        if (record.what == RECORD_EPOCH)
            apply_epoch(t, in->offset, &record);
        t->environment = record.environment;
        t->catalog = find_catalog(t, record.environment);
        if (t->catalog == NULL)
            quarantine(t, in->offset, "its environment is not on this partition");
        else
            err = apply_record(t, in->offset, &record);
    }
    if (err != 0)
        return err;
    segment_publish(t->open, in->offset, hash_bytes(in->bytes));
    atomic_fetch_add(&t->p->stats.records, 1);
    atomic_store(&t->p->applied_ms, in->append_ms);
    atomic_store(&t->p->applied, in->offset + 1);
    return t->fenced ? LT_EFENCED : 0;
}

/* An open segment that is empty is as old as its first record will be. */
static void restart_age(struct tail *t)
{
    if (atomic_load(&t->open->hi) == t->open->lo)
        t->open->opened_mono_ms = clock_mono_ms();
}

/* ---- the thread ---- */

/* What was forgotten gives its memory back; and is there room for more? */
static void look_at_items(struct tail *t)
{
    const struct store *store = t->p->store;
    for (uint32_t i = 0; i < t->g->environments_count; i++) {
        if (t->g->environments[i].partition != t->p->number)
            continue;
        catalog_tidy(t->g->catalogs[i]);
        bool full = store->config.items_max > 0 &&
                    catalog_items(t->g->catalogs[i]) >= store->config.items_max;
        if (full != atomic_load_explicit(&store->items_full[i], memory_order_relaxed))
            atomic_store_explicit(&store->items_full[i], full, memory_order_relaxed);
    }
}

static bool head_is_full(struct tail *t)
{
    struct partition *p = t->p;
    pthread_mutex_lock(&p->lock);
    size_t bytes = partition_head_bytes(p);
    pthread_mutex_unlock(&p->lock);
    size_t novelty = novelty_bytes(&t->g->novelty);
    atomic_store(&p->stats.novelty_bytes, novelty);
    return bytes + novelty >= p->store->config.head_bytes_max;
}

static int wait_ms(const struct tail *t)
{
    int64_t due = t->open->opened_mono_ms + t->p->store->config.flush_interval_ms;
    int64_t left = due - clock_mono_ms();
    if (atomic_load(&t->open->hi) == t->open->lo || left > IDLE_MS)
        return IDLE_MS;
    return left < 1 ? 1 : (int)left;
}

/* When the log is verified: from here on writers may go by what is declared: the catalogs have all
 * that the log held when this process began to read it. */
static void note_declares(struct tail *t)
{
    struct partition *p = t->p;
    if (LIKELY(t->knows) || atomic_load(&p->applied) < atomic_load(&p->catch_up))
        return;
    t->knows = true;
    for (uint32_t i = 0; i < t->g->environments_count; i++)
        if (t->g->environments[i].partition == p->number)
            partition_note_declares(p, t->g->catalogs[i]);
}

static int tail_turn(struct tail *t)
{
    struct log_record records[RECORDS_A_TURN];
    struct partition *p = t->p;
    int err = seal_due(t) ? seal(t) : 0;
    if (err != 0)
        return err;
    look_at_items(t);
    note_declares(t);
    bool full = head_is_full(t);
    atomic_store_explicit(&p->applies, !full, memory_order_relaxed);
    if (full) {
        partition_pause(p, FULL_PAUSE_MS);
        return 0;
    }
    restart_age(t);
    int n = log_reader_next(p->store->config.log, p->reader, wait_ms(t), records, RECORDS_A_TURN);
    for (int i = 0; i < n; i++) {
        err = apply(t, &records[i]);
        if (err == 0 && is_full(t))
            err = seal(t);
        if (err != 0)
            return err;
    }
    note_declares(t);
    if (n > 0)
        partition_wake_waiters(p, atomic_load(&p->applied));
    if (n != LT_EUNAVAILABLE && n != LT_ETIMEOUT)
        return n < 0 ? n : 0;
    partition_pause(p, UNAVAILABLE_PAUSE_MS);
    return 0;
}

static void set_catch_up(struct partition *p, uint64_t offset)
{
    atomic_store(&p->catch_up, offset);
    partition_wake_waiters(p, UINT64_MAX);
}

/* Is the record before `next` the one that storage ends with? If it is not, somebody made the log
 * anew, and going on would mix two histories. */
static int verify_log(struct partition *p, uint64_t *end_out)
{
    const struct storage_progress *at = &p->generation.progress;
    struct log *log = p->store->config.log;
    struct log_bounds bounds;
    int err = log_bounds(log, p->number, VERIFY_TIMEOUT_MS, &bounds);
    if (err != 0)
        return LT_EUNAVAILABLE;
    *end_out = bounds.end;
    if (at->next > bounds.end || at->next < bounds.start)
        return LT_ETRIMMED;
    if (at->next == bounds.start || at->next == 0)
        return 0; /* nothing is left to compare with */
    struct log_reader *reader;
    err = log_reader_open(log, p->number, at->next - 1, &reader);
    if (err != 0)
        return err;
    struct log_record record;
    int n = log_reader_next(log, reader, VERIFY_TIMEOUT_MS, &record, 1);
    err = n == 1 ? 0 : n < 0 ? n : LT_EUNAVAILABLE;
    if (n == 1 && hash_bytes(record.bytes) != at->checksum)
        err = LT_ECORRUPT;
    if (err == 0)
        atomic_store(&p->applied_ms, record.append_ms);
    log_reader_close(log, &reader);
    return err;
}

static void *tail_main(void *arg)
{
    struct partition *p = arg;
    struct tail t = {.p = p, .g = &p->generation, .collector.environment = NO_ENVIRONMENT};
    partition_name_thread(p, "tail");
    pthread_mutex_lock(&p->lock);
    t.open = p->segments.v[p->segments.n - 1];
    t.log_epoch = epochs_highest(&p->epochs);
    pthread_mutex_unlock(&p->lock);
    int err;
    uint64_t end = 0;
    while ((err = verify_log(p, &end)) == LT_EUNAVAILABLE && !atomic_load(&p->tail_stop)) {
        set_catch_up(p, 0);
        partition_pause(p, UNAVAILABLE_PAUSE_MS);
    }
    if (err == 0) {
        atomic_store(&p->tail_verified, true);
        set_catch_up(p, end);
    }
    if (err == LT_EUNAVAILABLE)
        err = 0; /* stopped before the log answered */
    while (err == 0 && !atomic_load(&p->tail_stop))
        err = tail_turn(&t);
    if (err == 0 && atomic_load(&t.open->hi) > t.open->lo)
        err = seal(&t);
    atomic_store(&p->applies, false);
    if (err != 0)
        set_catch_up(p, 0);
    atomic_store(&p->tail_error, err);
    VEC_FINI(&t.metrics);
    VEC_FINI(&t.hosts);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int tail_start(struct partition *p)
{
    int err =
        log_reader_open(p->store->config.log, p->number, p->generation.progress.next, &p->reader);
    if (err != 0)
        return err;
    atomic_store(&p->tail_stop, false);
    atomic_store(&p->seal_now, false);
    atomic_store(&p->tail_error, 0);
    atomic_store(&p->tail_verified, false);
    if (pthread_create(&p->tail_thread, NULL, tail_main, p) != 0) {
        log_reader_close(p->store->config.log, &p->reader);
        return LT_ENOMEM;
    }
    p->tail_running = true;
    return 0;
}

void tail_stop(struct partition *p)
{
    if (!p->tail_running)
        return;
    atomic_store(&p->tail_stop, true);
    log_reader_wake(p->store->config.log, p->reader);
    pthread_join(p->tail_thread, NULL);
    log_reader_close(p->store->config.log, &p->reader);
    p->tail_running = false;
}
