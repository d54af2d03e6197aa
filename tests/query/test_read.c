#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/sum.h"
#include "model/name.h"
#include "support_model.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Random points, cuts and flushes; every kind of read against sums over plain arrays. */

enum { CASES = 3000, DENSE_CASES = 6, KEYS_MAX = 14 };

/* ---- POINTS and LAST ---- */

static void check_points(struct model *m)
{
    char key[64];
    int host = (int)world_random(&m->world, HOSTS), metric = (int)world_random(&m->world, METRICS);
    struct slice keys[] = {slice_make(key, (size_t)model_key(key, host, metric))};
    struct query_spec spec = {.what = QUERY_POINTS, .keys = keys, .keys_count = 1};
    model_random_range(m, &spec.from_ms, &spec.to_ms);
    spec.limit = world_random(&m->world, 2) == 0 ? 0 : 1 + world_random(&m->world, 5);
    const struct model_point *points = m->series[host][metric].v;
    uint32_t n = m->series[host][metric].n, seen = 0;

    union query_result *result = model_ask(m, &spec);
    assert_true(result->points.source.complete || m->world.next < m->world.lo);
    assert_int_equal(result->points.known, n > 0);
    for (uint32_t i = 0; i < n && (spec.limit == 0 || seen < spec.limit); i++) {
        if (points[i].time_ms < spec.from_ms || points[i].time_ms >= spec.to_ms)
            continue;
        assert_true(seen < result->points.count);
        assert_int_equal(result->points.times_ms[seen], points[i].time_ms);
        assert_true(same_double(result->points.values[seen], points[i].value));
        seen++;
    }
    assert_int_equal(seen, result->points.count);
    query_result_free(&result);

    spec =
        (struct query_spec){.what = QUERY_LAST, .keys = keys, .keys_count = 1, .to_ms = INT64_MAX};
    result = model_ask(m, &spec);
    assert_int_equal(result->points.known, n > 0);
    assert_int_equal(result->points.count, n > 0 ? 1 : 0);
    if (n > 0) {
        assert_int_equal(result->points.times_ms[0], points[n - 1].time_ms);
        assert_true(same_double(result->points.values[0], points[n - 1].value));
    }
    query_result_free(&result);
}

/* ---- SAMPLES: rows by bucket, by whichever way, against those of the model's points ---- */

struct sample_row {
    int64_t time_ms;
    double values[AGGREGATORS_MAX];
};

struct sample_rows {
    VEC(struct sample_row) rows;
    uint32_t columns;
};

static int keep_sample_row(void *arg, int64_t time_ms, const double *values)
{
    struct sample_rows *rows = arg;
    struct sample_row row = {.time_ms = time_ms};
    memcpy(row.values, values, rows->columns * sizeof(*values));
    assert_true(VEC_PUSH(&rows->rows, row));
    return 0;
}

static void model_rows(const struct model *m, const struct samples_spec *spec, int host, int metric,
                       struct sample_rows *out)
{
    struct window_rule rule = {.aggregators = spec->aggregators[0],
                               .bucket_ms = spec->bucket_ms,
                               .align_ms = spec->align_ms,
                               .empty = spec->empty,
                               .from_ms = spec->from_ms,
                               .last_ms = spec->last_ms};
    const struct model_point *points = m->series[host][metric].v;
    uint32_t n = m->series[host][metric].n;
    int64_t *times = malloc((n + 1) * sizeof(*times));
    double *values = malloc((n + 1) * sizeof(*values));
    struct window_points in = {0}, before = {0}, after = {0};
    for (uint32_t i = 0; i < n; i++) {
        times[i] = points[i].time_ms;
        values[i] = points[i].value;
        struct window_points one = {&times[i], &values[i], 1};
        if (times[i] < spec->from_ms)
            before = isnan(values[i]) ? before : one;
        else if (times[i] > spec->last_ms)
            after = after.count > 0 || isnan(values[i]) ? after : one;
        else if (in.count++ == 0)
            in = one;
    }
    out->columns = rule.aggregators.n;
    assert_int_equal(window_run(&rule, &in, &before, &after, keep_sample_row, out), 0);
    free(times);
    free(values);
}

