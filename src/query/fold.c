#include "query/fold.h"

#include "base/hash.h"
#include "base/vec.h"
#include "model/kind.h"
#include "port/storage_reads.h"
#include "query/relay.h"
#include "query/scratch.h"

#include <math.h>
#include <stdlib.h>

enum {
    SHARE_POINTS = 1 << 10,
    POINTS_BETWEEN_CHECKS = 1 << 14,
    TOUCHED_MAX = 1 << 12, /* items whose points are read from hidden runs */
};

struct fold_point {
    int64_t time_ms;
    uint64_t order; /* 0: fresh, which comes first; else the place in log order + 1 */
    double value;
    uint32_t series; /* position in series */
    uint8_t policy;
};

/* Points of a block of which not all are taken, on their way to the sink. */
struct fold_share {
    uint32_t count;
    uint32_t items[SHARE_POINTS];
    int64_t times_ms[SHARE_POINTS];
    double values[SHARE_POINTS];
};

struct fold {
    struct source *source;
    const struct fold_sink *sink;
    struct block_filter filter;
    VEC(struct fold_series) series;
    struct hash_index series_index;
    VEC(struct fold_series)
    groups; /* item is 0: the (category, dimension, host) that were touched */
    struct hash_index groups_index;
    VEC(struct fold_point) points;
    struct relay *relay;                 /* NULL: the sink takes no blocks */
    struct fold_share *shares[CREW_MAX]; /* made by their member when it first needs one */
};

static uint64_t series_hash(const struct fold_series *s)
{
    return hash_u64(((uint64_t)s->host << 32 | s->item) ^
                    hash_u64((uint64_t)s->category << 32 | s->dimension));
}

static bool series_eq(const void *context, const void *key, uint32_t position)
{
    const struct fold_series *a = (const struct fold_series *)context + position;
    return memcmp(a, key, sizeof(*a)) == 0;
}

static int index_charged_add(struct read_guard *guard, struct hash_index *index, uint64_t hash,
                             uint32_t position)
{
    size_t before = hash_index_bytes(index);
    int err = hash_index_add(index, hash, position);
    if (err != 0)
        return err;
    /* Counted after the fact, because only the index knows when it grows. */
    size_t grown = hash_index_bytes(index) - before;
    atomic_fetch_add_explicit(&guard->memory_bytes, grown, memory_order_relaxed);
    return read_guard_charge(guard, 0);
}

/* The position of a touched series, added if it is new. */
static int touch(struct fold *fold, const struct fold_series *series, uint32_t *out)
{
    struct read_guard *guard = fold->source->guard;
    uint64_t hash = series_hash(series);
    *out = hash_index_find(&fold->series_index, hash, series_eq, fold->series.v, series);
    if (*out != HASH_NONE)
        return 0;
    int err = SCRATCH_RESERVE(guard, &fold->series, 1);
    if (err == 0)
        err = index_charged_add(guard, &fold->series_index, hash, fold->series.n);
    if (err != 0)
        return err;
    *out = fold->series.n;
    fold->series.v[fold->series.n++] = *series;

    struct fold_series group = *series;
    group.item = 0;
    hash = series_hash(&group);
    if (hash_index_find(&fold->groups_index, hash, series_eq, fold->groups.v, &group) != HASH_NONE)
        return 0;
    err = SCRATCH_RESERVE(guard, &fold->groups, 1);
    if (err == 0)
        err = index_charged_add(guard, &fold->groups_index, hash, fold->groups.n);
    if (err == 0)
        fold->groups.v[fold->groups.n++] = group;
    return err;
}

static int collect(struct fold *fold, const struct block *block, uint32_t i, uint32_t series)
{
    int err = SCRATCH_RESERVE(fold->source->guard, &fold->points, 1);
    if (err != 0)
        return err;
    fold->points.v[fold->points.n++] = (struct fold_point){
        .time_ms = block->times_ms[i],
        .order = block->fresh ? 0 : source_order(fold->source, block) + 1,
        .value = block->values[i],
        .series = series,
        .policy = block->policies != NULL ? block->policies[i] : POLICY_LAST,
    };
    return 0;
}

