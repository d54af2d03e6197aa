#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "support_random.h"
#include "vector/itemset.h"

#include <stdlib.h>
#include <string.h>

/* The model: a byte for each of the ids that the tests use, at both ends of all ids. */
enum { MODEL_IDS = 1 << 19, BLOCK_IDS = 1 << 16 };

struct model {
    bool has[MODEL_IDS];
};

static uint32_t model_item(uint32_t i)
{
    return i < MODEL_IDS / 2 ? i : UINT32_MAX - (MODEL_IDS - 1 - i);
}

/* Each container's ids empty, few, scattered, dense, or runs. */
static void model_fill(struct model *m)
{
    memset(m, 0, sizeof(*m));
    for (uint32_t block = 0; block < MODEL_IDS; block += BLOCK_IDS) {
        uint64_t shape = random_u64() % 5;
        bool on = false;
        for (uint32_t i = 0; i < BLOCK_IDS; i++) {
            uint64_t r = random_u64();
            on = r % 300 == 0 ? !on : on;
            m->has[block + i] = (shape == 1 && r % 20000 == 0) || (shape == 2 && r % 30 == 0) ||
                                (shape == 3 && r % 3 != 0) || (shape == 4 && on);
        }
    }
}

static struct itemset *set_of(const struct model *m, bool one_by_one)
{
    struct itemset *set;
    uint32_t *items = malloc(MODEL_IDS * sizeof(items[0]));
    assert_non_null(items);
    assert_int_equal(itemset_create(&set), 0);
    uint32_t n = 0;
    for (uint32_t i = 0; i < MODEL_IDS; i++)
        if (m->has[i])
            items[n++] = model_item(i);
    if (!one_by_one)
        assert_int_equal(itemset_add_many(set, items, n), 0);
    for (uint32_t i = 0; one_by_one && i < n; i++)
        assert_int_equal(itemset_add(set, items[n - 1 - i]), 0);
    free(items);
    return set;
}

static uint64_t assert_is(const struct itemset *set, const struct model *m)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < MODEL_IDS; i++) {
        n += m->has[i];
        if (itemset_has(set, model_item(i)) != m->has[i])
            fail_msg("%u", (unsigned)model_item(i));
    }
    assert_int_equal(itemset_count(set), n);
    return n;
}

static void test_sets_are_sets(void **state)
{
    (void)state;
    struct model *a = malloc(sizeof(*a));
    struct model *b = malloc(sizeof(*b));
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    assert_non_null(a);
    assert_non_null(b);
    for (unsigned round = 0; round < 24; round++) {
        model_fill(a);
        model_fill(b);
        struct itemset *one = set_of(a, round % 4 == 0);
        struct itemset *two = set_of(b, false);
        assert_is(one, a);
        buffer_reset(&bytes, SIZE_MAX);
        assert_int_equal(itemset_encode(two, &bytes), 0);
        uint64_t said;
        assert_int_equal(itemset_check(buffer_slice(&bytes), &said), 0);
        assert_int_equal(said, assert_is(two, b));
        assert_int_equal(itemset_merge(one, buffer_slice(&bytes)), 0);
        for (uint32_t i = 0; i < MODEL_IDS; i++)
            a->has[i] = a->has[i] || b->has[i];
        assert_is(one, a);
        /* And what they became is encoded as well. */
        buffer_reset(&bytes, SIZE_MAX);
        assert_int_equal(itemset_encode(one, &bytes), 0);
        itemset_clear(two);
        assert_int_equal(itemset_count(two), 0);
        assert_int_equal(itemset_merge(two, buffer_slice(&bytes)), 0);
        assert_is(two, a);
        itemset_destroy(&one);
        itemset_destroy(&two);
        assert_null(one);
    }
    buffer_fini(&bytes);
    free(a);
    free(b);
}

