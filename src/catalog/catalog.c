#include "catalog/catalog.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/vec.h"
#include "catalog/name_list.h"
#include "model/name.h"
#include "port/storage_types.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Dimension 0 is "none"; the empty text cannot be confused with it, because names_* are asked only
 * for metrics that have a dot. */
enum { DIMENSION_NONE = 0 };

struct category {
    struct slice name;
    enum kind kind;
    uint32_t collector;
    VEC(struct slice) items; /* by id */
};

struct stem { /* an item, as the stem index finds it */
    uint32_t category;
    uint32_t item;
};

struct text {
    uint32_t category;
    uint32_t item;
    struct slice text;
};

struct change { /* one name that storage does not have yet */
    uint8_t what;
    uint32_t scope;
    uint32_t id;
};

struct catalog {
    _Atomic uint32_t refs;
    uint32_t environment;
    pthread_rwlock_t
        lock;           /* readers: shared; the writer: exclusive, and only to change something */
    struct arena arena; /* every text; nothing in it moves */
    struct name_list hosts;
    struct name_list dimensions;
    struct name_list collectors;
    VEC(struct category) categories;
    struct hash_index category_index; /* by name */
    VEC(struct stem) stems;
    struct hash_index stem_index; /* by stem */
    VEC(struct catalog_rule) rules;
    VEC(struct text) texts;
    struct hash_index text_index; /* by (category, item) */

    VEC(struct change) changes; /* journal entries [changes_base, changes_base + n) */
    uint64_t changes_base;
    VEC(uint32_t) text_changes; /* positions in texts */
    uint64_t text_changes_base;

    struct buffer category_text, item_text; /* the writer's scratch */
};

