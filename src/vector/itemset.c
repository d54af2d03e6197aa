#include "vector/itemset.h"

#include "base/error.h"
#include "vector/frame.h"

#include <roaring/roaring.h>
#include <stdlib.h>

/* The portable format (github.com/RoaringBitmap/RoaringFormatSpec), little-endian:
 *
 *   | u32 cookie | runs or number | n x (u16 key, u16 cardinality - 1) | n x u32 offset | bodies |
 *
 *   cookie   12346: | u32 n | follows, no container is runs
 *            12347 | (n - 1) << 16: | (n + 7) / 8 bytes | follow, bit i: container i is runs
 *   key      the upper 16 bits of the items of a container; keys ascend
 *   offset   of a body from the start; none for 12347 where n < 4
 *   body     runs: | u16 runs | runs x (u16 first, u16 length - 1) |
 *            cardinality <= 4096: that many u16, ascending; else 8192 bytes, a bit for each */
enum {
    COOKIE_PLAIN = 12346,
    COOKIE_RUNS = 12347,
    KEYS_MAX = 1 << 16,
    OFFSETS_MIN = 4,
    ARRAY_MAX = 4096,
    BITSET_BYTES = 8192,
    KEY_BYTES = 4,
    OFFSET_BYTES = 4,
    RUN_BYTES = 4
};

struct itemset {
    roaring_bitmap_t *bits;
};

int itemset_create(struct itemset **out)
{
    struct itemset *set = malloc(sizeof(*set));
    roaring_bitmap_t *bits = roaring_bitmap_create();
    if (set == NULL || bits == NULL) {
        free(set);
        if (bits != NULL)
            roaring_bitmap_free(bits);
        return LT_ENOMEM;
    }
    set->bits = bits;
    *out = set;
    return 0;
}

void itemset_destroy(struct itemset **set)
{
    if (*set == NULL)
        return;
    roaring_bitmap_free((*set)->bits);
    free(*set);
    *set = NULL;
}

void itemset_clear(struct itemset *set)
{
    roaring_bitmap_clear(set->bits);
}

int itemset_add(struct itemset *set, uint32_t item)
{
    roaring_bitmap_add(set->bits, item);
    return 0;
}

int itemset_add_many(struct itemset *set, const uint32_t *items, uint32_t count)
{
    roaring_bitmap_add_many(set->bits, count, items);
    return 0;
}

void itemset_remove(struct itemset *set, uint32_t item)
{
    roaring_bitmap_remove(set->bits, item);
}

bool itemset_has(const struct itemset *set, uint32_t item)
{
    return roaring_bitmap_contains(set->bits, item);
}

uint64_t itemset_count(const struct itemset *set)
{
    return roaring_bitmap_get_cardinality(set->bits);
}

void itemset_union(struct itemset *set, const struct itemset *other)
{
    roaring_bitmap_or_inplace(set->bits, other->bits);
}

void itemset_intersect(struct itemset *set, const struct itemset *other)
{
    roaring_bitmap_and_inplace(set->bits, other->bits);
}

void itemset_subtract(struct itemset *set, const struct itemset *other)
{
    roaring_bitmap_andnot_inplace(set->bits, other->bits);
}

uint32_t itemset_list(const struct itemset *set, uint32_t from, uint32_t *items_out, uint32_t max)
{
    roaring_uint32_iterator_t at;
    roaring_init_iterator(set->bits, &at);
    if (!roaring_move_uint32_iterator_equalorlarger(&at, from))
        return 0;
    return roaring_read_uint32_iterator(&at, items_out, max);
}

size_t itemset_bytes(const struct itemset *set)
{
    return sizeof(*set) + sizeof(*set->bits) + roaring_bitmap_frozen_size_in_bytes(set->bits);
}

int itemset_encode(struct itemset *set, struct buffer *out)
{
    roaring_bitmap_run_optimize(set->bits);
    size_t bytes = roaring_bitmap_portable_size_in_bytes(set->bits);
    char *p = buffer_reserve(out, bytes);
    if (p == NULL)
        return out->error;
    out->len += roaring_bitmap_portable_serialize(set->bits, p);
    return 0;
}

/* ---- checking: the library trusts what it reads ---- */

/* The parts of an encoded set, before its bodies. */
struct layout {
    uint32_t containers;
    const char *runs;    /* NULL: none is runs */
    const char *keys;    /* with cardinalities */
    const char *offsets; /* NULL: there are none */
    size_t bodies;       /* where the first begins */
};

