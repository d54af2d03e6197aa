#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "ingest/control.h"
#include "ingest/ingest.h"
#include "record/record.h"
#include "support_memlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COMMANDS_MAX = 4000, POINTS_MAX = 30, INFLIGHT_MAX = 8000, EACH_MAX = 20, NEVER = -1 };

enum what { WHAT_POINTS, WHAT_RULE, WHAT_TEXT, WHAT_PROBE };

/* A command as its client sees it: what it wrote and what it was told. The value of point i of
 * command c is c * 10,000 + i, so that each point that is stored names its command. */
struct command {
    struct fixture *f;
    enum what what;
    int environment;
    uint32_t count;
    bool accepted;
    int told; /* enum log_outcome, or NEVER */
    uint64_t offset;
    uint32_t behind; /* records that the log had when it was told */
    bool follow_up;  /* its client sends another one as soon as it is told */
};

struct fixture {
    struct memlog memlog;
    struct tenant *tenant;
    struct ingest *ingest;
    struct command commands[COMMANDS_MAX];
    uint32_t count;
    uint64_t last_offset[2]; /* an environment: reports come in the order of the commands */
    unsigned random;
    bool within_end; /* ingest_end runs: nobody may be told now */
};

/* Two environments that share partition 0. */
static const struct tenant_environment environments[2] = {{1, "a", 0}, {2, "b", 0}};

static struct ingest_config default_config(struct fixture *f)
{
    return (struct ingest_config){
        .log = &f->memlog.log,
        .tenant = f->tenant,
        .inflight_bytes_max = INFLIGHT_MAX,
        .batch_bytes_max = 3000,
        .command_bytes_max = 900000,
        .inflight_records_max = 1000,
    };
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    memlog_init(&f->memlog);
    assert_int_equal(tenant_create(NULL, &f->tenant), 0);
    struct ingest_config config = default_config(f);
    assert_int_equal(ingest_create(&config, &f->ingest), 0);
    f->random = 11;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ingest_turn_end(f->ingest);
    memlog_fini(&f->memlog);
    ingest_destroy(&f->ingest);
    tenant_destroy(&f->tenant);
    free(f);
    return 0;
}

/* The ingest anew, with other settings; nothing is in flight. */
static void restart(struct fixture *f, const struct ingest_config *config)
{
    ingest_destroy(&f->ingest);
    assert_int_equal(ingest_create(config, &f->ingest), 0);
}

static void restart_with_one_in_flight(struct fixture *f)
{
    struct ingest_config config = default_config(f);
    config.inflight_records_max = 1;
    restart(f, &config);
}

static unsigned below(struct fixture *f, unsigned n)
{
    f->random = f->random * 1103515245u + 12345u;
    return (f->random >> 8) % n;
}

/* ---- commands ---- */

static struct command *write_points(struct fixture *f, int environment, uint32_t count, bool abort);

static double value_of(const struct command *c, uint32_t i)
{
    return (double)(c - c->f->commands) * 10000 + i;
}

static int64_t time_of(const struct command *c, uint32_t i)
{
    return (int64_t)(value_of(c, i) / 3) % 4;
}

static void on_done(void *arg, const struct ingest_written *written)
{
    struct command *c = arg;
    struct fixture *f = c->f;
    assert_false(f->within_end);
    assert_true(c->accepted);
    assert_int_equal(c->told, NEVER);
    assert_int_equal(written->count, c->count);
    for (uint32_t i = 0, until = 0; i < c->count; i = until) {
        int64_t time_ms = ingest_written_time_ms(written, i, &until);
        assert_in_range(until, i + 1, c->count);
        for (uint32_t j = i; j < until; j++)
            assert_true(time_ms == time_of(c, j));
    }
    c->told = (int)written->report->outcome;
    c->behind = f->memlog.waiting;
    if (c->told == LOG_STORED) {
        c->offset = written->report->offset;
        assert_true(c->offset >= f->last_offset[c->environment]);
        f->last_offset[c->environment] = c->offset;
        assert_true(ingest_acked(f->ingest, 0) > c->offset);
    } else {
        assert_non_null(written->report->reason);
    }
    if (c->follow_up)
        write_points(f, c->environment, 1, false);
}

