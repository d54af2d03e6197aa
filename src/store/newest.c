#include "store/newest.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int newest_init(struct newest *n)
{
    *n = (struct newest){0};
    hash_index_init(&n->index);
    return pthread_mutex_init(&n->lock, NULL) == 0 ? 0 : LT_ENOMEM;
}

void newest_fini(struct newest *n)
{
    hash_index_fini(&n->index);
    VEC_FINI(&n->entries);
    free((void *)atomic_load(&n->filter));
    pthread_mutex_destroy(&n->lock);
}

void newest_reset(struct newest *n)
{
    pthread_mutex_lock(&n->lock);
    hash_index_reset(&n->index);
    n->entries.n = 0;
    n->victim = 0;
    n->generation++;
    atomic_store(&n->count, 0);
    atomic_store(&n->evicted, NEWEST_MAX); /* the consumer clears the filter */
    pthread_mutex_unlock(&n->lock);
}

static bool key_eq(const void *context, const void *key, uint32_t position)
{
    const struct newest_entry *e = (const struct newest_entry *)context + position;
    return memcmp(&e->key, key, sizeof(e->key)) == 0;
}

static struct newest_entry *find(struct newest *n, const struct newest_key *key, uint64_t hash)
{
    uint32_t position = hash_index_find(&n->index, hash, key_eq, n->entries.v, key);
    return position == HASH_NONE ? NULL : &n->entries.v[position];
}

/* ---- the filter ---- */

static bool filter_make(struct newest *n)
{
    if (atomic_load(&n->filter) == NULL)
        atomic_store(&n->filter, calloc(NEWEST_FILTER_WORDS, sizeof(_Atomic uint64_t)));
    return atomic_load(&n->filter) != NULL;
}

static void filter_add(struct newest *n, uint64_t hash)
{
    uint64_t bit = (hash >> 20) % NEWEST_FILTER_BITS;
    atomic_fetch_or(&atomic_load(&n->filter)[bit / 64], UINT64_C(1) << bit % 64);
}

/* The consumer: nobody else trusts what the filter does not have. */
COLD static void filter_remake(struct newest *n)
{
    pthread_mutex_lock(&n->lock);
    _Atomic uint64_t *filter = atomic_load(&n->filter);
    for (uint32_t i = 0; filter != NULL && i < NEWEST_FILTER_WORDS; i++)
        atomic_store_explicit(&filter[i], 0, memory_order_relaxed);
    for (uint32_t i = 0; i < n->entries.n; i++)
        filter_add(n, n->entries.v[i].hash);
    atomic_store(&n->evicted, 0);
    pthread_mutex_unlock(&n->lock);
}

/* ---- entries ---- */

/* NULL: out of memory. */
static struct newest_entry *enter(struct newest *n, const struct newest_key *key, uint64_t hash)
{
    uint32_t at = n->entries.n;
    if (!filter_make(n) || (at < NEWEST_MAX && !VEC_RESERVE(&n->entries, 1)))
        return NULL;
    if (at == NEWEST_MAX) {
        at = n->victim;
        n->victim = (n->victim + 1) % NEWEST_MAX;
        hash_index_remove(&n->index, n->entries.v[at].hash, at);
        atomic_fetch_add(&n->evicted, 1);
    }
    if (hash_index_add(&n->index, hash, at) != 0)
        return NULL;
    if (at == n->entries.n)
        n->entries.n++;
    filter_add(n, hash);
    atomic_store(&n->count, n->entries.n);
    /* Last: a record that has not begun by now sees the series. */
    n->entries.v[at] =
        (struct newest_entry){.key = *key, .hash = hash, .touched = atomic_load(&n->begun)};
    return &n->entries.v[at];
}

bool newest_begin(struct newest *n, uint64_t offset)
{
    if (UNLIKELY(atomic_load_explicit(&n->evicted, memory_order_relaxed) >= NEWEST_MAX))
        filter_remake(n);
    /* Either this record's points see a series that is being entered, or newest_watch sees that
     * this record has begun: both store first, then load. */
    atomic_store(&n->begun, offset + 1);
    return atomic_load(&n->count) > 0;
}

static void entry_apply(struct newest_entry *e, const struct newest_change *c)
{
    struct newest_point *p = &e->point;
    e->touched = c->offset + 1;
    if (!e->known)
        return;
    if (c->policy == POLICY_ERASE) {
        e->known = !p->any || c->time_ms != p->time_ms; /* which is the newest now? */
    } else if (!p->any || c->time_ms > p->time_ms) {
        *p = (struct newest_point){true, c->time_ms, c->value};
    } else if (c->time_ms == p->time_ms) {
        p->value = policy_fold(c->policy, p->value, c->value);
    }
}

void newest_apply(struct newest *n, const struct newest_key *key, uint64_t hash,
                  const struct newest_change *change)
{
    pthread_mutex_lock(&n->lock);
    struct newest_entry *e = find(n, key, hash);
    if (e != NULL) {
        entry_apply(e, change);
    } else if (change->enters) {
        e = enter(n, key, hash);
        if (e != NULL) { /* else it is asked for */
            e->known = true;
            e->point = (struct newest_point){true, change->time_ms, change->value};
            e->touched = change->offset + 1;
        }
    }
    pthread_mutex_unlock(&n->lock);
}

void newest_clear(struct newest *n, uint32_t environment, uint64_t offset)
{
    pthread_mutex_lock(&n->lock);
    for (uint32_t i = 0; i < n->entries.n; i++) {
        struct newest_entry *e = &n->entries.v[i];
        if (e->key.environment != environment)
            continue;
        e->known = true;
        e->point = (struct newest_point){0};
        e->touched = offset + 1;
    }
    pthread_mutex_unlock(&n->lock);
}

/* ---- loop ---- */

bool newest_find(struct newest *n, const struct newest_key *key, uint64_t hash,
                 struct newest_point *out)
{
    pthread_mutex_lock(&n->lock);
    const struct newest_entry *e = find(n, key, hash);
    bool known = e != NULL && e->known;
    if (known)
        *out = e->point;
    pthread_mutex_unlock(&n->lock);
    return known;
}

int newest_watch(struct newest *n, const struct newest_key *key, uint64_t hash,
                 struct newest_watch *out)
{
    pthread_mutex_lock(&n->lock);
    struct newest_entry *e = find(n, key, hash);
    if (e == NULL)
        e = enter(n, key, hash);
    if (e != NULL)
        *out = (struct newest_watch){*key, hash, n->generation, e->touched};
    pthread_mutex_unlock(&n->lock);
    return e != NULL ? 0 : LT_ENOMEM;
}

void newest_learn(struct newest *n, const struct newest_watch *watch, uint64_t applied,
                  const struct newest_point *point)
{
    pthread_mutex_lock(&n->lock);
    struct newest_entry *e = find(n, &watch->key, watch->hash);
    if (e != NULL && !e->known && n->generation == watch->generation && e->touched <= applied) {
        e->known = true;
        e->point = *point;
    }
    pthread_mutex_unlock(&n->lock);
}