static bool about(double a, double b)
{
    return same_double(a, b) || fabs(a - b) <= 1e-9 * (fabs(a) + 1);
}

/* A few, or so many that several workers take their points. */
static uint32_t random_keys_count(struct model *m)
{
    return 1 + world_random(&m->world, world_random(&m->world, 2) == 0 ? 4 : KEYS_MAX);
}

static void check_samples(struct model *m)
{
    static const int64_t buckets_ms[] = {1000, 7000, 60000, 120000, 600000, 3600000, 5400000};
    static const char *const lists[] = {"avg",  "sum,count,min,max,range", "first,last,avg",
                                        "sum",  "twa,std.p,sum",           "countall,max",
                                        "count"};
    struct samples_spec samples = {.bucket_ms = buckets_ms[world_random(&m->world, 7)],
                                   .empty = world_random(&m->world, 2) == 0,
                                   .reverse = world_random(&m->world, 2) == 0};
    struct aggregator_list list;
    model_random_range(m, &samples.from_ms, &samples.last_ms);
    if (world_random(&m->world, 2) == 0)
        samples.from_ms -= samples.from_ms % 60000;
    samples.last_ms -= world_random(&m->world, 3) == 0;
    if (world_random(&m->world, 3) == 0)
        samples.align_ms = world_random(&m->world, 4) * INT64_C(20000);
    assert_int_equal(aggregator_list_parse(slice_str(lists[world_random(&m->world, 7)]), &list), 0);
    samples.aggregators = &list;
    samples.aggregators_count = 1;
    char text[KEYS_MAX][64];
    struct slice keys[KEYS_MAX];
    int host[KEYS_MAX], metric[KEYS_MAX];
    uint32_t count = random_keys_count(m);
    for (uint32_t k = 0; k < count; k++) {
        int pick = (int)world_random(&m->world, ARRAY_LEN(dense));
        host[k] = m->dense ? pick % 2 : (int)world_random(&m->world, HOSTS);
        metric[k] = m->dense ? dense[pick] : (int)world_random(&m->world, METRICS);
        keys[k] = slice_make(text[k], (size_t)model_key(text[k], host[k], metric[k]));
    }
    struct query_spec spec = {
        .what = QUERY_SAMPLES, .keys = keys, .keys_count = count, .samples = &samples};
    union query_result *result = model_ask(m, &spec);
    for (uint32_t k = 0; k < count; k++) {
        const struct result_sample_series *got = &result->samples.series[k];
        struct sample_rows want = {.columns = 0};
        assert_int_equal(got->known, m->series[host[k]][metric[k]].n > 0);
        model_rows(m, &samples, host[k], metric[k], &want);
        assert_int_equal(got->rows.count, want.rows.n);
        for (uint32_t i = 0; i < got->rows.count; i++) {
            const struct sample_row *row = &want.rows.v[samples.reverse ? want.rows.n - 1 - i : i];
            assert_int_equal(got->rows.times_ms[i], row->time_ms);
            for (uint32_t c = 0; c < list.n; c++)
                if (!about(got->rows.values[i * list.n + c], row->values[c]))
                    fail_msg("%s of %.*s at %lld: %.17g, expected %.17g",
                             aggregator_text((enum aggregator)list.v[c]), (int)keys[k].n, keys[k].p,
                             (long long)row->time_ms, got->rows.values[i * list.n + c],
                             row->values[c]);
        }
        VEC_FINI(&want.rows);
    }
    query_result_free(&result);
}

/* ---- RANGE ---- */