static struct command *new_command(struct fixture *f, enum what what, int environment)
{
    assert_true(f->count < COMMANDS_MAX);
    struct command *c = &f->commands[f->count++];
    *c = (struct command){.f = f, .what = what, .environment = environment, .told = NEVER};
    return c;
}

/* Points i, i + 1, … of a command. names: memory of theirs. */
static void make_points(struct fixture *f, const struct command *c, uint32_t i, uint32_t count,
                        struct record_point *points, char (*names)[32])
{
    for (uint32_t j = 0; j < count; j++) {
        int n = snprintf(names[j], sizeof(names[j]), "m.%u", below(f, 100));
        points[j] = (struct record_point){SLICE_LIT("h"), slice_make(names[j], (size_t)n),
                                          time_of(c, i + j), value_of(c, i + j)};
    }
}

/* A few at once, up to left of them. */
static int add_points(struct fixture *f, struct command *c, uint32_t left)
{
    char metrics[8][32];
    struct record_point points[8];
    uint32_t count = 1 + below(f, left < 8 ? left : 8), taken = 0;
    make_points(f, c, c->count, count, points, metrics);
    int err = ingest_points(f->ingest, below(f, 2), POLICY_LAST, points, count, &taken);
    c->count += taken;
    return err;
}

static struct command *write_points(struct fixture *f, int environment, uint32_t count, bool abort)
{
    struct command *c = new_command(f, WHAT_POINTS, environment);
    int err = ingest_begin(f->ingest, &environments[environment]);
    if (err != 0) {
        assert_int_equal(err, LT_EBUSY);
        assert_true(f->memlog.waiting_bytes >= INFLIGHT_MAX);
        return c;
    }
    while (c->count < count)
        assert_int_equal(add_points(f, c, count - c->count), 0);
    if (abort) {
        ingest_abort(f->ingest);
        return c;
    }
    bool outer = f->within_end;
    f->within_end = true;
    c->accepted = true;
    assert_int_equal(ingest_end(f->ingest, on_done, c), 0);
    f->within_end = outer;
    return c;
}

/* So many commands of one point each, which come together. Those that go into one batch are one to
 * check_log: a record has them in their order, and they are told together. */
static void write_each(struct fixture *f, int environment, uint32_t count)
{
    while (count > 0) {
        struct command *c = new_command(f, WHAT_POINTS, environment);
        struct record_point points[EACH_MAX];
        char metrics[EACH_MAX][32];
        uint32_t taken;
        make_points(f, c, 0, count, points, metrics);
        f->within_end = true;
        int err = ingest_each(f->ingest, &environments[environment], POLICY_LAST, points, count,
                              &taken, on_done, c);
        f->within_end = false;
        if (err != 0) {
            assert_int_equal(err, LT_EBUSY);
            assert_true(f->memlog.waiting_bytes >= INFLIGHT_MAX);
            return;
        }
        assert_in_range(taken, 1, count);
        c->accepted = true;
        c->count = taken;
        count -= taken;
    }
}

static struct command *write_control(struct fixture *f, int environment, enum what what)
{
    const struct tenant_environment *e = &environments[environment];
    struct command *c = new_command(f, what, environment);
    char name[32];
    struct slice text = slice_make(name, (size_t)snprintf(name, sizeof(name), "c%u", f->count - 1));
    int err;
    c->accepted = true;
    f->within_end = true;
    if (what == WHAT_RULE)
        err = ingest_rule(f->ingest, e, text, KIND_DELTA, PRECISION_KEEP, on_done, c);
    else if (what == WHAT_TEXT)
        err = ingest_text(f->ingest, e, text, text, on_done, c);
    else
        err = ingest_probe(f->ingest, e, on_done, c);
    f->within_end = false;
    c->accepted = err == 0;
    if (err != 0)
        assert_int_equal(err, LT_EBUSY);
    return c;
}

/* ---- what the log holds, against what the clients were told ---- */

/* Each point's command, in log order; checks that a record holds whole commands, and no point
 * twice. */
static void check_points(struct fixture *f, const struct record *r, uint64_t offset, bool *seen)
{
    uint32_t i = 0;
    while (i < r->points.count) {
        struct command *c = &f->commands[(uint32_t)r->points.values[i] / 10000];
        assert_int_equal(environments[c->environment].id, r->environment);
        assert_false(seen[c - f->commands]);
        seen[c - f->commands] = true;
        assert_true(c->accepted && c->told != LOG_FAILED);
        assert_true(c->told == LOG_UNKNOWN || c->offset == offset);
        for (uint32_t j = 0; j < c->count; j++, i++)
            assert_true(r->points.values[i] == value_of(c, j));
    }
}

