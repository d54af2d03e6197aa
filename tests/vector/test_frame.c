#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "support_random.h"
#include "vector/frame.h"

#include <string.h>

static void test_a_body_is_compressed_where_that_pays(void **state)
{
    (void)state;
    enum { BYTES = 4000, CODEC_AT = 5 };
    struct frame_codec *frame;
    struct buffer raw, body;
    buffer_init(&raw, SIZE_MAX);
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(frame_codec_create(&frame), 0);
    /* Noise, and then a part that is nothing: a fifth, a twentieth. */
    for (unsigned share = 5; share <= 20; share += 15) {
        buffer_reset(&raw, SIZE_MAX);
        for (unsigned i = 0; i < BYTES; i++)
            buffer_append(&raw, &(char){(char)random_u64()}, 1);
        memset(raw.data, 0, BYTES / share);
        for (unsigned often = 0; often < 2; often++) {
            struct slice opened;
            buffer_reset(&body, SIZE_MAX);
            int err = often != 0 ? frame_seal(frame, 1, buffer_slice(&raw), &body)
                                 : frame_seal_if(frame, 1, buffer_slice(&raw), 10, &body);
            assert_int_equal(err, 0);
            assert_int_equal(body.data[CODEC_AT], often != 0 || share == 5);
            assert_int_equal(frame_open(frame, 1, buffer_slice(&body), BYTES, &opened), 0);
            assert_true(slice_eq(opened, buffer_slice(&raw)));
        }
    }
    frame_codec_destroy(&frame);
    buffer_fini(&raw);
    buffer_fini(&body);
}

static void test_a_body_made_in_place_is_never_compressed(void **state)
{
    (void)state;
    static const char zeros[1000];
    struct slice raw = slice_make(zeros, sizeof(zeros));
    struct slice opened;
    struct frame_codec *frame;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(frame_codec_create(&frame), 0);
    /* Behind bytes of somebody else. */
    buffer_append_str(&body, "before");
    size_t start = frame_begin(&body);
    buffer_append_slice(&body, raw);
    assert_int_equal(frame_end(7, start, &body), 0);
    struct slice made = slice_from(buffer_slice(&body), start);
    assert_int_equal(made.n, FRAME_HEADER_BYTES + raw.n);
    assert_int_equal(frame_open_raw(7, made, &opened), 0);
    assert_true(slice_eq(opened, raw));
    assert_int_equal(frame_open_raw(8, made, &opened), LT_EVERSION);
    assert_int_equal(frame_open_raw(7, slice_upto(made, made.n - 1), &opened), LT_ECORRUPT);
    assert_int_equal(frame_open(frame, 7, made, raw.n, &opened), 0);
    assert_int_equal(frame_open(frame, 7, made, raw.n - 1, &opened), LT_ECORRUPT);
    /* And a compressed one is none of these. */
    buffer_reset(&body, SIZE_MAX);
    assert_int_equal(frame_seal(frame, 7, raw, &body), 0);
    assert_in_range(body.len, 1, 100);
    assert_int_equal(frame_open_raw(7, buffer_slice(&body), &opened), LT_ECORRUPT);
    frame_codec_destroy(&frame);
    buffer_fini(&body);
    /* A buffer that fails says so. */
    buffer_init(&body, 100);
    start = frame_begin(&body);
    buffer_append_slice(&body, raw);
    assert_int_equal(frame_end(7, start, &body), LT_ELIMIT);
    buffer_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_is_compressed_where_that_pays),
        cmocka_unit_test(test_a_body_made_in_place_is_never_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
