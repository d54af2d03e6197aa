#include "jobs/forget_runs.h"

#include "base/error.h"
#include "jobs/choose.h"
#include "jobs/compact_inputs.h"
#include "vector/pack.h"

#include <stdlib.h>

/* ---- which there are ---- */

static int keep_run(void *arg, const struct storage_run *run)
{
    struct forget_runs *r = arg;
    bool in_force = run->state == STORAGE_OPEN || run->state == STORAGE_CLOSED ||
                    run->state == STORAGE_IN_FORCE;
    return !in_force || VEC_PUSH(&r->runs, *run) ? 0 : LT_ENOMEM;
}

static int run_order(const void *a, const void *b)
{
    const struct storage_run *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

int forget_runs_list(struct forget_runs *r, struct job_context *context)
{
    r->runs.n = 0;
    int err = storage_runs(context->session, context->environment, NULL, keep_run, r);
    if (err == 0 && r->runs.n > 0)
        qsort(r->runs.v, r->runs.n, sizeof(r->runs.v[0]), run_order);
    return err;
}

void forget_runs_fini(struct forget_runs *r)
{
    VEC_FINI(&r->runs);
}

static bool has_range(const struct storage_run *run)
{
    return run->range.to_s > run->range.from_s;
}

uint32_t forget_runs_oldest_h(const struct forget_runs *r)
{
    int64_t oldest = UINT32_MAX;
    for (uint32_t i = 0; i < r->runs.n; i++) {
        const struct storage_run *run = &r->runs.v[i];
        int64_t hour = run->range.from_s / CHOOSE_HOUR_S;
        if (run->kind == STORAGE_COMPACT && has_range(run) && hour < oldest)
            oldest = hour < 0 ? 0 : hour;
    }
    return (uint32_t)oldest;
}

/* ---- compact runs: rows' summaries say which items they have ---- */

typedef int items_visit(void *arg, uint32_t category, const uint32_t *items, uint32_t count);

struct looking {
    struct job_context *context;
    struct pack_codec *pack;
    items_visit *visit;
    void *arg;
    VEC(struct storage_group) groups;
};

static int keep_group(void *arg, const struct storage_group *group)
{
    struct looking *l = arg;
    return VEC_PUSH(&l->groups, *group) ? 0 : LT_ENOMEM;
}

static int look_at_row(void *arg, const struct storage_pack *row)
{
    struct looking *l = arg;
    struct pack_summaries summaries;
    int err = pack_open_summaries(l->pack, row->summaries, PACK_COUNT, &summaries);
    if (err == 0)
        err = l->visit(l->arg, row->category, summaries.item, summaries.items);
    return err != 0 ? err : job_pace(l->context, 0);
}

static int look_at_category(struct looking *l, const struct storage_run *run, uint32_t first,
                            uint32_t end)
{
    VEC(uint32_t) dimensions = {0};
    int err = 0;
    for (uint32_t i = first; err == 0 && i < end; i++) {
        uint32_t dimension = l->groups.v[i].dimension;
        if ((i == first || dimension != l->groups.v[i - 1].dimension) &&
            !VEC_PUSH(&dimensions, dimension))
            err = LT_ENOMEM;
    }
    struct block_filter filter = {.category = l->groups.v[first].category,
                                  .dimensions = dimensions.v,
                                  .dimensions_count = dimensions.n,
                                  .from_ms = 0,
                                  .to_ms = INT64_MAX,
                                  .fresh = true};
    if (err == 0)
        err =
            storage_run_packs(l->context->reader, run, &filter, STORAGE_SUMMARIES, look_at_row, l);
    VEC_FINI(&dimensions);
    return err;
}

static int look_through(struct looking *l, const struct storage_run *run)
{
    l->groups.n = 0;
    int err = pack_codec_create(&l->pack);
    if (err == 0)
        err = storage_run_groups(l->context->reader, run, keep_group, l);
    for (uint32_t i = 0, end; err == 0 && i < l->groups.n; i = end) {
        for (end = i; end < l->groups.n && l->groups.v[end].category == l->groups.v[i].category;)
            end++;
        err = look_at_category(l, run, i, end);
    }
    pack_codec_destroy(&l->pack);
    VEC_FINI(&l->groups);
    return err;
}

struct noting {
    struct catalog *catalog;
    uint32_t hour;
};

static int note_seen(void *arg, uint32_t category, const uint32_t *items, uint32_t count)
{
    const struct noting *n = arg;
    catalog_seen_since(n->catalog, category, items, count, n->hour);
    return 0;
}

int forget_runs_note_seen(struct job_context *context, struct catalog *catalog,
                          const struct storage_run *run)
{
    if (run->kind != STORAGE_COMPACT || !has_range(run))
        return 0;
    struct noting noting = {catalog, (uint32_t)(run->range.from_s / CHOOSE_HOUR_S)};
    struct looking looking = {.context = context, .visit = note_seen, .arg = &noting};
    return look_through(&looking, run);
}

/* ---- the others: what stands there, stays ---- */

static int spare_items(void *arg, uint32_t category, const uint32_t *items, uint32_t count)
{
    struct forget_items *set = arg;
    if (forget_items_find(set, category) != NULL)
        for (uint32_t i = 0; i < count; i++)
            forget_items_spare(set, category, items[i]);
    return 0;
}

static int spare_block(void *arg, const struct block *block)
{
    return spare_items(arg, block->category, block->items, block->count);
}

int forget_runs_spare(const struct forget_runs *r, struct job_context *context,
                      struct forget_items *set)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < r->runs.n && set->count > 0; i++) {
        const struct storage_run *run = &r->runs.v[i];
        struct looking looking = {.context = context, .visit = spare_items, .arg = set};
        if (run->kind == STORAGE_ARRIVAL)
            err = compact_run_scan(context, run, 0, INT64_MAX, false, spare_block, set);
        else if (!has_range(run))
            err = look_through(&looking, run);
        if (err == 0)
            err = job_pace(context, 0);
    }
    return err;
}
