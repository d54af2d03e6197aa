#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/window.h"
#include "base/error.h"
#include "support_random.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Rows against the definition: each bucket looked at by itself, all points every time. */

enum { POINTS_MAX = 12, ROWS_MAX = 400, TIMES = 80 };

struct series {
    int64_t times_ms[POINTS_MAX];
    double values[POINTS_MAX];
    size_t count;
};

struct row {
    int64_t time_ms;
    double values[AGGREGATORS_MAX];
};

struct rows {
    struct row v[ROWS_MAX];
    uint32_t n, columns;
    uint32_t stop_at; /* emit fails there; 0: never */
};

static int keep(void *arg, int64_t time_ms, const double *values)
{
    struct rows *rows = arg;
    assert_true(rows->n < ROWS_MAX);
    rows->v[rows->n].time_ms = time_ms;
    memcpy(rows->v[rows->n].values, values, rows->columns * sizeof(*values));
    rows->n++;
    return rows->n == rows->stop_at ? LT_ELIMIT : 0;
}

/* ---- the definition ---- */

/* The line through the numbers of s at a time between the first and the last of them. */
static double line_at(const struct series *s, int64_t time_ms)
{
    size_t p = POINTS_MAX, q = POINTS_MAX;
    for (size_t i = 0; i < s->count; i++) {
        if (isnan(s->values[i]))
            continue;
        if (s->times_ms[i] <= time_ms)
            p = i;
        if (s->times_ms[i] >= time_ms && q == POINTS_MAX)
            q = i;
    }
    assert_true(p < POINTS_MAX && q < POINTS_MAX);
    if (p == q)
        return s->values[p];
    return s->values[p] + (s->values[q] - s->values[p]) * (double)(time_ms - s->times_ms[p]) /
                              (double)(s->times_ms[q] - s->times_ms[p]);
}

/* Millisecond by millisecond: the line is straight within each. */
static double mean_of_line(const struct series *s, int64_t from_ms, int64_t to_ms)
{
    double area = 0;
    if (from_ms == to_ms)
        return line_at(s, from_ms);
    for (int64_t t = from_ms; t < to_ms; t++)
        area += (line_at(s, t) + line_at(s, t + 1)) / 2;
    return area / (double)(to_ms - from_ms);
}

static bool span_of_numbers(const struct series *s, int64_t *first_ms, int64_t *last_ms)
{
    *first_ms = INT64_MAX;
    *last_ms = INT64_MIN;
    for (size_t i = 0; i < s->count; i++) {
        if (isnan(s->values[i]))
            continue;
        *first_ms = s->times_ms[i] < *first_ms ? s->times_ms[i] : *first_ms;
        *last_ms = s->times_ms[i] > *last_ms ? s->times_ms[i] : *last_ms;
    }
    return *first_ms <= *last_ms;
}

static double model_twa(const struct window_rule *rule, const struct series *all, int64_t start_ms)
{
    int64_t first_ms, last_ms, from_ms = start_ms, to_ms = start_ms + rule->bucket_ms;
    if (!span_of_numbers(all, &first_ms, &last_ms) || first_ms >= to_ms)
        return (double)NAN;
    from_ms = from_ms > rule->from_ms ? from_ms : rule->from_ms;
    to_ms = to_ms < rule->last_ms ? to_ms : rule->last_ms;
    if (from_ms > last_ms || to_ms < first_ms)
        return (double)NAN;
    from_ms = from_ms > first_ms ? from_ms : first_ms;
    to_ms = to_ms < last_ms ? to_ms : last_ms;
    return mean_of_line(all, from_ms, to_ms);
}

