#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/draw.h"

#include <math.h>

static void assert_drawn(const struct buffer *out, const char *expected)
{
    if (!slice_eq_str(buffer_slice(out), expected))
        fail_msg("'%.*s' is not '%s'", (int)out->len, out->data, expected);
}

static void test_text_is_aligned_and_cut_by_characters(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1024);
    draw_left(&out,
              SLICE_LIT("\xc3\xa4"
                        "b\n"),
              4);
    draw_right(&out, SLICE_LIT("7"), 3);
    draw_left(&out, SLICE_LIT("abcdef"), 4);
    assert_drawn(&out, "\xc3\xa4"
                       "b    7abc…");
    buffer_reset(&out, 0);
    const double values[] = {0, 1, 8, NAN, 4};
    draw_sparkline(&out, values, ARRAY_LEN(values));
    assert_drawn(&out, "▁▁█ ▄");
    buffer_fini(&out);
}

static void test_numbers_are_short(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *expected;
    } cases[] = {
        {0, "0"},
        {12, "12"},
        {1234567890123, "1234567890123"},
        {0.5, "0.500"},
        {12.345, "12.35"},
        {1234.56, "1234.6"},
        {123456.7, "123457"},
        {1e-9, "1e-09"},
        {1e300, "1e+300"},
        {-3.25, "-3.25"},
    };
    char text[DRAW_NUMBER_BYTES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = draw_number(cases[i].x, text);
        assert_int_equal(n, strlen(cases[i].expected));
        assert_string_equal(text, cases[i].expected);
    }
    assert_int_equal(draw_number(NAN, text), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_aligned_and_cut_by_characters),
        cmocka_unit_test(test_numbers_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
