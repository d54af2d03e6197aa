#include "ingest/ingest.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/i64.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "ingest/gather.h"
#include "ingest/pace.h"
#include "ingest/trial.h"

#include <assert.h>
#include <stdlib.h>

enum { HOLD_MS = 50 };

struct waiter { /* a command in a batch */
    ingest_done *done;
    void *arg;
    uint32_t first; /* its points */
    uint32_t count;
};

/* A partition's way to the log. */
struct lane {
    uint64_t acked;                         /* the highest offset, + 1 */
    uint32_t inflight;                      /* records */
    struct ingest_batch *oldest, *youngest; /* not answered yet */
    struct pace pace;
    struct gather gather;
    struct trial trial;
    int64_t took_ns; /* the last report, with which the log had nothing left */
};

/* open (being filled) -> in flight (the log has it) or refused (it never will) -> pooled */
struct ingest_batch {
    struct ingest *ingest;
    struct ingest_batch *next;            /* of the list that it is in */
    struct ingest_batch *younger, *older; /* of its lane, until it is answered */
    uint64_t number;
    uint32_t environment;
    uint32_t partition;
    struct lane *lane; /* of that */
    struct record_builder *builder;
    VEC(struct waiter) waiters;
    size_t record_bytes;
    uint32_t points;
    int64_t opened_mono_ms;
    bool paced;
    bool gathered;
    int64_t appended_ns;
    int refused; /* why the log did not take it */
};

struct ingest {
    struct ingest_config config;
    struct ingest_stats stats;
    struct ingest_batch *open; /* at most one an environment */
    struct ingest_batch *pool;
    struct ingest_batch *refused, **refused_end; /* answered at the turn's end, in order */
    struct lane *lanes;                          /* by partition */
    const struct lane *drained;                  /* the last one that was; NULL: none yet */
    int64_t awake_until_ns;
    uint64_t numbers; /* given so far */
    bool paused;
    struct ingest_batch *command; /* between begin and end: where the points go */
    const struct tenant_environment *command_environment;
    uint64_t command_epoch;        /* 0: its points are nobody's decision */
    struct catalog *command_items; /* only items that it has may be named; NULL: all */
    struct record_mark mark;
    const uint32_t *watched;
    ingest_touch *touch;
    void *touch_arg;
};

/* ---- batches ---- */

static void batch_destroy(struct ingest_batch *b)
{
    record_builder_destroy(&b->builder);
    VEC_FINI(&b->waiters);
    free(b);
}

static struct ingest_batch *batch_take(struct ingest *g, const struct tenant_environment *e)
{
    struct ingest_batch *b = g->pool;
    if (b != NULL) {
        g->pool = b->next;
    } else {
        b = calloc(1, sizeof(*b));
        if (b == NULL)
            return NULL;
        if (record_builder_create(LOG_RECORD_BYTES_MAX, &b->builder) != 0) {
            free(b);
            return NULL;
        }
        b->ingest = g;
    }
    b->next = NULL;
    b->number = ++g->numbers;
    b->environment = e->id;
    b->partition = e->partition;
    b->lane = &g->lanes[e->partition];
    b->older = b->lane->youngest;
    b->younger = NULL;
    *(b->older != NULL ? &b->older->younger : &b->lane->oldest) = b;
    b->lane->youngest = b;
    b->refused = 0;
    b->paced = false;
    b->gathered = false;
    b->opened_mono_ms = clock_mono_ms();
    return b;
}

static void batch_release(struct ingest_batch *b)
{
    struct ingest *g = b->ingest;
    *(b->older != NULL ? &b->older->younger : &b->lane->oldest) = b->younger;
    *(b->younger != NULL ? &b->younger->older : &b->lane->youngest) = b->older;
    record_builder_reset(b->builder);
    b->waiters.n = 0;
    b->next = g->pool;
    g->pool = b;
}

static struct ingest_batch *open_batch(struct ingest *g, const struct tenant_environment *e)
{
    for (struct ingest_batch *b = g->open; b != NULL; b = b->next)
        if (b->environment == e->id)
            return b;
    struct ingest_batch *b = batch_take(g, e);
    if (b != NULL) {
        b->next = g->open;
        g->open = b;
    }
    return b;
}

