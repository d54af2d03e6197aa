#include "catalog/rules.h"

#include "base/error.h"

#include <assert.h>
#include <string.h>

static uint64_t hash_of(const struct catalog_key *source)
{
    return hash_bytes(slice_make(source, sizeof(*source)));
}

static bool is_source(const void *context, const void *key, uint32_t position)
{
    const struct rules *r = context;
    return memcmp(&r->edges.v[position].source, key, sizeof(struct catalog_key)) == 0;
}

void rules_fini(struct rules *r)
{
    VEC_FINI(&r->edges);
    VEC_FINI(&r->unused);
    hash_index_fini(&r->index);
}

uint32_t rules_first(const struct rules *r, const struct catalog_key *source)
{
    return r->edges.n == r->unused.n
               ? HASH_NONE
               : hash_index_find(&r->index, hash_of(source), is_source, r, source);
}

int rules_add(struct rules *r, const struct catalog_key *source, uint32_t destination)
{
    if (!VEC_RESERVE(&r->edges, 1))
        return LT_ENOMEM;
    uint32_t first = rules_first(r, source);
    uint32_t at = r->unused.n > 0 ? r->unused.v[r->unused.n - 1] : r->edges.n;
    if (first == HASH_NONE) {
        int err = hash_index_add(&r->index, hash_of(source), at);
        if (err != 0)
            return err;
    }
    if (r->unused.n > 0)
        r->unused.n--;
    else
        r->edges.n++;
    r->edges.v[at] = (struct rules_edge){*source, destination, HASH_NONE};
    /* The last one, so that they stand in the order in which they were made. */
    while (first != HASH_NONE && r->edges.v[first].next != HASH_NONE)
        first = r->edges.v[first].next;
    if (first != HASH_NONE)
        r->edges.v[first].next = at;
    return 0;
}

int rules_remove(struct rules *r, const struct catalog_key *source, uint32_t destination)
{
    uint32_t before = HASH_NONE, at = rules_first(r, source);
    while (at != HASH_NONE && r->edges.v[at].destination != destination) {
        before = at;
        at = r->edges.v[at].next;
    }
    assert(at != HASH_NONE);
    uint32_t next = r->edges.v[at].next;
    if (!VEC_PUSH(&r->unused, at))
        return LT_ENOMEM;
    if (before != HASH_NONE) {
        r->edges.v[before].next = next;
        return 0;
    }
    hash_index_remove(&r->index, hash_of(source), at);
    return next == HASH_NONE ? 0 : hash_index_add(&r->index, hash_of(source), next);
}

size_t rules_bytes(const struct rules *r)
{
    return r->edges.cap * sizeof(r->edges.v[0]) + r->unused.cap * sizeof(uint32_t) +
           hash_index_bytes(&r->index);
}
