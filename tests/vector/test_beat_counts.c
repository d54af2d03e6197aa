#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "support_random.h"
#include "vector/beat_counts.h"

#include <string.h>

static struct frame_codec *frame;
static uint16_t decoded[BEAT_COUNTS_MAX];

static void test_counts_come_back(void **state)
{
    (void)state;
    static uint16_t counts[BEAT_COUNTS_MAX];
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (unsigned round = 0; round < 300; round++) {
        uint32_t n = round == 0 ? BEAT_COUNTS_MAX : 1 + random_below(round < 20 ? round : 1440);
        for (uint32_t i = 0; i < n; i++)
            counts[i] = (uint16_t)(random_below(9) == 0 ? random_below(65536) : 60);
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(beat_counts_encode(frame, counts, n, &body), 0);
        uint32_t got = 0;
        assert_int_equal(beat_counts_decode(frame, buffer_slice(&body), decoded, &got), 0);
        assert_int_equal(got, n);
        assert_memory_equal(decoded, counts, n * sizeof(counts[0]));
    }
    buffer_fini(&body);
}

/* A well host's day is a few bytes. */
static void test_a_day_of_full_minutes_is_small(void **state)
{
    (void)state;
    uint16_t counts[1440];
    for (unsigned i = 0; i < 1440; i++)
        counts[i] = 60;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(beat_counts_encode(frame, counts, 1440, &body), 0);
    assert_true(body.len < 40);
    buffer_fini(&body);
}

static const uint8_t golden[] = {
    0x12, 0xe9, 0xd5, 0x88, 0x01, 0x00, 0x00, 0x00, 0x06,
    0x00, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x00, 0xff, 0xff,
};

static void test_golden(void **state)
{
    (void)state;
    static const uint16_t counts[] = {60, 0, 65535};
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(beat_counts_encode(frame, counts, 3, &body), 0);
    assert_int_equal(body.len, sizeof(golden));
    assert_memory_equal(body.data, golden, sizeof(golden));
    uint32_t n;
    assert_int_equal(beat_counts_decode(frame, slice_make(golden, sizeof(golden)), decoded, &n), 0);
    assert_int_equal(n, 3);
    buffer_fini(&body);
}

static void test_what_does_not_hold_is_corrupt(void **state)
{
    (void)state;
    uint32_t n = 77;
    char bytes[sizeof(golden)];
    for (size_t cut = 0; cut < sizeof(golden); cut++)
        assert_int_equal(beat_counts_decode(frame, slice_make(golden, cut), decoded, &n),
                         LT_ECORRUPT);
    for (unsigned bit = 0; bit < sizeof(golden) * 8; bit++) {
        memcpy(bytes, golden, sizeof(golden));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        int err = beat_counts_decode(frame, slice_make(bytes, sizeof(bytes)), decoded, &n);
        assert_true(err == LT_ECORRUPT || err == LT_EVERSION);
    }
    /* Sealed well, and still no counts: none, half a number, too many. */
    static const size_t sizes[] = {0, 3, BEAT_COUNTS_MAX * 2 + 2};
    static char zeros[BEAT_COUNTS_MAX * 2 + 2];
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (size_t i = 0; i < 3; i++) {
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(frame_seal(frame, BEAT_COUNTS_VERSION, slice_make(zeros, sizes[i]), &body),
                         0);
        assert_int_equal(beat_counts_decode(frame, buffer_slice(&body), decoded, &n), LT_ECORRUPT);
    }
    buffer_reset(&body, SIZE_MAX);
    assert_int_equal(frame_seal(frame, BEAT_COUNTS_VERSION + 1, slice_make(zeros, 2), &body), 0);
    assert_int_equal(beat_counts_decode(frame, buffer_slice(&body), decoded, &n), LT_EVERSION);
    assert_int_equal(n, 77);
    buffer_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_come_back),
        cmocka_unit_test(test_a_day_of_full_minutes_is_small),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_what_does_not_hold_is_corrupt),
    };
    if (frame_codec_create(&frame) != 0)
        return 1;
    int failed = cmocka_run_group_tests_name("vector: beat counts", tests, NULL, NULL);
    frame_codec_destroy(&frame);
    return failed;
}
