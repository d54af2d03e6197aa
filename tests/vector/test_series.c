#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "vector/bits.h"
#include "vector/column.h"
#include "vector/series.h"
#include "vector/support_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define HOUR_MS INT64_C(1424444400000)

struct world {
    struct vector_codec *codec;
    struct buffer out;
    int64_t *times_ms;
    double *values;
};

static int world_make(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_int_equal(vector_codec_create(&w->codec), 0);
    buffer_init(&w->out, SIZE_MAX);
    w->times_ms = malloc(VECTOR_POINTS_MAX * sizeof(w->times_ms[0]));
    w->values = malloc(VECTOR_POINTS_MAX * sizeof(w->values[0]));
    assert_non_null(w->times_ms);
    assert_non_null(w->values);
    *state = w;
    return 0;
}

static int world_end(void **state)
{
    struct world *w = *state;
    vector_codec_destroy(&w->codec);
    buffer_fini(&w->out);
    free(w->times_ms);
    free(w->values);
    free(w);
    return 0;
}

/* Encodes, and decodes from memory that ends where the vector ends, and from memory that does not.
 * Returns the bytes. */
static size_t assert_round_trip(struct world *w, int64_t from_ms, uint32_t count)
{
    struct vector_points in = {count, w->times_ms, w->values};
    buffer_reset(&w->out, SIZE_MAX);
    assert_int_equal(vector_encode(w->codec, from_ms, &in, &w->out), 0);
    size_t bytes = w->out.len;
    char *exact = malloc(bytes);
    assert_non_null(exact);
    memcpy(exact, w->out.data, bytes);
    buffer_append(&w->out, "what follows in the row", 23);
    for (unsigned round = 0; round < 2; round++) {
        struct slice rest = round == 0 ? slice_make(exact, bytes) : buffer_slice(&w->out);
        struct slice skipped = rest;
        size_t after = rest.n - bytes;
        uint32_t counted;
        assert_int_equal(vector_count(rest, &counted), 0);
        assert_int_equal(counted, count);
        assert_int_equal(vector_skip(&skipped), 0);
        assert_int_equal(skipped.n, after);
        struct vector_points out;
        assert_int_equal(vector_decode(w->codec, from_ms, &rest, &out), 0);
        assert_int_equal(rest.n, after);
        assert_int_equal(out.count, count);
        assert_memory_equal(out.times_ms, w->times_ms, count * sizeof(out.times_ms[0]));
        for (uint32_t i = 0; i < count; i++)
            assert_true(same_double(w->values[i], out.values[i]));
    }
    free(exact);
    return bytes;
}

/* ---- shapes of times and values, all combinations of which are tried ---- */

enum { TIME_SHAPES = 8, VALUE_SHAPES = 21 };

/* Gaps in ms. */
static int64_t gap_of(unsigned shape, uint32_t i)
{
    uint64_t r = random_u64();
    switch (shape) {
    case 0:
        return 1000;
    case 1:
        return 1000 * (1 + (int64_t)(r % 600));
    case 2:
        return r % 50 == 0 ? 3000 : 1000;
    case 3:
        return 990 + (int64_t)(r % 21);
    case 4:
        return 60000;
    case 5:
        return 3600000 * (1 + (int64_t)(r % 3));
    case 6:
        return 1 + (int64_t)(r % (UINT64_C(1) << (r >> 58) % 40));
    default:
        return i == 1 ? INT64_C(1) << 40 : 1000;
    }
}

static double value_of(unsigned shape, double before)
{
    uint64_t r = random_u64();
    double step = (double)(int64_t)(r % 201) - 100;
    switch (shape) {
    case 0:
        return 42;
    case 1:
        return (double)(r % 1000);
    case 2:
        return step * 1e4;
    case 3:
        return before + (double)(r % 50);
    case 4:
        return before + step;
    case 5:
        return 25769803776.0 + 4096 * step;
    case 6:
        return before + 4096 * step;
    case 7:
        return r % 40 == 0 ? (double)(r % 7777777) : 0;
    case 8:
        return (double)(r % 100000) / 100;
    case 9:
        return (double)(r % 1000000000000000) / 1e15;
    case 10:
        return odd_value();
    case 11:
        return r % 100 == 0 ? odd_value() : (double)(r % 100);
    case 12:
        return (double)NAN;
    case 13:
        return -0.0;
    case 14:
        return before + 1e-3 * step;
    case 15:
        return ldexp(step, (int)(r % 60) - 30);
    case 16:
        return r % 2 == 0 ? 9007199254740992.0 : -9007199254740992.0;
    case 17:
        return (double)(int64_t)r;
    case 20:
        return (double)(r % 1000) * 4096;
    case 18:
        return r % 300 == 0 ? before + 5 : before;
    default:
        return (double)(r % 4);
    }
}

