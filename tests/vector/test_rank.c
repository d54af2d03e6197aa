#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "vector/frame.h"
#include "vector/numbers.h"
#include "vector/patched.h"
#include "vector/rank.h"
#include "vector/support_values.h"

#include <stdlib.h>
#include <string.h>

/* One value of a column that is of one kind, mostly. */
static double value_of(unsigned shape)
{
    uint64_t r = random_u64();
    double hot = r % 97 == 0 ? 1e9 : 0;
    switch (shape % 7) {
    case 0:
        return odd_value();
    case 1:
        return (double)(r % 100000) + hot;
    case 2:
        return (double)(int64_t)(r % 2001) - 1000;
    case 3:
        return (double)(r % 1000000) / 1000;
    case 4: { /* a sum of decimals */
        double sum = 0;
        for (unsigned i = 0; i < r % 13; i++)
            sum += (double)(random_u64() % 1000000) / 1e6;
        return sum;
    }
    case 5:
        return 42;
    default:
        return (double)(r >> 11) * 0x1p-53;
    }
}

/* ---- columns ---- */

enum { COLUMN_MAX = 3000 };

static void test_patched_columns_come_back(void **state)
{
    (void)state;
    uint64_t *x = malloc(COLUMN_MAX * sizeof(x[0]));
    uint64_t *put = malloc(COLUMN_MAX * sizeof(x[0]));
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    assert_non_null(x);
    assert_non_null(put);
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t n = 1 + (uint32_t)(random_u64() % (round % 10 == 0 ? COLUMN_MAX : 20));
        unsigned width = (unsigned)(random_u64() % 65);
        uint64_t base = random_u64() >> random_u64() % 64;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t r = random_u64();
            x[i] = base + (r % 50 == 0 ? r : width == 64 ? r : r & ((1ULL << width) - 1));
            x[i] = round % 7 == 0 ? base : x[i];
        }
        memcpy(put, x, n * sizeof(x[0]));
        buffer_reset(&bytes, SIZE_MAX);
        patched_put(put, n, &bytes);
        size_t len = bytes.len;
        assert_int_equal(bytes.error, 0);
        assert_in_range(len, 2, 23 + 8 * (size_t)n);
        buffer_append(&bytes, "tail", 4);
        struct slice in = buffer_slice(&bytes);
        assert_int_equal(patched_get(&in, n, put), 0);
        assert_true(slice_eq_str(in, "tail"));
        assert_memory_equal(put, x, n * sizeof(x[0]));
        in = slice_make(bytes.data, random_u64() % len);
        assert_int_equal(patched_get(&in, n, put), LT_ECORRUPT);
    }
    free(x);
    free(put);
    buffer_fini(&bytes);
}

static void test_a_few_large_numbers_do_not_widen_the_others(void **state)
{
    (void)state;
    uint64_t x[1000];
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    for (uint32_t i = 0; i < 1000; i++)
        x[i] = i % 200 == 7 ? 1000000007 : i % 16;
    patched_put(x, 1000, &bytes);
    assert_in_range(bytes.len, 500, 550);
    for (uint32_t i = 0; i < 1000; i++)
        x[i] = (uint64_t)-5 + i % 11;
    buffer_reset(&bytes, SIZE_MAX);
    patched_put(x, 1000, &bytes);
    assert_int_equal(bytes.len, 2 + 500);
    buffer_fini(&bytes);
    /* Two patches of one number. */
    static const uint8_t twice[] = {0x81, 0, 2, 0, 1, 0, 1, 1, 0, 1};
    struct slice in = slice_make(twice, sizeof(twice));
    assert_int_equal(patched_get(&in, 5, x), LT_ECORRUPT);
}