static bool is_wanted(const struct fold *fold, const struct block *block, uint32_t i)
{
    return block->times_ms[i] >= fold->filter.from_ms &&
           block->times_ms[i] <= block_last_ms(fold->filter.to_ms) &&
           (fold->sink->wants == NULL || fold->sink->wants(fold->sink->arg, block->items[i]));
}

static bool is_selected(const struct fold *fold, const struct block *block)
{
    return block->fresh == fold->filter.fresh &&
           block_filter_has_category(&fold->filter, block->category) &&
           fold->sink->select(fold->sink->arg, block);
}

static int collect_block(void *arg, const struct block *block)
{
    struct fold *fold = arg;
    if (!is_selected(fold, block))
        return 0;
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    int err = 0;
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        if (!is_wanted(fold, block, i))
            continue;
        uint32_t position;
        series.item = block->items[i];
        err = touch(fold, &series, &position);
        if (err == 0)
            err = collect(fold, block, i, position);
    }
    return err;
}

/* How many points from `at` on are of one item and within the filter's times. */
static uint32_t stretch_of(const struct fold *fold, const struct block *block, uint32_t at)
{
    int64_t from_ms = fold->filter.from_ms, last_ms = block_last_ms(fold->filter.to_ms);
    uint32_t end = at;
    while (end < block->count && block->items[end] == block->items[at] &&
           block->times_ms[end] >= from_ms && block->times_ms[end] <= last_ms)
        end++;
    return end - at;
}

static int add_stretches(struct fold *fold, const struct block *block)
{
    const struct fold_sink *sink = fold->sink;
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    int err = 0;
    for (uint32_t i = 0, n; i < block->count && err == 0; i += n) {
        n = stretch_of(fold, block, i);
        series.item = block->items[i];
        if (n > 0 && (sink->wants == NULL || sink->wants(sink->arg, series.item)))
            err = sink->add_many(sink->arg, &series, block->times_ms + i, block->values + i, n);
        n += n == 0;
    }
    return err;
}

static bool is_touched(const struct fold *fold, const struct block *block)
{
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    return hash_index_find(&fold->groups_index, series_hash(&series), series_eq, fold->groups.v,
                           &series) != HASH_NONE;
}

static int add_block(void *arg, const struct block *block)
{
    struct fold *fold = arg;
    if (!is_selected(fold, block))
        return 0;
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    bool touched = is_touched(fold, block);
    if (!touched && fold->sink->add_many != NULL)
        return add_stretches(fold, block);
    int err = 0;
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        if (!is_wanted(fold, block, i))
            continue;
        uint32_t position = HASH_NONE;
        series.item = block->items[i];
        if (touched)
            position = hash_index_find(&fold->series_index, series_hash(&series), series_eq,
                                       fold->series.v, &series);
        if (position != HASH_NONE)
            err = collect(fold, block, i, position);
        else
            err = fold->sink->add(fold->sink->arg, &series, block->times_ms[i], block->values[i]);
    }
    return err;
}

/* ---- blocks that the sink takes as they are ---- */

static int hand_over(struct fold *fold, const struct crew_member *member, const struct block *block)
{
    struct fold_share *share = fold->shares[member->number];
    struct block part = *block;
    part.count = share->count;
    part.items = share->items;
    part.times_ms = share->times_ms;
    part.values = share->values;
    part.policies = NULL;
    share->count = 0;
    return part.count == 0 ? 0 : fold->sink->take(fold->sink->arg, member, &part);
}

static int make_share(struct fold *fold, const struct crew_member *member)
{
    struct fold_share **share = &fold->shares[member->number];
    if (*share != NULL)
        return 0;
    int err = read_guard_charge(member->guard, sizeof(**share));
    if (err != 0)
        return err;
    *share = malloc(sizeof(**share));
    if (*share == NULL) {
        scratch_release(member->guard, sizeof(**share));
        return LT_ENOMEM;
    }
    (*share)->count = 0;
    return 0;
}

static bool has_only_wanted_times(const struct fold *fold, const struct block *block)
{
    uint64_t length = (uint64_t)block_last_ms(fold->filter.to_ms) - (uint64_t)fold->filter.from_ms;
    bool outside = false;
    for (uint32_t i = 0; i < block->count; i++)
        outside |= (uint64_t)block->times_ms[i] - (uint64_t)fold->filter.from_ms > length;
    return !outside;
}

