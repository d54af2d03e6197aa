#include "query/read.h"

#include "catalog/catalog.h"
#include "model/name.h"
#include "query/beats.h"
#include "query/buckets.h"
#include "query/fold.h"

#include <math.h>
#include <stdlib.h>

/* RANGE: plan (keys to series), scan (one pass a category), accumulate (tallies), finish
 * (buckets.h). */

/* The increase of a counter's first bucket needs the point before it: look back this far, at least.
 */
enum { LOOK_BACK_MS = 60 * 1000 };

struct target {
    struct fold_series series;
    uint32_t key; /* position among the keys */
    bool known;
    enum kind kind;
    enum aggregate aggregate;
    struct beats_pair pair;
    bool has_pair;
    struct tally *tallies;
    double counter; /* rate of a counter: the point before, if has_counter */
    int64_t counter_ms;
    bool has_counter;
};

struct range {
    struct read *read;
    struct catalog *catalog;
    struct target *targets; /* by series; unknown ones last */
    uint32_t count;
    uint32_t known;
    uint32_t buckets;
    uint32_t group, group_end; /* targets of the block selected last */
};

static int compare_series(const struct fold_series *a, const struct fold_series *b)
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
    const struct target *x = a, *y = b;
    if (x->known != y->known)
        return x->known ? -1 : 1;
    int c = x->known ? compare_series(&x->series, &y->series) : 0;
    return c != 0 ? c : (x->key > y->key) - (x->key < y->key);
}