static int layout_read(struct slice encoded, struct layout *out)
{
    if (encoded.n < 8)
        return LT_ECORRUPT;
    uint32_t cookie = (uint32_t)frame_get(encoded.p, 4);
    struct layout l = {0};
    size_t at = 4;
    if (cookie == COOKIE_PLAIN) {
        l.containers = (uint32_t)frame_get(encoded.p + 4, 4);
        at += 4;
    } else if ((cookie & UINT16_MAX) == COOKIE_RUNS) {
        l.containers = (cookie >> 16) + 1;
        l.runs = encoded.p + at;
        at += (l.containers + 7) / 8;
    } else {
        return LT_ECORRUPT;
    }
    if (l.containers > KEYS_MAX)
        return LT_ECORRUPT;
    bool offsets = l.runs == NULL || l.containers >= OFFSETS_MIN;
    size_t keys_at = at;
    at += (size_t)l.containers * KEY_BYTES;
    size_t offsets_at = at;
    at += offsets ? (size_t)l.containers * OFFSET_BYTES : 0;
    if (at > encoded.n)
        return LT_ECORRUPT;
    l.keys = encoded.p + keys_at;
    l.offsets = offsets ? encoded.p + offsets_at : NULL;
    l.bodies = at;
    *out = l;
    return 0;
}

static bool array_is_good(const char *p, uint32_t cardinality)
{
    uint32_t unsorted = 0;
    uint32_t previous = (uint32_t)frame_get(p, 2);
    for (uint32_t i = 1; i < cardinality; i++) {
        uint32_t x = (uint32_t)frame_get(p + 2 * (size_t)i, 2);
        unsorted |= x <= previous;
        previous = x;
    }
    return unsorted == 0;
}

static bool bitset_is_good(const char *p, uint32_t cardinality)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < BITSET_BYTES; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, p + i, sizeof(word));
        bits += (uint64_t)__builtin_popcountll(word);
    }
    return bits == cardinality;
}

static bool runs_are_good(const char *p, uint32_t runs, uint32_t cardinality)
{
    uint32_t next = 0; /* the least that the next run may begin with */
    uint32_t total = 0;
    for (uint32_t i = 0; i < runs; i++) {
        uint32_t first = (uint32_t)frame_get(p + RUN_BYTES * (size_t)i, 2);
        uint32_t more = (uint32_t)frame_get(p + RUN_BYTES * (size_t)i + 2, 2);
        if (first < next || first + more > UINT16_MAX)
            return false;
        total += more + 1;
        next = first + more + 1;
    }
    return total == cardinality;
}

/* One container's body at *at, which is moved past it. */
static int body_check(struct slice encoded, bool is_runs, uint32_t cardinality, size_t *at)
{
    struct slice rest = slice_from(encoded, *at);
    size_t bytes = cardinality <= ARRAY_MAX ? 2 * (size_t)cardinality : BITSET_BYTES;
    uint32_t runs = 0;
    if (is_runs) {
        if (rest.n < 2)
            return LT_ECORRUPT;
        runs = (uint32_t)frame_get(rest.p, 2);
        bytes = 2 + (size_t)runs * RUN_BYTES;
    }
    if (rest.n < bytes)
        return LT_ECORRUPT;
    bool good = is_runs                    ? runs_are_good(rest.p + 2, runs, cardinality)
                : cardinality <= ARRAY_MAX ? array_is_good(rest.p, cardinality)
                                           : bitset_is_good(rest.p, cardinality);
    *at += bytes;
    return good ? 0 : LT_ECORRUPT;
}

int itemset_check(struct slice encoded, uint64_t *count_out)
{
    struct layout l;
    int err = layout_read(encoded, &l);
    if (err != 0)
        return err;
    uint64_t count = 0;
    size_t at = l.bodies;
    int32_t previous = -1;
    for (uint32_t i = 0; i < l.containers; i++) {
        int32_t key = (int32_t)frame_get(l.keys + KEY_BYTES * (size_t)i, 2);
        uint32_t cardinality = (uint32_t)frame_get(l.keys + KEY_BYTES * (size_t)i + 2, 2) + 1;
        if (key <= previous)
            return LT_ECORRUPT;
        if (l.offsets != NULL && frame_get(l.offsets + OFFSET_BYTES * (size_t)i, 4) != at)
            return LT_ECORRUPT;
        bool is_runs = l.runs != NULL && ((uint8_t)l.runs[i / 8] >> i % 8 & 1) != 0;
        if ((err = body_check(encoded, is_runs, cardinality, &at)) != 0)
            return err;
        previous = key;
        count += cardinality;
    }
    if (at != encoded.n)
        return LT_ECORRUPT;
    *count_out = count;
    return 0;
}

int itemset_merge(struct itemset *set, struct slice encoded)
{
    uint64_t count;
    int err = itemset_check(encoded, &count);
    if (err != 0)
        return err;
    roaring_bitmap_t *other = roaring_bitmap_portable_deserialize_safe(encoded.p, encoded.n);
    if (other == NULL)
        return LT_ENOMEM;
    roaring_bitmap_or_inplace(set->bits, other);
    roaring_bitmap_free(other);
    return 0;
}
