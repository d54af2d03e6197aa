#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "support_world.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A request's life: every way to end it, in every phase. */

enum { DEADLINE_MS = 400, STOPPED_WITHIN_MS = 200 };

static const char *const key = "db1/host.cpu.user";

struct answer_seen {
    struct query *query;
    uint64_t id;
    int calls;
    int status;
    char why[256];
    bool complete;
    enum query_what what;
    uint32_t count; /* POINTS */
    double total;   /* TOPQ */
    /* What done does then. */
    uint64_t kill_then;
    const struct query_spec *submit_then;
    struct answer_seen *seen_then;
};

static void seen(void *arg, const struct query_answer *answer);

static int submit(struct query *query, const struct query_spec *spec, struct answer_seen *s)
{
    s->query = query;
    s->what = spec->what;
    return query_submit(query, spec, seen, s, &s->id);
}

static void seen(void *arg, const struct query_answer *answer)
{
    struct answer_seen *s = arg;
    union query_result *result = answer->result;
    s->calls++;
    s->status = answer->status;
    strncpy(s->why, answer->why, sizeof(s->why) - 1);
    if (result != NULL) {
        s->complete = result->points.source.complete; /* every result begins with its source */
        if (s->what == QUERY_POINTS)
            s->count = result->points.count;
        else
            s->total = result->topq.total.value;
    }
    query_result_free(&result);
    if (s->kill_then != 0)
        assert_int_equal(query_kill(s->query, s->kill_then), 0);
    if (s->submit_then != NULL)
        assert_int_equal(submit(s->query, s->submit_then, s->seen_then), 0);
}

struct fixture {
    struct world world;
    struct inline_executor now;
    struct threaded_executor worker, control;
    struct query *query;
    struct slice key;
    struct query_spec points, topq;
};

static void fixture_init(struct fixture *f, bool threads)
{
    memset(f, 0, sizeof(*f));
    world_init(&f->world, 7);
    for (int i = 0; i < 100; i++)
        world_point(&f->world, "db1", "host.cpu.user", 1000 * (1424444400 + INT64_C(1) * i), i, 0);
    world_seal(&f->world, 50);
    f->world.lo = 20;
    struct query_config config = {.head = &f->world.head,
                                  .deadline_ms = DEADLINE_MS,
                                  .memory_bytes_max = 1 << 20,
                                  .requests_max = 3};
    if (threads) {
        threaded_init(&f->worker, &f->world.session);
        threaded_init(&f->control, &f->world.session);
        config.executor = &f->worker.executor;
        config.control = &f->control.executor;
    } else {
        inline_init(&f->now, &f->world.session);
        config.executor = &f->now.executor;
    }
    assert_int_equal(query_create(&config, &f->query), 0);
    f->key = slice_str(key);
    f->points = (struct query_spec){.what = QUERY_POINTS,
                                    .environment = &f->world.environment,
                                    .to_ms = INT64_MAX,
                                    .command = "TS.RANGE",
                                    .keys = &f->key,
                                    .keys_count = 1};
    f->topq = (struct query_spec){.what = QUERY_TOPQ,
                                  .environment = &f->world.environment,
                                  .to_ms = INT64_MAX,
                                  .command = "TOPQ",
                                  .pattern = SLICE_LIT("host.*.user"),
                                  .limit = 5,
                                  .rank = AGGREGATE_SUM};
}

static void fixture_fini(struct fixture *f)
{
    query_stop(f->query);
    while (f->worker.context == NULL && inline_run(&f->now, true))
        ;
    if (f->worker.context != NULL) {
        threaded_fini(&f->control);
        threaded_fini(&f->worker);
    }
    query_destroy(&f->query);
    world_fini(&f->world);
}

static void run_all(struct fixture *f)
{
    while (inline_run(&f->now, true))
        ;
}

