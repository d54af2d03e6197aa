#include "query/samples.h"

#include "port/storage_reads.h"
#include "query/rules.h"

#include <math.h>
#include <stdlib.h>

/* Points of the range, each once, in time order; and the numbers next to it. */

/* One scan: points of [from, to) of the targets, as pick takes them. */
struct scan {
    struct samples *samples;
    int64_t from_ms, to_ms;
    bool all; /* also points that do not count */
    int (*pick)(struct samples *s, struct samples_series *series, int64_t time_ms, double value);
};

/* ---- which points count ---- */

static bool has_time(const struct samples_spec *spec, int64_t time_ms)
{
    uint32_t lo = 0, hi = spec->times_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (spec->times_ms[mid] < time_ms)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < spec->times_count && spec->times_ms[lo] == time_ms;
}

static bool counts(const struct samples_spec *spec, int64_t time_ms, double value)
{
    if (spec->by_value && !(value >= spec->min && value <= spec->max))
        return false;
    return spec->times_count == 0 || has_time(spec, time_ms);
}

/* Of a rule's destination, also points whose values do not count: the row of their time must not
 * show in their place. They go when rows are among them (settle_ruled). */
static bool is_picked(const struct samples_spec *spec, const struct samples_series *series,
                      int64_t time_ms, double value)
{
    if (time_ms < series->visible_ms)
        return false;
    return series->ruled ? spec->times_count == 0 || has_time(spec, time_ms)
                         : counts(spec, time_ms, value);
}

/* ---- scans ---- */

static int add_many(void *arg, const struct fold_series *series, const int64_t *times_ms,
                    const double *values, uint32_t count)
{
    struct scan *scan = arg;
    struct samples *s = scan->samples;
    struct samples_series *target = &s->series[range_find(&s->range, series)];
    int err = 0;
    target->known = true;
    for (uint32_t i = 0; i < count && err == 0; i++)
        if (scan->all || is_picked(&s->spec, target, times_ms[i], values[i]))
            err = scan->pick(s, target, times_ms[i], values[i]);
    return err;
}

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    return add_many(arg, series, &time_ms, &value, 1);
}

static bool select_block(void *arg, const struct block *block)
{
    return range_select_block(&((struct scan *)arg)->samples->range, block);
}

static bool wants_item(void *arg, uint32_t item)
{
    return range_wants_item(&((struct scan *)arg)->samples->range, item);
}

static int scan_family(struct range *r, const struct range_family *family)
{
    struct scan *scan = r->scan;
    struct block_filter filter;
    struct fold_sink sink = {.select = select_block,
                             .wants = wants_item,
                             .add = add_point,
                             .add_many = add_many,
                             .arg = scan};
    int err = range_filter(r, family, scan->from_ms, scan->to_ms, &filter);
    return err != 0 ? err : fold_run(&r->read->source, &filter, &sink);
}

static int scan_window(struct scan *scan, int64_t from_ms, int64_t last_ms)
{
    struct samples *s = scan->samples;
    if (from_ms > last_ms)
        return 0;
    scan->from_ms = from_ms;
    scan->to_ms = last_ms < INT64_MAX ? last_ms + 1 : INT64_MAX;
    s->range.scan = scan;
    return range_each_family(&s->range, scan_family);
}

/* Both ends are included. */
static int scan_run(struct samples *s, int64_t from_ms, int64_t last_ms,
                    int (*pick)(struct samples *s, struct samples_series *series, int64_t time_ms,
                                double value))
{
    struct scan scan = {.samples = s, .pick = pick};
    return scan_window(&scan, from_ms, last_ms);
}

/* ---- the last point of each ---- */

static int keep_last(struct samples *s, struct samples_series *series, int64_t time_ms,
                     double value)
{
    if (!series->has_last || series->last_ms < time_ms)
        series->last_ms = time_ms;
    series->has_last = true;
    return 0;
}

static bool all_have_last(const struct samples *s)
{
    bool all = true;
    for (uint32_t i = 0; i < s->range.known; i++)
        all &= s->series[i].has_last;
    return all;
}

int samples_find_last(struct samples *s)
{
    int64_t from_ms[READ_WINDOWS];
    struct scan scan = {.samples = s, .all = true, .pick = keep_last};
    int err = 0;
    read_recent(from_ms);
    for (size_t i = 0; i < READ_WINDOWS && err == 0 && !all_have_last(s); i++)
        err = scan_window(&scan, from_ms[i], INT64_MAX);
    return err;
}

