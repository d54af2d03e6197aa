#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sum.h"
#include "query/threshold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Random lists against sums over plain arrays. */

enum { CASES = 30000, LISTS = 9, ITEMS = 96, CATEGORIES = 3, LIMIT = 12 };

struct lists {
    uint32_t seed;
    uint32_t count;
    uint32_t categories[LISTS];
    double values[LISTS][ITEMS]; /* NaN: not in the list */
    struct rank_entry entries[LISTS][ITEMS];
    uint32_t entries_count[LISTS];
    uint32_t readable[LISTS]; /* less than entries_count: cut there */
    uint32_t at[LISTS];
    bool certain[LISTS];
    bool gone[CATEGORIES][ITEMS]; /* lists hold it, but no point is left */
    size_t sorted, random;
};

static uint32_t pick(struct lists *l, uint32_t below)
{
    l->seed = l->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(l->seed >> 8) * below >> 24);
}

static int compare_entries(const void *a, const void *b)
{
    const struct rank_entry *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

enum shape { MIXED, NEGATIVE, TIES, ZEROS, FRACTIONS, DISJOINT, ZIPF, SHAPES };

static double random_value(struct lists *l, enum shape shape, uint32_t item)
{
    switch (shape) {
    case NEGATIVE:
        return -1.0 - pick(l, 50);
    case TIES:
        return (double)pick(l, 5) - 2;
    case ZEROS:
        return 0;
    case FRACTIONS:
        return ((double)pick(l, 2000) - 1000) / 7;
    case ZIPF:
        return floor(100000.0 / (item + 1)) + pick(l, 100);
    default:
        return (double)pick(l, 2000) - 1000;
    }
}

static void make_lists(struct lists *l, uint32_t seed)
{
    memset(l, 0, sizeof(*l));
    l->seed = seed;
    l->count = 1 + pick(l, LISTS);
    enum shape shape = (enum shape)pick(l, SHAPES);
    uint32_t items = 1 + pick(l, ITEMS), density = 1 + pick(l, 4);
    bool cuts = pick(l, 3) == 0;
    for (uint32_t i = 0; i < l->count; i++)
        l->categories[i] = i > 0 ? l->categories[i - 1] : 0;
    for (uint32_t i = 1; i < l->count; i++)
        if (pick(l, 5) == 0)
            for (uint32_t j = i; j < l->count; j++)
                l->categories[j] += l->categories[j] + 1 < CATEGORIES;
    for (uint32_t i = 0; i < l->count; i++) {
        uint32_t n = 0;
        for (uint32_t item = 0; item < ITEMS; item++) {
            bool in = item < items && pick(l, 4) < density;
            if (shape == DISJOINT)
                in = item % l->count == i;
            l->values[i][item] = in ? random_value(l, shape, item) : NAN;
            if (in)
                l->entries[i][n++] = (struct rank_entry){item, l->values[i][item], 1};
        }
        qsort(l->entries[i], n, sizeof(l->entries[i][0]), compare_entries);
        l->entries_count[i] = n;
        l->readable[i] = cuts && n > 0 ? 1 + pick(l, n) : n;
    }
    bool any_gone = pick(l, 2) == 0;
    for (uint32_t i = 0; i < l->count; i++)
        l->certain[i] = !any_gone;
    for (uint32_t c = 0; c < CATEGORIES; c++)
        for (uint32_t item = 0; item < ITEMS; item++)
            l->gone[c][item] = any_gone && pick(l, 20) == 0;
}

static double sum_of(const struct lists *l, uint32_t category, uint32_t item)
{
    struct sum sum = {0};
    bool any = false;
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->categories[i] != category || isnan(l->values[i][item]))
            continue;
        sum_add(&sum, l->values[i][item]);
        any = true;
    }
    return any && !l->gone[category][item] ? sum_total(&sum) : NAN;
}

static int read_lists(void *arg, const uint32_t *lists, uint32_t count, struct threshold_chunk *out)
{
    struct lists *l = arg;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t list = lists[i], left = l->readable[list] - l->at[list];
        uint32_t n = left > 0 ? 1 + pick(l, left < 20 ? left : 20) : 0;
        out[i] = (struct threshold_chunk){.entries = &l->entries[list][l->at[list]], .count = n};
        l->at[list] += n;
        l->sorted += n;
        if (l->at[list] == l->readable[list])
            out[i].end = l->readable[list] < l->entries_count[list] ? THRESHOLD_CUT : THRESHOLD_END;
        else
            out[i].end = THRESHOLD_MORE;
    }
    return 0;
}

static int look_up(void *arg, uint32_t category, const uint32_t *items, uint32_t count, double *out)
{
    struct lists *l = arg;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            assert_true(items[i - 1] < items[i]);
        out[i] = sum_of(l, category, items[i]);
    }
    l->random += count;
    return 0;
}

