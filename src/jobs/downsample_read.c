#include "jobs/downsample_read.h"

#include "base/error.h"
#include "jobs/choose.h"
#include "jobs/expired.h"

#include <stdlib.h>
#include <string.h>

enum {
    MINUTE_S = 60,
    HOUR_MINUTES = 60,
    ENTRIES_SHARE = 4, /* of the memory limit; what tally and sessions take is of the same size */
};

int day_reader_init(struct day_reader *r, struct job_context *context, struct storage_range day)
{
    *r = (struct day_reader){.context = context, .day = day};
    batch_init(&r->batch);
    merge_init(&r->merge);
    hash_index_init(&r->beats_index);
    int err = minutes_codec_create(&r->minute_codec);
    return err != 0 ? err : rollup_codec_create(&r->rollup);
}

void day_reader_fini(struct day_reader *r)
{
    minutes_codec_destroy(&r->minute_codec);
    rollup_codec_destroy(&r->rollup);
    merge_fini(&r->merge);
    batch_fini(&r->batch);
    hash_index_fini(&r->beats_index);
    VEC_FINI(&r->beats);
    VEC_FINI(&r->sources);
    VEC_FINI(&r->groups);
    VEC_FINI(&r->listed);
}

/* ---- sources ---- */

static int keep_run(void *arg, const struct storage_run *run)
{
    struct day_reader *r = arg;
    return VEC_PUSH(&r->listed, *run) ? 0 : LT_ENOMEM;
}

static int source_order(const void *a, const void *b)
{
    const struct storage_run *x = a, *y = b;
    if (x->resolution_s != y->resolution_s)
        return x->resolution_s > y->resolution_s ? -1 : 1;
    if (x->range.from_s != y->range.from_s)
        return x->range.from_s < y->range.from_s ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* above: only runs with greater ids; what they do not hold is in the coarser one. */
static int take_fine(struct day_reader *r, uint64_t above)
{
    for (uint32_t i = 0; i < r->listed.n; i++) {
        const struct storage_run *run = &r->listed.v[i];
        if (!choose_is_compact(run, 1) || !choose_is_within(run, r->day) || run->id <= above)
            continue;
        if (!VEC_PUSH(&r->sources, *run))
            return LT_ENOMEM;
        r->newest = run->id > r->newest ? run->id : r->newest;
    }
    return 0;
}

int day_reader_sources(struct day_reader *r)
{
    struct job_context *c = r->context;
    int err = storage_runs(c->session, c->environment, NULL, keep_run, r);
    int64_t expired_s;
    if (err == 0)
        err = expired_until(c, &expired_s);
    if (err != 0)
        return err;
    struct choose_day day = choose_day(r->listed.v, r->listed.n, r->day);
    if (day.arrival > 0 || day.pieces > 0)
        return LT_EAGAIN;
    r->minutes = day.minutes;
    r->hours = day.hours;
    const struct storage_run *before = day.minutes != NULL ? day.minutes : day.hours;
    bool adds = before != NULL && r->day.to_s <= expired_s;
    err = take_fine(r, adds ? before->sources : 0);
    if (err == 0 && adds && r->sources.n > 0 && !VEC_PUSH(&r->sources, *before))
        err = LT_ENOMEM;
    if (err == 0 && r->sources.n > 0)
        qsort(r->sources.v, r->sources.n, sizeof(r->sources.v[0]), source_order);
    return err;
}

/* ---- groups ---- */

static int keep_group(void *arg, const struct storage_group *group)
{
    struct day_reader *r = arg;
    return VEC_PUSH(&r->groups, *group) ? 0 : LT_ENOMEM;
}

static int group_order(const void *a, const void *b)
{
    const struct storage_group *x = a, *y = b;
    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    if (x->dimension != y->dimension)
        return x->dimension < y->dimension ? -1 : 1;
    return x->host < y->host ? -1 : x->host > y->host;
}

int day_reader_groups(struct day_reader *r)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < r->sources.n; i++)
        err = storage_run_groups(r->context->reader, &r->sources.v[i], keep_group, r);
    if (err != 0 || r->groups.n == 0)
        return err;
    struct storage_group *groups = r->groups.v;
    qsort(groups, r->groups.n, sizeof(groups[0]), group_order);
    uint32_t last = 0;
    for (uint32_t i = 1; i < r->groups.n; i++) {
        if (group_order(&groups[last], &groups[i]) == 0) {
            groups[last].points += groups[i].points;
            groups[last].rows += groups[i].rows;
        } else {
            groups[++last] = groups[i];
        }
    }
    r->groups.n = last + 1;
    return 0;
}

/* ---- batches and spans ---- */

static uint64_t entries_max(const struct day_reader *r)
{
    return r->context->limits->memory_bytes_max / ENTRIES_SHARE / MERGE_ENTRY_BYTES;
}

