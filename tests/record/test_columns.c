#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/name.h"
#include "record/format.h"
#include "base/hex.h"
#include "record/record.h"
#include "record/value.h"
#include "record/varint.h"
#include "support_random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The columns of version 2: each codec by itself, and names, which come back to the byte whatever
 * they are. */

/* ---- varints ---- */

/* ADR 0003: seven bits a byte, the lowest first. */
static uint32_t plain_varint(unsigned char *out, uint64_t x)
{
    uint32_t n = 0;
    for (; x >= 0x80; x >>= 7)
        out[n++] = (unsigned char)(0x80 | (x & 0x7f));
    out[n++] = (unsigned char)x;
    return n;
}

static void check_varint(uint64_t x, size_t behind)
{
    unsigned char plain[VARINT_ROOM + 1];
    char written[VARINT_ROOM];
    uint32_t n = plain_varint(plain, x);
    assert_int_equal(varint_write(written, x), n);
    assert_int_equal(varint_bytes(x), n);
    assert_memory_equal(written, plain, n);
    /* At the input's end, and with bytes behind it. */
    unsigned char *input = malloc(n + behind);
    memcpy(input, plain, n);
    memset(input + n, 0xff, behind);
    struct varint_input in = {input, input + n + behind};
    uint64_t back = ~x;
    assert_true(varint_read(&in, &back));
    assert_true(back == x && in.at == input + n);
    for (uint32_t cut = 0; cut < n && behind == 0; cut++) {
        in = (struct varint_input){input, input + cut};
        assert_false(varint_read(&in, &back));
    }
    free(input);
}

static void test_varints(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t edge = bits == 64 ? 0 : UINT64_C(1) << bits;
        for (size_t behind = 0; behind < 10; behind++) {
            check_varint(edge, behind);
            check_varint(edge - 1, behind);
            check_varint(random_u64() & (edge - 1), behind);
        }
    }
    static const unsigned char too_large[] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0x02};
    struct varint_input in = {too_large, too_large + sizeof(too_large)};
    uint64_t x;
    assert_false(varint_read(&in, &x));
    /* Not the shortest form, but a number. */
    static const unsigned char padded[] = {0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    in = (struct varint_input){padded, padded + sizeof(padded)};
    assert_true(varint_read(&in, &x));
    assert_true(x == 5 && in.at == in.end);
}

/* ---- hex ---- */

static void test_hex_takes_digits_and_nothing_else(void **state)
{
    (void)state;
    for (uint32_t digits = 1; digits <= 70; digits++) {
        for (int c = 0; c < 256; c++) {
            char text[80], bytes[80] = {0}, back[80] = {0};
            for (uint32_t i = 0; i < digits; i++)
                text[i] = "0123456789abcdef"[random_below(16)];
            text[random_below(digits)] = (char)c;
            bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            assert_int_equal(hex_pack(bytes, text, digits), good);
            if (!good)
                continue;
            for (uint32_t i = 0; i < digits; i++) {
                unsigned byte = (unsigned char)bytes[i / 2];
                unsigned half = i % 2 == 0 ? byte >> 4 : byte & 15;
                assert_int_equal(text[i], "0123456789abcdef"[half]);
            }
            if (digits % 2 == 1)
                assert_int_equal(bytes[digits / 2] & 15, 0);
            hex_unpack(back, bytes, digits);
            assert_memory_equal(back, text, digits);
            assert_int_equal(back[digits], 0);
        }
    }
}

/* ---- values ---- */

static uint32_t check_value(double value)
{
    char written[VALUE_ROOM];
    uint32_t n = value_write(written, value);
    assert_in_range(n, 1, VALUE_BYTES_MAX);
    unsigned char *input = malloc(n);
    memcpy(input, written, n);
    struct varint_input in = {input, input + n};
    double back = 0;
    assert_true(value_read(&in, &back));
    assert_true(in.at == in.end);
    assert_memory_equal(&back, &value, sizeof(value));
    for (uint32_t cut = 0; cut < n; cut++) {
        in = (struct varint_input){input, input + cut};
        assert_false(value_read(&in, &back));
    }
    free(input);
    return n;
}

static void test_values_come_back_to_the_bit(void **state)
{
    (void)state;
    const double exact[] = {
        0,          -0.0,  1,       -1,     0x1p53,        -0x1p53,
        0x1p53 + 2, 1e300, -1e-300, 5e-324, NAN,           -NAN,
        0.1,        1e-6,  1e-7,    0.3,    123456.789012, 1.7976931348623157e308};
    for (size_t i = 0; i < ARRAY_LEN(exact); i++)
        check_value(exact[i]);
    for (int round = 0; round < 200000; round++) {
        uint64_t bits = random_u64();
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isinf(value))
            check_value(value);
        check_value((double)(int64_t)(bits >> random_below(63)));
        check_value(-(double)(int64_t)(bits >> random_below(63)));
    }
}

