#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "vector/frame.h"
#include "vector/rank_minutes.h"
#include "vector/support_values.h"

#include <stdlib.h>
#include <string.h>

static struct rank_minutes *minutes_new(void)
{
    struct rank_minutes *m = malloc(sizeof(*m));
    assert_non_null(m);
    return m;
}

static double value_of(unsigned round)
{
    uint64_t r = random_u64();
    if (round % 4 == 0)
        return odd_value();
    return round % 4 == 1 ? (double)(int64_t)(r % 20001) - 10000 : (double)(r % 1000000) / 1000;
}

static void minutes_fill(unsigned round, struct rank_minutes *m)
{
    uint32_t items = round % 10 == 0 ? RANK_MINUTES_ENTRIES : 1 + (uint32_t)(random_u64() % 20);
    uint64_t density = round % 10 == 0 && round % 20 == 0 ? 1 : 1 + random_u64() % 30;
    uint32_t item = round % 3 == 0 ? 0 : (uint32_t)random_u64() / 2;
    m->count = 0;
    for (uint32_t i = 0; i < items; i++) {
        uint32_t before = m->count;
        uint32_t only = (uint32_t)(random_u64() % RANK_MINUTES_PARTS);
        for (uint32_t k = 0; k < RANK_MINUTES_PARTS; k++) {
            if (random_u64() % density != 0 && !(k == only && m->count == before))
                continue;
            uint32_t at = m->count++;
            m->items[at] = item;
            m->minutes[at] = (uint8_t)k;
            m->sums[at] = value_of(round);
            m->counts[at] = round % 11 == 0 ? random_u64() | 1 : 1 + random_u64() % 60;
        }
        if (i + 2 == items && round % 3 == 1)
            item = UINT32_MAX - 1; /* the last is the largest there is */
        item += 1 + (round % 2 == 0 ? 0 : (uint32_t)(random_u64() % 4096));
    }
    /* Ids do not come round, and each item has minutes. */
    for (uint32_t i = 1; i < m->count; i++)
        if (m->items[i] < m->items[i - 1]) {
            m->count = i;
            break;
        }
}

static void assert_same(const struct rank_minutes *a, const struct rank_minutes *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->items, b->items, a->count * sizeof(a->items[0]));
    assert_memory_equal(a->minutes, b->minutes, a->count * sizeof(a->minutes[0]));
    assert_memory_equal(a->counts, b->counts, a->count * sizeof(a->counts[0]));
    for (uint32_t i = 0; i < a->count; i++)
        assert_same_double(a->sums[i], b->sums[i]);
}

static void test_minutes_come_back(void **state)
{
    (void)state;
    struct rank_minutes *m = minutes_new(), *again = minutes_new();
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (unsigned round = 0; round < 400; round++) {
        minutes_fill(round, m);
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_minutes_encode(m, &body), 0);
        assert_int_equal(rank_minutes_decode(buffer_slice(&body), again), 0);
        assert_same(m, again);
    }
    free(m);
    free(again);
    buffer_fini(&body);
}

/* Whatever decodes keeps the promises of the header. */
static int decode(struct slice body, struct rank_minutes *m)
{
    int err = rank_minutes_decode(body, m);
    uint32_t items = 0;
    if (err != 0)
        return err;
    assert_in_range(m->count, 1, RANK_MINUTES_MAX);
    for (uint32_t i = 0; i < m->count; i++) {
        bool first = i == 0 || m->items[i] != m->items[i - 1];
        items += first;
        assert_true(m->counts[i] > 0 && m->minutes[i] < RANK_MINUTES_PARTS);
        assert_true(i == 0 ||
                    (first ? m->items[i] > m->items[i - 1] : m->minutes[i] > m->minutes[i - 1]));
    }
    assert_in_range(items, 1, RANK_MINUTES_ENTRIES);
    return 0;
}

static void seal(struct buffer *body)
{
    frame_put(body->data, hash_bytes(slice_from(buffer_slice(body), 4)), 4);
}

