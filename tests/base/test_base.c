#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/ascending.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/sum.h"
#include "base/vec.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_buffer_limit_is_sticky_and_harmless(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 8);
    buffer_append_str(&b, "12345678");
    assert_int_equal(b.error, 0);
    buffer_append_str(&b, "9");
    assert_int_equal(b.error, LT_ELIMIT);
    assert_int_equal(b.len, 8);
    buffer_append_str(&b, "");
    buffer_reset(&b, 8);
    assert_int_equal(b.error, 0);
    buffer_append_str(&b, "abc");
    buffer_consume(&b, 1);
    assert_true(slice_eq_str(buffer_slice(&b), "bc"));
    buffer_fini(&b);
}

static bool u64_eq(const void *context, const void *key, uint32_t position)
{
    return ((const uint64_t *)context)[position] == *(const uint64_t *)key;
}

static void test_hash_index_finds_what_was_added(void **state)
{
    (void)state;
    VEC(uint64_t) keys = {0};
    struct hash_index index;
    hash_index_init(&index);
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t key = i * 7919;
        /* Masked, so that most hashes collide. */
        uint64_t hash = hash_u64(key) & 0xff;
        assert_int_equal(hash_index_find(&index, hash, u64_eq, keys.v, &key), HASH_NONE);
        assert_true(VEC_PUSH(&keys, key));
        assert_int_equal(hash_index_add(&index, hash, (uint32_t)i), 0);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t key = i * 7919;
        uint64_t hash = hash_u64(key) & 0xff;
        assert_int_equal(hash_index_find(&index, hash, u64_eq, keys.v, &key), i);
    }
    /* Taken out from the middle of long chains, nothing else is lost. */
    for (uint64_t i = 0; i < 3000; i += 3)
        hash_index_remove(&index, hash_u64(i * 7919) & 0xff, (uint32_t)i);
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t key = i * 7919;
        uint64_t hash = hash_u64(key) & 0xff;
        assert_int_equal(hash_index_find(&index, hash, u64_eq, keys.v, &key),
                         i % 3 == 0 ? HASH_NONE : i);
    }
    assert_int_equal(index.count, 2000);
    VEC_FINI(&keys);
    hash_index_fini(&index);
}

static void test_arena_aligns_and_copies(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (size_t i = 1; i < 3000; i++) {
        char *p = arena_alloc(&a, i * 13 % 7000 + 1, 16);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0xee, i * 13 % 7000 + 1);
    }
    struct slice copy = arena_copy(&a, SLICE_LIT("hello"));
    assert_true(slice_eq_str(copy, "hello"));
    arena_fini(&a);
}

static void expect_f64(const char *text, double want)
{
    double got = -1;
    assert_int_equal(number_parse_f64(slice_str(text), &got), 0);
    assert_memory_equal(&got, &want, sizeof(got));
}

static void test_number_parses_what_strtod_does_and_no_more(void **state)
{
    (void)state;
    expect_f64("0", 0.0);
    expect_f64("-0", -0.0);
    expect_f64("1.5", 1.5);
    expect_f64("1e3", 1000);
    expect_f64(".5", .5);
    expect_f64("5.", 5);
    expect_f64("123456789012345678", 123456789012345678.0);
    expect_f64("4.9406564584124654e-324", 4.9406564584124654e-324);
    expect_f64("1.7976931348623157e308", 1.7976931348623157e308);
    for (const char *const *nan = (const char *const[]){"nan", "NaN", "-nan", "-NAN", NULL};
         *nan != NULL; nan++) {
        double x = 7;
        assert_int_equal(number_parse_f64(slice_str(*nan), &x), 0);
        assert_true(isnan(x) && !signbit(x));
    }
    const char *bad[] = {"",      "-",      "+1",  "inf", "-inf", "Infinity", "0x10",
                         " 1",    "1 ",     "1e",  "1e+", ".",    "-.",       "1.2.3",
                         "1e999", "nan(1)", "1,5", "1_0", "+nan", "--nan"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double x = 7;
        assert_int_equal(number_parse_f64(slice_str(bad[i]), &x), LT_EPARSE);
        assert_true(x == 7);
    }
    int64_t n = 0;
    assert_int_equal(number_parse_i64(SLICE_LIT("-9223372036854775808"), &n), 0);
    assert_true(n == INT64_MIN);
    assert_int_equal(number_parse_i64(SLICE_LIT("9223372036854775808"), &n), LT_EPARSE);
    assert_int_equal(number_parse_i64(SLICE_LIT("--1"), &n), LT_EPARSE);
}

/* ---- numbers of random characters, against the plainest way to read them ---- */

static size_t random_number_text(char *out)
{
    static const char characters[] = "00123456789012345678901234567890123456789-.e+ /:x\xb0\xf9";
    size_t n = (size_t)rand() % 24;
    bool clean = rand() % 3 > 0; /* else anything may stand anywhere */
    for (size_t i = 0; i < n; i++)
        out[i] = clean ? (char)('0' + rand() % 10) : characters[rand() % (sizeof(characters) - 1)];
    if (clean && n > 1 && rand() % 3 == 0)
        out[0] = '-';
    if (clean && n > 2 && rand() % 3 == 0)
        out[1 + (size_t)rand() % (n - 1)] = '.';
    if (clean && n > 1 && rand() % 20 == 0)
        out[(size_t)rand() % n] = characters[rand() % (sizeof(characters) - 1)];
    return n;
}

