#include "catalog/internal.h"

#include "base/error.h"
#include "base/hash.h"
#include "model/name.h"

#include <stdlib.h>
#include <string.h>

/* What the catalog holds, and how it is found and added; the callers lock. */

/* ---- look-ups ---- */

static bool category_eq(const void *context, const void *key, uint64_t position)
{
    const struct catalog *c = context;
    return slice_eq(c->categories.v[position].name, *(const struct slice *)key);
}

uint32_t entries_find_category(const struct catalog *c, struct slice name)
{
    uint64_t position =
        name_index_find(&c->category_index, hash_bytes(name), category_eq, c, &name);
    return position == NAME_INDEX_NONE ? CATALOG_NONE : (uint32_t)position;
}

/* Is the byte at i a component of its own, "*"? Names like `b*` hold stars that stand for
 * themselves. */
static bool is_star(struct slice category, size_t i)
{
    return category.p[i] == '*' && (i == 0 || category.p[i - 1] == '.') &&
           (i + 1 == category.n || category.p[i + 1] == '.');
}

/* Is `stem` what category and item join to? Walks the three at once and builds nothing. */
static bool stem_is(struct slice stem, struct slice category, struct slice item)
{
    size_t at = 0, from = 0;
    for (size_t i = 0; i < category.n; i++) {
        if (!is_star(category, i)) {
            if (at >= stem.n || stem.p[at++] != category.p[i])
                return false;
            continue;
        }
        struct slice rest = slice_from(item, from);
        size_t n = slice_find(rest, '.');
        if (stem.n - at < n || memcmp(stem.p + at, rest.p, n) != 0)
            return false;
        at += n;
        from += n < rest.n ? n + 1 : n;
    }
    return at == stem.n;
}

/* stem_is for a category with one star, by its place. */
static bool stem_has(struct slice stem, const struct category *category,
                     const struct name_block *names, uint32_t place)
{
    size_t before = category->star, after = category->name.n - category->star - 1;
    return stem.n >= before + after && memcmp(stem.p, category->name.p, before) == 0 &&
           memcmp(stem.p + stem.n - after, category->name.p + before + 1, after) == 0 &&
           name_block_is(names, place, slice_make(stem.p + before, stem.n - before - after));
}

static bool stem_eq(const void *context, const void *key, uint64_t number)
{
    const struct catalog *c = context;
    struct slice stem = *(const struct slice *)key;
    const struct item_block *block = items_block_at(&c->items, number);
    const struct category *category = &c->categories.v[block->category];
    uint32_t place = items_place(block, (uint32_t)(number % ITEMS_A_BLOCK));
    if (category->star < category->name.n)
        return stem_has(stem, category, &block->names, place);
    char name[NAME_BYTES_MAX];
    return stem_is(stem, category->name, name_block_get(&block->names, place, name));
}

uint64_t entries_find_hashed(const struct catalog *c, struct slice stem, uint64_t hash)
{
    return name_index_find(&c->items.index, hash, stem_eq, c, &stem);
}

uint64_t entries_find_stem(const struct catalog *c, struct slice stem)
{
    return entries_find_hashed(c, stem, hash_bytes(stem));
}

struct catalog_series entries_series(const struct catalog *c, uint64_t item, uint32_t dimension)
{
    uint32_t category = items_block_at(&c->items, item)->category;
    return (struct catalog_series){.category = category,
                                   .item = items_id_at(&c->items, item),
                                   .dimension = dimension,
                                   .collector = c->categories.v[category].collector};
}

struct text_key {
    uint32_t category;
    uint32_t item;
};

static uint64_t text_hash(uint32_t category, uint32_t item)
{
    return hash_u64((uint64_t)category << 32 | item);
}

static bool text_eq(const void *context, const void *key, uint64_t position)
{
    const struct text *t = &((const struct catalog *)context)->texts.v[position];
    const struct text_key *k = key;
    return t->category == k->category && t->item == k->item;
}

uint64_t entries_find_text(const struct catalog *c, uint32_t category, uint32_t item)
{
    struct text_key key = {category, item};
    return name_index_find(&c->text_index, text_hash(category, item), text_eq, c, &key);
}

const struct catalog_rule *entries_find_rule(const struct catalog *c, struct slice pattern)
{
    for (uint32_t i = c->rules.n; i > 0; i--)
        if (slice_eq(c->rules.v[i - 1].pattern, pattern))
            return &c->rules.v[i - 1];
    return NULL;
}

/* As name_join_stem, which walks component by component; most items' categories have one star. */
void entries_join_stem(const struct category *category, struct slice item, struct buffer *stem)
{
    if (category->star >= category->name.n) {
        name_join_stem(category->name, item, stem);
        return;
    }
    buffer_append_slice(stem, slice_upto(category->name, category->star));
    buffer_append_slice(stem, item);
    buffer_append_slice(stem, slice_from(category->name, category->star + 1));
}

/* ---- adding ---- */

static int journal(struct catalog *c, enum storage_name_what what, uint32_t scope, uint32_t id)
{
    struct change change = {(uint8_t)what, scope, id};
    return VEC_PUSH(&c->changes, change) ? 0 : LT_ENOMEM;
}

