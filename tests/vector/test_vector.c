#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/block.h"
#include "model/kind.h"
#include "vector/arrival.h"
#include "vector/beats.h"
#include "vector/names.h"
#include "vector/support_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct columns {
    uint32_t items[ARRIVAL_POINTS_MAX];
    int64_t times_ms[ARRIVAL_POINTS_MAX];
    double values[ARRIVAL_POINTS_MAX];
    uint8_t policies[ARRIVAL_POINTS_MAX];
};

static void columns_fill(struct columns *c, uint32_t count, unsigned shape)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t r = random_u64();
        c->items[i] = shape % 3 == 0 ? i : shape % 3 == 1 ? (uint32_t)r : (uint32_t)(r % 100);
        c->times_ms[i] = shape % 5 == 0   ? (int64_t)(r >> 1)
                         : shape % 5 == 1 ? INT64_MAX
                         : shape % 5 == 2 ? (int64_t)r
                                          : 1700000000000 + (int64_t)(i / 100) * 1000;
        c->values[i] = shape % 4 == 0   ? odd_value()
                       : shape % 4 == 1 ? (double)(int64_t)(r % 2000001) - 1000000
                       : shape % 4 == 2 ? 42
                                        : (double)(r % 100000) / 100;
        c->policies[i] = shape % 2 == 0 ? POLICY_LAST : (uint8_t)(r % POLICY_COUNT);
    }
}

static void assert_round_trip(struct arrival_codec *codec, const struct columns *c, uint32_t count,
                              bool with_policies, struct buffer *body)
{
    struct arrival_points in = {count, c->items, c->times_ms, c->values,
                                with_policies ? c->policies : NULL};
    struct arrival_points out;
    buffer_reset(body, SIZE_MAX);
    assert_int_equal(arrival_encode(codec, &in, body), 0);
    assert_int_equal(arrival_decode(codec, buffer_slice(body), &out), 0);
    assert_int_equal(out.count, count);
    assert_memory_equal(out.items, c->items, count * sizeof(c->items[0]));
    assert_memory_equal(out.times_ms, c->times_ms, count * sizeof(c->times_ms[0]));
    for (uint32_t i = 0; i < count; i++) {
        assert_same_double(c->values[i], out.values[i]);
        assert_int_equal(out.policies != NULL ? out.policies[i] : POLICY_LAST,
                         with_policies ? c->policies[i] : POLICY_LAST);
    }
}

static void test_arrival_gives_back_every_point(void **state)
{
    (void)state;
    struct arrival_codec *codec;
    assert_int_equal(arrival_codec_create(&codec), 0);
    struct columns *c = malloc(sizeof(*c));
    assert_non_null(c);
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (unsigned round = 0; round < 600; round++) {
        uint32_t count = 1 + (uint32_t)(random_u64() % (round % 10 == 0 ? 5000 : 40));
        columns_fill(c, count, round);
        assert_round_trip(codec, c, count, round % 2 != 0, &body);
    }
    columns_fill(c, ARRIVAL_POINTS_MAX, 0);
    assert_round_trip(codec, c, ARRIVAL_POINTS_MAX, true, &body);
    /* The widest deltas there are. */
    c->times_ms[0] = INT64_MIN, c->times_ms[1] = INT64_MAX, c->times_ms[2] = INT64_MIN;
    c->items[0] = 0, c->items[1] = UINT32_MAX, c->items[2] = 0;
    assert_round_trip(codec, c, 3, false, &body);
    buffer_fini(&body);
    free(c);
    arrival_codec_destroy(&codec);
}

/* Offsets of each width, from bases at which short cuts begin and end. */
static void test_arrival_of_every_width(void **state)
{
    (void)state;
    static const int64_t bases[] = {
        0, -5, 1, INT64_C(1) << 31, INT64_C(1) << 52, -(INT64_C(1) << 52)};
    struct arrival_codec *codec;
    assert_int_equal(arrival_codec_create(&codec), 0);
    struct columns *c = malloc(sizeof(*c));
    assert_non_null(c);
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (unsigned bits = 0; bits <= 52; bits++)
        for (unsigned b = 0; b < 2 * ARRAY_LEN(bases); b++) {
            int64_t reach = (INT64_C(1) << bits) - 1, base = bases[b / 2];
            base += b % 2 == 0 ? 0 : base > 0 ? -1 : 1; /* on one side and on the other */
            for (uint32_t i = 0; i < 100; i++) {
                int64_t r = (int64_t)(random_u64() & (uint64_t)reach);
                r = i == 0 ? 0 : i == 1 ? reach : r;
                c->values[i] = (double)(base + r);
                c->times_ms[i] = base * 1000 + r;
                c->items[i] = (uint32_t)base + (uint32_t)r;
            }
            assert_round_trip(codec, c, 100, false, &body);
        }
    buffer_fini(&body);
    free(c);
    arrival_codec_destroy(&codec);
}

