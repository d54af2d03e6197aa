#include "catalog/internal.h"

#include "base/error.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* Items that the log dooms, spares and forgets (docs/adr/0016-items-are-forgotten.md). The
 * writer's; storage follows by the journal. */

void forget_free_changes(struct doom_change *changes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(changes[i].items);
}

/* ---- marks ---- */

static int begin_round(struct catalog *c, uint64_t round, bool record)
{
    struct doom_change change = {.what = STORAGE_DOOM_BEGIN, .round = round};
    if (record && !VEC_PUSH(&c->dooms, change))
        return LT_ENOMEM;
    items_spare_all(&c->items);
    c->round = round;
    return 0;
}

/* Marks those that are there; they go to kept_out (as many as items), how many to *kept_count. */
static int mark_items(struct catalog *c, uint32_t category, const uint32_t *items, uint32_t count,
                      uint32_t *kept_out, uint32_t *kept_count)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (entries_is_gone(c, category, items[i]))
            continue;
        struct item_block *b =
            items_block_of(&c->items, &c->categories.v[category].items, items[i]);
        int err = items_reserve_doomed(&c->items, b);
        if (err != 0)
            return err;
        items_doom(b, items[i] % ITEMS_A_BLOCK);
        if (kept_out != NULL)
            kept_out[n] = items[i];
        n++;
    }
    *kept_count = n;
    return 0;
}

static int leave_declared(struct catalog *c, uint32_t category, const uint32_t *items,
                          uint32_t count, uint32_t *rest_out, uint32_t *rest_count)
{
    const struct itemset *declared = NULL;
    uint32_t n = 0;
    int err = c->declared.count > 0 ? declared_items(&c->declared, category, &declared) : 0;
    for (uint32_t i = 0; err == 0 && i < count; i++)
        if (declared == NULL || !itemset_has(declared, items[i]))
            rest_out[n++] = items[i];
    *rest_count = n;
    return err;
}

int catalog_doom(struct catalog *c, uint64_t round, uint32_t category, const uint32_t *items,
                 uint32_t count)
{
    if (round < c->round || count == 0)
        return 0; /* somebody's who was replaced long ago */
    uint32_t *doomed = malloc(count * sizeof(doomed[0]));
    if (doomed == NULL)
        return LT_ENOMEM;
    uint32_t free_count, doomed_count = 0; /* who has a declared series is left out, too */
    int err = leave_declared(c, category, items, count, doomed, &free_count);
    pthread_rwlock_wrlock(&c->lock);
    if (err == 0 && round > c->round)
        err = begin_round(c, round, true);
    if (err == 0)
        err = mark_items(c, category, doomed, free_count, doomed, &doomed_count);
    bool any = err == 0 && doomed_count > 0;
    const struct doom_change change = {.what = STORAGE_DOOMED,
                                       .category = category,
                                       .round = round,
                                       .items = doomed,
                                       .count = doomed_count};
    if (any && !VEC_PUSH(&c->dooms, change))
        err = LT_ENOMEM;
    pthread_rwlock_unlock(&c->lock);
    if (!any || err != 0)
        free(doomed);
    return err;
}

int forget_spare(struct catalog *c, uint64_t item)
{
    struct item_block *b = &c->items.blocks.v[item / ITEMS_A_BLOCK];
    uint32_t position = (uint32_t)(item % ITEMS_A_BLOCK);
    struct doom_change change = {.what = STORAGE_SPARED,
                                 .category = b->category,
                                 .count = 1,
                                 .item = b->first_id + position,
                                 .round = c->round};
    if (!VEC_PUSH(&c->dooms, change))
        return LT_ENOMEM;
    items_spare(b, position);
    return 0;
}

/* ---- forgetting ---- */

enum { FORGETS_A_TURN = 512 }; /* a millisecond; then readers may have the lock */

/* Items of the list from *at on, some of one block; *at moves behind them. */
static int forget_some(struct catalog *c, uint32_t category_id, const uint32_t *items, uint32_t end,
                       uint32_t *at, struct doom_change *change)
{
    struct category *category = &c->categories.v[category_id];
    struct item_block *b = items_block_of(&c->items, &category->items, items[*at]);
    uint32_t block = items[*at] / ITEMS_A_BLOCK;
    int err = items_reserve_holes(&c->items, b);
    if (end - *at > FORGETS_A_TURN)
        end = *at + FORGETS_A_TURN;
    for (; err == 0 && *at < end && items[*at] / ITEMS_A_BLOCK == block; (*at)++) {
        uint32_t id = items[*at], position = id % ITEMS_A_BLOCK;
        char name[NAME_BYTES_MAX];
        if (entries_is_gone(c, category_id, id) || !items_is_doomed(b, position))
            continue;
        buffer_reset(&c->item_text, SIZE_MAX);
        entries_join_stem(category, entries_item_name(c, category_id, id, name), &c->item_text);
        if (c->item_text.error != 0)
            return LT_ENOMEM;
        items_spare(b, position);
        items_forget(&c->items, &category->items, id, hash_bytes(buffer_slice(&c->item_text)));
        change->items[change->count++] = id;
    }
    return err;
}

