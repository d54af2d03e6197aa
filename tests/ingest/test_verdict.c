#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/verdict.h"

#include <math.h>

static const struct verdict_rules none;
static const struct verdict_newest empty, at_100 = {true, 100, 5};

static struct verdict add(const struct verdict_rules *rules, struct verdict_newest newest,
                          int64_t time_ms, double value, enum verdict_has has)
{
    const struct verdict_command c = {.what = VERDICT_ADD, .time_ms = time_ms, .value = value};
    return verdict_of(rules, &newest, &c, has);
}

static struct verdict count(const struct verdict_rules *rules, struct verdict_newest newest,
                            bool relative, int64_t time_ms, double value)
{
    const struct verdict_command c = {
        .what = VERDICT_COUNT, .relative = relative, .time_ms = time_ms, .value = value};
    return verdict_of(rules, &newest, &c, VERDICT_UNKNOWN);
}

static void assert_stores(struct verdict v, int64_t time_ms, double value, enum policy policy)
{
    assert_int_equal(v.kind, VERDICT_STORE);
    assert_true(v.time_ms == time_ms && v.value == value);
    assert_int_equal(v.policy, policy);
}

static void test_counts(void **state)
{
    (void)state;
    assert_stores(count(&none, empty, false, 7, -2), 7, -2, POLICY_LAST);
    assert_stores(count(&none, at_100, false, 100, 2), 100, 7, POLICY_LAST);
    assert_stores(count(&none, at_100, false, 101, 2), 101, 7, POLICY_LAST);
    assert_int_equal(count(&none, at_100, false, 99, 2).kind, VERDICT_BACKWARDS);
    assert_stores(count(&none, at_100, true, 99, 2), 100, 7, POLICY_LAST);
    struct verdict_newest huge = {true, 100, 1e308};
    assert_int_equal(count(&none, huge, true, 200, 1e308).kind, VERDICT_INFINITE);
    struct verdict_newest unknown = {true, 100, NAN};
    assert_int_equal(count(&none, unknown, true, 200, 1).kind, VERDICT_NAN);
    assert_int_equal(count(&none, unknown, false, 99, 1).kind, VERDICT_BACKWARDS);
    /* A count overwrites, whatever the series' policy, and blocks nothing. */
    const struct verdict_rules strict = {.policy = POLICY_MIN, .blocks = true, .retention_ms = 1};
    assert_stores(count(&strict, at_100, false, 100, 2), 100, 7, POLICY_LAST);
    const struct verdict_rules dull = {
        .said = true, .ignores = true, .ignore_ms = 10, .ignore_value = 1};
    assert_int_equal(count(&dull, at_100, false, 110, 1).kind, VERDICT_IGNORE);
    assert_stores(count(&dull, at_100, false, 110, 1.5), 110, 6.5, POLICY_LAST);
}

static void test_blocks(void **state)
{
    (void)state;
    const struct verdict_rules blocks = {.blocks = true};
    assert_stores(add(&blocks, empty, 7, 1, VERDICT_UNKNOWN), 7, 1, POLICY_FIRST);
    assert_stores(add(&blocks, at_100, 101, 1, VERDICT_UNKNOWN), 101, 1, POLICY_FIRST);
    assert_int_equal(add(&blocks, at_100, 100, 1, VERDICT_UNKNOWN).kind, VERDICT_DUPLICATE);
    assert_int_equal(add(&blocks, at_100, 99, 1, VERDICT_UNKNOWN).kind, VERDICT_LOOK);
    assert_int_equal(add(&blocks, at_100, 99, 1, VERDICT_HAS_NUMBER).kind, VERDICT_DUPLICATE);
    assert_stores(add(&blocks, at_100, 99, 1, VERDICT_HAS_NOT), 99, 1, POLICY_FIRST);
    /* The command's own policy stands in place of the series'. */
    struct verdict_command c = {
        .has_policy = true, .policy = POLICY_SUM, .time_ms = 99, .value = 3};
    assert_stores(verdict_of(&blocks, &at_100, &c, VERDICT_UNKNOWN), 99, 3, POLICY_SUM);
    c.blocks = true;
    const struct verdict_rules sums = {.policy = POLICY_SUM};
    assert_int_equal(verdict_of(&sums, &at_100, &c, VERDICT_HAS_NUMBER).kind, VERDICT_DUPLICATE);
    assert_stores(add(&sums, at_100, 100, 1, VERDICT_UNKNOWN), 100, 1, POLICY_SUM);
}

