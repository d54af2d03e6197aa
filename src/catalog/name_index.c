#include "catalog/name_index.h"

#include "base/error.h"

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

uint64_t name_index_find(const struct name_index *index, uint64_t hash, name_index_eq *eq,
                         const void *context, const void *key)
{
    if (index->tables == NULL)
        return NAME_INDEX_NONE;
    const struct name_table *t = &index->tables[hash >> (64 - TABLE_BITS)];
    if (t->cap == 0)
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
    if (index->tables == NULL)
        return;
    const struct name_table *t = &index->tables[hash >> (64 - TABLE_BITS)];
    if (t->cap > 0)
        __builtin_prefetch(&t->slots[first_slot(t, mark_of(hash))]);
}

static void place(struct name_table *t, uint64_t slot)
{
    uint32_t i = first_slot(t, (uint32_t)(slot >> NUMBER_BITS));
    while (t->slots[i] != 0)
        i = i + 1 == t->cap ? 0 : i + 1;
    t->slots[i] = slot;
}

static int grow(struct name_index *index, struct name_table *t)
{
    uint64_t cap = t->cap + t->cap / 4 + TABLE_SLOTS_MIN;
    if (cap > 1u << MARK_BITS)
        return LT_ENOMEM;
    struct name_table bigger = {.cap = (uint32_t)cap, .count = t->count};
    bigger.slots = calloc(bigger.cap, sizeof(bigger.slots[0]));
    if (bigger.slots == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->slots[i] != 0)
            place(&bigger, t->slots[i]);
    index->bytes += (bigger.cap - t->cap) * sizeof(bigger.slots[0]);
    free(t->slots);
    *t = bigger;
    return 0;
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
