#include "base/error.h"
#include "catalog/catalog.h"
#include "jobs/job.h"

#include <stdlib.h>

/* The hours in which items were first and last seen, from the catalog to storage: in bulk, now and
 * then, only the pages that changed. */

enum {
    SEEN_MS = 5 * 60 * 1000,
    BATCH_PAGES = 32, /* a transaction: 1 MiB before it is packed */
};

struct seen_batch {
    struct storage_seen pages[BATCH_PAGES];
    uint32_t count;
    uint32_t first_h[BATCH_PAGES][CATALOG_SEEN_ITEMS];
    uint32_t last_h[BATCH_PAGES][CATALOG_SEEN_ITEMS];
};

static int seen_next(const struct job_context *context, const struct storage_run *runs,
                     uint32_t count, struct job_unit *out)
{
    *out = (struct job_unit){.due_ms = context->last_ms == 0 ? context->now_ms
                                                             : context->last_ms + SEEN_MS};
    return out->due_ms <= context->now_ms;
}

static int put_batch(struct job_context *context, struct catalog *catalog, struct seen_batch *b)
{
    if (b->count == 0)
        return 0;
    int err = storage_seen_put(context->session, &context->fence, context->environment, b->pages,
                               b->count);
    if (err == 0)
        err = job_pace(context, 0);
    for (uint32_t i = 0; err != 0 && i < b->count; i++)
        catalog_seen_again(catalog, b->pages[i].category, b->pages[i].page);
    atomic_fetch_add_explicit(&context->progress->rows, err == 0 ? b->count : 0,
                              memory_order_relaxed);
    b->count = 0;
    return err;
}

/* The pages of a category. */
static int put_category(struct job_context *context, struct catalog *catalog, uint32_t category,
                        struct seen_batch *b)
{
    int err = 0;
    uint32_t items;
    for (uint32_t page = 0; err == 0; page++) {
        bool changed;
        uint32_t i = b->count;
        items = catalog_seen_page(catalog, category, page, b->first_h[i], b->last_h[i], &changed);
        if (items == 0)
            return 0;
        if (!changed)
            continue;
        b->pages[b->count++] = (struct storage_seen){.category = category,
                                                     .page = page,
                                                     .count = items,
                                                     .first_h = b->first_h[i],
                                                     .last_h = b->last_h[i]};
        if (b->count == BATCH_PAGES)
            err = put_batch(context, catalog, b);
    }
    return err;
}

static int seen_run(struct job_context *context, const struct job_unit *unit)
{
    struct catalog *catalog = context->catalog(context->catalog_arg, context->environment);
    if (catalog == NULL)
        return LT_EAGAIN; /* it is just being loaded */
    struct seen_batch *batch = malloc(sizeof(*batch));
    int err = batch == NULL ? LT_ENOMEM : 0;
    if (err == 0)
        batch->count = 0;
    struct catalog_category category;
    for (uint32_t i = 0; err == 0 && catalog_category_at(catalog, i, &category); i++)
        err = put_category(context, catalog, i, batch);
    if (err == 0)
        err = put_batch(context, catalog, batch);
    free(batch);
    catalog_unref(&catalog);
    return err;
}

const struct job job_seen = {
    .name = "seen",
    .help = "stores when items were first and last seen",
    .next = seen_next,
    .run = seen_run,
};