static void unlist_open(struct ingest *g, struct ingest_batch *b)
{
    struct ingest_batch **at = &g->open;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    b->next = NULL;
}

/* ---- reports ---- */

static bool is_paced(const struct ingest *g)
{
    return g->config.applied != NULL && g->config.lag_max_ms > 0;
}

static void count_report(struct ingest *g, const struct ingest_batch *b,
                         const struct log_report *report)
{
    struct ingest_stats *s = &g->stats;
    switch (report->outcome) {
    case LOG_STORED:
        s->records_acked++;
        s->points_acked += b->points;
        s->bytes_acked += b->record_bytes;
        s->last_ack_wall_ms = clock_wall_ms();
        if (report->offset + 1 > b->lane->acked)
            b->lane->acked = report->offset + 1;
        if (is_paced(g))
            pace_note(&b->lane->pace, report->offset + 1, clock_mono_ms(), g->config.lag_max_ms);
        return;
    case LOG_FAILED:
        s->records_failed++;
        s->points_failed += b->points;
        break;
    case LOG_UNKNOWN:
        s->records_unknown++;
        s->points_unknown += b->points;
        break;
    }
    s->last_failure_wall_ms = clock_wall_ms();
}

/* The only way to a client's reply. */
static void batch_report(struct ingest_batch *b, const struct log_report *report)
{
    count_report(b->ingest, b, report);
    for (uint32_t i = 0; i < b->waiters.n; i++) {
        const struct waiter *w = &b->waiters.v[i];
        struct ingest_written written = {report, b, w->first, w->count};
        w->done(w->arg, &written);
    }
    batch_release(b);
}

static void update_paused(struct ingest *g)
{
    size_t max = g->config.inflight_bytes_max;
    if (g->stats.inflight_bytes >= max / 4 * 3)
        g->paused = true;
    else if (g->stats.inflight_bytes <= max / 2)
        g->paused = false;
}

static void on_report(void *arg, const struct log_report *report);

/* Something is expected: a report, or who was answered. Either comes within twice the time that the
 * last report took, or nobody knows when. */
static void stay_awake(struct ingest *g, const struct lane *lane, int64_t now_ns)
{
    if (lane->trial.ways[TRIAL_AWAKE].taken)
        g->awake_until_ns = now_ns + i64_min(2 * lane->took_ns, g->config.awake_max_ns);
}

/* Hands a record to the log. A refusal is answered at the turn's end: never within the command. */
static void batch_append(struct ingest_batch *b, int err, struct slice record)
{
    struct ingest *g = b->ingest;
    b->record_bytes = record.n;
    if (err == 0)
        err = log_append(g->config.log, b->partition, record, on_report, b);
    if (err != 0) {
        b->refused = err;
        b->next = NULL;
        *g->refused_end = b;
        g->refused_end = &b->next;
        return;
    }
    g->stats.inflight_bytes += record.n;
    g->stats.inflight_records++;
    b->lane->inflight++;
    b->appended_ns = clock_mono_ns();
    stay_awake(g, b->lane, b->appended_ns);
    gather_end(&b->lane->gather);
    update_paused(g);
}

static void batch_close(struct ingest_batch *b)
{
    struct slice record = {0};
    unlist_open(b->ingest, b);
    b->points = record_builder_points(b->builder);
    if (b->waiters.n == 0) {
        batch_release(b);
        return;
    }
    int err = record_builder_finish(b->builder, b->environment, clock_wall_ms(), &record);
    batch_append(b, err, record);
}

static const char *refusal_text(int err)
{
    switch (err) {
    case LT_EBUSY:
        return "the log's queue is full";
    case LT_EUNAVAILABLE:
        return "the log takes nothing at the moment";
    default:
        return error_text(err);
    }
}

static void report_refused(struct ingest *g)
{
    while (g->refused != NULL) {
        struct ingest_batch *b = g->refused;
        g->refused = b->next;
        if (g->refused == NULL)
            g->refused_end = &g->refused;
        struct log_report report = {
            .outcome = LOG_FAILED, .partition = b->partition, .reason = refusal_text(b->refused)};
        batch_report(b, &report);
    }
}