static void check_text(struct fixture *f, struct slice text, uint64_t offset, bool *seen)
{
    char name[32] = "";
    memcpy(name, text.p, text.n);
    uint32_t number = (uint32_t)atoi(name + 1);
    struct command *c = &f->commands[number];
    assert_false(seen[number]);
    seen[number] = true;
    assert_true(c->told == LOG_UNKNOWN || (c->told == LOG_STORED && c->offset == offset));
}

static void check_log(struct fixture *f)
{
    bool *seen = calloc(COMMANDS_MAX, sizeof(*seen));
    struct record_reader *reader;
    assert_int_equal(record_reader_create(&reader), 0);
    for (uint32_t i = 0; i < f->memlog.stored_count; i++) {
        const struct memlog_record *m = &f->memlog.stored[i];
        struct record r;
        assert_int_equal(record_read(reader, m->bytes, &r), 0);
        if (r.what == RECORD_POINTS)
            check_points(f, &r, m->offset, seen);
        else if (r.what == RECORD_RULE)
            check_text(f, r.rule.pattern, m->offset, seen);
        else if (r.what == RECORD_TEXT)
            check_text(f, r.text.text, m->offset, seen);
    }
    struct ingest_stats stats = ingest_stats(f->ingest);
    uint64_t points[3] = {0};
    for (uint32_t i = 0; i < f->count; i++) {
        const struct command *c = &f->commands[i];
        assert_int_equal(c->told != NEVER, c->accepted);
        if (c->told == LOG_STORED && c->what != WHAT_PROBE && (c->what || c->count > 0))
            assert_true(seen[i]);
        if (c->accepted)
            points[c->told] += c->count;
    }
    assert_int_equal(stats.points_acked, points[LOG_STORED]);
    assert_int_equal(stats.points_failed, points[LOG_FAILED]);
    assert_int_equal(stats.points_unknown, points[LOG_UNKNOWN]);
    record_reader_destroy(&reader);
    free(seen);
}

static void decide(struct fixture *f)
{
    unsigned dice = below(f, 8);
    memlog_decide(&f->memlog,
                  dice < 6   ? LOG_STORED
                  : dice < 7 ? LOG_FAILED
                             : LOG_UNKNOWN,
                  below(f, 2) == 0);
}

static void drain(struct fixture *f)
{
    do {
        ingest_turn_end(f->ingest);
        while (f->memlog.waiting > 0)
            decide(f);
    } while (!ingest_idle(f->ingest));
}

static void random_command(struct fixture *f)
{
    int environment = (int)below(f, 2);
    unsigned dice = below(f, 14);
    if (dice > 11)
        write_each(f, environment, 1 + below(f, EACH_MAX));
    else if (dice < 3)
        write_control(f, environment, (enum what)(WHAT_RULE + dice));
    else
        write_points(f, environment, 1 + below(f, POINTS_MAX), dice == 3)->follow_up = dice == 4;
}

static void test_each_command_is_told_once_and_the_truth(void **state)
{
    struct fixture *f = *state;
    static const int refusals[] = {0, 0, 0, 0, LT_EBUSY, LT_EUNAVAILABLE};
    bool was_busy = false;
    while (f->count < COMMANDS_MAX - 400) {
        f->memlog.refuse = refusals[below(f, 6)];
        for (unsigned n = below(f, 8); n > 0; n--)
            random_command(f);
        ingest_turn_end(f->ingest);
        assert_int_equal(ingest_stats(f->ingest).inflight_bytes, f->memlog.waiting_bytes);
        assert_int_equal(ingest_stats(f->ingest).inflight_records, f->memlog.waiting);
        was_busy |= ingest_stats(f->ingest).busy > 0;
        for (unsigned n = below(f, 60) == 0 ? f->memlog.waiting : below(f, 3); n > 0; n--)
            if (f->memlog.waiting > 0)
                decide(f);
    }
    f->memlog.refuse = 0;
    drain(f);
    assert_true(was_busy);
    check_log(f);
}

/* ---- one thing at a time ---- */