static void world_fill(struct world *w, int64_t from_ms, uint32_t count, unsigned time_shape,
                       unsigned value_shape)
{
    int64_t unit = time_shape == 3 || time_shape == 6 ? 1
                   : time_shape == 4                  ? 60000
                   : time_shape == 5                  ? 3600000
                                                      : 1000;
    int64_t at = from_ms + unit * (int64_t)(random_u64() % (time_shape == 7 ? 5000 : 50));
    double value = value_shape == 6 ? 0 : 1000;
    for (uint32_t i = 0; i < count; i++) {
        at += i > 0 ? gap_of(time_shape, i) : 0;
        w->times_ms[i] = at;
        w->values[i] = value = value_of(value_shape, value);
    }
}

static void test_every_point_comes_back(void **state)
{
    struct world *w = *state;
    static const uint32_t counts[] = {1, 2, 3, 5, 12, 16, 17, 60, 127, 128, 129, 700};
    for (unsigned t = 0; t < TIME_SHAPES; t++)
        for (unsigned v = 0; v < VALUE_SHAPES; v++)
            for (size_t c = 0; c < ARRAY_LEN(counts); c++)
                for (unsigned again = 0; again < (counts[c] < 20 ? 20 : 3); again++) {
                    world_fill(w, HOUR_MS, counts[c], t, v);
                    assert_round_trip(w, HOUR_MS, counts[c]);
                }
}

static void test_the_ends_of_time_and_of_counts(void **state)
{
    struct world *w = *state;
    for (uint32_t i = 0; i < VECTOR_POINTS_MAX; i++) {
        w->times_ms[i] = INT64_MAX - VECTOR_POINTS_MAX + 1 + i;
        w->values[i] = 7;
    }
    assert_true(assert_round_trip(w, 0, VECTOR_POINTS_MAX) < 30);
    for (uint32_t i = 0; i < VECTOR_POINTS_MAX; i++)
        w->values[i] = odd_value();
    assert_round_trip(w, INT64_MAX - VECTOR_POINTS_MAX + 1, VECTOR_POINTS_MAX);
    for (uint32_t n = 1; n < 20; n++) {
        w->times_ms[0] = 0;
        for (uint32_t i = 1; i < n; i++)
            w->times_ms[i] = INT64_MAX - n + i + 1;
        assert_round_trip(w, 0, n);
        for (uint32_t i = 0; i < n; i++)
            w->times_ms[i] = INT64_MAX - n + i + 1;
        assert_round_trip(w, INT64_MAX - n + 1, n);
        assert_round_trip(w, 0, n);
    }
    w->times_ms[0] = w->times_ms[1] - 1;
    assert_round_trip(w, w->times_ms[0], 1);
}

static void test_decimals_of_every_length_come_back(void **state)
{
    struct world *w = *state;
    char text[40];
    for (unsigned round = 0; round < 20000; round++) {
        uint32_t count = 1 + (uint32_t)(random_u64() % 10);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t r = random_u64();
            (void)snprintf(text, sizeof(text), "%s%.*f", r % 2 == 0 ? "-" : "",
                           (int)(random_u64() % 16),
                           (double)(r >> 11) / pow(10, (double)(random_u64() % 17)));
            w->values[i] = strtod(text, NULL);
            w->times_ms[i] = HOUR_MS + i * INT64_C(1000);
        }
        assert_round_trip(w, HOUR_MS, count);
    }
}

/* ---- sizes ---- */