static void test_decimals_are_short(void **state)
{
    (void)state;
    for (int round = 0; round < 100000; round++) {
        char text[64];
        int places = 1 + (int)random_below(6);
        snprintf(text, sizeof(text), "%s%u.%0*u", random_below(2) == 0 ? "-" : "",
                 random_below(100000), places, random_below(10));
        uint32_t n = check_value(strtod(text, NULL));
        assert_true(n <= 7);
    }
    assert_int_equal(check_value(-64), 1 + 1);
    assert_int_equal(check_value(31), 1);
    assert_int_equal(check_value(0.25), 2);
    assert_int_equal(check_value(1 / 3.0), 9);
}

static void test_what_is_no_value(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x0f", 1},                                 /* seven places */
        {"\x11", 1},                                 /* raw, but with something in it */
        {"\x01\0\0\0\0\0\0\xf0\x7f", 9},             /* an infinity */
        {"\x84\x80\x80\x80\x80\x80\x80\x40", 8},     /* 2^53 + 1 */
        {"\xa3\x80\x80\x80\x80\x80\x80\x80\x04", 9}, /* (2^53 + 1) / 10 */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const unsigned char *p = (const unsigned char *)bad[i].bytes;
        struct varint_input in = {p, p + bad[i].n};
        double value;
        if (value_read(&in, &value))
            fail_msg("case %zu is read as %g", i, value);
    }
}

/* ---- names ---- */

enum { NAMES = 400 };

struct text {
    char bytes[NAME_BYTES_MAX];
    size_t n;
};

static void append(struct text *t, const char *piece)
{
    for (; *piece != '\0' && t->n < NAME_BYTES_MAX; piece++)
        t->bytes[t->n++] = *piece;
}

static void append_number(struct text *t, uint64_t x, unsigned base, unsigned digits_min)
{
    char digits[65];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    for (unsigned n = 0; x > 0 || n < digits_min; n++, x /= base)
        digits[--at] = "0123456789abcdef"[x % base];
    append(t, digits + at);
}

/* Words, numbers and hex of all lengths; any bytes now and then. */
static void random_name(struct text *t)
{
    static const char *const words[] = {
        "host.queries.c.",  ".time_us", "deadbeef", "cafe", "a", ".",
        "0123456789ABCDEF", "-",        "f00"};
    t->n = 0;
    unsigned count = random_below(8) == 0 ? random_below(60) : random_below(6);
    for (unsigned i = 0; i < count; i++) {
        append(t, words[random_below(ARRAY_LEN(words))]);
        if (random_below(3) > 0)
            append_number(t, random_u64() >> random_below(64), random_below(2) == 0 ? 16 : 10,
                          random_below(17));
    }
    if (t->n > 0 && random_below(4) == 0)
        t->bytes[random_below((unsigned)t->n)] = (char)random_below(256);
}

/* Few texts around digits that repeat: what batches look like. */
static void usual_name(struct text *t, unsigned i)
{
    static const char *const dimensions[] = {".time_us", ".tput", ".errors", ".rows"};
    t->n = 0;
    append(t, "host.queries.c.");
    append_number(t, (i / 4 % 97 + 1) * 0x9e3779b97f4a7c15u, 16, 16);
    append(t, dimensions[i % 4]);
}

static void check_names(struct record_builder *b, struct record_reader *r, const struct text *names,
                        uint32_t count)
{
    struct slice bytes;
    struct record record;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(record_builder_point(b, false, SLICE_LIT("h"),
                                              slice_make(names[i].bytes, names[i].n), i, i,
                                              POLICY_LAST),
                         0);
    assert_int_equal(record_builder_finish(b, 1, 1, &bytes), 0);
    assert_true(bytes.n <= record_builder_bytes(b));
    assert_int_equal(record_read(r, bytes, &record), 0);
    assert_int_equal(record.points.count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct slice got = record.points.metrics[record.points.metric_index[i]];
        assert_int_equal(got.n, names[i].n);
        assert_memory_equal(got.p, names[i].bytes, names[i].n);
    }
}

static void test_names_come_back_to_the_byte(void **state)
{
    (void)state;
    struct text *names = calloc(NAMES, sizeof(*names));
    struct record_builder *b;
    struct record_reader *r;
    assert_int_equal(record_builder_create(1000 * 1000, &b), 0);
    assert_int_equal(record_reader_create(&r), 0);
    for (int round = 0; round < 600; round++) {
        uint32_t count = 1 + random_below(NAMES);
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0 && random_below(3) == 0)
                names[i] = names[random_below(i)];
            else if (round % 2 == 0)
                random_name(&names[i]);
            else
                usual_name(&names[i], i);
        }
        record_builder_reset(b);
        check_names(b, r, names, count);
    }
    record_builder_destroy(&b);
    record_reader_destroy(&r);
    free(names);
}