/* Is the consumer of this process so far behind that writers have to wait for it? */
static bool is_behind(const struct ingest_batch *b)
{
    struct ingest *g = b->ingest;
    if (!is_paced(g))
        return false;
    uint64_t applied = g->config.applied(g->config.applied_arg, b->partition);
    return pace_is_behind(&b->lane->pace, applied, clock_mono_ms(), g->config.lag_max_ms);
}

/* While the log has its fill of this partition's records, a further one would only stand in its
 * queue: the batch grows instead. HOLD_MS bounds that where the log has stopped answering, so that
 * what is held starts its own time limit there; and where the consumer does not catch up, because
 * writers wait for it, but never depend on it. Where the log has none, those who were just answered
 * may be waited for (gather.h). */
static bool batch_holds(struct ingest_batch *b)
{
    struct ingest *g = b->ingest;
    uint32_t inflight = b->lane->inflight;
    bool full = inflight >= g->config.inflight_records_max;
    bool gathers = inflight == 0 && gather_waits(&b->lane->gather, clock_mono_ns());
    bool behind = !full && b->waiters.n > 0 && is_behind(b);
    bool holds = (full || behind) && clock_mono_ms() - b->opened_mono_ms < HOLD_MS;
    g->stats.paced += holds && behind && !b->paced;
    g->stats.gathered += gathers && !b->gathered;
    b->paced |= holds && behind;
    b->gathered |= gathers;
    return holds || gathers;
}

/* Closes what is due, of all partitions or of one. True: something was closed. */
static bool close_due(struct ingest *g, const struct lane *only)
{
    bool closed = false;
    struct ingest_batch *next;
    for (struct ingest_batch *b = g->open; b != NULL; b = next) {
        next = b->next;
        if ((only != NULL && b->lane != only) || batch_holds(b))
            continue;
        batch_close(b);
        closed = true;
    }
    return closed;
}

/* The log has nothing to do: what waits for it leaves before those who were stored are answered,
 * and both go on side by side. */
static void lane_drained(const struct ingest_batch *last)
{
    struct ingest *g = last->ingest;
    struct lane *lane = last->lane;
    struct trial *trial = &lane->trial;
    int64_t now_ns = clock_mono_ns();
    lane->took_ns = now_ns - last->appended_ns;
    trial_report(trial, last->waiters.n, lane->took_ns, now_ns);
    gather_report(&lane->gather, trial->ways[TRIAL_HOLD].taken, last->waiters.n, lane->took_ns,
                  now_ns);
    stay_awake(g, lane, now_ns);
    g->drained = lane;
    close_due(g, lane);
}

static void on_report(void *arg, const struct log_report *report)
{
    struct ingest_batch *b = arg;
    struct ingest *g = b->ingest;
    g->stats.inflight_bytes -= b->record_bytes;
    g->stats.inflight_records--;
    g->stats.awake += b->lane->trial.ways[TRIAL_AWAKE].taken;
    update_paused(g);
    if (--b->lane->inflight == 0)
        lane_drained(b);
    batch_report(b, report);
}

void ingest_turn_end(struct ingest *g)
{
    /* A client that is answered may go on with its next command at once, and nothing else may wake
     * the loop after this. It ends, because clients have limited input that was read already. */
    while (close_due(g, NULL) || g->refused != NULL)
        report_refused(g);
}

int64_t ingest_wake_ns(const struct ingest *g)
{
    int64_t wake_ns = 0;
    for (const struct ingest_batch *b = g->open; b != NULL; b = b->next) {
        int64_t until_ns = b->lane->gather.until_ns;
        if (until_ns != 0 && (wake_ns == 0 || until_ns < wake_ns))
            wake_ns = until_ns;
    }
    return wake_ns;
}

int64_t ingest_awake_until_ns(const struct ingest *g)
{
    return g->awake_until_ns;
}

/* ---- commands ---- */

static int check_room(struct ingest *g)
{
    if (g->stats.inflight_bytes < g->config.inflight_bytes_max)
        return 0;
    g->stats.busy++;
    return LT_EBUSY;
}

/* A reference to what an environment has, where that is all it may have; or NULL. */
static struct catalog *items_known(const struct ingest *g, const struct tenant_environment *e)
{
    const struct ingest_config *c = &g->config;
    if (c->items_full == NULL || LIKELY(!c->items_full(c->items_arg, e->id)))
        return NULL;
    return c->catalog(c->items_arg, e->id);
}

