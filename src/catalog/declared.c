#include "catalog/internal.h"

#include "base/error.h"
#include "base/number.h"
#include "model/name.h"
#include "model/rule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Declared series, as the log declares, alters and drops them. The writer's. */

void declared_fini(struct declared *d)
{
    for (uint32_t i = 0; i < d->end; i++)
        if (declared_is_live(d, i))
            free(declared_series(d, i)->pairs);
    for (uint32_t i = 0; i < d->blocks.n; i++)
        free(d->blocks.v[i]);
    VEC_FINI(&d->blocks);
    name_index_fini(&d->index);
    for (uint32_t i = 0; i < d->settings.n; i++)
        free((char *)d->settings.v[i].settings.rule.p);
    VEC_FINI(&d->settings);
    rules_fini(&d->rules);
    VEC_FINI(&d->settings_free);
    hash_index_fini(&d->settings_index);
    labels_fini(&d->labels);
    deciders_fini(&d->deciders);
    itemset_destroy(&d->items);
    declared_forget_changes(d, d->changes_base + d->changes.n);
    VEC_FINI(&d->changes);
}

/* ---- keys ---- */

static uint64_t key_hash(const struct catalog_key *key)
{
    return hash_u64(hash_u64((uint64_t)key->host << 32 | key->item) ^
                    ((uint64_t)key->category << 32 | key->dimension));
}

static bool key_eq(const void *context, const void *key, uint64_t number)
{
    return memcmp(declared_key(context, (uint32_t)number), key, sizeof(struct catalog_key)) == 0;
}

uint64_t declared_find(const struct declared *d, const struct catalog_key *key)
{
    return name_index_find(&d->index, key_hash(key), key_eq, d, key);
}

/* ---- settings, of which many series have the same ---- */

static uint64_t settings_hash(const struct settings *s)
{
    uint64_t bits = number_f64_to_bits(s->ignore_value);
    uint64_t h = hash_u64((uint64_t)s->retention_ms + s->given);
    h = hash_u64(
        h ^ ((uint64_t)s->chunk_bytes << 32 | (unsigned)s->encoding << 8 | (unsigned)s->duplicate));
    h = hash_u64(hash_u64(h ^ (uint64_t)s->ignore_ms) ^ bits);
    return (s->rule.n > 0 ? h ^ hash_bytes(s->rule) : h) ^ s->moving;
}

static bool settings_eq(const void *context, const void *key, uint32_t position)
{
    return settings_same(&((const struct declared *)context)->settings.v[position].settings, key);
}

static int take_settings(struct declared *d, const struct settings *settings, uint32_t *out)
{
    uint64_t hash = settings_hash(settings);
    uint32_t at = hash_index_find(&d->settings_index, hash, settings_eq, d, settings);
    if (at == HASH_NONE) {
        if (!VEC_RESERVE(&d->settings, 1))
            return LT_ENOMEM;
        char *rule = settings->rule.n > 0 ? malloc(settings->rule.n) : NULL;
        if (rule == NULL && settings->rule.n > 0)
            return LT_ENOMEM;
        at = d->settings_free.n > 0 ? d->settings_free.v[--d->settings_free.n] : d->settings.n++;
        d->settings.v[at] = (struct declared_settings){*settings, 0};
        d->settings.v[at].settings.rule = slice_make(rule, settings->rule.n);
        if (rule != NULL)
            memcpy(rule, settings->rule.p, settings->rule.n);
        int err = hash_index_add(&d->settings_index, hash, at);
        if (err != 0)
            return err;
    }
    d->settings.v[at].refs++;
    *out = at;
    return 0;
}

static int leave_settings(struct declared *d, uint32_t at)
{
    struct declared_settings *s = &d->settings.v[at];
    if (--s->refs > 0)
        return 0;
    hash_index_remove(&d->settings_index, settings_hash(&s->settings), at);
    free((char *)s->settings.rule.p);
    s->settings.rule = (struct slice){0};
    return VEC_PUSH(&d->settings_free, at) ? 0 : LT_ENOMEM;
}

/* ---- those that decide ---- */

