#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/vec.h"
#include "catalog/fold.h"
#include "catalog/name_block.h"
#include "catalog/name_index.h"
#include "support_random.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fold.h ---- */

/* Byte by byte, as query/topq_rank.c did it first. */
static bool contains(struct slice text, struct slice part)
{
    for (size_t at = 0; at + part.n <= text.n; at++) {
        size_t i = 0;
        while (i < part.n &&
               tolower((unsigned char)text.p[at + i]) == tolower((unsigned char)part.p[i]))
            i++;
        if (i == part.n)
            return true;
    }
    return false;
}

static void test_folding_changes_ascii_letters_alone(void **state)
{
    (void)state;
    char from[256 + 9], to[sizeof(from)];
    for (unsigned shift = 0; shift < 9; shift++) {
        for (unsigned i = 0; i < sizeof(from); i++)
            from[i] = (char)(i + shift);
        fold_copy(to, from, sizeof(from));
        for (unsigned i = 0; i < sizeof(from); i++)
            assert_int_equal((unsigned char)to[i], tolower((unsigned char)from[i]));
    }
}

static void random_text(char *out, size_t n, const char *letters)
{
    for (size_t i = 0; i < n; i++)
        out[i] = letters[random_u64() % strlen(letters)];
}

static void test_a_needle_is_where_a_plain_search_finds_it(void **state)
{
    (void)state;
    static char text[20000], part[9000];
    unsigned found = 0;
    for (unsigned round = 0; round < 3000; round++) {
        size_t n = random_u64() % (round % 10 == 0 ? sizeof(text) : 40);
        random_text(text, n, "aAbB\xc4\xe4");
        size_t k = random_u64() % (round % 100 == 0 ? sizeof(part) : 8);
        random_text(part, k, "aAbB\xc4\xe4");
        /* often, one that is there, with its case turned */
        if (random_u64() % 2 == 0 && k <= n && n > 0) {
            memcpy(part, text + random_u64() % (n - k + 1), k);
            for (size_t i = 0; i < k; i++)
                part[i] = (char)((unsigned char)part[i] < 0x80 && random_u64() % 2 ? part[i] ^ 32
                                                                                   : part[i]);
        }
        struct needle needle;
        assert_int_equal(needle_init(&needle, slice_make(part, k)), 0);
        bool expected = contains(slice_make(text, n), slice_make(part, k));
        assert_int_equal(needle_is_in(&needle, slice_make(text, n)), expected);
        found += expected;
        needle_fini(&needle);
    }
    assert_in_range(found, 500, 2900);
}

/* Wherever it stands, also across the ends of what is folded at once. */
static void test_a_needle_is_found_at_every_place(void **state)
{
    (void)state;
    static char text[10000];
    static const char part[] = "Needle in a Haystack";
    struct needle needle;
    size_t n = sizeof(part) - 1;
    assert_int_equal(needle_init(&needle, slice_make(part, n)), 0);
    for (size_t at = 0; at + n <= sizeof(text); at++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + at, part, n);
        assert_true(needle_is_in(&needle, slice_make(text, sizeof(text))));
        assert_true(needle_is_in(&needle, slice_make(text, at + n)));
        assert_false(needle_is_in(&needle, slice_make(text, at + n - 1)));
    }
    needle_fini(&needle);
}

/* ---- name_block.h ---- */

struct names {
    char text[NAME_BLOCK_ITEMS][NAME_BYTES_MAX];
    size_t n[NAME_BLOCK_ITEMS];
};

static size_t hex_name(char *out, size_t digits)
{
    random_text(out, digits, "0123456789abcdef");
    return digits;
}

