#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_random.h"
#include "vector/series.h"
#include "vector/summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 60 };

struct point {
    int64_t time_ms;
    double value;
};

/* Integers whose sums stay within 2^53, and now and then NaN. Times may be equal. */
static uint32_t points_fill(struct point *points)
{
    uint32_t n = (uint32_t)(random_u64() % (POINTS_MAX + 1));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = random_u64();
        points[i].time_ms = (int64_t)(random_u64() % 100);
        points[i].value =
            r % 9 == 0 ? (double)NAN : (double)(int64_t)(r % (UINT64_C(1) << 46)) - 0x1p45;
    }
    return n;
}

/* The definition, by looking for each figure apart. */
static struct summary model(const struct point *points, uint32_t n)
{
    double nan = (double)NAN;
    struct summary s = {.min = nan, .max = nan, .first = nan, .last = nan};
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (isnan(points[i].value)) {
            s.nans++;
            continue;
        }
        s.count++;
        sum += (int64_t)points[i].value;
        bool is_first = true, is_last = true;
        for (uint32_t j = 0; j < n; j++) {
            if (isnan(points[j].value))
                continue;
            bool greater =
                points[j].time_ms == points[i].time_ms && points[j].value > points[i].value;
            is_first = is_first && points[j].time_ms >= points[i].time_ms && !greater;
            is_last = is_last && points[j].time_ms <= points[i].time_ms && !greater;
        }
        if (is_first)
            s.first = points[i].value, s.first_ms = points[i].time_ms;
        if (is_last)
            s.last = points[i].value, s.last_ms = points[i].time_ms;
        s.min = fmin(s.min, points[i].value);
        s.max = fmax(s.max, points[i].value);
    }
    s.sum = (double)sum;
    return s;
}

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b;
}

static void assert_same(const struct summary *want, const struct summary *got)
{
    assert_true(want->count == got->count && want->nans == got->nans);
    assert_true(summary_total(want) == summary_total(got));
    assert_true(same_double(want->min, got->min) && same_double(want->max, got->max));
    assert_true(same_double(want->first, got->first) && same_double(want->last, got->last));
    assert_true(want->first_ms == got->first_ms && want->last_ms == got->last_ms);
}

static void test_a_summary_is_of_its_points(void **state)
{
    (void)state;
    struct point points[POINTS_MAX];
    for (unsigned round = 0; round < 5000; round++) {
        uint32_t n = points_fill(points);
        struct summary want = model(points, n), got;
        summary_init(&got);
        for (uint32_t i = 0; i < n; i++)
            summary_add(&got, points[i].time_ms, points[i].value);
        assert_same(&want, &got);
    }
}

/* Cut anywhere, merged in any order and in any tree. */
static void test_merging_is_adding(void **state)
{
    (void)state;
    struct point points[POINTS_MAX];
    for (unsigned round = 0; round < 5000; round++) {
        uint32_t n = points_fill(points);
        struct summary want = model(points, n);
        struct summary parts[5];
        for (unsigned i = 0; i < 5; i++)
            summary_init(&parts[i]);
        for (uint32_t i = 0; i < n; i++)
            summary_add(&parts[random_u64() % 5], points[i].time_ms, points[i].value);
        for (unsigned left = 5; left > 1; left--) {
            unsigned a = (unsigned)(random_u64() % left);
            unsigned b = (a + 1 + (unsigned)(random_u64() % (left - 1))) % left;
            summary_merge(&parts[a], &parts[b]);
            parts[b] = parts[left - 1];
        }
        assert_same(&want, &parts[0]);
    }
}

static void test_sums_are_compensated(void **state)
{
    (void)state;
    struct summary s, small, large;
    summary_init(&s);
    summary_add(&s, 1, 1e16);
    for (int i = 0; i < 1000; i++)
        summary_add(&s, 2, 1);
    summary_add(&s, 3, -1e16);
    assert_true(summary_total(&s) == 1000);
    summary_init(&small);
    summary_init(&large);
    for (int i = 0; i < 1000; i++) {
        summary_add(&small, 2, 0.1);
        summary_add(&large, 2, 1e16);
        summary_add(&large, 2, 0.1);
    }
    summary_merge(&small, &large);
    for (int i = 0; i < 1000; i++)
        summary_add(&small, 2, -1e16);
    assert_true(fabs(summary_total(&small) - 200) < 1e-10);
}

static void test_infinities_are_numbers(void **state)
{
    (void)state;
    struct summary s, other;
    summary_init(&s);
    summary_init(&other);
    summary_add(&s, 1, 5);
    summary_add(&other, 2, INFINITY);
    summary_add(&other, 3, 1);
    summary_merge(&s, &other);
    assert_true(s.count == 3 && s.nans == 0);
    assert_true(s.min == 1 && s.max == (double)INFINITY && summary_total(&s) == (double)INFINITY);
    /* Past the largest double by adding. */
    summary_init(&s);
    summary_init(&other);
    summary_add(&other, 1, 1.7e308);
    summary_add(&other, 2, 1.7e308);
    summary_merge(&s, &other);
    assert_true(summary_total(&s) == (double)INFINITY);
}

struct visits {
    uint32_t n;
    uint32_t most;
    int64_t starts[POINTS_MAX];
    struct summary summaries[POINTS_MAX];
};

static int visit(void *arg, int64_t start_ms, const struct summary *summary)
{
    struct visits *v = arg;
    v->starts[v->n] = start_ms;
    v->summaries[v->n++] = *summary;
    return v->n == v->most ? -7 : 0;
}

static void test_buckets(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        int64_t times_ms[POINTS_MAX];
        double values[POINTS_MAX];
        struct point points[POINTS_MAX];
        uint32_t n = points_fill(points);
        int64_t at = round % 3 == 0 ? 0 : 1424444400000;
        int64_t step_ms = 1 + (int64_t)(random_u64() % 100);
        for (uint32_t i = 0; i < n; i++) {
            times_ms[i] = points[i].time_ms = at;
            values[i] = points[i].value;
            at += 1 + (int64_t)(random_u64() % 50);
        }
        /* So that the last bucket ends past the end of time. */
        int64_t later_ms = round % 3 == 2 && n > 0 ? INT64_MAX - times_ms[n - 1] : 0;
        for (uint32_t i = 0; i < n; i++)
            points[i].time_ms = times_ms[i] += later_ms;
        struct vector_points in = {n, times_ms, values};
        struct visits v = {.most = UINT32_MAX};
        assert_int_equal(summary_buckets(&in, step_ms, visit, &v), 0);
        uint32_t i = 0;
        for (uint32_t bucket = 0; bucket < v.n; bucket++) {
            uint32_t start = i;
            while (i < n && times_ms[i] / step_ms == times_ms[start] / step_ms)
                i++;
            struct summary want = model(&points[start], i - start);
            assert_int_equal(v.starts[bucket], times_ms[start] / step_ms * step_ms);
            assert_same(&want, &v.summaries[bucket]);
        }
        assert_int_equal(i, n);
        struct visits cut = {.most = 2};
        assert_int_equal(summary_buckets(&in, step_ms, visit, &cut), v.n >= 2 ? -7 : 0);
        assert_int_equal(cut.n, v.n < 2 ? v.n : 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_summary_is_of_its_points),
        cmocka_unit_test(test_merging_is_adding),
        cmocka_unit_test(test_sums_are_compensated),
        cmocka_unit_test(test_infinities_are_numbers),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