static void test_spoilt_bodies_are_found(void **state)
{
    (void)state;
    struct rank_minutes *m = minutes_new();
    struct buffer body, bad;
    buffer_init(&body, SIZE_MAX);
    buffer_init(&bad, SIZE_MAX);
    for (unsigned round = 1; round < 60; round++) {
        minutes_fill(round, m);
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_minutes_encode(m, &body), 0);
        for (unsigned i = 0; i < 200; i++) {
            size_t at = random_u64() % (random_u64() % 2 == 0 && body.len > 40 ? 40 : body.len);
            buffer_reset(&bad, SIZE_MAX);
            buffer_append_slice(&bad, buffer_slice(&body));
            bad.data[at] = (char)(bad.data[at] ^ 1 << random_u64() % 8);
            assert_int_equal(decode(buffer_slice(&bad), m), LT_ECORRUPT);
            /* The same under a good checksum: what the fields themselves hold against it. */
            seal(&bad);
            int err = decode(buffer_slice(&bad), m);
            assert_true(err == 0 || err == LT_ECORRUPT || err == LT_EVERSION);
            assert_true(at != 4 || err == LT_EVERSION);
            assert_int_equal(decode(slice_make(body.data, at), m), LT_ECORRUPT);
        }
    }
    free(m);
    buffer_fini(&body);
    buffer_fini(&bad);
}

/* A payload cut short, or with something behind it, under a header that holds. */
static void test_a_payload_has_one_length(void **state)
{
    (void)state;
    struct rank_minutes *m = minutes_new();
    struct buffer body, other;
    buffer_init(&body, SIZE_MAX);
    buffer_init(&other, SIZE_MAX);
    for (unsigned round = 1; round < 40; round++) {
        minutes_fill(round, m);
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_minutes_encode(m, &body), 0);
        for (size_t n = 1; n <= body.len - FRAME_HEADER_BYTES + 1; n += 1 + n / 16) {
            if (n == body.len - FRAME_HEADER_BYTES)
                continue;
            buffer_reset(&other, SIZE_MAX);
            size_t start = frame_begin(&other);
            size_t have = body.len - FRAME_HEADER_BYTES;
            buffer_append(&other, body.data + FRAME_HEADER_BYTES, n < have ? n : have);
            buffer_append(&other, "\0", n > have);
            assert_int_equal(frame_end(1, start, &other), 0);
            assert_int_equal(decode(buffer_slice(&other), m), LT_ECORRUPT);
        }
    }
    free(m);
    buffer_fini(&body);
    buffer_fini(&other);
}

static const uint8_t golden[] = {
    0xf4, 0x2e, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00, 0x2f, 0x00, 0x00, 0x00, 0x02, 0x83, 0x00,
    0x01, 0xc7, 0x01, 0x02, 0x00, 0xac, 0x44, 0x02, 0x00, 0x12, 0x06, 0x00, 0x00, 0x90, 0x7b,
    0x0d, 0x00, 0x02, 0x8e, 0x9f, 0x06, 0x01, 0x40, 0x86, 0x70, 0x00, 0x00, 0x40, 0x8a, 0x55,
    0x28, 0x64, 0x00, 0x03, 0x00, 0xd7, 0x2f, 0x06, 0x02, 0x02, 0xb0, 0x2f, 0x01, 0x00,
};

static void test_bytes_are_pinned(void **state)
{
    (void)state;
    static const struct {
        uint32_t item;
        uint8_t minute;
        double sum;
        uint64_t count;
    } entries[] = {{7, 0, 12, 3},    {7, 1, 0.5, 1},        {7, 59, -4, 60},
                   {8, 30, 1e6, 12}, {70000, 13, 99.25, 2}, {70000, 14, 0, 1}};
    struct rank_minutes *m = minutes_new(), *again = minutes_new();
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (m->count = 0; m->count < ARRAY_LEN(entries); m->count++) {
        m->items[m->count] = entries[m->count].item;
        m->minutes[m->count] = entries[m->count].minute;
        m->sums[m->count] = entries[m->count].sum;
        m->counts[m->count] = entries[m->count].count;
    }
    assert_int_equal(rank_minutes_encode(m, &body), 0);
    assert_golden("minutes", buffer_slice(&body), golden, sizeof(golden));
    assert_int_equal(rank_minutes_decode(buffer_slice(&body), again), 0);
    assert_same(m, again);
    free(m);
    free(again);
    buffer_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minutes_come_back),
        cmocka_unit_test(test_spoilt_bodies_are_found),
        cmocka_unit_test(test_a_payload_has_one_length),
        cmocka_unit_test(test_bytes_are_pinned),
    };
    return cmocka_run_group_tests_name("vector/rank_minutes", tests, NULL, NULL);
}