static uint64_t batch_points(const struct day_reader *r)
{
    uint64_t points = 0;
    for (uint32_t i = 0; i < r->batch.count; i++)
        points += r->groups.v[r->batch.first + i].points;
    return points;
}

static int batch_alone(struct day_reader *r, uint32_t first)
{
    struct batch *b = &r->batch;
    b->first = first;
    b->count = 1;
    b->dimensions.n = b->hosts.n = 0;
    bool ok = VEC_PUSH(&b->dimensions, r->groups.v[first].dimension) &&
              VEC_PUSH(&b->hosts, r->groups.v[first].host);
    return ok ? 0 : LT_ENOMEM;
}

struct row_extent {
    uint32_t first_item;
    uint64_t entries; /* at most */
};
struct row_extents {
    VEC(struct row_extent) rows;
};

static int keep_extent(void *arg, const struct storage_pack *row)
{
    struct row_extents *extents = arg;
    uint64_t buckets = (uint64_t)row->items * (HOUR_MINUTES + 1);
    struct row_extent extent = {row->first_item, row->points < buckets ? row->points : buckets};
    return VEC_PUSH(&extents->rows, extent) ? 0 : LT_ENOMEM;
}

static int extent_order(const void *a, const void *b)
{
    const struct row_extent *x = a, *y = b;
    return x->first_item < y->first_item ? -1 : x->first_item > y->first_item;
}

static struct block_filter filter_of(const struct day_reader *r)
{
    struct block_filter filter = batch_filter(&r->batch, r->groups.v);
    filter.from_ms = r->day.from_s * 1000;
    filter.to_ms = r->day.to_s * 1000;
    filter.fresh = true;
    return filter;
}

/* A cut wherever the rows that begin since the last one may fill the memory. Rows that straddle a
 * cut are read for both sides. */
static int cut_spans(struct day_reader *r, struct item_spans *spans)
{
    struct row_extents extents = {0};
    struct block_filter filter = filter_of(r);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < r->sources.n; i++)
        err = storage_run_packs(r->context->reader, &r->sources.v[i], &filter, (enum storage_want)0,
                                keep_extent, &extents);
    if (err == 0 && extents.rows.n > 0)
        qsort(extents.rows.v, extents.rows.n, sizeof(extents.rows.v[0]), extent_order);
    uint64_t entries = 0;
    for (uint32_t i = 0; err == 0 && i < extents.rows.n; i++) {
        const struct row_extent *row = &extents.rows.v[i];
        entries += row->entries;
        if (entries <= entries_max(r) || row->first_item == spans->first.v[spans->first.n - 1])
            continue;
        entries = row->entries;
        if (!VEC_PUSH(&spans->first, row->first_item))
            err = LT_ENOMEM;
    }
    VEC_FINI(&extents.rows);
    return err;
}

int day_reader_batch(struct day_reader *r, uint32_t first, struct item_spans *spans_out)
{
    spans_out->first.n = 0;
    if (!VEC_PUSH(&spans_out->first, 0))
        return LT_ENOMEM;
    int err = batch_take(&r->batch, r->groups.v, r->groups.n, first);
    if (err == 0 && r->batch.count > 1 && batch_points(r) > entries_max(r))
        err = batch_alone(r, first);
    if (err == 0 && batch_points(r) > entries_max(r))
        err = cut_spans(r, spans_out);
    return err;
}

/* ---- gathering ---- */

/* Rows come ascending: the group is the last one's, or a later one. */
static int find_group(struct day_reader *r, const struct storage_pack *row)
{
    const struct storage_group *groups = r->groups.v + r->batch.first;
    const struct storage_group key = {
        .category = row->category, .dimension = row->dimension, .host = row->host};
    while (r->group < r->batch.count && group_order(&groups[r->group], &key) < 0)
        r->group++;
    bool found = r->group < r->batch.count && group_order(&groups[r->group], &key) == 0;
    return found ? 0 : LT_ECORRUPT;
}

struct gathering {
    struct day_reader *r;
    uint32_t first;  /* the day's minute with which the run begins */
    uint32_t factor; /* minutes of a bucket */
};

static int add_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    const struct gathering *g = arg;
    if (item < g->r->item_first || item > g->r->item_last)
        return 0;
    uint64_t minute = g->first + (uint64_t)bucket->number * g->factor;
    if (minute >= DAY_MINUTES)
        return LT_ECORRUPT; /* of another day: no row of this run can have it */
    return merge_add(&g->r->merge, g->r->group, item, (uint32_t)minute, &bucket->summary);
}