static void test_a_turn_is_one_record(void **state)
{
    struct fixture *f = *state;
    assert_true(ingest_idle(f->ingest));
    struct command *a = write_points(f, 0, 3, false);
    struct command *b = write_points(f, 0, 4, false);
    assert_false(ingest_idle(f->ingest));
    assert_int_equal(f->memlog.waiting, 0);
    ingest_turn_end(f->ingest);
    assert_int_equal(f->memlog.waiting, 1);
    assert_int_equal(a->told, NEVER);
    memlog_decide(&f->memlog, LOG_STORED, true);
    assert_int_equal(a->told, LOG_STORED);
    assert_int_equal(b->told, LOG_STORED);
    assert_int_equal(ingest_acked(f->ingest, 0), 1);
    assert_true(ingest_idle(f->ingest));
    check_log(f);
}

/* While the log is at its limit the batch grows; a report, or 50 ms, lets it go. */
static void test_a_batch_grows_while_the_log_has_its_fill(void **state)
{
    struct fixture *f = *state;
    restart_with_one_in_flight(f);
    write_points(f, 0, 2, false);
    ingest_turn_end(f->ingest);
    for (int i = 0; i < 3; i++) {
        write_points(f, 0, 2, false);
        ingest_turn_end(f->ingest);
    }
    /* On a machine that stands still for 50 ms between these lines some may have left. */
    assert_in_range(f->memlog.waiting, 1, 3);
    memlog_decide(&f->memlog, LOG_STORED, true);
    ingest_turn_end(f->ingest);
    drain(f);
    assert_int_equal(f->commands[1].offset, 1);
    usleep(60000);
    write_points(f, 0, 2, false);
    ingest_turn_end(f->ingest);
    write_points(f, 0, 2, false);
    usleep(60000);
    ingest_turn_end(f->ingest);
    assert_int_equal(f->memlog.waiting, 2);
    drain(f);
    check_log(f);
}

/* The log works on the next record while this one's clients are answered. */
static void test_the_next_record_leaves_before_the_answers(void **state)
{
    struct fixture *f = *state;
    restart_with_one_in_flight(f);
    struct command *a = write_points(f, 0, 2, false);
    ingest_turn_end(f->ingest);
    struct command *b = write_points(f, 1, 2, false);
    struct command *c = write_points(f, 0, 2, false);
    memlog_decide(&f->memlog, LOG_STORED, true);
    assert_int_equal(a->told, LOG_STORED);
    assert_int_equal(a->behind, 1);
    assert_int_equal(b->told, NEVER);
    memlog_decide(&f->memlog, LOG_STORED, true);
    memlog_decide(&f->memlog, LOG_FAILED, false);
    assert_int_equal(b->told + c->told, LOG_STORED + LOG_FAILED);
    assert_true(ingest_idle(f->ingest));
    check_log(f);
}

/* While the consumer is behind the batch grows too, and leaves after 50 ms all the same. */
static uint64_t applied_so_far(void *arg, uint32_t partition)
{
    return *(const uint64_t *)arg;
}

static void test_a_batch_waits_for_the_consumer(void **state)
{
    enum { LAG_MS = 20 };
    struct fixture *f = *state;
    uint64_t applied = 0;
    struct ingest_config config = default_config(f);
    config.applied = applied_so_far;
    config.applied_arg = &applied;
    config.lag_max_ms = LAG_MS;
    restart(f, &config);
    write_points(f, 0, 2, false);
    ingest_turn_end(f->ingest);
    memlog_decide(&f->memlog, LOG_STORED, true);
    usleep(2 * LAG_MS * 1000);
    write_points(f, 0, 2, false);
    ingest_turn_end(f->ingest);
    /* On a machine that stands still for 50 ms between these lines it may have left. */
    assert_in_range(f->memlog.waiting, 0, 1);
    assert_in_range(ingest_stats(f->ingest).paced, 0, 1);
    usleep(60000);
    ingest_turn_end(f->ingest);
    assert_int_equal(f->memlog.waiting, 1);
    memlog_decide(&f->memlog, LOG_STORED, true);
    uint64_t paced = ingest_stats(f->ingest).paced;
    applied = 2; /* it has caught up, or cannot tell: nobody waits */
    for (int i = 0; i < 2; i++) {
        write_points(f, 0, 2, false);
        ingest_turn_end(f->ingest);
        assert_int_equal(f->memlog.waiting, 1);
        memlog_decide(&f->memlog, LOG_STORED, true);
        usleep(2 * LAG_MS * 1000);
        applied = PACE_NOBODY;
    }
    assert_int_equal(ingest_stats(f->ingest).paced, paced);
    drain(f);
    check_log(f);
}

