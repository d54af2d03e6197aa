#include "base/hash.h"

#include "base/error.h"

#include <stdlib.h>
#include <xxhash.h>

enum { INDEX_SLOTS_MIN = 16 };

uint64_t hash_bytes(struct slice s)
{
    return XXH3_64bits(s.p, s.n);
}

void hash_index_init(struct hash_index *h)
{
    *h = (struct hash_index){0};
}

void hash_index_fini(struct hash_index *h)
{
    free(h->hashes);
    free(h->positions);
    hash_index_init(h);
}

void hash_index_reset(struct hash_index *h)
{
    h->count = 0;
    if (h->cap > 0)
        memset(h->positions, 0xff, (size_t)h->cap * sizeof(h->positions[0]));
}

uint32_t hash_index_find(const struct hash_index *h, uint64_t hash, hash_eq *eq,
                         const void *context, const void *key)
{
    if (h->cap == 0)
        return HASH_NONE;
    uint32_t mask = h->cap - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t position = h->positions[i];
        if (position == HASH_NONE)
            return HASH_NONE;
        if (h->hashes[i] == hash && eq(context, key, position))
            return position;
    }
}

static void index_place(struct hash_index *h, uint64_t hash, uint32_t position)
{
    uint32_t mask = h->cap - 1;
    uint32_t i = (uint32_t)hash & mask;
    while (h->positions[i] != HASH_NONE)
        i = (i + 1) & mask;
    h->hashes[i] = hash;
    h->positions[i] = position;
}

static int index_grow(struct hash_index *h)
{
    uint32_t cap = h->cap == 0 ? INDEX_SLOTS_MIN : h->cap * 2;
    if (cap < h->cap)
        return LT_ELIMIT;
    struct hash_index bigger = {.cap = cap};
    bigger.hashes = malloc((size_t)cap * sizeof(bigger.hashes[0]));
    bigger.positions = malloc((size_t)cap * sizeof(bigger.positions[0]));
    if (bigger.hashes == NULL || bigger.positions == NULL) {
        free(bigger.hashes);
        free(bigger.positions);
        return LT_ENOMEM;
    }
    memset(bigger.positions, 0xff, (size_t)cap * sizeof(bigger.positions[0]));
    for (uint32_t i = 0; i < h->cap; i++)
        if (h->positions[i] != HASH_NONE)
            index_place(&bigger, h->hashes[i], h->positions[i]);
    free(h->hashes);
    free(h->positions);
    h->hashes = bigger.hashes;
    h->positions = bigger.positions;
    h->cap = cap;
    return 0;
}

int hash_index_add(struct hash_index *h, uint64_t hash, uint32_t position)
{
    if ((uint64_t)(h->count + 1) * 10 > (uint64_t)h->cap * 7) {
        int err = index_grow(h);
        if (err != 0)
            return err;
    }
    index_place(h, hash, position);
    h->count++;
    return 0;
}

void hash_index_remove(struct hash_index *h, uint64_t hash, uint32_t position)
{
    uint32_t mask = h->cap - 1;
    uint32_t hole = (uint32_t)hash & mask;
    while (h->positions[hole] != position)
        hole = (hole + 1) & mask;
    /* What stands behind the hole moves into it, unless that is before its own first slot: so a
     * search, which ends at a free slot, still finds everything. */
    for (uint32_t i = (hole + 1) & mask; h->positions[i] != HASH_NONE; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)h->hashes[i] & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        h->hashes[hole] = h->hashes[i];
        h->positions[hole] = h->positions[i];
        hole = i;
    }
    h->positions[hole] = HASH_NONE;
    h->count--;
}