static enum kind kind_of(int metric)
{
    if (strncmp(metrics[metric], "host.queries.", 13) == 0)
        return KIND_DELTA;
    return strncmp(metrics[metric], "host.net.", 9) == 0 ? KIND_COUNTER : KIND_GAUGE;
}

static int collector_of(int metric)
{
    struct slice name = name_collector(slice_str(metrics[metric]));
    for (int i = 0; i < 3; i++)
        if (slice_eq_str(name, collectors[i]))
            return i;
    return -1;
}

static uint32_t beats_in(const struct model *m, int host, int metric, int64_t from, int64_t to)
{
    uint32_t n = 0;
    int collector = collector_of(metric);
    for (int s = 0; s < SPAN_S && collector >= 0; s++)
        n += m->reported[host][collector][s] && (BASE_S + s) * INT64_C(1000) >= from &&
             (BASE_S + s) * INT64_C(1000) < to;
    return n;
}

/* The bucket [from, to) of a read that starts at range_from. */
static struct result_bucket expect_bucket(const struct model *m, int host, int metric,
                                          enum aggregate aggregate, int64_t range_from,
                                          int64_t look_back, int64_t from, int64_t to)
{
    const struct model_point *points = m->series[host][metric].v;
    uint32_t n = m->series[host][metric].n;
    bool counter_rate = aggregate == AGGREGATE_RATE && kind_of(metric) == KIND_COUNTER;
    double sum = 0, min = INFINITY, max = -INFINITY, first = 0, last = 0, before = NAN;
    int64_t before_ms = 0, covered = 0;
    uint32_t count = 0, beats = beats_in(m, host, metric, from, to);
    bool any = false;
    for (uint32_t i = 0; i < n && points[i].time_ms < to; i++) {
        double value = points[i].value;
        int64_t time_ms = points[i].time_ms;
        if (time_ms < range_from - look_back)
            continue;
        bool inside = time_ms >= from;
        any |= inside;
        if (isnan(value))
            continue;
        if (inside && (!counter_rate || !isnan(before))) {
            sum += !counter_rate ? value : value >= before ? value - before : value;
            covered += time_ms - before_ms;
            min = fmin(min, value);
            max = fmax(max, value);
            first = count == 0 ? value : first;
            last = value;
            count++;
        }
        before = value;
        before_ms = time_ms;
    }
    struct result_bucket b = {.time_ms = from, .value = NAN};
    if (count == 0) {
        b.state = any ? BUCKET_ABSENT : beats == 0 ? BUCKET_NOT_COLLECTED : BUCKET_ABSENT;
        if (!any && beats > 0 && kind_of(metric) == KIND_DELTA) {
            b.state = BUCKET_ZERO;
            b.value = 0;
        }
        return b;
    }
    double seconds = counter_rate ? (double)covered / 1000
                     : beats > 0  ? beats
                                  : (double)(to - from) / 1000;
    double values[] = {
        [AGGREGATE_AVG] = sum / count, [AGGREGATE_SUM] = sum,           [AGGREGATE_MIN] = min,
        [AGGREGATE_MAX] = max,         [AGGREGATE_COUNT] = count,       [AGGREGATE_FIRST] = first,
        [AGGREGATE_LAST] = last,       [AGGREGATE_RATE] = sum / seconds};
    b.value = values[aggregate];
    b.state = BUCKET_VALUE;
    return b;
}

