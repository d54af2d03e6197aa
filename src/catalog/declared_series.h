#ifndef CATALOG_DECLARED_SERIES_H
#define CATALOG_DECLARED_SERIES_H

#include "base/hash.h"
#include "base/vec.h"
#include "catalog/deciders.h"
#include "catalog/declared.h"
#include "catalog/labels.h"
#include "catalog/name_index.h"
#include "catalog/rules.h"

/* How declared series are held. Part of the catalog, which locks; nobody else sees it.
 *
 *   number   dense, of this process only; never given again, so that who holds a set of numbers
 * without the lock never finds another series behind one
 *
 * Keys stand apart, so that a walk over them reads nothing else. */

enum { DECLARED_A_BLOCK = 4096 };

struct declared_series {
    uint64_t created;
    uint32_t settings; /* position in declared.settings */
    uint32_t labels;   /* how many */
    uint32_t *pairs;   /* ours; label pairs, in the order in which they were given */
};

struct declared_block {
    uint32_t live;
    struct catalog_key keys[DECLARED_A_BLOCK]; /* host CATALOG_NONE: dropped */
    struct declared_series series[DECLARED_A_BLOCK];
};

struct declared_settings {    /* the same for many series */
    struct settings settings; /* its rule's bytes are ours */
    uint32_t refs;            /* 0: the slot is free */
};

struct declared_change { /* what storage does not know yet */
    struct catalog_key key;
    uint64_t created;
    char *body; /* ours; NULL: it was dropped */
    uint32_t body_bytes;
};

struct declared {
    VEC(struct declared_block *) blocks; /* NULL: all of it was dropped */
    uint32_t end;                        /* numbers are below */
    uint32_t count;
    struct name_index index; /* by key */
    VEC(struct declared_settings) settings;
    VEC(uint32_t) settings_free;
    struct hash_index settings_index;
    struct labels labels;
    struct rules rules;
    struct deciders deciders;
    struct itemset *items; /* of items_category, or NULL: for the writer */
    uint32_t items_category;
    VEC(struct declared_change) changes;
    uint64_t changes_base;
    size_t change_bytes;
    size_t pair_bytes; /* of the series' pairs */
};

void declared_fini(struct declared *declared);

/* NAME_INDEX_NONE: it is not declared. */
uint64_t declared_find(const struct declared *declared, const struct catalog_key *key);

static inline struct declared_block *declared_block(const struct declared *d, uint32_t number)
{
    return d->blocks.v[number / DECLARED_A_BLOCK];
}
static inline bool declared_is_live(const struct declared *d, uint32_t number)
{
    const struct declared_block *b = declared_block(d, number);
    return b != NULL && b->keys[number % DECLARED_A_BLOCK].host != CATALOG_NONE;
}
static inline const struct catalog_key *declared_key(const struct declared *d, uint32_t number)
{
    return &declared_block(d, number)->keys[number % DECLARED_A_BLOCK];
}
static inline struct declared_series *declared_series(const struct declared *d, uint32_t number)
{
    return &declared_block(d, number)->series[number % DECLARED_A_BLOCK];
}

/* The writer: items of a category of which a series is declared; valid until the next declaration.
 * LT_ENOMEM. */
MUST_USE int declared_items(struct declared *declared, uint32_t category,
                            const struct itemset **out);

/* Drops changes [base, upto). */
void declared_forget_changes(struct declared *declared, uint64_t upto);

size_t declared_bytes(const struct declared *declared);

#endif
