#include "query/read.h"

#include "catalog/catalog.h"
#include "model/name.h"
#include "port/storage_reads.h"
#include "query/beats.h"
#include "query/buckets.h"
#include "query/cover.h"
#include "query/fold.h"
#include "vector/rollup.h"

#include <math.h>
#include <stdlib.h>

/* RANGE: plan (keys to series; hours to resolutions, cover.h), scan (part by part of the cover, one
 * pass a category), accumulate (tallies), finish (buckets.h). */

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
    struct beats_pair *pairs; /* of all targets, ascending */
    uint32_t pairs_count;
    uint32_t group, group_end; /* targets of the block selected last */
    struct cover cover;
    const struct cover_part *part; /* the one that is being scanned */
    const struct storage_pack *pack;
    struct rollup_codec *rollup; /* made when a coarser run is read */
    struct {
        int64_t *v;
        uint32_t n, cap;
    } dirty; /* hours in which head or catch-all have points of targets */
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

/* Each (host, collector) of the targets once, as beats_create wants them. */
static int plan_pairs(struct range *r)
{
    r->pairs = scratch_take(&r->read->scratch, r->count, sizeof(*r->pairs));
    if (r->pairs == NULL)
        return r->read->scratch.error;
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
    r->buckets = (uint32_t)((spec->to_ms - spec->from_ms + spec->step_ms - 1) / spec->step_ms);
    r->targets = scratch_take(&r->read->scratch, r->count, sizeof(*r->targets));
    if (r->targets == NULL)
        return r->read->scratch.error;
    int err = 0;
    for (uint32_t i = 0; i < r->count && err == 0; i++)
        err = plan_target(r, i);
    qsort(r->targets, r->count, sizeof(*r->targets), compare_targets);
    return err != 0 ? err : plan_pairs(r);
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

/* Most of what a dashboard asks for: a dense series' hour, point after point. */
static void add_many_to_target(struct range *r, struct target *t, const int64_t *times_ms,
                               const double *values, uint32_t count)
{
    const struct query_spec *spec = r->read->spec;
    int64_t from_ms = 0, to_ms = 0; /* of the bucket in hand */
    struct tally *tally = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (times_ms[i] < spec->from_ms)
            continue;
        if (tally == NULL || times_ms[i] < from_ms || times_ms[i] >= to_ms) {
            int64_t bucket = (times_ms[i] - spec->from_ms) / spec->step_ms;
            tally = &t->tallies[bucket];
            from_ms = spec->from_ms + bucket * spec->step_ms;
            to_ms = from_ms + spec->step_ms;
        }
        tally_add(tally, times_ms[i], values[i]);
    }
}

static int add_many(void *arg, const struct fold_series *series, const int64_t *times_ms,
                    const double *values, uint32_t count)
{
    struct range *r = arg;
    for (uint32_t k = find_target(r, series);
         k < r->known && compare_series(&r->targets[k].series, series) == 0; k++) {
        struct target *t = &r->targets[k];
        if (t->aggregate != AGGREGATE_RATE || t->kind != KIND_COUNTER)
            add_many_to_target(r, t, times_ms, values, count);
        else
            for (uint32_t i = 0; i < count; i++)
                add_to_target(r, t, times_ms[i], values[i]);
    }
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

/* Targets that one scan reads: of one category, or of many that have a single item each, as metrics
 * without variable components are: a dashboard asks for dozens of those, and a statement each would
 * cost more than what they read. */
struct family {
    const uint32_t *targets; /* positions, ascending */
    uint32_t count;
};
enum { FAMILY_CATEGORIES_MAX = 500 };

static int make_filter(struct range *r, const struct family *f, int64_t from_ms, int64_t to_ms,
                       struct block_filter *out)
{
    uint32_t *ids = scratch_take(&r->read->scratch, 4 * (uint64_t)f->count, sizeof(*ids));
    if (ids == NULL)
        return r->read->scratch.error;
    uint32_t *hosts = ids + f->count, *items = hosts + f->count, *categories = items + f->count;
    *out = (struct block_filter){.category = r->targets[f->targets[0]].series.category,
                                 .dimensions = ids,
                                 .hosts = hosts,
                                 .items = items,
                                 .from_ms = from_ms,
                                 .to_ms = to_ms};
    for (uint32_t i = 0; i < f->count; i++) {
        const struct target *t = &r->targets[f->targets[i]];
        set_add(categories, &out->categories_count, t->series.category);
        set_add(ids, &out->dimensions_count, t->series.dimension);
        set_add(hosts, &out->hosts_count, t->series.host);
        set_add(items, &out->items_count, t->series.item);
    }
    if (out->categories_count > 1)
        out->categories = categories;
    return 0;
}

static bool is_ordered(const struct target *t)
{
    return t->kind == KIND_COUNTER && t->aggregate == AGGREGATE_RATE;
}

static int64_t look_back_ms(const struct range *r)
{
    int64_t step_ms = r->read->spec->step_ms;
    return step_ms > LOOK_BACK_MS ? step_ms : LOOK_BACK_MS;
}

static int add_fresh_block(void *arg, const struct block *block)
{
    struct range *r = arg;
    if (!block->fresh || !select_block(arg, block))
        return 0;
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    int err = 0;
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        series.item = block->items[i];
        if (block->times_ms[i] >= r->part->from_ms && block->times_ms[i] < r->part->to_ms &&
            wants_item(arg, series.item))
            err = add_point(arg, &series, block->times_ms[i], block->values[i]);
    }
    return err;
}

