#include "port/storage_reads.h"
#include "query/range.h"
#include "query/range_share.h"

#include <math.h>

/* Points and buckets into tallies. */

static void add_to_target(struct range *r, struct range_target *t, int64_t time_ms, double value)
{
    bool inside = time_ms >= r->from_ms;
    struct tally *tally = inside ? range_tally(r, t, time_ms) : NULL;
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
    for (uint32_t i = range_find(r, series);
         i < r->known && range_compare_series(&r->targets[i].series, series) == 0; i++)
        add_to_target(r, &r->targets[i], time_ms, value);
    return 0;
}

/* Most of what a dashboard asks for: a dense series' hour, point after point. */
static void add_many_to_target(struct range *r, struct range_target *t, const int64_t *times_ms,
                               const double *values, uint32_t count)
{
    int64_t step_ms = r->steps.step_ms, origin_ms = r->steps.origin_ms;
    int64_t from_ms = 0, to_ms = 0; /* of the bucket in hand */
    struct tally *tally = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (times_ms[i] < r->from_ms)
            continue;
        if (tally == NULL || times_ms[i] < from_ms || times_ms[i] >= to_ms) {
            int64_t bucket = (times_ms[i] - origin_ms) / step_ms;
            tally = &t->tallies[bucket];
            from_ms = origin_ms + bucket * step_ms;
            to_ms = from_ms + step_ms;
        }
        tally_add(tally, times_ms[i], values[i]);
    }
}

int range_add_many(void *arg, const struct fold_series *series, const int64_t *times_ms,
                   const double *values, uint32_t count)
{
    struct range *r = arg;
    for (uint32_t k = range_find(r, series);
         k < r->known && range_compare_series(&r->targets[k].series, series) == 0; k++) {
        struct range_target *t = &r->targets[k];
        if (t->aggregate != AGGREGATE_RATE || t->kind != KIND_COUNTER)
            add_many_to_target(r, t, times_ms, values, count);
        else
            for (uint32_t i = 0; i < count; i++)
                add_to_target(r, t, times_ms[i], values[i]);
    }
    return 0;
}

static int64_t look_back_ms(const struct range *r)
{
    int64_t step_ms = r->steps.step_ms;
    return step_ms > RANGE_LOOK_BACK_MS ? step_ms : RANGE_LOOK_BACK_MS;
}

static int add_fresh_block(void *arg, const struct block *block)
{
    struct range *r = arg;
    if (!block->fresh || !range_select_block(arg, block))
        return 0;
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    int err = 0;
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        series.item = block->items[i];
        if (block->times_ms[i] >= r->part->from_ms && block->times_ms[i] < r->part->to_ms &&
            range_wants_item(arg, series.item))
            err = add_point(arg, &series, block->times_ms[i], block->values[i]);
    }
    return err;
}

/* Does one of the family's targets need its points in ascending time? */
static bool has_ordered(const struct range *r, const struct range_family *f)
{
    bool ordered = false;
    for (uint32_t i = 0; i < f->count; i++)
        ordered |= range_is_ordered(&r->targets[f->targets[i]]);
    return ordered;
}

/* 1-second data. Where the hours' own runs have expired, points that may repeat what the coarser
 * run has summed up are left out: a point must not count twice. */
static int scan_seconds(struct range *r, const struct range_family *f)
{
    struct block_filter filter;
    struct fold_sink sink = {.select = range_select_block,
                             .wants = range_wants_item,
                             .add = add_point,
                             .add_many = range_add_many,
                             .take = r->share != NULL ? range_share_take : NULL,
                             .read = r->read,
                             .arg = r,
                             .ordered = has_ordered(r, f)};
    int err = range_filter(r, f, r->part->from_ms, r->part->to_ms, &filter);
    if (err != 0)
        return err;
    if (r->part->expired) {
        filter.fresh = true;
        return sink.ordered ? 0 : source_scan(&r->read->source, &filter, add_fresh_block, r);
    }
    if (sink.ordered && r->part == r->cover.parts)
        filter.from_ms -= look_back_ms(r);
    return fold_run(&r->read->source, &filter, &sink);
}

/* ---- buckets ---- */

/* Those buckets of a row that count. */
struct stretch {
    const struct rollup_columns *columns;
    int64_t from_ms, step_ms; /* number n starts at from + n * step */
    uint32_t begin, end;
};

static int64_t start_of(const struct stretch *s, uint32_t i)
{
    return s->from_ms + (int64_t)s->columns->number[i] * s->step_ms;
}