/* A container of ids, and one of a run. */
static struct itemset *golden_set(void)
{
    struct itemset *set;
    assert_int_equal(itemset_create(&set), 0);
    assert_int_equal(itemset_add(set, 7), 0);
    assert_int_equal(itemset_add(set, 300), 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(itemset_add(set, (3 << 16) + 10 + i), 0);
    return set;
}

static const uint8_t golden[] = {
    0x3b, 0x30, 0x01, 0x00, 0x02,                   /* two containers, the second is runs */
    0x00, 0x00, 0x01, 0x00, 0x03, 0x00, 0x63, 0x00, /* keys 0 and 3, of 2 and 100 items */
    0x07, 0x00, 0x2c, 0x01,                         /* 7, 300 */
    0x01, 0x00, 0x0a, 0x00, 0x63, 0x00,             /* one run: 10, 99 more */
};

static void test_the_bytes_are_the_portable_format(void **state)
{
    (void)state;
    struct itemset *set = golden_set();
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    assert_int_equal(itemset_encode(set, &bytes), 0);
    assert_int_equal(bytes.len, sizeof(golden));
    assert_memory_equal(bytes.data, golden, sizeof(golden));
    struct itemset *again;
    assert_int_equal(itemset_create(&again), 0);
    assert_int_equal(itemset_merge(again, slice_make(golden, sizeof(golden))), 0);
    assert_int_equal(itemset_count(again), 102);
    assert_true(itemset_has(again, 300) && itemset_has(again, (3 << 16) + 109));

    static const uint8_t empty[] = {0x3a, 0x30, 0, 0, 0, 0, 0, 0};
    buffer_reset(&bytes, SIZE_MAX);
    itemset_clear(again);
    assert_int_equal(itemset_encode(again, &bytes), 0);
    assert_int_equal(bytes.len, sizeof(empty));
    assert_memory_equal(bytes.data, empty, sizeof(empty));
    assert_int_equal(itemset_merge(again, slice_make(empty, sizeof(empty))), 0);
    assert_int_equal(itemset_count(again), 0);
    itemset_destroy(&set);
    itemset_destroy(&again);
    buffer_fini(&bytes);
}

/* What the library would believe. */
static void test_what_is_no_set_is_refused(void **state)
{
    (void)state;
    static const uint8_t same_key[] = {0x3a, 0x30, 0,  0, 2, 0, 0,  0, 5, 0, 0, 0, 5, 0,
                                       0,    0,    24, 0, 0, 0, 26, 0, 0, 0, 1, 0, 2, 0};
    static const uint8_t unsorted[] = {0x3a, 0x30, 0,  0, 1, 0, 0, 0, 5, 0,
                                       1,    0,    16, 0, 0, 0, 9, 0, 9, 0};
    static const uint8_t wrong_offset[] = {0x3a, 0x30, 0,  0, 1, 0, 0, 0, 5,  0,
                                           1,    0,    17, 0, 0, 0, 9, 0, 10, 0};
    static const uint8_t overlap[] = {0x3b, 0x30, 0, 0, 1, 5, 0, 7, 0, 2,
                                      0,    1,    0, 3, 0, 4, 0, 3, 0};
    static const struct slice bad[] = {{(const char *)same_key, sizeof(same_key)},
                                       {(const char *)unsorted, sizeof(unsorted)},
                                       {(const char *)wrong_offset, sizeof(wrong_offset)},
                                       {(const char *)overlap, sizeof(overlap)}};
    struct itemset *set;
    assert_int_equal(itemset_create(&set), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(itemset_merge(set, bad[i]), LT_ECORRUPT);
    /* A bitmap of one bit more than it says. */
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    for (uint32_t i = 0; i < 10000; i += 2)
        assert_int_equal(itemset_add(set, i), 0);
    assert_int_equal(itemset_encode(set, &bytes), 0);
    assert_int_equal(itemset_merge(set, buffer_slice(&bytes)), 0);
    bytes.data[bytes.len - 1] |= 1;
    assert_int_equal(itemset_merge(set, buffer_slice(&bytes)), LT_ECORRUPT);
    buffer_fini(&bytes);
    itemset_destroy(&set);
}

/* No cut and no flipped bit may do harm; and as the check is of every bit, a set that passes it is
 * written again as it was read. */
static void assert_harmless(struct itemset *set, struct slice bytes, struct buffer *again)
{
    uint64_t said;
    itemset_clear(set);
    int err = itemset_merge(set, bytes);
    assert_int_equal(itemset_check(bytes, &said), err);
    if (err != 0) {
        assert_int_equal(err, LT_ECORRUPT);
        assert_int_equal(itemset_count(set), 0);
        return;
    }
    assert_int_equal(itemset_count(set), said);
    buffer_reset(again, SIZE_MAX);
    assert_int_equal(itemset_encode(set, again), 0);
}

static void test_spoilt_bytes_are_found(void **state)
{
    (void)state;
    struct model *m = malloc(sizeof(*m));
    struct itemset *set;
    struct buffer bytes;
    struct buffer again;
    buffer_init(&bytes, SIZE_MAX);
    buffer_init(&again, SIZE_MAX);
    assert_non_null(m);
    assert_int_equal(itemset_create(&set), 0);
    for (unsigned round = 0; round < 6; round++) {
        model_fill(m);
        struct itemset *made = round == 0 ? golden_set() : set_of(m, false);
        buffer_reset(&bytes, SIZE_MAX);
        assert_int_equal(itemset_encode(made, &bytes), 0);
        itemset_destroy(&made);
        for (unsigned i = 0; i < 2000; i++) {
            size_t near_head = random_u64() % 2 == 0 && bytes.len > 80 ? 80 : bytes.len;
            size_t at = random_u64() % near_head;
            uint8_t bit = (uint8_t)(1 << random_u64() % 8);
            bytes.data[at] = (char)(bytes.data[at] ^ bit);
            assert_harmless(set, buffer_slice(&bytes), &again);
            bytes.data[at] = (char)(bytes.data[at] ^ bit);
            itemset_clear(set);
            if (i < 200)
                assert_int_equal(itemset_merge(set, slice_make(bytes.data, at)), LT_ECORRUPT);
        }
        buffer_append(&bytes, "", 1);
        assert_int_equal(itemset_merge(set, buffer_slice(&bytes)), LT_ECORRUPT);
    }
    itemset_destroy(&set);
    buffer_fini(&bytes);
    buffer_fini(&again);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_are_sets),
        cmocka_unit_test(test_the_bytes_are_the_portable_format),
        cmocka_unit_test(test_what_is_no_set_is_refused),
        cmocka_unit_test(test_spoilt_bytes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
