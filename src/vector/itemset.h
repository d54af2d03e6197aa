#ifndef VECTOR_ITEMSET_H
#define VECTOR_ITEMSET_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A set of item ids: a Roaring bitmap (Lemire and others 2018, libroaring), so that "how many
 * different items were there in these 24 hours" costs a union of bitmaps. One thread at a time;
 * never blocks. At most 8 KiB for each 65,536 ids of which some are in it.
 *
 * LT_ENOMEM comes where the library can tell: in its containers it cannot, and the process ends. */

struct itemset;

MUST_USE int itemset_create(struct itemset **out);
void itemset_destroy(struct itemset **set);

/* Empties it. */
void itemset_clear(struct itemset *set);

MUST_USE int itemset_add(struct itemset *set, uint32_t item);
/* Ascending: much faster than one by one. */
MUST_USE int itemset_add_many(struct itemset *set, const uint32_t *items, uint32_t count);
void itemset_remove(struct itemset *set, uint32_t item);
bool itemset_has(const struct itemset *set, uint32_t item);
uint64_t itemset_count(const struct itemset *set);

/* set becomes what is in either, in both, in it alone. */
void itemset_union(struct itemset *set, const struct itemset *other);
void itemset_intersect(struct itemset *set, const struct itemset *other);
void itemset_subtract(struct itemset *set, const struct itemset *other);

/* The first items from `from` on, ascending, at most max; returns how many. */
uint32_t itemset_list(const struct itemset *set, uint32_t from, uint32_t *items_out, uint32_t max);
/* Of its memory, about. */
size_t itemset_bytes(const struct itemset *set);

/* Appends the portable Roaring format (itemset.c), runs where they are shorter. */
MUST_USE int itemset_encode(struct itemset *set, struct buffer *out);
/* Adds what an encoded set holds. LT_ECORRUPT: it is checked first, to the last bit. */
MUST_USE int itemset_merge(struct itemset *set, struct slice encoded);
/* How many items an encoded set holds, without making it. LT_ECORRUPT: as itemset_merge. */
MUST_USE int itemset_check(struct slice encoded, uint64_t *count_out);

#endif
