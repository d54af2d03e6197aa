#include "ingest/decider.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/vec.h"
#include "model/name.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum phase {
    PHASE_NEW,
    PHASE_WAITING,
    PHASE_READING,
    PHASE_SENT,
    PHASE_APPLYING,
    PHASE_OVER, /* no command is left */
    PHASE_COUNT,
};

struct command {
    struct command *next;
    struct verdict_command ask;
    struct verdict verdict;
    struct decider *decider;
    const struct tenant_environment *environment;
    struct series *series; /* of plain ones: until it is handed over */
    int64_t due_mono_ms;
    uint64_t epoch;
    bool plain;
    bool (*gone)(const void *client);
    const void *client;
    decider_done *done;
    void *arg;
};

struct commands { /* first in, first out */
    struct command *first, **end;
};

struct point {
    int64_t time_ms;
    double value;
};

struct series {
    struct series *next, *previous; /* of the phase's list, oldest first */
    struct decider *decider;
    enum phase phase;
    struct decider_series name; /* its texts stand behind the struct */
    uint64_t hash;
    uint32_t position; /* in all */
    struct commands queued, sent;
    uint64_t handed; /* WAITING: for the batches up to this one */
    uint32_t unreported;
    uint64_t offset; /* APPLYING */
    struct decider_place place;
    /* Old points: those of [known_from, known_to] that the series has. */
    bool old_known;
    int64_t known_from, known_to;
    VEC(struct point) old;
};

struct list {
    struct series *first, *last;
};

struct decider {
    struct decider_config config;
    struct hash_index index;
    VEC(struct series *) all; /* NULL: free */
    VEC(uint32_t) free_positions;
    struct list *waiting, *applying; /* a partition */
    struct list reading, sent;
    uint32_t queued;      /* commands that wait for their decision, */
    uint32_t open;        /* ... and all */
    int64_t look_mono_ms; /* for those that waited too long */
    bool stopped;
    uint64_t stored, ignored, refused, fenced, failed, reads;
};

/* ---- lists ---- */

static struct list *list_of(struct series *s)
{
    struct decider *d = s->decider;
    uint32_t partition = s->name.environment->partition;
    switch (s->phase) {
    case PHASE_WAITING:
        return &d->waiting[partition];
    case PHASE_READING:
        return &d->reading;
    case PHASE_SENT:
        return &d->sent;
    case PHASE_APPLYING:
        return &d->applying[partition];
    default:
        return NULL;
    }
}

static void unlink_series(struct series *s)
{
    struct list *list = list_of(s);
    if (list == NULL)
        return;
    *(s->previous != NULL ? &s->previous->next : &list->first) = s->next;
    *(s->next != NULL ? &s->next->previous : &list->last) = s->previous;
}

static void move(struct series *s, enum phase to)
{
    static const bool allowed[PHASE_COUNT][PHASE_COUNT] = {
        [PHASE_NEW][PHASE_WAITING] = true,      [PHASE_WAITING][PHASE_READING] = true,
        [PHASE_WAITING][PHASE_SENT] = true,     [PHASE_WAITING][PHASE_OVER] = true,
        [PHASE_WAITING][PHASE_WAITING] = true,  [PHASE_READING][PHASE_WAITING] = true,
        [PHASE_READING][PHASE_OVER] = true,     [PHASE_SENT][PHASE_APPLYING] = true,
        [PHASE_SENT][PHASE_WAITING] = true,     [PHASE_SENT][PHASE_OVER] = true,
        [PHASE_APPLYING][PHASE_WAITING] = true, [PHASE_APPLYING][PHASE_OVER] = true,
    };
    assert(allowed[s->phase][to]);
    unlink_series(s);
    s->phase = to;
    struct list *list = list_of(s);
    if (list == NULL)
        return;
    s->next = NULL;
    s->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = s;
    list->last = s;
}

static void commands_init(struct commands *c)
{
    c->first = NULL;
    c->end = &c->first;
}

