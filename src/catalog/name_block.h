#ifndef CATALOG_NAME_BLOCK_H
#define CATALOG_NAME_BLOCK_H

#include "base/attr.h"
#include "base/slice.h"
#include "catalog/fold.h"
#include "model/name.h"

#include <stdint.h>

/* Up to 4096 names of one category in id order, as few bytes as they need. While all of a block's
 * names have the same number of hex digits (8 … 32, lower case; digests are like that), each is
 * stored as binary; with the first one that is not, the block becomes text.
 *
 *   digits > 0   bytes: (digits + 1) / 2 a name, high nibble first, an odd one's last nibble 0
 *   digits == 0  bytes: the names back to back; ends: where each of them ends
 *
 * Caller-owned, all zero is empty; one thread at a time, or several that only read. */
enum { NAME_BLOCK_ITEMS = 4096 };

struct name_block {
    char *bytes;
    uint32_t *ends; /* NULL while binary */
    uint32_t bytes_cap;
    uint32_t ends_cap;
    uint16_t count;
    uint8_t digits;
};

void name_block_fini(struct name_block *block);

/* Appends a name of at most NAME_BYTES_MAX to a block that is not full. LT_ENOMEM: it holds the
 * names that it held. */
MUST_USE int name_block_add(struct name_block *block, struct slice name);

/* Takes back the last add. */
static inline void name_block_drop_last(struct name_block *block)
{
    block->count--;
}

/* Closes up over the names whose bit in keep (by place, a word for each 64) is 0, and gives their
 * memory back. A block that had 4096 names takes more again. */
void name_block_keep(struct name_block *block, const uint64_t *keep);

/* The i-th name. It stands in out, or in the block, where the next add may move it. */
struct slice name_block_get(const struct name_block *block, uint32_t i, char out[NAME_BYTES_MAX]);
bool name_block_is(const struct name_block *block, uint32_t i, struct slice name);

/* Begins to fetch what the two look at first. */
static inline void name_block_prefetch(const struct name_block *block, uint32_t i)
{
    if (block->digits != 0)
        __builtin_prefetch(block->bytes + (size_t)i * ((block->digits + 1u) / 2));
    else
        __builtin_prefetch(&block->ends[i]);
}

/* Sets bit i of bits (u64 words) for each of the first `count` names that contain the needle. */
void name_block_match(const struct name_block *block, uint32_t count, const struct needle *needle,
                      uint64_t *bits);

static inline size_t name_block_bytes(const struct name_block *block)
{
    return block->bytes_cap + block->ends_cap * sizeof(block->ends[0]);
}

#endif