/* 1-second data. Where the hours' own runs have expired, points that may repeat what the coarser
 * run has summed up are left out: a point must not count twice. */
static int scan_seconds(struct range *r, const struct family *f)
{
    struct block_filter filter;
    struct fold_sink sink = {.select = select_block,
                             .wants = wants_item,
                             .add = add_point,
                             .add_many = add_many,
                             .arg = r};
    int err = make_filter(r, f, r->part->from_ms, r->part->to_ms, &filter);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < f->count; i++)
        sink.ordered |= is_ordered(&r->targets[f->targets[i]]);
    if (r->part->expired) {
        filter.fresh = true;
        return sink.ordered ? 0 : source_scan(&r->read->source, &filter, add_fresh_block, r);
    }
    if (sink.ordered && r->part == r->cover.parts)
        filter.from_ms -= look_back_ms(r);
    return fold_run(&r->read->source, &filter, &sink);
}

/* A counter's bucket counts as its last point: what it has risen since the bucket before. A restart
 * within the bucket is not seen. */
static void add_bucket_to_target(struct range *r, struct target *t, int64_t start_ms,
                                 const struct summary *summary)
{
    const struct query_spec *spec = r->read->spec;
    if (is_ordered(t)) {
        if (summary->count > 0)
            add_to_target(r, t, start_ms, summary->last);
    } else if (start_ms >= spec->from_ms) {
        tally_merge(&t->tallies[(start_ms - spec->from_ms) / spec->step_ms], start_ms, summary);
    }
}

static int add_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    struct range *r = arg;
    const struct storage_run *run = r->part->run;
    struct fold_series series = {r->pack->category, r->pack->dimension, r->pack->host, item};
    int64_t start_ms = (run->range.from_s + (int64_t)bucket->number * run->resolution_s) * 1000;
    bool first = r->part == r->cover.parts;
    if (start_ms < r->part->from_ms - (first ? look_back_ms(r) : 0) || start_ms >= r->part->to_ms)
        return 0;
    for (uint32_t i = find_target(r, &series);
         i < r->known && compare_series(&r->targets[i].series, &series) == 0; i++)
        add_bucket_to_target(r, &r->targets[i], start_ms, &bucket->summary);
    return 0;
}

static int visit_pack(void *arg, const struct storage_pack *pack)
{
    struct range *r = arg;
    const struct storage_run *run = r->part->run;
    struct block block = {
        .category = pack->category, .dimension = pack->dimension, .host = pack->host};
    int err = read_guard_check(r->read->guard);
    if (err != 0 || !select_block(r, &block))
        return err;
    uint32_t *items = scratch_take(&r->read->scratch, r->group_end - r->group, sizeof(*items));
    if (items == NULL)
        return r->read->scratch.error;
    uint32_t count = 0;
    for (uint32_t i = r->group; i < r->group_end; i++)
        set_add(items, &count, r->targets[i].series.item);
    r->pack = pack;
    return rollup_open(r->rollup, run->range.from_s * 1000, run->resolution_s * INT64_C(1000),
                       pack->summaries, pack->vectors, items, count, add_bucket, r);
}