static void check_series(const struct model *m, const struct query_spec *spec, int host, int metric,
                         int64_t resolution_ms, const struct result_series *series)
{
    static const enum aggregate defaults[] = {AGGREGATE_AVG, AGGREGATE_SUM, AGGREGATE_RATE};
    bool known = series->known; /* host and metric are, together or not */
    assert_true(known || m->series[host][metric].n == 0);
    enum aggregate aggregate =
        spec->aggregate_given ? spec->aggregate : defaults[known ? kind_of(metric) : KIND_GAUGE];
    assert_string_equal(series->aggregate, aggregate_text(aggregate));
    int64_t look_back = spec->step_ms > 60000 ? spec->step_ms : 60000;
    double before = NAN;
    uint32_t i = 0;
    for (int64_t from = spec->from_ms; from < spec->to_ms; from += spec->step_ms, i++) {
        int64_t to = from + spec->step_ms < spec->to_ms ? from + spec->step_ms : spec->to_ms;
        struct result_bucket b =
            expect_bucket(m, host, metric, aggregate, spec->from_ms, look_back, from, to);
        if (!known && b.state == BUCKET_ZERO)
            b = (struct result_bucket){from, NAN, BUCKET_ABSENT};
        if (isnan(b.value))
            b.value = spec->fill == FILL_ZERO ? 0 : spec->fill == FILL_LAST ? before : NAN;
        before = b.value;
        assert_true(i < series->buckets_count);
        assert_int_equal(series->buckets[i].time_ms, from);
        assert_string_equal(bucket_state_text(series->buckets[i].state),
                            bucket_state_text(b.state));
        if (aggregate == AGGREGATE_RATE && resolution_ms > 1000)
            continue; /* a counter's minute counts as its last point: another number */
        if (aggregate == AGGREGATE_RATE && !isnan(b.value))
            assert_true(fabs(series->buckets[i].value - b.value) <= fabs(b.value) * 1e-12);
        else
            assert_true(same_double(series->buckets[i].value, b.value));
    }
    assert_int_equal(i, series->buckets_count);
}

static void check_range(struct model *m)
{
    char text[KEYS_MAX][64];
    struct slice keys[KEYS_MAX];
    int host[KEYS_MAX], metric[KEYS_MAX];
    struct query_spec spec = {.what = QUERY_RANGE, .keys = keys};
    model_random_range(m, &spec.from_ms, &spec.to_ms);
    spec.keys_count = random_keys_count(m);
    spec.step_ms = 1000 * (1 + world_random(&m->world, 40)) *
                   (spec.to_ms > (BASE_S + 60) * INT64_C(1000) ? 60 : 1);
    /* By minute: a minute counts where it starts. Not at the range's own bounds. */
    if (spec.step_ms >= 600 * 1000) {
        spec.from_ms -= spec.from_ms % 60000;
        if (world_random(&m->world, 3) == 0) {
            spec.from_ms += (int64_t)world_random(&m->world, 60) * 1000;
            spec.from_ms = spec.from_ms < spec.to_ms ? spec.from_ms : spec.to_ms - 1000;
            spec.step_ms = spec.to_ms - spec.from_ms;
        }
    }
    spec.aggregate = (enum aggregate)world_random(&m->world, 8);
    spec.aggregate_given = world_random(&m->world, 3) > 0;
    spec.fill = (enum fill)world_random(&m->world, 3);
    for (uint32_t i = 0; i < spec.keys_count; i++) {
        host[i] = (int)world_random(&m->world, HOSTS);
        metric[i] = (int)world_random(&m->world, METRICS);
        if (m->dense) {
            uint32_t series = world_random(&m->world, ARRAY_LEN(dense));
            host[i] = (int)(series % 2);
            metric[i] = dense[series];
        }
        if (spec.aggregate == AGGREGATE_RATE && kind_of(metric[i]) == KIND_GAUGE)
            spec.aggregate_given = false;
        keys[i] = slice_make(text[i], (size_t)model_key(text[i], host[i], metric[i]));
    }
    union query_result *result = model_ask(m, &spec);
    assert_int_equal(result->range.series_count, spec.keys_count);
    for (uint32_t i = 0; i < spec.keys_count; i++) {
        assert_true(slice_eq(result->range.series[i].key, keys[i]));
        check_series(m, &spec, host[i], metric[i], result->range.resolution_ms,
                     &result->range.series[i]);
    }
    query_result_free(&result);
}

/* ---- TOPQ ---- */

