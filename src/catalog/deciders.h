#ifndef CATALOG_DECIDERS_H
#define CATALOG_DECIDERS_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdatomic.h>
#include <stdint.h>

/* Which keys have settings that decide about writes: a filter that any thread asks without a lock,
 * while one writer adds. "No" is sure; "perhaps" is wrong for about 1 % of the others, and for keys
 * that had such settings once. A Bloom filter whose bits of a key are all in one word (Putze,
 * Sanders, Singler 2007), so that asking costs one cache miss. A filter that has become too small
 * is replaced; the smaller ones, a third of it in all, stay until fini, because somebody may just
 * be looking at one. */

struct deciders_filter {
    uint32_t mask; /* of words: their count less one */
    uint32_t room; /* for keys */
    uint32_t used;
    _Atomic uint64_t words[];
};

struct deciders {
    _Atomic uint32_t count; /* of keys: 0 spares the rest */
    struct deciders_filter *_Atomic filter;
    VEC(struct deciders_filter *) all;
};

void deciders_fini(struct deciders *deciders);

static inline uint64_t deciders_hash(struct slice host, struct slice metric)
{
    return hash_u64(hash_bytes(metric) ^ hash_bytes(host) * UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t deciders_bits(uint64_t hash)
{
    return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) |
           UINT64_C(1) << (hash >> 12 & 63) | UINT64_C(1) << (hash >> 18 & 63);
}

/* Any thread. */
static inline bool deciders_may_have(const struct deciders *d, uint64_t hash)
{
    const struct deciders_filter *f = atomic_load_explicit(&d->filter, memory_order_acquire);
    if (f == NULL)
        return false;
    uint64_t bits = deciders_bits(hash);
    uint64_t word = atomic_load_explicit(&f->words[hash >> 32 & f->mask], memory_order_relaxed);
    return (word & bits) == bits;
}

/* The writer. Is there no room for one more? */
bool deciders_full(const struct deciders *deciders);
/* A new filter, empty and with room for twice `keys`: the writer adds them all, then publishes it.
 */
MUST_USE int deciders_renew(struct deciders *deciders, uint32_t keys, struct deciders_filter **out);
void deciders_publish(struct deciders *deciders, struct deciders_filter *filter);
void deciders_put(struct deciders_filter *filter, uint64_t hash);

#endif