int64_t samples_stored_end(const struct samples *s)
{
    const struct storage_run *runs = NULL;
    uint32_t count = 0;
    int64_t end_s = 0;
    if (s->read->source.session != NULL)
        runs = storage_snapshot_runs(s->read->source.session, &count);
    for (uint32_t i = 0; i < count; i++)
        if (runs[i].resolution_s > 1 && runs[i].range.to_s > end_s)
            end_s = runs[i].range.to_s;
    return end_s * 1000 - 1;
}

/* The last row that a rule has computed may be later than a destination's own last point. */
static int note_computed_last(struct samples *s)
{
    int err = s->rules != NULL ? rules_compute_last(s->rules, false) : 0;
    for (uint32_t i = 0; err == 0 && s->rules != NULL && i < s->rules->count; i++) {
        const struct rules_row *row = &s->rules->v[i];
        if (row->points.n > 0)
            err = keep_last(s, &s->series[row->series], row->points.v[0].time_ms, 0);
    }
    return err;
}

/* ---- the first one of all ---- */

static int keep_first(struct samples *s, struct samples_series *series, int64_t time_ms,
                      double value)
{
    s->first_ms = time_ms < s->first_ms ? time_ms : s->first_ms;
    return 0;
}

/* Runs say where they begin; but for the catch-all, which is read, as the head is. */
int samples_find_first(struct samples *s, int64_t *out)
{
    struct scan scan = {.samples = s, .all = true, .pick = keep_first};
    const struct storage_run *runs = NULL;
    uint32_t count = 0;
    s->first_ms = INT64_MAX;
    if (s->read->source.session != NULL)
        runs = storage_snapshot_runs(s->read->source.session, &count);
    for (uint32_t i = 0; i < count; i++)
        if (!storage_is_catch_all(runs[i].range) && runs[i].range.from_s < s->first_ms / 1000)
            s->first_ms = runs[i].range.from_s * 1000;
    int err = s->first_ms > 0 && s->range.known > 0 ? scan_window(&scan, 0, s->first_ms - 1) : 0;
    *out = s->first_ms;
    return err;
}

int samples_settle(struct samples *s)
{
    bool needed = s->spec.cursor != SAMPLES_FROM;
    int err = 0;
    for (uint32_t i = 0; i < s->range.known; i++)
        needed |= s->series[i].retention_ms > 0;
    if (needed && s->range.known > 0)
        err = samples_find_last(s);
    if (needed && err == 0)
        err = note_computed_last(s);
    for (uint32_t i = 0; i < s->range.known && err == 0; i++) {
        struct samples_series *series = &s->series[i];
        if (series->retention_ms > 0 && series->last_ms > series->retention_ms)
            series->visible_ms = series->last_ms - series->retention_ms;
    }
    if (s->spec.cursor == SAMPLES_FROM)
        return err;
    /* One series; a point may stand at the end of time: then nothing comes after it. */
    bool found = s->range.known > 0 && s->series[0].has_last;
    s->spec.from_ms = found ? s->series[0].last_ms : 0;
    if (found && s->spec.cursor == SAMPLES_AFTER_LAST && s->spec.from_ms < INT64_MAX)
        s->spec.from_ms++;
    else if (found && s->spec.cursor == SAMPLES_AFTER_LAST)
        s->spec.last_ms = s->spec.from_ms - 1;
    return err;
}

/* ---- points of the range ---- */

static int keep_point(struct samples *s, struct samples_series *series, int64_t time_ms,
                      double value)
{
    int err = SCRATCH_RESERVE(s->read->guard, &series->points, 1);
    if (err == 0)
        series->points.v[series->points.n++] = (struct samples_point){time_ms, value};
    return err;
}

/* Where the stretch that begins at `at` stops ascending. */
static uint32_t stretch_end(const struct samples_point *v, uint32_t at, uint32_t n)
{
    uint32_t end = at + 1;
    while (end < n && v[end - 1].time_ms <= v[end].time_ms)
        end++;
    return end < n ? end : n;
}

static void merge_two(const struct samples_point *v, uint32_t at, uint32_t middle, uint32_t end,
                      struct samples_point *out)
{
    uint32_t a = at, b = middle;
    for (uint32_t i = at; i < end; i++)
        out[i] = b >= end || (a < middle && v[a].time_ms < v[b].time_ms) ? v[a++] : v[b++];
}