struct expected_row {
    char item[64];
    int category, metric_order;
    double value[3]; /* ranked, time_us, tput */
    bool ranked;
    double parts[4];
};

static const struct {
    const char *pattern;
    const char *stem; /* what stands before the label, as the metrics begin */
    const char *after;
    const char *dimension;
} patterns[] = {
    {"host.queries.*.*.time_us", "host.queries.", "", ".time_us"},
    {"host.queries.c.*.time_us", "host.queries.c.", "", ".time_us"},
    {"host.queries.*.00000001.time_us", "host.queries.", ".00000001", ".time_us"},
    {"host.*.user", "host.", "", ".user"},
    {"host.net.*.bytes", "host.net.", "", ".bytes"},
    {"host.none.*.bytes", "host.none.", "", ".bytes"},
};

/* The label that a metric has under a pattern, if it fits with this dimension. */
static bool label_of(int pattern, const char *metric, const char *dimension, char *out)
{
    size_t n = strlen(metric), head = strlen(patterns[pattern].stem), d = strlen(dimension);
    size_t after = strlen(patterns[pattern].after);
    if (n < head + after + d || strncmp(metric, patterns[pattern].stem, head) != 0 ||
        strcmp(metric + n - d, dimension) != 0 ||
        strncmp(metric + n - d - after, patterns[pattern].after, after) != 0)
        return false;
    sprintf(out, "%.*s", (int)(n - d - after - head), metric + head);
    int dots = 0, stars = 0;
    for (const char *p = out; *p != '\0'; p++)
        dots += *p == '.';
    for (const char *p = patterns[pattern].pattern; *p != '\0'; p++)
        stars += *p == '*';
    return out[0] != '\0' && dots == stars - (stars > 0) && (stars > 0 || out[0] == '\0');
}

/* sum, count, max or sum again for avg; *points counts. */
static double value_over(const struct model *m, const struct query_spec *spec, uint32_t host_mask,
                         int metric, int64_t from, int64_t to, double *sum, double *max,
                         uint64_t *points)
{
    for (int h = 0; h < HOSTS; h++) {
        for (uint32_t i = 0; i < m->series[h][metric].n && (host_mask >> h & 1) != 0; i++) {
            struct model_point p = m->series[h][metric].v[i];
            if (p.time_ms < from || p.time_ms >= to || isnan(p.value))
                continue;
            *sum += p.value;
            *max = *points == 0 ? p.value : fmax(*max, p.value);
            ++*points;
        }
    }
    switch (spec->rank) {
    case AGGREGATE_COUNT:
        return (double)*points;
    case AGGREGATE_MAX:
        return *points > 0 ? *max : NAN;
    case AGGREGATE_AVG:
        return *points > 0 ? *sum / (double)*points : NAN;
    default:
        return *sum;
    }
}

static bool contains(const char *text, const char *part)
{
    char folded[64];
    size_t n = strlen(text);
    for (size_t i = 0; i <= n; i++)
        folded[i] = (char)tolower((unsigned char)text[i]);
    return strstr(folded, part) != NULL;
}

struct topq_case {
    int pattern;
    uint32_t host_mask;
    const char *match;
};

/* The aggregate of `dimension` over all items of the case but those in skip. */
static double expect_over_items(const struct model *m, const struct query_spec *spec,
                                const struct topq_case *c, const char *dimension,
                                const struct slice *skip, uint32_t skip_count, int64_t from,
                                int64_t to, uint64_t *items)
{
    double sum = 0, max = 0, value = value_over(m, spec, 0, 0, 0, 0, &sum, &max, &(uint64_t){0});
    uint64_t points = 0;
    char label[64];
    for (int metric = 0; metric < METRICS; metric++) {
        if (!label_of(c->pattern, metrics[metric], dimension, label) || !contains(label, c->match))
            continue;
        bool skipped = false;
        for (uint32_t i = 0; i < skip_count; i++)
            skipped |= slice_eq_str(skip[i], label);
        uint64_t before = points;
        if (!skipped)
            value = value_over(m, spec, c->host_mask, metric, from, to, &sum, &max, &points);
        *items += points > before;
    }
    return value;
}

