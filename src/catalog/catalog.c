#include "catalog/internal.h"

#include "base/error.h"
#include "model/name.h"

#include <stdlib.h>

enum { HOUR_MS = 3600 * 1000 };

/* A writer that waits goes first, so that readers who come without end cannot hold up the consumer.
 * No call takes the lock twice. */
static int lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    if (pthread_rwlockattr_init(&attributes) != 0)
        return LT_ENOMEM;
    int err =
        pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (err == 0)
        err = pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return err == 0 ? 0 : LT_ENOMEM;
}

int catalog_create(uint32_t environment, struct catalog **out)
{
    struct catalog *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    if (lock_init(&c->lock) != 0) {
        free(c);
        return LT_ENOMEM;
    }
    atomic_store(&c->refs, 1);
    c->environment = environment;
    arena_init(&c->arena);
    hash_index_init(&c->declared.settings_index);
    buffer_init(&c->category_text, NAME_BYTES_MAX * 2);
    buffer_init(&c->item_text, NAME_BYTES_MAX * 2);
    uint32_t none;
    if (name_list_add(&c->dimensions, &c->arena, SLICE_LIT(""), &none) != 0) {
        catalog_unref(&c);
        return LT_ENOMEM;
    }
    *out = c;
    return 0;
}

struct catalog *catalog_ref(struct catalog *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void catalog_unref(struct catalog **catalog)
{
    struct catalog *c = *catalog;
    *catalog = NULL;
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < c->categories.n; i++)
        item_list_fini(&c->categories.v[i].items);
    declared_fini(&c->declared);
    VEC_FINI(&c->categories);
    VEC_FINI(&c->rules);
    for (uint32_t i = 0; i < c->texts.n; i++)
        free((char *)(uintptr_t)c->texts.v[i].text.p);
    VEC_FINI(&c->texts);
    VEC_FINI(&c->texts_free);
    VEC_FINI(&c->changes);
    VEC_FINI(&c->text_changes);
    forget_free_changes(c->dooms.v, c->dooms.n);
    forget_free_changes(c->drops.v, c->drops.n);
    VEC_FINI(&c->dooms);
    VEC_FINI(&c->drops);
    name_list_fini(&c->hosts);
    name_list_fini(&c->dimensions);
    name_list_fini(&c->collectors);
    name_index_fini(&c->category_index);
    name_index_fini(&c->text_index);
    items_fini(&c->items);
    buffer_fini(&c->category_text);
    buffer_fini(&c->item_text);
    arena_fini(&c->arena);
    pthread_rwlock_destroy(&c->lock);
    free(c);
}

uint32_t catalog_environment(const struct catalog *c)
{
    return c->environment;
}

/* Statements are counted as they happen. */
enum kind catalog_default_kind(struct slice category)
{
    struct slice prefix = SLICE_LIT("host.queries.");
    bool queries = category.n >= prefix.n && slice_eq(slice_upto(category, prefix.n), prefix);
    return queries ? KIND_DELTA : KIND_GAUGE;
}

/* ---- writer ---- */

int catalog_host(struct catalog *c, struct slice host, uint32_t *out)
{
    uint32_t id = name_list_find(&c->hosts, host);
    if (id == NAME_LIST_NONE) {
        pthread_rwlock_wrlock(&c->lock);
        int err = entries_add_name(c, &c->hosts, STORAGE_HOST, host, true, &id);
        pthread_rwlock_unlock(&c->lock);
        if (err != 0)
            return err;
    }
    *out = id;
    return 0;
}

void catalog_seen(struct catalog *c, uint32_t category, uint32_t item, int64_t time_ms)
{
    int64_t hour = time_ms / HOUR_MS;
    uint32_t h = hour < UINT32_MAX ? (uint32_t)hour : UINT32_MAX - 1;
    item_hours_widen(items_block_of(&c->items, &c->categories.v[category].items, item),
                     item % ITEMS_A_BLOCK, h, h);
}

int catalog_add_rule(struct catalog *c, struct slice pattern, enum kind kind, uint32_t precision)
{
    const char *why;
    if (name_check_pattern(pattern, &why) != 0)
        return LT_EINVALID;
    const struct catalog_rule *stands = entries_find_rule(c, pattern);
    if (stands != NULL && (precision == PRECISION_KEEP || precision == stands->precision))
        return LT_EEXISTS;
    const struct catalog_rule rule = {pattern, stands != NULL ? stands->kind : kind,
                                      precision == PRECISION_KEEP ? 0 : precision};
    pthread_rwlock_wrlock(&c->lock);
    int err = entries_add_rule(c, &rule, true);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

int catalog_set_text(struct catalog *c, struct slice stem, struct slice text, bool *changed_out)
{
    uint64_t item;
    int err = resolve_stem(c, stem, &item);
    if (err != 0)
        return err;
    struct catalog_series s = entries_series(c, item, DIMENSION_NONE);
    uint64_t old = entries_find_text(c, s.category, s.item);
    bool changed = old == NAME_INDEX_NONE || !slice_eq(c->texts.v[old].text, text);
    if (changed) {
        pthread_rwlock_wrlock(&c->lock);
        err = entries_add_text(c, s.category, s.item, text, true);
        pthread_rwlock_unlock(&c->lock);
    }
    if (err == 0)
        *changed_out = changed;
    return err;
}
