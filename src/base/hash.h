#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* xxHash's XXH3, 64 bit. The value is stored (checksums of records), so it never changes. */
uint64_t hash_bytes(struct slice s);

/* For keys that are numbers already (murmur3's finalizer). */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    x ^= x >> 33;
    return x;
}

/* An index: hash -> u32 position in an array that the caller keeps. Linear probing, at most 70 %
 * full, 12 bytes a slot. It holds no keys: eq compares the caller's key with the element at a
 * position. Caller-owned; one thread at a time. */
enum { HASH_NONE = UINT32_MAX };

struct hash_index {
    uint64_t *hashes;
    uint32_t *positions; /* HASH_NONE: free */
    uint32_t cap;        /* a power of two, or 0 */
    uint32_t count;
};

typedef bool hash_eq(const void *context, const void *key, uint32_t position);

void hash_index_init(struct hash_index *h);
void hash_index_fini(struct hash_index *h);

/* Empties it, keeps the memory. */
void hash_index_reset(struct hash_index *h);

/* The position of key, or HASH_NONE. */
uint32_t hash_index_find(const struct hash_index *h, uint64_t hash, hash_eq *eq,
                         const void *context, const void *key);

/* Adds a position that find did not see. 0 or LT_ENOMEM (then nothing changed). */
MUST_USE int hash_index_add(struct hash_index *h, uint64_t hash, uint32_t position);

/* Takes out what was added with these two. */
void hash_index_remove(struct hash_index *h, uint64_t hash, uint32_t position);

static inline size_t hash_index_bytes(const struct hash_index *h)
{
    return (size_t)h->cap * (sizeof(uint64_t) + sizeof(uint32_t));
}

#endif
