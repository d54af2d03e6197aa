#ifndef CATALOG_NAMES_H
#define CATALOG_NAMES_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/vec.h"

/* A list of distinct texts, numbered in order of arrival, found by text. Part of the catalog, which
 * locks. */

enum { NAMES_NONE = HASH_NONE };

struct names {
    VEC(struct slice) texts; /* by id */
    struct hash_index index;
};

void names_fini(struct names *names);

/* The id, or NAMES_NONE. _from: ids below `from` are not found by text (the catalog keeps one for
 * "none"). */
uint32_t names_find(const struct names *names, struct slice text);
uint32_t names_find_from(const struct names *names, struct slice text, uint32_t from);

/* text must not be there. Copies it into arena. LT_ENOMEM: nothing changed. */
MUST_USE int names_add(struct names *names, struct arena *arena, struct slice text,
                       uint32_t *id_out);

static inline struct slice names_text(const struct names *names, uint32_t id)
{
    return names->texts.v[id];
}

static inline uint32_t names_count(const struct names *names)
{
    return names->texts.n;
}

size_t names_bytes(const struct names *names);

#endif