static struct stretch cut_stretch(const struct range *r, const struct rollup_columns *columns)
{
    const struct storage_run *run = r->pack->run;
    struct stretch s = {.columns = columns,
                        .from_ms = run->range.from_s * 1000,
                        .step_ms = run->resolution_s == 1 ? MINUTES_STEP_MS
                                                          : run->resolution_s * INT64_C(1000),
                        .end = columns->n};
    bool looks_back = r->part == r->cover.parts && r->part->run != NULL;
    int64_t from_ms = r->part->from_ms - (looks_back ? look_back_ms(r) : 0);
    while (s.begin < s.end && start_of(&s, s.begin) < from_ms)
        s.begin++;
    while (s.end > s.begin && start_of(&s, s.end - 1) >= r->part->to_ms)
        s.end--;
    return s;
}

/* A counter's bucket counts as its last point: what it has risen since the bucket before. A restart
 * within the bucket is not seen. */
static void add_counters(struct range *r, struct range_target *t, const struct stretch *s)
{
    for (uint32_t i = s->begin; i < s->end; i++)
        if (s->columns->count[i] > 0)
            add_to_target(r, t, start_of(s, i), s->columns->last[i]);
}

/* Sums and counts of the buckets [i, end), of one interval: most of what is asked. */
static void add_sums(struct tally *tally, const struct rollup_columns *c, uint32_t i, uint32_t end)
{
    struct sum sum = tally->sum;
    uint64_t count = 0, nans = 0;
    for (; i < end; i++) {
        count += c->count[i];
        nans += c->nans[i];
        if (c->sum != NULL)
            sum_add(&sum, c->sum[i]);
    }
    tally->sum = sum;
    tally->count += count;
    tally->nan |= nans > 0;
}

static void add_summaries(struct tally *tally, const struct stretch *s, uint32_t i, uint32_t end)
{
    const struct rollup_columns *c = s->columns;
    for (; i < end; i++) {
        const struct summary summary = {.count = c->count[i],
                                        .nans = c->nans[i],
                                        .sum = c->sum != NULL ? c->sum[i] : 0,
                                        .min = c->min != NULL ? c->min[i] : 0,
                                        .max = c->max != NULL ? c->max[i] : 0,
                                        .first = c->first != NULL ? c->first[i] : 0,
                                        .last = c->last != NULL ? c->last[i] : 0};
        tally_merge(tally, start_of(s, i), &summary);
    }
}

static void add_stretch(struct range *r, struct range_target *t, const struct stretch *s)
{
    int64_t step_ms = r->steps.step_ms, origin_ms = r->steps.origin_ms;
    bool sums = (t->columns & ~(unsigned)PACK_SUM) == 0;
    uint32_t i = s->begin;
    while (i < s->end && start_of(s, i) < r->from_ms)
        i++;
    for (uint32_t end = i; i < s->end; i = end) {
        int64_t interval = (start_of(s, i) - origin_ms) / step_ms;
        int64_t to_ms = origin_ms + (interval + 1) * step_ms;
        while (end < s->end && start_of(s, end) < to_ms)
            end++;
        if (sums)
            add_sums(&t->tallies[interval], s->columns, i, end);
        else
            add_summaries(&t->tallies[interval], s, i, end);
    }
}

static int add_columns(void *arg, uint32_t item, const struct rollup_columns *columns)
{
    struct range *r = arg;
    const struct fold_series series = {r->pack->category, r->pack->dimension, r->pack->host, item};
    const struct stretch s = cut_stretch(r, columns);
    for (uint32_t i = range_find(r, &series);
         i < r->known && range_compare_series(&r->targets[i].series, &series) == 0; i++) {
        if (range_is_ordered(&r->targets[i]))
            add_counters(r, &r->targets[i], &s);
        else
            add_stretch(r, &r->targets[i], &s);
    }
    return 0;
}

static int visit_pack(void *arg, const struct storage_pack *pack)
{
    struct range *r = arg;
    const struct storage_run *run = pack->run;
    const struct block block = {
        .category = pack->category, .dimension = pack->dimension, .host = pack->host};
    int err = read_guard_check(r->read->guard);
    if (err != 0 || !range_select_block(r, &block))
        return err;
    r->items_count = 0;
    for (uint32_t i = r->group; i < r->group_end; i++)
        if (i == r->group || r->targets[i].series.item != r->targets[i - 1].series.item)
            r->items[r->items_count++] = r->targets[i].series.item;
    r->pack = pack;
    r->part = CONTAINER_OF(run, struct range_source, run)->part;
    int64_t from_ms = run->range.from_s * 1000;
    if (run->resolution_s == 1)
        return minutes_open_columns(r->minutes, from_ms, pack->summaries, pack->vectors,
                                    pack->minutes, r->items, r->items_count, r->columns,
                                    add_columns, r);
    return rollup_open_columns(r->rollup, from_ms, run->resolution_s * INT64_C(1000),
                               pack->summaries, pack->vectors, r->items, r->items_count, r->columns,
                               add_columns, r);
}