static int hash_of(struct catalog *c, const struct catalog_key *key, uint64_t *out)
{
    char item[NAME_BYTES_MAX];
    buffer_reset(&c->item_text, SIZE_MAX);
    entries_join_stem(&c->categories.v[key->category],
                      entries_item_name(c, key->category, key->item, item), &c->item_text);
    if (key->dimension != DIMENSION_NONE) {
        buffer_append_str(&c->item_text, ".");
        buffer_append_slice(&c->item_text, name_list_text(&c->dimensions, key->dimension));
    }
    *out = deciders_hash(name_list_text(&c->hosts, key->host), buffer_slice(&c->item_text));
    return c->item_text.error;
}

static const struct settings *settings_of(const struct declared *d, uint32_t number)
{
    return &d->settings.v[declared_series(d, number)->settings].settings;
}

static bool decides(const struct declared *d, uint32_t number)
{
    return settings_decide(settings_of(d, number));
}

static int renew_deciders(struct catalog *c)
{
    struct declared *d = &c->declared;
    struct deciders_filter *filter;
    int err = deciders_renew(&d->deciders, atomic_load(&d->deciders.count) + 1, &filter);
    for (uint32_t i = 0; err == 0 && i < d->end; i++) {
        uint64_t hash;
        if (!declared_is_live(d, i) || !decides(d, i))
            continue;
        err = hash_of(c, declared_key(d, i), &hash);
        if (err == 0)
            deciders_put(filter, hash);
    }
    if (err == 0)
        deciders_publish(&d->deciders, filter);
    return err;
}

/* The series, which has its settings already, begins to decide. */
static int add_decider(struct catalog *c, uint32_t number)
{
    struct declared *d = &c->declared;
    uint64_t hash;
    if (deciders_full(&d->deciders))
        return renew_deciders(c);
    int err = hash_of(c, declared_key(d, number), &hash);
    if (err == 0)
        deciders_put(atomic_load_explicit(&d->deciders.filter, memory_order_relaxed), hash);
    return err;
}

/* After the settings of a series changed. The count comes last: who finds it finds the rest. */
static int note_decider(struct catalog *c, uint32_t number, bool before, bool after)
{
    int err = after && !before ? add_decider(c, number) : 0;
    if (err == 0 && after && !before)
        atomic_fetch_add(&c->declared.deciders.count, 1);
    if (before && !after)
        atomic_fetch_sub(&c->declared.deciders.count, 1);
    return err;
}

/* ---- the journal ---- */

void declared_forget_changes(struct declared *d, uint64_t upto)
{
    uint32_t n = (uint32_t)(upto - d->changes_base);
    for (uint32_t i = 0; i < n; i++) {
        d->change_bytes -= d->changes.v[i].body_bytes;
        free(d->changes.v[i].body);
    }
    d->changes.n -= n;
    if (d->changes.n > 0)
        memmove(d->changes.v, d->changes.v + n, d->changes.n * sizeof(d->changes.v[0]));
    d->changes_base = upto;
}

static int put_body(const struct declared *d, uint32_t number, struct buffer *out)
{
    const struct declared_series *s = declared_series(d, number);
    struct label labels[SETTINGS_LABELS_MAX];
    for (uint32_t i = 0; i < s->labels; i++)
        labels[i] = labels_at(&d->labels, s->pairs[i]);
    int err = settings_write(out, settings_of(d, number), labels, s->labels);
    return err != 0 ? err : out->error;
}

/* What the series is now; the flush writes that, whatever it will be by then. */
static int journal(struct declared *d, uint32_t number, bool dropped)
{
    struct declared_change change = {*declared_key(d, number), declared_series(d, number)->created,
                                     NULL, 0};
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    int err = dropped ? 0 : put_body(d, number, &body);
    if (err == 0 && !dropped) {
        change.body_bytes = (uint32_t)body.len;
        change.body = malloc(body.len);
        if (change.body != NULL)
            memcpy(change.body, body.data, body.len);
    }
    buffer_fini(&body);
    if (err == 0 && ((!dropped && change.body == NULL) || !VEC_PUSH(&d->changes, change)))
        err = LT_ENOMEM;
    if (err != 0)
        free(change.body);
    else
        d->change_bytes += change.body_bytes;
    return err;
}

/* ---- one series ---- */

/* About: malloc rounds up, and has a head. */
static size_t pair_bytes(uint32_t labels)
{
    return labels > 0 ? labels * sizeof(uint32_t) + 12 : 0;
}