static void test_numbers_come_back(void **state)
{
    (void)state;
    static double values[COLUMN_MAX];
    static double again[COLUMN_MAX];
    static uint64_t x[COLUMN_MAX];
    static uint64_t steps[COLUMN_MAX];
    unsigned forms[64] = {0};
    for (unsigned round = 0; round < 2000; round++) {
        uint32_t n = 1 + (uint32_t)(random_u64() % (round % 10 == 0 ? COLUMN_MAX : 20));
        for (uint32_t i = 0; i < n; i++)
            values[i] = value_of(round);
        uint8_t form = numbers_scan(values, n, x, round % 2 == 0 ? steps : NULL);
        assert_in_range(form, 0, 63);
        forms[form]++;
        assert_true(round % 2 == 0 || !numbers_form_is_near(form));
        assert_int_equal(numbers_restore(form, x, steps, n, again), 0);
        for (uint32_t i = 0; i < n; i++)
            assert_same_double(values[i], again[i]);
    }
    /* Each kind was met. */
    assert_true(forms[0] > 0 && forms[3] > 0 && forms[6] > 0 && forms[NUMBERS_ORDERED] > 0 &&
                forms[NUMBERS_NEAR + 6] > 0);
    for (unsigned form = 0; form < 256; form++)
        if (form != NUMBERS_ORDERED && (form & 31) > NUMBERS_EXPONENT_MAX)
            assert_int_equal(numbers_restore((uint8_t)form, x, steps, 1, again), LT_ECORRUPT);
}

/* ---- bodies ---- */

static void test_chunks_cover_a_list(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {128, 256, 512, 1024, 2048, 4096, 4096, 4096, 128, 0};
    uint32_t begin = 0;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(rank_chunk_begin(i), begin);
        assert_int_equal(rank_chunk_count(i, RANK_TOP_MAX), sizes[i]);
        begin += sizes[i];
    }
    assert_int_equal(begin, RANK_TOP_MAX);
    assert_int_equal(rank_chunk_count(0, 0), 0);
    assert_int_equal(rank_chunk_count(0, 7), 7);
    assert_int_equal(rank_chunk_count(1, 128), 0);
    assert_int_equal(rank_chunk_count(1, 129), 1);
    assert_int_equal(rank_chunk_begin(UINT32_MAX), RANK_TOP_MAX);
    assert_int_equal(rank_chunk_count(UINT32_MAX, RANK_TOP_MAX), 0);
}

static struct rank_total total_make(unsigned round)
{
    struct rank_total t = {.items = random_u64() >> random_u64() % 64,
                           .entries = (uint32_t)(random_u64() % (RANK_TOP_MAX + 1)),
                           .hosts = (uint32_t)random_u64(),
                           .only_host = (uint32_t)random_u64(),
                           .negative = round % 2 == 0};
    summary_init(&t.summary);
    for (unsigned i = 0; i < round % 5; i++)
        summary_add(&t.summary, i, value_of(round));
    return t;
}

static void assert_same_total(const struct rank_total *a, const struct rank_total *b)
{
    assert_int_equal(a->items, b->items);
    assert_int_equal(a->entries, b->entries);
    assert_int_equal(a->hosts, b->hosts);
    assert_int_equal(a->only_host, b->only_host);
    assert_int_equal(a->negative, b->negative);
    assert_int_equal(a->summary.count, b->summary.count);
    assert_int_equal(a->summary.nans, b->summary.nans);
    assert_same_double(a->summary.sum, b->summary.sum);
    assert_same_double(a->summary.lost, b->summary.lost);
    assert_same_double(a->summary.min, b->summary.min);
    assert_same_double(a->summary.max, b->summary.max);
    assert_true(slice_eq(a->set, b->set));
}

static int entry_order(const void *a, const void *b)
{
    return rank_entry_before(a, b) ? -1 : rank_entry_before(b, a);
}

static uint32_t top_fill(struct rank_entry *entries, unsigned round)
{
    uint32_t n = 1 + (uint32_t)(random_u64() % (round % 10 == 0 ? RANK_CHUNK_MAX : 200));
    for (uint32_t i = 0; i < n; i++) {
        entries[i].item =
            round % 3 == 0 ? i : UINT32_MAX - (uint32_t)(random_u64() % 1000000) * 4096 - i;
        entries[i].value = value_of(round);
        entries[i].count = round % 7 == 0 ? random_u64() : 1 + random_u64() % 3600;
    }
    qsort(entries, n, sizeof(entries[0]), entry_order);
    return n;
}