static int gather_seconds(struct day_reader *r, const struct storage_pack *row)
{
    int64_t from_s = r->source->range.from_s;
    struct gathering g = {r, (uint32_t)((from_s - r->day.from_s) / MINUTE_S), 1};
    return minutes_open(r->minute_codec, from_s * 1000, row->summaries, row->vectors, row->minutes,
                        NULL, 0, add_bucket, &g);
}

static int gather_buckets(struct day_reader *r, const struct storage_pack *row)
{
    int64_t step_ms = (int64_t)r->source->resolution_s * 1000;
    struct gathering g = {r, 0, r->source->resolution_s / MINUTE_S};
    return rollup_open(r->rollup, r->day.from_s * 1000, step_ms, row->summaries, row->vectors, NULL,
                       0, add_bucket, &g);
}

static int gather_row(void *arg, const struct storage_pack *row)
{
    struct day_reader *r = arg;
    int err = find_group(r, row);
    if (err == 0)
        err = r->source->resolution_s == 1 ? gather_seconds(r, row) : gather_buckets(r, row);
    atomic_fetch_add_explicit(&r->context->progress->points_done, row->points,
                              memory_order_relaxed);
    return err != 0 ? err : job_pace(r->context, 0);
}

int day_reader_gather(struct day_reader *r, const struct item_spans *spans, uint32_t number)
{
    struct block_filter filter = filter_of(r);
    bool last = number + 1 == spans->first.n;
    r->item_first = filter.item_first = spans->first.v[number];
    r->item_last = last ? UINT32_MAX : spans->first.v[number + 1] - 1;
    filter.item_last = spans->first.n > 1 ? r->item_last : 0;
    merge_reset(&r->merge);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < r->sources.n; i++) {
        r->source = &r->sources.v[i];
        r->group = 0;
        err = merge_part_begin(&r->merge);
        if (err == 0)
            err = storage_run_packs(r->context->reader, r->source, &filter,
                                    STORAGE_SUMMARIES | STORAGE_BY_MINUTE, gather_row, r);
    }
    if (err == 0)
        merge_start(&r->merge);
    return err;
}

/* ---- heartbeats ---- */

static bool beats_eq(const void *context, const void *key, uint32_t position)
{
    const struct day_beats *beats = (const struct day_beats *)context + position;
    const struct storage_beats *wanted = key;
    return beats->collector == wanted->collector && beats->host == wanted->host;
}

static struct day_beats *beats_of(struct day_reader *r, const struct storage_beats *b)
{
    uint64_t hash = hash_u64((uint64_t)b->collector << 32 | b->host);
    uint32_t at = hash_index_find(&r->beats_index, hash, beats_eq, r->beats.v, b);
    if (at != HASH_NONE)
        return &r->beats.v[at];
    if (!VEC_RESERVE(&r->beats, 1) || hash_index_add(&r->beats_index, hash, r->beats.n) != 0)
        return NULL;
    r->beats.v[r->beats.n] = (struct day_beats){.collector = b->collector, .host = b->host};
    return &r->beats.v[r->beats.n++];
}

/* An hour's bucket of what was downsampled before stands in its first minute. */
static void add_beats(struct day_reader *r, struct day_beats *to, const struct storage_beats *b)
{
    if (b->bits == NULL) {
        uint32_t factor = r->source->resolution_s / MINUTE_S;
        for (uint32_t i = 0; i < b->counts_count && i * factor < DAY_MINUTES; i++)
            to->minutes[i * factor] = (uint16_t)(to->minutes[i * factor] + b->counts[i]);
        return;
    }
    uint32_t first_s = (uint32_t)(b->from_s - r->day.from_s);
    for (uint32_t s = 0; s < BEAT_SECONDS && first_s + s < DAY_MINUTES * MINUTE_S; s++)
        if ((b->bits[s / 8] >> (s % 8) & 1) != 0)
            to->minutes[(first_s + s) / MINUTE_S]++;
}

static int keep_beats(void *arg, const struct storage_beats *b)
{
    struct day_reader *r = arg;
    if (b->from_s < r->day.from_s || b->from_s >= r->day.to_s)
        return LT_ECORRUPT;
    struct day_beats *to = beats_of(r, b);
    if (to == NULL)
        return LT_ENOMEM;
    add_beats(r, to, b);
    return 0;
}

static int beats_order(const void *a, const void *b)
{
    const struct day_beats *x = a, *y = b;
    if (x->collector != y->collector)
        return x->collector < y->collector ? -1 : 1;
    return x->host < y->host ? -1 : x->host > y->host;
}

int day_reader_beats(struct day_reader *r)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < r->sources.n; i++) {
        r->source = &r->sources.v[i];
        err = storage_run_beats(r->context->reader, r->source, NULL, keep_beats, r);
    }
    if (err == 0 && r->beats.n > 0)
        qsort(r->beats.v, r->beats.n, sizeof(r->beats.v[0]), beats_order);
    return err;
}
