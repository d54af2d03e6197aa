#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ascending.h"
#include "query/item_map.h"
#include "support_random.h"

#include <string.h>

/* Random sets of items, dense and sparse, against a binary search. */

enum { CASES = 400, ITEMS_MAX = 300, ASKED = 500 };

static void check_case(void)
{
    struct read_guard guard = {.memory_bytes_max = SIZE_MAX};
    struct scratch scratch;
    struct item_map map;
    uint32_t items[ITEMS_MAX];
    uint32_t count = 1 + random_below(ITEMS_MAX);
    static const uint32_t steps[] = {1, 3, 300, 5000};
    uint32_t step = steps[random_below(4)];
    uint32_t at = random_below(2) == 0 ? 0 : random_below(1 << 20);
    for (uint32_t i = 0; i < count; i++) {
        items[i] = at;
        at += 1 + random_below(step);
    }
    scratch_init(&scratch, &guard);
    assert_int_equal(item_map_init(&map, items, count, &scratch), 0);
    for (int i = 0; i < ASKED; i++) {
        uint32_t item = random_below(2) == 0 ? items[random_below(count)] : random_below(at + 1000);
        uint32_t place = ascending_find(items, count, item);
        bool there = place < count && items[place] == item;
        assert_int_equal(item_map_find(&map, item), there ? place : ITEM_MAP_NONE);
    }
    assert_int_equal(item_map_find(&map, UINT32_MAX), ITEM_MAP_NONE);
    scratch_fini(&scratch);
}

static void test_finds_what_a_search_finds(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        check_case();
}

static void test_the_last_item_of_all(void **state)
{
    (void)state;
    struct read_guard guard = {.memory_bytes_max = SIZE_MAX};
    struct scratch scratch;
    struct item_map map;
    const uint32_t items[] = {UINT32_MAX - 1, UINT32_MAX};
    scratch_init(&scratch, &guard);
    assert_int_equal(item_map_init(&map, items, 2, &scratch), 0);
    assert_int_equal(item_map_find(&map, UINT32_MAX), 1);
    assert_int_equal(item_map_find(&map, UINT32_MAX - 1), 0);
    assert_int_equal(item_map_find(&map, 0), ITEM_MAP_NONE);
    assert_int_equal(item_map_find(&map, UINT32_MAX - 2), ITEM_MAP_NONE);
    scratch_fini(&scratch);
}

static void test_a_small_budget_is_an_error(void **state)
{
    (void)state;
    struct read_guard guard = {.memory_bytes_max = 16};
    struct scratch scratch;
    struct item_map map;
    const uint32_t items[] = {1, 100000};
    scratch_init(&scratch, &guard);
    assert_true(item_map_init(&map, items, 2, &scratch) < 0);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_a_search_finds),
        cmocka_unit_test(test_the_last_item_of_all),
        cmocka_unit_test(test_a_small_budget_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
