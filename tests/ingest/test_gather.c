#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/gather.h"

enum { MS = 1000 * 1000, SLOW = 8 * MS };

static void test_nobody_is_waited_for_at_first(void **state)
{
    (void)state;
    struct gather g = {0};
    assert_false(gather_waits(&g, 1));
    gather_command(&g);
    assert_false(gather_waits(&g, 2));
}

static void test_a_fast_log_is_never_held(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, 5, GATHER_REPORT_NS_MIN - 1, 100);
    assert_false(gather_waits(&g, 100));
}

static void test_waits_until_as_many_came_as_were_answered(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, 3, SLOW, 100);
    for (int i = 0; i < 3; i++) {
        assert_true(gather_waits(&g, 100 + i));
        gather_command(&g);
    }
    assert_false(gather_waits(&g, 103));
    gather_report(&g, 1, SLOW, 200); /* and again after the next */
    assert_true(gather_waits(&g, 200));
}

static void test_waits_for_a_part_of_the_report_at_most(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, 3, SLOW, 100);
    assert_int_equal(g.until_ns, 100 + SLOW / GATHER_PART);
    assert_true(gather_waits(&g, g.until_ns - 1));
    assert_false(gather_waits(&g, g.until_ns));
    g = (struct gather){0};
    gather_report(&g, 3, INT64_C(1000) * MS, 100);
    assert_int_equal(g.until_ns, 100 + GATHER_NS_MAX);
}

static void test_a_record_that_leaves_ends_it(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, 3, SLOW, 100);
    gather_end(&g);
    assert_false(gather_waits(&g, 100));
    assert_int_equal(g.skip, 0);
}

/* Reports after which nobody comes, until one is followed by a wait. */
static uint32_t reports_without_a_wait(struct gather *g, int64_t *now_ns)
{
    for (uint32_t n = 0;; n++) {
        *now_ns += SLOW;
        gather_report(g, 10, SLOW, *now_ns);
        if (gather_waits(g, *now_ns))
            return n;
    }
}

static void test_waits_in_vain_become_rare(void **state)
{
    (void)state;
    struct gather g = {0};
    int64_t now_ns = 0;
    assert_int_equal(reports_without_a_wait(&g, &now_ns), 0);
    uint32_t want = 1;
    for (int i = 0; i < 2 * GATHER_MISSES_MAX; i++) {
        assert_false(gather_waits(&g, now_ns += SLOW));
        want *= i < GATHER_MISSES_MAX ? 2 : 1;
        assert_int_equal(reports_without_a_wait(&g, &now_ns), want);
    }
    for (int i = 0; i < 10; i++)
        gather_command(&g);
    assert_int_equal(reports_without_a_wait(&g, &now_ns), 0);
    assert_false(gather_waits(&g, now_ns += SLOW));
    assert_int_equal(reports_without_a_wait(&g, &now_ns), 2); /* from the beginning */
}

static void test_half_of_them_is_not_in_vain(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, 10, SLOW, 0);
    for (int i = 0; i < 5; i++)
        gather_command(&g);
    assert_false(gather_waits(&g, SLOW));
    assert_int_equal(g.skip, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_waited_for_at_first),
        cmocka_unit_test(test_a_fast_log_is_never_held),
        cmocka_unit_test(test_waits_until_as_many_came_as_were_answered),
        cmocka_unit_test(test_waits_for_a_part_of_the_report_at_most),
        cmocka_unit_test(test_a_record_that_leaves_ends_it),
        cmocka_unit_test(test_waits_in_vain_become_rare),
        cmocka_unit_test(test_half_of_them_is_not_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