/* Of the points of the range in [start, start + bucket). */
static double model_value(const struct window_rule *rule, const struct series *all,
                          int64_t start_ms, enum aggregator which)
{
    double sum = 0, min = INFINITY, max = -INFINITY, first = NAN, last = NAN, carried = NAN;
    uint32_t n = 0, nans = 0;
    for (size_t i = 0; i < all->count; i++) {
        int64_t t = all->times_ms[i];
        double x = all->values[i];
        if (t < rule->from_ms || t > rule->last_ms || t >= start_ms + rule->bucket_ms)
            continue;
        if (t < start_ms) {
            carried = isnan(x) ? carried : x;
            continue;
        }
        nans += isnan(x) != 0;
        if (isnan(x))
            continue;
        first = n == 0 ? x : first;
        last = x;
        min = fmin(min, x);
        max = fmax(max, x);
        sum += x;
        n++;
    }
    double mean = sum / n, squares = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->times_ms[i] >= rule->from_ms && all->times_ms[i] <= rule->last_ms &&
            all->times_ms[i] >= start_ms && all->times_ms[i] < start_ms + rule->bucket_ms &&
            !isnan(all->values[i]))
            squares += (all->values[i] - mean) * (all->values[i] - mean);
    double sample = n == 1 ? 0 : squares / (n - 1);
    const double values[] = {
        [AGGREGATOR_AVG] = mean,
        [AGGREGATOR_SUM] = sum,
        [AGGREGATOR_MIN] = n > 0 ? min : (double)NAN,
        [AGGREGATOR_MAX] = n > 0 ? max : (double)NAN,
        [AGGREGATOR_RANGE] = n > 0 ? max - min : (double)NAN,
        [AGGREGATOR_COUNT] = n,
        [AGGREGATOR_FIRST] = first,
        [AGGREGATOR_LAST] = n > 0 ? last : carried,
        [AGGREGATOR_STD_P] = sqrt(squares / n),
        [AGGREGATOR_STD_S] = n > 0 ? sqrt(sample) : (double)NAN,
        [AGGREGATOR_VAR_P] = squares / n,
        [AGGREGATOR_VAR_S] = n > 0 ? sample : (double)NAN,
        [AGGREGATOR_COUNTNAN] = nans,
        [AGGREGATOR_COUNTALL] = n + nans,
    };
    return which == AGGREGATOR_TWA ? model_twa(rule, all, start_ms) : values[which];
}

static bool is_row(const struct window_rule *rule, const struct series *all, int64_t start_ms)
{
    for (size_t i = 0; i < all->count; i++)
        for (uint32_t k = 0; k < rule->aggregators.n; k++)
            if (all->times_ms[i] >= rule->from_ms && all->times_ms[i] <= rule->last_ms &&
                all->times_ms[i] >= start_ms && all->times_ms[i] < start_ms + rule->bucket_ms &&
                aggregator_takes((enum aggregator)rule->aggregators.v[k], all->values[i]))
                return true;
    return false;
}

/* Does EMPTY's twa know the bucket's part of the range from a line? */
static bool has_line(const struct window_rule *rule, const struct series *all, int64_t start_ms)
{
    int64_t first_ms, last_ms;
    if (!aggregator_list_has(&rule->aggregators, AGGREGATOR_TWA) ||
        !span_of_numbers(all, &first_ms, &last_ms))
        return false;
    int64_t from_ms = first_ms > rule->from_ms ? first_ms : rule->from_ms;
    int64_t to_ms = last_ms < rule->last_ms ? last_ms : rule->last_ms;
    return from_ms <= to_ms && start_ms <= to_ms && start_ms + rule->bucket_ms > from_ms;
}

static void model(const struct window_rule *rule, const struct series *all, struct rows *out)
{
    int64_t begin_ms = rule->align_ms;
    int64_t first_ms = INT64_MAX, last_ms = INT64_MIN;
    while (begin_ms > 0)
        begin_ms -= rule->bucket_ms;
    for (int64_t s = begin_ms; s < TIMES * 2; s += rule->bucket_ms) {
        if (!is_row(rule, all, s) && !(rule->empty && has_line(rule, all, s)))
            continue;
        first_ms = s < first_ms ? s : first_ms;
        last_ms = s;
    }
    for (int64_t s = first_ms; s <= last_ms; s += rule->bucket_ms) {
        if (!rule->empty && !is_row(rule, all, s))
            continue;
        struct row *row = &out->v[out->n++];
        int64_t ms = s > 0 ? s : 0;
        row->time_ms = rule->stamp == WINDOW_START ? ms
                       : rule->stamp == WINDOW_MID ? ms + rule->bucket_ms / 2
                                                   : ms + rule->bucket_ms;
        for (uint32_t k = 0; k < rule->aggregators.n; k++)
            row->values[k] = model_value(rule, all, s, (enum aggregator)rule->aggregators.v[k]);
    }
}

