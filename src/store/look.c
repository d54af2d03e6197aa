#include "store/partition.h"

#include "base/clock.h"
#include "base/error.h"
#include "catalog/declared.h"

#include <stdio.h>
#include <string.h>

/* What deciding needs to know of a partition, asked on the loop: is it ours, what is a series'
 * newest point, what became of a decided record? */

/* Under lock. */
static int may_decide(const struct partition *p, uint64_t after)
{
    switch (p->state) {
    case PARTITION_STARTING:
        return LT_EAGAIN;
    case PARTITION_FOLLOWING:
        return LT_EFENCED;
    case PARTITION_OWNING:
        break;
    default:
        return LT_EUNAVAILABLE;
    }
    if (!p->store->config.appends)
        return LT_EUNAVAILABLE;
    if (clock_mono_ms() >= atomic_load(&p->lease_mono_ms))
        return LT_EFENCED;
    uint64_t applied = atomic_load(&p->applied);
    bool ready = p->loaded && p->epoch != 0 && p->announced == p->epoch &&
                 applied > p->announced_at && applied >= after;
    return ready ? 0 : LT_EAGAIN;
}

/* Under lock. NULL: not on this partition. */
static struct catalog *catalog_of(const struct partition *p, uint32_t environment)
{
    const struct generation *g = &p->generation;
    for (uint32_t i = 0; i < g->environments_count; i++)
        if (g->environments[i].id == environment)
            return g->catalogs[i];
    return NULL;
}

/* Under lock. False: no such series has a point. */
static bool find_series(const struct partition *p, uint32_t environment, struct slice host,
                        struct slice metric, struct newest_key *out)
{
    struct catalog *catalog = catalog_of(p, environment);
    struct catalog_series series;
    if (catalog == NULL)
        return false;
    uint32_t number = catalog_find_host(catalog, host);
    if (number == CATALOG_NONE || !catalog_find_series(catalog, metric, &series))
        return false;
    *out = (struct newest_key){environment, number, series.category, series.item, series.dimension};
    return true;
}

static uint64_t hash_of(const struct newest_key *k)
{
    return novelty_series(k->environment, k->host, k->category, k->item, k->dimension);
}

int store_look(struct store *store, const struct tenant_environment *e, struct slice host,
               struct slice metric, uint64_t after, struct store_look *out)
{
    struct partition *p = &store->partitions[e->partition];
    struct newest_key key;
    struct store_look look = {0};
    pthread_mutex_lock(&p->lock);
    int err = may_decide(p, after);
    look.epoch = p->epoch;
    if (err == 0 && !catalog_deciding(catalog_of(p, e->id), host, metric, &look.settings))
        look.settings = settings_none;
    if (err == 0 && find_series(p, e->id, host, metric, &key) &&
        !newest_find(&p->newest, &key, hash_of(&key), &look.newest))
        err = LT_ENOTFOUND;
    pthread_mutex_unlock(&p->lock);
    if (err == 0)
        *out = look;
    return err;
}

int store_watch(struct store *store, const struct tenant_environment *e, struct slice host,
                struct slice metric, struct newest_watch *out)
{
    struct partition *p = &store->partitions[e->partition];
    struct newest_key key;
    int err = LT_ENOTFOUND;
    pthread_mutex_lock(&p->lock);
    if (p->loaded && find_series(p, e->id, host, metric, &key))
        err = newest_watch(&p->newest, &key, hash_of(&key), out);
    pthread_mutex_unlock(&p->lock);
    return err;
}

int store_epoch(struct store *store, uint32_t partition, uint64_t after, uint64_t *epoch_out)
{
    struct partition *p = &store->partitions[partition];
    pthread_mutex_lock(&p->lock);
    int err = may_decide(p, after);
    uint64_t epoch = p->epoch;
    pthread_mutex_unlock(&p->lock);
    if (err == 0)
        *epoch_out = epoch;
    return err;
}

int store_token(struct store *store, const struct tenant_environment *e, struct slice host,
                struct slice metric, struct store_token *out)
{
    struct newest_watch watch;
    int err = store_watch(store, e, host, metric, &watch);
    if (err == 0)
        *out = (struct store_token){true, watch.generation, watch.after};
    else if (err == LT_ENOTFOUND)
        *out = (struct store_token){0};
    return err == LT_ENOTFOUND ? 0 : err;
}

void store_learn(struct store *store, const struct tenant_environment *e,
                 const struct newest_watch *watch, uint64_t applied,
                 const struct newest_point *newest)
{
    newest_learn(&store->partitions[e->partition].newest, watch, applied, newest);
}

int store_outcome(struct store *store, uint32_t partition, uint64_t epoch, uint64_t offset)
{
    static const int errors[] = {
        [EPOCHS_COUNTS] = 0, [EPOCHS_FENCED] = LT_EFENCED, [EPOCHS_FORGOTTEN] = LT_EOUTCOME};
    struct partition *p = &store->partitions[partition];
    int err = LT_EAGAIN;
    pthread_mutex_lock(&p->lock);
    if (p->loaded && atomic_load(&p->applied) > offset)
        err = errors[epochs_judge(&p->epochs, offset, epoch)];
    pthread_mutex_unlock(&p->lock);
    return err;
}

void store_owner(struct store *store, uint32_t partition, char out[STORE_NODE_BYTES_MAX])
{
    struct partition *p = &store->partitions[partition];
    pthread_mutex_lock(&p->lock);
    bool ours = p->state == PARTITION_OWNING;
    snprintf(out, STORE_NODE_BYTES_MAX, "%s", ours ? store->config.node : p->owner);
    pthread_mutex_unlock(&p->lock);
}
