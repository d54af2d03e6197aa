#include "catalog/items.h"

#include "base/error.h"

#include <stdlib.h>

enum { BLOCKS_MAX = 1 << 24 };

void items_fini(struct items *items)
{
    for (uint32_t i = 0; i < items->blocks.n; i++) {
        name_block_fini(&items->blocks.v[i].names);
        free(items->blocks.v[i].hours);
    }
    VEC_FINI(&items->blocks);
    name_index_fini(&items->index);
}

void item_list_fini(struct item_list *list)
{
    VEC_FINI(&list->blocks);
}

size_t items_bytes(const struct items *items)
{
    return sizeof(*items) + items->block_bytes + items->index.bytes +
           items->blocks.cap * sizeof(items->blocks.v[0]);
}

static size_t block_bytes(const struct item_block *b)
{
    return name_block_bytes(&b->names) + b->hours_cap * sizeof(b->hours[0]);
}

static int reserve_hours(struct item_block *b)
{
    if (b->names.count < b->hours_cap)
        return 0;
    uint32_t cap = b->hours_cap == 0 ? 1 : b->hours_cap * 2;
    struct item_hours *grown = realloc(b->hours, cap * sizeof(b->hours[0]));
    if (grown == NULL)
        return LT_ENOMEM;
    for (uint32_t i = b->hours_cap; i < cap; i++) {
        atomic_init(&grown[i].first, UINT32_MAX);
        atomic_init(&grown[i].last, 0);
    }
    b->hours = grown;
    b->hours_cap = cap;
    return 0;
}

/* The block that the next item of a list goes to; a new one stays empty where the caller fails. */
static int open_block(struct items *items, struct item_list *list, uint32_t category,
                      struct item_block **out)
{
    if (list->count == UINT32_MAX)
        return LT_ELIMIT;
    if (list->count / ITEMS_A_BLOCK == list->blocks.n) {
        if (items->blocks.n == BLOCKS_MAX)
            return LT_ELIMIT;
        if (!VEC_RESERVE(&items->blocks, 1) || !VEC_PUSH(&list->blocks, items->blocks.n))
            return LT_ENOMEM;
        struct item_block *b = &items->blocks.v[items->blocks.n++];
        *b = (struct item_block){.category = category, .first_id = list->count};
    }
    *out = items_block_of(items, list, list->count);
    return 0;
}

int items_append(struct items *items, struct item_list *list, uint32_t category, struct slice name,
                 uint64_t *number_out)
{
    struct item_block *b;
    int err = open_block(items, list, category, &b);
    if (err != 0)
        return err;
    size_t before = block_bytes(b);
    uint64_t number = (uint64_t)(b - items->blocks.v) * ITEMS_A_BLOCK + b->names.count;
    err = reserve_hours(b);
    if (err == 0)
        err = name_block_add(&b->names, name);
    items->block_bytes += block_bytes(b) - before;
    if (err != 0)
        return err;
    items->count++;
    list->count++;
    *number_out = number;
    return 0;
}

int items_add(struct items *items, struct item_list *list, uint32_t category, struct slice name,
              uint64_t hash, uint64_t *number_out)
{
    uint64_t number;
    int err = items_append(items, list, category, name, &number);
    if (err != 0)
        return err;
    err = name_index_add(&items->index, hash, number);
    if (err != 0) {
        items->count--;
        list->count--;
        name_block_drop_last(&items_block_of(items, list, list->count)->names);
        return err;
    }
    *number_out = number;
    return 0;
}

/* Values first, then the mark: who clears the mark and then reads has seen the values, or finds the
 * mark again. */
void item_hours_widen(struct item_block *b, uint32_t position, uint32_t first, uint32_t last)
{
    struct item_hours *h = &b->hours[position];
    uint32_t old_first = atomic_load_explicit(&h->first, memory_order_relaxed);
    uint32_t old_last = atomic_load_explicit(&h->last, memory_order_relaxed);
    if (LIKELY(first >= old_first && last <= old_last))
        return;
    if (first < old_first)
        atomic_store_explicit(&h->first, first, memory_order_relaxed);
    if (last > old_last)
        atomic_store_explicit(&h->last, last, memory_order_relaxed);
    atomic_store_explicit(&b->changed, true, memory_order_release);
}

uint32_t item_hours_copy(const struct item_block *b, uint32_t *first_out, uint32_t *last_out)
{
    for (uint32_t i = 0; i < b->names.count; i++) {
        first_out[i] = atomic_load_explicit(&b->hours[i].first, memory_order_relaxed);
        last_out[i] = atomic_load_explicit(&b->hours[i].last, memory_order_relaxed);
    }
    return b->names.count;
}