/* Of a group that no other block touches. Any member. */
static int take_block(void *arg, const struct crew_member *member, const struct block *block)
{
    struct fold *fold = arg;
    if (has_only_wanted_times(fold, block))
        return fold->sink->take(fold->sink->arg, member, block);
    int err = make_share(fold, member);
    struct fold_share *share = fold->shares[member->number];
    int64_t from_ms = fold->filter.from_ms, last_ms = block_last_ms(fold->filter.to_ms);
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        share->items[share->count] = block->items[i];
        share->times_ms[share->count] = block->times_ms[i];
        share->values[share->count] = block->values[i];
        share->count += block->times_ms[i] >= from_ms && block->times_ms[i] <= last_ms;
        if (share->count == SHARE_POINTS)
            err = hand_over(fold, member, block);
    }
    return err == 0 ? hand_over(fold, member, block) : err;
}

/* Of a group of which some series are touched: their points are collected. The read's own worker,
 * while others take blocks. */
static int take_untouched(struct fold *fold, const struct block *block)
{
    const struct crew_member self = {.session = fold->source->session,
                                     .guard = fold->source->guard};
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    int err = make_share(fold, &self);
    struct fold_share *share = fold->shares[0];
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        if (!is_wanted(fold, block, i))
            continue;
        series.item = block->items[i];
        uint32_t position = hash_index_find(&fold->series_index, series_hash(&series), series_eq,
                                            fold->series.v, &series);
        if (position != HASH_NONE) {
            err = collect(fold, block, i, position);
            continue;
        }
        share->items[share->count] = block->items[i];
        share->times_ms[share->count] = block->times_ms[i];
        share->values[share->count++] = block->values[i];
        if (share->count == SHARE_POINTS)
            err = hand_over(fold, &self, block);
    }
    return err == 0 ? hand_over(fold, &self, block) : err;
}

static int relay_fresh(void *arg, const struct block *block)
{
    struct fold *fold = arg;
    if (!is_selected(fold, block))
        return 0;
    if (fold->groups.n == 0 || !is_touched(fold, block))
        return relay_block(fold->relay, block);
    struct block open;
    int err = relay_open(fold->relay, block, &open);
    return err != 0 ? err : take_untouched(fold, &open);
}

static bool point_before(const struct fold_point *a, const struct fold_point *b)
{
    if (a->series != b->series)
        return a->series < b->series;
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms;
    return a->order < b->order;
}

static int merge_runs(struct fold *fold, const struct fold_point *from, struct fold_point *to,
                      uint64_t width)
{
    uint64_t n = fold->points.n;
    uint64_t unchecked = 0;
    for (uint64_t lo = 0; lo < n; lo += 2 * width) {
        uint64_t mid = lo + width < n ? lo + width : n;
        uint64_t hi = lo + 2 * width < n ? lo + 2 * width : n;
        uint64_t a = lo, b = mid;
        for (uint64_t i = lo; i < hi; i++) {
            bool second = a == mid || (b < hi && point_before(&from[b], &from[a]));
            to[i] = from[second ? b++ : a++];
            if (++unchecked == POINTS_BETWEEN_CHECKS) {
                int err = read_guard_check(fold->source->guard);
                if (err != 0)
                    return err;
                unchecked = 0;
            }
        }
    }
    return 0;
}

/* A merge sort of our own: it is stable, so that points of one flush keep their order, and, unlike
 * qsort, it ends when the read is killed. */
static int sort_points(struct fold *fold)
{
    size_t bytes = (size_t)fold->points.n * sizeof(struct fold_point);
    int err = read_guard_charge(fold->source->guard, bytes);
    if (err != 0)
        return err;
    struct fold_point *spare = malloc(bytes > 0 ? bytes : 1);
    if (spare == NULL) {
        scratch_release(fold->source->guard, bytes);
        return LT_ENOMEM;
    }
    struct fold_point *from = fold->points.v, *to = spare;
    for (uint64_t width = 1; width < fold->points.n && err == 0; width *= 2) {
        err = merge_runs(fold, from, to, width);
        struct fold_point *swap = from;
        from = to;
        to = swap;
    }
    if (err == 0 && from == spare)
        memcpy(fold->points.v, spare, bytes);
    free(spare);
    scratch_release(fold->source->guard, bytes);
    return err;
}