int entries_add_name(struct catalog *c, struct name_list *names, enum storage_name_what what,
                     struct slice text, bool record, uint32_t *out)
{
    uint32_t id;
    if (record && !VEC_RESERVE(&c->changes, 1))
        return LT_ENOMEM;
    int err = name_list_add(names, &c->arena, text, &id);
    if (err == 0 && record)
        err = journal(c, what, 0, id);
    if (err == 0)
        *out = id;
    return err;
}

static size_t find_star(struct slice category)
{
    size_t star = STAR_NONE;
    for (size_t i = 0; i < category.n; i++)
        if (is_star(category, i))
            star = star == STAR_NONE ? i : STARS_MANY;
    return star;
}

int entries_add_category(struct catalog *c, struct slice name, enum kind kind, bool record,
                         uint32_t *out)
{
    struct slice collector_text = name_collector(name);
    uint32_t collector = name_list_find(&c->collectors, collector_text);
    int err = 0;
    if (collector == NAME_LIST_NONE)
        err = entries_add_name(c, &c->collectors, STORAGE_COLLECTOR, collector_text, record,
                               &collector);
    if (err != 0)
        return err;
    const struct catalog_rule *rule = entries_find_rule(c, name);
    struct category category = {.kind = kind,
                                .precision = rule != NULL ? rule->precision : 0,
                                .collector = collector,
                                .star = find_star(name)};
    category.name = arena_copy(&c->arena, name);
    uint32_t id = c->categories.n;
    if (category.name.p == NULL || !VEC_RESERVE(&c->categories, 1) || !VEC_RESERVE(&c->changes, 1))
        return LT_ENOMEM;
    err = name_index_add(&c->category_index, hash_bytes(name), id);
    if (err != 0)
        return err;
    c->categories.v[c->categories.n++] = category;
    *out = id;
    return record ? journal(c, STORAGE_CATEGORY, 0, id) : 0;
}

int entries_add_item(struct catalog *c, uint32_t category, struct slice item, uint64_t stem_hash,
                     bool record, uint64_t *number_out)
{
    struct item_list *list = &c->categories.v[category].items;
    if (item.n > NAME_BYTES_MAX)
        return LT_ELIMIT;
    if (record && !VEC_RESERVE(&c->changes, 1))
        return LT_ENOMEM;
    int err = items_add(&c->items, list, category, item, stem_hash, number_out);
    return err == 0 && record ? journal(c, STORAGE_ITEM, category, list->count - 1) : err;
}

int entries_add_rule(struct catalog *c, const struct catalog_rule *rule, bool record)
{
    struct catalog_rule copy = *rule;
    copy.pattern = arena_copy(&c->arena, rule->pattern);
    if (copy.pattern.p == NULL || !VEC_RESERVE(&c->changes, 1) || !VEC_PUSH(&c->rules, copy))
        return LT_ENOMEM;
    uint32_t category = entries_find_category(c, copy.pattern);
    if (category != CATALOG_NONE)
        c->categories.v[category].precision = copy.precision;
    return record ? journal(c, STORAGE_RULE, 0, c->rules.n - 1) : 0;
}

static int place_text(struct catalog *c, const struct text *entry, uint64_t *position_out)
{
    bool reuse = c->texts_free.n > 0;
    uint64_t position = reuse ? c->texts_free.v[c->texts_free.n - 1] : c->texts.n;
    int err = name_index_add(&c->text_index, text_hash(entry->category, entry->item), position);
    if (err != 0)
        return err;
    if (reuse)
        c->texts_free.n--;
    else
        c->texts.n++;
    c->texts.v[position] = *entry;
    *position_out = position;
    return 0;
}

int entries_add_text(struct catalog *c, uint32_t category, uint32_t item, struct slice text,
                     bool record)
{
    uint64_t position = entries_find_text(c, category, item);
    if (!VEC_RESERVE(&c->texts, 1) || !VEC_RESERVE(&c->text_changes, 1))
        return LT_ENOMEM;
    char *copy = malloc(text.n + 1);
    if (copy == NULL)
        return LT_ENOMEM;
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    struct text entry = {category, item, slice_make(copy, text.n)};
    int err = 0;
    if (position == NAME_INDEX_NONE) {
        err = place_text(c, &entry, &position);
    } else {
        c->text_bytes -= c->texts.v[position].text.n;
        free((char *)(uintptr_t)c->texts.v[position].text.p);
        c->texts.v[position] = entry;
    }
    if (err != 0) {
        free(copy);
        return err;
    }
    c->text_bytes += text.n;
    if (record)
        c->text_changes.v[c->text_changes.n++] = (uint32_t)position;
    return 0;
}

void entries_drop_text(struct catalog *c, uint32_t category, uint32_t item)
{
    uint64_t position = entries_find_text(c, category, item);
    if (position == NAME_INDEX_NONE || !VEC_RESERVE(&c->texts_free, 1))
        return;
    name_index_remove(&c->text_index, text_hash(category, item), position);
    c->text_bytes -= c->texts.v[position].text.n;
    free((char *)(uintptr_t)c->texts.v[position].text.p);
    c->texts.v[position] = (struct text){.category = CATALOG_NONE, .item = CATALOG_NONE};
    c->texts_free.v[c->texts_free.n++] = (uint32_t)position;
}
