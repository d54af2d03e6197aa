#ifndef CATALOG_ITEMS_H
#define CATALOG_ITEMS_H

#include "base/attr.h"
#include "base/slice.h"
#include "base/vec.h"
#include "catalog/name_block.h"
#include "catalog/name_index.h"

#include <stdatomic.h>
#include <stdint.h>

/* The items of all categories: 4096 consecutive ids of one category are a block of names
 * (name_block.h) and of hours in which they were seen. Part of the catalog, which locks.
 *
 *   item number   | 24 block | 12 position in it |      what the index of stems stores
 *
 * A number is of this process only; category and id are what the rest of the world knows. 16 hex
 * digits cost 8 bytes of name, 8 of hours and 10 to 13 of index. */

enum { ITEMS_A_BLOCK = NAME_BLOCK_ITEMS };
#define ITEMS_NONE NAME_INDEX_NONE

struct item_hours { /* Unix hours; first > last: never seen */
    _Atomic uint32_t first;
    _Atomic uint32_t last;
};

struct item_block {
    struct name_block names;
    uint32_t category;
    uint32_t first_id;
    struct item_hours *hours;
    uint32_t hours_cap;
    _Atomic bool changed; /* an hour, since somebody took them */
};

struct items {
    VEC(struct item_block) blocks;
    struct name_index index; /* by stem */
    uint64_t count;
    size_t block_bytes; /* of names and hours */
};

/* Which blocks a category has, in id order. */
struct item_list {
    VEC(uint32_t) blocks;
    uint32_t count;
};

void items_fini(struct items *items);

/* Appends an item to its category's list. hash: of its stem, as index look-ups will ask.
 * LT_ENOMEM, LT_ELIMIT: nothing changed. */
MUST_USE int items_add(struct items *items, struct item_list *list, uint32_t category,
                       struct slice name, uint64_t hash, uint64_t *number_out);
/* The same without the index; the caller adds the number to it, or takes the item back. */
MUST_USE int items_append(struct items *items, struct item_list *list, uint32_t category,
                          struct slice name, uint64_t *number_out);
void item_list_fini(struct item_list *list);

static inline struct item_block *items_block_of(const struct items *items,
                                                const struct item_list *list, uint32_t id)
{
    return &items->blocks.v[list->blocks.v[id / ITEMS_A_BLOCK]];
}
static inline const struct item_block *items_block_at(const struct items *items, uint64_t number)
{
    return &items->blocks.v[number / ITEMS_A_BLOCK];
}
static inline uint32_t items_id_at(const struct items *items, uint64_t number)
{
    return items_block_at(items, number)->first_id + (uint32_t)(number % ITEMS_A_BLOCK);
}

/* Widens the item's hours to hold [first, last]. The caller is the only one that does. */
void item_hours_widen(struct item_block *block, uint32_t position, uint32_t first, uint32_t last);

/* Copies the hours of a block's items; returns how many. Beside the writer: what it changes during
 * the call is in the copy or leaves the block changed. */
uint32_t item_hours_copy(const struct item_block *block, uint32_t *first_out, uint32_t *last_out);

size_t items_bytes(const struct items *items);

#endif