/* The first known target that is not before series. */
static uint32_t find_target(const struct range *r, const struct fold_series *series)
{
    uint32_t lo = 0, hi = r->known;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (compare_series(&r->targets[mid].series, series) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- plan ---- */

static int plan_aggregate(struct range *r, struct target *t)
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
    return 0;
}

static int plan_target(struct range *r, uint32_t key)
{
    struct target *t = &r->targets[key];
    struct slice host, metric;
    struct catalog_series series;
    struct catalog_category category;
    name_split_key(r->read->spec->keys[key], &host, &metric);
    uint32_t host_id = catalog_find_host(r->catalog, host);
    uint32_t collector = catalog_find_collector(r->catalog, name_collector(metric));
    *t = (struct target){.key = key, .kind = KIND_GAUGE};
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
    return t->tallies == NULL ? r->read->scratch.error : plan_aggregate(r, t);
}

static int plan(struct range *r)
{
    const struct query_spec *spec = r->read->spec;
    r->count = spec->keys_count;
    r->buckets = (uint32_t)((spec->to_ms - spec->from_ms + spec->step_ms - 1) / spec->step_ms);
    r->targets = scratch_take(&r->read->scratch, r->count, sizeof(*r->targets));
    if (r->targets == NULL)
        return r->read->scratch.error;
    int err = 0;
    for (uint32_t i = 0; i < r->count && err == 0; i++)
        err = plan_target(r, i);
    qsort(r->targets, r->count, sizeof(*r->targets), compare_targets);
    return err;
}

/* ---- scan and accumulate ---- */

static bool select_block(void *arg, const struct block *block)
{
    struct range *r = arg;
    struct fold_series first = {block->category, block->dimension, block->host, 0};
    struct fold_series last = first;
    last.item = UINT32_MAX;
    r->group = find_target(r, &first);
    r->group_end = find_target(r, &last);
    return r->group < r->group_end;
}

static bool wants_item(void *arg, uint32_t item)
{
    const struct range *r = arg;
    struct fold_series series = r->targets[r->group].series;
    series.item = item;
    uint32_t at = find_target(r, &series);
    return at < r->group_end && r->targets[at].series.item == item;
}

static void add_to_target(struct range *r, struct target *t, int64_t time_ms, double value)
{
    const struct query_spec *spec = r->read->spec;
    bool inside = time_ms >= spec->from_ms;
    struct tally *tally = inside ? &t->tallies[(time_ms - spec->from_ms) / spec->step_ms] : NULL;
    if (t->aggregate != AGGREGATE_RATE || t->kind != KIND_COUNTER) {
        if (inside)
            tally_add(tally, time_ms, value);
        return;
    }
    if (isnan(value) || !t->has_counter) {
        if (inside)
            tally->nan = true; /* a point, but no value comes of it */
    } else if (inside) {
        tally_add_increase(tally, t->counter, value, time_ms - t->counter_ms);
    }
    if (!isnan(value)) {
        t->counter = value;
        t->counter_ms = time_ms;
        t->has_counter = true;
    }
}

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct range *r = arg;
    /* A key may be given twice. */
    for (uint32_t i = find_target(r, series);
         i < r->known && compare_series(&r->targets[i].series, series) == 0; i++)
        add_to_target(r, &r->targets[i], time_ms, value);
    return 0;
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

/* One pass over a category: targets [from, end). */
static int scan_category(struct range *r, uint32_t from, uint32_t end)
{
    const struct query_spec *spec = r->read->spec;
    uint32_t *dimensions =
        scratch_take(&r->read->scratch, 2 * (uint64_t)(end - from), sizeof(*dimensions));
    if (dimensions == NULL)
        return r->read->scratch.error;
    uint32_t *hosts = dimensions + (end - from);
    struct block_filter filter = {.category = r->targets[from].series.category,
                                  .dimensions = dimensions,
                                  .hosts = hosts,
                                  .from_ms = spec->from_ms,
                                  .to_ms = spec->to_ms};
    struct fold_sink sink = {
        .select = select_block, .wants = wants_item, .add = add_point, .arg = r};
    for (uint32_t i = from; i < end; i++) {
        const struct target *t = &r->targets[i];
        set_add(dimensions, &filter.dimensions_count, t->series.dimension);
        set_add(hosts, &filter.hosts_count, t->series.host);
        sink.ordered |= t->kind == KIND_COUNTER && t->aggregate == AGGREGATE_RATE;
    }
    if (sink.ordered)
        filter.from_ms -= spec->step_ms > LOOK_BACK_MS ? spec->step_ms : LOOK_BACK_MS;
    return fold_run(&r->read->source, &filter, &sink);
}

static int scan(struct range *r)
{
    int err = 0;
    for (uint32_t from = 0, end; from < r->known && err == 0; from = end) {
        for (end = from;
             end < r->known && r->targets[end].series.category == r->targets[from].series.category;
             end++)
            ;
        err = scan_category(r, from, end);
    }
    return err;
}

struct beat_target {
    const struct query_spec *spec;
    struct tally *tallies;
};

static void count_beat(void *arg, int64_t second_ms)
{
    struct beat_target *t = arg;
    t->tallies[(second_ms - t->spec->from_ms) / t->spec->step_ms].beats++;
}

static int scan_beats(struct range *r)
{
    const struct query_spec *spec = r->read->spec;
    struct beats *beats = NULL;
    struct beats_pair *pairs = scratch_take(&r->read->scratch, r->count, sizeof(*pairs));
    if (pairs == NULL)
        return r->read->scratch.error;
    uint32_t all = 0, unique = 0;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->targets[i].has_pair)
            pairs[all++] = r->targets[i].pair;
    qsort(pairs, all, sizeof(*pairs), beats_compare);
    for (uint32_t i = 0; i < all; i++)
        if (unique == 0 || beats_compare(&pairs[unique - 1], &pairs[i]) != 0)
            pairs[unique++] = pairs[i];

    int err = beats_create(r->read, pairs, unique, &beats);
    if (err == 0)
        err = beats_scan(beats, spec->from_ms, spec->to_ms);
    for (uint32_t i = 0; i < r->count && err == 0; i++) {
        struct beat_target target = {.spec = spec, .tallies = r->targets[i].tallies};
        if (r->targets[i].has_pair)
            err = beats_each(beats, r->targets[i].pair, count_beat, &target);
    }
    beats_destroy(&beats);
    return err;
}

/* ---- finish ---- */

static int finish_target(struct range *r, const struct target *t, struct result_series *out)
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
        return memory->error;
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
        return memory->error;
    int err = 0;
    for (uint32_t i = 0; i < r->count && err == 0; i++)
        err = finish_target(r, &r->targets[i], &series[r->targets[i].key]);
    out->from_ms = spec->from_ms;
    out->to_ms = spec->to_ms;
    out->step_ms = spec->step_ms;
    out->resolution_ms = 1000;
    out->series = series;
    out->series_count = r->count;
    return err;
}

int range_read(struct read *read)
{
    struct range r = {.read = read, .catalog = read_catalog(read)};
    int err = plan(&r);
    if (err == 0)
        err = scan(&r);
    if (err == 0)
        err = scan_beats(&r);
    return err != 0 ? err : finish(&r);
}