static size_t size_of(struct world *w, uint32_t count, unsigned time_shape, unsigned value_shape)
{
    random_state = 1;
    world_fill(w, HOUR_MS, count, time_shape, value_shape);
    return assert_round_trip(w, HOUR_MS, count);
}

static void test_sizes(void **state)
{
    struct world *w = *state;
    /* Six points in an hour, three digits: 3 bytes, 12 bits, 5 gaps of 10 and 6 values of 10. */
    assert_true(size_of(w, 6, 1, 1) <= 19);
    /* What is constant or regular costs nothing a point. */
    assert_true(size_of(w, 3600, 0, 0) <= 12);
    assert_true(size_of(w, 60, 4, 0) <= 12);
    assert_true(size_of(w, 3600, 0, 12) <= 22);
    assert_true(size_of(w, 3600, 0, 13) <= 22);
    for (uint32_t i = 0; i < 3600; i++)
        w->values[i] = 1e6 + 3 * i;
    assert_true(assert_round_trip(w, HOUR_MS, 3600) <= 16);
    /* Runs cost what their ends do: a change in 300 seconds, a few bytes each. */
    assert_true(size_of(w, 3600, 0, 18) <= 120);
    /* A hole in 50 seconds: bits, and few of them set. */
    assert_true(size_of(w, 3600, 2, 0) <= 250);
    /* Pages of 4 KiB within 201: a byte a point. The same as a walk, too. */
    assert_true(size_of(w, 3600, 0, 5) <= 3600 + 100);
    assert_true(size_of(w, 3600, 0, 6) <= 3600 + 100);
    /* Two decimal places: 17 bits. */
    assert_true(size_of(w, 3600, 0, 8) <= 3600 * 17 / 8 + 20);
    /* What nothing is known of costs what it is. */
    assert_true(size_of(w, 3600, 0, 17) <= 3600 * 8 + 40);
}

/* ---- golden bytes: they stand in tables and must stay readable ---- */

struct golden {
    const char *what;
    uint32_t count;
    int64_t times_ms[20]; /* after HOUR_MS */
    double values[20];
    const char *hex;
};

static const struct golden goldens[] = {
#include "golden_series.inc"
};

static size_t from_hex(const char *hex, char *out)
{
    size_t n = 0;
    for (const char *p = hex; *p != '\0'; p += 2) {
        unsigned byte;
        assert_int_equal(sscanf(p, "%2x", &byte), 1);
        out[n++] = (char)byte;
    }
    return n;
}

static void hex_print(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        print_message("%02x", (uint8_t)s.p[i]);
    print_message("\n");
}

static void test_golden_bytes(void **state)
{
    struct world *w = *state;
    char bytes[400];
    for (size_t g = 0; g < ARRAY_LEN(goldens); g++) {
        const struct golden *golden = &goldens[g];
        for (uint32_t i = 0; i < golden->count; i++) {
            w->times_ms[i] = HOUR_MS + golden->times_ms[i];
            w->values[i] = golden->values[i];
        }
        size_t n = from_hex(golden->hex, bytes);
        struct vector_points in = {golden->count, w->times_ms, w->values}, out;
        buffer_reset(&w->out, SIZE_MAX);
        assert_int_equal(vector_encode(w->codec, HOUR_MS, &in, &w->out), 0);
        bool same = slice_eq(buffer_slice(&w->out), slice_make(bytes, n));
        if (!same) {
            print_message("%s: ", golden->what);
            hex_print(buffer_slice(&w->out));
        }
        assert_true(same);
        struct slice rest = slice_make(bytes, n);
        assert_int_equal(vector_decode(w->codec, HOUR_MS, &rest, &out), 0);
        assert_int_equal(rest.n, 0);
        assert_int_equal(out.count, golden->count);
        assert_memory_equal(out.times_ms, w->times_ms, golden->count * sizeof(out.times_ms[0]));
        for (uint32_t i = 0; i < golden->count; i++)
            assert_true(same_double(golden->values[i], out.values[i]));
    }
}

/* 130 points: the fewest that are compressed, but for two. As zstd may change, its frame must stay
 * readable, and what is in it is pinned. */
static const char golden_zstd[] = "5181013128b52ffd600c003d0100980001000c020080202c0102002c012c022c"
                                  "01000700b52501dc8b18d40c806040908530074707";