/* Bodies that were once written: they stand in tables and must stay readable. What is inside the
 * small one's frame is pinned too, byte by byte and by hand (the frame itself may change with
 * zstd). */
static const uint8_t golden_small_raw[] = {
    0x03, 0x00, 0x00, 0x00, 0x00, 0x01, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x01,
    0x00, 0x00, 0x02, 0x80, 0xa1, 0x80, 0xa7, 0x4b, 0x01, 0x00, 0x00, 0x00, 0xfa, 0xf4, 0x00, 0x00,
    0x01, 0x00, 0x02, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe8, 0xd0, 0x00, 0x03,
    0x07, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04,
};
static const uint8_t golden_small[] = {
    0x20, 0xd0, 0x66, 0x4a, 0x01, 0x01, 0x00, 0x00, 0x3e, 0x00, 0x00, 0x00, 0x28, 0xb5, 0x2f,
    0xfd, 0x20, 0x3e, 0x9d, 0x01, 0x00, 0x94, 0x02, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01, 0x05,
    0x00, 0x02, 0x01, 0x00, 0x00, 0x02, 0x80, 0xa1, 0x80, 0xa7, 0x4b, 0x01, 0x00, 0x00, 0x00,
    0xfa, 0xf4, 0x00, 0x00, 0x01, 0x00, 0x02, 0xe8, 0x03, 0x00, 0xe8, 0xd0, 0x00, 0x03, 0x07,
    0x00, 0x01, 0x00, 0x04, 0x03, 0x10, 0x00, 0x85, 0x33, 0xc6, 0x10, 0x07,
};
static const uint8_t golden_large[] = {
    0x05, 0x00, 0x59, 0xf2, 0x01, 0x01, 0x00, 0x00, 0xec, 0x02, 0x00, 0x00, 0x28, 0xb5, 0x2f, 0xfd,
    0x60, 0xec, 0x01, 0x9d, 0x03, 0x00, 0xd2, 0xc6, 0x16, 0x1d, 0xc0, 0x25, 0x1d, 0x2e, 0x93, 0x69,
    0xd3, 0x9b, 0xbe, 0x01, 0x7f, 0xd3, 0xff, 0x41, 0x9f, 0x3d, 0xc0, 0xc3, 0x7b, 0x6f, 0x29, 0xf7,
    0x96, 0x72, 0x6f, 0x29, 0xa5, 0x4c, 0x01, 0xff, 0xff, 0xff, 0x5f, 0x6b, 0x2d, 0xa5, 0x54, 0x6f,
    0xfe, 0x60, 0x20, 0xec, 0xb1, 0xa2, 0x60, 0x50, 0xf8, 0x6f, 0x44, 0xa0, 0x00, 0x14, 0xf7, 0x94,
    0x52, 0x42, 0x08, 0xa1, 0x73, 0xce, 0xe9, 0xee, 0x66, 0x66, 0x36, 0xc6, 0x98, 0x52, 0x4a, 0xd9,
    0xdd, 0x55, 0x55, 0x25, 0x84, 0x90, 0x31, 0xc6, 0xc8, 0xcc, 0x44, 0x44, 0xbc, 0xbb, 0x33, 0x33,
    0xbb, 0xfd, 0xff, 0x0a, 0x07, 0x00, 0x06, 0xa7, 0xf1, 0xca, 0x69, 0x7b, 0xa0, 0x80, 0xd5, 0xc4,
    0x38, 0x40, 0x1a, 0x45, 0x3b, 0x69, 0x0c, 0xb0, 0x05,
};

static void golden_columns(struct columns *c, uint32_t *count, bool large)
{
    *count = large ? 64 : 3;
    for (uint32_t i = 0; i < *count; i++) {
        c->items[i] = large ? i / 4 : 7 - i;
        c->times_ms[i] = 1424444400000 + (int64_t)(large ? i % 4 * 1000 : i * 250);
        c->values[i] = large ? 0.5 * (i % 8) : 1000.0 * (i + 1);
        c->policies[i] = large ? POLICY_LAST : (i == 2 ? POLICY_SUM : POLICY_LAST);
    }
}

