#include "catalog/name_index.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>

enum {
    TABLE_BITS = 10,
    MARK_BITS = 28,
    NUMBER_BITS = 36,
    TABLE_SLOTS_MIN = 8,
};

static uint32_t mark_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - TABLE_BITS - MARK_BITS)) & ((1u << MARK_BITS) - 1);
}

static uint32_t first_slot(const struct name_table *t, uint32_t mark)
{
    return (uint32_t)((uint64_t)mark * t->cap >> MARK_BITS);
}

void name_index_fini(struct name_index *index)
{
    for (unsigned i = 0; index->tables != NULL && i < NAME_INDEX_TABLES; i++)
        free(index->tables[i].slots);
    free(index->tables);
    *index = (struct name_index){0};
}

static const struct name_table *table_of(const struct name_index *index, uint64_t hash)
{
    const struct name_table *t =
        index->tables != NULL ? &index->tables[hash >> (64 - TABLE_BITS)] : NULL;
    return t != NULL && t->cap > 0 ? t : NULL;
}

uint64_t name_index_find(const struct name_index *index, uint64_t hash, name_index_eq *eq,
                         const void *context, const void *key)
{
    const struct name_table *t = table_of(index, hash);
    if (t == NULL)
        return NAME_INDEX_NONE;
    uint32_t mark = mark_of(hash);
    for (uint32_t i = first_slot(t, mark);; i = i + 1 == t->cap ? 0 : i + 1) {
        uint64_t slot = t->slots[i];
        if (slot == 0)
            return NAME_INDEX_NONE;
        uint64_t number = (slot & NAME_INDEX_NUMBERS_MAX) - 1;
        if (slot >> NUMBER_BITS == mark && eq(context, key, number))
            return number;
    }
}

void name_index_prefetch(const struct name_index *index, uint64_t hash)
{
    const struct name_table *t = table_of(index, hash);
    if (t != NULL)
        __builtin_prefetch(&t->slots[first_slot(t, mark_of(hash))]);
}

static bool is_same(const void *context, const void *key, uint64_t number)
{
    return true;
}

uint64_t name_index_guess(const struct name_index *index, uint64_t hash)
{
    return name_index_find(index, hash, is_same, NULL, NULL);
}

static void place(struct name_table *t, uint64_t slot)
{
    uint32_t i = first_slot(t, (uint32_t)(slot >> NUMBER_BITS));
    while (t->slots[i] != 0)
        i = i + 1 == t->cap ? 0 : i + 1;
    t->slots[i] = slot;
}

static int resize(struct name_index *index, struct name_table *t, uint64_t cap)
{
    if (cap > 1u << MARK_BITS)
        return LT_ENOMEM;
    struct name_table other = {.cap = (uint32_t)cap, .count = t->count};
    other.slots = calloc(other.cap, sizeof(other.slots[0]));
    if (other.slots == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->slots[i] != 0)
            place(&other, t->slots[i]);
    index->bytes += other.cap * sizeof(other.slots[0]);
    index->bytes -= t->cap * sizeof(other.slots[0]);
    free(t->slots);
    *t = other;
    return 0;
}

static int grow(struct name_index *index, struct name_table *t)
{
    return resize(index, t, (uint64_t)t->cap + t->cap / 4 + TABLE_SLOTS_MIN);
}

static int begin(struct name_index *index)
{
    index->tables = calloc(NAME_INDEX_TABLES, sizeof(index->tables[0]));
    if (index->tables == NULL)
        return LT_ENOMEM;
    index->bytes = NAME_INDEX_TABLES * sizeof(index->tables[0]);
    return 0;
}

int name_index_add(struct name_index *index, uint64_t hash, uint64_t number)
{
    int begun = index->tables == NULL ? begin(index) : 0;
    if (begun != 0)
        return begun;
    struct name_table *t = &index->tables[hash >> (64 - TABLE_BITS)];
    if ((uint64_t)(t->count + 1) * 5 > (uint64_t)t->cap * 4) {
        int err = grow(index, t);
        if (err != 0)
            return err;
    }
    place(t, (uint64_t)mark_of(hash) << NUMBER_BITS | (number + 1));
    t->count++;
    return 0;
}

/* Slots from a hole on, up to the next free one, move back if the hole is on their way: so every
 * look-up still ends at the first free slot (Knuth, volume 3, 6.4, algorithm R). */
static void close_hole(struct name_table *t, uint32_t hole)
{
    for (uint32_t i = hole + 1 == t->cap ? 0 : hole + 1; t->slots[i] != 0;
         i = i + 1 == t->cap ? 0 : i + 1) {
        uint32_t first = first_slot(t, (uint32_t)(t->slots[i] >> NUMBER_BITS));
        uint32_t way = (i >= first ? 0 : t->cap) + i - first; /* how far it is from its own place */
        uint32_t back = (i >= hole ? 0 : t->cap) + i - hole;
        if (back > way)
            continue;
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole] = 0;
}

void name_index_remove(struct name_index *index, uint64_t hash, uint64_t number)
{
    struct name_table *t = &index->tables[hash >> (64 - TABLE_BITS)];
    uint32_t mark = mark_of(hash);
    uint64_t wanted = (uint64_t)mark << NUMBER_BITS | (number + 1);
    uint32_t i = first_slot(t, mark);
    while (t->slots[i] != wanted) {
        assert(t->slots[i] != 0);
        i = i + 1 == t->cap ? 0 : i + 1;
    }
    close_hole(t, i);
    t->count--;
}

void name_index_shrink(struct name_index *index, uint32_t table)
{
    if (index->tables == NULL)
        return;
    struct name_table *t = &index->tables[table];
    uint64_t cap = (uint64_t)t->count + t->count / 2 + TABLE_SLOTS_MIN;
    if ((uint64_t)t->count * 2 < t->cap && cap < t->cap)
        (void)resize(index, t, cap); /* without memory for it, it stays large */
}