static const char golden_zstd_raw[] =
    "0001000c020080202c0102000102000102002c0200010200010200012c0001020001020001022c010200010200"
    "0102002c0200010200010200012c0001020001020001022c0102000102000102002c0200010200010200012c00"
    "01020001020001022c0102000102000102002c0200010200010200012c0001020001020001022c010200010200"
    "010200010000000000000000000100000000000000000001000000000000000000010000000000000000000100"
    "000000000000000001000000000000000000010000000000000000000100000000000000000001000000000000"
    "00000001000000000000000000010000000000000000000100000000000000000001000000000000000000";

static void test_golden_zstd(void **state)
{
    struct world *w = *state;
    for (uint32_t i = 0; i < 130; i++) {
        w->times_ms[i] = HOUR_MS + 1000 * (int64_t)i;
        w->values[i] = 4096 * (i % 10 == 0 ? 300 : i % 3);
    }
    char bytes[400];
    char raw[400];
    char want[400];
    struct vector_points in = {130, w->times_ms, w->values}, out;
    buffer_reset(&w->out, SIZE_MAX);
    assert_int_equal(vector_encode(w->codec, HOUR_MS, &in, &w->out), 0);
    /* Head, two bytes of count, one of length. */
    size_t n = ZSTD_decompress(raw, sizeof(raw), w->out.data + 4, w->out.len - 4);
    assert_false(ZSTD_isError(n));
    bool same = slice_eq(slice_make(raw, n), slice_make(want, from_hex(golden_zstd_raw, want)));
    if (!same) {
        hex_print(buffer_slice(&w->out));
        hex_print(slice_make(raw, n));
    }
    assert_true(same);
    struct slice rest = slice_make(bytes, from_hex(golden_zstd, bytes));
    assert_int_equal(vector_decode(w->codec, HOUR_MS, &rest, &out), 0);
    assert_int_equal(out.count, 130);
    assert_memory_equal(out.times_ms, w->times_ms, 130 * sizeof(out.times_ms[0]));
    assert_memory_equal(out.values, w->values, 130 * sizeof(out.values[0]));
}

/* ---- malformed ---- */

/* An error that says so, or points that keep the header's promises. *in moves only with success. */
static void assert_safe(struct world *w, int64_t from_ms, struct slice bytes)
{
    char *exact = malloc(bytes.n + 1);
    assert_non_null(exact);
    memcpy(exact + 1, bytes.p, bytes.n);
    struct slice start = slice_make(exact + 1, bytes.n);
    struct slice rest = start;
    struct slice skipped = start;
    struct vector_points out;
    int err = vector_decode(w->codec, from_ms, &rest, &out);
    int err_skip = vector_skip(&skipped);
    if (err == 0) {
        assert_int_equal(err_skip, 0);
        assert_ptr_equal(rest.p, skipped.p);
        assert_true(out.count >= 1 && out.count <= VECTOR_POINTS_MAX);
        assert_true(out.times_ms[0] >= from_ms);
        for (uint32_t i = 1; i < out.count; i++)
            assert_true(out.times_ms[i] > out.times_ms[i - 1]);
    } else {
        assert_true(err == LT_ECORRUPT || err == LT_EVERSION);
        assert_ptr_equal(rest.p, start.p);
        assert_int_equal(rest.n, start.n);
    }
    free(exact);
}