/* A NaN where a number stands, and nothing else. */
static void test_nan(void **state)
{
    (void)state;
    static const enum policy folds[] = {POLICY_MIN, POLICY_MAX, POLICY_SUM};
    const struct verdict_newest nan_at_100 = {true, 100, NAN};
    for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
        const struct verdict_rules rules = {.policy = folds[i]};
        assert_int_equal(add(&rules, at_100, 100, NAN, VERDICT_UNKNOWN).kind, VERDICT_NAN);
        assert_int_equal(add(&rules, at_100, 99, NAN, VERDICT_UNKNOWN).kind, VERDICT_LOOK);
        assert_int_equal(add(&rules, at_100, 99, NAN, VERDICT_HAS_NUMBER).kind, VERDICT_NAN);
        assert_int_equal(add(&rules, at_100, 99, NAN, VERDICT_HAS_NAN).kind, VERDICT_STORE);
        assert_int_equal(add(&rules, at_100, 99, NAN, VERDICT_HAS_NOT).kind, VERDICT_STORE);
        assert_int_equal(add(&rules, at_100, 101, NAN, VERDICT_UNKNOWN).kind, VERDICT_STORE);
        assert_int_equal(add(&rules, empty, 101, NAN, VERDICT_UNKNOWN).kind, VERDICT_STORE);
        assert_int_equal(add(&rules, nan_at_100, 100, NAN, VERDICT_UNKNOWN).kind, VERDICT_STORE);
        assert_stores(add(&rules, nan_at_100, 100, 7, VERDICT_UNKNOWN), 100, 7, folds[i]);
        assert_stores(add(&rules, at_100, 99, 7, VERDICT_UNKNOWN), 99, 7, folds[i]);
        const struct verdict_rules old = {.policy = folds[i], .retention_ms = 1};
        assert_int_equal(add(&old, at_100, 98, NAN, VERDICT_UNKNOWN).kind, VERDICT_OLD);
        const struct verdict_command last = {.has_policy = true, .time_ms = 100, .value = NAN};
        assert_int_equal(verdict_of(&rules, &at_100, &last, VERDICT_UNKNOWN).kind, VERDICT_STORE);
    }
    static const struct verdict_rules first = {.policy = POLICY_FIRST}, blocks = {.blocks = true};
    assert_int_equal(add(&none, at_100, 99, NAN, VERDICT_UNKNOWN).kind, VERDICT_STORE);
    assert_int_equal(add(&first, at_100, 99, NAN, VERDICT_UNKNOWN).kind, VERDICT_STORE);
    assert_int_equal(add(&blocks, nan_at_100, 100, NAN, VERDICT_UNKNOWN).kind, VERDICT_DUPLICATE);
    assert_int_equal(add(&blocks, at_100, 99, 1, VERDICT_HAS_NAN).kind, VERDICT_DUPLICATE);
}

static void test_ignores(void **state)
{
    (void)state;
    const struct verdict_rules dull = {
        .said = true, .ignores = true, .ignore_ms = 10, .ignore_value = 0.5};
    struct verdict v = add(&dull, at_100, 110, 5.5, VERDICT_UNKNOWN);
    assert_int_equal(v.kind, VERDICT_IGNORE);
    assert_true(v.time_ms == 100);
    assert_int_equal(add(&dull, at_100, 100, 4.5, VERDICT_UNKNOWN).kind, VERDICT_IGNORE);
    assert_stores(add(&dull, at_100, 111, 5, VERDICT_UNKNOWN), 111, 5, POLICY_LAST);
    assert_stores(add(&dull, at_100, 101, 5.6, VERDICT_UNKNOWN), 101, 5.6, POLICY_LAST);
    assert_stores(add(&dull, at_100, 99, 5, VERDICT_UNKNOWN), 99, 5, POLICY_LAST);
    assert_stores(add(&dull, empty, 99, 5, VERDICT_UNKNOWN), 99, 5, POLICY_LAST);
    assert_int_equal(add(&dull, at_100, 110, NAN, VERDICT_UNKNOWN).kind, VERDICT_STORE);
    const struct verdict_rules others = {
        .policy = POLICY_MAX, .ignores = true, .ignore_ms = 10, .ignore_value = 9};
    assert_stores(add(&others, at_100, 101, 5, VERDICT_UNKNOWN), 101, 5, POLICY_MAX);
    const struct verdict_rules unsaid = {.ignores = true, .ignore_ms = 10, .ignore_value = 9};
    assert_stores(add(&unsaid, at_100, 101, 5, VERDICT_UNKNOWN), 101, 5, POLICY_LAST);
    const struct verdict_rules both = {
        .blocks = true, .ignores = true, .ignore_ms = 10, .ignore_value = 9};
    assert_stores(add(&both, at_100, 101, 5, VERDICT_UNKNOWN), 101, 5, POLICY_FIRST);
    const struct verdict_rules widest = {
        .said = true, .ignores = true, .ignore_ms = INT64_MAX, .ignore_value = INFINITY};
    assert_int_equal(add(&widest, at_100, INT64_MAX, -1e308, VERDICT_UNKNOWN).kind, VERDICT_IGNORE);
}

static void test_retention(void **state)
{
    (void)state;
    const struct verdict_rules short_lived = {.retention_ms = 10};
    assert_stores(add(&short_lived, at_100, 90, 1, VERDICT_UNKNOWN), 90, 1, POLICY_LAST);
    assert_int_equal(add(&short_lived, at_100, 89, 1, VERDICT_UNKNOWN).kind, VERDICT_OLD);
    assert_stores(add(&short_lived, empty, 0, 1, VERDICT_UNKNOWN), 0, 1, POLICY_LAST);
    const struct verdict_rules longest = {.retention_ms = INT64_MAX};
    struct verdict_newest last = {true, INT64_MAX, 1};
    assert_stores(add(&longest, last, 0, 1, VERDICT_UNKNOWN), 0, 1, POLICY_LAST);
}

static void test_the_newest_point_follows(void **state)
{
    (void)state;
    struct verdict_newest n = {0};
    verdict_apply(&n, &(struct verdict){VERDICT_STORE, 10, 1, POLICY_SUM});
    assert_true(n.any && n.time_ms == 10 && n.value == 1);
    verdict_apply(&n, &(struct verdict){VERDICT_STORE, 10, 2, POLICY_SUM});
    verdict_apply(&n, &(struct verdict){VERDICT_STORE, 9, 7, POLICY_LAST});
    verdict_apply(&n, &(struct verdict){VERDICT_IGNORE, 11, 7, POLICY_LAST});
    assert_true(n.time_ms == 10 && n.value == 3);
    verdict_apply(&n, &(struct verdict){VERDICT_STORE, 11, 7, POLICY_FIRST});
    assert_true(n.time_ms == 11 && n.value == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),    cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_nan),       cmocka_unit_test(test_ignores),
        cmocka_unit_test(test_retention), cmocka_unit_test(test_the_newest_point_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
