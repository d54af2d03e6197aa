#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ingest/gather.h"
#include "ingest/ingest.h"
#include "ingest/trial.h"
#include "support_memlog.h"
#include "support_status.h"

#include <unistd.h>

/* The ways that trial.h chooses between, as the write path goes them: one record in flight, and
 * reports in real time. */

enum { TOOK_NS = 60 * 1000 * 1000 }; /* the report that ends a period */

struct fixture {
    struct memlog memlog;
    struct tenant *tenant;
    struct ingest *ingest;
};

static const struct tenant_environment environment = {1, "a", 0};

static void fixture_init(struct fixture *f, int64_t awake_max_ns)
{
    memlog_init(&f->memlog);
    assert_int_equal(tenant_create(NULL, &f->tenant), 0);
    const struct ingest_config config = {.log = &f->memlog.log,
                                         .tenant = f->tenant,
                                         .inflight_bytes_max = 1 << 20,
                                         .batch_bytes_max = 1 << 16,
                                         .command_bytes_max = 1 << 16,
                                         .inflight_records_max = 1,
                                         .awake_max_ns = awake_max_ns};
    assert_int_equal(ingest_create(&config, &f->ingest), 0);
}

static void fixture_fini(struct fixture *f)
{
    do {
        ingest_turn_end(f->ingest);
        while (f->memlog.waiting > 0)
            memlog_decide(&f->memlog, LOG_STORED, true);
    } while (!ingest_idle(f->ingest));
    memlog_fini(&f->memlog);
    ingest_destroy(&f->ingest);
    tenant_destroy(&f->tenant);
}

static void on_done(void *arg, const struct ingest_written *written)
{
    assert_int_equal(written->report->outcome, LOG_STORED);
}

static void write_point(struct fixture *f)
{
    assert_int_equal(ingest_begin(f->ingest, &environment), 0);
    assert_int_equal(
        ingest_point(f->ingest, false, SLICE_LIT("h"), SLICE_LIT("a.b.c"), 1, 1, POLICY_LAST), 0);
    assert_int_equal(ingest_end(f->ingest, on_done, f), 0);
}

/* Reports until a period is over, all but the last. */
static void answer_for_a_period(struct fixture *f)
{
    for (int i = 1; i < TRIAL_SETTLE + TRIAL_COMMANDS_MIN; i++) {
        write_point(f);
        ingest_turn_end(f->ingest);
        assert_int_equal(f->memlog.waiting, 1);
        memlog_decide(&f->memlog, LOG_STORED, true);
    }
}

static void answer_after(struct fixture *f, useconds_t us)
{
    write_point(f);
    ingest_turn_end(f->ingest);
    usleep(us);
    memlog_decide(&f->memlog, LOG_STORED, true);
}

static void end_period(struct fixture *f)
{
    answer_for_a_period(f);
    answer_after(f, TOOK_NS / 1000);
}

/* Takes 80 ms to answer all that waits for the log, when one more command has come. When that was.
 */
static int64_t answer_slowly(struct fixture *f)
{
    usleep(80000);
    write_point(f);
    ingest_turn_end(f->ingest);
    int64_t now_ns = clock_mono_ns();
    memlog_decide(&f->memlog, LOG_STORED, true);
    ingest_turn_end(f->ingest);
    return now_ns;
}

/* In a trial the next record waits for those who were answered, and says until when. */
static void test_a_trial_gathers_who_was_answered(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 0);
    answer_for_a_period(&f);
    write_point(&f);
    write_point(&f);
    ingest_turn_end(f.ingest);
    assert_int_equal(ingest_wake_ns(f.ingest), 0);
    int64_t answered_ns = answer_slowly(&f);
    int64_t wake_ns = ingest_wake_ns(f.ingest);
    write_point(&f);
    ingest_turn_end(f.ingest);
    bool held = f.memlog.waiting == 0;
    if (clock_mono_ns() - answered_ns < GATHER_NS_MAX) { /* or the machine stood still */
        assert_in_range(wake_ns - answered_ns, GATHER_NS_MAX, GATHER_NS_MAX + (20 << 20));
        assert_true(held);
    }
    write_point(&f); /* the second of two */
    ingest_turn_end(f.ingest);
    assert_in_range(f.memlog.waiting, 1, held ? 1 : 2);
    assert_true(!held || ingest_wake_ns(f.ingest) == 0);
    assert_int_equal(ingest_stats(f.ingest).gathered, held ? 1 : 0);

    answer_slowly(&f); /* they do not come */
    usleep(GATHER_NS_MAX / 1000 + 1000);
    ingest_turn_end(f.ingest);
    assert_in_range(f.memlog.waiting, 1, 2);
    assert_int_equal(ingest_wake_ns(f.ingest), 0);
    fixture_fini(&f);
}

/* Anew with each record: for as long as it may, and at most for twice what the report took. */
static void test_a_trial_keeps_the_loop_awake(void **state)
{
    (void)state;
    for (int may = 1; may <= 1000; may += 999) {
        struct fixture f;
        fixture_init(&f, INT64_C(1) * may * TOOK_NS);
        int64_t begin_ns = 0;
        for (int period = 0; period < 3; period++) { /* neither, holding, neither */
            assert_int_equal(ingest_awake_until_ns(f.ingest), 0);
            begin_ns = clock_mono_ns();
            end_period(&f);
        }
        int64_t passed_ns = clock_mono_ns() - begin_ns, until_ns = ingest_awake_until_ns(f.ingest);
        assert_in_range(until_ns, begin_ns + (may == 1 ? 2 : 3) * TOOK_NS,
                        begin_ns + passed_ns + (may == 1 ? TOOK_NS : 2 * passed_ns));
        write_point(&f);
        ingest_turn_end(f.ingest);
        assert_true(ingest_awake_until_ns(f.ingest) > until_ns);
        memlog_decide(&f.memlog, LOG_STORED, true);
        assert_int_equal(ingest_stats(f.ingest).awake, 1);
        fixture_fini(&f);
    }
}

static void test_the_loop_may_sleep_where_it_has_to(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 0);
    for (int period = 0; period < 5; period++)
        end_period(&f);
    assert_int_equal(ingest_awake_until_ns(f.ingest), 0);
    assert_int_equal(ingest_stats(f.ingest).awake, 0);
    fixture_fini(&f);
}

static int64_t gain_of(struct fixture *f, const char *name)
{
    struct status_line line = status_line(ingest_status, f->ingest, name);
    assert_true(line.found);
    return line.number;
}

/* The first period goes neither way, the second holds: with records ten times as slow, which are as
 * many times fewer. */
static void test_status_has_what_a_way_gains(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 0);
    assert_int_equal(gain_of(&f, "gather_gain_percent"), 0);
    end_period(&f);
    answer_for_a_period(&f);
    assert_int_equal(gain_of(&f, "gather_gain_percent"), 0);
    answer_after(&f, 10 * TOOK_NS / 1000);
    assert_in_range(-gain_of(&f, "gather_gain_percent"), 5, 20);
    assert_int_equal(gain_of(&f, "awake_gain_percent"), 0);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trial_gathers_who_was_answered),
        cmocka_unit_test(test_a_trial_keeps_the_loop_awake),
        cmocka_unit_test(test_the_loop_may_sleep_where_it_has_to),
        cmocka_unit_test(test_status_has_what_a_way_gains),
    };
    return cmocka_run_group_tests_name("ways", tests, NULL, NULL);
}