static void test_malformed_vectors_are_refused(void **state)
{
    struct world *w = *state;
    static const uint32_t counts[] = {1, 2, 7, 16, 17, 50, 128, 200};
    for (unsigned round = 0; round < 4000; round++) {
        uint32_t count = counts[random_u64() % ARRAY_LEN(counts)];
        int64_t from_ms = round % 7 == 0 ? INT64_MAX - (INT64_C(1) << 44) : HOUR_MS;
        if (round % 7 == 0)
            from_ms -= from_ms % 3600000;
        world_fill(w, from_ms, count, round % TIME_SHAPES, round / 8 % VALUE_SHAPES);
        struct vector_points in = {count, w->times_ms, w->values}, out;
        buffer_reset(&w->out, SIZE_MAX);
        assert_int_equal(vector_encode(w->codec, from_ms, &in, &w->out), 0);
        struct slice cut = slice_upto(buffer_slice(&w->out), random_u64() % w->out.len);
        char *exact = malloc(cut.n + 1);
        assert_non_null(exact);
        memcpy(exact, cut.p, cut.n);
        cut.p = exact;
        assert_int_equal(vector_decode(w->codec, from_ms, &cut, &out), LT_ECORRUPT);
        assert_int_equal(vector_skip(&cut), LT_ECORRUPT);
        free(exact);
        for (unsigned flips = 0; flips < 8; flips++) {
            size_t at = random_u64() % (flips % 2 == 0 ? w->out.len : 1 + w->out.len / 8);
            w->out.data[at] = (char)((uint8_t)w->out.data[at] ^ 1u << random_u64() % 8);
            assert_safe(w, from_ms, buffer_slice(&w->out));
        }
    }
    /* Any bytes, behind each of the heads. */
    for (unsigned round = 0; round < 200000; round++) {
        char bytes[64];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)random_u64();
        if (round % 2 == 0)
            bytes[1] = (char)(random_u64() % 20), bytes[2] = 40;
        assert_safe(w, round % 3 == 0 ? INT64_MAX - 1000 : 0,
                    slice_make(bytes, 1 + random_u64() % 63));
    }
}

static void test_versions_and_limits(void **state)
{
    struct world *w = *state;
    struct vector_points out;
    struct slice in = slice_make("\x02\x00\x00\x00\x00", 5);
    assert_int_equal(vector_decode(w->codec, 0, &in, &out), LT_EVERSION);
    assert_int_equal(vector_skip(&in), LT_EVERSION);
    in = slice_make("", 0);
    assert_int_equal(vector_decode(w->codec, 0, &in, &out), LT_ECORRUPT);
    /* A million points and one more, all the same. */
    in = slice_make("\x11\x80\x80\x40\x06\x00\x01\x00\x00\x00\x0e", 11);
    assert_int_equal(vector_decode(w->codec, 0, &in, &out), LT_ECORRUPT);
    in = slice_make("\x11\xff\xff\x3f\x07\x00\x01\x00\x00\x00\x0e\x00", 12);
    assert_int_equal(vector_decode(w->codec, 0, &in, &out), LT_ECORRUPT); /* bytes are left */
    in = slice_make("\x11\xff\xff\x3f\x06\x00\x01\x00\x00\x00\x0e", 11);
    assert_int_equal(vector_decode(w->codec, 0, &in, &out), 0);
    assert_int_equal(out.count, VECTOR_POINTS_MAX);
    assert_int_equal(out.times_ms[VECTOR_POINTS_MAX - 1], (VECTOR_POINTS_MAX - 1) * INT64_C(1000));
    assert_true(out.values[VECTOR_POINTS_MAX - 1] == 7);
}

static int decode_err(struct vector_codec *codec, const char *bytes, size_t n)
{
    struct slice in = slice_make(bytes, n);
    struct vector_points out;
    return vector_decode(codec, 0, &in, &out);
}

/* A form that is none, and shifts that C does not define. */
static void test_small_vectors_of_no_form(void **state)
{
    struct world *w = *state;
    assert_int_equal(decode_err(w->codec, "\x04\x00\x03\x7e\x00\x00", 6), 0);
    assert_int_equal(decode_err(w->codec, "\x04\x00\x03\x80\x01\x00\x00", 7), LT_ECORRUPT);
    assert_int_equal(decode_err(w->codec, "\x04\x00\x03\x01\x00\x00", 6), LT_ECORRUPT);
    assert_int_equal(decode_err(w->codec, "\x04\x00\x06\x00\x00\x00", 6), LT_ECORRUPT);
    assert_int_equal(decode_err(w->codec, "\x04\x00\x07\x00\x00\x00", 6), LT_ECORRUPT);
}