/* Points come stretch by stretch, each in time order: a few stretches of many points (Knuth, The
 * Art of Computer Programming, volume 3, 5.2.4, natural two-way merge). */
static int merge_stretches(struct samples *s, struct samples_points *points,
                           struct samples_point *spare)
{
    struct samples_point *from = points->v, *to = spare;
    int err = 0;
    while (err == 0 && stretch_end(from, 0, points->n) < points->n) {
        for (uint32_t at = 0, middle, end; at < points->n; at = end) {
            middle = stretch_end(from, at, points->n);
            end = middle < points->n ? stretch_end(from, middle, points->n) : middle;
            merge_two(from, at, middle, end, to);
        }
        struct samples_point *swap = from;
        from = to;
        to = swap;
        err = read_guard_check(s->read->guard);
    }
    if (from == spare)
        memcpy(points->v, spare, points->n * sizeof(*spare));
    return err;
}

int samples_sort(struct samples *s, struct samples_points *points)
{
    size_t bytes = points->n * sizeof(struct samples_point);
    if (points->n == 0 || stretch_end(points->v, 0, points->n) == points->n)
        return 0;
    int err = read_guard_charge(s->read->guard, bytes);
    if (err != 0)
        return err;
    struct samples_point *spare = malloc(bytes);
    err = spare == NULL ? LT_ENOMEM : merge_stretches(s, points, spare);
    free(spare);
    scratch_release(s->read->guard, bytes);
    return err;
}

/* The part of the range that can hold points that count. */
static void narrow(const struct samples_spec *spec, int64_t *from_ms, int64_t *last_ms)
{
    *from_ms = spec->from_ms;
    *last_ms = spec->last_ms;
    if (spec->times_count == 0)
        return;
    int64_t first_ms = spec->times_ms[0], end_ms = spec->times_ms[spec->times_count - 1];
    *from_ms = first_ms > *from_ms ? first_ms : *from_ms;
    *last_ms = end_ms < *last_ms ? end_ms : *last_ms;
}

/* The latest few points of one series are nearly always recent ones: a window that reaches to the
 * range's end and holds enough of them spares all tables before it. */
static int collect_latest(struct samples *s, int64_t from_ms, int64_t last_ms, bool *done_out)
{
    static const int64_t windows_ms[] = {3600 * INT64_C(1000), 86400 * INT64_C(1000)};
    const struct samples_spec *spec = &s->spec;
    struct samples_points *points = &s->series[0].points;
    int64_t now_ms = clock_wall_ms(), end_ms = last_ms < now_ms ? last_ms : now_ms;
    int err = 0;
    *done_out = false;
    if (!spec->reverse || spec->limit == 0 || spec->aggregators_count > 0 || s->range.known != 1 ||
        s->rules != NULL)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(windows_ms) && err == 0 && !*done_out; i++) {
        if (end_ms - windows_ms[i] <= from_ms)
            break;
        points->n = 0;
        err = scan_run(s, end_ms - windows_ms[i], last_ms, keep_point);
        *done_out = points->n >= spec->limit;
    }
    points->n = *done_out ? points->n : 0;
    return err;
}

static int collect_range(struct samples *s)
{
    int64_t from_ms, last_ms;
    bool done;
    narrow(&s->spec, &from_ms, &last_ms);
    int err = collect_latest(s, from_ms, last_ms, &done);
    if (err == 0 && !done)
        err = scan_run(s, from_ms, last_ms, keep_point);
    for (uint32_t i = 0; i < s->range.known && err == 0; i++)
        err = samples_sort(s, &s->series[i].points);
    return err;
}

/* ---- next to the range ---- */

static int keep_before(struct samples *s, struct samples_series *series, int64_t time_ms,
                       double value)
{
    if (series->ruled || isnan(value) || (series->has_before && series->before.time_ms > time_ms))
        return 0;
    series->before = (struct samples_point){time_ms, value};
    series->has_before = true;
    return 0;
}

static int keep_after(struct samples *s, struct samples_series *series, int64_t time_ms,
                      double value)
{
    if (series->ruled || isnan(value) || (series->has_after && series->after.time_ms < time_ms))
        return 0;
    series->after = (struct samples_point){time_ms, value};
    series->has_after = true;
    return 0;
}

static bool all_have_before(const struct samples *s)
{
    bool all = true;
    for (uint32_t i = 0; i < s->range.known; i++)
        all &= s->series[i].ruled || s->series[i].has_before;
    return all;
}