static void check_column(const struct model *m, const struct query_spec *spec,
                         const struct topq_case *c, const char *dimension,
                         const struct result_topq *topq, int column)
{
    struct slice labels[8];
    double rows = 0;
    uint64_t items = 0;
    for (uint32_t i = 0; i < topq->rows_count; i++)
        labels[i] = topq->rows[i].item;
    for (uint32_t i = 0; i < topq->rows_count; i++) {
        char label[64];
        double expected = spec->rank == AGGREGATE_SUM || spec->rank == AGGREGATE_COUNT ? 0 : NAN;
        double got = column < 0 ? topq->rows[i].value : topq->rows[i].with[column];
        for (int metric = 0; metric < METRICS; metric++)
            if (label_of(c->pattern, metrics[metric], dimension, label) &&
                slice_eq_str(labels[i], label))
                expected = value_over(m, spec, c->host_mask, metric, spec->from_ms, spec->to_ms,
                                      &(double){0}, &(double){0}, &(uint64_t){0});
        assert_true(same_double(got, expected));
        rows += got;
    }
    double rest = column < 0 ? topq->rest.value : topq->rest.with[column];
    double total = column < 0 ? topq->total.value : topq->total.with[column];
    assert_true(same_double(rest, expect_over_items(m, spec, c, dimension, labels, topq->rows_count,
                                                    spec->from_ms, spec->to_ms, &items)));
    if (column < 0)
        assert_int_equal(items, topq->rest_items);
    items = 0;
    assert_true(same_double(total, expect_over_items(m, spec, c, dimension, NULL, 0, spec->from_ms,
                                                     spec->to_ms, &items)));
    if (column < 0)
        assert_int_equal(items, topq->total_items);
    if (topq->shares)
        assert_true(rows + rest == total);
}

static void check_sparklines(const struct model *m, const struct query_spec *spec,
                             const struct topq_case *c, const char *dimension,
                             const struct result_topq *topq)
{
    for (uint32_t p = 0; p < spec->sparkline; p++) {
        /* Part p is the times t with floor((t - from) x n / length) = p; of whole minutes, where
         * parts are long, or are a number of minutes. */
        int64_t length = spec->to_ms - spec->from_ms, n = spec->sparkline;
        int64_t from = spec->from_ms + (p * length + n - 1) / n;
        int64_t to = spec->from_ms + ((p + 1) * length + n - 1) / n;
        if (length / n >= 600000 || (length % n == 0 && length / n % 60000 == 0)) {
            from = p == 0 ? from : (from + 59999) / 60000 * 60000;
            to = p + 1 == n ? to : (to + 59999) / 60000 * 60000;
        }
        uint64_t items = 0;
        char label[64];
        assert_true(
            same_double(topq->total.sparkline[p],
                        expect_over_items(m, spec, c, dimension, NULL, 0, from, to, &items)));
        for (uint32_t i = 0; i < topq->rows_count; i++)
            for (int metric = 0; metric < METRICS; metric++)
                if (label_of(c->pattern, metrics[metric], dimension, label) &&
                    slice_eq_str(topq->rows[i].item, label))
                    assert_true(
                        same_double(topq->rows[i].sparkline[p],
                                    value_over(m, spec, c->host_mask, metric, from, to,
                                               &(double){0}, &(double){0}, &(uint64_t){0})));
    }
}

/* The series behind a row. */
static struct catalog_series row_series(const struct model *m, int pattern,
                                        const struct result_row *row)
{
    char metric[128];
    struct catalog_series series;
    int n = sprintf(metric, "%s%.*s%s%s", patterns[pattern].stem, (int)row->item.n, row->item.p,
                    patterns[pattern].after, patterns[pattern].dimension);
    assert_true(catalog_find_series(m->world.catalog, slice_make(metric, (size_t)n), &series));
    return series;
}

