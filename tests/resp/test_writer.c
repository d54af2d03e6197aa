#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "resp/resp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What all writers make of the same calls, one element a line. */
static void write_all(struct resp_writer w)
{
    resp_simple(w, SLICE_LIT("OK"));
    resp_simple(w, SLICE_LIT("a\r\nb"));
    resp_error(w, SLICE_LIT("ERR bad\nthing"));
    resp_error_printf(w, "ERR '%s' is %d", "x\r", 7);
    resp_integer(w, 0);
    resp_integer(w, INT64_MIN);
    resp_integer(w, INT64_MAX);
    resp_bulk(w, slice_make("a\0\r\n", 4));
    resp_bulk(w, slice_make(NULL, 0));
    resp_bulk_str(w, "text");
    resp_null(w);
    resp_null_array(w);
    resp_bool(w, true);
    resp_bool(w, false);
    resp_double(w, 1.5);
    resp_double(w, 3);
    resp_double(w, NAN);
    resp_double(w, INFINITY);
    resp_double(w, -INFINITY);
    resp_sample_value(w, 1.5);
    resp_sample_value(w, 0.1);
    resp_sample_value(w, -NAN);
    resp_array(w, 0);
    resp_array(w, UINT32_MAX);
    resp_map(w, 2);
    resp_map(w, UINT32_MAX);
    resp_set(w, 3);
    resp_verbatim(w, SLICE_LIT("a\r\nb"));
    resp_entries(w, 2);
    resp_entry(w, SLICE_LIT("a"), 1);
    resp_integer(w, 1);
    resp_entry(w, SLICE_LIT("b"), 2);
    resp_integers(w, 2, 2);
}

#define SAME_IN_BOTH                                                                               \
    "+OK\r\n+a  b\r\n-ERR bad thing\r\n-ERR 'x ' is 7\r\n:0\r\n:-9223372036854775808\r\n"          \
    ":9223372036854775807\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n$4\r\ntext\r\n"

static const char golden_2[] = SAME_IN_BOTH
    "$-1\r\n*-1\r\n:1\r\n:0\r\n$3\r\n1.5\r\n$1\r\n3\r\n$3\r\nnan\r\n$3\r\ninf\r\n$4\r\n-inf\r\n"
    "+1.5\r\n+0.1\r\n+NaN\r\n*0\r\n*4294967295\r\n*4\r\n*8589934590\r\n*3\r\n$4\r\na\r\nb\r\n"
    "*2\r\n*2\r\n$1\r\na\r\n:1\r\n*3\r\n$1\r\nb\r\n:2\r\n:2\r\n";

static const char golden_3[] =
    SAME_IN_BOTH "_\r\n_\r\n#t\r\n#f\r\n,1.5\r\n,3\r\n,nan\r\n,inf\r\n,-inf\r\n"
                 ",1.5\r\n,0.1\r\n,nan\r\n*0\r\n*4294967295\r\n%2\r\n%4294967295\r\n~3\r\n"
                 "=8\r\ntxt:a\r\nb\r\n"
                 "%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n:2\r\n:2\r\n";

static void expect_golden(uint8_t version, const char *golden, size_t n)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    write_all((struct resp_writer){.out = &out, .version = version});
    assert_int_equal(out.error, 0);
    assert_int_equal(out.len, n);
    assert_memory_equal(out.data, golden, n);
    buffer_fini(&out);
}

static void test_equal_integers_are_as_if_written_one_by_one(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, -1, 1700000000000, INT64_MIN};
    for (uint32_t count = 0; count < 300; count++) {
        struct buffer at_once, one_by_one;
        buffer_init(&at_once, 1 << 20);
        buffer_init(&one_by_one, 1 << 20);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            resp_integers((struct resp_writer){&at_once, 2}, numbers[i], count);
            for (uint32_t j = 0; j < count; j++)
                resp_integer((struct resp_writer){&one_by_one, 2}, numbers[i]);
        }
        assert_int_equal(at_once.error, 0);
        assert_true(slice_eq(buffer_slice(&at_once), buffer_slice(&one_by_one)));
        buffer_fini(&at_once);
        buffer_fini(&one_by_one);
    }
    struct buffer small;
    buffer_init(&small, 100);
    resp_integers((struct resp_writer){&small, 2}, 1700000000000, 7);
    assert_int_equal(small.error, LT_ELIMIT);
    buffer_fini(&small);
}

static void test_resp2_golden(void **state)
{
    (void)state;
    expect_golden(2, golden_2, sizeof(golden_2) - 1);
}

static void test_resp3_golden(void **state)
{
    (void)state;
    expect_golden(3, golden_3, sizeof(golden_3) - 1);
}

static void test_a_long_error_is_cut_and_still_one_line(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1 << 20);
    char *name = malloc(5001);
    memset(name, 'n', 5000);
    name[5000] = '\0';
    resp_error_printf((struct resp_writer){.out = &out, .version = 2}, "ERR %s", name);
    assert_true(out.len > 1000 && out.len < 1100);
    assert_memory_equal(out.data + out.len - 3, "n\r\n", 3);
    free(name);
    buffer_fini(&out);
}

static void test_beyond_the_limit_no_half_element_is_left(void **state)
{
    (void)state;
    for (size_t max = 0; max < 300; max++) {
        struct buffer out;
        buffer_init(&out, max);
        struct resp_writer w = {.out = &out, .version = 3};
        resp_verbatim(w, SLICE_LIT("0123456789"));
        resp_bulk(w, SLICE_LIT("0123456789"));
        resp_bulk(w, SLICE_LIT("0123456789"));
        static const char whole[] = "=14\r\ntxt:0123456789\r\n"
                                    "$10\r\n0123456789\r\n$10\r\n0123456789\r\n";
        assert_true(out.len == 0 || out.len == 21 || out.len == 38 || out.len == 55);
        assert_true(out.len == 0 || memcmp(out.data, whole, out.len) == 0);
        assert_int_equal(out.error, out.len == 55 ? 0 : LT_ELIMIT);
        buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_integers_are_as_if_written_one_by_one),
        cmocka_unit_test(test_resp2_golden),
        cmocka_unit_test(test_resp3_golden),
        cmocka_unit_test(test_a_long_error_is_cut_and_still_one_line),
        cmocka_unit_test(test_beyond_the_limit_no_half_element_is_left),
    };
    return cmocka_run_group_tests_name("resp/writer", tests, NULL, NULL);
}