static void page_fill(uint32_t number, unsigned round, struct rank_page *page)
{
    uint64_t density = 1 + random_u64() % 100;
    page->count = 0;
    uint32_t only = (uint32_t)(random_u64() % RANK_PAGE_ITEMS);
    for (uint32_t i = 0; i < RANK_PAGE_ITEMS; i++) {
        if (round % 4 != 0 && random_u64() % density != 0 && i != only)
            continue;
        if (round % 8 == 0 && i > only)
            continue;
        uint32_t at = page->count++;
        page->items[at] = number * RANK_PAGE_ITEMS + i;
        page->counts[at] = round % 11 == 0 ? random_u64() : 1 + random_u64() % 20;
        page->sums[at] = value_of(round);
        page->maxs[at] = round % 5 == 0 ? page->sums[at] : value_of(round + 2 * (round % 3 == 0));
    }
}

static void assert_same_page(const struct rank_page *a, const struct rank_page *b, unsigned columns)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->items, b->items, a->count * sizeof(a->items[0]));
    for (uint32_t i = 0; i < a->count; i++) {
        if ((columns & RANK_SUMS) != 0)
            assert_same_double(a->sums[i], b->sums[i]);
        if ((columns & RANK_COUNTS) != 0)
            assert_int_equal(a->counts[i], b->counts[i]);
        if ((columns & RANK_MAXS) != 0)
            assert_same_double(a->maxs[i], b->maxs[i]);
    }
}

static uint32_t page_number(unsigned round)
{
    return round % 3 == 0 ? UINT32_MAX / RANK_PAGE_ITEMS : (uint32_t)(random_u64() % 4000000);
}

static void test_totals_come_back(void **state)
{
    (void)state;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    for (unsigned round = 0; round < 500; round++) {
        struct rank_total t = total_make(round), again;
        t.set = round % 2 == 0 ? SLICE_LIT("any bytes") : SLICE_LIT("");
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_total_encode(&t, &body), 0);
        assert_int_equal(rank_total_decode(buffer_slice(&body), &again), 0);
        assert_same_total(&t, &again);
    }
    buffer_fini(&body);
}

static void test_tops_come_back(void **state)
{
    (void)state;
    struct buffer body;
    struct rank_entry *entries = malloc(RANK_CHUNK_MAX * sizeof(entries[0]));
    struct rank_entry *again = malloc(RANK_CHUNK_MAX * sizeof(entries[0]));
    assert_non_null(entries);
    assert_non_null(again);
    buffer_init(&body, SIZE_MAX);
    for (unsigned round = 0; round < 500; round++) {
        uint32_t n = top_fill(entries, round);
        uint32_t said;
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_top_encode(entries, n, &body), 0);
        assert_int_equal(rank_top_decode(buffer_slice(&body), again, &said), 0);
        assert_int_equal(said, n);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(entries[i].item, again[i].item);
            assert_same_double(entries[i].value, again[i].value);
            assert_true(entries[i].count == again[i].count);
        }
    }
    free(entries);
    free(again);
    buffer_fini(&body);
}

static void test_pages_come_back(void **state)
{
    (void)state;
    struct buffer body;
    struct rank_page *page = malloc(sizeof(*page));
    struct rank_page *again = malloc(sizeof(*again));
    assert_non_null(page);
    assert_non_null(again);
    buffer_init(&body, SIZE_MAX);
    for (unsigned round = 0; round < 800; round++) {
        uint32_t number = page_number(round);
        page_fill(number, round, page);
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_page_encode(number, page, &body), 0);
        unsigned columns = (unsigned)(random_u64() % 8);
        memset(again, 0, sizeof(*again));
        assert_int_equal(rank_page_decode(number, buffer_slice(&body), columns, again), 0);
        assert_same_page(page, again, columns);
    }
    free(page);
    free(again);
    buffer_fini(&body);
}

/* ---- golden bytes: they stand in tables and must stay readable ---- */