static void assert_decodes_golden(struct arrival_codec *codec, const uint8_t *golden, size_t bytes,
                                  bool large)
{
    struct columns *c = malloc(sizeof(*c));
    assert_non_null(c);
    uint32_t count;
    golden_columns(c, &count, large);
    struct arrival_points out;
    assert_int_equal(arrival_decode(codec, slice_make(golden, bytes), &out), 0);
    assert_int_equal(out.count, count);
    assert_memory_equal(out.items, c->items, count * sizeof(c->items[0]));
    assert_memory_equal(out.times_ms, c->times_ms, count * sizeof(c->times_ms[0]));
    assert_memory_equal(out.values, c->values, count * sizeof(c->values[0]));
    if (large)
        assert_null(out.policies);
    else
        assert_memory_equal(out.policies, c->policies, count);
    free(c);
}

static void test_arrival_golden(void **state)
{
    (void)state;
    struct arrival_codec *codec;
    struct frame_codec *frame;
    assert_int_equal(arrival_codec_create(&codec), 0);
    assert_int_equal(frame_codec_create(&frame), 0);
    assert_decodes_golden(codec, golden_small, sizeof(golden_small), false);
    assert_decodes_golden(codec, golden_large, sizeof(golden_large), true);

    struct columns *c = malloc(sizeof(*c));
    assert_non_null(c);
    uint32_t count;
    golden_columns(c, &count, false);
    struct arrival_points in = {count, c->items, c->times_ms, c->values, c->policies};
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(arrival_encode(codec, &in, &body), 0);
    struct slice raw;
    assert_int_equal(frame_open(frame, 1, buffer_slice(&body), 1000, &raw), 0);
    assert_int_equal(raw.n, sizeof(golden_small_raw));
    assert_memory_equal(raw.p, golden_small_raw, raw.n);
    frame_codec_destroy(&frame);
    buffer_fini(&body);
    free(c);
    arrival_codec_destroy(&codec);
}

/* Bits flipped and ends cut: the checksum sees it. With the checksum made right again the decoder
 * has to stand on its own feet: any error but a crash, or points that keep the promises of the
 * header. */