static void commands_push(struct commands *c, struct command *command)
{
    command->next = NULL;
    *c->end = command;
    c->end = &command->next;
}

static struct command *commands_pop(struct commands *c)
{
    struct command *command = c->first;
    if (command != NULL) {
        c->first = command->next;
        if (c->first == NULL)
            c->end = &c->first;
    }
    return command;
}

/* ---- series ---- */

static uint64_t hash_of(const struct decider_series *name)
{
    uint64_t hash = hash_bytes(name->metric);
    return hash_u64(hash + hash_bytes(name->host) * 3 + name->environment->id);
}

static bool series_eq(const void *context, const void *key, uint32_t position)
{
    const struct series *s = ((struct series *const *)context)[position];
    const struct decider_series *name = key;
    return s->name.environment == name->environment && slice_eq(s->name.metric, name->metric) &&
           slice_eq(s->name.host, name->host);
}

static struct series *find_series(const struct decider *d, const struct decider_series *name,
                                  uint64_t hash)
{
    uint32_t position = hash_index_find(&d->index, hash, series_eq, d->all.v, name);
    return position == HASH_NONE ? NULL : d->all.v[position];
}

static struct series *make_series(struct decider *d, const struct decider_series *name,
                                  uint64_t hash)
{
    struct series *s = calloc(1, sizeof(*s) + name->host.n + name->metric.n + 1);
    uint32_t position = d->all.n;
    if (s == NULL)
        return NULL;
    bool room = true;
    if (d->free_positions.n > 0)
        position = d->free_positions.v[d->free_positions.n - 1];
    else
        room = VEC_RESERVE(&d->all, 1) && VEC_RESERVE(&d->free_positions, d->all.n + 1);
    if (!room || hash_index_add(&d->index, hash, position) != 0) {
        free(s);
        return NULL;
    }
    if (position == d->all.n)
        d->all.n++;
    else
        d->free_positions.n--;
    char *texts = (char *)(s + 1);
    memcpy(texts, name->host.p, name->host.n);
    memcpy(texts + name->host.n, name->metric.p, name->metric.n);
    s->name = (struct decider_series){name->environment, slice_make(texts, name->host.n),
                                      slice_make(texts + name->host.n, name->metric.n)};
    s->decider = d;
    s->hash = hash;
    s->position = position;
    commands_init(&s->queued);
    commands_init(&s->sent);
    d->all.v[position] = s;
    return s;
}

static void free_series(struct series *s)
{
    struct decider *d = s->decider;
    hash_index_remove(&d->index, s->hash, s->position);
    d->all.v[s->position] = NULL;
    bool room = VEC_PUSH(&d->free_positions, s->position);
    assert(room); /* reserved when the position was made */
    (void)room;
    VEC_FINI(&s->old);
    free(s);
}

/* ---- ends ---- */

static void count(struct decider *d, enum decider_end end)
{
    d->stored += end == DECIDER_STORED;
    d->ignored += end == DECIDER_IGNORED;
    d->refused += end == DECIDER_REFUSED || end == DECIDER_NOT_DONE;
    d->failed += end == DECIDER_FAILED || end == DECIDER_UNSEEN;
    d->fenced += end == DECIDER_FENCED;
}

/* Its callback may submit: to this series, too. */
static void end_command(struct command *c, struct decider_outcome outcome)
{
    count(c->decider, outcome.end);
    c->decider->open--;
    outcome.environment = c->environment;
    if (outcome.why == NULL)
        outcome.why = "";
    c->done(c->arg, &outcome);
    free(c);
}

static struct command *take_queued(struct series *s)
{
    struct command *c = commands_pop(&s->queued);
    if (c != NULL)
        s->decider->queued--;
    return c;
}

/* ---- what is sent ---- */

static void wait_again(struct series *s)
{
    const struct decider_ops *ops = &s->decider->config.ops;
    if (s->queued.first == NULL) {
        move(s, PHASE_OVER);
        free_series(s);
        return;
    }
    s->handed = ops->handed(ops->arg);
    move(s, PHASE_WAITING);
}