static const uint8_t golden_total[] = {
    0xd6, 0xbf, 0x07, 0x4e, 0x01, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x03, 0x02,
    0x01, 0xac, 0x02, 0x01, 0x02, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x34, 0x8f, 0x40,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xf8, 0xbf, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x8f, 0x40, 0x73, 0x65, 0x74,
};
static const uint8_t golden_top[] = {
    0xad, 0xb7, 0x86, 0x4d, 0x02, 0x00, 0x00, 0x00, 0x1e, 0x00, 0x00, 0x00, 0x03, 0x00,
    0x00, 0x90, 0x4e, 0x0d, 0x00, 0x24, 0x13, 0x00, 0x98, 0x01, 0x83, 0x06, 0x01, 0x8d,
    0x01, 0x00, 0x00, 0xad, 0x44, 0x84, 0x02, 0x01, 0x08, 0x0f, 0x02, 0x00, 0xe0, 0x01,
};
static const uint8_t golden_top_near[] = {
    0xd9, 0xbd, 0xfe, 0x8e, 0x02, 0x00, 0x00, 0x00, 0x11, 0x00, 0x00, 0x00, 0x02, 0x22, 0x00,
    0x3c, 0x03, 0x00, 0x28, 0x01, 0x00, 0x01, 0x03, 0x06, 0x31, 0x00, 0x01, 0x02, 0x01,
};
static const uint8_t golden_page[] = {
    0x59, 0x6c, 0xbf, 0xfa, 0x01, 0x00, 0x00, 0x00, 0xf3, 0x01, 0x00, 0x00, 0x02, 0xc7, 0x01, 0x03,
    0x00, 0xe8, 0x45, 0x67, 0xbd, 0xe8, 0xac, 0x17, 0x9d, 0xf5, 0xa2, 0xb3, 0x5e, 0x74, 0xd6, 0x8b,
    0xce, 0x7a, 0xd1, 0x59, 0x2f, 0x3a, 0xeb, 0x45, 0x67, 0xbd, 0xe8, 0xac, 0x17, 0x9d, 0xf5, 0xa2,
    0xb3, 0x5e, 0x74, 0xd6, 0x8b, 0xce, 0x7a, 0xd1, 0x59, 0x2f, 0x3a, 0xeb, 0x45, 0x67, 0xbd, 0xe8,
    0xac, 0x17, 0x9d, 0xf5, 0xa2, 0xb3, 0x5e, 0x74, 0xd6, 0x8b, 0xce, 0x7a, 0xd1, 0x59, 0x2f, 0x3a,
    0xeb, 0x45, 0x67, 0xbd, 0xe8, 0xac, 0x17, 0x9d, 0xf5, 0xa2, 0xb3, 0x5e, 0xd0, 0x00, 0x00, 0x88,
    0x14, 0x01, 0x00, 0x36, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
    0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d,
    0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d,
    0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
    0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d,
    0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d,
    0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
    0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d,
    0x7e, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d,
    0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d,
    0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad,
    0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd,
    0xbe, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0x01, 0x00, 0xc2, 0x1e, 0x66, 0x00,
    0x04, 0x02, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32,
    0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba,
    0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76,
    0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32,
    0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba,
    0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x10, 0x32, 0x54, 0x76,
    0x98, 0xba, 0x10, 0x32, 0x54, 0x76, 0x67, 0x00, 0x01, 0x04, 0x00, 0x10, 0x32, 0x54, 0x76, 0x98,
    0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10,
    0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32,
    0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54,
    0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76,
    0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98,
    0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0x76, 0x98,
};
static const uint8_t golden_page_list[] = {
    0x9a, 0x35, 0x7c, 0x68, 0x01, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x02, 0x02,
    0x09, 0x0e, 0x00, 0x48, 0x92, 0x04, 0x0a, 0x00, 0x00, 0x82, 0x14, 0x01, 0x28, 0x01,
    0x00, 0x8d, 0xa1, 0x0f, 0x03, 0x00, 0x02, 0x02, 0x24, 0x01, 0x00, 0xff,
};

static void golden_page_make(bool list, struct rank_page *page)
{
    page->count = list ? 3 : 200;
    for (uint32_t i = 0; i < page->count; i++) {
        page->items[i] = 5 * RANK_PAGE_ITEMS + (list ? 300 * i + 7 : i * i % 7 + 5 * i);
        page->counts[i] = 1 + i % 12;
        page->sums[i] = i == 1 ? 1000000 : 10 + i;
        page->maxs[i] = list ? page->sums[i] : (double)(i % 10) / 10;
    }
}

