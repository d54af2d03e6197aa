#include "catalog/internal.h"

#include "model/name.h"

#include <stdlib.h>

/* What readers ask, each question under the shared lock. */

static uint32_t locked_find(struct catalog *c, const struct name_list *names, struct slice text,
                            uint32_t from)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t id = name_list_find_from(names, text, from);
    pthread_rwlock_unlock(&c->lock);
    return id;
}

uint32_t catalog_find_host(struct catalog *c, struct slice host)
{
    return locked_find(c, &c->hosts, host, 0);
}

uint32_t catalog_find_dimension(struct catalog *c, struct slice dimension)
{
    return locked_find(c, &c->dimensions, dimension, DIMENSION_NONE + 1);
}

uint32_t catalog_find_collector(struct catalog *c, struct slice collector)
{
    return locked_find(c, &c->collectors, collector, 0);
}

bool catalog_find_series(struct catalog *c, struct slice metric, struct catalog_series *out)
{
    struct name_metric parts = name_split_metric(metric);
    uint32_t dimension = DIMENSION_NONE;
    pthread_rwlock_rdlock(&c->lock);
    if (parts.has_dimension)
        dimension = name_list_find_from(&c->dimensions, parts.dimension, DIMENSION_NONE + 1);
    uint64_t item = entries_find_stem(c, parts.stem);
    bool found = dimension != NAME_LIST_NONE && item != ITEMS_NONE;
    if (found)
        *out = entries_series(c, item, dimension);
    pthread_rwlock_unlock(&c->lock);
    return found;
}

bool catalog_has_stem(struct catalog *c, struct slice stem)
{
    pthread_rwlock_rdlock(&c->lock);
    bool found = entries_find_stem(c, stem) != ITEMS_NONE;
    pthread_rwlock_unlock(&c->lock);
    return found;
}

bool catalog_has_item(struct catalog *c, struct slice metric)
{
    return catalog_has_stem(c, name_split_metric(metric).stem);
}

static struct slice locked_text(struct catalog *c, const struct name_list *names, uint32_t id)
{
    pthread_rwlock_rdlock(&c->lock);
    struct slice text = id < name_list_count(names) ? name_list_text(names, id) : SLICE_LIT("");
    pthread_rwlock_unlock(&c->lock);
    return text;
}

struct slice catalog_host_name(struct catalog *c, uint32_t host)
{
    return locked_text(c, &c->hosts, host);
}

uint32_t catalog_dimensions(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t count = name_list_count(&c->dimensions);
    pthread_rwlock_unlock(&c->lock);
    return count;
}

struct slice catalog_dimension_name(struct catalog *c, uint32_t dimension)
{
    return locked_text(c, &c->dimensions, dimension);
}

struct slice catalog_item_name(struct catalog *c, uint32_t category, uint32_t item,
                               char out[NAME_BYTES_MAX])
{
    struct slice name = slice_make(out, 0);
    pthread_rwlock_rdlock(&c->lock);
    if (!entries_is_gone(c, category, item))
        name = entries_item_name(c, category, item, out);
    if (name.p != out) { /* in its block, which may move when the lock is gone */
        memcpy(out, name.p, name.n);
        name.p = out;
    }
    pthread_rwlock_unlock(&c->lock);
    return name;
}

/* Under the lock; p NULL: it has none. */
static struct slice text_of(const struct catalog *c, uint32_t category, uint32_t item)
{
    uint64_t position = NAME_INDEX_NONE;
    if (c->texts.n > 0 && !entries_is_gone(c, category, item))
        position = entries_find_text(c, category, item);
    return position == NAME_INDEX_NONE ? slice_make(NULL, 0) : c->texts.v[position].text;
}

void catalog_item_text(struct catalog *c, uint32_t category, uint32_t item, struct buffer *out)
{
    pthread_rwlock_rdlock(&c->lock);
    struct slice text = text_of(c, category, item);
    if (text.n > 0)
        buffer_append_slice(out, text);
    pthread_rwlock_unlock(&c->lock);
}

int catalog_text_has(struct catalog *c, uint32_t category, uint32_t item, struct slice part)
{
    struct needle needle;
    int err = needle_init(&needle, part);
    if (err != 0)
        return err;
    pthread_rwlock_rdlock(&c->lock);
    struct slice text = text_of(c, category, item);
    bool found = part.n == 0 || (text.n > 0 && needle_is_in(&needle, text));
    pthread_rwlock_unlock(&c->lock);
    needle_fini(&needle);
    return found;
}

uint32_t catalog_categories(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t n = c->categories.n;
    pthread_rwlock_unlock(&c->lock);
    return n;
}