static void test_an_aborted_command_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    write_points(f, 0, 5, true);
    ingest_turn_end(f->ingest);
    assert_int_equal(f->memlog.waiting, 0);
    assert_true(ingest_idle(f->ingest));
}

static void test_a_large_batch_leaves_early(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100 && f->memlog.waiting == 0; i++)
        write_points(f, 0, POINTS_MAX, false);
    assert_int_equal(f->memlog.waiting, 1);
    assert_in_range(f->memlog.waiting_bytes, 1500, 3600);
    drain(f);
    check_log(f);
}

/* Letters: a record holds hex digits in half the bytes. */
static void large_name(char out[501], double x)
{
    snprintf(out, 501, "%0500.0f", x);
    for (int i = 0; i < 500; i++)
        out[i] = (char)(out[i] - '0' + 'm');
}

/* As make_points, with names of 500 bytes, none used before. */
static void make_large_points(const struct command *c, uint32_t i, uint32_t count,
                              struct record_point *points, char (*names)[501])
{
    for (uint32_t j = 0; j < count; j++) {
        large_name(names[j], value_of(c, i + j));
        points[j] = (struct record_point){SLICE_LIT("h"), slice_make(names[j], 500),
                                          time_of(c, i + j), value_of(c, i + j)};
    }
}

/* count points with such names; stops at an error. */
static int add_large_points(struct fixture *f, struct command *c, uint32_t count)
{
    enum { AT_ONCE = 10 }; /* a divisor of all counts */
    char metrics[AT_ONCE][501];
    struct record_point points[AT_ONCE];
    int err = ingest_begin(f->ingest, &environments[0]);
    for (uint32_t i = 0, taken; err == 0 && i < count; i += AT_ONCE) {
        make_large_points(c, i, AT_ONCE, points, metrics);
        err = ingest_points(f->ingest, false, POLICY_LAST, points, AT_ONCE, &taken);
        assert_true(err != 0 || taken == AT_ONCE);
        c->count += taken;
    }
    return err;
}

static void write_large(struct fixture *f, uint32_t count)
{
    struct command *c = new_command(f, WHAT_POINTS, 0);
    assert_int_equal(add_large_points(f, c, count), 0);
    c->accepted = true;
    assert_int_equal(ingest_end(f->ingest, on_done, c), 0);
}

static void test_a_command_is_never_split(void **state)
{
    struct fixture *f = *state;
    struct ingest_config config = default_config(f);
    config.inflight_bytes_max = 64 << 20;
    config.batch_bytes_max = 512 << 10;
    restart(f, &config);
    write_points(f, 0, 5, false);
    write_large(f, 500);
    assert_int_equal(f->memlog.waiting, 0); /* 260 KB, still open */
    write_large(f, 1600);                   /* 840 KB more do not fit behind them */
    assert_int_equal(f->memlog.waiting, 2);
    while (f->memlog.waiting > 0)
        memlog_decide(&f->memlog, LOG_STORED, true);
    assert_int_equal(f->commands[0].offset, 0);
    assert_int_equal(f->commands[1].offset, 0);
    assert_int_equal(f->commands[2].offset, 1);
    check_log(f);
}

/* Commands that come together are stored one by one: the next record has those that fit the full
 * one no more. */
static void test_what_comes_together_may_be_split(void **state)
{
    enum { AT_ONCE = 7 };
    struct fixture *f = *state;
    struct ingest_config config = default_config(f);
    config.inflight_bytes_max = 64 << 20;
    config.batch_bytes_max = 64 << 20;
    restart(f, &config);
    uint32_t parts = 0, taken = AT_ONCE;
    while (f->memlog.waiting < 3) {
        struct command *c = new_command(f, WHAT_POINTS, 0);
        char metrics[AT_ONCE][501];
        struct record_point points[AT_ONCE];
        make_large_points(c, 0, AT_ONCE, points, metrics);
        uint32_t count =
            taken < AT_ONCE ? AT_ONCE - taken : AT_ONCE; /* the rest of the last ones */
        assert_int_equal(ingest_each(f->ingest, &environments[0], POLICY_LAST, points, count,
                                     &taken, on_done, c),
                         0);
        parts += taken < count;
        c->accepted = true;
        c->count = taken;
    }
    assert_in_range(parts, 1, 3);
    while (f->memlog.waiting > 0)
        memlog_decide(&f->memlog, LOG_STORED, true);
    drain(f);
    check_log(f);
}