static int fold_collected(struct fold *fold)
{
    int err = sort_points(fold);
    const struct fold_point *points = fold->points.v;
    for (uint32_t i = 0, next; i < fold->points.n && err == 0; i = next) {
        double value = NAN;
        bool present = false;
        for (next = i; next < fold->points.n && points[next].series == points[i].series &&
                       points[next].time_ms == points[i].time_ms;
             next++)
            policy_step(points[next].policy, points[next].value, &present, &value);
        if (present)
            err = fold->sink->add(fold->sink->arg, &fold->series.v[points[i].series],
                                  points[i].time_ms, value);
        if (err == 0 && next / POINTS_BETWEEN_CHECKS != i / POINTS_BETWEEN_CHECKS)
            err = read_guard_check(fold->source->guard);
    }
    return err;
}

/* ---- hidden runs ---- */

static bool holds_time(const struct storage_run *run, int64_t time_ms)
{
    return time_ms >= storage_run_from_ms(run) && time_ms < storage_run_to_ms(run);
}

/* Of a hidden run: points of series that were written again. */
static int recall_block(void *arg, const struct block *block)
{
    struct fold *fold = arg;
    if (!is_selected(fold, block))
        return 0;
    struct fold_series series = {block->category, block->dimension, block->host, 0};
    int err = 0;
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        if (!is_wanted(fold, block, i))
            continue;
        series.item = block->items[i];
        uint32_t position = hash_index_find(&fold->series_index, series_hash(&series), series_eq,
                                            fold->series.v, &series);
        if (position == HASH_NONE)
            continue;
        err = fold->sink->retract(fold->sink->arg, &series, block->times_ms[i], block->values[i]);
        if (err == 0)
            err = collect(fold, block, i, position);
    }
    return err;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The items of the touched series, ascending, each once. The caller frees them. */
static int touched_items(const struct fold *fold, uint32_t **items_out, uint32_t *count_out)
{
    uint32_t *items = malloc(fold->series.n * sizeof(*items) + 1);
    if (items == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < fold->series.n; i++)
        items[i] = fold->series.v[i].item;
    qsort(items, fold->series.n, sizeof(*items), compare_u32);
    uint32_t n = 0;
    for (uint32_t i = 0; i < fold->series.n; i++)
        if (n == 0 || items[n - 1] != items[i])
            items[n++] = items[i];
    *items_out = items;
    *count_out = n;
    return 0;
}

/* Which hidden runs hold times that were written again? */
static uint32_t mark_touched(const struct fold *fold, struct fold_hidden *hidden, uint32_t count)
{
    uint32_t touched = 0;
    for (uint32_t h = 0; h < count; h++) {
        hidden[h].touched = false;
        for (uint32_t i = 0; i < fold->points.n && !hidden[h].touched; i++)
            hidden[h].touched = holds_time(hidden[h].run, fold->points.v[i].time_ms);
        touched += hidden[h].touched;
    }
    return touched;
}

/* A series that was touched in one run is collected there alone: in runs that no point was written
 * to again its summary stands. */
static int recall(struct fold *fold, const struct fold_hidden *hidden, uint32_t count)
{
    uint32_t *items, items_count;
    struct block_filter filter = fold->filter;
    int err = touched_items(fold, &items, &items_count);
    if (err != 0)
        return err;
    filter.items = items;
    filter.items_count = items_count;
    for (uint32_t h = 0; h < count && err == 0; h++)
        if (hidden[h].touched)
            err = source_scan_run(fold->source, hidden[h].run, &filter, recall_block, fold);
    free(items);
    return err;
}

static int fold_fresh(struct fold *fold, const struct storage_run *const *except,
                      uint32_t except_count)
{
    const struct fold_sink *sink = fold->sink;
    fold->filter.fresh = true;
    if (sink->take == NULL)
        return source_scan_except(fold->source, &fold->filter, except, except_count,
                                  sink->ordered ? collect_block : add_block, fold);
    int err = relay_create(sink->read, take_block, fold, &fold->relay);
    if (err != 0)
        return err;
    struct block_filter filter = fold->filter;
    filter.sealed = true;
    err = source_scan_except(fold->source, &filter, except, except_count, relay_fresh, fold);
    if (err == 0)
        err = relay_finish(fold->relay);
    relay_destroy(&fold->relay);
    return err;
}