static struct threshold make_config(struct lists *l)
{
    return (struct threshold){.lists = l->count,
                              .categories = l->categories,
                              .certain = l->certain,
                              .entries_max = SIZE_MAX / 2,
                              .lookups_max = SIZE_MAX / 2,
                              .read = read_lists,
                              .lookup = look_up,
                              .arg = l};
}

static void test_agrees_with_brute_force(void **state)
{
    (void)state;
    struct lists *l = malloc(sizeof(*l));
    struct best_row rows[LIMIT], expected[LIMIT];
    uint32_t gave_up = 0, cut = 0;
    for (uint32_t seed = 1; seed <= CASES; seed++) {
        make_lists(l, seed * 2654435761u);
        struct best best = {.rows = rows, .max = pick(l, LIMIT + 1)};
        struct best all = {.rows = expected, .max = best.max};
        struct threshold config = make_config(l);
        int status = threshold_run(&config, &best);
        bool is_cut = false;
        for (uint32_t i = 0; i < l->count; i++)
            is_cut |= l->readable[i] < l->entries_count[i];
        cut += is_cut;
        if (status == THRESHOLD_GIVES_UP) {
            assert_true(is_cut); /* nothing else may make it give up here */
            gave_up++;
            continue;
        }
        assert_int_equal(status, 0);
        for (uint32_t c = 0; c < CATEGORIES; c++)
            for (uint32_t item = 0; item < ITEMS; item++)
                if (!isnan(sum_of(l, c, item)))
                    best_offer(&all, &(struct best_row){sum_of(l, c, item), c, item});
        best_sort(&all);
        assert_int_equal(best.n, all.n);
        for (uint32_t i = 0; i < all.n; i++) {
            assert_true(best.rows[i].value == all.rows[i].value);
            assert_int_equal(best.rows[i].category, all.rows[i].category);
            assert_int_equal(best.rows[i].item, all.rows[i].item);
        }
    }
    assert_true(cut > CASES / 10 && gave_up > 0 && gave_up < cut); /* cut lists often suffice */
    free(l);
}

/* Where hours resemble each other, little of them is read, however long they are. */
static void test_reads_little_of_lists_that_resemble_each_other(void **state)
{
    (void)state;
    struct lists *l = calloc(1, sizeof(*l));
    struct best_row rows[5];
    struct best best = {.rows = rows, .max = 5};
    l->seed = 7;
    l->count = LISTS;
    for (uint32_t i = 0; i < LISTS; i++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            l->values[i][item] = floor(100000.0 / (item + 1));
            l->entries[i][item] = (struct rank_entry){item, l->values[i][item], 1};
        }
        l->entries_count[i] = l->readable[i] = ITEMS;
    }
    struct threshold config = make_config(l);
    assert_int_equal(threshold_run(&config, &best), 0);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(rows[i].item, i);
    assert_true(l->sorted < LISTS * 40);
    assert_true(l->random <= 32);
    free(l);
}

static void test_gives_up_past_its_budget(void **state)
{
    (void)state;
    struct lists *l = malloc(sizeof(*l));
    struct best_row rows[LIMIT];
    uint32_t by_entries = 0, by_lookups = 0;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct best best = {.rows = rows, .max = LIMIT};
        make_lists(l, seed);
        struct threshold config = make_config(l);
        config.lookups_max = 5;
        int status = threshold_run(&config, &best);
        assert_true(status == 0 || status == THRESHOLD_GIVES_UP);
        assert_true(l->random <= 5);
        by_lookups += status != 0;
        make_lists(l, seed);
        config = make_config(l);
        config.entries_max = 20;
        status = threshold_run(&config, &best);
        assert_true(status == 0 || status == THRESHOLD_GIVES_UP);
        assert_true(l->sorted <= 20 + LISTS * 20);
        by_entries += status != 0;
    }
    assert_true(by_entries > 10 && by_lookups > 10);
    free(l);
}

static int fail_read(void *arg, const uint32_t *lists, uint32_t count, struct threshold_chunk *out)
{
    return -77;
}
static int fail_lookup(void *arg, uint32_t category, const uint32_t *items, uint32_t count,
                       double *out)
{
    return -78;
}

static void test_passes_errors_on(void **state)
{
    (void)state;
    struct lists *l = malloc(sizeof(*l));
    struct best_row rows[LIMIT];
    struct best best = {.rows = rows, .max = LIMIT};
    make_lists(l, 3);
    struct threshold config = make_config(l);
    config.read = fail_read;
    assert_int_equal(threshold_run(&config, &best), -77);
    config = make_config(l);
    config.lookup = fail_lookup;
    assert_int_equal(threshold_run(&config, &best), -78);
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_brute_force),
        cmocka_unit_test(test_reads_little_of_lists_that_resemble_each_other),
        cmocka_unit_test(test_gives_up_past_its_budget),
        cmocka_unit_test(test_passes_errors_on),
    };
    return cmocka_run_group_tests_name("query/threshold", tests, NULL, NULL);
}