/* What main does, until the answer is there and the worker has let go. */
static void turn_until_idle(struct fixture *f)
{
    int64_t give_up_ms = clock_mono_ms() + 10000;
    while (query_stats(f->query).in_flight > 0) {
        assert_true(clock_mono_ms() < give_up_ms);
        query_tick(f->query, clock_mono_ms());
        threaded_pump(&f->worker);
        threaded_pump(&f->control);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static void wait_for_scan(struct fixture *f)
{
    while (!atomic_load(&f->world.in_scan))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

struct phases {
    char text[128];
};

static void note_phase(void *arg, const struct query_request *request)
{
    struct phases *p = arg;
    strcat(p->text, request->phase);
    strcat(p->text, " ");
}

static void assert_phases(struct fixture *f, const char *expected)
{
    struct phases p = {""};
    query_each(f->query, note_phase, &p);
    assert_string_equal(p.text, expected);
}

static void test_waits_for_the_offset_asked_for(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen s = {0};
    f.points.after = 103;
    assert_int_equal(submit(f.query, &f.points, &s), 0);
    assert_phases(&f, "waiting ");
    world_apply(&f.world, 102);
    run_all(&f);
    assert_int_equal(s.calls, 0);
    world_apply(&f.world, 103);
    assert_phases(&f, "queued ");
    run_all(&f);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.status, 0);
    assert_int_equal(s.count, 100);
    assert_int_equal(query_stats(f.query).done, 1);
    fixture_fini(&f);
}

static void test_a_snapshot_ahead_of_the_head_waits_for_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen s = {0};
    f.world.jumps_to = 110;
    assert_int_equal(submit(f.query, &f.points, &s), 0);
    run_all(&f);
    assert_phases(&f, "waiting ");
    world_apply(&f.world, 110);
    run_all(&f);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.status, 0);
    assert_int_equal(s.count, 100);
    fixture_fini(&f);
}

static void test_without_storage_ranks_are_partial_and_points_an_error(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen topq = {.complete = true}, points = {0};
    f.world.begin_error = LT_EUNAVAILABLE;
    f.world.begin_errors_left = -1;
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    assert_int_equal(submit(f.query, &f.points, &points), 0);
    run_all(&f);
    assert_int_equal(topq.status, 0);
    assert_false(topq.complete);
    assert_int_equal(points.status, LT_EUNAVAILABLE);
    assert_non_null(strstr(points.why, "storage does not answer"));

    /* Lost in the middle of the scan: what was added up by then does not count twice. */
    f.world.begin_error = 0;
    f.world.scan_error = LT_EUNAVAILABLE;
    topq = (struct answer_seen){.complete = true};
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    run_all(&f);
    assert_int_equal(topq.status, 0);
    assert_false(topq.complete);
    assert_true(topq.total == 4760); /* of 20 … 99, which the head has */

    /* Nothing loaded yet: there is no head either. */
    f.world.pin_error = LT_EUNAVAILABLE;
    topq = (struct answer_seen){0};
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    run_all(&f);
    assert_int_equal(topq.status, LT_EUNAVAILABLE);
    fixture_fini(&f);
}

static void test_a_gap_between_storage_and_head_is_told(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen topq = {.complete = true}, points = {0};
    f.world.next = 10; /* below the head's lo, 20: a restored backup */
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    assert_int_equal(submit(f.query, &f.points, &points), 0);
    run_all(&f);
    assert_int_equal(topq.status, 0);
    assert_false(topq.complete);
    assert_int_equal(points.status, LT_EUNAVAILABLE);
    assert_non_null(strstr(points.why, "10 to 19"));
    fixture_fini(&f);
}

/* The partition is loaded anew between the wait and the read: the head begins further back. */
static void test_a_head_that_was_loaded_anew_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct query_spec declared = f.points;
    declared.what = QUERY_DECLARED;
    struct answer_seen points = {0}, keys = {0};
    declared.after = f.points.after = 100;
    assert_int_equal(submit(f.query, &f.points, &points), 0);
    assert_int_equal(submit(f.query, &declared, &keys), 0);
    assert_phases(&f, "queued queued ");
    f.world.applied = 60;
    run_all(&f);
    assert_phases(&f, "waiting waiting ");
    world_apply(&f.world, 99);
    assert_phases(&f, "waiting waiting ");
    world_apply(&f.world, 100);
    run_all(&f);
    assert_int_equal(points.calls, 1);
    assert_int_equal(points.status, 0);
    assert_int_equal(points.count, 100);
    assert_int_equal(keys.calls, 1);
    assert_int_equal(keys.status, 0);
    fixture_fini(&f);
}