static int fold_steps(struct fold *fold, struct fold_hidden *hidden, uint32_t hidden_count)
{
    const struct fold_sink *sink = fold->sink;
    const struct storage_run **except = NULL;
    fold->filter.fresh = false;
    int err = source_scan(fold->source, &fold->filter, collect_block, fold);
    if (err != 0)
        return err;
    uint32_t touched = mark_touched(fold, hidden, hidden_count);
    if (touched > 0 && (sink->retract == NULL || fold->series.n > TOUCHED_MAX))
        return FOLD_TOUCHED;
    if (hidden_count > 0) {
        except = malloc(hidden_count * sizeof(struct storage_run *));
        if (except == NULL)
            return LT_ENOMEM;
        for (uint32_t i = 0; i < hidden_count; i++)
            except[i] = hidden[i].run;
    }
    err = fold_fresh(fold, except, hidden_count);
    free(except);
    if (err == 0 && touched > 0)
        err = recall(fold, hidden, hidden_count);
    return err != 0 ? err : fold_collected(fold);
}

int fold_run_hiding(struct source *source, const struct block_filter *filter,
                    const struct fold_sink *sink, struct fold_hidden *hidden, uint32_t hidden_count)
{
    struct fold fold = {.source = source, .sink = sink, .filter = *filter};
    hash_index_init(&fold.series_index);
    hash_index_init(&fold.groups_index);
    int err = fold_steps(&fold, hidden, hidden_count);
    scratch_release(source->guard,
                    hash_index_bytes(&fold.series_index) + hash_index_bytes(&fold.groups_index));
    SCRATCH_FREE(source->guard, &fold.series);
    SCRATCH_FREE(source->guard, &fold.groups);
    SCRATCH_FREE(source->guard, &fold.points);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        if (fold.shares[i] != NULL)
            scratch_release(source->guard, sizeof(*fold.shares[i]));
        free(fold.shares[i]);
    }
    hash_index_fini(&fold.series_index);
    hash_index_fini(&fold.groups_index);
    return err;
}

int fold_run(struct source *source, const struct block_filter *filter, const struct fold_sink *sink)
{
    return fold_run_hiding(source, filter, sink, NULL, 0);
}

/* ---- one series ---- */

struct one {
    const struct fold_series *series;
    int (*add)(void *arg, const struct fold_series *series, int64_t time_ms, double value);
    void *arg;
};

bool fold_may_hold(const struct block *block, const struct fold_series *series)
{
    return block->category == series->category && block->dimension == series->dimension &&
           block->host == series->host;
}

struct block_filter fold_filter_of(const struct fold_series *series, int64_t from_ms, int64_t to_ms)
{
    return (struct block_filter){.category = series->category,
                                 .dimensions = &series->dimension,
                                 .dimensions_count = 1,
                                 .hosts = &series->host,
                                 .hosts_count = 1,
                                 .items = &series->item,
                                 .items_count = 1,
                                 .from_ms = from_ms,
                                 .to_ms = to_ms};
}

static bool select_one(void *arg, const struct block *block)
{
    return fold_may_hold(block, ((const struct one *)arg)->series);
}

static bool wants_one(void *arg, uint32_t item)
{
    return item == ((const struct one *)arg)->series->item;
}

static int add_one(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    const struct one *one = arg;
    return one->add(one->arg, series, time_ms, value);
}

int fold_one(struct source *source, const struct fold_series *series, int64_t from_ms,
             int64_t to_ms, bool ordered,
             int (*add)(void *arg, const struct fold_series *series, int64_t time_ms, double value),
             void *arg)
{
    struct one one = {series, add, arg};
    const struct block_filter filter = fold_filter_of(series, from_ms, to_ms);
    const struct fold_sink sink = {
        .select = select_one, .wants = wants_one, .add = add_one, .arg = &one, .ordered = ordered};
    return fold_run(source, &filter, &sink);
}