static void test_a_command_that_is_too_large_is_refused(void **state)
{
    struct fixture *f = *state;
    write_points(f, 0, 5, false);
    struct command *c = new_command(f, WHAT_POINTS, 0);
    assert_int_equal(add_large_points(f, c, 5000), LT_ELIMIT);
    assert_in_range(c->count, 900000 / 540, 900000 / 500);
    ingest_abort(f->ingest);
    struct command *after = write_points(f, 0, 5, false);
    drain(f);
    assert_true(f->commands[0].told != NEVER && after->told != NEVER);
    check_log(f);
}

static void test_a_refusal_by_the_log_is_told_at_the_turns_end(void **state)
{
    struct fixture *f = *state;
    f->memlog.refuse = LT_EUNAVAILABLE;
    struct command *points = write_points(f, 0, 2, false);
    struct command *probe = write_control(f, 0, WHAT_PROBE);
    assert_int_equal(points->told, NEVER);
    ingest_turn_end(f->ingest);
    assert_int_equal(points->told, LOG_FAILED);
    assert_int_equal(probe->told, LOG_FAILED);
    assert_true(ingest_idle(f->ingest));
}

/* Nothing else may wake the loop after it: the turn's end has to finish what it caused itself. */
static void test_a_follow_up_within_the_turns_end_leaves_with_it(void **state)
{
    struct fixture *f = *state;
    f->memlog.refuse = LT_EBUSY;
    write_points(f, 0, 2, false)->follow_up = true;
    ingest_turn_end(f->ingest);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->commands[1].told, LOG_FAILED);
    assert_true(ingest_idle(f->ingest));
}

static void test_control_records_keep_their_place(void **state)
{
    struct fixture *f = *state;
    struct command *before = write_points(f, 0, 2, false);
    struct command *rule = write_control(f, 0, WHAT_RULE);
    struct command *after = write_points(f, 0, 2, false);
    ingest_turn_end(f->ingest);
    while (f->memlog.waiting > 0)
        memlog_decide(&f->memlog, LOG_STORED, true);
    assert_int_equal(before->offset, 0);
    assert_int_equal(rule->offset, 1);
    assert_int_equal(after->offset, 2);
    check_log(f);
}

static void test_pausing_has_hysteresis_and_the_limit_refuses(void **state)
{
    struct fixture *f = *state;
    struct command *c;
    do {
        assert_int_equal(ingest_paused(f->ingest), f->memlog.waiting_bytes >= INFLIGHT_MAX / 4 * 3);
        c = write_points(f, 0, POINTS_MAX, false);
        ingest_turn_end(f->ingest);
    } while (c->accepted);
    assert_int_equal(ingest_stats(f->ingest).busy, 1);
    assert_true(f->memlog.waiting_bytes >= INFLIGHT_MAX);
    while (f->memlog.waiting_bytes > INFLIGHT_MAX / 2) {
        assert_true(ingest_paused(f->ingest));
        memlog_decide(&f->memlog, LOG_STORED, true);
    }
    assert_false(ingest_paused(f->ingest));
    c = write_points(f, 0, 1, false);
    assert_true(c->accepted);
    drain(f);
    check_log(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_each_command_is_told_once_and_the_truth),
        TEST(test_a_turn_is_one_record),
        TEST(test_a_batch_grows_while_the_log_has_its_fill),
        TEST(test_the_next_record_leaves_before_the_answers),
        TEST(test_a_batch_waits_for_the_consumer),
        TEST(test_an_aborted_command_leaves_nothing),
        TEST(test_a_large_batch_leaves_early),
        TEST(test_a_command_is_never_split),
        TEST(test_what_comes_together_may_be_split),
        TEST(test_a_command_that_is_too_large_is_refused),
        TEST(test_a_refusal_by_the_log_is_told_at_the_turns_end),
        TEST(test_a_follow_up_within_the_turns_end_leaves_with_it),
        TEST(test_control_records_keep_their_place),
        TEST(test_pausing_has_hysteresis_and_the_limit_refuses),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