bool catalog_category_at(struct catalog *c, uint32_t category, struct catalog_category *out)
{
    pthread_rwlock_rdlock(&c->lock);
    bool known = category < c->categories.n;
    if (known) {
        const struct category *found = &c->categories.v[category];
        *out = (struct catalog_category){.id = category,
                                         .name = found->name,
                                         .kind = found->kind,
                                         .precision = found->precision,
                                         .items = found->items.count,
                                         .live = found->items.count - found->items.gone,
                                         .collector = found->collector};
    }
    pthread_rwlock_unlock(&c->lock);
    return known;
}

uint32_t catalog_rules(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t n = c->rules.n;
    pthread_rwlock_unlock(&c->lock);
    return n;
}

bool catalog_rule_at(struct catalog *c, uint32_t rule, struct catalog_rule *out)
{
    pthread_rwlock_rdlock(&c->lock);
    bool known = rule < c->rules.n;
    if (known)
        *out = c->rules.v[rule];
    pthread_rwlock_unlock(&c->lock);
    return known;
}

/* ---- in bulk ---- */

enum {
    BLOCKS_A_TURN = 64, /* 1 or 2 ms; then the writer may have the lock */
    TEXTS_A_TURN = 4096,
};

/* A block with holes: hits come by place, and go to their positions. */
static void match_block(const struct item_block *block, uint32_t count, const struct needle *needle,
                        uint64_t *bits)
{
    if (block->holes_words == 0) {
        name_block_match(&block->names, count, needle, bits);
        return;
    }
    uint64_t hits[ITEMS_A_BLOCK / ITEMS_A_WORD] = {0};
    name_block_match(&block->names, block->names.count, needle, hits);
    for (uint32_t position = 0; position < count; position++) {
        if (items_is_gone(block, position))
            continue;
        uint32_t place = items_place(block, position);
        bits[position / ITEMS_A_WORD] |= (hits[place / ITEMS_A_WORD] >> place % ITEMS_A_WORD & 1)
                                         << position % ITEMS_A_WORD;
    }
}

static void match_names(struct catalog *c, uint32_t category, const struct needle *needle,
                        uint32_t items, uint64_t *bits)
{
    for (uint32_t at = 0; at < items;) {
        pthread_rwlock_rdlock(&c->lock);
        for (uint32_t i = 0; i < BLOCKS_A_TURN && at < items; i++) {
            const struct item_block *block =
                items_block_of(&c->items, &c->categories.v[category].items, at);
            uint32_t count = items - at < ITEMS_A_BLOCK ? items - at : ITEMS_A_BLOCK;
            match_block(block, count, needle, bits + at / 64);
            at += count;
        }
        pthread_rwlock_unlock(&c->lock);
    }
}

static void match_texts(struct catalog *c, uint32_t category, const struct needle *needle,
                        uint32_t items, uint64_t *bits)
{
    bool more = true;
    for (uint32_t at = 0; more; at += TEXTS_A_TURN) {
        pthread_rwlock_rdlock(&c->lock);
        more = c->texts.n - at > TEXTS_A_TURN;
        for (uint32_t i = at; i < at + TEXTS_A_TURN && i < c->texts.n; i++) {
            const struct text *t = &c->texts.v[i];
            if (t->category == category && t->item < items && needle_is_in(needle, t->text) &&
                !entries_is_gone(c, category, t->item))
                bits[t->item / 64] |= UINT64_C(1) << t->item % 64;
        }
        pthread_rwlock_unlock(&c->lock);
    }
}

int catalog_match(struct catalog *c, uint32_t category, struct slice text, uint32_t items,
                  uint64_t *bits_out)
{
    struct needle needle;
    int err = needle_init(&needle, text);
    if (err != 0)
        return err;
    pthread_rwlock_rdlock(&c->lock);
    uint32_t known = category < c->categories.n ? c->categories.v[category].items.count : 0;
    pthread_rwlock_unlock(&c->lock);
    memset(bits_out, 0, ((size_t)items + 63) / 64 * sizeof(bits_out[0]));
    uint32_t count = items < known ? items : known;
    match_names(c, category, &needle, count, bits_out);
    match_texts(c, category, &needle, count, bits_out);
    needle_fini(&needle);
    return 0;
}

/* ---- how large it is ---- */

uint64_t catalog_items(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint64_t items = c->items.count;
    pthread_rwlock_unlock(&c->lock);
    return items;
}

size_t catalog_bytes(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    size_t bytes = sizeof(*c) + c->arena.bytes + items_bytes(&c->items) + c->category_index.bytes +
                   c->text_bytes + c->texts_free.cap * sizeof(c->texts_free.v[0]) +
                   c->dooms.cap * sizeof(c->dooms.v[0]) + c->drops.cap * sizeof(c->drops.v[0]) +
                   c->text_index.bytes + c->categories.cap * sizeof(c->categories.v[0]) +
                   c->texts.cap * sizeof(c->texts.v[0]) + c->changes.cap * sizeof(c->changes.v[0]) +
                   c->text_changes.cap * sizeof(c->text_changes.v[0]) +
                   declared_bytes(&c->declared);
    pthread_rwlock_unlock(&c->lock);
    return bytes;
}