static void test_a_halted_partition_answers_what_is_stored(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct query_spec declared = f.points;
    declared.what = QUERY_DECLARED;
    struct answer_seen topq = {.complete = true}, points = {0}, keys = {0};
    f.world.halted = true;
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    assert_int_equal(submit(f.query, &f.points, &points), 0);
    assert_int_equal(submit(f.query, &declared, &keys), 0);
    run_all(&f);
    assert_int_equal(topq.status, 0);
    assert_false(topq.complete);
    assert_true(topq.total == 4950);
    assert_int_equal(points.status, 0); /* it is all that it has to see */
    assert_int_equal(points.count, 100);
    assert_int_equal(keys.status, 0);

    /* Nobody waits for what will not come, nor is it said to be there. */
    f.topq.after = f.points.after = declared.after = 101;
    topq = points = keys = (struct answer_seen){.complete = true};
    f.world.halted = false;
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    f.world.halted = true;
    assert_phases(&f, "waiting ");
    world_apply(&f.world, 100);
    assert_int_equal(submit(f.query, &f.points, &points), 0);
    assert_int_equal(submit(f.query, &declared, &keys), 0);
    assert_phases(&f, "queued queued queued ");
    run_all(&f);
    assert_int_equal(topq.status, 0);
    assert_false(topq.complete);
    assert_true(topq.total == 4950);
    assert_int_equal(points.status, LT_EUNAVAILABLE);
    assert_non_null(strstr(points.why, "the partition is halted"));
    assert_non_null(strstr(points.why, "from offset 100 on"));
    assert_int_equal(keys.status, LT_EUNAVAILABLE);
    assert_non_null(strstr(keys.why, "the partition is halted"));

    /* Another process goes on and flushes: this one's waits have their time. */
    f.topq.after = 0;
    f.world.jumps_to = 110;
    topq = (struct answer_seen){0};
    assert_int_equal(submit(f.query, &f.topq, &topq), 0);
    run_all(&f);
    assert_phases(&f, "waiting ");
    fixture_fini(&f);
}

static void test_a_transaction_to_be_repeated_is(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen s = {0};
    f.world.begin_error = LT_ERETRY;
    f.world.begin_errors_left = 2;
    assert_int_equal(submit(f.query, &f.points, &s), 0);
    run_all(&f);
    assert_int_equal(s.status, 0);
    f.world.begin_errors_left = -1;
    assert_int_equal(submit(f.query, &f.points, &s), 0);
    run_all(&f);
    assert_int_equal(s.status, LT_ERETRY);
    fixture_fini(&f);
}

static void test_the_memory_budget_ends_a_read(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen s = {0};
    f.topq.sparkline = 1000000;
    assert_int_equal(submit(f.query, &f.topq, &s), 0);
    run_all(&f);
    assert_int_equal(s.status, LT_ELIMIT);
    assert_non_null(strstr(s.why, "query-memory-bytes-max"));
    assert_int_equal(query_stats(f.query).failed, 1);
    fixture_fini(&f);
}

static void test_too_many_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen s[4] = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit(f.query, &f.points, &s[i]), 0);
    assert_int_equal(submit(f.query, &f.points, &s[3]), LT_EBUSY);
    run_all(&f);

    f.now.refuse = LT_EBUSY;
    assert_int_equal(submit(f.query, &f.points, &s[3]), LT_EBUSY);
    f.points.after = 200;
    assert_int_equal(submit(f.query, &f.points, &s[3]), 0);
    world_apply(&f.world, 200);
    assert_int_equal(s[3].calls, 1);
    assert_int_equal(s[3].status, LT_EBUSY);
    assert_int_equal(query_stats(f.query).refused, 2);
    fixture_fini(&f);
}

static void test_kill_while_waiting_and_while_queued(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen waiting = {0}, queued = {0};
    assert_int_equal(submit(f.query, &f.points, &queued), 0);
    f.points.after = 200;
    assert_int_equal(submit(f.query, &f.points, &waiting), 0);
    assert_phases(&f, "queued waiting ");

    assert_int_equal(query_kill(f.query, waiting.id), 0);
    assert_int_equal(waiting.status, LT_ECANCELLED);
    assert_int_equal(query_kill(f.query, queued.id), 0);
    assert_int_equal(queued.status, LT_ECANCELLED);
    assert_phases(&f, "stopping ");
    assert_int_equal(query_kill(f.query, queued.id), LT_ENOTFOUND);
    run_all(&f);
    assert_phases(&f, "");
    assert_int_equal(waiting.calls + queued.calls, 2);
    assert_int_equal(query_stats(f.query).killed, 2);
    fixture_fini(&f);
}

static void test_an_answer_may_end_and_start_others(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen first = {0}, second = {0}, third = {0};
    f.points.after = 200;
    assert_int_equal(submit(f.query, &f.points, &first), 0);
    assert_int_equal(submit(f.query, &f.points, &second), 0);
    first.kill_then = second.id;
    first.submit_then = &f.points;
    first.seen_then = &third;
    query_tick(f.query, clock_mono_ms() + DEADLINE_MS);
    assert_int_equal(first.status, LT_ETIMEOUT);
    assert_int_equal(second.status, LT_ECANCELLED);
    assert_int_equal(first.calls + second.calls, 2);
    fixture_fini(&f);
    assert_int_equal(third.calls, 1);
}