int ingest_begin(struct ingest *g, const struct tenant_environment *e)
{
    int err = check_room(g);
    if (err != 0)
        return err;
    g->command = open_batch(g, e);
    if (g->command == NULL)
        return LT_ENOMEM;
    g->command_environment = e;
    g->command_epoch = 0;
    g->command_items = items_known(g, e);
    g->mark = record_builder_mark(g->command->builder);
    return 0;
}

int ingest_begin_decided(struct ingest *g, const struct tenant_environment *e, uint64_t epoch)
{
    int err = ingest_begin(g, e);
    if (err != 0)
        return err;
    uint64_t other = record_builder_epoch(g->command->builder);
    if (other != 0 && other != epoch) { /* this process owned the partition before, too */
        struct ingest_batch *full = g->command;
        ingest_abort(g);
        batch_close(full);
        err = ingest_begin(g, e);
    }
    if (err == 0) {
        g->command_epoch = epoch;
        err = record_builder_decide(g->command->builder, epoch);
        if (err != 0)
            ingest_abort(g);
    }
    return err;
}

uint64_t ingest_batch_number(const struct ingest *g)
{
    return g->command->number;
}

/* The record is full in mid-command: what came before leaves, the command goes on in a batch of its
 * own. */
static int command_to_new_batch(struct ingest *g)
{
    struct ingest_batch *full = g->command;
    struct ingest_batch *fresh = batch_take(g, g->command_environment);
    if (fresh == NULL)
        return LT_ENOMEM;
    int err = record_builder_move(full->builder, g->mark, fresh->builder);
    if (err != 0) {
        batch_release(fresh);
        return err;
    }
    batch_close(full);
    fresh->next = g->open;
    g->open = fresh;
    g->command = fresh;
    g->mark = (struct record_mark){0};
    return record_builder_decide(fresh->builder, g->command_epoch);
}

/* How many of the points, from the first on, are of items that are there. */
COLD static uint32_t known(struct catalog *items, const struct record_point *points, uint32_t count)
{
    uint32_t n = 0;
    while (n < count && catalog_has_item(items, points[n].metric))
        n++;
    return n;
}

void ingest_on_touch(struct ingest *g, const uint32_t *watched, ingest_touch *touch, void *arg)
{
    g->watched = watched;
    g->touch = touch;
    g->touch_arg = arg;
}

void ingest_touched(struct ingest *g, const struct tenant_environment *e, struct slice host,
                    struct slice metric)
{
    if (UNLIKELY(*g->watched > 0))
        g->touch(g->touch_arg, e, host, metric);
}

static inline void touch_points(struct ingest *g, const struct tenant_environment *e,
                                const struct record_point *points, uint32_t count)
{
    for (uint32_t i = 0; UNLIKELY(*g->watched > 0) && i < count; i++)
        g->touch(g->touch_arg, e, points[i].host, points[i].metric);
}

int ingest_points(struct ingest *g, bool observed, enum policy policy,
                  const struct record_point *points, uint32_t count, uint32_t *taken_out)
{
    if (g->command_epoch == 0)
        touch_points(g, g->command_environment, points, count);
    uint32_t take =
        UNLIKELY(g->command_items != NULL) ? known(g->command_items, points, count) : count;
    uint32_t added;
    int err = record_builder_add(g->command->builder, observed, policy, points, take, taken_out);
    if (UNLIKELY(err == LT_ELIMIT && g->mark.points > 0)) {
        err = command_to_new_batch(g);
        if (err == 0) {
            err = record_builder_add(g->command->builder, observed, policy, points + *taken_out,
                                     take - *taken_out, &added);
            *taken_out += added;
        }
    }
    if (err == 0 &&
        record_builder_bytes(g->command->builder) - g->mark.bytes > g->config.command_bytes_max)
        err = LT_ELIMIT;
    if (err == 0 && take < count) {
        g->stats.full++;
        err = LT_EFULL;
    }
    return err;
}