static bool plain_i64(struct slice s, int64_t *out)
{
    size_t at = s.n > 0 && s.p[0] == '-';
    __int128 x = 0;
    if (at == s.n || s.n - at > 20)
        return false;
    for (size_t i = at; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        x = x * 10 + (s.p[i] - '0');
    }
    x = at > 0 ? -x : x;
    *out = (int64_t)x;
    return x >= INT64_MIN && x <= INT64_MAX;
}

/* A number by our grammar: what strtod takes as a whole, if it has no character but these. */
static bool plain_f64(const char *text, double *out)
{
    char *end;
    if (strspn(text, "0123456789.eE+-") != strlen(text) || text[0] == '+')
        return false;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && !isinf(*out);
}

static void test_numbers_agree_with_the_plain_way(void **state)
{
    (void)state;
    srand(5);
    int good = 0, bad = 0;
    for (int round = 0; round < 400000; round++) {
        char text[32];
        size_t n = random_number_text(text);
        /* Of just this size, so that the sanitizer sees a read beyond it. */
        char *exact = malloc(n > 0 ? n : 1);
        memcpy(exact, text, n);
        text[n] = '\0';
        int64_t i = 7, plain_i = 7;
        double f = 7, plain = 7;
        bool is_i = plain_i64(slice_make(text, n), &plain_i), is_f = plain_f64(text, &plain);
        assert_int_equal(number_parse_i64(slice_make(exact, n), &i), is_i ? 0 : LT_EPARSE);
        assert_int_equal(number_parse_f64(slice_make(exact, n), &f), is_f ? 0 : LT_EPARSE);
        assert_true(i == (is_i ? plain_i : 7));
        assert_memory_equal(&f, is_f ? &plain : &(double){7}, sizeof(f));
        good += is_f;
        bad += !is_f;
        free(exact);
    }
    assert_true(good > 100000 && bad > 100000);
}

static void test_number_round_trips(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = 0;
        for (int j = 0; j < 5; j++)
            bits = bits << 15 ^ (uint64_t)rand();
        double x, back;
        memcpy(&x, &bits, sizeof(x));
        if (i % 3 == 0)
            x = rand() / 100.0;
        if (isnan(x) || isinf(x))
            continue;
        char text[NUMBER_F64_BYTES_MAX];
        size_t n = number_format_f64(x, text);
        assert_int_equal(n, strlen(text));
        assert_int_equal(number_parse_f64(slice_make(text, n), &back), 0);
        assert_memory_equal(&x, &back, sizeof(x));
    }
    char text[NUMBER_F64_BYTES_MAX];
    number_format_f64(9007199254740992.0, text);
    assert_string_equal(text, "9007199254740992");
    number_format_f64(0.1, text);
    assert_string_equal(text, "0.1");
}

static void test_ascending_finds_as_a_walk_does(void **state)
{
    (void)state;
    uint32_t v[40];
    for (uint32_t count = 0; count < ARRAY_LEN(v); count++) {
        for (uint32_t i = 0; i < count; i++) /* the last one is as large as can be */
            v[i] = i + 1 == count ? UINT32_MAX : 3 * i + 1;
        for (uint64_t x = 0; x < 3 * ARRAY_LEN(v) + 3; x++) {
            uint64_t want = x < 3 * ARRAY_LEN(v) ? x : UINT32_MAX - 1 + (x - 3 * ARRAY_LEN(v));
            uint32_t at = 0;
            while (at < count && v[at] < want)
                at++;
            assert_int_equal(ascending_find(v, count, want), at);
            if (want <= UINT32_MAX)
                assert_int_equal(ascending_has(v, count, (uint32_t)want),
                                 at < count && v[at] == want);
        }
    }
}

static double random_double(int magnitude)
{
    double x = (rand() - RAND_MAX / 2) / 7.0 * (rand() % 1000 + 1);
    return ldexp(x, rand() % (2 * magnitude + 1) - magnitude);
}

/* As the paper has it, with its branch. */
static void neumaier_add(struct sum *s, double x)
{
    double t = s->value + x;
    s->lost += fabs(s->value) >= fabs(x) ? (s->value - t) + x : (x - t) + s->value;
    s->value = t;
}

static void test_sum_is_the_paper_s(void **state)
{
    (void)state;
    srand(2);
    for (int round = 0; round < 2000; round++) {
        struct sum sum = {0}, want = {0};
        int magnitude = round % 500;
        for (int i = 0; i < 50; i++) {
            double x = rand() % 10 == 0 ? 0 : random_double(magnitude);
            sum_add(&sum, x);
            neumaier_add(&want, x);
            assert_memory_equal(&sum, &want, sizeof(sum));
        }
    }
}

