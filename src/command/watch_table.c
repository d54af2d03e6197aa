#include "catalog/deciders.h"
#include "command/session.h"

#include <stdlib.h>

/* Which series are watched, and were written to. */

static struct watch **bucket_of(struct watches *all, uint64_t hash)
{
    return &all->buckets[hash >> 40 & (WATCH_BUCKETS - 1)];
}

struct watch *watch_add(struct session *session, struct slice host, struct slice metric)
{
    struct watches *all = &session->all->watches;
    struct watch *w = calloc(1, sizeof(*w) + host.n + metric.n + 1);
    if (w == NULL)
        return NULL;
    char *texts = (char *)(w + 1);
    memcpy(texts, host.p, host.n);
    memcpy(texts + host.n, metric.p, metric.n);
    w->host = slice_make(texts, host.n);
    w->metric = slice_make(texts + host.n, metric.n);
    w->environment = session->environment;
    w->hash = deciders_hash(host, metric);
    struct watch **bucket = bucket_of(all, w->hash);
    w->below = *bucket;
    if (w->below != NULL)
        w->below->above = w;
    *bucket = w;
    w->next = session->watched;
    session->watched = w;
    all->count++;
    return w;
}

void watch_forget(struct session *session)
{
    struct watches *all = &session->all->watches;
    struct watch *next;
    for (struct watch *w = session->watched; w != NULL; w = next) {
        next = w->next;
        *(w->above != NULL ? &w->above->below : bucket_of(all, w->hash)) = w->below;
        if (w->below != NULL)
            w->below->above = w->above;
        free(w);
        all->count--;
    }
    session->watched = NULL;
    session->exec_permits = NULL;
}

static void touch_all(struct watches *all, const struct tenant_environment *environment)
{
    for (uint32_t i = 0; i < WATCH_BUCKETS; i++)
        for (struct watch *w = all->buckets[i]; w != NULL; w = w->below)
            w->changed |= w->environment == environment;
}

void watches_touch(void *sessions, const struct tenant_environment *environment, struct slice host,
                   struct slice metric)
{
    struct watches *all = &((struct sessions *)sessions)->watches;
    if (all->count == 0)
        return;
    if (metric.n == 0) {
        touch_all(all, environment);
        return;
    }
    uint64_t hash = deciders_hash(host, metric);
    for (struct watch *w = *bucket_of(all, hash); w != NULL; w = w->below)
        if (w->hash == hash && w->environment == environment && slice_eq(w->metric, metric) &&
            slice_eq(w->host, host))
            w->changed = true;
}

uint32_t watch_count(const struct session *session)
{
    uint32_t count = 0;
    for (const struct watch *w = session->watched; w != NULL; w = w->next)
        count++;
    return count;
}
