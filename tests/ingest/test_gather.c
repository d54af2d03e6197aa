#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/gather.h"

enum { US = 1000, MS = 1000 * US, SLOW = 8 * MS };

static const int64_t S = INT64_C(1000) * MS;

static void test_nobody_is_waited_for_where_nothing_is_held(void **state)
{
    (void)state;
    struct gather g = {0};
    assert_false(gather_waits(&g, 1));
    gather_command(&g);
    gather_report(&g, false, 5, SLOW, 100);
    assert_false(gather_waits(&g, 100));
}

static void test_waits_until_as_many_came_as_were_answered(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, true, 3, SLOW, 100);
    for (int i = 0; i < 3; i++) {
        assert_true(gather_waits(&g, 100 + i));
        gather_command(&g);
    }
    assert_false(gather_waits(&g, 103));
    gather_report(&g, true, 1, SLOW, 200); /* and again after the next */
    assert_true(gather_waits(&g, 200));
}

/* One client that waits for each reply never meets a wait. */
static void test_who_comes_alone_leaves_at_once(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, true, 1, SLOW, 100);
    gather_command(&g);
    assert_false(gather_waits(&g, 101));
}

static void test_waits_for_a_part_of_the_report_at_most(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, true, 3, SLOW, 100);
    assert_int_equal(g.until_ns, 100 + SLOW / GATHER_PART);
    assert_true(gather_waits(&g, g.until_ns - 1));
    assert_false(gather_waits(&g, g.until_ns));
    g = (struct gather){0};
    gather_report(&g, true, 3, S, 100);
    assert_int_equal(g.until_ns, 100 + GATHER_NS_MAX);
}

static void test_a_record_that_leaves_ends_it(void **state)
{
    (void)state;
    struct gather g = {0};
    gather_report(&g, true, 3, SLOW, 100);
    gather_end(&g);
    assert_false(gather_waits(&g, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_waited_for_where_nothing_is_held),
        cmocka_unit_test(test_waits_until_as_many_came_as_were_answered),
        cmocka_unit_test(test_who_comes_alone_leaves_at_once),
        cmocka_unit_test(test_waits_for_a_part_of_the_report_at_most),
        cmocka_unit_test(test_a_record_that_leaves_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