static int scan_buckets(struct range *r, const struct family *f)
{
    struct block_filter filter;
    const struct storage_run *run = r->part->run;
    int err = r->rollup == NULL ? rollup_codec_create(&r->rollup) : 0;
    if (err == 0)
        err = make_filter(r, f, run->range.from_s * 1000, run->range.to_s * 1000, &filter);
    if (err == 0)
        err = storage_run_packs(r->read->source.session, run, &filter,
                                STORAGE_SUMMARIES | STORAGE_VECTORS, visit_pack, r);
    return err;
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
static int each_family(struct range *r, int (*scan)(struct range *r, const struct family *f))
{
    uint32_t *members = scratch_take(&r->read->scratch, r->known, sizeof(*members));
    if (members == NULL)
        return r->read->scratch.error;
    uint32_t singles = 0, categories = 0;
    int err = 0;
    for (uint32_t from = 0, end; from < r->known && err == 0; from = end) {
        end = category_end(r, from);
        if (!has_one_item(r, from))
            continue;
        for (uint32_t i = from; i < end; i++)
            members[singles++] = i;
        if (++categories == FAMILY_CATEGORIES_MAX) {
            err = scan(r, &(struct family){members, singles});
            singles = categories = 0;
        }
    }
    if (err == 0 && singles > 0)
        err = scan(r, &(struct family){members, singles});
    for (uint32_t from = 0, end; from < r->known && err == 0; from = end) {
        end = category_end(r, from);
        if (has_one_item(r, from))
            continue;
        for (uint32_t i = from; i < end; i++)
            members[i - from] = i;
        err = scan(r, &(struct family){members, end - from});
    }
    return err;
}

static int scan(struct range *r)
{
    int err = 0;
    for (uint32_t i = 0; i < r->cover.count && err == 0; i++) {
        r->part = &r->cover.parts[i];
        if (r->part->run != NULL)
            err = each_family(r, scan_buckets);
        if (err == 0 && (r->part->run == NULL || r->part->expired))
            err = each_family(r, scan_seconds);
    }
    return err;
}

/* ---- which resolution ---- */

static int note_dirty(void *arg, const struct block *block)
{
    struct range *r = arg;
    const struct query_spec *spec = r->read->spec;
    int err = read_guard_check(r->read->guard);
    if (err != 0 || !select_block(arg, block))
        return err;
    for (uint32_t i = 0; i < block->count; i++) {
        int64_t hour_s = block->times_ms[i] / 1000 / COVER_HOUR_S * COVER_HOUR_S;
        if ((r->dirty.n > 0 && r->dirty.v[r->dirty.n - 1] == hour_s) ||
            block->times_ms[i] < spec->from_ms || block->times_ms[i] >= spec->to_ms ||
            !wants_item(arg, block->items[i]))
            continue;
        err = SCRATCH_RESERVE(r->read->guard, &r->dirty, 1);
        if (err != 0)
            return err;
        r->dirty.v[r->dirty.n++] = hour_s;
    }
    return 0;
}

/* The head's points and the catch-all's are in no coarser run. */
static int find_dirty(struct range *r, const struct family *f)
{
    const struct query_spec *spec = r->read->spec;
    struct source *source = &r->read->source;
    struct block_filter filter;
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(source->session, &count);
    int err = make_filter(r, f, spec->from_ms, spec->to_ms, &filter);
    for (int fresh = 0; fresh < 2 && err == 0; fresh++) {
        filter.fresh = fresh == 1;
        err = head_scan(source->head, source->view, source->next, &filter, note_dirty, r);
        for (uint32_t i = 0; i < count && err == 0; i++)
            if (storage_is_catch_all(runs[i].range))
                err = storage_run_scan(source->session, &runs[i], &filter, note_dirty, r);
    }
    return err;
}

/* Nor their heartbeats, which tell absent from not collected. */
static int note_dirty_hour(struct range *r, uint32_t host, uint32_t collector, int64_t hour_s)
{
    struct beats_pair pair = {host, collector};
    if (bsearch(&pair, r->pairs, r->pairs_count, sizeof(pair), beats_compare) == NULL)
        return 0;
    int err = SCRATCH_RESERVE(r->read->guard, &r->dirty, 1);
    if (err == 0)
        r->dirty.v[r->dirty.n++] = hour_s;
    return err;
}

static int note_dirty_block(void *arg, const struct beat_block *b)
{
    return note_dirty_hour(arg, b->host, b->collector, b->from_s);
}

static int note_dirty_beats(void *arg, const struct storage_beats *b)
{
    return note_dirty_hour(arg, b->host, b->collector, b->from_s);
}

static int find_dirty_beats(struct range *r, const struct beat_filter *filter)
{
    struct source *source = &r->read->source;
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(source->session, &count);
    int err =
        head_scan_beats(source->head, source->view, source->next, filter, note_dirty_block, r);
    for (uint32_t i = 0; i < count && err == 0; i++)
        if (storage_is_catch_all(runs[i].range))
            err = storage_run_beats(source->session, &runs[i], filter, note_dirty_beats, r);
    return err;
}

/* Runs visit for the pairs of each collector. */
static int each_collector(struct range *r, int64_t from_ms, int64_t to_ms,
                          int (*visit)(struct range *r, const struct beat_filter *filter))
{
    uint32_t *hosts = scratch_take(&r->read->scratch, r->pairs_count, sizeof(*hosts));
    if (hosts == NULL)
        return r->read->scratch.error;
    int err = 0;
    for (uint32_t i = 0, next; i < r->pairs_count && err == 0; i = next) {
        for (next = i; next < r->pairs_count && r->pairs[next].collector == r->pairs[i].collector;
             next++)
            hosts[next - i] = r->pairs[next].host;
        struct beat_filter filter = {.collector = r->pairs[i].collector,
                                     .hosts = hosts,
                                     .hosts_count = next - i,
                                     .from_ms = from_ms,
                                     .to_ms = to_ms};
        err = visit(r, &filter);
    }
    return err;
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int plan_cover(struct range *r)
{
    const struct query_spec *spec = r->read->spec;
    const struct storage_run *runs = NULL;
    uint32_t count = 0;
    int err = 0;
    if (r->read->source.session != NULL)
        runs = storage_snapshot_runs(r->read->source.session, &count);
    if (!cover_may_help(runs, count, spec->from_ms, spec->to_ms))
        count = 0;
    if (count > 0)
        err = each_family(r, find_dirty);
    if (err == 0 && count > 0)
        err = each_collector(r, spec->from_ms, spec->to_ms, find_dirty_beats);
    if (err != 0)
        return err;
    if (r->dirty.n > 0)
        qsort(r->dirty.v, r->dirty.n, sizeof(*r->dirty.v), compare_i64);
    return cover_plan(runs, count, r->dirty.v, r->dirty.n, spec->from_ms, spec->to_ms,
                      spec->step_ms, &r->read->scratch, &r->cover);
}

/* ---- heartbeats ---- */

struct beat_target {
    const struct query_spec *spec;
    struct tally *tallies;
};

static void count_beat(void *arg, int64_t second_ms)
{
    struct beat_target *t = arg;
    t->tallies[(second_ms - t->spec->from_ms) / t->spec->step_ms].beats++;
}

static int count_seconds(struct range *r)
{
    struct beats *beats = NULL;
    int err = beats_create(r->read, r->pairs, r->pairs_count, &beats);
    if (err == 0)
        err = beats_scan(beats, r->part->from_ms, r->part->to_ms);
    for (uint32_t i = 0; i < r->count && err == 0; i++) {
        struct beat_target target = {.spec = r->read->spec, .tallies = r->targets[i].tallies};
        if (r->targets[i].has_pair)
            err = beats_each(beats, r->targets[i].pair, count_beat, &target);
    }
    beats_destroy(&beats);
    return err;
}

static int count_buckets(void *arg, const struct storage_beats *beats)
{
    struct range *r = arg;
    const struct query_spec *spec = r->read->spec;
    for (uint32_t i = 0; i < r->count; i++) {
        struct target *t = &r->targets[i];
        if (!t->has_pair || t->pair.host != beats->host || t->pair.collector != beats->collector)
            continue;
        for (uint32_t b = 0; b < beats->counts_count; b++) {
            int64_t start_ms = (beats->from_s + (int64_t)b * r->part->run->resolution_s) * 1000;
            if (start_ms >= r->part->from_ms && start_ms < r->part->to_ms)
                t->tallies[(start_ms - spec->from_ms) / spec->step_ms].beats += beats->counts[b];
        }
    }
    return 0;
}

static int count_beats_of_run(struct range *r, const struct beat_filter *filter)
{
    return storage_run_beats(r->read->source.session, r->part->run, filter, count_buckets, r);
}

static int scan_beats(struct range *r)
{
    int err = 0;
    for (uint32_t i = 0; i < r->cover.count && err == 0; i++) {
        r->part = &r->cover.parts[i];
        err = r->part->run != NULL
                  ? each_collector(r, r->part->from_ms, r->part->to_ms, count_beats_of_run)
                  : count_seconds(r);
    }
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
    out->resolution_ms = r->cover.resolution_s * INT64_C(1000);
    out->series = series;
    out->series_count = r->count;
    return err;
}

int range_read(struct read *read)
{
    struct range r = {.read = read, .catalog = read_catalog(read)};
    int err = plan(&r);
    if (err == 0)
        err = plan_cover(&r);
    if (err == 0)
        err = scan(&r);
    if (err == 0)
        err = scan_beats(&r);
    if (err == 0)
        err = finish(&r);
    rollup_codec_destroy(&r.rollup);
    SCRATCH_FREE(read->guard, &r.dirty);
    return err;
}
