#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/kind.h"
#include "model/name.h"
#include "model/precision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 24, ROUNDS = 200000 };

static unsigned random_state;

static unsigned random_below(unsigned n)
{
    random_state = random_state * 1103515245u + 12345u;
    return (random_state >> 8) % n;
}

/* A random text over few bytes, so that dots, slashes, stars and empty components are frequent. */
static struct slice random_text(char *out)
{
    static const char alphabet[] = "..//**ab0\0\xff";
    size_t n = random_below(TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[random_below(sizeof(alphabet) - 1)];
    return slice_make(out, n);
}

static void assert_text(struct slice got, const char *want)
{
    if (!slice_eq_str(got, want))
        fail_msg("got '%.*s', expected '%s'", (int)got.n, got.p, want);
}

static int setup(void **state)
{
    random_state = 1;
    return 0;
}

static void test_key_splits_and_joins_losslessly(void **state)
{
    char text[TEXT_MAX];
    struct buffer key;
    buffer_init(&key, 4096);
    for (int i = 0; i < ROUNDS; i++) {
        struct slice given = random_text(text), host, metric, host_again, metric_again;
        name_split_key(given, &host, &metric);
        struct name_metric m = name_split_metric(metric);
        buffer_reset(&key, 4096);
        name_join_key(host, m.stem, m.has_dimension, m.dimension, &key);
        struct slice joined = buffer_slice(&key);
        name_split_key(joined, &host_again, &metric_again);
        assert_true(slice_eq(host, host_again) && slice_eq(metric, metric_again));
        bool second_spelling = given.n > 0 && given.p[0] == '/' &&
                               slice_find(slice_from(given, 1), '/') == given.n - 1;
        assert_true(slice_eq(joined, second_spelling ? slice_from(given, 1) : given));
    }
    buffer_fini(&key);
}

static void test_every_host_and_metric_has_a_key(void **state)
{
    char host_text[TEXT_MAX], metric_text[TEXT_MAX];
    struct buffer key;
    buffer_init(&key, 4096);
    for (int i = 0; i < ROUNDS; i++) {
        struct slice host = random_text(host_text), metric = random_text(metric_text), h, m;
        host = slice_upto(host, slice_find(host, '/'));
        struct name_metric parts = name_split_metric(metric);
        buffer_reset(&key, 4096);
        name_join_key(host, parts.stem, parts.has_dimension, parts.dimension, &key);
        name_split_key(buffer_slice(&key), &h, &m);
        assert_true(slice_eq(h, host) && slice_eq(m, metric));
    }
    buffer_fini(&key);
}

static void expect_key(const char *host, const char *metric, const char *want)
{
    struct buffer key;
    buffer_init(&key, 4096);
    struct name_metric m = name_split_metric(slice_str(metric));
    name_join_key(slice_str(host), m.stem, m.has_dimension, m.dimension, &key);
    assert_text(buffer_slice(&key), want);
    buffer_fini(&key);
}

static void test_keys_of_the_corner_cases(void **state)
{
    expect_key("db1", "a.b", "db1/a.b");
    expect_key("", "x", "x");
    expect_key("", "", "");
    expect_key("db1", "", "db1/");
    expect_key("", "a/b", "/a/b");
    expect_key("", "a.b/c", "/a.b/c");
    expect_key("", "/", "//");
    expect_key("h", "a.", "h/a.");
    expect_key("h", "/x", "h//x");
}

static void test_metric_splits(void **state)
{
    struct name_metric m = name_split_metric(SLICE_LIT("host.queries.c.1374c6821ead6f47.time_us"));
    assert_text(m.stem, "host.queries.c.1374c6821ead6f47");
    assert_text(m.dimension, "time_us");
    m = name_split_metric(SLICE_LIT("a."));
    assert_text(m.stem, "a");
    assert_true(m.has_dimension && m.dimension.n == 0);
    m = name_split_metric(SLICE_LIT("a"));
    assert_text(m.stem, "a");
    assert_true(!m.has_dimension && m.dimension.n == 0);

    assert_text(name_collector(SLICE_LIT("host.queries.c.1.time_us")), "queries");
    assert_text(name_collector(SLICE_LIT("host.cpu")), "cpu");
    assert_text(name_collector(SLICE_LIT("host")), "");
    assert_text(name_collector(SLICE_LIT("host..x")), "");
    assert_text(name_collector(SLICE_LIT("")), "");
}

static void test_variable_components(void **state)
{
    const char *yes[] = {"1374c6821ead6f47", "DEADBEEF", "deadbeef", "0", "42", "00000000", "*"};
    const char *no[] = {"", "c", "dead", "abcdefa", "deadbeeg", "1a", "-1", "**", "1.2", "time_us"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(name_is_variable(slice_str(yes[i])));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(name_is_variable(slice_str(no[i])));
}

static void expect_recognised(const char *stem, const char *pattern, const char *want_category,
                              const char *want_item)
{
    struct buffer category, item;
    buffer_init(&category, 4096);
    buffer_init(&item, 4096);
    struct slice p = pattern != NULL ? slice_str(pattern) : SLICE_LIT("");
    name_recognise(slice_str(stem), pattern != NULL ? &p : NULL, &category, &item);
    assert_text(buffer_slice(&category), want_category);
    assert_text(buffer_slice(&item), want_item);
    buffer_fini(&category);
    buffer_fini(&item);
}

static void test_recognition(void **state)
{
    expect_recognised("host.queries.c.1374c6821ead6f47", NULL, "host.queries.c.*",
                      "1374c6821ead6f47");
    expect_recognised("host.cpu", NULL, "host.cpu", "");
    expect_recognised("host.disk.0.part.12", NULL, "host.disk.*.part.*", "0.12");
    expect_recognised("cpu", NULL, "cpu", "");
    expect_recognised("1374c6821ead6f47", NULL, "*", "1374c6821ead6f47");
    expect_recognised("", NULL, "", "");
    expect_recognised("a.*.b", NULL, "a.*.b", "*");
    expect_recognised("a*b.c", NULL, "a*b.c", "");
    expect_recognised("host.procs.mariadbd", "host.procs.*", "host.procs.*", "mariadbd");
    expect_recognised("host.procs.", "host.procs.*", "host.procs.*", "");
    /* A pattern's own components stay constant, also where they look variable. */
    expect_recognised("a.17.x", "a.17.*", "a.17.*", "x");
}

/* A random pattern that fits text: some components become '*'. */
static struct slice random_pattern(struct slice text, char *out)
{
    struct slice parts[TEXT_MAX + 1];
    int count = name_components(text, parts, TEXT_MAX + 1);
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        struct slice part = random_below(3) == 0 ? SLICE_LIT("*") : parts[i];
        if (i > 0)
            out[n++] = '.';
        memcpy(out + n, part.p, part.n);
        n += part.n;
    }
    return slice_make(out, n);
}

static void test_category_and_item_give_back_the_stem(void **state)
{
    char text[TEXT_MAX], pattern_text[2 * TEXT_MAX];
    struct buffer category, item, stem;
    buffer_init(&category, 4096);
    buffer_init(&item, 4096);
    buffer_init(&stem, 4096);
    for (int i = 0; i < ROUNDS; i++) {
        struct slice given = random_text(text), pattern = random_pattern(given, pattern_text);
        bool declared = i % 2 == 0;
        buffer_reset(&category, 4096);
        buffer_reset(&item, 4096);
        buffer_reset(&stem, 4096);
        name_recognise(given, declared ? &pattern : NULL, &category, &item);
        name_join_stem(buffer_slice(&category), buffer_slice(&item), &stem);
        assert_true(slice_eq(buffer_slice(&stem), given));
        assert_true(name_matches(buffer_slice(&category), given));
        if (declared)
            assert_true(slice_eq(buffer_slice(&category), pattern));
    }
    buffer_fini(&category);
    buffer_fini(&item);
    buffer_fini(&stem);
}

/* The model: cut both at the dots, compare place by place. */
static bool model_matches(struct slice pattern, struct slice text)
{
    struct slice a[TEXT_MAX + 1], b[TEXT_MAX + 1];
    int n = name_components(pattern, a, TEXT_MAX + 1);
    if (n != name_components(text, b, TEXT_MAX + 1))
        return false;
    for (int i = 0; i < n; i++)
        if (!slice_eq_str(a[i], "*") && !slice_eq(a[i], b[i]))
            return false;
    return true;
}

static void test_matching_agrees_with_a_model(void **state)
{
    char a[2 * TEXT_MAX], b[TEXT_MAX];
    int matched = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct slice text = random_text(b);
        struct slice pattern = i % 2 == 0 ? random_pattern(text, a) : random_text(a);
        assert_int_equal(name_matches(pattern, text), model_matches(pattern, text));
        matched += name_matches(pattern, text);
    }
    assert_in_range(matched, ROUNDS / 2, ROUNDS - 1);
    assert_true(name_matches(SLICE_LIT("host.queries.*.*"), SLICE_LIT("host.queries.c.17")));
    assert_false(name_matches(SLICE_LIT("host.queries.*"), SLICE_LIT("host.queries.c.17")));
    assert_false(name_matches(SLICE_LIT("host.*.c"), SLICE_LIT("host.c")));
    assert_true(name_matches(SLICE_LIT("*"), SLICE_LIT("")));
}