/* What rests on a point that is not stored, or does not count, ends as that. */
static void end_sent(struct series *s, struct decider_outcome outcome)
{
    struct command *c;
    bool counts = outcome.end == DECIDER_STORED;
    while ((c = commands_pop(&s->sent)) != NULL) {
        outcome.verdict = c->verdict.kind;
        outcome.time_ms = c->verdict.time_ms;
        if (counts)
            outcome.end = c->verdict.kind == VERDICT_STORE    ? DECIDER_STORED
                          : c->verdict.kind == VERDICT_IGNORE ? DECIDER_IGNORED
                                                              : DECIDER_REFUSED;
        end_command(c, outcome);
    }
    wait_again(s);
}

/* The reports of one record come one after the other. */
static void on_report(void *arg, const struct ingest_written *written)
{
    const struct log_report *report = written->report;
    struct command *c = arg;
    struct series *s = c->series;
    struct decider *d = s->decider;
    if (--s->unreported > 0)
        return;
    if (report->outcome != LOG_STORED) {
        end_sent(s, (struct decider_outcome){.end = DECIDER_FAILED, .report = report});
        return;
    }
    failpoint("decide.stored");
    s->offset = report->offset;
    move(s, PHASE_APPLYING);
    for (c = s->sent.first; c != NULL; c = c->next)
        c->due_mono_ms = clock_mono_ms() + d->config.deadline_ms;
    if (d->stopped)
        end_sent(s, (struct decider_outcome){.end = DECIDER_UNSEEN});
}

/* False: not yet. */
static bool see_outcome(struct series *s)
{
    const struct decider_ops *ops = &s->decider->config.ops;
    uint32_t partition = s->name.environment->partition;
    int err = ops->outcome(ops->arg, partition, s->place.epoch, s->offset);
    if (err == LT_EAGAIN)
        return false;
    enum decider_end end = err == 0            ? DECIDER_STORED
                           : err == LT_EFENCED ? DECIDER_FENCED
                                               : DECIDER_UNSEEN;
    end_sent(s, (struct decider_outcome){.end = end});
    return true;
}

/* ---- what cannot be decided here ---- */

static void on_plain_report(void *arg, const struct ingest_written *written)
{
    const struct log_report *report = written->report;
    struct command *c = arg;
    bool stored = report->outcome == LOG_STORED;
    end_command(c, (struct decider_outcome){.end = stored ? DECIDER_STORED : DECIDER_FAILED,
                                            .time_ms = c->ask.time_ms,
                                            .report = report});
}

/* What depends on nothing is written all the same. */
static int append_plain(struct series *s, struct command *c)
{
    const struct decider_ops *ops = &s->decider->config.ops;
    struct decider_place nowhere = {0};
    const struct verdict point = {VERDICT_STORE, c->ask.time_ms, c->ask.value, c->ask.policy};
    return ops->append(ops->arg, &s->name, &nowhere, &point, on_plain_report, c);
}

static void refuse_queue(struct series *s, int err, const char *why)
{
    struct commands queue;
    struct command *c;
    commands_init(&queue);
    while ((c = take_queued(s)) != NULL) /* those that come meanwhile are not meant */
        commands_push(&queue, c);
    while ((c = commands_pop(&queue)) != NULL) {
        int refused = c->plain && !s->decider->stopped ? append_plain(s, c) : err;
        if (refused != 0)
            end_command(
                c, (struct decider_outcome){.end = DECIDER_NOT_DONE, .err = refused, .why = why});
    }
    wait_again(s);
}

/* ---- reading ---- */

static void forget_old(struct series *s)
{
    s->old_known = false;
    s->old.n = 0;
}

static void on_learned(void *arg, const struct decider_found *found)
{
    struct series *s = arg;
    move(s, PHASE_WAITING);
    if (found->err != 0)
        refuse_queue(s, found->err, found->why);
}

