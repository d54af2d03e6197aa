#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "ingest/decider.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The decider on a log, a consumer and an owner that are played by the test, which decides what
 * happens next, in any order. In the end, of each series, what counts in the log must be what the
 * commands come to one after the other, in the order in which they were given; and each must have
 * been told just that. */

enum {
    SERIES = 4,
    TIMES = 7,
    COMMANDS = 3000,
    RECORDS = 4000,
    POINTS = 64, /* a record */
};

struct ask { /* a command, and what became of it */
    struct world *world;
    uint32_t series;
    struct verdict_command command;
    bool direct; /* plain, and around the decider */
    bool gone;
    uint32_t ends;
    struct decider_outcome outcome;
    bool counts; /* told that nobody knows: it is in the log */
};

struct waiter {
    struct ask *ask; /* of a point that goes around */
    ingest_done *done;
    void *arg;
};

struct point {
    uint32_t series;
    struct verdict what;
    bool decided;
};

struct entry {
    uint64_t number;
    uint64_t epoch;     /* of decided points */
    uint64_t announces; /* an epoch; then it has no points */
    uint32_t count;
    struct point points[POINTS];
    struct waiter waiters[POINTS];
};

struct read {
    bool times;
    uint32_t series;
    uint64_t after;
    int64_t from_ms, to_ms;
    decider_read_done *done;
    void *arg;
};

struct world {
    struct decider *decider;
    struct tenant_environment environment;
    struct verdict_rules rules[SERIES];
    char names[SERIES][8];
    struct ask *asks;
    uint32_t asked;
    uint64_t numbers;
    struct entry *open, *flying[RECORDS];
    uint32_t flying_first, flying_end;
    struct entry *log[RECORDS];
    uint64_t end, applied, acked;
    uint64_t epoch, announced_at; /* ours; and where the log has it */
    bool owns;                    /* as far as we noticed */
    bool known[SERIES];
    struct read reads[SERIES];
    uint32_t reads_count;
    bool appends_all;    /* to one record */
    bool unknown_counts; /* the record that is being reported, and nobody knows of */
    unsigned leisure;    /* commands come that seldom */
    unsigned seed;
};