/* Two points, each way that times can be wrong; the right one beside it. */
static void test_times_must_rise(void **state)
{
    (void)state;
    struct vector_codec *codec; /* one that has no memory for more than a few */
    assert_int_equal(vector_codec_create(&codec), 0);
    assert_int_equal(decode_err(codec, "\x11\x01\x06\x00\x01\x00\x00\x00\x0e", 9), 0);
    assert_int_equal(decode_err(codec, "\x11\x01\x06\x00\x00\x00\x00\x00\x0e", 9), LT_ECORRUPT);
    static const char column[] = "\x19\x01\x08\x01\x00\x00\x02\x00\x00\x00\x0e";
    static const char column_equal[] = "\x19\x01\x08\x01\x00\x00\x00\x00\x00\x00\x0e";
    assert_int_equal(decode_err(codec, column, 11), 0);
    assert_int_equal(decode_err(codec, column_equal, 11), LT_ECORRUPT);
    static const char bitmap[] = "\x15\x01\x07\x00\x07\x81\x00\x00\x00\x0e";
    static const char bitmap_of_three[] = "\x15\x01\x07\x00\x07\x83\x00\x00\x00\x0e";
    static const char bitmap_of_one[] = "\x15\x01\x07\x00\x07\x80\x00\x00\x00\x0e";
    static const char no_last[] = "\x15\x01\x07\x00\x07\x03\x00\x00\x00\x0e";
    static const char no_first[] = "\x15\x01\x07\x00\x07\xc0\x00\x00\x00\x0e";
    static const char beyond_last[] = "\x15\x01\x07\x00\x06\x81\x00\x00\x00\x0e";
    assert_int_equal(decode_err(codec, bitmap, 10), 0);
    assert_int_equal(decode_err(codec, bitmap_of_three, 10), LT_ECORRUPT);
    assert_int_equal(decode_err(codec, bitmap_of_one, 10), LT_ECORRUPT);
    assert_int_equal(decode_err(codec, no_last, 10), LT_ECORRUPT);
    assert_int_equal(decode_err(codec, no_first, 10), LT_ECORRUPT);
    assert_int_equal(decode_err(codec, beyond_last, 10), LT_ECORRUPT);
    char full[116] = "\x15\x01\x6f\x00\xc7\x06";
    memset(full + 6, 0xff, 105);
    memcpy(full + 110, "\x00\x00\x00\x0e", 4);
    assert_int_equal(decode_err(codec, full, 114), LT_ECORRUPT);
    vector_codec_destroy(&codec);
}

static void test_nans_of_any_bits_are_one(void **state)
{
    struct world *w = *state;
    uint64_t bits = 0xfff123456789abcdULL;
    for (uint32_t i = 0; i < 40; i++) {
        w->times_ms[i] = i * INT64_C(1000);
        w->values[i] = (double)NAN;
    }
    size_t bytes = assert_round_trip(w, 0, 40);
    memcpy(&w->values[7], &bits, sizeof(bits));
    assert_int_equal(assert_round_trip(w, 0, 40), bytes);
}

/* A frame that says it holds far more than its points can take is not given the memory. */
static void test_a_bomb_is_refused(void **state)
{
    struct world *w = *state;
    static const char zeros[1 << 20];
    char packed[4096];
    size_t n = ZSTD_compress(packed, sizeof(packed), zeros, sizeof(zeros), 3);
    assert_false(ZSTD_isError(n));
    buffer_reset(&w->out, SIZE_MAX);
    char head[16];
    char *p = head;
    *p++ = 0x51;
    p = varint_store(p, 99);
    p = varint_store(p, n);
    buffer_append(&w->out, head, (size_t)(p - head));
    buffer_append(&w->out, packed, n);
    struct slice in = buffer_slice(&w->out);
    struct vector_points out;
    assert_int_equal(vector_decode(w->codec, 0, &in, &out), LT_ECORRUPT);
}

/* ---- columns and bits, in the forms that vectors choose seldom ---- */