/* ---- the code on the same ---- */

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (1 + fabs(a));
}

static int run(const struct window_rule *rule, const struct series *all, struct rows *out)
{
    struct window_points in = {0}, before = {0}, after = {0};
    out->columns = rule->aggregators.n;
    for (size_t i = 0; i < all->count; i++) {
        const int64_t *t = &all->times_ms[i];
        if (*t < rule->from_ms && !isnan(all->values[i])) {
            before = (struct window_points){t, &all->values[i], 1};
        } else if (*t > rule->last_ms && after.count == 0 && !isnan(all->values[i])) {
            after = (struct window_points){t, &all->values[i], 1};
        } else if (*t >= rule->from_ms && *t <= rule->last_ms) {
            if (in.count++ == 0)
                in = (struct window_points){t, &all->values[i], 1};
        }
    }
    return window_run(rule, &in, &before, &after, keep, out);
}

static void fill(struct series *s)
{
    int64_t at = 0;
    s->count = 0;
    while (s->count < random_u64() % (POINTS_MAX + 1)) {
        at += 1 + (int64_t)(random_u64() % (random_u64() % 3 == 0 ? 30 : 4));
        if (at >= TIMES)
            break;
        s->times_ms[s->count] = at - 1;
        s->values[s->count++] =
            random_u64() % 6 == 0 ? (double)NAN : (double)(int64_t)(random_u64() % 40) - 20;
    }
}

static void fill_rule(struct window_rule *rule)
{
    *rule = (struct window_rule){.bucket_ms = 1 + (int64_t)(random_u64() % 30),
                                 .align_ms = (int64_t)(random_u64() % 50),
                                 .stamp = (enum window_stamp)(random_u64() % 3),
                                 .empty = random_u64() % 2 == 0,
                                 .from_ms = (int64_t)(random_u64() % TIMES)};
    rule->last_ms = rule->from_ms + (int64_t)(random_u64() % TIMES);
    if (random_u64() % 3 == 0)
        rule->from_ms = 0;
    if (random_u64() % 3 == 0)
        rule->last_ms = INT64_MAX;
    uint32_t n = 1 + (uint32_t)(random_u64() % 4);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t which = random_u64() % AGGREGATOR_KINDS;
        rule->aggregators.v[rule->aggregators.n++] = (uint8_t)which;
        rule->aggregators.set |= 1U << which;
    }
}

static void rows_are_those_of_the_definition(void **state)
{
    static struct rows got, want;
    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct series all;
        struct window_rule rule;
        fill(&all);
        fill_rule(&rule);
        got.n = want.n = got.stop_at = 0;
        assert_int_equal(run(&rule, &all, &got), 0);
        model(&rule, &all, &want);
        assert_int_equal(got.n, want.n);
        for (uint32_t i = 0; i < got.n; i++) {
            assert_int_equal(got.v[i].time_ms, want.v[i].time_ms);
            for (uint32_t k = 0; k < rule.aggregators.n; k++)
                if (!same(got.v[i].values[k], want.v[i].values[k]))
                    fail_msg("round %d, row %u, %s: %.17g, expected %.17g", round, i,
                             aggregator_text((enum aggregator)rule.aggregators.v[k]),
                             got.v[i].values[k], want.v[i].values[k]);
        }
    }
}

static void emit_ends_the_walk(void **state)
{
    static struct rows rows;
    const struct series all = {{1, 11, 21, 31}, {1, 2, 3, 4}, 4};
    struct window_rule rule = {.bucket_ms = 10, .last_ms = 100};
    (void)state;
    assert_int_equal(aggregator_list_parse(slice_str("sum,twa"), &rule.aggregators), 0);
    rows.stop_at = 2;
    assert_int_equal(run(&rule, &all, &rows), LT_ELIMIT);
    assert_int_equal(rows.n, 2);
}