/* Blocks of one shape, and blocks that begin so and then meet something else. */
static size_t random_name(char *out, unsigned shape, uint32_t i)
{
    static const size_t digits[] = {8, 9, 15, 16, 17, 31, 32};
    size_t usual = digits[shape % ARRAY_LEN(digits)];
    bool odd = shape % 3 == 0 && random_u64() % 100 == 0;
    if (shape % 5 == 4 || (odd && random_u64() % 2 == 0)) {
        size_t n = random_u64() % (random_u64() % 50 == 0 ? NAME_BYTES_MAX + 1 : 12);
        random_text(out, n, "abcdefABCDEF0123456789.xy_");
        return n;
    }
    if (odd && random_u64() % 3 == 0) {
        hex_name(out, usual);
        out[random_u64() % usual] = 'A';
        return usual;
    }
    return odd ? hex_name(out, 7 + random_u64() % 27) : hex_name(out, usual);
}

static void assert_matches(const struct name_block *b, const struct names *names, uint32_t count,
                           struct slice part, uint64_t *found)
{
    uint64_t bits[NAME_BLOCK_ITEMS / 64] = {0};
    struct needle needle;
    assert_int_equal(needle_init(&needle, part), 0);
    name_block_match(b, count, &needle, bits);
    for (uint32_t i = 0; i < NAME_BLOCK_ITEMS; i++) {
        bool expected = i < count && contains(slice_make(names->text[i], names->n[i]), part);
        assert_int_equal(bits[i / 64] >> i % 64 & 1, expected);
        *found += expected;
    }
    needle_fini(&needle);
}

static void match_some(const struct name_block *b, const struct names *names, uint64_t *found)
{
    char part[64];
    for (unsigned round = 0; round < 12; round++) {
        size_t n = random_u64() % (round % 4 == 0 ? 34 : 5);
        random_text(part, n, round % 3 == 0 ? "0123456789ABCDEF" : "0123456789abcdefxX.");
        uint32_t from = (uint32_t)(random_u64() % b->count);
        if (round % 2 == 0 && names->n[from] >= n && n > 0) {
            memcpy(part, names->text[from] + random_u64() % (names->n[from] - n + 1), n);
            part[0] = (char)toupper((unsigned char)part[0]);
        }
        assert_matches(b, names, (uint32_t)(random_u64() % b->count) + 1, slice_make(part, n),
                       found);
    }
}

static void test_a_block_gives_back_and_finds_its_names(void **state)
{
    (void)state;
    struct names *names = malloc(sizeof(*names));
    assert_non_null(names);
    uint64_t found = 0;
    for (unsigned shape = 0; shape < 60; shape++) {
        struct name_block b = {0};
        uint32_t count =
            shape % 4 == 0 ? NAME_BLOCK_ITEMS : 1 + (uint32_t)(random_u64() % NAME_BLOCK_ITEMS);
        size_t bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            names->n[i] = random_name(names->text[i], shape, i);
            bytes += names->n[i];
            struct slice name = slice_make(names->text[i], names->n[i]);
            assert_int_equal(name_block_add(&b, name), 0);
            if (random_u64() % 16 == 0) { /* taken back, and added again */
                name_block_drop_last(&b);
                assert_int_equal(b.count, i);
                assert_int_equal(name_block_add(&b, name), 0);
            }
        }
        assert_int_equal(b.count, count);
        if (b.digits == 16 && count == NAME_BLOCK_ITEMS)
            assert_int_equal(name_block_bytes(&b), 8 * NAME_BLOCK_ITEMS);
        if (b.digits == 0 && count == NAME_BLOCK_ITEMS)
            assert_int_equal(name_block_bytes(&b), bytes + 4 * NAME_BLOCK_ITEMS);
        for (uint32_t i = 0; i < count; i++) {
            char out[NAME_BYTES_MAX];
            struct slice name = slice_make(names->text[i], names->n[i]);
            assert_true(slice_eq(name_block_get(&b, i, out), name));
            assert_true(name_block_is(&b, i, name));
            struct slice other =
                slice_make(names->text[(i + 1) % count], names->n[(i + 1) % count]);
            assert_int_equal(name_block_is(&b, i, other), slice_eq(name, other));
            char wrong[NAME_BYTES_MAX];
            memcpy(wrong, name.p, name.n);
            if (name.n > 0) {
                wrong[random_u64() % name.n] ^= 32; /* another case is another name */
                assert_int_equal(name_block_is(&b, i, slice_make(wrong, name.n)),
                                 memcmp(wrong, name.p, name.n) == 0);
                assert_false(name_block_is(&b, i, slice_make(wrong, name.n - 1)));
            }
        }
        match_some(&b, names, &found);
        name_block_fini(&b);
    }
    assert_true(found > 10000);
    free(names);
}

