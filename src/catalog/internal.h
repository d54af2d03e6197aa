#ifndef CATALOG_INTERNAL_H
#define CATALOG_INTERNAL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "catalog/declared_series.h"
#include "catalog/forget.h"
#include "catalog/items.h"
#include "catalog/name_index.h"
#include "catalog/name_list.h"
#include "port/storage_types.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the files of this folder share, and nobody else sees. */

/* Dimension 0 is "none"; the empty text cannot be confused with it, because names_* are asked only
 * for metrics that have a dot. */
enum { DIMENSION_NONE = 0 };

/* Where a category's only star stands; such a category, the usual one with items, takes short
 * cuts. */
#define STAR_NONE  SIZE_MAX       /* it has none */
#define STARS_MANY (SIZE_MAX - 1) /* more than one */

struct category {
    struct slice name;
    size_t star;
    enum kind kind;
    uint32_t precision;
    uint32_t collector;
    struct item_list items;
};

struct text { /* text.p: malloc'ed; NULL: the slot is free */
    uint32_t category;
    uint32_t item;
    struct slice text;
};

struct change { /* one name that storage does not have yet */
    uint8_t what;
    uint32_t scope;
    uint32_t id;
};

struct doom_change { /* what storage does not know yet; items: ours, ascending */
    enum storage_doom_what what;
    uint32_t category;
    uint32_t count;
    uint32_t item; /* where there is only one */
    uint32_t *items;
    uint64_t round;
};

struct catalog {
    _Atomic uint32_t refs;
    uint32_t environment;
    pthread_rwlock_t
        lock;           /* readers: shared; the writer: exclusive, and only to change something */
    struct arena arena; /* every text but items' names; nothing in it moves */
    struct name_list hosts;
    struct name_list dimensions;
    struct name_list collectors;
    VEC(struct category) categories;
    struct name_index category_index; /* by name */
    struct items items;
    VEC(struct catalog_rule) rules;
    VEC(struct text) texts;
    VEC(uint32_t) texts_free;     /* positions */
    struct name_index text_index; /* by (category, item) */
    size_t text_bytes;
    uint64_t round; /* of the marks */

    VEC(struct change) changes; /* journal entries [changes_base, changes_base + n) */
    uint64_t changes_base;
    VEC(uint32_t) text_changes; /* positions in texts */
    uint64_t text_changes_base;
    VEC(struct doom_change) dooms;
    uint64_t dooms_base;
    VEC(struct doom_change) drops; /* forgotten, and storage knows: for tidy */
    _Atomic bool untidy;

    struct declared declared;

    struct buffer category_text, item_text; /* the writer's scratch */
};

/* ---- entries.c: look-ups, under the shared lock or by the writer ---- */

/* CATALOG_NONE: there is none. */
uint32_t entries_find_category(const struct catalog *c, struct slice name);
/* ITEMS_NONE: never seen. hash: hash_bytes(stem). */
uint64_t entries_find_hashed(const struct catalog *c, struct slice stem, uint64_t hash);
uint64_t entries_find_stem(const struct catalog *c, struct slice stem);
/* The declaration of this very pattern that holds, or NULL. */
const struct catalog_rule *entries_find_rule(const struct catalog *c, struct slice pattern);
/* A position in texts, or NAME_INDEX_NONE. */
uint64_t entries_find_text(const struct catalog *c, uint32_t category, uint32_t item);
struct catalog_series entries_series(const struct catalog *c, uint64_t item, uint32_t dimension);
static inline bool entries_has_id(const struct catalog *c, uint32_t category, uint32_t item)
{
    return category < c->categories.n && item < c->categories.v[category].items.count;
}
static inline bool entries_is_gone(const struct catalog *c, uint32_t category, uint32_t item)
{
    return !entries_has_id(c, category, item) ||
           items_is_gone(items_block_of(&c->items, &c->categories.v[category].items, item),
                         item % ITEMS_A_BLOCK);
}

/* As name_block_get; the item must not be dropped. */
static inline struct slice entries_item_name(const struct catalog *c, uint32_t category,
                                             uint32_t item, char out[NAME_BYTES_MAX])
{
    const struct item_block *block =
        items_block_of(&c->items, &c->categories.v[category].items, item);
    return name_block_get(&block->names, items_place(block, item % ITEMS_A_BLOCK), out);
}
/* Appends the stem of a category's item. The caller checks stem->error. */
void entries_join_stem(const struct category *category, struct slice item, struct buffer *stem);

/* ---- entries.c: adding, under the exclusive lock; record: storage does not have it ---- */

MUST_USE int entries_add_name(struct catalog *c, struct name_list *names,
                              enum storage_name_what what, struct slice text, bool record,
                              uint32_t *out);
MUST_USE int entries_add_category(struct catalog *c, struct slice name, enum kind kind, bool record,
                                  uint32_t *out);
MUST_USE int entries_add_item(struct catalog *c, uint32_t category, struct slice item,
                              uint64_t stem_hash, bool record, uint64_t *number_out);
MUST_USE int entries_add_rule(struct catalog *c, const struct catalog_rule *rule, bool record);
MUST_USE int entries_add_text(struct catalog *c, uint32_t category, uint32_t item,
                              struct slice text, bool record);

/* Under the exclusive lock; where it has one. */
void entries_drop_text(struct catalog *c, uint32_t category, uint32_t item);

/* ---- resolve.c ---- */

/* The writer. Finds or adds. */
MUST_USE int resolve_stem(struct catalog *c, struct slice stem, uint64_t *item_out);

/* ---- declared.c ---- */

/* The numbers of a key's names; false: one of them was never seen. */
bool declared_find_key(const struct catalog *c, struct slice host, struct slice metric,
                       struct catalog_key *out);

/* ---- forget.c ---- */

/* Under the exclusive lock: the writer names an item that is there and marked; its mark goes. */
MUST_USE int forget_spare(struct catalog *c, uint64_t item);
/* Of a journal. */
void forget_free_changes(struct doom_change *changes, uint32_t count);

#endif