static int set_labels(struct declared *d, uint32_t number, const struct label *labels,
                      uint32_t count)
{
    struct declared_series *s = declared_series(d, number);
    uint32_t pairs[SETTINGS_LABELS_MAX], n;
    int err = labels_remove(&d->labels, number, s->pairs, s->labels);
    d->pair_bytes -= pair_bytes(s->labels);
    free(s->pairs);
    s->pairs = NULL;
    s->labels = 0;
    if (err == 0)
        err = labels_add(&d->labels, number, labels, count, pairs, &n);
    if (err != 0 || n == 0)
        return err;
    s->pairs = malloc(n * sizeof(pairs[0]));
    if (s->pairs == NULL)
        return LT_ENOMEM;
    memcpy(s->pairs, pairs, n * sizeof(pairs[0]));
    s->labels = n;
    d->pair_bytes += pair_bytes(n);
    return 0;
}

/* With settings_none and no labels. */
static int add(struct declared *d, const struct catalog_key *key, uint64_t created,
               uint32_t *number_out)
{
    uint32_t number = d->end;
    if (number == UINT32_MAX)
        return LT_ELIMIT;
    if (number / DECLARED_A_BLOCK == d->blocks.n) {
        struct declared_block *block = VEC_RESERVE(&d->blocks, 1) ? malloc(sizeof(*block)) : NULL;
        if (block == NULL)
            return LT_ENOMEM;
        block->live = 0;
        d->blocks.v[d->blocks.n++] = block;
    }
    struct declared_block *block = declared_block(d, number);
    uint32_t settings;
    int err = take_settings(d, &settings_none, &settings);
    if (err == 0)
        err = name_index_add(&d->index, key_hash(key), number);
    if (err != 0)
        return err;
    block->keys[number % DECLARED_A_BLOCK] = *key;
    block->series[number % DECLARED_A_BLOCK] = (struct declared_series){created, settings, 0, NULL};
    block->live++;
    d->end++;
    d->count++;
    itemset_destroy(&d->items);
    *number_out = number;
    return 0;
}

static struct slice rule_of(const struct declared *d, uint32_t number)
{
    return settings_of(d, number)->rule;
}

static int find_source(const struct catalog *c, struct slice bytes, struct catalog_key *out)
{
    struct rule rule;
    struct slice host, metric;
    int err = rule_read(bytes, &rule);
    if (err != 0)
        return err;
    name_split_key(rule.source, &host, &metric);
    return declared_find_key(c, host, metric, out) ? 0 : LT_ENOTFOUND;
}

/* Its source has it as a destination, or no more. */
static int link_rule(struct catalog *c, uint32_t number, struct slice rule,
                     int (*link)(struct rules *rules, const struct catalog_key *source,
                                 uint32_t destination))
{
    struct catalog_key source;
    int err = rule.n > 0 ? find_source(c, rule, &source) : 0;
    return err != 0 || rule.n == 0 ? err : link(&c->declared.rules, &source, number);
}

/* Is a series of that key being renamed to `to`? */
static bool is_renamed(const struct catalog *c, struct slice from, struct slice to)
{
    const struct declared *d = &c->declared;
    struct catalog_key key;
    struct slice host, metric;
    name_split_key(to, &host, &metric);
    if (!declared_find_key(c, host, metric, &key))
        return false;
    uint64_t number = declared_find(d, &key);
    return number != NAME_INDEX_NONE &&
           settings_of(d, (uint32_t)number)->moving == settings_moving(from, true);
}

/* As rule_merge; but a rule follows its source where that is renamed. */
static int merge_rule(const struct catalog *c, struct slice now, struct slice change,
                      struct buffer *out)
{
    struct rule before, given;
    if (now.n > 0 && change.n > 0 && rule_read(now, &before) == 0 &&
        rule_read(change, &given) == 0 && given.aggregator == before.aggregator &&
        given.bucket_ms == before.bucket_ms && given.align_ms == before.align_ms &&
        is_renamed(c, before.source, given.source)) {
        before.source = given.source;
        return rule_write(out, &before);
    }
    return rule_merge(now, change, out);
}

static bool has_other_source(struct slice now, struct slice rule)
{
    struct rule a, b;
    if (now.n == 0 || rule.n == 0)
        return now.n != rule.n;
    return rule_read(now, &a) != 0 || rule_read(rule, &b) != 0 || !slice_eq(a.source, b.source);
}