static void on_times(void *arg, const struct decider_found *found)
{
    struct series *s = arg;
    move(s, PHASE_WAITING);
    int err = found->err;
    if (err == 0 && !VEC_RESERVE(&s->old, found->count))
        err = LT_ENOMEM;
    if (err != 0) {
        refuse_queue(s, err, found->why);
        return;
    }
    for (uint32_t i = 0; i < found->count; i++)
        s->old.v[i] = (struct point){found->times_ms[i], found->values[i]};
    s->old.n = found->count;
    if (found->count >= DECIDER_TIMES_MAX)
        s->known_to = found->times_ms[found->count - 1];
    s->old_known = true;
}

static int move_back(struct series *s)
{
    move(s, PHASE_WAITING);
    return 0;
}

static void read_newest(struct series *s)
{
    struct decider *d = s->decider;
    d->reads++;
    move(s, PHASE_READING);
    int err = d->config.ops.learn(d->config.ops.arg, &s->name, on_learned, s);
    if (err == LT_ENOTFOUND)
        err = move_back(s); /* all is being loaded anew: look again */
    if (err != 0)
        on_learned(s, &(struct decider_found){.err = err});
}

/* For all commands that wait and are older than the newest point: one read for them. */
static void read_old(struct series *s, const struct verdict_newest *newest)
{
    struct decider *d = s->decider;
    const struct decider_ops *ops = &d->config.ops;
    s->known_from = s->known_to = s->queued.first->ask.time_ms;
    for (const struct command *c = s->queued.first; c != NULL; c = c->next) {
        int64_t time_ms = c->ask.time_ms;
        if (c->ask.what != VERDICT_ADD || time_ms >= newest->time_ms)
            continue;
        s->known_from = time_ms < s->known_from ? time_ms : s->known_from;
        s->known_to = time_ms > s->known_to ? time_ms : s->known_to;
    }
    d->reads++;
    move(s, PHASE_READING);
    uint64_t after = ops->acked(ops->arg, s->name.environment->partition);
    int err = ops->times(ops->arg, &s->name, after, s->known_from, s->known_to, on_times, s);
    if (err != 0)
        on_times(s, &(struct decider_found){.err = err});
}

