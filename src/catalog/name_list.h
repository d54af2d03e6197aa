#ifndef CATALOG_NAME_LIST_H
#define CATALOG_NAME_LIST_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/vec.h"

/* A list of distinct texts, numbered in order of arrival, found by text. Part of the catalog, which
 * locks. */

enum { NAME_LIST_NONE = HASH_NONE };

struct name_list {
    VEC(struct slice) texts; /* by id */
    struct hash_index index;
};

void name_list_fini(struct name_list *names);

/* The id, or NAME_LIST_NONE. _from: ids below `from` are not found by text (the catalog keeps one
 * for "none"). */
uint32_t name_list_find(const struct name_list *names, struct slice text);
uint32_t name_list_find_from(const struct name_list *names, struct slice text, uint32_t from);

/* text must not be there. Copies it into arena. LT_ENOMEM: nothing changed. */
MUST_USE int name_list_add(struct name_list *names, struct arena *arena, struct slice text,
                           uint32_t *id_out);

static inline struct slice name_list_text(const struct name_list *names, uint32_t id)
{
    return names->texts.v[id];
}

static inline uint32_t name_list_count(const struct name_list *names)
{
    return names->texts.n;
}

#endif