/* now: with the rule that the series has had so far; rule: what it will have. */
static int set_settings(struct catalog *c, uint32_t number, struct settings *now, struct slice rule)
{
    struct declared *d = &c->declared;
    struct declared_series *s = declared_series(d, number);
    uint32_t old = s->settings;
    bool relinks = has_other_source(now->rule, rule);
    int err = relinks ? link_rule(c, number, now->rule, rules_remove) : 0;
    if (err == 0 && relinks)
        err = link_rule(c, number, rule, rules_add);
    now->rule = rule;
    now->given = (now->given & ~(uint32_t)SETTINGS_RULE) | (rule.n > 0 ? SETTINGS_RULE : 0);
    if (err == 0)
        err = take_settings(d, now, &s->settings);
    return err != 0 ? err : leave_settings(d, old);
}

static int change(struct catalog *c, uint32_t number, const struct settings *settings,
                  const struct label *labels, uint32_t labels_count)
{
    struct declared *d = &c->declared;
    struct settings now = *settings_of(d, number);
    bool before = settings_decide(&now);
    struct buffer rule;
    buffer_init(&rule, SIZE_MAX);
    if ((settings->given & SETTINGS_RULE) == 0 ||
        merge_rule(c, now.rule, settings->rule, &rule) != 0) {
        buffer_reset(&rule, SIZE_MAX);
        buffer_append_slice(&rule, now.rule);
    }
    settings_merge(&now, settings);
    int err = rule.error != 0 ? rule.error : set_settings(c, number, &now, buffer_slice(&rule));
    buffer_fini(&rule);
    if (err == 0 && (settings->given & SETTINGS_LABELS) != 0)
        err = set_labels(d, number, labels, labels_count);
    return err != 0 ? err : note_decider(c, number, before, settings_decide(&now));
}

/* Rules end with their source. */
static int end_rules(struct catalog *c, const struct catalog_key *source)
{
    static const struct settings none = {.given = SETTINGS_RULE};
    struct declared *d = &c->declared;
    int err = 0;
    for (uint32_t at; err == 0 && (at = rules_first(&d->rules, source)) != HASH_NONE;) {
        uint32_t destination = d->rules.edges.v[at].destination;
        err = change(c, destination, &none, NULL, 0);
        if (err == 0)
            err = journal(d, destination, false);
    }
    return err;
}

static int drop(struct catalog *c, uint32_t number)
{
    struct declared *d = &c->declared;
    struct declared_block *block = declared_block(d, number);
    struct declared_series *s = declared_series(d, number);
    struct catalog_key *key = &block->keys[number % DECLARED_A_BLOCK];
    int err = journal(d, number, true);
    if (err == 0)
        err = end_rules(c, key);
    if (err == 0)
        err = link_rule(c, number, rule_of(d, number), rules_remove);
    if (err == 0)
        err = note_decider(c, number, decides(d, number), false);
    if (err == 0)
        err = set_labels(d, number, NULL, 0);
    if (err == 0)
        err = leave_settings(d, s->settings);
    if (err != 0)
        return err;
    name_index_remove(&d->index, key_hash(key), number);
    key->host = CATALOG_NONE;
    d->count--;
    itemset_destroy(&d->items);
    if (--block->live == 0 && number / DECLARED_A_BLOCK < d->end / DECLARED_A_BLOCK) {
        free(block);
        d->blocks.v[number / DECLARED_A_BLOCK] = NULL;
    }
    return 0;
}

/* ---- what the log says ---- */

bool declared_find_key(const struct catalog *c, struct slice host, struct slice metric,
                       struct catalog_key *out)
{
    struct name_metric parts = name_split_metric(metric);
    uint32_t host_id = name_list_find(&c->hosts, host), dimension = DIMENSION_NONE;
    if (parts.has_dimension)
        dimension = name_list_find_from(&c->dimensions, parts.dimension, DIMENSION_NONE + 1);
    uint64_t item = entries_find_stem(c, parts.stem);
    if (host_id == NAME_LIST_NONE || dimension == NAME_LIST_NONE || item == ITEMS_NONE)
        return false;
    struct catalog_series s = entries_series(c, item, dimension);
    *out = (struct catalog_key){host_id, s.category, s.item, dimension};
    return true;
}

static int resolve_key(struct catalog *c, struct slice host, struct slice metric,
                       struct catalog_key *out)
{
    uint32_t host_id;
    struct catalog_series s;
    int err = catalog_host(c, host, &host_id);
    if (err == 0)
        err = catalog_resolve(c, metric, &s);
    if (err == 0)
        *out = (struct catalog_key){host_id, s.category, s.item, s.dimension};
    return err;
}