/* Where the time is, or would be. */
static uint32_t time_position(const struct series *s, int64_t time_ms)
{
    uint32_t low = 0, high = s->old.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->old.v[middle].time_ms < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum verdict_has has_time(const struct series *s, int64_t time_ms)
{
    if (!s->old_known || time_ms < s->known_from || time_ms > s->known_to)
        return VERDICT_UNKNOWN;
    uint32_t at = time_position(s, time_ms);
    if (at == s->old.n || s->old.v[at].time_ms != time_ms)
        return VERDICT_HAS_NOT;
    return isnan(s->old.v[at].value) ? VERDICT_HAS_NAN : VERDICT_HAS_NUMBER;
}

static void note_stored(struct series *s, const struct verdict *v)
{
    enum verdict_has has = has_time(s, v->time_ms);
    if (has == VERDICT_UNKNOWN)
        return;
    uint32_t at = time_position(s, v->time_ms);
    if (has != VERDICT_HAS_NOT) {
        s->old.v[at].value = policy_fold(v->policy, s->old.v[at].value, v->value);
        return;
    }
    if (!VEC_RESERVE(&s->old, 1)) {
        forget_old(s); /* it is read again */
        return;
    }
    memmove(s->old.v + at + 1, s->old.v + at, (s->old.n - at) * sizeof(s->old.v[0]));
    s->old.v[at] = (struct point){v->time_ms, v->value};
    s->old.n++;
}

/* ---- deciding ---- */

/* The first of the queue. False: it stays, and so do those behind it. */
static bool decide_one(struct series *s, const struct decider_look *look,
                       struct verdict_newest *newest)
{
    const struct decider_ops *ops = &s->decider->config.ops;
    struct command *c = s->queued.first;
    if (c->gone != NULL && c->gone(c->client)) {
        end_command(take_queued(s), (struct decider_outcome){.end = DECIDER_GONE});
        return true;
    }
    if (c->epoch != 0 && c->epoch != look->epoch) {
        end_command(take_queued(s),
                    (struct decider_outcome){.end = DECIDER_NOT_DONE, .err = LT_EFENCED});
        return true;
    }
    struct verdict v = verdict_of(&look->rules, newest, &c->ask, has_time(s, c->ask.time_ms));
    if (v.kind == VERDICT_LOOK)
        return false;
    int err = 0;
    failpoint("decide.append");
    if (v.kind == VERDICT_STORE)
        err = ops->append(ops->arg, &s->name, &s->place, &v, on_report, c);
    if (err == LT_EAGAIN)
        return false;
    take_queued(s);
    if (err != 0) {
        end_command(c, (struct decider_outcome){.end = DECIDER_NOT_DONE, .err = err});
        return true;
    }
    c->verdict = v;
    if (v.kind == VERDICT_STORE) {
        s->unreported++;
        verdict_apply(newest, &v);
        note_stored(s, &v);
    } else if (s->sent.first == NULL) { /* it rests on nothing that may yet fail */
        end_command(c, (struct decider_outcome){.end = v.kind == VERDICT_IGNORE ? DECIDER_IGNORED
                                                                                : DECIDER_REFUSED,
                                                .verdict = v.kind,
                                                .time_ms = v.time_ms});
        return true;
    }
    commands_push(&s->sent, c);
    return true;
}

static void decide(struct series *s, const struct decider_look *look)
{
    struct verdict_newest newest = look->newest;
    s->place = (struct decider_place){look->epoch, 0};
    bool goes_on = true;
    while (goes_on && s->queued.first != NULL)
        goes_on = decide_one(s, look, &newest);
    if (!goes_on && s->sent.first == NULL) {
        read_old(s, &newest);
        return;
    }
    forget_old(s);
    if (s->sent.first != NULL)
        move(s, PHASE_SENT);
    else
        wait_again(s);
}

/* False: nothing more can be decided on this partition for now. */
static bool try_first(struct decider *d, uint32_t partition)
{
    const struct decider_ops *ops = &d->config.ops;
    struct series *s = d->waiting[partition].first;
    struct decider_look look;
    if (s == NULL || !ops->settled(ops->arg, partition, s->handed))
        return false;
    uint64_t after = ops->acked(ops->arg, partition);
    int err = ops->look(ops->arg, &s->name, after, &look);
    switch (err) {
    case 0:
        decide(s, &look);
        return true;
    case LT_EAGAIN:
        ops->wake_at(ops->arg, partition, after);
        return false;
    case LT_ENOTFOUND:
        read_newest(s);
        return true;
    default:
        refuse_queue(s, err, NULL);
        return true;
    }
}

/* ---- time limits ---- */

static bool is_due(const struct command *c, int64_t now_ms)
{
    return c != NULL && c->due_mono_ms <= now_ms;
}

static void give_up(struct decider *d, uint32_t partition, int64_t now_ms)
{
    struct series *next;
    for (struct series *s = d->applying[partition].first; s != NULL; s = next) {
        next = s->next;
        if (!is_due(s->sent.first, now_ms))
            break; /* they are in the order of their reports */
        end_sent(s, (struct decider_outcome){.end = DECIDER_UNSEEN});
    }
    /* A callback may begin other series, at the list's end; the queue that is refused is gone. */
    for (struct series *s = d->waiting[partition].first; s != NULL; s = next) {
        next = s->next;
        if (is_due(s->queued.first, now_ms))
            refuse_queue(s, LT_ETIMEOUT, NULL);
    }
}

void decider_turn(struct decider *d)
{
    enum { LOOK_MS = 50 };
    const struct decider_ops *ops = &d->config.ops;
    if (d->open == 0)
        return;
    for (uint32_t i = 0; i < d->config.partitions; i++) {
        struct series *s;
        while ((s = d->applying[i].first) != NULL && see_outcome(s))
            ;
        if (s != NULL)
            ops->wake_at(ops->arg, i, s->offset + 1);
        while (try_first(d, i))
            ;
    }
    int64_t now_ms = clock_mono_ms();
    if (now_ms < d->look_mono_ms)
        return;
    d->look_mono_ms = now_ms + LOOK_MS;
    for (uint32_t i = 0; i < d->config.partitions; i++)
        give_up(d, i, now_ms);
}

/* ---- interface ---- */

int decider_submit(struct decider *d, const struct decider_request *r)
{
    if (d->stopped)
        return LT_ECLOSED;
    if (d->queued >= d->config.queued_max)
        return LT_EBUSY;
    uint64_t hash = hash_of(&r->series);
    struct series *s = find_series(d, &r->series, hash);
    struct command *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    if (s == NULL)
        s = make_series(d, &r->series, hash);
    if (s == NULL) {
        free(c);
        return LT_ENOMEM;
    }
    *c = (struct command){.ask = r->command,
                          .decider = d,
                          .environment = s->name.environment,
                          .series = s,
                          .due_mono_ms = clock_mono_ms() + d->config.deadline_ms,
                          .epoch = r->epoch,
                          .plain = r->plain,
                          .gone = r->gone,
                          .client = r->client,
                          .done = r->done,
                          .arg = r->arg};
    commands_push(&s->queued, c);
    d->queued++;
    d->open++;
    if (s->phase == PHASE_NEW) {
        s->handed = d->config.ops.handed(d->config.ops.arg);
        move(s, PHASE_WAITING);
    }
    return 0;
}

bool decider_waits(const struct decider *d, const struct decider_series *series)
{
    const struct series *s = d->queued > 0 ? find_series(d, series, hash_of(series)) : NULL;
    return s != NULL && s->queued.first != NULL;
}

bool decider_has(const struct decider *d, const struct decider_series *series)
{
    return d->open > 0 && find_series(d, series, hash_of(series)) != NULL;
}

bool decider_is_waiting(const struct decider *d)
{
    return d->queued > 0;
}

bool decider_idle(const struct decider *d)
{
    return d->open == 0;
}

int decider_create(const struct decider_config *config, struct decider **out)
{
    struct decider *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return LT_ENOMEM;
    d->config = *config;
    hash_index_init(&d->index);
    d->waiting = calloc(config->partitions, sizeof(d->waiting[0]));
    d->applying = calloc(config->partitions, sizeof(d->applying[0]));
    if (d->waiting == NULL || d->applying == NULL) {
        free(d->waiting);
        free(d->applying);
        free(d);
        return LT_ENOMEM;
    }
    *out = d;
    return 0;
}

void decider_stop(struct decider *d)
{
    d->stopped = true;
    for (uint32_t i = 0; i < d->config.partitions; i++) {
        while (d->waiting[i].first != NULL)
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who has ended is in no list */
            refuse_queue(d->waiting[i].first, LT_ECLOSED, NULL);
        while (d->applying[i].first != NULL)
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who has ended is in no list */
            end_sent(d->applying[i].first, (struct decider_outcome){.end = DECIDER_UNSEEN});
    }
}

void decider_destroy(struct decider **decider)
{
    struct decider *d = *decider;
    *decider = NULL;
    if (d == NULL)
        return;
    decider_stop(d);
    assert(d->open == 0 && d->index.count == 0);
    hash_index_fini(&d->index);
    VEC_FINI(&d->all);
    VEC_FINI(&d->free_positions);
    free(d->waiting);
    free(d->applying);
    free(d);
}

void decider_status(void *arg, struct status_sink *sink)
{
    const struct decider *d = arg;
    sink->number(sink, "stored", (int64_t)d->stored);
    sink->number(sink, "ignored", (int64_t)d->ignored);
    sink->number(sink, "refused", (int64_t)d->refused);
    sink->number(sink, "failed_or_unknown", (int64_t)d->failed);
    sink->number(sink, "fenced", (int64_t)d->fenced);
    sink->number(sink, "reads", (int64_t)d->reads);
    sink->number(sink, "waiting", d->queued);
    sink->number(sink, "in_flight", d->open - d->queued);
}
