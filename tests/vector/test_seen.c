#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "support_random.h"
#include "vector/seen.h"

#include <string.h>

struct fixture {
    struct frame_codec *codec;
    struct buffer body;
    uint32_t first[SEEN_ITEMS_MAX], last[SEEN_ITEMS_MAX];
};

static int setup(void **state)
{
    static struct fixture f;
    assert_int_equal(frame_codec_create(&f.codec), 0);
    buffer_init(&f.body, SIZE_MAX);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    frame_codec_destroy(&f->codec);
    buffer_fini(&f->body);
    return 0;
}

static void fill(struct fixture *f, uint32_t count, unsigned shape)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t r = random_u64();
        f->first[i] = shape % 3 == 0 ? (uint32_t)r : 490000 + i / 300;
        f->last[i] = shape % 3 == 0 ? (uint32_t)(r >> 32) : f->first[i] + (uint32_t)(r % 500);
        if (shape % 2 == 0 && r % 10 == 0)
            f->first[i] = UINT32_MAX, f->last[i] = 0;
    }
}

static void assert_round_trip(struct fixture *f, uint32_t count)
{
    uint32_t first[SEEN_ITEMS_MAX], last[SEEN_ITEMS_MAX], n = 0;
    buffer_reset(&f->body, SIZE_MAX);
    assert_int_equal(seen_encode(f->codec, count, f->first, f->last, &f->body), 0);
    assert_int_equal(seen_decode(f->codec, buffer_slice(&f->body), first, last, &n), 0);
    assert_int_equal(n, count);
    assert_memory_equal(first, f->first, count * sizeof(first[0]));
    assert_memory_equal(last, f->last, count * sizeof(last[0]));
}

static void test_every_hour_comes_back(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 300; round++) {
        uint32_t count = round % 5 == 0 ? SEEN_ITEMS_MAX : 1 + (uint32_t)(random_u64() % 100);
        fill(f, count, round);
        assert_round_trip(f, count);
    }
    fill(f, SEEN_ITEMS_MAX, 1); /* as it is: hours that rise slowly, spans of weeks */
    assert_round_trip(f, SEEN_ITEMS_MAX);
    assert_in_range(f->body.len, 1, SEEN_ITEMS_MAX * 2);
}

/* Written once, so it stands in tables and must stay readable. */
static void test_golden(void **state)
{
    struct fixture *f = *state;
    static const uint8_t raw_bytes[] = {
        3,    0,                                                    /* count */
        0x10, 0x11, 0xff, 0x7a, 0x7a, 0xff, 7, 7, 0xff, 0, 0, 0xff, /* first */
        0,    0x2c, 1,    0,    1,    0,    0, 0, 0,    0, 0, 0,    /* span */
    };
    static const uint8_t body[] = {0x15, 0xfb, 0x2d, 0x99, 1, 0, 0, 0, 26, 0, 0, 0};
    static const uint32_t first[] = {0x077a10, 0x077a11, UINT32_MAX};
    static const uint32_t last[] = {0x077a10, 0x077b3d, 0};
    struct slice raw;
    assert_int_equal(seen_encode(f->codec, 3, first, last, &f->body), 0);
    assert_int_equal(frame_open(f->codec, SEEN_VERSION, buffer_slice(&f->body), 1000, &raw), 0);
    assert_int_equal(raw.n, sizeof(raw_bytes));
    assert_memory_equal(raw.p, raw_bytes, raw.n);

    buffer_reset(&f->body, SIZE_MAX);
    buffer_append(&f->body, body, sizeof(body));
    buffer_append(&f->body, raw_bytes, sizeof(raw_bytes));
    uint32_t first_got[SEEN_ITEMS_MAX], last_got[SEEN_ITEMS_MAX], n = 0;
    assert_int_equal(seen_decode(f->codec, buffer_slice(&f->body), first_got, last_got, &n), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(first_got, first, sizeof(first));
    assert_memory_equal(last_got, last, sizeof(last));
}

static void seal(struct fixture *f, uint8_t version, const char *raw, size_t n)
{
    buffer_reset(&f->body, SIZE_MAX);
    assert_int_equal(frame_seal(f->codec, version, slice_make(raw, n), &f->body), 0);
}

static void test_malformed_bodies_are_refused(void **state)
{
    struct fixture *f = *state;
    uint32_t first[SEEN_ITEMS_MAX], last[SEEN_ITEMS_MAX], n = 77;
    for (unsigned round = 0; round < 500; round++) {
        uint32_t count = 1 + (uint32_t)(random_u64() % 200);
        fill(f, count, round);
        assert_round_trip(f, count);
        size_t at = random_u64() % f->body.len;
        assert_int_equal(
            seen_decode(f->codec, slice_upto(buffer_slice(&f->body), at), first, last, &n),
            LT_ECORRUPT);
        f->body.data[at] = (char)(f->body.data[at] ^ (1 << random_u64() % 8));
        assert_int_equal(seen_decode(f->codec, buffer_slice(&f->body), first, last, &n),
                         LT_ECORRUPT);
    }
    /* With a good frame around: every count that does not fit what follows. */
    static char raw[2 + 8 * (SEEN_ITEMS_MAX + 1)];
    for (size_t bytes = 1; bytes < 60; bytes++)
        for (uint32_t count = 0; count < 10; count++) {
            frame_put(raw, count, 2);
            seal(f, SEEN_VERSION, raw, bytes);
            bool fits = count > 0 && bytes == 2 + 8 * count;
            assert_int_equal(seen_decode(f->codec, buffer_slice(&f->body), first, last, &n),
                             fits ? 0 : LT_ECORRUPT);
        }
    n = 77;
    frame_put(raw, SEEN_ITEMS_MAX + 1, 2);
    seal(f, SEEN_VERSION, raw, sizeof(raw));
    assert_int_equal(seen_decode(f->codec, buffer_slice(&f->body), first, last, &n), LT_ECORRUPT);
    frame_put(raw, 1, 2);
    seal(f, SEEN_VERSION + 1, raw, 10);
    assert_int_equal(seen_decode(f->codec, buffer_slice(&f->body), first, last, &n), LT_EVERSION);
    assert_int_equal(n, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_hour_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_bodies_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