static void test_arrival_survives_malformed_bodies(void **state)
{
    (void)state;
    struct arrival_codec *codec;
    struct frame_codec *frame;
    assert_int_equal(arrival_codec_create(&codec), 0);
    assert_int_equal(frame_codec_create(&frame), 0);
    struct columns *c = malloc(sizeof(*c));
    assert_non_null(c);
    struct buffer body;
    struct buffer forged;
    buffer_init(&body, SIZE_MAX);
    buffer_init(&forged, SIZE_MAX);
    for (unsigned round = 0; round < 4000; round++) {
        uint32_t count = 1 + (uint32_t)(random_u64() % 30);
        columns_fill(c, count, round);
        assert_round_trip(codec, c, count, true, &body);
        struct arrival_points out;
        size_t at = random_u64() % body.len;
        uint8_t flip = (uint8_t)(1u << random_u64() % 8);
        body.data[at] = (char)((uint8_t)body.data[at] ^ flip);
        assert_int_equal(arrival_decode(codec, buffer_slice(&body), &out), LT_ECORRUPT);
        body.data[at] = (char)((uint8_t)body.data[at] ^ flip);
        assert_int_equal(arrival_decode(codec, slice_upto(buffer_slice(&body), at), &out),
                         LT_ECORRUPT);
        struct slice raw;
        assert_int_equal(frame_open(frame, 1, buffer_slice(&body), 1 << 20, &raw), 0);
        char *copy = malloc(raw.n);
        assert_non_null(copy);
        memcpy(copy, raw.p, raw.n);
        copy[random_u64() % raw.n] = (char)random_u64();
        size_t n = round % 4 == 0 ? 1 + random_u64() % raw.n : raw.n;
        buffer_reset(&forged, SIZE_MAX);
        assert_int_equal(frame_seal(frame, 1, slice_make(copy, n), &forged), 0);
        int err = arrival_decode(codec, buffer_slice(&forged), &out);
        assert_true(err == 0 || err == LT_ECORRUPT);
        for (uint32_t i = 0; err == 0 && out.policies != NULL && i < out.count; i++)
            assert_true(out.policies[i] < POLICY_COUNT);
        free(copy);
    }
    buffer_reset(&forged, SIZE_MAX);
    struct arrival_points out;
    /* One point, whose item is 2^31 - 1 + 2^32 - 1: past 2^32. */
    static const uint8_t beyond[4 + 14 + 3 * 10] = {1,    0, 0, 0, 0, 4,    0xff, 0xff, 0xff,
                                                    0x7f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(frame_seal(frame, 1, slice_make(beyond, sizeof(beyond)), &forged), 0);
    assert_int_equal(arrival_decode(codec, buffer_slice(&forged), &out), LT_ECORRUPT);
    buffer_reset(&forged, SIZE_MAX);
    assert_int_equal(frame_seal(frame, 2, SLICE_LIT("of another time"), &forged), 0);
    assert_int_equal(arrival_decode(codec, buffer_slice(&forged), &out), LT_EVERSION);
    buffer_fini(&body);
    buffer_fini(&forged);
    free(c);
    frame_codec_destroy(&frame);
    arrival_codec_destroy(&codec);
}

static void test_frame_refuses_to_inflate_beyond_its_limit(void **state)
{
    (void)state;
    struct frame_codec *frame;
    assert_int_equal(frame_codec_create(&frame), 0);
    static const char zeros[100000];
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(frame_seal(frame, 1, slice_make(zeros, sizeof(zeros)), &body), 0);
    assert_true(body.len < 1000);
    struct slice raw;
    assert_int_equal(frame_open(frame, 1, buffer_slice(&body), sizeof(zeros) - 1, &raw),
                     LT_ECORRUPT);
    assert_int_equal(frame_open(frame, 1, buffer_slice(&body), sizeof(zeros), &raw), 0);
    assert_int_equal(raw.n, sizeof(zeros));
    assert_memory_equal(raw.p, zeros, sizeof(zeros));
    buffer_fini(&body);
    frame_codec_destroy(&frame);
}

static void test_names_round_trip_and_refuse_what_is_cut(void **state)
{
    (void)state;
    struct buffer raw;
    buffer_init(&raw, SIZE_MAX);
    static const uint32_t details[] = {0, 127, 128, 16384, UINT32_MAX};
    char text[600];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    for (size_t i = 0; i < 5; i++)
        names_put(&raw, details[i], slice_make(text, i * 149));
    for (size_t cut = 0; cut <= raw.len; cut++) {
        struct slice rest = slice_upto(buffer_slice(&raw), cut);
        int err = 0;
        for (size_t i = 0; err == 0 && i < 5; i++) {
            uint32_t detail;
            struct slice name;
            err = names_get(&rest, &detail, &name);
            if (err == 0) {
                assert_int_equal(detail, details[i]);
                assert_true(slice_eq(name, slice_make(text, i * 149)));
            }
        }
        assert_int_equal(err, cut == raw.len ? 0 : LT_ECORRUPT);
    }
    buffer_fini(&raw);
}

static void test_beats_round_trip_for_every_count(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= BEAT_SECONDS; count += count < 230 ? 1 : 97) {
        uint8_t bits[BEAT_BYTES] = {0};
        for (unsigned i = 0; i < count; i++) {
            uint32_t second = count > 1000 ? i : (uint32_t)(random_u64() % BEAT_SECONDS);
            bits[second / 8] |= (uint8_t)(1u << second % 8);
        }
        uint8_t packed[BEAT_BYTES];
        uint8_t back[BEAT_BYTES];
        memset(back, 0xff, sizeof(back));
        size_t n = beats_pack(bits, packed);
        assert_true(n <= 2 * (size_t)count || n == BEAT_BYTES);
        assert_int_equal(beats_unpack(slice_make(packed, n), back), 0);
        assert_memory_equal(bits, back, BEAT_BYTES);
    }
    uint8_t back[BEAT_BYTES];
    static const uint8_t beyond[] = {0x10, 0x0e};
    assert_int_equal(beats_unpack(slice_make(beyond, 2), back), LT_ECORRUPT);
    assert_int_equal(beats_unpack(slice_make(beyond, 1), back), LT_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrival_gives_back_every_point),
        cmocka_unit_test(test_arrival_of_every_width),
        cmocka_unit_test(test_arrival_golden),
        cmocka_unit_test(test_arrival_survives_malformed_bodies),
        cmocka_unit_test(test_frame_refuses_to_inflate_beyond_its_limit),
        cmocka_unit_test(test_names_round_trip_and_refuse_what_is_cut),
        cmocka_unit_test(test_beats_round_trip_for_every_count),
    };
    return cmocka_run_group_tests_name("vector", tests, NULL, NULL);
}
