#include "base/error.h"
#include "jobs/downsample_merge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Buckets read part by part come out as series, each with all its buckets once. */

enum { GROUPS = 3, ITEMS = 12, NUMBERS = 48, PARTS_MAX = 9 };

struct model {
    uint64_t counts[GROUPS][ITEMS][NUMBERS];
    double sums[GROUPS][ITEMS][NUMBERS];
};

static struct summary one(double value, int64_t ms)
{
    struct summary s;
    summary_init(&s);
    summary_add(&s, ms, value);
    return s;
}

/* Some buckets of a part, ascending; now and then one twice. */
static void add_part(struct merge *m, struct model *model, unsigned *seed, uint32_t first_number,
                     uint32_t numbers, unsigned percent)
{
    assert_int_equal(merge_part_begin(m), 0);
    for (uint32_t g = 0; g < GROUPS; g++)
        for (uint32_t i = 0; i < ITEMS; i++)
            for (uint32_t n = first_number; n < first_number + numbers; n++)
                for (unsigned twice = 0; twice < 2; twice++) {
                    if ((unsigned)rand_r(seed) % 100 >= percent)
                        continue;
                    double value = rand_r(seed) % 1000 - 300;
                    struct summary s = one(value, n * 60000 + twice);
                    assert_int_equal(merge_add(m, g, i, n, &s), 0);
                    model->counts[g][i][n]++;
                    model->sums[g][i][n] += value;
                }
}

static uint32_t count_buckets(const struct model *model, uint32_t g, uint32_t i)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < NUMBERS; n++)
        count += model->counts[g][i][n] > 0;
    return count;
}

static void check(struct merge *m, const struct model *model)
{
    struct merge_series series;
    merge_start(m);
    for (uint32_t g = 0; g < GROUPS; g++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            uint32_t count = count_buckets(model, g, i);
            if (count == 0)
                continue;
            assert_int_equal(merge_next(m, &series), 1);
            assert_int_equal(series.group, g);
            assert_int_equal(series.item, i);
            assert_int_equal(series.count, count);
            for (uint32_t b = 0; b < count; b++) {
                const struct rollup_bucket *bucket = &series.buckets[b];
                assert_true(b == 0 || series.buckets[b - 1].number < bucket->number);
                assert_int_equal(bucket->summary.count, model->counts[g][i][bucket->number]);
                assert_true(summary_total(&bucket->summary) == model->sums[g][i][bucket->number]);
            }
        }
    }
    assert_int_equal(merge_next(m, &series), 0);
}

static void test_parts_become_series(void **state)
{
    static struct model model;
    unsigned seed = 7;
    struct merge m;
    merge_init(&m);
    for (unsigned round = 0; round < 300; round++) {
        memset(&model, 0, sizeof(model));
        merge_reset(&m);
        uint32_t parts = (uint32_t)rand_r(&seed) % PARTS_MAX;
        unsigned percent = (unsigned)rand_r(&seed) % 40;
        for (uint32_t p = 0; p < parts; p++) {
            /* Mostly hour after hour; now and then all of the day, as late points have it. */
            bool late = rand_r(&seed) % 5 == 0;
            add_part(&m, &model, &seed, late ? 0 : p * (NUMBERS / PARTS_MAX),
                     late ? NUMBERS : NUMBERS / PARTS_MAX, percent);
        }
        check(&m, &model);
    }
    merge_fini(&m);
}

static void test_what_does_not_ascend_is_refused(void **state)
{
    struct merge m;
    struct summary s = one(1, 0);
    merge_init(&m);
    assert_int_equal(merge_part_begin(&m), 0);
    assert_int_equal(merge_add(&m, 1, 5, 9, &s), 0);
    assert_int_equal(merge_add(&m, 1, 5, 8, &s), LT_ECORRUPT);
    assert_int_equal(merge_add(&m, 1, 4, 10, &s), LT_ECORRUPT);
    assert_int_equal(merge_add(&m, 0, 9, 10, &s), LT_ECORRUPT);
    assert_int_equal(merge_part_begin(&m), 0);
    assert_int_equal(merge_add(&m, 0, 0, 0, &s), 0); /* another part begins anew */
    merge_fini(&m);
}

static void test_coarser_is_what_the_points_would_give(void **state)
{
    unsigned seed = 3;
    for (unsigned round = 0; round < 200; round++) {
        struct rollup_bucket fine[NUMBERS], coarse[NUMBERS];
        struct summary expected[NUMBERS];
        uint32_t count = 0, factor = 1 + (uint32_t)rand_r(&seed) % 12;
        for (uint32_t n = 0; n < NUMBERS; n++) {
            summary_init(&expected[n]);
        }
        for (uint32_t n = 0; n < NUMBERS; n++) {
            if (rand_r(&seed) % 3 == 0)
                continue;
            double value = rand_r(&seed) % 10 == 0 ? NAN : rand_r(&seed) % 100;
            fine[count++] = (struct rollup_bucket){n, one(value, n * 1000)};
            summary_add(&expected[n / factor], n * 1000, value);
        }
        uint32_t got = merge_coarser(fine, count, factor, coarse);
        uint64_t seen = 0;
        for (uint32_t i = 0; i < got; i++) {
            const struct summary *x = &coarse[i].summary, *y = &expected[coarse[i].number];
            assert_true(i == 0 || coarse[i - 1].number < coarse[i].number);
            assert_int_equal(x->count, y->count);
            assert_int_equal(x->nans, y->nans);
            assert_true(summary_total(x) == summary_total(y));
            if (y->count > 0) {
                assert_true(x->min == y->min && x->max == y->max);
                assert_true(x->first == y->first && x->last == y->last);
            }
            seen += x->count + x->nans;
        }
        assert_int_equal(seen, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_become_series),
        cmocka_unit_test(test_what_does_not_ascend_is_refused),
        cmocka_unit_test(test_coarser_is_what_the_points_would_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