static void check_order(const struct model *m, int pattern, const struct result_topq *topq)
{
    for (uint32_t i = 1; i < topq->rows_count; i++) {
        struct catalog_series a = row_series(m, pattern, &topq->rows[i - 1]);
        struct catalog_series b = row_series(m, pattern, &topq->rows[i]);
        assert_true(topq->rows[i - 1].value >= topq->rows[i].value);
        if (topq->rows[i - 1].value == topq->rows[i].value)
            assert_true(a.category < b.category || (a.category == b.category && a.item < b.item));
    }
}

static void check_topq(struct model *m)
{
    static const enum aggregate ranks[] = {AGGREGATE_SUM, AGGREGATE_COUNT, AGGREGATE_MAX,
                                           AGGREGATE_AVG};
    static const char *const matches[] = {"", "", "", "1", "C.", "eth"};
    static const char *const folded[] = {"", "", "", "1", "c.", "eth"};
    struct slice names[HOSTS + 1];
    const struct slice with[] = {SLICE_LIT("tput"), SLICE_LIT("unknown"), SLICE_LIT("time_us")};
    uint32_t match = world_random(&m->world, ARRAY_LEN(matches));
    struct topq_case c = {.pattern = (int)world_random(&m->world, ARRAY_LEN(patterns)),
                          .host_mask = world_random(&m->world, 16),
                          .match = folded[match]};
    struct query_spec spec = {.what = QUERY_TOPQ,
                              .limit = world_random(&m->world, 5),
                              .rank = ranks[world_random(&m->world, 4)],
                              .pattern = slice_str(patterns[c.pattern].pattern),
                              .match = slice_str(matches[match]),
                              .with = with,
                              .with_count = world_random(&m->world, 4),
                              .hosts = names,
                              .sparkline = world_random(&m->world, 5)};
    model_random_range(m, &spec.from_ms, &spec.to_ms);
    for (int h = 0; h < HOSTS; h++)
        if ((c.host_mask >> h & 1) != 0)
            names[spec.hosts_count++] = slice_str(hosts[h]);
    if (world_random(&m->world, 2) == 0)
        names[spec.hosts_count++] = SLICE_LIT("nowhere");
    if (spec.hosts_count == 0)
        c.host_mask = 15;

    union query_result *result = model_ask(m, &spec);
    const struct result_topq *topq = &result->topq;
    assert_int_equal(topq->rows_count,
                     spec.limit < topq->total_items ? spec.limit : topq->total_items);
    check_column(m, &spec, &c, patterns[c.pattern].dimension, topq, -1);
    check_sparklines(m, &spec, &c, patterns[c.pattern].dimension, topq);
    static const char *const with_dimensions[] = {".tput", ".unknown", ".time_us"};
    for (uint32_t i = 0; i < spec.with_count; i++)
        check_column(m, &spec, &c, with_dimensions[i], topq, (int)i);
    check_order(m, c.pattern, topq);
    query_result_free(&result);
}

static void test_reads_agree_with_the_model(void **state)
{
    (void)state;
    struct model *m = malloc(sizeof(*m));
    assert_non_null(m);
    for (uint32_t seed = 1; seed <= CASES; seed++) {
        model_init(m, seed * 2654435761u);
        check_points(m);
        check_samples(m);
        check_samples(m);
        check_range(m);
        check_topq(m);
        check_topq(m);
        model_fini(m);
    }
    free(m);
}

static void test_minutes_agree_with_the_model(void **state)
{
    (void)state;
    struct model *m = malloc(sizeof(*m));
    assert_non_null(m);
    for (uint32_t seed = 1; seed <= DENSE_CASES; seed++) {
        model_init_dense(m, seed * 2654435761u);
        for (int i = 0; i < 40; i++)
            check_range(m);
        for (int i = 0; i < 120; i++)
            check_samples(m);
        model_fini(m);
    }
    free(m);
}