static unsigned below(struct world *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

/* ---- what the log says ---- */

static uint64_t highest_before(const struct world *w, uint64_t offset)
{
    uint64_t highest = 0;
    for (uint64_t i = 0; i < offset; i++)
        highest = w->log[i]->announces > highest ? w->log[i]->announces : highest;
    return highest;
}

static bool value_at(const struct world *w, uint32_t series, int64_t time_ms, uint64_t applied,
                     double *value)
{
    bool present = false;
    uint64_t highest = 0;
    for (uint64_t i = 0; i < applied; i++) {
        const struct entry *r = w->log[i];
        highest = r->announces > highest ? r->announces : highest;
        for (uint32_t p = 0; p < r->count; p++)
            if (r->points[p].series == series && r->points[p].what.time_ms == time_ms &&
                (!r->points[p].decided || r->epoch >= highest))
                policy_step(r->points[p].what.policy, r->points[p].what.value, &present, value);
    }
    return present;
}

static struct verdict_newest newest_of(const struct world *w, uint32_t series, uint64_t applied)
{
    struct verdict_newest newest = {0};
    for (int64_t t = TIMES; t >= 0 && !newest.any; t--) {
        newest.any = value_at(w, series, t, applied, &newest.value);
        newest.time_ms = t;
    }
    return newest;
}

/* ---- the decider's ops ---- */

static uint32_t series_of(const struct decider_series *s)
{
    return (uint32_t)(s->metric.p[1] - '0');
}

static uint64_t op_handed(void *arg)
{
    return ((struct world *)arg)->numbers;
}

static bool op_settled(void *arg, uint32_t partition, uint64_t handed)
{
    const struct world *w = arg;
    if (w->flying_first < w->flying_end)
        return w->flying[w->flying_first]->number > handed;
    return w->open == NULL || w->open->number > handed;
}

static uint64_t op_acked(void *arg, uint32_t partition)
{
    return ((struct world *)arg)->acked;
}

static int op_look(void *arg, const struct decider_series *s, uint64_t after,
                   struct decider_look *out)
{
    struct world *w = arg;
    uint32_t series = series_of(s);
    if (!w->owns)
        return LT_EFENCED;
    if (w->applied < after || w->applied <= w->announced_at)
        return LT_EAGAIN;
    if (!w->known[series])
        return LT_ENOTFOUND;
    *out = (struct decider_look){w->epoch, w->rules[series], newest_of(w, series, w->applied)};
    return 0;
}

static int start_read(struct world *w, const struct read *read)
{
    if (below(w, 50) == 0)
        return LT_EBUSY;
    assert_true(w->reads_count < SERIES); /* one a series */
    w->reads[w->reads_count++] = *read;
    return 0;
}

static int op_learn(void *arg, const struct decider_series *s, decider_read_done *done,
                    void *done_arg)
{
    const struct read read = {.series = series_of(s), .done = done, .arg = done_arg};
    return start_read(arg, &read);
}

static int op_times(void *arg, const struct decider_series *s, uint64_t after, int64_t from_ms,
                    int64_t to_ms, decider_read_done *done, void *done_arg)
{
    const struct read read = {true, series_of(s), after, from_ms, to_ms, done, done_arg};
    return start_read(arg, &read);
}

static void close_open(struct world *w)
{
    if (w->open == NULL)
        return;
    w->flying[w->flying_end++] = w->open;
    w->open = NULL;
}

static struct entry *open_entry(struct world *w, uint64_t epoch)
{
    if (w->open != NULL && (w->open->count == POINTS ||
                            (epoch != 0 && w->open->epoch != 0 && w->open->epoch != epoch)))
        close_open(w);
    if (w->open == NULL) {
        w->open = calloc(1, sizeof(*w->open));
        assert_non_null(w->open);
        w->open->number = ++w->numbers;
    }
    if (epoch != 0)
        w->open->epoch = epoch;
    return w->open;
}

static void add_point(struct entry *r, uint32_t series, const struct verdict *what, bool decided,
                      struct waiter waiter)
{
    r->points[r->count] = (struct point){series, *what, decided};
    r->waiters[r->count++] = waiter;
}

static int op_append(void *arg, const struct decider_series *s, struct decider_place *place,
                     const struct verdict *point, ingest_done *done, void *done_arg)
{
    struct world *w = arg;
    if (!w->appends_all && below(w, 40) == 0)
        return LT_EBUSY;
    struct entry *r = open_entry(w, place->epoch);
    if (place->batch != 0 && place->batch != r->number)
        return LT_EAGAIN;
    place->batch = r->number;
    add_point(r, series_of(s), point, place->epoch != 0, (struct waiter){NULL, done, done_arg});
    if (!w->appends_all && below(w, 8) == 0)
        close_open(w);
    return 0;
}

static int op_outcome(void *arg, uint32_t partition, uint64_t epoch, uint64_t offset)
{
    const struct world *w = arg;
    if (w->applied <= offset)
        return LT_EAGAIN;
    return highest_before(w, offset) > epoch ? LT_EFENCED : 0;
}

static void op_wake_at(void *arg, uint32_t partition, uint64_t applied)
{
}

/* ---- commands ---- */

static bool is_gone(const void *client)
{
    return ((const struct ask *)client)->gone;
}

static void on_done(void *arg, const struct decider_outcome *outcome)
{
    struct ask *ask = arg;
    ask->ends++;
    ask->outcome = *outcome;
    ask->outcome.err =
        outcome->end == DECIDER_FAILED ? (int)outcome->report->outcome : outcome->err;
    ask->outcome.report = NULL;
    ask->counts = outcome->end == DECIDER_FAILED && ask->world->unknown_counts;
}

static void give(struct world *w, struct ask given)
{
    struct ask *ask = &w->asks[w->asked++];
    uint32_t series = given.series;
    *ask = given;
    ask->world = w;
    struct verdict_command *c = &ask->command;
    const struct decider_series name = {&w->environment, slice_str("h"),
                                        slice_str(w->names[series])};
    const struct verdict_rules *rules = &w->rules[series];
    bool depends = c->what == VERDICT_COUNT || c->blocks || rules->blocks || rules->ignores ||
                   rules->retention_ms > 0 ||
                   verdict_asks_for_nan(c->has_policy ? c->policy : rules->policy, c->value);
    bool holds = decider_is_waiting(w->decider) && decider_waits(w->decider, &name);
    if (!depends && !holds) {
        ask->direct = true;
        const struct verdict point = {VERDICT_STORE, c->time_ms, c->value,
                                      c->has_policy ? c->policy : rules->policy};
        add_point(open_entry(w, 0), series, &point, false, (struct waiter){ask, NULL, NULL});
        return;
    }
    if (!depends && !c->has_policy) {
        c->has_policy = true;
        c->policy = rules->policy;
    }
    const struct decider_request request = {.series = name,
                                            .command = *c,
                                            .plain = !depends,
                                            .gone = is_gone,
                                            .client = ask,
                                            .done = on_done,
                                            .arg = ask};
    assert_int_equal(decider_submit(w->decider, &request), 0);
}

static void give_command(struct world *w)
{
    struct ask ask = {.series = below(w, 2) == 0 ? 0 : below(w, SERIES)};
    struct verdict_command *c = &ask.command;
    unsigned kind = below(w, 4);
    c->what = kind == 0 ? VERDICT_COUNT : VERDICT_ADD;
    c->time_ms = below(w, TIMES);
    c->value = c->what == VERDICT_ADD && below(w, 6) == 0 ? NAN : below(w, 9);
    c->relative = c->what == VERDICT_COUNT && below(w, 2) == 0;
    c->has_policy = kind == 1;
    c->blocks = kind == 1 && below(w, 2) == 0;
    c->policy = kind == 1 ? (enum policy)below(w, POLICY_COUNT) : POLICY_LAST;
    ask.gone = below(w, 50) == 0;
    give(w, ask);
}

/* ---- what happens ---- */

static void apply_one(struct world *w)
{
    if (w->applied == w->end)
        return;
    const struct entry *r = w->log[w->applied++];
    if (r->announces > w->epoch)
        w->owns = false; /* the log told us */
}

/* fate 0: failed, 1: unknown, above: stored. */
static void report(struct world *w, unsigned fate, bool unknown_stored)
{
    struct entry *r = w->flying[w->flying_first++];
    bool fenced = r->epoch != 0 && r->epoch < highest_before(w, w->end);
    bool stored = fate > 1 || (fate == 1 && !fenced && unknown_stored);
    w->unknown_counts = stored && fate == 1;
    struct log_report told = {.outcome = fate == 0   ? LOG_FAILED
                                         : fate == 1 ? LOG_UNKNOWN
                                                     : LOG_STORED,
                              .offset = w->end,
                              .reason = ""};
    if (stored)
        w->log[w->end++] = r;
    if (told.outcome == LOG_STORED)
        w->acked = w->end;
    while (stored && fate == 1 && w->applied < w->end)
        apply_one(w); /* else nobody knows which command came first */
    struct ingest_written written = {.report = &told};
    for (uint32_t i = 0; i < r->count; i++) {
        struct waiter *waiter = &r->waiters[i];
        if (waiter->ask != NULL) {
            waiter->ask->ends++;
            waiter->ask->outcome.end = told.outcome == LOG_STORED ? DECIDER_STORED : DECIDER_FAILED;
            waiter->ask->outcome.err = (int)told.outcome;
            waiter->ask->counts = w->unknown_counts;
        } else {
            waiter->done(waiter->arg, &written);
        }
    }
    if (!stored)
        free(r);
}

static void report_oldest(struct world *w)
{
    if (w->flying_first < w->flying_end)
        report(w, below(w, 10), below(w, 2) == 0);
}

static void finish_read(struct world *w)
{
    if (w->reads_count == 0)
        return;
    struct read read = w->reads[--w->reads_count];
    int64_t times[TIMES];
    double values[TIMES];
    struct decider_found found = {
        .err = below(w, 20) == 0 ? LT_ETIMEOUT : 0, .times_ms = times, .values = values};
    while (w->applied < read.after)
        apply_one(w);
    for (int64_t t = read.from_ms; read.times && t <= read.to_ms; t++) {
        if (!value_at(w, read.series, t, w->applied, &values[found.count]))
            continue;
        times[found.count++] = t;
    }
    if (!read.times && found.err == 0)
        w->known[read.series] = true;
    read.done(read.arg, &found);
}

static void announce(struct world *w, uint64_t epoch)
{
    struct entry *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->announces = epoch;
    w->log[w->end++] = r;
}

/* Another process takes over, whether we notice or not; or it is ours again. */
static void change_owner(struct world *w)
{
    if (w->owns && highest_before(w, w->end) == w->epoch) {
        announce(w, w->epoch + 1);
        w->owns = below(w, 3) > 0;
        return;
    }
    w->epoch = highest_before(w, w->end) + 1;
    w->announced_at = w->end;
    announce(w, w->epoch);
    w->owns = true;
    memset(w->known, 0, sizeof(w->known));
}

static void step(struct world *w, bool more)
{
    switch (below(w, 10)) {
    case 0:
    case 1:
    case 2:
        if (more && below(w, w->leisure) == 0)
            give_command(w);
        break;
    case 3:
        close_open(w);
        break;
    case 4:
    case 5:
        report_oldest(w);
        break;
    case 6:
        apply_one(w);
        break;
    case 7:
        finish_read(w);
        break;
    case 8:
        if (below(w, 40) == 0 || (!w->owns && below(w, 10) == 0))
            change_owner(w);
        else if (below(w, 10) == 0)
            w->known[below(w, SERIES)] = false;
        break;
    default:
        decider_turn(w->decider);
        break;
    }
}

/* ---- the model: one command after the other ---- */

struct state {
    bool present[TIMES + 1];
    double values[TIMES + 1];
};

static struct verdict_newest newest_in(const struct state *s)
{
    for (int64_t t = TIMES; t >= 0; t--)
        if (s->present[t])
            return (struct verdict_newest){true, t, s->values[t]};
    return (struct verdict_newest){0};
}

static void run_model(struct world *w, uint32_t series, uint32_t *stored)
{
    struct state s = {0};
    for (uint32_t i = 0; i < w->asked; i++) {
        const struct ask *a = &w->asks[i];
        const struct decider_outcome *o = &a->outcome;
        if (a->series != series)
            continue;
        assert_int_equal(a->ends, 1);
        /* Nobody knows of these: the log is asked. */
        bool unknown = o->end == DECIDER_FAILED && o->err == LOG_UNKNOWN;
        bool acts = o->end == DECIDER_STORED || o->end == DECIDER_IGNORED ||
                    o->end == DECIDER_REFUSED || unknown;
        if (!acts)
            continue;
        struct verdict_newest newest = newest_in(&s);
        enum verdict_has has = !s.present[a->command.time_ms]        ? VERDICT_HAS_NOT
                               : isnan(s.values[a->command.time_ms]) ? VERDICT_HAS_NAN
                                                                     : VERDICT_HAS_NUMBER;
        static const struct verdict_rules none;
        const struct verdict_rules *rules = a->direct ? &none : &w->rules[series];
        struct verdict v = verdict_of(rules, &newest, &a->command, has);
        if (a->direct)
            v.policy = a->command.has_policy ? a->command.policy : w->rules[series].policy;
        if (unknown && !a->counts)
            continue;
        if (o->end == DECIDER_REFUSED || o->end == DECIDER_IGNORED) {
            if (v.kind == VERDICT_STORE)
                fail_msg("series %u command %u: refused by %d", series, i, (int)o->verdict);
            assert_int_equal(v.kind, o->verdict);
            continue;
        }
        if (!unknown)
            assert_int_equal(v.kind, VERDICT_STORE);
        if (v.kind != VERDICT_STORE)
            continue;
        if (!a->direct && !unknown)
            assert_true(o->time_ms == v.time_ms);
        policy_step(v.policy, v.value, &s.present[v.time_ms], &s.values[v.time_ms]);
        ++*stored;
    }
    for (int64_t t = 0; t <= TIMES; t++) {
        double value = 0;
        bool present = value_at(w, series, t, w->end, &value);
        bool same = value == s.values[t] || (isnan(value) && isnan(s.values[t]));
        if (present != s.present[t] || (present && !same))
            fail_msg("series %u at %d: %d %g in the log, %d %g one after the other", series, (int)t,
                     present, value, s.present[t], s.values[t]);
    }
}

static struct world *world_create(unsigned seed)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->seed = seed;
    w->environment = (struct tenant_environment){1, "default", 0};
    w->asks = calloc(COMMANDS, sizeof(w->asks[0]));
    assert_non_null(w->asks);
    for (uint32_t s = 0; s < SERIES; s++)
        snprintf(w->names[s], sizeof(w->names[s]), "k%u", s);
    w->rules[1] = (struct verdict_rules){.blocks = true};
    w->rules[2] =
        (struct verdict_rules){.said = true, .ignores = true, .ignore_ms = 2, .ignore_value = 2};
    w->rules[3] = (struct verdict_rules){.policy = POLICY_MAX, .retention_ms = 4};
    change_owner(w);
    const struct decider_config config = {
        .ops = {op_handed, op_settled, op_acked, op_look, op_learn, op_times, op_append, op_outcome,
                op_wake_at, w},
        .partitions = 1,
        .deadline_ms = 3600000,
        .queued_max = COMMANDS,
    };
    assert_int_equal(decider_create(&config, &w->decider), 0);
    return w;
}