/* May the series have this rule, as the log stands here? */
static bool may_have_rule(const struct catalog *c, const struct catalog_key *key, struct slice rule)
{
    const struct declared *d = &c->declared;
    struct catalog_key source;
    if (rule.n == 0)
        return true;
    if (find_source(c, rule, &source) != 0 || memcmp(&source, key, sizeof(source)) == 0 ||
        rules_first(&d->rules, key) != HASH_NONE)
        return false;
    uint64_t number = declared_find(d, &source);
    return number != NAME_INDEX_NONE && rule_of(d, (uint32_t)number).n == 0;
}

int catalog_declare(struct catalog *c, uint64_t offset, struct slice host, struct slice metric,
                    enum record_series_way way, const struct settings *settings,
                    const struct label *labels, uint32_t labels_count)
{
    struct declared *d = &c->declared;
    struct catalog_key key;
    uint32_t number;
    if (way == RECORD_SERIES_ALTER && !declared_find_key(c, host, metric, &key))
        return 0;
    int err = way == RECORD_SERIES_ALTER ? 0 : resolve_key(c, host, metric, &key);
    if (err != 0)
        return err;
    uint64_t found = declared_find(d, &key);
    bool there = found != NAME_INDEX_NONE;
    if (way == (there ? RECORD_SERIES_CREATE : RECORD_SERIES_ALTER))
        return 0;
    struct settings given = *settings;
    if (!may_have_rule(c, &key, given.rule))
        given.given &= ~(uint32_t)SETTINGS_RULE;
    pthread_rwlock_wrlock(&c->lock);
    number = (uint32_t)found;
    if (!there)
        err = add(d, &key, offset, &number);
    if (err == 0)
        err = change(c, number, &given, labels, labels_count);
    if (err == 0)
        err = journal(d, number, false);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

int catalog_drop(struct catalog *c, struct slice host, struct slice metric)
{
    struct catalog_key key;
    if (!declared_find_key(c, host, metric, &key))
        return 0;
    uint64_t found = declared_find(&c->declared, &key);
    if (found == NAME_INDEX_NONE)
        return 0;
    pthread_rwlock_wrlock(&c->lock);
    int err = drop(c, (uint32_t)found);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

int catalog_drop_all(struct catalog *c)
{
    enum { DROPS_A_TURN = 1024 }; /* then readers may have the lock */
    struct declared *d = &c->declared;
    int err = 0;
    for (uint32_t at = 0; err == 0 && at < d->end;) {
        pthread_rwlock_wrlock(&c->lock);
        for (uint32_t i = 0; err == 0 && i < DROPS_A_TURN && at < d->end; i++, at++)
            if (declared_is_live(d, at))
                err = drop(c, at);
        pthread_rwlock_unlock(&c->lock);
    }
    return err;
}

/* ---- loading ---- */

static int restore(struct catalog *c, const struct storage_series *in)
{
    const struct catalog_key key = {in->host, in->category, in->item, in->dimension};
    struct settings settings;
    struct label labels[SETTINGS_LABELS_MAX];
    uint32_t count, number;
    if (key.host >= name_list_count(&c->hosts) ||
        key.dimension >= name_list_count(&c->dimensions) ||
        entries_is_gone(c, key.category, key.item) ||
        declared_find(&c->declared, &key) != NAME_INDEX_NONE ||
        settings_read(in->body, &settings, labels, &count) != 0)
        return LT_ECORRUPT;
    int err = add(&c->declared, &key, in->created, &number);
    if (err == 0)
        err = change(c, number, &settings, labels, count);
    return err == LT_ENOTFOUND ? LT_ECORRUPT : err;
}

int catalog_restore_series(struct catalog *c, const struct storage_series *series)
{
    pthread_rwlock_wrlock(&c->lock);
    int err = restore(c, series);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

/* ---- items ---- */

int declared_items(struct declared *d, uint32_t category, const struct itemset **out)
{
    int err = 0;
    if (d->items == NULL || d->items_category != category) {
        itemset_destroy(&d->items);
        err = itemset_create(&d->items);
        for (uint32_t i = 0; err == 0 && i < d->end; i++)
            if (declared_is_live(d, i) && declared_key(d, i)->category == category)
                err = itemset_add(d->items, declared_key(d, i)->item);
        d->items_category = category;
    }
    *out = d->items;
    return err;
}