static void test_bytes_of_rank_rows_are_pinned(void **state)
{
    (void)state;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    struct rank_total t = {
        .items = 3, .entries = 2, .hosts = 1, .only_host = 300, .negative = true};
    summary_init(&t.summary);
    summary_add(&t.summary, 5, -1.5);
    summary_add(&t.summary, 6, 1000);
    summary_add(&t.summary, 7, (double)NAN);
    t.set = SLICE_LIT("set");
    assert_int_equal(rank_total_encode(&t, &body), 0);
    assert_golden("total", buffer_slice(&body), golden_total, sizeof(golden_total));

    static const struct rank_entry entries[] = {
        {70000, 5000, 9}, {4, 100, 1}, {9, 100, 3600}, {3, -2, 1}};
    buffer_reset(&body, SIZE_MAX);
    assert_int_equal(rank_top_encode(entries, 4, &body), 0);
    assert_golden("top", buffer_slice(&body), golden_top, sizeof(golden_top));

    static const struct rank_entry near[] = {{4, 0.1 + 0.2, 2}, {9, 0.3, 1}, {3, 0.25, 1}};
    buffer_reset(&body, SIZE_MAX);
    assert_int_equal(rank_top_encode(near, 3, &body), 0);
    assert_golden("near top", buffer_slice(&body), golden_top_near, sizeof(golden_top_near));

    struct rank_page *page = malloc(sizeof(*page));
    struct rank_page *again = malloc(sizeof(*again));
    assert_non_null(page);
    assert_non_null(again);
    for (unsigned list = 0; list < 2; list++) {
        golden_page_make(list != 0, page);
        buffer_reset(&body, SIZE_MAX);
        assert_int_equal(rank_page_encode(5, page, &body), 0);
        struct slice golden = list != 0 ? slice_make(golden_page_list, sizeof(golden_page_list))
                                        : slice_make(golden_page, sizeof(golden_page));
        assert_golden("page", buffer_slice(&body), (const uint8_t *)golden.p, golden.n);
        assert_int_equal(rank_page_decode(5, golden, 7, again), 0);
        assert_same_page(page, again, 7);
    }
    free(page);
    free(again);
    buffer_fini(&body);
}

/* ---- spoilt bytes ---- */

struct decoded {
    struct rank_total total;
    struct rank_entry entries[RANK_CHUNK_MAX];
    struct rank_page page;
};

/* Whatever decodes keeps the promises of the header. */
static int decode_any(unsigned kind, uint32_t number, struct slice body, struct decoded *d)
{
    if (kind == 0)
        return rank_total_decode(body, &d->total);
    if (kind == 1) {
        uint32_t n;
        int err = rank_top_decode(body, d->entries, &n);
        for (uint32_t i = 1; err == 0 && i < n; i++)
            assert_true(rank_entry_before(&d->entries[i - 1], &d->entries[i]));
        return err;
    }
    int err = rank_page_decode(number, body, RANK_SUMS | RANK_COUNTS | RANK_MAXS, &d->page);
    if (err != 0)
        return err;
    assert_in_range(d->page.count, 1, RANK_PAGE_ITEMS);
    for (uint32_t i = 0; i < d->page.count; i++)
        assert_true(d->page.items[i] / RANK_PAGE_ITEMS == number &&
                    (i == 0 || d->page.items[i] > d->page.items[i - 1]));
    return 0;
}

static void spoil(unsigned kind, uint32_t number, struct buffer *body, struct decoded *d)
{
    struct buffer bad;
    buffer_init(&bad, SIZE_MAX);
    for (unsigned i = 0; i < 300; i++) {
        size_t at = random_u64() % (random_u64() % 2 == 0 && body->len > 40 ? 40 : body->len);
        buffer_reset(&bad, SIZE_MAX);
        buffer_append_slice(&bad, buffer_slice(body));
        bad.data[at] = (char)(bad.data[at] ^ 1 << random_u64() % 8);
        assert_int_equal(decode_any(kind, number, buffer_slice(&bad), d), LT_ECORRUPT);
        /* The same under a good checksum: what the fields themselves hold against it. */
        frame_put(bad.data, hash_bytes(slice_from(buffer_slice(&bad), 4)), 4);
        int err = decode_any(kind, number, buffer_slice(&bad), d);
        assert_true(err == 0 || err == LT_ECORRUPT || err == LT_EVERSION);
        assert_true(at != 4 || err == LT_EVERSION);
        assert_int_equal(decode_any(kind, number, slice_make(body->data, at), d), LT_ECORRUPT);
    }
    buffer_fini(&bad);
    assert_int_equal(decode_any(kind, number, buffer_slice(body), d), 0);
}

