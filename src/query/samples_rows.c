#include "query/samples.h"

#include <math.h>
#include <stdlib.h>

/* Points to rows: as they are or by bucket, of each key or of all keys in one table. */

enum { ROWS_BETWEEN_CHECKS = 1 << 12, ENOUGH = 1 /* what emit returns when no row is wanted */ };

int samples_rows_push(struct read_guard *guard, struct samples_rows *rows, int64_t time_ms,
                      const double *values)
{
    int err = SCRATCH_RESERVE(guard, &rows->times, 1);
    if (err == 0)
        err = SCRATCH_RESERVE(guard, &rows->values, rows->columns);
    if (err == 0 && rows->times.n % ROWS_BETWEEN_CHECKS == 0)
        err = read_guard_check(guard);
    if (err != 0)
        return err;
    rows->times.v[rows->times.n++] = time_ms;
    memcpy(&rows->values.v[rows->values.n], values, rows->columns * sizeof(*values));
    rows->values.n += rows->columns;
    return 0;
}

void samples_rows_free(struct read_guard *guard, struct samples_rows *rows)
{
    SCRATCH_FREE(guard, &rows->times);
    SCRATCH_FREE(guard, &rows->values);
}

/* ---- of a series ---- */

struct emission {
    struct read_guard *guard;
    struct samples_rows *rows;
    uint64_t limit; /* in time order, 0: all */
};

static int emit_row(void *arg, int64_t time_ms, const double *values)
{
    struct emission *e = arg;
    int err = samples_rows_push(e->guard, e->rows, time_ms, values);
    return err == 0 && e->rows->times.n == e->limit ? ENOUGH : err;
}

/* The window takes columns. */
static int split_points(struct scratch *scratch, const struct samples_points *points,
                        struct window_points *out)
{
    int64_t *times = scratch_take_raw(scratch, points->n, sizeof(*times));
    double *values = times == NULL ? NULL : scratch_take_raw(scratch, points->n, sizeof(*values));
    if (values == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < points->n; i++) {
        times[i] = points->v[i].time_ms;
        values[i] = points->v[i].value;
    }
    *out = (struct window_points){times, values, points->n};
    return 0;
}

static int aggregate(struct samples *s, const struct samples_series *series,
                     const struct aggregator_list *aggregators, uint64_t limit,
                     struct samples_rows *rows)
{
    const struct samples_spec *spec = &s->spec;
    struct window_rule rule = {.aggregators = *aggregators,
                               .bucket_ms = spec->bucket_ms,
                               .align_ms = spec->align_ms,
                               .stamp = spec->stamp,
                               .empty = spec->empty,
                               .from_ms = spec->from_ms,
                               .last_ms = spec->last_ms};
    struct window_points points,
        before = {&series->before.time_ms, &series->before.value, series->has_before},
        after = {&series->after.time_ms, &series->after.value, series->has_after};
    struct emission emission = {s->read->guard, rows, limit};
    struct scratch scratch;
    scratch_init(&scratch, s->read->guard);
    int err = split_points(&scratch, &series->points, &points);
    if (err == 0)
        err = window_run(&rule, &points, &before, &after, emit_row, &emission);
    read_guard_release(s->read->guard, scratch.bytes);
    scratch_fini(&scratch);
    return err == ENOUGH ? 0 : err;
}

int samples_rows(struct samples *s, uint32_t key, struct samples_rows *rows)
{
    const struct samples_spec *spec = &s->spec;
    uint64_t limit = spec->reverse || spec->joined || spec->grouped ? 0 : spec->limit;
    const struct aggregator_list *aggregators = NULL;
    rows->columns = 1;
    if (spec->aggregators_count > 0) {
        aggregators = samples_aggregators(spec, key);
        rows->columns = aggregators->n;
    }
    if (s->target_of_key[key] == SAMPLES_NONE)
        return 0;
    if (s->tallied)
        return samples_tallied_rows(s, s->target_of_key[key], aggregators, limit, rows);
    const struct samples_series *series = &s->series[s->target_of_key[key]];
    if (aggregators != NULL)
        return spec->from_ms <= spec->last_ms ? aggregate(s, series, aggregators, limit, rows) : 0;
    int err = 0;
    uint32_t n = limit != 0 && limit < series->points.n ? (uint32_t)limit : series->points.n;
    for (uint32_t i = 0; i < n && err == 0; i++)
        err = samples_rows_push(s->read->guard, rows, series->points.v[i].time_ms,
                                &series->points.v[i].value);
    return err;
}

/* ---- of all keys ---- */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Every time of every key once. In the scratch. */
static int join_times(struct samples *s, const struct samples_rows *of_keys, int64_t **times_out,
                      uint64_t *count_out)
{
    uint64_t all = 0, n = 0;
    for (uint32_t k = 0; k < s->keys_count; k++)
        all += of_keys[k].times.n;
    int64_t *times = scratch_take_raw(&s->read->scratch, all, sizeof(*times));
    if (times == NULL)
        return scratch_error(&s->read->scratch);
    all = 0;
    for (uint32_t k = 0; k < s->keys_count; k++) {
        if (of_keys[k].times.n > 0)
            memcpy(&times[all], of_keys[k].times.v, of_keys[k].times.n * sizeof(*times));
        all += of_keys[k].times.n;
    }
    qsort(times, all, sizeof(*times), compare_times);
    for (uint64_t i = 0; i < all; i++)
        if (n == 0 || times[n - 1] != times[i])
            times[n++] = times[i];
    *times_out = times;
    *count_out = n;
    return 0;
}