/* The next command's points are not decided. */
static void end_decided(struct ingest *g)
{
    if (LIKELY(g->command_epoch == 0))
        return;
    int err = record_builder_decide(g->command->builder, 0);
    assert(err == 0);
    (void)err;
}

/* All points from the first on are one waiter's, for whom there is room. The batch may leave. */
static void batch_join(struct ingest_batch *b, uint32_t first, ingest_done *done, void *arg)
{
    struct ingest *g = b->ingest;
    uint32_t count = record_builder_points(b->builder) - first;
    b->waiters.v[b->waiters.n++] = (struct waiter){done, arg, first, count};
    gather_command(&b->lane->gather);
    if (record_builder_bytes(b->builder) >= g->config.batch_bytes_max)
        batch_close(b);
}

int ingest_end(struct ingest *g, ingest_done *done, void *arg)
{
    struct ingest_batch *b = g->command;
    if (!VEC_RESERVE(&b->waiters, 1)) {
        ingest_abort(g);
        return LT_ENOMEM;
    }
    end_decided(g);
    g->command = NULL;
    catalog_unref(&g->command_items);
    batch_join(b, g->mark.points, done, arg);
    return 0;
}

/* Adds points to the environment's open batch, which may be a new one. There is room for a waiter
 * then. */
static int add_to_open(struct ingest *g, const struct tenant_environment *e, enum policy policy,
                       const struct record_point *points, uint32_t count, uint32_t *added_out,
                       struct ingest_batch **batch_out)
{
    int err = LT_ELIMIT;
    *added_out = 0;
    for (int attempt = 0; attempt < 2 && *added_out == 0 && err == LT_ELIMIT; attempt++) {
        struct ingest_batch *b = *batch_out = open_batch(g, e);
        if (b == NULL || !VEC_RESERVE(&b->waiters, 1))
            return LT_ENOMEM;
        err = record_builder_add(b->builder, false, policy, points, count, added_out);
        if (UNLIKELY(err == LT_ELIMIT && *added_out == 0))
            batch_close(b); /* it is full, or the points fit none */
    }
    return *added_out > 0 ? 0 : err;
}

int ingest_each(struct ingest *g, const struct tenant_environment *e, enum policy policy,
                const struct record_point *points, uint32_t count, uint32_t *taken_out,
                ingest_done *done, void *arg)
{
    struct ingest_batch *b;
    int err = check_room(g);
    if (UNLIKELY(err != 0))
        return err;
    struct catalog *items = items_known(g, e);
    if (UNLIKELY(items != NULL)) {
        count = known(items, points, count);
        catalog_unref(&items);
        if (count == 0) {
            g->stats.full++;
            return LT_EFULL;
        }
    }
    err = add_to_open(g, e, policy, points, count, taken_out, &b);
    if (UNLIKELY(err != 0))
        return err;
    touch_points(g, e, points, *taken_out);
    batch_join(b, record_builder_points(b->builder) - *taken_out, done, arg);
    return 0;
}

void ingest_abort(struct ingest *g)
{
    record_builder_rollback(g->command->builder, g->mark);
    end_decided(g);
    g->command = NULL;
    catalog_unref(&g->command_items);
}

/* ---- control records ---- */

int ingest_control_check(struct ingest *g, const struct tenant_environment *e, struct slice stem)
{
    int err = check_room(g);
    if (err != 0 || stem.n == 0)
        return err;
    struct catalog *items = items_known(g, e);
    bool full = items != NULL && !catalog_has_stem(items, stem);
    catalog_unref(&items);
    g->stats.full += full;
    return full ? LT_EFULL : 0;
}

int ingest_control_append(struct ingest *g, const struct tenant_environment *e, struct slice record,
                          ingest_done *done, void *arg)
{
    struct waiter waiter = {done, arg, 0, 0};
    struct ingest_batch *b = batch_take(g, e);
    if (b == NULL)
        return LT_ENOMEM;
    b->points = 0;
    if (!VEC_PUSH(&b->waiters, waiter)) {
        batch_release(b);
        return LT_ENOMEM;
    }
    for (struct ingest_batch *open = g->open; open != NULL; open = open->next) {
        if (open->environment == e->id) {
            batch_close(open); /* what came before it stands before it in the log */
            break;
        }
    }
    batch_append(b, 0, record);
    return 0;
}

