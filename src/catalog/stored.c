#include "catalog/internal.h"

#include "base/error.h"
#include "base/hash.h"
#include "model/name.h"

#include <stdlib.h>
#include <string.h>

/* Between the catalog and storage: what was stored comes back, what is new goes there. */

/* ---- loading ---- */

/* Items whose place in the index is being fetched. Each would be waited for, a few hundred ns in a
 * large catalog; together they take little longer than one. */
enum { FETCHES = 32 };

static int restore_some(struct catalog *c, uint32_t category_id, const struct slice *names,
                        uint32_t count)
{
    struct category *category = &c->categories.v[category_id];
    uint64_t hashes[FETCHES], numbers[FETCHES];
    uint32_t n = 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        if (names[i].p == NULL) {
            err = items_append_gone(&c->items, &category->items, category_id);
            continue;
        }
        buffer_reset(&c->item_text, SIZE_MAX);
        entries_join_stem(category, names[i], &c->item_text);
        if (names[i].n > NAME_BYTES_MAX || c->item_text.error != 0)
            return LT_ECORRUPT;
        hashes[n] = hash_bytes(buffer_slice(&c->item_text));
        name_index_prefetch(&c->items.index, hashes[n]);
        err = items_append(&c->items, &category->items, category_id, names[i], &numbers[n++]);
    }
    for (uint32_t i = 0; err == 0 && i < n; i++)
        err = name_index_add(&c->items.index, hashes[i], numbers[i]);
    return err;
}