static size_t bytes_of_usual(uint32_t count, uint32_t repeat)
{
    struct record_builder *b;
    struct slice bytes;
    assert_int_equal(record_builder_create(1000 * 1000, &b), 0);
    for (uint32_t i = 0; i < count * repeat; i++) {
        struct text name;
        usual_name(&name, i % count);
        assert_int_equal(record_builder_point(b, false, SLICE_LIT("h"),
                                              slice_make(name.bytes, name.n), 5, 1, POLICY_LAST),
                         0);
    }
    assert_int_equal(record_builder_finish(b, 1, 1, &bytes), 0);
    size_t n = bytes.n;
    record_builder_destroy(&b);
    return n;
}

static void test_names_take_what_they_should(void **state)
{
    (void)state;
    /* A name: its shape, and the digits once for its four dimensions; a value: one byte. */
    enum { FIXED = 200, COUNT = 4 * 97 };
    assert_in_range(bytes_of_usual(COUNT, 1), COUNT * 4, COUNT * 4 + FIXED);
    /* Names that come again in the same order take nothing but their values. */
    assert_in_range(bytes_of_usual(COUNT, 5), COUNT * (4 + 4), COUNT * (4 + 4) + FIXED);
}

static size_t bytes_around(const char *before, const char *behind)
{
    enum { COUNT = 200 };
    struct record_builder *b;
    struct slice bytes;
    assert_int_equal(record_builder_create(1000 * 1000, &b), 0);
    for (unsigned n = 0; n < COUNT; n++) {
        struct text name = {.n = 0};
        append(&name, before);
        append_number(&name, 0xaaa + n % 6 + n / 6 % 6 * 0x10 + n / 36 * 0x100, 16, 3);
        append(&name, behind);
        assert_int_equal(record_builder_point(b, false, SLICE_LIT("h"),
                                              slice_make(name.bytes, name.n), 5, 1, POLICY_LAST),
                         0);
    }
    assert_int_equal(record_builder_finish(b, 1, 1, &bytes), 0);
    size_t n = bytes.n / COUNT;
    record_builder_destroy(&b);
    return n;
}

/* Runs of four digits with a decimal one anywhere among them, or of eight. */
static void test_what_is_taken_for_digits(void **state)
{
    (void)state;
    assert_in_range(bytes_around("host.procs.1", ".cpu_and_memory"), 4, 5);
    assert_in_range(bytes_around("host.procs.", "1.cpu_and_memory"), 4, 5);
    assert_in_range(bytes_around("host.procs.x", "7/cpu_and_memory"), 4, 5);
    assert_in_range(bytes_around("host.procs.fffff", ".cpu_and_memory"), 6, 7);
    assert_in_range(bytes_around("host.procs.", ".cpu_and_memory"), 20, 30);
}

/* Names of half a kilobyte for a byte or two each: neither side makes much of them. */
static void test_texts_are_bounded(void **state)
{
    (void)state;
    struct record_builder *b;
    struct record_reader *r;
    struct record record;
    struct slice bytes;
    struct text name;
    assert_int_equal(record_builder_create(1000 * 1000, &b), 0);
    assert_int_equal(record_reader_create(&r), 0);
    int err = 0;
    uint32_t points = 0;
    for (; err == 0; points++) {
        memset(name.bytes, '.', sizeof(name.bytes));
        snprintf(name.bytes, 17, "%016x", points);
        name.bytes[16] = '.';
        err = record_builder_point(b, false, SLICE_LIT("h"),
                                   slice_make(name.bytes, sizeof(name.bytes)), 1, 1, POLICY_LAST);
    }
    assert_int_equal(err, LT_ELIMIT);
    assert_in_range(points, RECORD_TEXTS_BYTES_MAX / NAME_BYTES_MAX,
                    RECORD_TEXTS_BYTES_MAX / NAME_BYTES_MAX + 1);
    assert_int_equal(record_builder_finish(b, 1, 1, &bytes), 0);
    assert_int_equal(record_read(r, bytes, &record), 0);
    assert_int_equal(record.points.count, points - 1);
    record_builder_destroy(&b);
    record_reader_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_hex_takes_digits_and_nothing_else),
        cmocka_unit_test(test_values_come_back_to_the_bit),
        cmocka_unit_test(test_decimals_are_short),
        cmocka_unit_test(test_what_is_no_value),
        cmocka_unit_test(test_names_come_back_to_the_byte),
        cmocka_unit_test(test_names_take_what_they_should),
        cmocka_unit_test(test_what_is_taken_for_digits),
        cmocka_unit_test(test_texts_are_bounded),
    };
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
