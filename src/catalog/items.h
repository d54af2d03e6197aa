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
 * digits cost 8 bytes of name, 8 of hours and 10 to 13 of index.
 *
 * An item that is forgotten is first gone: no call finds it or names it. Once storage knows, it is
 * dropped: the block's names and hours close up, and position and place in them differ. */

enum { ITEMS_A_BLOCK = NAME_BLOCK_ITEMS, ITEMS_A_WORD = 64 };
#define ITEMS_NONE NAME_INDEX_NONE

struct item_hours { /* Unix hours; first > last: never seen */
    _Atomic uint32_t first;
    _Atomic uint32_t last;
};

struct item_holes { /* of ITEMS_A_WORD positions */
    uint64_t gone;
    uint64_t dropped;        /* some of them */
    uint32_t dropped_before; /* in the words before */
};

struct item_block {
    struct name_block names; /* of those that are not dropped */
    uint32_t category;
    uint32_t first_id;
    uint32_t count; /* of ids: positions are below */
    struct item_hours *hours;
    uint32_t hours_cap;
    _Atomic bool changed; /* an hour, since somebody took them */
    uint8_t doomed_words, holes_words;
    uint32_t dropped;
    uint64_t *doomed;         /* by position; words that are not there hold none */
    struct item_holes *holes; /* the same */
};

struct items {
    VEC(struct item_block) blocks;
    struct name_index index; /* by stem */
    uint64_t count;          /* that are not gone */
    size_t block_bytes;      /* of names, hours, marks and holes */
};

/* Which blocks a category has, in id order. */
struct item_list {
    VEC(uint32_t) blocks;
    uint32_t count; /* of ids */
    uint32_t gone;
};

void items_fini(struct items *items);

/* Appends an item to its category's list. hash: of its stem, as index look-ups will ask.
 * LT_ENOMEM, LT_ELIMIT: nothing changed. */
MUST_USE int items_add(struct items *items, struct item_list *list, uint32_t category,
                       struct slice name, uint64_t hash, uint64_t *number_out);
/* The same without the index; the caller adds the number to it, or takes the item back. */
MUST_USE int items_append(struct items *items, struct item_list *list, uint32_t category,
                          struct slice name, uint64_t *number_out);
/* The next id's item is gone already: as it is loaded. LT_ENOMEM, LT_ELIMIT. */
MUST_USE int items_append_gone(struct items *items, struct item_list *list, uint32_t category);
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

static inline bool items_is_gone(const struct item_block *b, uint32_t position)
{
    uint32_t word = position / ITEMS_A_WORD;
    return word < b->holes_words && (b->holes[word].gone >> position % ITEMS_A_WORD & 1) != 0;
}
static inline bool items_is_doomed(const struct item_block *b, uint32_t position)
{
    uint32_t word = position / ITEMS_A_WORD;
    return word < b->doomed_words && (b->doomed[word] >> position % ITEMS_A_WORD & 1) != 0;
}
/* Where a position's name and hours stand; it is not dropped. */
static inline uint32_t items_place(const struct item_block *b, uint32_t position)
{
    uint32_t word = position / ITEMS_A_WORD;
    if (LIKELY(b->dropped == 0))
        return position;
    if (word >= b->holes_words)
        return position - b->dropped;
    const struct item_holes *h = &b->holes[word];
    uint64_t below = (UINT64_C(1) << position % ITEMS_A_WORD) - 1;
    return position - h->dropped_before - (uint32_t)__builtin_popcountll(h->dropped & below);
}

/* Begins to fetch the name and the hours of an item that is not dropped. */
static inline void items_prefetch(const struct items *items, uint64_t number)
{
    const struct item_block *b = items_block_at(items, number);
    uint32_t place = items_place(b, (uint32_t)(number % ITEMS_A_BLOCK));
    name_block_prefetch(&b->names, place);
    __builtin_prefetch(&b->hours[place]);
}

/* ---- marks and holes: positions below the block's count ---- */

/* Room to mark any position of the block. LT_ENOMEM. */
MUST_USE int items_reserve_doomed(struct items *items, struct item_block *b);
/* Room for any of its positions to be gone. LT_ENOMEM. */
MUST_USE int items_reserve_holes(struct items *items, struct item_block *b);
/* Both: the room was reserved. */
static inline void items_doom(struct item_block *b, uint32_t position)
{
    b->doomed[position / ITEMS_A_WORD] |= UINT64_C(1) << position % ITEMS_A_WORD;
}
static inline void items_spare(struct item_block *b, uint32_t position)
{
    b->doomed[position / ITEMS_A_WORD] &= ~(UINT64_C(1) << position % ITEMS_A_WORD);
}
/* Takes the item out of index and counts; its name stays. hash: of its stem. */
void items_forget(struct items *items, struct item_list *list, uint32_t id, uint64_t hash);
/* Gives back the marks' memory. */
void items_spare_all(struct items *items);
/* Gives back names and hours of those among the positions (ascending) that are gone. */
void items_drop(struct items *items, struct item_block *b, const uint32_t *positions,
                uint32_t count);

/* Widens the item's hours to hold [first, last]. Any thread, beside others that do. */
void item_hours_widen(struct item_block *block, uint32_t position, uint32_t first, uint32_t last);

/* Raises the last hour to this one; an item that was never seen was first seen then. The same. */
void item_hours_since(struct item_block *block, uint32_t position, uint32_t hour);

/* Copies the hours of a block's items by position, never for those that are gone; returns how many.
 * Beside the writer: what it changes during the call is in the copy or leaves the block changed. */
uint32_t item_hours_copy(const struct item_block *block, uint32_t *first_out, uint32_t *last_out);

size_t items_bytes(const struct items *items);

#endif