int catalog_restore_items(struct catalog *c, uint32_t category, uint32_t first,
                          const struct slice *names, uint32_t count)
{
    int err = 0;
    pthread_rwlock_wrlock(&c->lock);
    if (category >= c->categories.n || first != c->categories.v[category].items.count)
        err = LT_ECORRUPT;
    for (uint32_t i = 0; err == 0 && i < count; i += FETCHES)
        err = restore_some(c, category, names + i, count - i < FETCHES ? count - i : FETCHES);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

/* Kind and precision of a rule are one number. */
enum { DETAIL_KIND_BITS = 2 };

static int restore_rule(struct catalog *c, const struct storage_name *name)
{
    uint32_t kind = name->detail & ((1 << DETAIL_KIND_BITS) - 1);
    struct catalog_rule rule = {name->text, (enum kind)kind, name->detail >> DETAIL_KIND_BITS};
    if (name->id != c->rules.n || kind > KIND_COUNTER || rule.precision > PRECISION_MAX)
        return LT_ECORRUPT;
    return entries_add_rule(c, &rule, false);
}

static int restore(struct catalog *c, const struct storage_name *name)
{
    uint32_t id;
    switch (name->what) {
    case STORAGE_HOST:
        if (name->id != name_list_count(&c->hosts))
            return LT_ECORRUPT;
        return entries_add_name(c, &c->hosts, STORAGE_HOST, name->text, false, &id);
    case STORAGE_DIMENSION:
        if (name->id != name_list_count(&c->dimensions))
            return LT_ECORRUPT;
        return entries_add_name(c, &c->dimensions, STORAGE_DIMENSION, name->text, false, &id);
    case STORAGE_COLLECTOR:
        if (name->id != name_list_count(&c->collectors))
            return LT_ECORRUPT;
        return entries_add_name(c, &c->collectors, STORAGE_COLLECTOR, name->text, false, &id);
    case STORAGE_CATEGORY:
        if (name->id != c->categories.n || name->detail > KIND_COUNTER)
            return LT_ECORRUPT;
        return entries_add_category(c, name->text, (enum kind)name->detail, false, &id);
    case STORAGE_ITEM:
        break; /* catalog_restore_items */
    case STORAGE_RULE:
        return restore_rule(c, name);
    }
    return LT_ECORRUPT;
}

int catalog_restore(struct catalog *c, const struct storage_name *name)
{
    pthread_rwlock_wrlock(&c->lock);
    int err = restore(c, name);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

int catalog_restore_text(struct catalog *c, uint32_t category, uint32_t item, struct slice text)
{
    pthread_rwlock_wrlock(&c->lock);
    int err = LT_ECORRUPT;
    if (!entries_is_gone(c, category, item))
        err = entries_add_text(c, category, item, text, false);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

static int load_items(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                      const struct slice *names, uint32_t count)
{
    return catalog_restore_items(arg, category, first, names, count);
}

static int load_name(void *arg, uint32_t environment, const struct storage_name *name)
{
    return catalog_restore(arg, name);
}

static int load_watermark(void *arg, uint32_t environment, const struct storage_watermark *w)
{
    return 0;
}

static int load_text(void *arg, uint32_t environment, const struct storage_item_text *text)
{
    return catalog_restore_text(arg, text->category, text->item, text->text);
}

static int load_seen(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    catalog_seen_restore(arg, seen->category, seen->page, seen->count, seen->first_h, seen->last_h);
    return 0;
}

static int load_doom(void *arg, uint32_t environment, const struct storage_doom *doom)
{
    return catalog_restore_doom(arg, doom);
}

static int load_series(void *arg, uint32_t environment, const struct storage_series *series)
{
    return catalog_restore_series(arg, series);
}

struct storage_loader catalog_loader(struct catalog *c)
{
    return (struct storage_loader){load_items, load_name, load_watermark, load_text,
                                   load_seen,  load_doom, load_series,    c};
}

/* ---- the journal ---- */

struct catalog_mark catalog_mark(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    struct catalog_mark mark = {
        c->changes_base + c->changes.n, c->text_changes_base + c->text_changes.n,
        c->dooms_base + c->dooms.n, c->declared.changes_base + c->declared.changes.n};
    pthread_rwlock_unlock(&c->lock);
    return mark;
}

/* An item's name stands in text. */
static struct storage_name describe(const struct catalog *c, struct change change,
                                    char text[NAME_BYTES_MAX])
{
    struct storage_name name = {
        .what = (enum storage_name_what)change.what, .scope = change.scope, .id = change.id};
    switch (name.what) {
    case STORAGE_HOST:
        name.text = name_list_text(&c->hosts, change.id);
        break;
    case STORAGE_DIMENSION:
        name.text = name_list_text(&c->dimensions, change.id);
        break;
    case STORAGE_COLLECTOR:
        name.text = name_list_text(&c->collectors, change.id);
        break;
    case STORAGE_CATEGORY:
        name.text = c->categories.v[change.id].name;
        name.detail = c->categories.v[change.id].kind;
        break;
    case STORAGE_ITEM:
        name.text = entries_item_name(c, change.scope, change.id, text);
        if (name.text.p != text) { /* in its block, which may move when the lock is gone */
            memcpy(text, name.text.p, name.text.n);
            name.text.p = text;
        }
        break;
    case STORAGE_RULE:
        name.text = c->rules.v[change.id].pattern;
        name.detail = c->rules.v[change.id].kind | c->rules.v[change.id].precision
                                                       << DETAIL_KIND_BITS;
        break;
    }
    return name;
}

/* The lock is not held over a callback: it may be a round trip to the database. Nor is it taken for
 * each of a million names: the writer, who is adding others, waits for it. */
static int tell_names(struct catalog *c, uint64_t from, uint64_t to,
                      const struct catalog_changes *changes)
{
    enum { NAMES_A_TURN = 64 };
    char texts[NAMES_A_TURN][NAME_BYTES_MAX];
    struct storage_name names[NAMES_A_TURN];
    int err = 0;
    for (uint64_t at = from, n; err == 0 && at < to; at += n) {
        n = to - at < NAMES_A_TURN ? to - at : NAMES_A_TURN;
        pthread_rwlock_rdlock(&c->lock);
        for (uint64_t i = 0; i < n; i++)
            names[i] = describe(c, c->changes.v[at + i - c->changes_base], texts[i]);
        pthread_rwlock_unlock(&c->lock);
        for (uint64_t i = 0; err == 0 && i < n; i++)
            err = changes->name(changes->arg, &names[i]);
    }
    return err;
}

static int tell_texts(struct catalog *c, uint64_t from, uint64_t to,
                      const struct catalog_changes *changes)
{
    struct buffer copy; /* the writer may replace it meanwhile */
    buffer_init(&copy, SIZE_MAX);
    int err = 0;
    for (uint64_t i = from; err == 0 && i < to; i++) {
        pthread_rwlock_rdlock(&c->lock);
        struct text t = c->texts.v[c->text_changes.v[i - c->text_changes_base]];
        buffer_reset(&copy, SIZE_MAX);
        buffer_append_slice(&copy, t.text);
        pthread_rwlock_unlock(&c->lock);
        struct storage_item_text one = {t.category, t.item, buffer_slice(&copy)};
        err = copy.error != 0 ? copy.error : changes->text(changes->arg, &one);
    }
    buffer_fini(&copy);
    return err;
}

static int tell_doom(const struct doom_change *d, const struct catalog_changes *changes)
{
    struct storage_doom one = {.what = d->what,
                               .round = d->round,
                               .category = d->category,
                               .items = d->items,
                               .count = d->count};
    return changes->doom(changes->arg, &one); /* its items stay until forget_changes */
}

static int spared_order(const void *a, const void *b)
{
    const struct doom_change *x = a, *y = b;
    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/* Items are spared one by one; storage is told once for all that follow each other. */
static int tell_spared(struct doom_change *spared, uint32_t count,
                       const struct catalog_changes *changes)
{
    VEC(uint32_t) items = {0};
    int err = 0;
    qsort(spared, count, sizeof(spared[0]), spared_order);
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        if (!VEC_PUSH(&items, spared[i].item))
            err = LT_ENOMEM;
        if (err != 0 || (i + 1 < count && spared[i + 1].category == spared[i].category))
            continue;
        struct doom_change all = spared[i];
        all.items = items.v;
        all.count = items.n;
        err = tell_doom(&all, changes);
        items.n = 0;
    }
    VEC_FINI(&items);
    return err;
}

static int tell_dooms(struct catalog *c, uint64_t from, uint64_t to,
                      const struct catalog_changes *changes)
{
    VEC(struct doom_change) some = {0};
    uint32_t n = (uint32_t)(to - from), at = 0, end;
    if (n == 0)
        return 0;
    if (!VEC_RESERVE(&some, n))
        return LT_ENOMEM;
    pthread_rwlock_rdlock(&c->lock);
    memcpy(some.v, c->dooms.v + (from - c->dooms_base), n * sizeof(some.v[0]));
    pthread_rwlock_unlock(&c->lock);
    int err = 0;
    for (; err == 0 && at < n; at = end) {
        end = at + 1;
        if (some.v[at].what != STORAGE_SPARED) {
            err = tell_doom(&some.v[at], changes);
            continue;
        }
        while (end < n && some.v[end].what == STORAGE_SPARED)
            end++;
        err = tell_spared(some.v + at, end - at, changes);
    }
    VEC_FINI(&some);
    return err;
}

static int tell_series(struct catalog *c, uint64_t from, uint64_t to,
                       const struct catalog_changes *changes)
{
    VEC(struct declared_change) some = {0};
    uint32_t n = (uint32_t)(to - from);
    int err = 0;
    if (n == 0)
        return 0;
    if (!VEC_RESERVE(&some, n))
        return LT_ENOMEM;
    pthread_rwlock_rdlock(&c->lock);
    memcpy(some.v, c->declared.changes.v + (from - c->declared.changes_base),
           n * sizeof(some.v[0]));
    pthread_rwlock_unlock(&c->lock);
    for (uint32_t i = 0; err == 0 && i < n; i++) {
        const struct declared_change *d = &some.v[i]; /* its body stays until forget_changes */
        struct storage_series one = {.created = d->created,
                                     .host = d->key.host,
                                     .category = d->key.category,
                                     .item = d->key.item,
                                     .dimension = d->key.dimension,
                                     .dropped = d->body == NULL,
                                     .body = slice_make(d->body, d->body_bytes)};
        err = changes->series(changes->arg, &one);
    }
    VEC_FINI(&some);
    return err;
}

int catalog_changes(struct catalog *c, struct catalog_mark from, struct catalog_mark to,
                    const struct catalog_changes *changes)
{
    int err = tell_names(c, from.names, to.names, changes);
    if (err == 0)
        err = tell_texts(c, from.texts, to.texts, changes);
    if (err == 0)
        err = tell_dooms(c, from.dooms, to.dooms, changes);
    return err != 0 ? err : tell_series(c, from.series, to.series, changes);
}

/* After a burst of new names the journal's memory goes back. */
enum { JOURNAL_KEEP = 65536 };

/* What was forgotten waits for the writer, who alone may close the gaps. */
static void forget_dooms(struct catalog *c, uint64_t upto)
{
    uint32_t n = (uint32_t)(upto - c->dooms_base);
    for (uint32_t i = 0; i < n; i++) {
        if (c->dooms.v[i].what == STORAGE_FORGOTTEN && VEC_PUSH(&c->drops, c->dooms.v[i]))
            atomic_store_explicit(&c->untidy, true, memory_order_release);
        else
            forget_free_changes(&c->dooms.v[i], 1);
    }
    c->dooms.n -= n;
    if (c->dooms.n > 0)
        memmove(c->dooms.v, c->dooms.v + n, c->dooms.n * sizeof(c->dooms.v[0]));
    c->dooms_base = upto;
}

void catalog_forget_changes(struct catalog *c, struct catalog_mark upto)
{
    pthread_rwlock_wrlock(&c->lock);
    uint32_t names = (uint32_t)(upto.names - c->changes_base);
    c->changes.n -= names;
    if (c->changes.n > 0)
        memmove(c->changes.v, c->changes.v + names, c->changes.n * sizeof(c->changes.v[0]));
    else if (c->changes.cap > JOURNAL_KEEP)
        VEC_FINI(&c->changes);
    c->changes_base = upto.names;
    uint32_t texts = (uint32_t)(upto.texts - c->text_changes_base);
    c->text_changes.n -= texts;
    if (c->text_changes.n > 0)
        memmove(c->text_changes.v, c->text_changes.v + texts,
                c->text_changes.n * sizeof(c->text_changes.v[0]));
    else if (c->text_changes.cap > JOURNAL_KEEP)
        VEC_FINI(&c->text_changes);
    c->text_changes_base = upto.texts;
    forget_dooms(c, upto.dooms);
    declared_forget_changes(&c->declared, upto.series);
    pthread_rwlock_unlock(&c->lock);
}

/* ---- when items were seen ---- */

/* The block of a page that exists, or NULL. */
static struct item_block *page_block(struct catalog *c, uint32_t category, uint32_t page)
{
    if (page > UINT32_MAX / CATALOG_SEEN_ITEMS ||
        !entries_has_id(c, category, page * CATALOG_SEEN_ITEMS))
        return NULL;
    return items_block_of(&c->items, &c->categories.v[category].items, page * CATALOG_SEEN_ITEMS);
}

void catalog_seen_restore(struct catalog *c, uint32_t category, uint32_t page, uint32_t count,
                          const uint32_t *first_h, const uint32_t *last_h)
{
    pthread_rwlock_wrlock(&c->lock);
    struct item_block *block = page_block(c, category, page);
    if (block != NULL) {
        bool changed = atomic_load_explicit(&block->changed, memory_order_relaxed);
        for (uint32_t i = 0; i < count && i < block->count; i++)
            if (!items_is_gone(block, i))
                item_hours_widen(block, i, first_h[i], last_h[i]);
        atomic_store_explicit(&block->changed, changed, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&c->lock);
}

uint32_t catalog_seen_page(struct catalog *c, uint32_t category, uint32_t page,
                           uint32_t first_h_out[CATALOG_SEEN_ITEMS],
                           uint32_t last_h_out[CATALOG_SEEN_ITEMS], bool *changed_out)
{
    uint32_t count = 0;
    pthread_rwlock_rdlock(&c->lock);
    struct item_block *block = page_block(c, category, page);
    if (block != NULL) {
        if (changed_out != NULL)
            *changed_out = atomic_exchange_explicit(&block->changed, false, memory_order_acquire);
        count = item_hours_copy(block, first_h_out, last_h_out);
    }
    pthread_rwlock_unlock(&c->lock);
    return count;
}

void catalog_seen_again(struct catalog *c, uint32_t category, uint32_t page)
{
    pthread_rwlock_rdlock(&c->lock);
    struct item_block *block = page_block(c, category, page);
    if (block != NULL)
        atomic_store_explicit(&block->changed, true, memory_order_release);
    pthread_rwlock_unlock(&c->lock);
}

void catalog_seen_since(struct catalog *c, uint32_t category, const uint32_t *items, uint32_t count,
                        uint32_t hour)
{
    pthread_rwlock_rdlock(&c->lock);
    for (uint32_t i = 0; i < count; i++) {
        if (entries_is_gone(c, category, items[i]))
            continue;
        struct item_block *b =
            items_block_of(&c->items, &c->categories.v[category].items, items[i]);
        item_hours_since(b, items[i] % ITEMS_A_BLOCK, hour);
    }
    pthread_rwlock_unlock(&c->lock);
}
