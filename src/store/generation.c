#include "store/partition.h"

#include "base/error.h"
#include "catalog/declared.h"
#include "catalog/forget.h"

#include <stdlib.h>

/* Loading a partition: catalogs, watermarks and progress of one storage snapshot. */

_Static_assert((int)STORAGE_SEEN_ITEMS == (int)CATALOG_SEEN_ITEMS, "pages are stored as they are");

struct load {
    struct generation *g;
    int (*keep)(void *arg);
    void *arg;
};

/* The catalog that a row belongs to. */
static int catalog_of(struct load *load, uint32_t environment, struct catalog **out)
{
    const struct generation *g = load->g;
    uint32_t i = 0;
    while (i < g->environments_count && g->environments[i].id != environment)
        i++;
    if (i == g->environments_count)
        return LT_ECORRUPT;
    *out = g->catalogs[i];
    return load->keep(load->arg);
}

static int load_items(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                      const struct slice *names, uint32_t count)
{
    struct catalog *catalog;
    int err = catalog_of(arg, environment, &catalog);
    return err != 0 ? err : catalog_restore_items(catalog, category, first, names, count);
}

static int load_name(void *arg, uint32_t environment, const struct storage_name *name)
{
    struct catalog *catalog;
    int err = catalog_of(arg, environment, &catalog);
    return err != 0 ? err : catalog_restore(catalog, name);
}

static int load_watermark(void *arg, uint32_t environment, const struct storage_watermark *w)
{
    struct generation *g = ((struct load *)arg)->g;
    uint32_t floor;
    int err = novelty_floor(&g->novelty, environment, w->host, w->collector, &floor);
    if (err != 0)
        return err;
    struct novelty_floor *f = &g->novelty.floors[floor];
    f->floor_ms = f->newest_ms = f->noted_ms = w->max_ms;
    return 0;
}

static int load_text(void *arg, uint32_t environment, const struct storage_item_text *text)
{
    struct catalog *catalog;
    int err = catalog_of(arg, environment, &catalog);
    return err != 0 ? err : catalog_restore_text(catalog, text->category, text->item, text->text);
}

static int load_seen(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    struct catalog *catalog;
    int err = catalog_of(arg, environment, &catalog);
    if (err == 0)
        catalog_seen_restore(catalog, seen->category, seen->page, seen->count, seen->first_h,
                             seen->last_h);
    return err;
}

static int load_doom(void *arg, uint32_t environment, const struct storage_doom *doom)
{
    struct catalog *catalog;
    int err = catalog_of(arg, environment, &catalog);
    return err != 0 ? err : catalog_restore_doom(catalog, doom);
}

static int load_series(void *arg, uint32_t environment, const struct storage_series *series)
{
    struct catalog *catalog;
    int err = catalog_of(arg, environment, &catalog);
    return err != 0 ? err : catalog_restore_series(catalog, series);
}

void generation_fini(struct generation *g)
{
    for (uint32_t i = 0; g->catalogs != NULL && i < g->environments_count; i++)
        catalog_unref(&g->catalogs[i]);
    free(g->catalogs);
    novelty_fini(&g->novelty);
    *g = (struct generation){0};
}

static int generation_init(struct generation *g, const struct store_config *config)
{
    *g = (struct generation){0};
    novelty_init(&g->novelty, config->novelty_bytes_max);
    g->environments_count = tenant_environments(config->tenant, &g->environments);
    g->catalogs = calloc(g->environments_count, sizeof(struct catalog *));
    if (g->catalogs == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < g->environments_count; i++) {
        int err = catalog_create(g->environments[i].id, &g->catalogs[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

int generation_environments(const struct tenant *tenant, uint32_t partition, uint32_t **ids_out,
                            uint32_t *count_out)
{
    const struct tenant_environment *environments;
    uint32_t count = tenant_environments(tenant, &environments);
    uint32_t *ids = calloc(count, sizeof(*ids));
    if (ids == NULL)
        return LT_ENOMEM;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (partition == GENERATION_ALL || environments[i].partition == partition)
            ids[n++] = environments[i].id;
    *ids_out = ids;
    *count_out = n;
    return 0;
}

static int load_from(struct load *load, struct partition *p, struct storage_session *session)
{
    uint32_t *ids, count;
    int err = generation_environments(p->store->config.tenant, p->number, &ids, &count);
    if (err != 0)
        return err;
    struct storage_loader loader = {load_items, load_name, load_watermark, load_text,
                                    load_seen,  load_doom, load_series,    load};
    err = storage_load(session, p->number, ids, count, &loader, &load->g->progress);
    free(ids);
    return err;
}

int generation_load(struct partition *p, struct storage_session *session, int (*keep)(void *arg),
                    void *arg)
{
    struct generation g;
    struct load load = {&g, keep, arg};
    struct segment *open = NULL;
    int err = generation_init(&g, &p->store->config);
    if (err == 0)
        err = load_from(&load, p, session);
    if (err == 0)
        err = segment_create(g.progress.next, g.catalogs, g.environments_count, &open);
    if (err != 0) {
        generation_fini(&g);
        return err;
    }
    pthread_mutex_lock(&p->lock);
    if (VEC_PUSH(&p->segments, open)) {
        p->generation = g;
        epochs_begin(&p->epochs, g.progress.next, g.progress.log_epoch);
        if (g.progress.log_epoch.epoch > p->log_epoch_max)
            p->log_epoch_max = g.progress.log_epoch.epoch;
        newest_reset(&p->newest);
        atomic_store(&p->applied, g.progress.next);
    } else {
        err = LT_ENOMEM;
    }
    pthread_mutex_unlock(&p->lock);
    if (err != 0) {
        segment_unref(&open);
        generation_fini(&g);
    }
    return err;
}