/* Each allocation in turn is the one too many. */
static void test_any_budget_gives_an_answer_or_the_limit(void **state)
{
    (void)state;
    struct model *m = malloc(sizeof(*m));
    assert_non_null(m);
    const struct slice with[] = {SLICE_LIT("tput"), SLICE_LIT("errors")};
    struct slice keys[] = {SLICE_LIT("db1/host.net.eth0.bytes"), SLICE_LIT("db2/host.cpu.user"),
                           SLICE_LIT("db1/host.queries.c.00000001.time_us")};
    char text[HOSTS * 3][64];
    struct slice many[HOSTS * 3]; /* so many that they are shared among workers */
    for (int i = 0; i < HOSTS * 3; i++)
        many[i] = slice_make(text[i], (size_t)model_key(text[i], i % HOSTS, i / HOSTS));
    struct aggregator_list avg, twa;
    assert_int_equal(aggregator_list_parse(SLICE_LIT("avg"), &avg), 0);
    assert_int_equal(aggregator_list_parse(SLICE_LIT("twa,max"), &twa), 0);
    struct samples_spec tallied = {.from_ms = BASE_S * INT64_C(1000),
                                   .last_ms = (BASE_S + SPAN_S) * INT64_C(1000),
                                   .bucket_ms = 60000,
                                   .aggregators = &avg,
                                   .aggregators_count = 1};
    struct samples_spec joined = tallied;
    joined.aggregators = &twa;
    joined.joined = true;
    struct query_spec specs[] = {
        {.what = QUERY_TOPQ,
         .pattern = SLICE_LIT("host.queries.*.*.time_us"),
         .match = SLICE_LIT("c"),
         .limit = 2,
         .sparkline = 3,
         .with = with,
         .with_count = 2,
         .hosts = keys,
         .hosts_count = 0},
        {.what = QUERY_RANGE, .keys = keys, .keys_count = 3, .step_ms = 600000},
        {.what = QUERY_POINTS, .keys = keys, .keys_count = 1},
        {.what = QUERY_LAST, .keys = keys, .keys_count = 1},
        {.what = QUERY_SAMPLES, .keys = keys, .keys_count = 3, .samples = &tallied},
        {.what = QUERY_SAMPLES, .keys = keys, .keys_count = 3, .samples = &joined},
        {.what = QUERY_SAMPLES, .keys = many, .keys_count = HOSTS * 3, .samples = &tallied},
    };
    model_init(m, 99);
    query_destroy(&m->query);
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        int status = LT_ELIMIT;
        uint32_t limits = 0;
        specs[i].environment = &m->world.environment;
        specs[i].command = "TEST";
        specs[i].from_ms = BASE_S * INT64_C(1000);
        specs[i].to_ms = specs[i].from_ms + SPAN_S * INT64_C(1000);
        for (size_t budget = 1; status == LT_ELIMIT; budget += 1 + budget / 64) {
            struct query_config config = {.head = &m->world.head,
                                          .executor = &m->executor.executor,
                                          .deadline_ms = 60000,
                                          .memory_bytes_max = budget,
                                          .requests_max = 1};
            uint64_t id;
            assert_int_equal(query_create(&config, &m->query), 0);
            assert_int_equal(query_submit(m->query, &specs[i], model_keep_answer, m, &id), 0);
            assert_true(inline_run(&m->executor, true));
            status = m->answer.status;
            limits += status == LT_ELIMIT;
            query_result_free(&m->answer.result);
            query_destroy(&m->query);
        }
        assert_int_equal(status, 0);
        assert_true(limits > 50);
    }
    model_fini(m);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_agree_with_the_model),
        cmocka_unit_test(test_minutes_agree_with_the_model),
        cmocka_unit_test(test_any_budget_gives_an_answer_or_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
