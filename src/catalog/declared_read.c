#include "catalog/internal.h"

#include "base/error.h"

/* What readers ask about declared series, each question under the shared lock. */

enum { SERIES_A_TURN = 65536 }; /* a millisecond; then the writer may have the lock */

uint32_t catalog_declared_count(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t count = c->declared.count;
    pthread_rwlock_unlock(&c->lock);
    return count;
}

static struct catalog_declared describe(const struct declared *d, uint64_t number)
{
    const struct declared_series *s = declared_series(d, (uint32_t)number);
    struct catalog_declared out = {s->created, d->settings.v[s->settings].settings};
    out.settings.rule = (struct slice){0}; /* those bytes are the writer's */
    return out;
}

bool catalog_declared(struct catalog *c, struct slice host, struct slice metric,
                      struct catalog_declared *out)
{
    struct catalog_key key;
    uint64_t number = NAME_INDEX_NONE;
    pthread_rwlock_rdlock(&c->lock);
    if (c->declared.count > 0 && declared_find_key(c, host, metric, &key))
        number = declared_find(&c->declared, &key);
    if (number != NAME_INDEX_NONE)
        *out = describe(&c->declared, number);
    pthread_rwlock_unlock(&c->lock);
    return number != NAME_INDEX_NONE;
}

bool catalog_declared_at(struct catalog *c, const struct catalog_key *key,
                         struct catalog_declared *out)
{
    pthread_rwlock_rdlock(&c->lock);
    uint64_t number = declared_find(&c->declared, key);
    if (number != NAME_INDEX_NONE)
        *out = describe(&c->declared, number);
    pthread_rwlock_unlock(&c->lock);
    return number != NAME_INDEX_NONE;
}

int catalog_declared_body(struct catalog *c, const struct catalog_key *key, struct buffer *body)
{
    struct label labels[SETTINGS_LABELS_MAX];
    const struct declared *d = &c->declared;
    int err = 0;
    pthread_rwlock_rdlock(&c->lock);
    uint64_t number = declared_find(d, key);
    if (number != NAME_INDEX_NONE) {
        const struct declared_series *s = declared_series(d, (uint32_t)number);
        for (uint32_t i = 0; i < s->labels; i++)
            labels[i] = labels_at(&d->labels, s->pairs[i]);
        err = settings_write(body, &d->settings.v[s->settings].settings, labels, s->labels);
    }
    pthread_rwlock_unlock(&c->lock);
    if (err == 0)
        err = body->error;
    return err != 0 ? err : number != NAME_INDEX_NONE;
}

int catalog_rule(struct catalog *c, const struct catalog_key *key, struct buffer *out)
{
    const struct declared *d = &c->declared;
    struct slice rule = {0};
    pthread_rwlock_rdlock(&c->lock);
    uint64_t number = declared_find(d, key);
    if (number != NAME_INDEX_NONE)
        rule = d->settings.v[declared_series(d, (uint32_t)number)->settings].settings.rule;
    buffer_append_slice(out, rule);
    pthread_rwlock_unlock(&c->lock);
    return out->error != 0 ? out->error : rule.n > 0;
}

int catalog_rules_of(struct catalog *c, const struct catalog_key *source,
                     int (*visit)(void *arg, const struct catalog_key *destination,
                                  struct slice rule),
                     void *arg)
{
    const struct declared *d = &c->declared;
    int err = 0;
    pthread_rwlock_rdlock(&c->lock);
    uint32_t at = rules_first(&d->rules, source);
    for (; err == 0 && at != HASH_NONE; at = d->rules.edges.v[at].next) {
        uint32_t number = d->rules.edges.v[at].destination;
        err = visit(arg, declared_key(d, number),
                    d->settings.v[declared_series(d, number)->settings].settings.rule);
    }
    pthread_rwlock_unlock(&c->lock);
    return err;
}

bool catalog_decides(const struct catalog *c)
{
    return atomic_load_explicit(&c->declared.deciders.count, memory_order_acquire) > 0;
}

bool catalog_deciding(struct catalog *c, struct slice host, struct slice metric,
                      struct settings *out)
{
    struct catalog_declared declared;
    if (!catalog_decides(c) ||
        !deciders_may_have(&c->declared.deciders, deciders_hash(host, metric)) ||
        !catalog_declared(c, host, metric, &declared) || !settings_decide(&declared.settings))
        return false;
    *out = declared.settings;
    return true;
}

uint32_t catalog_declared_list(struct catalog *c, uint32_t *from_inout,
                               struct catalog_key *keys_out, uint32_t max)
{
    const struct declared *d = &c->declared;
    uint32_t n = 0, at = *from_inout;
    pthread_rwlock_rdlock(&c->lock);
    for (; n < max && at < d->end; at++)
        if (declared_is_live(d, at))
            keys_out[n++] = *declared_key(d, at);
    pthread_rwlock_unlock(&c->lock);
    *from_inout = at;
    return n;
}

/* Under the lock: visit copies, and nothing more. */
int catalog_label_texts(struct catalog *c, struct slice name,
                        int (*visit)(void *arg, struct slice text), void *arg)
{
    const struct labels *l = &c->declared.labels;
    int err = 0;
    pthread_rwlock_rdlock(&c->lock);
    for (uint32_t i = 0; err == 0 && name.n == 0 && i < l->names.n; i++)
        if (l->names.v[i].text != NULL)
            err = visit(arg, slice_make(l->names.v[i].text, l->names.v[i].bytes));
    const struct label_name *n = name.n > 0 ? labels_find_name(l, name) : NULL;
    for (uint32_t i = 0; err == 0 && n != NULL && i < n->pairs.n; i++)
        err = visit(arg, labels_at(l, n->pairs.v[i]).value);
    pthread_rwlock_unlock(&c->lock);
    return err;
}

int catalog_declared_items(struct catalog *c, uint32_t category, struct itemset *items)
{
    const struct declared *d = &c->declared;
    int err = 0;
    bool more = true;
    for (uint32_t at = 0; err == 0 && more;) {
        pthread_rwlock_rdlock(&c->lock);
        for (uint32_t i = 0; err == 0 && i < SERIES_A_TURN && at < d->end; i++, at++)
            if (declared_is_live(d, at) && declared_key(d, at)->category == category)
                err = itemset_add(items, declared_key(d, at)->item);
        more = at < d->end;
        pthread_rwlock_unlock(&c->lock);
    }
    return err;
}

size_t declared_bytes(const struct declared *d)
{
    size_t bytes = d->index.bytes + labels_bytes(&d->labels) + rules_bytes(&d->rules) +
                   d->change_bytes + d->pair_bytes + d->blocks.cap * sizeof(d->blocks.v[0]) +
                   d->settings.cap * sizeof(d->settings.v[0]) +
                   d->settings_free.cap * sizeof(uint32_t) + hash_index_bytes(&d->settings_index) +
                   d->changes.cap * sizeof(d->changes.v[0]);
    for (uint32_t i = 0; i < d->blocks.n; i++)
        bytes += d->blocks.v[i] != NULL ? sizeof(*d->blocks.v[i]) : 0;
    return bytes;
}