static void test_columns_of_every_form_and_width(void **state)
{
    struct world *w = *state;
    uint64_t x[70], r[70], back[70];
    for (unsigned round = 0; round < 40000; round++) {
        uint32_t n = 1 + (uint32_t)(random_u64() % 70);
        unsigned width = round % 65;
        uint64_t factor = round % 5 == 0 ? 1 + random_u64() % 5000 : 1;
        uint64_t base = round % 3 == 0 ? random_u64() : 0;
        for (uint32_t i = 0; i < n; i++)
            x[i] = base + (random_u64() & bits_mask(width)) * factor;
        struct column_form form = {.deltas = (round & 1) != 0,
                                   .zigzag = (round & 2) != 0,
                                   .planes = (round & 4) != 0,
                                   .scaled = (round & 8) != 0};
        struct column column;
        column_plan(x, n, form, r, &column);
        buffer_reset(&w->out, SIZE_MAX);
        column_write(&column, &w->out);
        assert_int_equal(w->out.len, column_bytes(&column));
        char *exact = malloc(w->out.len);
        assert_non_null(exact);
        memcpy(exact, w->out.data, w->out.len);
        struct slice in = slice_make(exact, w->out.len);
        assert_int_equal(column_read(&in, n, back), 0);
        assert_int_equal(in.n, 0);
        assert_memory_equal(x, back, n * sizeof(x[0]));
        in = slice_make(exact, w->out.len - 1);
        assert_int_equal(column_read(&in, n, back), LT_ECORRUPT);
        free(exact);
    }
}

/* -2^63 has no opposite, and a scale of 0 would make all numbers one. */
static void test_columns_at_their_edges(void **state)
{
    struct world *w = *state;
    uint64_t x[] = {0, UINT64_C(1) << 63, 0, UINT64_C(1) << 63}, r[4], back[4];
    for (unsigned i = 0; i < 8; i++) {
        struct column_form form = {
            .deltas = (i & 1) != 0, .zigzag = (i & 2) != 0, .planes = (i & 4) != 0, .scaled = true};
        struct column column;
        column_plan(x, 4, form, r, &column);
        buffer_reset(&w->out, SIZE_MAX);
        column_write(&column, &w->out);
        struct slice in = buffer_slice(&w->out);
        assert_int_equal(column_read(&in, 4, back), 0);
        assert_memory_equal(x, back, sizeof(x));
    }
    struct slice in = slice_make("\x0c\x01\x00\x03\x05\x06", 6);
    assert_int_equal(column_read(&in, 2, back), 0);
    assert_true(back[0] == 15 && back[1] == 18);
    in = slice_make("\x0c\x01\x00\x00\x05\x06", 6);
    assert_int_equal(column_read(&in, 2, back), LT_ECORRUPT);
    in = slice_make("\x10\x01\x00\x05\x06", 5);
    assert_int_equal(column_read(&in, 2, back), LT_ECORRUPT);
    in = slice_make("\x04\x09\x00eighteen of planes.", 21);
    assert_int_equal(column_read(&in, 2, back), LT_ECORRUPT);
}