static void world_destroy(struct world *w)
{
    decider_destroy(&w->decider);
    for (uint64_t i = 0; i < w->end; i++)
        free(w->log[i]);
    free(w->asks);
    free(w);
}

static void test_commands_come_to_what_they_do_one_after_the_other(void **state)
{
    (void)state;
    uint32_t stored = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct world *w = world_create(round + 1);
        w->leisure = 1 + round % 20;
        for (uint32_t i = 0; i < 20 * COMMANDS && w->asked < COMMANDS && w->end < RECORDS - 100;
             i++)
            step(w, true);
        for (uint32_t i = 0; i < 100000; i++) {
            if (decider_idle(w->decider) && w->open == NULL && w->flying_first == w->flying_end)
                break;
            if (w->end < RECORDS - 10)
                step(w, false);
        }
        assert_true(decider_idle(w->decider));
        for (uint32_t s = 0; s < SERIES; s++)
            run_model(w, s, &stored);
        world_destroy(w);
    }
    assert_in_range(stored, 10000, 60 * COMMANDS);
}

/* Plain writes may go around while nothing of their series waits: what comes then waits for them.
 */
static void test_what_goes_around_is_seen_by_what_comes_behind(void **state)
{
    (void)state;
    struct world *w = world_create(3);
    w->appends_all = true;
    w->known[0] = true;
    apply_one(w);
    give(w, (struct ask){.command = {.what = VERDICT_COUNT, .time_ms = 5, .value = 1}});
    decider_turn(w->decider);
    close_open(w);
    give(w, (struct ask){.command = {.time_ms = 5, .value = 100}});
    assert_true(w->asks[1].direct);
    give(w, (struct ask){.command = {.what = VERDICT_COUNT, .time_ms = 5, .value = 1}});
    give(w, (struct ask){.command = {.time_ms = 4, .value = 7}});
    assert_false(w->asks[3].direct); /* behind the count */
    report(w, 2, true);
    apply_one(w);
    decider_turn(w->decider);
    assert_int_equal(w->asks[0].ends, 1);
    assert_int_equal(w->open->count, 1);
    close_open(w);
    decider_turn(w->decider);
    assert_null(w->open);
    report(w, 2, true);
    decider_turn(w->decider);
    assert_null(w->open); /* not applied yet */
    apply_one(w);
    decider_turn(w->decider);
    assert_int_equal(w->open->count, 2);
    assert_true(w->open->points[0].what.value == 101 && w->open->points[1].what.value == 7);
    close_open(w);
    report(w, 2, true);
    apply_one(w);
    decider_turn(w->decider);
    assert_true(decider_idle(w->decider));
    for (uint32_t i = 0; i < w->asked; i++) {
        assert_int_equal(w->asks[i].ends, 1);
        assert_int_equal(w->asks[i].outcome.end, DECIDER_STORED);
    }
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_come_to_what_they_do_one_after_the_other),
        cmocka_unit_test(test_what_goes_around_is_seen_by_what_comes_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