static void test_components_are_limited(void **state)
{
    struct slice parts[3];
    assert_int_equal(name_components(SLICE_LIT("a..b"), parts, 3), 3);
    assert_text(parts[1], "");
    assert_int_equal(name_components(SLICE_LIT("a.b.c.d"), parts, 3), LT_ELIMIT);
    assert_int_equal(name_components(SLICE_LIT(""), parts, 3), 1);
}

static void test_patterns_are_checked(void **state)
{
    const char *why = NULL;
    const char *good[] = {"host.procs.*", "*", "cpu", "a.*.b.*", "host.queries.c.17"};
    const char *bad[] = {"", ".", "a.", ".a", "a..b", "a.b*", "**", "a.*b.c"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(name_check_pattern(slice_str(good[i]), &why), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        why = NULL;
        assert_int_equal(name_check_pattern(slice_str(bad[i]), &why), LT_EINVALID);
        assert_non_null(why);
    }
    char longest[NAME_BYTES_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(name_check_pattern(slice_make(longest, NAME_BYTES_MAX), &why), 0);
    assert_int_equal(name_check_pattern(slice_make(longest, NAME_BYTES_MAX + 1), &why),
                     LT_EINVALID);
}

static void test_kinds_and_policies_have_texts(void **state)
{
    enum kind kind = KIND_GAUGE;
    assert_int_equal(kind_parse(SLICE_LIT("DELTA"), &kind), 0);
    assert_int_equal(kind, KIND_DELTA);
    assert_int_equal(kind_parse(SLICE_LIT("deltas"), &kind), LT_EINVALID);
    for (int k = KIND_GAUGE; k <= KIND_COUNTER; k++) {
        assert_int_equal(kind_parse(slice_str(kind_text((enum kind)k)), &kind), 0);
        assert_int_equal(kind, k);
    }
    enum policy policy = POLICY_LAST;
    assert_int_equal(policy_parse(SLICE_LIT("block"), &policy), LT_EINVALID);
    for (int p = 0; p < POLICY_COUNT; p++) {
        assert_int_equal(policy_parse(slice_str(policy_text((enum policy)p)), &policy), 0);
        assert_int_equal(policy, p);
    }
}

static void test_precisions_are_parsed(void **state)
{
    static const struct {
        const char *text;
        uint32_t precision;
    } good[] = {{"0", 0},           {"0.0", 0},    {"0.001", 1000000},
                {"1e-3", 1000000},  {"1e-9", 1},   {"0.1", PRECISION_MAX},
                {"0.0003", 300000}, {"1.5e-9", 1}, {"0.0000000019999", 1},
                {"0.07", 70000000}};
    uint32_t precision;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(precision_parse(slice_str(good[i].text), &precision), 0);
        assert_int_equal(precision, good[i].precision);
    }
    static const char *const bad[] = {"", "x", "nan", "-0.001", "0.11", "1", "1e-10", "0.001x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(precision_parse(slice_str(bad[i]), &precision), LT_EINVALID);
    /* What people write comes back as they wrote it. */
    for (uint32_t p = 1; p <= PRECISION_MAX; p += 1 + p / 1000) {
        char text[32];
        snprintf(text, sizeof(text), "%.9f", (double)p / PRECISION_ONE);
        assert_int_equal(precision_parse(slice_str(text), &precision), 0);
        assert_int_equal(precision, p);
        assert_true(precision_error(p) == strtod(text, NULL));
    }
}

static void test_policies_fold(void **state)
{
    assert_true(policy_fold(POLICY_LAST, 1, 2) == 2);
    assert_true(policy_fold(POLICY_FIRST, 1, 2) == 1);
    assert_true(policy_fold(POLICY_MIN, 1, 2) == 1 && policy_fold(POLICY_MIN, 2, 1) == 1);
    assert_true(policy_fold(POLICY_MAX, 1, 2) == 2 && policy_fold(POLICY_MAX, 2, 1) == 2);
    assert_true(policy_fold(POLICY_SUM, 1, 2) == 3);
    for (int p = POLICY_MIN; p <= POLICY_SUM; p++) {
        assert_true(policy_fold((enum policy)p, NAN, 2) == 2);
        assert_true(policy_fold((enum policy)p, 2, NAN) == 2);
    }
    assert_true(isnan(policy_fold(POLICY_LAST, 1, NAN)));
    assert_true(isnan(policy_fold(POLICY_FIRST, NAN, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_splits_and_joins_losslessly),
        cmocka_unit_test(test_every_host_and_metric_has_a_key),
        cmocka_unit_test(test_keys_of_the_corner_cases),
        cmocka_unit_test(test_metric_splits),
        cmocka_unit_test(test_variable_components),
        cmocka_unit_test(test_recognition),
        cmocka_unit_test(test_category_and_item_give_back_the_stem),
        cmocka_unit_test(test_matching_agrees_with_a_model),
        cmocka_unit_test(test_components_are_limited),
        cmocka_unit_test(test_patterns_are_checked),
        cmocka_unit_test(test_kinds_and_policies_have_texts),
        cmocka_unit_test(test_precisions_are_parsed),
        cmocka_unit_test(test_policies_fold),
    };
    return cmocka_run_group_tests_name("model", tests, setup, NULL);
}