static void test_varints(void **state)
{
    (void)state;
    char bytes[VARINT_BYTES_MAX];
    for (unsigned bit = 0; bit < 64; bit++)
        for (unsigned off = 0; off < 3; off++) {
            uint64_t x = (UINT64_C(1) << bit) + off - 1;
            size_t n = (size_t)(varint_store(bytes, x) - bytes);
            assert_int_equal(n, varint_bytes(x));
            struct slice in = slice_make(bytes, n);
            uint64_t back = 0;
            assert_int_equal(varint_load(&in, &back), 0);
            assert_true(back == x && in.n == 0);
            in = slice_make(bytes, n - 1);
            assert_int_equal(varint_load(&in, &back), LT_ECORRUPT);
        }
    struct slice in = slice_make("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    uint64_t x;
    assert_int_equal(varint_load(&in, &x), LT_ECORRUPT);
}

/* ---- rounding ---- */

/* Exact: a product of two doubles has 106 bits, this has 113. */
static bool within(double rounded, double value, double error)
{
    __float128 difference = (__float128)rounded - value;
    __float128 allowed = (__float128)error * value;
    difference = difference < 0 ? -difference : difference;
    return difference <= (allowed < 0 ? -allowed : allowed);
}

/* How many digits it takes to tell the number. */
static int digits_of(double value)
{
    char text[40];
    for (int digits = 1; digits < 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            return digits;
    }
    return 17;
}

static double any_value(unsigned round)
{
    uint64_t r = random_u64();
    switch (round % 5) {
    case 0:
        return odd_value();
    case 1:
        return (double)(int64_t)(r % 2000001) - 1000000;
    case 2:
        return (double)(int64_t)r;
    case 3:
        return ldexp((double)(int64_t)r, -(int)(random_u64() % 120));
    default:
        return (double)(r % 100000) / 1000;
    }
}

static void test_rounding_keeps_its_bound(void **state)
{
    (void)state;
    static const double errors[] = {0.9,  0.5,  0.34, 0.1,  0.05,  0.01,
                                    5e-3, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15};
    unsigned changed = 0;
    for (unsigned round = 0; round < 300000; round++) {
        double value = any_value(round);
        double error = round % 2 == 0 ? errors[random_u64() % ARRAY_LEN(errors)]
                                      : (double)(random_u64() % 1000000) / 1e6;
        double rounded = vector_round(value, error);
        if (!isfinite(value) || value == 0) {
            assert_memory_equal(&value, &rounded, sizeof(value));
            continue;
        }
        assert_true(rounded == vector_round(rounded, error));
        assert_true(-rounded == vector_round(-value, error));
        assert_true(within(rounded, value, error));
        assert_true(rounded != 0 && signbit(rounded) == signbit(value));
        if (value == floor(value))
            assert_true(rounded == floor(rounded));
        /* Where a power of ten is not a double, a digit may be lost. */
        if (fabs(value) > 1e-7 && fabs(value) < 1e22 && error >= 1e-9) {
            int most = (int)ceil(log10(ceil(0.5 / error) + 0.5)) + 1;
            assert_in_range(digits_of(rounded), 1, most);
        }
        changed += rounded != value;
    }
    assert_true(changed > 100000);
    assert_true(vector_round(1234567, 0.01) == 1230000);
    assert_true(vector_round(0.123456, 0.01) == 0.123);
    assert_true(vector_round(-54321, 0.001) == -54300 && vector_round(44321, 0.001) == 44320);
    assert_true(vector_round(3.7, 0) == 3.7);
}

/* Numbers next to where the unit changes: the same whichever way one comes. */
static void test_rounding_is_done_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        double error = (double)(1 + random_u64() % 1000000) / (round % 2 == 0 ? 1e7 : 1e9);
        double least = ceil(0.5 / error);
        double edge = least * pow(10, (int)(random_u64() % 40) - 20);
        double unit = edge / least;
        double value = edge + unit * ((double)(random_u64() % 4001) / 1000 - 2);
        double once = vector_round(value, error);
        double twice = vector_round(once, error);
        assert_memory_equal(&once, &twice, sizeof(once));
        assert_true(within(once, value, error));
        /* Neighbours do not change places. */
        assert_true(vector_round(nextafter(value, INFINITY), error) >= once);
    }
}

/* Errors that a rounding just meets, and just misses. */
static void test_rounding_at_its_bound(void **state)
{
    (void)state;
    char text[40];
    for (unsigned round = 0; round < 100000; round++) {
        double value = (double)(1 + random_u64() % 100000000) / 1000;
        (void)snprintf(text, sizeof(text), "%.*e", (int)(random_u64() % 6), value);
        double error = fabs(strtod(text, NULL) - value) / value;
        assert_true(within(vector_round(value, error), value, error));
        error = nextafter(error, 0);
        assert_true(within(vector_round(value, error), value, error));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_point_comes_back),
        cmocka_unit_test(test_the_ends_of_time_and_of_counts),
        cmocka_unit_test(test_decimals_of_every_length_come_back),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_golden_zstd),
        cmocka_unit_test(test_malformed_vectors_are_refused),
        cmocka_unit_test(test_versions_and_limits),
        cmocka_unit_test(test_small_vectors_of_no_form),
        cmocka_unit_test(test_times_must_rise),
        cmocka_unit_test(test_nans_of_any_bits_are_one),
        cmocka_unit_test(test_a_bomb_is_refused),
        cmocka_unit_test(test_columns_of_every_form_and_width),
        cmocka_unit_test(test_columns_at_their_edges),
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_rounding_keeps_its_bound),
        cmocka_unit_test(test_rounding_is_done_once),
        cmocka_unit_test(test_rounding_at_its_bound),
    };
    return cmocka_run_group_tests_name("series", tests, world_make, world_end);
}