static int scan_buckets(struct range *r, const struct range_family *f)
{
    struct block_filter filter;
    const struct range_source *first = &r->sources[0], *last = &r->sources[r->sources_count - 1];
    int64_t from_ms = first->part->from_ms;
    if (first->part == r->cover.parts && first->part->run != NULL)
        from_ms -= look_back_ms(r);
    int err = range_filter(r, f, from_ms, last->part->to_ms, &filter);
    return err != 0
               ? err
               : storage_runs_packs(r->read->source.session, r->runs, r->sources_count, &filter,
                                    STORAGE_SUMMARIES | STORAGE_BY_MINUTE, visit_pack, r);
}

/* The point before the first one, for counters: where the first part has seconds of its own, it
 * finds that itself; a day's run has at least the minutes before. */
static int scan_before(struct range *r, const struct range_family *f)
{
    int64_t from_ms = r->from_ms;
    struct block_filter filter;
    struct fold_sink sink = {.select = range_select_block,
                             .wants = range_wants_item,
                             .add = add_point,
                             .arg = r,
                             .ordered = true};
    if (!has_ordered(r, f))
        return 0;
    int err = range_filter(r, f, from_ms - look_back_ms(r), from_ms, &filter);
    return err != 0 ? err : fold_run(&r->read->source, &filter, &sink);
}

static bool is_buckets(const struct cover_part *part)
{
    return part->run != NULL || part->minutes;
}

/* The runs of part, oldest first: where two are of one hour, the one made later has later points.
 */
static void add_sources(struct range *r, const struct cover_part *part)
{
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(r->read->source.session, &count);
    uint32_t at = r->sources_count;
    if (part->run != NULL)
        r->sources[r->sources_count++] = (struct range_source){*part->run, part};
    for (uint32_t i = 0; part->minutes && i < count; i++) {
        if (!cover_has_minutes(&runs[i], part->from_ms, part->to_ms))
            continue;
        uint32_t to = r->sources_count++;
        for (; to > at && (r->sources[to - 1].run.range.from_s > runs[i].range.from_s ||
                           (r->sources[to - 1].run.range.from_s == runs[i].range.from_s &&
                            r->sources[to - 1].run.id > runs[i].id));
             to--)
            r->sources[to] = r->sources[to - 1];
        r->sources[to] = (struct range_source){runs[i], part};
    }
}

/* Parts [from, to), which follow each other: a statement or two for all of them. */
static int scan_parts(struct range *r, uint32_t from, uint32_t to)
{
    r->sources_count = 0;
    for (uint32_t i = from; i < to; i++)
        add_sources(r, &r->cover.parts[i]);
    for (uint32_t i = 0; i < r->sources_count; i++)
        r->runs[i] = &r->sources[i].run;
    int err = r->sources_count > 0 ? range_each_family(r, scan_buckets) : 0;
    for (uint32_t i = from; i < to && err == 0; i++) {
        r->part = &r->cover.parts[i];
        if (r->part->expired)
            err = range_each_family(r, scan_seconds);
    }
    return err;
}

static int scan_begin(struct range *r)
{
    struct scratch *scratch = &r->read->scratch;
    uint32_t count = 0;
    if (r->read->source.session != NULL)
        (void)storage_snapshot_runs(r->read->source.session, &count);
    uint64_t most = (uint64_t)count + r->cover.count; /* an hour is of one part */
    r->sources = scratch_take(scratch, most, sizeof(*r->sources));
    r->runs = scratch_take(scratch, most, sizeof(*r->runs));
    r->items = scratch_take(scratch, r->known, sizeof(*r->items));
    if (r->sources == NULL || r->runs == NULL || r->items == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < r->known; i++)
        r->columns |= r->targets[i].columns;
    int err = rollup_codec_create(&r->rollup);
    return err != 0 ? err : minutes_codec_create(&r->minutes);
}

int range_scan(struct range *r)
{
    int err = scan_begin(r);
    if (err == 0)
        err = range_share_create(r, &r->share);
    if (err == 0 && r->cover.count > 0 && r->cover.parts[0].minutes)
        err = range_each_family(r, scan_before);
    for (uint32_t i = 0, end; i < r->cover.count && err == 0; i = end) {
        for (end = i; end < r->cover.count && is_buckets(&r->cover.parts[end]); end++)
            ;
        if (end > i) {
            err = scan_parts(r, i, end);
            continue;
        }
        end = i + 1;
        r->part = &r->cover.parts[i];
        err = range_each_family(r, scan_seconds);
    }
    if (err == 0 && r->share != NULL)
        range_share_join(r);
    return err;
}