static void test_deadline_while_waiting_and_while_queued(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct answer_seen waiting = {0}, queued = {0};
    assert_int_equal(submit(f.query, &f.points, &queued), 0);
    f.points.after = 200;
    assert_int_equal(submit(f.query, &f.points, &waiting), 0);
    query_tick(f.query, clock_mono_ms());
    assert_int_equal(queued.calls + waiting.calls, 0);
    query_tick(f.query, clock_mono_ms() + DEADLINE_MS);
    assert_int_equal(queued.status, LT_ETIMEOUT);
    assert_int_equal(waiting.status, LT_ETIMEOUT);
    run_all(&f);
    assert_int_equal(queued.calls + waiting.calls, 2);
    assert_int_equal(query_stats(f.query).timed_out, 2);
    fixture_fini(&f);
}

/* deaf: the statement hears of nothing but KILL QUERY. */
static void kill_while_running(bool deaf)
{
    struct fixture f;
    fixture_init(&f, true);
    struct answer_seen s = {0}, after = {0};
    f.world.deaf = deaf;
    atomic_store(&f.world.stuck, true);
    assert_int_equal(submit(f.query, &f.topq, &s), 0);
    wait_for_scan(&f);
    assert_phases(&f, "running ");
    int64_t killed_ms = clock_mono_ms();
    assert_int_equal(query_kill(f.query, s.id), 0);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.status, LT_ECANCELLED);
    turn_until_idle(&f);
    assert_true(clock_mono_ms() - killed_ms < STOPPED_WITHIN_MS);
    assert_int_equal(s.calls, 1);
    assert_true(!deaf || atomic_load(&f.world.interrupts) > 0);

    /* The worker is free for the next one. */
    atomic_store(&f.world.stuck, false);
    assert_int_equal(submit(f.query, &f.points, &after), 0);
    turn_until_idle(&f);
    assert_int_equal(after.status, 0);
    fixture_fini(&f);
}

static void test_kill_while_running(void **state)
{
    (void)state;
    kill_while_running(false);
    kill_while_running(true);
}

static void test_deadline_while_running(void **state)
{
    (void)state;
    for (int deaf = 0; deaf <= 1; deaf++) {
        struct fixture f;
        fixture_init(&f, true);
        struct answer_seen s = {0};
        f.world.deaf = deaf != 0;
        atomic_store(&f.world.stuck, true);
        int64_t began_ms = clock_mono_ms();
        assert_int_equal(submit(f.query, &f.topq, &s), 0);
        turn_until_idle(&f);
        assert_int_equal(s.calls, 1);
        assert_int_equal(s.status, LT_ETIMEOUT);
        assert_non_null(strstr(s.why, "query-deadline"));
        assert_true(clock_mono_ms() - began_ms < DEADLINE_MS + STOPPED_WITHIN_MS);
        fixture_fini(&f);
    }
}

static void test_stop_ends_all_phases(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, true);
    struct answer_seen s[3] = {0};
    atomic_store(&f.world.stuck, true);
    assert_int_equal(submit(f.query, &f.topq, &s[0]), 0);
    wait_for_scan(&f);
    assert_int_equal(submit(f.query, &f.topq, &s[1]), 0);
    f.points.after = 200;
    assert_int_equal(submit(f.query, &f.points, &s[2]), 0);
    assert_phases(&f, "running queued waiting ");
    query_stop(f.query);
    for (int i = 0; i < 3; i++)
        assert_int_equal(s[i].calls, 1);
    assert_int_equal(submit(f.query, &f.topq, &s[0]), LT_ECLOSED);
    fixture_fini(&f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(s[i].calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_the_offset_asked_for),
        cmocka_unit_test(test_a_snapshot_ahead_of_the_head_waits_for_it),
        cmocka_unit_test(test_without_storage_ranks_are_partial_and_points_an_error),
        cmocka_unit_test(test_a_gap_between_storage_and_head_is_told),
        cmocka_unit_test(test_a_head_that_was_loaded_anew_is_waited_for),
        cmocka_unit_test(test_a_halted_partition_answers_what_is_stored),
        cmocka_unit_test(test_a_transaction_to_be_repeated_is),
        cmocka_unit_test(test_the_memory_budget_ends_a_read),
        cmocka_unit_test(test_too_many_are_refused),
        cmocka_unit_test(test_kill_while_waiting_and_while_queued),
        cmocka_unit_test(test_an_answer_may_end_and_start_others),
        cmocka_unit_test(test_deadline_while_waiting_and_while_queued),
        cmocka_unit_test(test_kill_while_running),
        cmocka_unit_test(test_deadline_while_running),
        cmocka_unit_test(test_stop_ends_all_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