/* Nothing overflows where times and buckets end with the integers. */
static void ends_of_time(void **state)
{
    static struct rows rows;
    const struct series all = {{0, 5, INT64_MAX}, {1, 2, 3}, 3};
    struct window_rule rule = {.bucket_ms = INT64_MAX, .last_ms = INT64_MAX, .empty = true};
    (void)state;
    rows.stop_at = 0;
    assert_int_equal(aggregator_list_parse(slice_str("count,twa"), &rule.aggregators), 0);
    assert_int_equal(run(&rule, &all, &rows), 0);
    assert_int_equal(rows.n, 2);
    assert_int_equal(rows.v[1].time_ms, INT64_MAX);
    rule.stamp = WINDOW_END;
    rule.align_ms = INT64_MAX;
    rows.n = 0;
    assert_int_equal(run(&rule, &all, &rows), 0);
    assert_int_equal(rows.v[1].time_ms, INT64_MAX);
    assert_true(rows.v[0].values[0] == 2 && rows.v[1].values[0] == 1);
}

static void names(void **state)
{
    struct aggregator_list list;
    enum aggregator a;
    char longest[AGGREGATORS_MAX * 4 + 4] = "";
    (void)state;
    for (int i = 0; i < AGGREGATOR_KINDS; i++) {
        assert_int_equal(aggregator_parse(slice_str(aggregator_text((enum aggregator)i)), &a), 0);
        assert_int_equal((int)a, i);
    }
    assert_int_equal(aggregator_list_parse(slice_str("MIN,Std.P,min"), &list), 0);
    assert_int_equal(list.n, 3);
    assert_int_equal(list.v[1], AGGREGATOR_STD_P);
    assert_true(aggregator_list_has(&list, AGGREGATOR_MIN));
    assert_false(aggregator_list_has(&list, AGGREGATOR_MAX));
    const char *const bad[] = {"", ",", "min,", ",min", "min, max", "std", "min,,max"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(aggregator_list_parse(slice_str(bad[i]), &list), LT_EPARSE);
    for (int i = 0; i < AGGREGATORS_MAX; i++)
        strcat(longest, i == 0 ? "min" : ",min");
    assert_int_equal(aggregator_list_parse(slice_str(longest), &list), 0);
    strcat(longest, ",min");
    assert_int_equal(aggregator_list_parse(slice_str(longest), &list), LT_ELIMIT);
    assert_true(aggregator_reduces(AGGREGATOR_COUNTALL) && !aggregator_reduces(AGGREGATOR_TWA));
}

/* Summaries of stretches, merged in order, are what the points would have made. */
static void summaries_merge(void **state)
{
    static const enum aggregator kinds[] = {
        AGGREGATOR_AVG,   AGGREGATOR_SUM,      AGGREGATOR_MIN,
        AGGREGATOR_MAX,   AGGREGATOR_RANGE,    AGGREGATOR_LAST,
        AGGREGATOR_FIRST, AGGREGATOR_COUNTNAN, AGGREGATOR_COUNTALL};
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct series all;
        struct stats whole = {0}, merged = {0}, part = {0};
        fill(&all);
        for (size_t i = 0; i < all.count; i++) {
            stats_add(&whole, all.values[i], true);
            stats_add(&part, all.values[i], false);
            if (random_u64() % 3 == 0) {
                stats_merge(&merged, &part);
                part = (struct stats){0};
            }
        }
        stats_merge(&merged, &part);
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            assert_true(same(stats_value(&merged, kinds[k]), stats_value(&whole, kinds[k])));
    }
}

static void reducers_of_nothing(void **state)
{
    struct stats none = {.nans = 2}, some = {0};
    (void)state;
    assert_true(isnan(stats_reduced(&none, AGGREGATOR_SUM)));
    assert_true(isnan(stats_reduced(&none, AGGREGATOR_AVG)));
    assert_true(stats_reduced(&none, AGGREGATOR_COUNT) == 0);
    assert_true(stats_reduced(&none, AGGREGATOR_COUNTNAN) == 2);
    assert_true(stats_reduced(&none, AGGREGATOR_COUNTALL) == 2);
    stats_add(&some, 4, true);
    assert_true(stats_reduced(&some, AGGREGATOR_VAR_S) == 0);
    assert_true(stats_reduced(&some, AGGREGATOR_SUM) == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_the_definition),
        cmocka_unit_test(emit_ends_the_walk),
        cmocka_unit_test(ends_of_time),
        cmocka_unit_test(names),
        cmocka_unit_test(summaries_merge),
        cmocka_unit_test(reducers_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