int catalog_forget(struct catalog *c, uint64_t round, uint32_t category, const uint32_t *items,
                   uint32_t count, uint32_t *forgotten_out)
{
    struct doom_change change = {.what = STORAGE_FORGOTTEN, .category = category, .round = round};
    if (round != c->round || category >= c->categories.n || count == 0) {
        *forgotten_out = 0; /* other marks were set since they were looked at: these do not count */
        return 0;
    }
    uint32_t ids = c->categories.v[category].items.count, end = count, at = 0;
    while (end > 0 && items[end - 1] >= ids)
        end--;
    change.items = malloc(count * sizeof(change.items[0]));
    if (change.items == NULL || !VEC_RESERVE(&c->dooms, 1)) {
        free(change.items);
        return LT_ENOMEM;
    }
    int err = 0;
    while (err == 0 && at < end) {
        pthread_rwlock_wrlock(&c->lock);
        err = forget_some(c, category, items, end, &at, &change);
        pthread_rwlock_unlock(&c->lock);
    }
    uint32_t forgotten = change.count;
    if (err == 0 && forgotten > 0) {
        pthread_rwlock_wrlock(&c->lock);
        err = VEC_PUSH(&c->dooms, change) ? 0 : LT_ENOMEM;
        pthread_rwlock_unlock(&c->lock);
    }
    if (err != 0 || forgotten == 0)
        free(change.items);
    if (err == 0)
        *forgotten_out = forgotten;
    return err;
}

/* ---- memory ---- */

/* Those of a block; *at moves behind them. */
static void drop_some(struct catalog *c, const struct doom_change *drop, uint32_t *at)
{
    uint32_t positions[ITEMS_A_BLOCK], n = 0;
    struct item_list *list = &c->categories.v[drop->category].items;
    uint32_t block = drop->items[*at] / ITEMS_A_BLOCK;
    struct item_block *b = items_block_of(&c->items, list, drop->items[*at]);
    for (; *at < drop->count && drop->items[*at] / ITEMS_A_BLOCK == block; (*at)++) {
        positions[n++] = drop->items[*at] % ITEMS_A_BLOCK;
        if (c->texts.n > 0)
            entries_drop_text(c, drop->category, drop->items[*at]);
    }
    items_drop(&c->items, b, positions, n);
}

static bool take_drop(struct catalog *c, struct doom_change *out)
{
    bool any = c->drops.n > 0;
    if (any)
        *out = c->drops.v[--c->drops.n]; /* in any order */
    else
        atomic_store_explicit(&c->untidy, false, memory_order_relaxed);
    return any;
}

void catalog_tidy(struct catalog *c)
{
    if (LIKELY(!atomic_load_explicit(&c->untidy, memory_order_acquire)))
        return;
    for (;;) {
        struct doom_change drop;
        pthread_rwlock_wrlock(&c->lock);
        bool any = take_drop(c, &drop);
        pthread_rwlock_unlock(&c->lock);
        if (!any)
            break;
        for (uint32_t at = 0; at < drop.count;) {
            pthread_rwlock_wrlock(&c->lock);
            drop_some(c, &drop, &at);
            pthread_rwlock_unlock(&c->lock);
        }
        free(drop.items);
    }
    for (uint32_t i = 0; i < NAME_INDEX_TABLES; i++) {
        pthread_rwlock_wrlock(&c->lock);
        name_index_shrink(&c->items.index, i);
        pthread_rwlock_unlock(&c->lock);
    }
}

/* ---- loading ---- */

static int restore_doom(struct catalog *c, const struct storage_doom *d)
{
    uint32_t kept;
    switch (d->what) {
    case STORAGE_DOOM_BEGIN:
        return begin_round(c, d->round, false);
    case STORAGE_DOOMED:
        return d->category < c->categories.n
                   ? mark_items(c, d->category, d->items, d->count, NULL, &kept)
                   : LT_ECORRUPT;
    case STORAGE_SPARED:
        for (uint32_t i = 0; i < d->count; i++) {
            if (!entries_has_id(c, d->category, d->items[i]))
                return LT_ECORRUPT;
            struct item_block *b =
                items_block_of(&c->items, &c->categories.v[d->category].items, d->items[i]);
            if (items_is_doomed(b, d->items[i] % ITEMS_A_BLOCK))
                items_spare(b, d->items[i] % ITEMS_A_BLOCK);
        }
        return 0;
    case STORAGE_FORGOTTEN:
        break; /* as names that are not there */
    }
    return LT_ECORRUPT;
}

int catalog_restore_doom(struct catalog *c, const struct storage_doom *doom)
{
    pthread_rwlock_wrlock(&c->lock);
    int err = restore_doom(c, doom);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

/* ---- readers ---- */

uint32_t catalog_fate_page(struct catalog *c, uint32_t category, uint32_t page,
                           uint64_t gone_out[CATALOG_PAGE_WORDS],
                           uint64_t doomed_out[CATALOG_PAGE_WORDS])
{
    uint32_t count = 0;
    if (gone_out != NULL)
        memset(gone_out, 0, CATALOG_PAGE_WORDS * sizeof(gone_out[0]));
    if (doomed_out != NULL)
        memset(doomed_out, 0, CATALOG_PAGE_WORDS * sizeof(doomed_out[0]));
    pthread_rwlock_rdlock(&c->lock);
    if (page <= UINT32_MAX / ITEMS_A_BLOCK && entries_has_id(c, category, page * ITEMS_A_BLOCK)) {
        const struct item_block *b =
            items_block_of(&c->items, &c->categories.v[category].items, page * ITEMS_A_BLOCK);
        count = b->count;
        for (uint32_t i = 0; gone_out != NULL && i < b->holes_words; i++)
            gone_out[i] = b->holes[i].gone;
        for (uint32_t i = 0; doomed_out != NULL && i < b->doomed_words; i++)
            doomed_out[i] = b->doomed[i];
    }
    pthread_rwlock_unlock(&c->lock);
    return count;
}

uint64_t catalog_round(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint64_t round = c->round;
    pthread_rwlock_unlock(&c->lock);
    return round;
}