static void test_digests_are_stored_as_numbers(void **state)
{
    (void)state;
    struct name_block b = {0};
    assert_int_equal(name_block_add(&b, SLICE_LIT("1374c6821ead6f47")), 0);
    assert_int_equal(name_block_add(&b, SLICE_LIT("00000000000000ff")), 0);
    assert_memory_equal(b.bytes, "\x13\x74\xc6\x82\x1e\xad\x6f\x47\0\0\0\0\0\0\0\xff", 16);
    assert_null(b.ends);
    assert_int_equal(name_block_add(&b, SLICE_LIT("1374C6821EAD6F47")), 0);
    char out[NAME_BYTES_MAX];
    assert_true(slice_eq_str(name_block_get(&b, 0, out), "1374c6821ead6f47"));
    assert_true(slice_eq_str(name_block_get(&b, 2, out), "1374C6821EAD6F47"));
    name_block_fini(&b);
}

/* ---- name_index.h ---- */

struct pair {
    uint64_t hash, number;
};

static bool is_number(const void *context, const void *key, uint64_t number)
{
    *(uint64_t *)context += 1; /* asked */
    return number == *(const uint64_t *)key;
}

/* Few distinct hashes: many numbers share table, mark, or all of the hash. */
static uint64_t crowded_hash(unsigned round)
{
    uint64_t x = random_u64();
    switch (round % 4) {
    case 0:
        return x;
    case 1:
        return x & 0xffc0000ffc000000u; /* whose marks crowd at the front */
    case 2:
        return x | 0xffffffff00000000u; /* the last table, and its last slots: they wrap around */
    default:
        return x % 7 << 60;
    }
}

static void test_the_index_finds_what_was_added(void **state)
{
    (void)state;
    struct name_index none = {0}, *index = &none;
    for (unsigned round = 0; round < 40; round++) {
        VEC(struct pair) all = {0};
        uint32_t count = round % 4 == 3 ? 300 : round == 0 ? 200000 : 5000;
        uint64_t asked = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct pair p = {crowded_hash(round), i == 0 ? NAME_INDEX_NUMBERS_MAX - 1 : i};
            assert_int_equal(name_index_find(index, p.hash, is_number, &asked, &p.number),
                             NAME_INDEX_NONE);
            assert_int_equal(name_index_add(index, p.hash, p.number), 0);
            assert_true(VEC_PUSH(&all, p));
            struct pair *old = &all.v[random_u64() % all.n];
            assert_int_equal(name_index_find(index, old->hash, is_number, &asked, &old->number),
                             old->number);
        }
        if (round == 0) /* two names are hardly ever mistaken for each other */
            assert_in_range(asked, count, count + 10);
        for (uint32_t i = 0; i < all.n; i++)
            assert_int_equal(
                name_index_find(index, all.v[i].hash, is_number, &asked, &all.v[i].number),
                all.v[i].number);
        if (round == 0)
            assert_in_range(index->bytes, 10 * count, 16 * count + 16 * NAME_INDEX_TABLES);
        VEC_FINI(&all);
        name_index_fini(index);
        assert_int_equal(index->bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folding_changes_ascii_letters_alone),
        cmocka_unit_test(test_a_needle_is_where_a_plain_search_finds_it),
        cmocka_unit_test(test_a_needle_is_found_at_every_place),
        cmocka_unit_test(test_a_block_gives_back_and_finds_its_names),
        cmocka_unit_test(test_digests_are_stored_as_numbers),
        cmocka_unit_test(test_the_index_finds_what_was_added),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
