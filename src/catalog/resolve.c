#include "catalog/internal.h"

#include "base/error.h"
#include "base/hash.h"

/* The writer's way from a metric to its numbers. Metrics come by the hundred and each one's slot,
 * name and hours lie anywhere in memory: so what some of them will need is fetched together, first
 * the slots, then what those point to, before the first of them is looked up. */

enum { METRICS_A_TURN = 64 };

struct look_up {
    struct name_metric parts;
    uint64_t hash; /* of the stem */
};

/* The writer changes something: readers are kept out from the first time to the end of a turn. */
static void keep_out(struct catalog *c, bool *locked)
{
    if (!*locked)
        pthread_rwlock_wrlock(&c->lock);
    *locked = true;
}

static void let_in(struct catalog *c, bool *locked)
{
    if (*locked)
        pthread_rwlock_unlock(&c->lock);
    *locked = false;
}

static const struct catalog_rule *match_rule(const struct catalog *c, struct slice stem)
{
    for (uint32_t i = 0; i < c->rules.n; i++)
        if (name_matches(c->rules.v[i].pattern, stem))
            return &c->rules.v[i];
    return NULL;
}

/* A stem never seen: recognises it and numbers what is new about it. */
static int add_stem(struct catalog *c, struct slice stem, uint64_t hash, uint64_t *number_out)
{
    const struct catalog_rule *rule = match_rule(c, stem);
    buffer_reset(&c->category_text, SIZE_MAX);
    buffer_reset(&c->item_text, SIZE_MAX);
    name_recognise(stem, rule != NULL ? &rule->pattern : NULL, &c->category_text, &c->item_text);
    if (c->category_text.error != 0 || c->item_text.error != 0)
        return LT_ENOMEM;
    struct slice name = buffer_slice(&c->category_text);
    uint32_t category = entries_find_category(c, name);
    int err = 0;
    if (category == CATALOG_NONE)
        err = entries_add_category(c, name, rule != NULL ? rule->kind : catalog_default_kind(name),
                                   true, &category);
    if (err != 0)
        return err;
    return entries_add_item(c, category, buffer_slice(&c->item_text), hash, true, number_out);
}

/* Finds or adds; who is named again is spared. */
static int find_or_add(struct catalog *c, struct slice stem, uint64_t hash, bool *locked,
                       uint64_t *item_out)
{
    uint64_t item = entries_find_hashed(c, stem, hash);
    *item_out = item;
    if (item == ITEMS_NONE) {
        keep_out(c, locked);
        return add_stem(c, stem, hash, item_out);
    }
    if (LIKELY(!items_is_doomed(items_block_at(&c->items, item), item % ITEMS_A_BLOCK)))
        return 0;
    keep_out(c, locked);
    return forget_spare(c, item);
}

int resolve_stem(struct catalog *c, struct slice stem, uint64_t *item_out)
{
    bool locked = false;
    int err = find_or_add(c, stem, hash_bytes(stem), &locked, item_out);
    let_in(c, &locked);
    return err;
}

static int resolve_dimension(struct catalog *c, const struct name_metric *parts, bool *locked,
                             uint32_t *out)
{
    uint32_t id = DIMENSION_NONE;
    int err = 0;
    if (parts->has_dimension)
        id = name_list_find_from(&c->dimensions, parts->dimension, DIMENSION_NONE + 1);
    if (id == NAME_LIST_NONE) {
        keep_out(c, locked);
        err = entries_add_name(c, &c->dimensions, STORAGE_DIMENSION, parts->dimension, true, &id);
    }
    *out = id;
    return err;
}

/* Neighbours mostly have the same. */
static bool same_dimension(const struct name_metric *a, const struct name_metric *b)
{
    return a->has_dimension == b->has_dimension && slice_eq(a->dimension, b->dimension);
}

static void fetch(const struct catalog *c, const struct slice *metrics, uint32_t count,
                  struct look_up *out)
{
    for (uint32_t i = 0; i < count; i++) {
        out[i].parts = name_split_metric(metrics[i]);
        out[i].hash = hash_bytes(out[i].parts.stem);
        name_index_prefetch(&c->items.index, out[i].hash);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t item = name_index_guess(&c->items.index, out[i].hash);
        if (item != NAME_INDEX_NONE)
            items_prefetch(&c->items, item);
    }
}

static int resolve_some(struct catalog *c, const struct slice *metrics, uint32_t count,
                        struct catalog_series *out)
{
    struct look_up look_ups[METRICS_A_TURN];
    bool locked = false;
    int err = 0;
    uint32_t dimension = DIMENSION_NONE;
    fetch(c, metrics, count, look_ups);
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        const struct look_up *l = &look_ups[i];
        uint64_t item = ITEMS_NONE;
        if (i == 0 || !same_dimension(&l->parts, &look_ups[i - 1].parts))
            err = resolve_dimension(c, &l->parts, &locked, &dimension);
        if (err == 0)
            err = find_or_add(c, l->parts.stem, l->hash, &locked, &item);
        if (err == 0)
            out[i] = entries_series(c, item, dimension);
    }
    let_in(c, &locked);
    return err;
}

int catalog_resolve_all(struct catalog *c, const struct slice *metrics, uint32_t count,
                        struct catalog_series *out)
{
    int err = 0;
    for (uint32_t at = 0, n; err == 0 && at < count; at += n) {
        n = count - at < METRICS_A_TURN ? count - at : METRICS_A_TURN;
        err = resolve_some(c, metrics + at, n, out + at);
    }
    return err;
}

int catalog_resolve(struct catalog *c, struct slice metric, struct catalog_series *out)
{
    return catalog_resolve_all(c, &metric, 1, out);
}