static bool all_have_after(const struct samples *s)
{
    bool all = true;
    for (uint32_t i = 0; i < s->range.known; i++)
        all &= s->series[i].ruled || s->series[i].has_after;
    return all;
}

/* In windows that grow away from the range: the nearest point is seldom far. */
static int collect_neighbours(struct samples *s)
{
    static const int64_t windows_ms[] = {3600 * INT64_C(1000), 86400 * INT64_C(1000), INT64_MAX};
    int64_t from_ms = s->spec.from_ms, last_ms = s->spec.last_ms;
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(windows_ms) && err == 0 && from_ms > 0; i++)
        if (!all_have_before(s))
            err = scan_run(s, from_ms > windows_ms[i] ? from_ms - windows_ms[i] : 0, from_ms - 1,
                           keep_before);
    for (size_t i = 0; i < ARRAY_LEN(windows_ms) && err == 0 && last_ms < INT64_MAX; i++)
        if (!all_have_after(s))
            err =
                scan_run(s, last_ms + 1,
                         last_ms < INT64_MAX - windows_ms[i] ? last_ms + windows_ms[i] : INT64_MAX,
                         keep_after);
    return err;
}

static bool wants_neighbours(const struct samples_spec *spec)
{
    for (uint32_t i = 0; i < spec->aggregators_count; i++)
        if (aggregator_list_has(&spec->aggregators[i], AGGREGATOR_TWA))
            return spec->from_ms <= spec->last_ms;
    return false;
}

/* ---- what rules compute ---- */

static int keep_ruled(struct samples *s, struct samples_series *series, int64_t time_ms,
                      double value)
{
    return series->ruled ? keep_point(s, series, time_ms, value) : 0;
}

/* Beside the range, too, an own point stands above the row of its time: so all of both are taken.
 */
static int collect_around(struct samples *s)
{
    int64_t from_ms, last_ms;
    narrow(&s->spec, &from_ms, &last_ms);
    int err = from_ms > 0 ? scan_run(s, 0, from_ms - 1, keep_ruled) : 0;
    if (err == 0 && last_ms < INT64_MAX)
        err = scan_run(s, last_ms + 1, INT64_MAX, keep_ruled);
    for (uint32_t i = 0; i < s->range.known && err == 0; i++)
        if (s->series[i].ruled)
            err = samples_sort(s, &s->series[i].points);
    return err;
}

/* Of rows and own points, what counts: those of the range stay, the nearest beside it are
 * neighbours. */
static void settle_ruled(struct samples *s, struct samples_series *series)
{
    const struct samples_spec *spec = &s->spec;
    uint32_t n = 0;
    for (uint32_t i = 0; i < series->points.n; i++) {
        const struct samples_point p = series->points.v[i];
        if (p.time_ms < series->visible_ms || !counts(spec, p.time_ms, p.value))
            continue;
        if (p.time_ms >= spec->from_ms && p.time_ms <= spec->last_ms) {
            series->points.v[n++] = p;
        } else if (!isnan(p.value) && p.time_ms < spec->from_ms) {
            series->before = p;
            series->has_before = true;
        } else if (!isnan(p.value) && !series->has_after) {
            series->after = p;
            series->has_after = true;
        }
    }
    series->points.n = n;
}

static int collect_computed(struct samples *s)
{
    bool neighbours = wants_neighbours(&s->spec);
    int err = neighbours ? collect_around(s) : 0;
    if (err == 0)
        err = rules_compute(s->rules, neighbours ? 0 : s->spec.from_ms,
                            neighbours ? INT64_MAX : s->spec.last_ms, s->spec.latest);
    for (uint32_t i = 0; i < s->rules->count && err == 0; i++) {
        struct rules_row *row = &s->rules->v[i];
        struct samples_series *series = &s->series[row->series];
        err = rules_merge_points(s->read->guard, &row->points, &series->points);
    }
    for (uint32_t i = 0; i < s->range.known && err == 0; i++)
        if (s->series[i].ruled)
            settle_ruled(s, &s->series[i]);
    return err;
}

int samples_collect(struct samples *s)
{
    int err = s->range.known > 0 ? collect_range(s) : 0;
    if (err == 0 && s->range.known > 0 && wants_neighbours(&s->spec))
        err = collect_neighbours(s);
    return err == 0 && s->rules != NULL ? collect_computed(s) : err;
}