/* A full outer join by time, cut to the limit at the end that is asked for first. */
static int join_rows(struct samples *s, const struct samples_rows *of_keys,
                     struct samples_rows *out)
{
    const struct samples_spec *spec = &s->spec;
    struct scratch *scratch = &s->read->scratch;
    uint32_t keys = s->keys_count;
    uint32_t *at = scratch_take(scratch, keys, sizeof(*at));
    out->columns = 0;
    for (uint32_t k = 0; k < keys; k++)
        out->columns += of_keys[k].columns;
    double *row = scratch_take_raw(scratch, out->columns, sizeof(*row));
    int64_t *times = NULL;
    uint64_t count = 0, first = 0;
    if (at == NULL || row == NULL)
        return scratch_error(scratch);
    int err = join_times(s, of_keys, &times, &count);
    if (err != 0)
        return err;
    if (spec->limit != 0 && spec->limit < count) {
        first = spec->reverse ? count - spec->limit : 0;
        count = first + spec->limit;
    }
    for (uint64_t i = first; i < count && err == 0; i++) {
        double *cell = row;
        for (uint32_t k = 0; k < keys; cell += of_keys[k++].columns) {
            const struct samples_rows *rows = &of_keys[k];
            while (at[k] < rows->times.n && rows->times.v[at[k]] < times[i])
                at[k]++;
            bool here = at[k] < rows->times.n && rows->times.v[at[k]] == times[i];
            for (uint32_t c = 0; c < rows->columns; c++)
                cell[c] = here ? rows->values.v[(size_t)at[k] * rows->columns + c] : (double)NAN;
        }
        err = samples_rows_push(s->read->guard, out, times[i], row);
    }
    return err;
}

/* ---- the answer ---- */

int samples_rows_keep(struct samples *s, const struct samples_rows *rows,
                      struct result_sample_rows *out)
{
    const struct samples_spec *spec = &s->spec;
    struct scratch *memory = &s->read->answer->memory;
    uint32_t n = rows->times.n, columns = rows->columns;
    if (spec->limit != 0 && spec->limit < n)
        n = (uint32_t)spec->limit;
    int64_t *times = scratch_take_raw(memory, n, sizeof(*times));
    double *values =
        times == NULL ? NULL : scratch_take_raw(memory, (uint64_t)n * columns, sizeof(*values));
    if (values == NULL)
        return scratch_error(memory);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = spec->reverse ? rows->times.n - 1 - i : i;
        times[i] = rows->times.v[from];
        memcpy(&values[(size_t)i * columns], &rows->values.v[(size_t)from * columns],
               columns * sizeof(*values));
    }
    *out = (struct result_sample_rows){
        .times_ms = times, .values = values, .columns = columns, .count = n};
    return 0;
}

static int answer_joined(struct samples *s, struct result_sample_rows *out)
{
    uint32_t keys = s->keys_count;
    struct samples_rows *of_keys = scratch_take(&s->read->scratch, keys, sizeof(*of_keys));
    struct samples_rows joined = {.columns = 0};
    if (of_keys == NULL)
        return scratch_error(&s->read->scratch);
    int err = 0;
    for (uint32_t k = 0; k < keys && err == 0; k++)
        err = samples_rows(s, k, &of_keys[k]);
    if (err == 0)
        err = join_rows(s, of_keys, &joined);
    if (err == 0)
        err = samples_rows_keep(s, &joined, out);
    for (uint32_t k = 0; k < keys; k++)
        samples_rows_free(s->read->guard, &of_keys[k]);
    samples_rows_free(s->read->guard, &joined);
    return err;
}

static int answer_each(struct samples *s, struct result_sample_series *out)
{
    int err = 0;
    for (uint32_t k = 0; k < s->keys_count && err == 0; k++) {
        struct samples_rows rows = {.columns = 0};
        err = samples_rows(s, k, &rows);
        if (err == 0)
            err = samples_rows_keep(s, &rows, &out[k].rows);
        samples_rows_free(s->read->guard, &rows);
    }
    return err;
}

int samples_answer(struct samples *s)
{
    struct scratch *memory = &s->read->answer->memory;
    struct result_samples *out = &s->read->answer->result.samples;
    struct result_sample_series *series = scratch_take(memory, s->keys_count, sizeof(*series));
    if (series == NULL)
        return scratch_error(memory);
    for (uint32_t k = 0; k < s->keys_count; k++) {
        series[k].key = scratch_copy(memory, s->keys[k]);
        if (series[k].key.p == NULL)
            return scratch_error(memory);
        series[k].known =
            s->target_of_key[k] != SAMPLES_NONE && s->series[s->target_of_key[k]].known;
    }
    out->from_ms = s->spec.from_ms;
    out->found = s->range.known > 0 ? s->series[0].points.n : 0;
    out->series = series;
    out->series_count = s->keys_count;
    return s->spec.joined ? answer_joined(s, &out->joined) : answer_each(s, series);
}