/* ---- the rest ---- */

static void ingest_free(struct ingest *g)
{
    free(g->lanes);
    free(g);
}

static const uint32_t nobody = 0; /* watches */

int ingest_create(const struct ingest_config *config, struct ingest **out)
{
    struct ingest *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return LT_ENOMEM;
    g->config = *config;
    g->watched = &nobody;
    g->refused_end = &g->refused;
    g->lanes = calloc(tenant_partitions(config->tenant), sizeof(g->lanes[0]));
    if (g->lanes == NULL) {
        ingest_free(g);
        return LT_ENOMEM;
    }
    for (uint32_t p = 0; p < tenant_partitions(config->tenant); p++)
        g->lanes[p].trial.ways[TRIAL_AWAKE].excluded = config->awake_max_ns == 0;
    *out = g;
    return 0;
}

void ingest_destroy(struct ingest **ingest)
{
    struct ingest *g = *ingest;
    *ingest = NULL;
    if (g == NULL)
        return;
    while (g->open != NULL)
        batch_close(g->open); /* empty ones: every waiter was answered */
    while (g->pool != NULL) {
        struct ingest_batch *next = g->pool->next;
        batch_destroy(g->pool);
        g->pool = next;
    }
    ingest_free(g);
}

int64_t ingest_written_time_ms(const struct ingest_written *written, uint32_t i,
                               uint32_t *until_out)
{
    const struct record_builder *builder = written->batch->builder;
    uint32_t until;
    int64_t time_ms = record_builder_time_ms(builder, written->first + i, &until);
    until -= written->first;
    *until_out = until < written->count ? until : written->count;
    return time_ms;
}

bool ingest_paused(const struct ingest *g)
{
    return g->paused;
}

uint64_t ingest_handed(const struct ingest *g)
{
    return g->numbers;
}

bool ingest_settled(const struct ingest *g, uint32_t partition, uint64_t number)
{
    const struct ingest_batch *oldest = g->lanes[partition].oldest;
    return oldest == NULL || oldest->number > number;
}

uint64_t ingest_acked(const struct ingest *g, uint32_t partition)
{
    return g->lanes[partition].acked;
}

struct ingest_stats ingest_stats(const struct ingest *g)
{
    return g->stats;
}

bool ingest_idle(const struct ingest *g)
{
    return g->open == NULL && g->refused == NULL && g->stats.inflight_records == 0;
}

static int64_t gain_percent(const struct lane *lane, enum trial_choice choice)
{
    return lane == NULL ? 0 : (int64_t)(100 * lane->trial.ways[choice].gain);
}

void ingest_status(void *arg, struct status_sink *sink)
{
    const struct ingest *g = arg;
    const struct ingest_stats *s = &g->stats;
    sink->number(sink, "points_acked", (int64_t)s->points_acked);
    sink->number(sink, "points_failed", (int64_t)s->points_failed);
    sink->number(sink, "points_unknown", (int64_t)s->points_unknown);
    sink->number(sink, "records_acked", (int64_t)s->records_acked);
    sink->number(sink, "records_failed", (int64_t)s->records_failed);
    sink->number(sink, "records_unknown", (int64_t)s->records_unknown);
    sink->number(sink, "bytes_acked", (int64_t)s->bytes_acked);
    sink->number(sink, "commands_refused_busy", (int64_t)s->busy);
    sink->number(sink, "points_refused_items", (int64_t)s->full);
    sink->number(sink, "batches_held_for_lag", (int64_t)s->paced);
    sink->number(sink, "batches_held_to_gather", (int64_t)s->gathered);
    sink->number(sink, "records_awaited_awake", (int64_t)s->awake);
    sink->number(sink, "gather_gain_percent", gain_percent(g->drained, TRIAL_HOLD));
    sink->number(sink, "awake_gain_percent", gain_percent(g->drained, TRIAL_AWAKE));
    sink->number(sink, "inflight_bytes", (int64_t)s->inflight_bytes);
    sink->number(sink, "inflight_records", s->inflight_records);
    sink->number(sink, "last_ack_at_ms", s->last_ack_wall_ms);
    sink->number(sink, "last_failure_at_ms", s->last_failure_wall_ms);
}
