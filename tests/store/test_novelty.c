#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/novelty.h"

#include <stdlib.h>
#include <string.h>

enum { SERIES = 50, TIMES = 200, HOSTS = 3 };

/* "New" may be said only of the first point of a (series, time), and of none that comes before one
 * that was called new; the first pass over a series in time order must all be new. */
static void test_new_is_never_said_wrongly(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int round = 0; round < 50; round++) {
        struct novelty n;
        novelty_init(&n, round % 2 == 0 ? SIZE_MAX : 1024 * 16); /* the smaller one forgets */
        static bool seen[SERIES][TIMES];
        memset(seen, 0, sizeof(seen));
        for (int i = 0; i < 20000; i++) {
            uint32_t series = (uint32_t)rand_r(&seed) % SERIES;
            int64_t time = rand_r(&seed) % TIMES;
            uint32_t floor;
            assert_int_equal(novelty_floor(&n, 1, series % HOSTS, 0, &floor), 0);
            int is_new =
                novelty_judge(&n, floor, novelty_series(1, series % HOSTS, 7, series, 2), time);
            assert_true(is_new == 0 || is_new == 1);
            if (is_new)
                for (int64_t t = time; t < TIMES; t++)
                    assert_false(seen[series][t]);
            seen[series][time] = true;
        }
        novelty_fini(&n);
    }
}

static void test_in_order_is_new(void **state)
{
    (void)state;
    struct novelty n;
    novelty_init(&n, SIZE_MAX);
    uint32_t floor;
    assert_int_equal(novelty_floor(&n, 1, 0, 0, &floor), 0);
    for (int64_t t = 0; t < 100; t++)
        for (uint32_t series = 0; series < 3000; series++)
            assert_int_equal(novelty_judge(&n, floor, novelty_series(1, 0, 1, series, 1), t), 1);
    assert_int_equal(novelty_judge(&n, floor, novelty_series(1, 0, 1, 5, 1), 99), 0);
    assert_int_equal(n.floors[floor].newest_ms, 99);
    novelty_fini(&n);
}

static void test_floors_judge_what_was_stored_before(void **state)
{
    (void)state;
    struct novelty n;
    novelty_init(&n, SIZE_MAX);
    uint32_t floor, other;
    assert_int_equal(novelty_floor(&n, 1, 0, 0, &floor), 0);
    n.floors[floor].floor_ms = n.floors[floor].newest_ms = 1000;
    assert_int_equal(novelty_judge(&n, floor, novelty_series(1, 0, 1, 1, 1), 1000), 0);
    assert_int_equal(novelty_judge(&n, floor, novelty_series(1, 0, 1, 1, 1), 1001), 1);
    assert_int_equal(novelty_judge(&n, floor, novelty_series(1, 0, 1, 2, 1), 999), 0);
    assert_int_equal(novelty_judge(&n, floor, novelty_series(1, 0, 1, 2, 1), 1000), 0);
    assert_int_equal(novelty_floor(&n, 1, 0, 1, &other), 0);
    assert_int_not_equal(other, floor);
    assert_int_equal(novelty_judge(&n, other, novelty_series(1, 0, 2, 1, 1), 0), 1);
    novelty_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_is_never_said_wrongly),
        cmocka_unit_test(test_in_order_is_new),
        cmocka_unit_test(test_floors_judge_what_was_stored_before),
    };
    return cmocka_run_group_tests_name("novelty", tests, NULL, NULL);
}