/* What no flipped bit came to. */
static void test_bodies_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    struct buffer body;
    struct rank_total t = {.entries = RANK_TOP_MAX + 1};
    buffer_init(&body, SIZE_MAX);
    summary_init(&t.summary);
    assert_int_equal(rank_total_encode(&t, &body), 0);
    assert_int_equal(rank_total_decode(buffer_slice(&body), &t), LT_ECORRUPT);

    /* A page whose bitmap has a bit more than it says. */
    struct rank_page *page = malloc(sizeof(*page));
    assert_non_null(page);
    memset(page, 0, sizeof(*page));
    for (uint32_t at = 5 * RANK_PAGE_ITEMS; page->count < 560; at += page->count % 4 == 0 ? 4 : 1)
        page->items[page->count++] = at;
    buffer_reset(&body, SIZE_MAX);
    assert_int_equal(rank_page_encode(5, page, &body), 0);
    assert_int_equal(body.data[FRAME_HEADER_BYTES], 1);
    body.data[FRAME_HEADER_BYTES + 3 + 1024 / 8 - 1] = 1;
    frame_put(body.data, hash_bytes(slice_from(buffer_slice(&body), 4)), 4);
    assert_int_equal(rank_page_decode(5, buffer_slice(&body), 7, page), LT_ECORRUPT);
    free(page);

    buffer_fini(&body);
}

/* A payload cut short, under a header that holds. */
static void cut(unsigned kind, uint32_t number, const struct buffer *body, struct decoded *d)
{
    struct buffer shorter;
    buffer_init(&shorter, SIZE_MAX);
    for (size_t n = 1; n < body->len - FRAME_HEADER_BYTES; n += 1 + n / 16) {
        buffer_reset(&shorter, SIZE_MAX);
        size_t start = frame_begin(&shorter);
        buffer_append(&shorter, body->data + FRAME_HEADER_BYTES, n);
        assert_int_equal(frame_end(kind == 1 ? 2 : 1, start, &shorter), 0);
        int err = decode_any(kind, number, buffer_slice(&shorter), d);
        /* A total's set may be of any length. */
        assert_true(err == LT_ECORRUPT || (kind == 0 && err == 0));
    }
    buffer_fini(&shorter);
}

static void test_spoilt_bodies_are_found(void **state)
{
    (void)state;
    struct decoded *d = malloc(sizeof(*d));
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    assert_non_null(d);
    for (unsigned round = 0; round < 90; round++) {
        uint32_t number = page_number(round);
        buffer_reset(&body, SIZE_MAX);
        if (round % 3 == 0) {
            struct rank_total t = total_make(round / 3);
            t.set = SLICE_LIT("a set");
            assert_int_equal(rank_total_encode(&t, &body), 0);
        } else if (round % 3 == 1) {
            assert_int_equal(rank_top_encode(d->entries, top_fill(d->entries, round / 3), &body),
                             0);
        } else {
            page_fill(number, round / 3, &d->page);
            assert_int_equal(rank_page_encode(number, &d->page, &body), 0);
        }
        spoil(round % 3, number, &body, d);
        cut(round % 3, number, &body, d);
    }
    free(d);
    buffer_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patched_columns_come_back),
        cmocka_unit_test(test_a_few_large_numbers_do_not_widen_the_others),
        cmocka_unit_test(test_numbers_come_back),
        cmocka_unit_test(test_chunks_cover_a_list),
        cmocka_unit_test(test_totals_come_back),
        cmocka_unit_test(test_tops_come_back),
        cmocka_unit_test(test_pages_come_back),
        cmocka_unit_test(test_bytes_of_rank_rows_are_pinned),
        cmocka_unit_test(test_bodies_that_contradict_themselves_are_refused),
        cmocka_unit_test(test_spoilt_bodies_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