/* Whatever the order, and whoever merges: integers to the bit, others to the last digit or so. */
static void test_sum_is_the_same_in_any_order(void **state)
{
    (void)state;
    enum { VALUES = 1000, PARTS = 4 };
    srand(3);
    for (int round = 0; round < 200; round++) {
        bool integers = round % 2 == 0;
        double values[VALUES];
        long double exact = 0;
        for (int i = 0; i < VALUES; i++) {
            values[i] = integers ? rand() % 2000001 - 1000000 : random_double(8);
            exact += values[i];
        }
        for (int order = 0; order < 4; order++) {
            struct sum parts[PARTS] = {0};
            for (int i = VALUES - 1; i > 0; i--) {
                int other = rand() % (i + 1);
                double swap = values[i];
                values[i] = values[other];
                values[other] = swap;
            }
            for (int i = 0; i < VALUES; i++)
                sum_add(&parts[rand() % PARTS], values[i]);
            for (int i = 1; i < PARTS; i++)
                sum_merge(&parts[0], &parts[i]);
            double total = sum_total(&parts[0]);
            if (integers)
                assert_true(total == (double)exact);
            else
                assert_true(fabsl(total - exact) <= 2.3e-16L * fabsl(exact) + 1e-25L);
        }
    }
}

static void test_sum_at_the_edge_of_doubles(void **state)
{
    (void)state;
    static const double edges[] = {DBL_MAX,  -DBL_MAX, DBL_MAX / 2, -DBL_MAX / 2,
                                   DBL_MIN,  -DBL_MIN, 1,           -1,
                                   INFINITY, 0,        -0.0,        ldexp(1, 970)};
    for (unsigned i = 0; i < ARRAY_LEN(edges); i++)
        for (unsigned j = 0; j < ARRAY_LEN(edges); j++) {
            struct sum sum = {0};
            sum_add(&sum, edges[i]);
            sum_add(&sum, edges[j]);
            assert_true(sum_total(&sum) == edges[i] + edges[j]);
        }
}

/* The digits that printf and strtod agree on. */
static void check_shortest(double x)
{
    char text[NUMBER_F64_BYTES_MAX], expected[NUMBER_F64_BYTES_MAX];
    if (x == rint(x))
        return; /* integers are printed in full */
    number_format_f64(x, text);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(expected, sizeof(expected), "%.*g", digits, x);
        if (strtod(expected, NULL) == x)
            break;
    }
    assert_string_equal(text, expected);
}

static void test_number_is_printed_as_printf_would(void **state)
{
    (void)state;
    srand(2);
    for (int i = 0; i < 200000; i++) {
        double n = rand(), m = rand() % 100000 + 1;
        check_shortest(n / m + 0.5); /* averages */
        check_shortest(-n / (m * 1e6) - 1e-3);
        check_shortest((n + 0.5) / pow(10, rand() % 8));
        check_shortest(ldexp(n / 0x1p31 + 1, rand() % 80 - 25));
    }
    for (int e = -20; e <= 60; e++) /* where doubles below are denser than above */
        for (int i = -3; i <= 3; i++) {
            double x = ldexp(1, e);
            for (int k = i; k != 0; k += k < 0 ? 1 : -1)
                x = nextafter(x, k < 0 ? 0 : INFINITY);
            check_shortest(x);
        }
    for (int e = -6; e <= 15; e++)
        for (int i = -3; i <= 3; i++) {
            double x = pow(10, e);
            for (int k = i; k != 0; k += k < 0 ? 1 : -1)
                x = nextafter(x, k < 0 ? 0 : INFINITY);
            check_shortest(x);
        }
}

static void check_integer(int64_t x)
{
    char text[NUMBER_I64_BYTES_MAX], expected[32];
    int n = snprintf(expected, sizeof(expected), "%" PRId64, x);
    assert_int_equal(number_format_i64(x, text), n);
    assert_string_equal(text, expected);
}

static void test_integer_is_printed_as_printf_would(void **state)
{
    (void)state;
    srand(3);
    check_integer(INT64_MIN);
    check_integer(INT64_MAX);
    for (int64_t x = -1000; x <= 1000; x++)
        check_integer(x);
    for (int64_t power = 10; power <= INT64_MAX / 10; power *= 10)
        for (int64_t i = -2; i <= 2; i++) {
            check_integer(power + i);
            check_integer(-power + i);
        }
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        check_integer((int64_t)bits >> rand() % 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer_limit_is_sticky_and_harmless),
        cmocka_unit_test(test_hash_index_finds_what_was_added),
        cmocka_unit_test(test_arena_aligns_and_copies),
        cmocka_unit_test(test_number_parses_what_strtod_does_and_no_more),
        cmocka_unit_test(test_numbers_agree_with_the_plain_way),
        cmocka_unit_test(test_number_round_trips),
        cmocka_unit_test(test_ascending_finds_as_a_walk_does),
        cmocka_unit_test(test_sum_is_the_paper_s),
        cmocka_unit_test(test_sum_is_the_same_in_any_order),
        cmocka_unit_test(test_sum_at_the_edge_of_doubles),
        cmocka_unit_test(test_number_is_printed_as_printf_would),
        cmocka_unit_test(test_integer_is_printed_as_printf_would),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