int catalog_create(uint32_t environment, struct catalog **out)
{
    struct catalog *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    if (pthread_rwlock_init(&c->lock, NULL) != 0) {
        free(c);
        return LT_ENOMEM;
    }
    atomic_store(&c->refs, 1);
    c->environment = environment;
    arena_init(&c->arena);
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
        VEC_FINI(&c->categories.v[i].items);
    VEC_FINI(&c->categories);
    VEC_FINI(&c->stems);
    VEC_FINI(&c->rules);
    VEC_FINI(&c->texts);
    VEC_FINI(&c->changes);
    VEC_FINI(&c->text_changes);
    name_list_fini(&c->hosts);
    name_list_fini(&c->dimensions);
    name_list_fini(&c->collectors);
    hash_index_fini(&c->category_index);
    hash_index_fini(&c->stem_index);
    hash_index_fini(&c->text_index);
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

/* ---- look-ups, under the shared lock or by the writer ---- */

static bool category_eq(const void *context, const void *key, uint32_t position)
{
    const struct catalog *c = context;
    return slice_eq(c->categories.v[position].name, *(const struct slice *)key);
}

static uint32_t find_category(const struct catalog *c, struct slice name)
{
    return hash_index_find(&c->category_index, hash_bytes(name), category_eq, c, &name);
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

static bool stem_eq(const void *context, const void *key, uint32_t position)
{
    const struct catalog *c = context;
    const struct stem *s = &c->stems.v[position];
    const struct category *category = &c->categories.v[s->category];
    return stem_is(*(const struct slice *)key, category->name, category->items.v[s->item]);
}

static uint32_t find_stem(const struct catalog *c, struct slice stem)
{
    return hash_index_find(&c->stem_index, hash_bytes(stem), stem_eq, c, &stem);
}

static uint64_t item_hash(uint32_t category, uint32_t item)
{
    return hash_u64((uint64_t)category << 32 | item);
}

static bool text_eq(const void *context, const void *key, uint32_t position)
{
    const struct text *t = &((const struct catalog *)context)->texts.v[position];
    const struct stem *k = key;
    return t->category == k->category && t->item == k->item;
}

static uint32_t find_text(const struct catalog *c, uint32_t category, uint32_t item)
{
    struct stem key = {category, item};
    return hash_index_find(&c->text_index, item_hash(category, item), text_eq, c, &key);
}

/* ---- adding, under the exclusive lock ---- */

static int journal(struct catalog *c, enum storage_name_what what, uint32_t scope, uint32_t id)
{
    struct change change = {(uint8_t)what, scope, id};
    return VEC_PUSH(&c->changes, change) ? 0 : LT_ENOMEM;
}

static int add_name(struct catalog *c, struct name_list *names, enum storage_name_what what,
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

static int add_category(struct catalog *c, struct slice name, enum kind kind, bool record,
                        uint32_t *out)
{
    struct slice collector_text = name_collector(name);
    uint32_t collector = name_list_find(&c->collectors, collector_text);
    int err = 0;
    if (collector == NAME_LIST_NONE)
        err = add_name(c, &c->collectors, STORAGE_COLLECTOR, collector_text, record, &collector);
    if (err != 0)
        return err;
    struct category category = {.kind = kind, .collector = collector};
    category.name = arena_copy(&c->arena, name);
    uint32_t id = c->categories.n;
    if (category.name.p == NULL || !VEC_RESERVE(&c->categories, 1) || !VEC_RESERVE(&c->changes, 1))
        return LT_ENOMEM;
    err = hash_index_add(&c->category_index, hash_bytes(name), id);
    if (err != 0)
        return err;
    c->categories.v[c->categories.n++] = category;
    *out = id;
    return record ? journal(c, STORAGE_CATEGORY, 0, id) : 0;
}

static int add_item(struct catalog *c, uint32_t category_id, struct slice item, struct slice stem,
                    bool record, uint32_t *stem_out)
{
    struct category *category = &c->categories.v[category_id];
    struct slice copy = arena_copy(&c->arena, item);
    if (copy.p == NULL || !VEC_RESERVE(&category->items, 1) || !VEC_RESERVE(&c->stems, 1) ||
        !VEC_RESERVE(&c->changes, 1))
        return LT_ENOMEM;
    uint32_t position = c->stems.n;
    int err = hash_index_add(&c->stem_index, hash_bytes(stem), position);
    if (err != 0)
        return err;
    struct stem entry = {category_id, category->items.n};
    category->items.v[category->items.n++] = copy;
    c->stems.v[c->stems.n++] = entry;
    *stem_out = position;
    return record ? journal(c, STORAGE_ITEM, category_id, entry.item) : 0;
}

/* What a category's values are when nobody declared it: statements are counted as they happen. */
static enum kind default_kind(struct slice category)
{
    struct slice prefix = SLICE_LIT("host.queries.");
    bool queries = category.n >= prefix.n && slice_eq(slice_upto(category, prefix.n), prefix);
    return queries ? KIND_DELTA : KIND_GAUGE;
}

static const struct catalog_rule *match_rule(const struct catalog *c, struct slice stem)
{
    for (uint32_t i = 0; i < c->rules.n; i++)
        if (name_matches(c->rules.v[i].pattern, stem))
            return &c->rules.v[i];
    return NULL;
}

/* A stem never seen: recognises it and numbers what is new about it. */
static int add_stem(struct catalog *c, struct slice stem, uint32_t *stem_out)
{
    const struct catalog_rule *rule = match_rule(c, stem);
    buffer_reset(&c->category_text, SIZE_MAX);
    buffer_reset(&c->item_text, SIZE_MAX);
    name_recognise(stem, rule != NULL ? &rule->pattern : NULL, &c->category_text, &c->item_text);
    if (c->category_text.error != 0 || c->item_text.error != 0)
        return LT_ENOMEM;
    struct slice name = buffer_slice(&c->category_text);
    uint32_t category = find_category(c, name);
    int err = 0;
    if (category == HASH_NONE)
        err =
            add_category(c, name, rule != NULL ? rule->kind : default_kind(name), true, &category);
    if (err != 0)
        return err;
    return add_item(c, category, buffer_slice(&c->item_text), stem, true, stem_out);
}

static int locked_add_stem(struct catalog *c, struct slice stem, uint32_t *stem_out)
{
    pthread_rwlock_wrlock(&c->lock);
    int err = add_stem(c, stem, stem_out);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

/* ---- writer ---- */

int catalog_host(struct catalog *c, struct slice host, uint32_t *out)
{
    uint32_t id = name_list_find(&c->hosts, host);
    if (id == NAME_LIST_NONE) {
        pthread_rwlock_wrlock(&c->lock);
        int err = add_name(c, &c->hosts, STORAGE_HOST, host, true, &id);
        pthread_rwlock_unlock(&c->lock);
        if (err != 0)
            return err;
    }
    *out = id;
    return 0;
}

static int resolve_dimension(struct catalog *c, const struct name_metric *metric, uint32_t *out)
{
    if (!metric->has_dimension) {
        *out = DIMENSION_NONE;
        return 0;
    }
    uint32_t id = name_list_find_from(&c->dimensions, metric->dimension, DIMENSION_NONE + 1);
    if (id == NAME_LIST_NONE) {
        pthread_rwlock_wrlock(&c->lock);
        int err = add_name(c, &c->dimensions, STORAGE_DIMENSION, metric->dimension, true, &id);
        pthread_rwlock_unlock(&c->lock);
        if (err != 0)
            return err;
    }
    *out = id;
    return 0;
}

int catalog_resolve(struct catalog *c, struct slice metric, struct catalog_series *out)
{
    struct name_metric parts = name_split_metric(metric);
    struct catalog_series series;
    int err = resolve_dimension(c, &parts, &series.dimension);
    if (err != 0)
        return err;
    uint32_t stem = find_stem(c, parts.stem);
    if (stem == HASH_NONE)
        err = locked_add_stem(c, parts.stem, &stem);
    if (err != 0)
        return err;
    series.category = c->stems.v[stem].category;
    series.item = c->stems.v[stem].item;
    series.collector = c->categories.v[series.category].collector;
    *out = series;
    return 0;
}

static bool has_rule(const struct catalog *c, struct slice pattern)
{
    for (uint32_t i = 0; i < c->rules.n; i++)
        if (slice_eq(c->rules.v[i].pattern, pattern))
            return true;
    return false;
}

static int add_rule(struct catalog *c, struct slice pattern, enum kind kind, bool record)
{
    struct catalog_rule rule = {arena_copy(&c->arena, pattern), kind};
    if (rule.pattern.p == NULL || !VEC_RESERVE(&c->changes, 1) || !VEC_PUSH(&c->rules, rule))
        return LT_ENOMEM;
    return record ? journal(c, STORAGE_RULE, 0, c->rules.n - 1) : 0;
}

int catalog_add_rule(struct catalog *c, struct slice pattern, enum kind kind)
{
    const char *why;
    if (name_check_pattern(pattern, &why) != 0)
        return LT_EINVALID;
    if (has_rule(c, pattern))
        return LT_EEXISTS;
    pthread_rwlock_wrlock(&c->lock);
    int err = add_rule(c, pattern, kind, true);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

static int put_text(struct catalog *c, uint32_t category, uint32_t item, struct slice text,
                    bool record)
{
    uint32_t position = find_text(c, category, item);
    struct text entry = {category, item, arena_copy(&c->arena, text)};
    if (entry.text.p == NULL || !VEC_RESERVE(&c->texts, 1) || !VEC_RESERVE(&c->text_changes, 1))
        return LT_ENOMEM;
    if (position == HASH_NONE) {
        position = c->texts.n;
        int err = hash_index_add(&c->text_index, item_hash(category, item), position);
        if (err != 0)
            return err;
        c->texts.v[c->texts.n++] = entry;
    } else {
        c->texts.v[position] = entry;
    }
    if (record)
        c->text_changes.v[c->text_changes.n++] = position;
    return 0;
}

int catalog_set_text(struct catalog *c, struct slice stem, struct slice text, bool *changed_out)
{
    uint32_t position = find_stem(c, stem);
    int err = 0;
    if (position == HASH_NONE)
        err = locked_add_stem(c, stem, &position);
    if (err != 0)
        return err;
    struct stem s = c->stems.v[position];
    uint32_t old = find_text(c, s.category, s.item);
    bool changed = old == HASH_NONE || !slice_eq(c->texts.v[old].text, text);
    if (changed) {
        pthread_rwlock_wrlock(&c->lock);
        err = put_text(c, s.category, s.item, text, true);
        pthread_rwlock_unlock(&c->lock);
    }
    if (err == 0)
        *changed_out = changed;
    return err;
}

/* ---- loading and storing ---- */

static int restore_item(struct catalog *c, const struct storage_name *name)
{
    if (name->scope >= c->categories.n || name->id != c->categories.v[name->scope].items.n)
        return LT_ECORRUPT;
    buffer_reset(&c->item_text, SIZE_MAX);
    name_join_stem(c->categories.v[name->scope].name, name->text, &c->item_text);
    if (c->item_text.error != 0)
        return LT_ECORRUPT;
    uint32_t stem;
    return add_item(c, name->scope, name->text, buffer_slice(&c->item_text), false, &stem);
}

static int restore(struct catalog *c, const struct storage_name *name)
{
    uint32_t id;
    switch (name->what) {
    case STORAGE_HOST:
        if (name->id != name_list_count(&c->hosts))
            return LT_ECORRUPT;
        return add_name(c, &c->hosts, STORAGE_HOST, name->text, false, &id);
    case STORAGE_DIMENSION:
        if (name->id != name_list_count(&c->dimensions))
            return LT_ECORRUPT;
        return add_name(c, &c->dimensions, STORAGE_DIMENSION, name->text, false, &id);
    case STORAGE_COLLECTOR:
        if (name->id != name_list_count(&c->collectors))
            return LT_ECORRUPT;
        return add_name(c, &c->collectors, STORAGE_COLLECTOR, name->text, false, &id);
    case STORAGE_CATEGORY:
        if (name->id != c->categories.n || name->detail > KIND_COUNTER)
            return LT_ECORRUPT;
        return add_category(c, name->text, (enum kind)name->detail, false, &id);
    case STORAGE_ITEM:
        return restore_item(c, name);
    case STORAGE_RULE:
        if (name->id != c->rules.n || name->detail > KIND_COUNTER)
            return LT_ECORRUPT;
        return add_rule(c, name->text, (enum kind)name->detail, false);
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
    if (category < c->categories.n && item < c->categories.v[category].items.n)
        err = put_text(c, category, item, text, false);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

struct catalog_mark catalog_mark(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    struct catalog_mark mark = {c->changes_base + c->changes.n,
                                c->text_changes_base + c->text_changes.n};
    pthread_rwlock_unlock(&c->lock);
    return mark;
}

static struct storage_name describe(const struct catalog *c, struct change change)
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
        name.text = c->categories.v[change.scope].items.v[change.id];
        break;
    case STORAGE_RULE:
        name.text = c->rules.v[change.id].pattern;
        name.detail = c->rules.v[change.id].kind;
        break;
    }
    return name;
}

int catalog_changes(struct catalog *c, struct catalog_mark from, struct catalog_mark to,
                    int (*name)(void *arg, const struct storage_name *name),
                    int (*text)(void *arg, const struct storage_item_text *text), void *arg)
{
    int err = 0;
    for (uint64_t i = from.names; err == 0 && i < to.names; i++) {
        /* The lock is not held over the callback: it may be a round trip to the database. */
        pthread_rwlock_rdlock(&c->lock);
        struct storage_name one = describe(c, c->changes.v[i - c->changes_base]);
        pthread_rwlock_unlock(&c->lock);
        err = name(arg, &one);
    }
    for (uint64_t i = from.texts; err == 0 && i < to.texts; i++) {
        pthread_rwlock_rdlock(&c->lock);
        struct text t = c->texts.v[c->text_changes.v[i - c->text_changes_base]];
        pthread_rwlock_unlock(&c->lock);
        struct storage_item_text one = {t.category, t.item, t.text};
        err = text(arg, &one);
    }
    return err;
}

void catalog_forget_changes(struct catalog *c, struct catalog_mark upto)
{
    pthread_rwlock_wrlock(&c->lock);
    uint32_t names = (uint32_t)(upto.names - c->changes_base);
    c->changes.n -= names;
    if (c->changes.n > 0)
        memmove(c->changes.v, c->changes.v + names, c->changes.n * sizeof(c->changes.v[0]));
    c->changes_base = upto.names;
    uint32_t texts = (uint32_t)(upto.texts - c->text_changes_base);
    c->text_changes.n -= texts;
    if (c->text_changes.n > 0)
        memmove(c->text_changes.v, c->text_changes.v + texts,
                c->text_changes.n * sizeof(c->text_changes.v[0]));
    c->text_changes_base = upto.texts;
    pthread_rwlock_unlock(&c->lock);
}

/* ---- readers ---- */

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
    struct catalog_series series = {.dimension = DIMENSION_NONE};
    pthread_rwlock_rdlock(&c->lock);
    if (parts.has_dimension)
        series.dimension = name_list_find_from(&c->dimensions, parts.dimension, DIMENSION_NONE + 1);
    uint32_t stem = find_stem(c, parts.stem);
    bool found = series.dimension != NAME_LIST_NONE && stem != HASH_NONE;
    if (found) {
        series.category = c->stems.v[stem].category;
        series.item = c->stems.v[stem].item;
        series.collector = c->categories.v[series.category].collector;
        *out = series;
    }
    pthread_rwlock_unlock(&c->lock);
    return found;
}

static struct slice locked_text(struct catalog *c, const struct name_list *names, uint32_t id)
{
    pthread_rwlock_rdlock(&c->lock);
    struct slice text = id < name_list_count(names) ? name_list_text(names, id) : SLICE_LIT("");
    pthread_rwlock_unlock(&c->lock);
    return text;
}

struct slice catalog_dimension_name(struct catalog *c, uint32_t dimension)
{
    return locked_text(c, &c->dimensions, dimension);
}

struct slice catalog_item_name(struct catalog *c, uint32_t category, uint32_t item)
{
    struct slice name = SLICE_LIT("");
    pthread_rwlock_rdlock(&c->lock);
    if (category < c->categories.n && item < c->categories.v[category].items.n)
        name = c->categories.v[category].items.v[item];
    pthread_rwlock_unlock(&c->lock);
    return name;
}

struct slice catalog_item_text(struct catalog *c, uint32_t category, uint32_t item)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t position = find_text(c, category, item);
    struct slice text = position == HASH_NONE ? SLICE_LIT("") : c->texts.v[position].text;
    pthread_rwlock_unlock(&c->lock);
    return text;
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
                                         .items = found->items.n,
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
