#include "query/range.h"

#include "catalog/catalog.h"
#include "model/name.h"
#include "query/range_share.h"

#include <stdlib.h>

/* RANGE: plan (keys to series; hours to resolutions, cover.h), scan (part by part of the cover, one
 * pass a category), accumulate (tallies), finish (buckets.h). */

int range_compare_series(const struct fold_series *a, const struct fold_series *b)
{
    if (a->category != b->category)
        return a->category < b->category ? -1 : 1;
    if (a->dimension != b->dimension)
        return a->dimension < b->dimension ? -1 : 1;
    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static int compare_targets(const void *a, const void *b)
{
    const struct range_target *x = a, *y = b;
    if (x->known != y->known)
        return x->known ? -1 : 1;
    int c = x->known ? range_compare_series(&x->series, &y->series) : 0;
    return c != 0 ? c : (x->key > y->key) - (x->key < y->key);
}

/* The first known target that is not before series. */
uint32_t range_find(const struct range *r, const struct fold_series *series)
{
    uint32_t lo = 0, hi = r->known;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (range_compare_series(&r->targets[mid].series, series) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- plan ---- */

/* Which of a bucket's columns the answer is made of. */
static unsigned columns_of(const struct range_target *t)
{
    if (t->kind == KIND_COUNTER && t->aggregate == AGGREGATE_RATE)
        return PACK_ENDS;
    switch (t->aggregate) {
    case AGGREGATE_MIN:
        return PACK_MIN;
    case AGGREGATE_MAX:
        return PACK_MAX;
    case AGGREGATE_FIRST:
    case AGGREGATE_LAST:
        return PACK_ENDS;
    case AGGREGATE_COUNT:
        return 0;
    case AGGREGATE_AVG:
    case AGGREGATE_SUM:
    case AGGREGATE_RATE:
        break;
    }
    return PACK_SUM;
}

static int plan_aggregate(struct range *r, struct range_target *t)
{
    const struct query_spec *spec = r->read->spec;
    static const enum aggregate by_kind[] = {[KIND_GAUGE] = AGGREGATE_AVG,
                                             [KIND_DELTA] = AGGREGATE_SUM,
                                             [KIND_COUNTER] = AGGREGATE_RATE};
    t->aggregate = spec->aggregate_given ? spec->aggregate : by_kind[t->kind];
    if (t->known && t->kind == KIND_GAUGE && t->aggregate == AGGREGATE_RATE) {
        struct slice key = spec->keys[t->key];
        read_why(r->read, "rate expects a delta or a counter, but '%.*s' is a gauge: ask for avg",
                 (int)(key.n < 128 ? key.n : 128), key.p);
        return LT_EINVALID;
    }
    t->columns = columns_of(t);
    return 0;
}

static int plan_target(struct range *r, uint32_t key)
{
    struct range_target *t = &r->targets[key];
    struct slice host, metric;
    struct catalog_series series;
    struct catalog_category category;
    name_split_key(r->read->spec->keys[key], &host, &metric);
    uint32_t host_id = catalog_find_host(r->catalog, host);
    uint32_t collector = catalog_find_collector(r->catalog, name_collector(metric));
    *t = (struct range_target){.key = key, .kind = KIND_GAUGE};
    t->pair = (struct beats_pair){host_id, collector};
    t->has_pair = host_id != CATALOG_NONE && collector != CATALOG_NONE;
    t->known = host_id != CATALOG_NONE && catalog_find_series(r->catalog, metric, &series) &&
               catalog_category_at(r->catalog, series.category, &category);
    if (t->known) {
        t->series = (struct fold_series){series.category, series.dimension, host_id, series.item};
        t->kind = category.kind;
        r->known++;
    }
    t->tallies = scratch_take(&r->read->scratch, r->buckets, sizeof(*t->tallies));
    return t->tallies == NULL ? scratch_error(&r->read->scratch) : plan_aggregate(r, t);
}

/* Each (host, collector) of the targets once, as beats_create wants them. */
static int plan_pairs(struct range *r)
{
    r->pairs = scratch_take(&r->read->scratch, r->count, sizeof(*r->pairs));
    if (r->pairs == NULL)
        return scratch_error(&r->read->scratch);
    uint32_t all = 0;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->targets[i].has_pair)
            r->pairs[all++] = r->targets[i].pair;
    qsort(r->pairs, all, sizeof(*r->pairs), beats_compare);
    for (uint32_t i = 0; i < all; i++)
        if (r->pairs_count == 0 || beats_compare(&r->pairs[r->pairs_count - 1], &r->pairs[i]) != 0)
            r->pairs[r->pairs_count++] = r->pairs[i];
    return 0;
}

static int plan(struct range *r)
{
    const struct query_spec *spec = r->read->spec;
    r->count = spec->keys_count;
    r->from_ms = spec->from_ms;
    r->to_ms = spec->to_ms;
    r->steps = (struct cover_steps){.step_ms = spec->step_ms, .origin_ms = spec->from_ms};
    r->buckets = (uint32_t)((spec->to_ms - spec->from_ms + spec->step_ms - 1) / spec->step_ms);
    r->targets = scratch_take(&r->read->scratch, r->count, sizeof(*r->targets));
    if (r->targets == NULL)
        return scratch_error(&r->read->scratch);
    int err = 0;
    for (uint32_t i = 0; i < r->count && err == 0; i++)
        err = plan_target(r, i);
    qsort(r->targets, r->count, sizeof(*r->targets), compare_targets);
    return err != 0 ? err : plan_pairs(r);
}

/* ---- families ---- */

bool range_select_block(void *arg, const struct block *block)
{
    struct range *r = arg;
    struct fold_series first = {block->category, block->dimension, block->host, 0};
    struct fold_series last = first;
    last.item = UINT32_MAX;
    r->group = range_find(r, &first);
    r->group_end = range_find(r, &last);
    return r->group < r->group_end;
}

bool range_wants_item(void *arg, uint32_t item)
{
    const struct range *r = arg;
    struct fold_series series = r->targets[r->group].series;
    series.item = item;
    uint32_t at = range_find(r, &series);
    return at < r->group_end && r->targets[at].series.item == item;
}

/* Adds x to an ascending set. */
static void set_add(uint32_t *set, uint32_t *count, uint32_t x)
{
    uint32_t at = *count;
    while (at > 0 && set[at - 1] > x)
        at--;
    if (at > 0 && set[at - 1] == x)
        return;
    memmove(&set[at + 1], &set[at], (*count - at) * sizeof(*set));
    set[at] = x;
    (*count)++;
}

enum { FAMILY_CATEGORIES_MAX = 500 };

int range_filter(struct range *r, const struct range_family *f, int64_t from_ms, int64_t to_ms,
                 struct block_filter *out)
{
    uint32_t *ids = scratch_take(&r->read->scratch, 4 * (uint64_t)f->count, sizeof(*ids));
    if (ids == NULL)
        return scratch_error(&r->read->scratch);
    uint32_t *hosts = ids + f->count, *items = hosts + f->count, *categories = items + f->count;
    *out = (struct block_filter){.category = r->targets[f->targets[0]].series.category,
                                 .dimensions = ids,
                                 .hosts = hosts,
                                 .items = items,
                                 .from_ms = from_ms,
                                 .to_ms = to_ms};
    for (uint32_t i = 0; i < f->count; i++) {
        const struct range_target *t = &r->targets[f->targets[i]];
        set_add(categories, &out->categories_count, t->series.category);
        set_add(ids, &out->dimensions_count, t->series.dimension);
        set_add(hosts, &out->hosts_count, t->series.host);
        set_add(items, &out->items_count, t->series.item);
    }
    if (out->categories_count > 1)
        out->categories = categories;
    return 0;
}

static uint32_t category_end(const struct range *r, uint32_t from)
{
    uint32_t end = from;
    while (end < r->known && r->targets[end].series.category == r->targets[from].series.category)
        end++;
    return end;
}

static bool has_one_item(struct range *r, uint32_t target)
{
    struct catalog_category category;
    return catalog_category_at(r->catalog, r->targets[target].series.category, &category) &&
           category.items == 1;
}

/* Runs scan for each family. */
int range_each_family(struct range *r, int (*scan)(struct range *r, const struct range_family *f))
{
    uint32_t *members = scratch_take(&r->read->scratch, r->known, sizeof(*members));
    if (members == NULL)
        return scratch_error(&r->read->scratch);
    uint32_t singles = 0, categories = 0;
    int err = 0;
    for (uint32_t from = 0, end; from < r->known && err == 0; from = end) {
        end = category_end(r, from);
        if (!has_one_item(r, from))
            continue;
        for (uint32_t i = from; i < end; i++)
            members[singles++] = i;
        if (++categories == FAMILY_CATEGORIES_MAX) {
            err = scan(r, &(struct range_family){members, singles});
            singles = categories = 0;
        }
    }
    if (err == 0 && singles > 0)
        err = scan(r, &(struct range_family){members, singles});
    for (uint32_t from = 0, end; from < r->known && err == 0; from = end) {
        end = category_end(r, from);
        if (has_one_item(r, from))
            continue;
        for (uint32_t i = from; i < end; i++)
            members[i - from] = i;
        err = scan(r, &(struct range_family){members, end - from});
    }
    return err;
}

/* ---- finish ---- */

static int finish_target(struct range *r, const struct range_target *t, struct result_series *out)
{
    const struct query_spec *spec = r->read->spec;
    struct scratch *memory = &r->read->answer->memory;
    struct buckets_rule rule = {.aggregate = t->aggregate,
                                .kind = t->kind,
                                .fill = spec->fill,
                                .from_ms = spec->from_ms,
                                .to_ms = spec->to_ms,
                                .step_ms = spec->step_ms};
    struct result_bucket *buckets = scratch_take(memory, r->buckets, sizeof(*buckets));
    struct slice key = scratch_copy(memory, spec->keys[t->key]);
    if (buckets == NULL || key.p == NULL)
        return scratch_error(memory);
    buckets_finish(&rule, t->tallies, r->buckets, buckets);
    *out = (struct result_series){.key = key,
                                  .known = t->known,
                                  .kind = t->kind,
                                  .aggregate = aggregate_text(t->aggregate),
                                  .buckets = buckets,
                                  .buckets_count = r->buckets};
    return 0;
}

static int finish(struct range *r)
{
    const struct query_spec *spec = r->read->spec;
    struct scratch *memory = &r->read->answer->memory;
    struct result_range *out = &r->read->answer->result.range;
    struct result_series *series = scratch_take(memory, r->count, sizeof(*series));
    if (series == NULL)
        return scratch_error(memory);
    int err = 0;
    for (uint32_t i = 0; i < r->count && err == 0; i++)
        err = finish_target(r, &r->targets[i], &series[r->targets[i].key]);
    out->from_ms = spec->from_ms;
    out->to_ms = spec->to_ms;
    out->step_ms = spec->step_ms;
    out->resolution_ms = r->cover.resolution_s * INT64_C(1000);
    out->series = series;
    out->series_count = r->count;
    return err;
}

void range_fini(struct range *r)
{
    rollup_codec_destroy(&r->rollup);
    minutes_codec_destroy(&r->minutes);
    range_share_destroy(&r->share);
    SCRATCH_FREE(r->read->guard, &r->dirty);
}

int range_read(struct read *read)
{
    struct range r = {.read = read, .catalog = read_catalog(read)};
    int err = plan(&r);
    if (err == 0)
        err = range_plan_cover(&r);
    if (err == 0)
        err = range_scan(&r);
    if (err == 0)
        err = range_scan_beats(&r);
    if (err == 0)
        err = finish(&r);
    range_fini(&r);
    return err;
}
