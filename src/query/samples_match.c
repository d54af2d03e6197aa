#include "query/samples.h"

#include <stdlib.h>

/* TS.MRANGE: rows and labels of the series that fit, or of groups of them. */

/* ---- each by itself ---- */

static int answer_each(struct samples *s)
{
    struct scratch *memory = &s->read->answer->memory;
    struct result_samples *out = &s->read->answer->result.samples;
    struct result_sample_series *series = scratch_take(memory, s->keys_count, sizeof(*series));
    int err = series == NULL ? scratch_error(memory) : 0;
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->keys_count && err == 0; k++) {
        struct samples_rows rows = {.columns = 0};
        series[n] = (struct result_sample_series){.key = s->keys[k], .known = true};
        err = samples_rows(s, k, &rows);
        if (err == 0 && (rows.times.n > 0 || !s->spec.exclude_empty)) {
            err = samples_rows_keep(s, &rows, &series[n].rows);
            if (err == 0)
                err = match_shown(s->read, &s->matches.v[k], &series[n].labels,
                                  &series[n].labels_count);
            n++;
        }
        samples_rows_free(s->read->guard, &rows);
    }
    out->series = series;
    out->series_count = n;
    return err;
}

/* ---- groups ---- */

struct member {
    struct slice value; /* of the label */
    uint32_t key;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = slice_cmp(x->value, y->value);
    return c != 0 ? c : (x->key > y->key) - (x->key < y->key);
}

static int find_members(struct samples *s, struct member **members_out, uint32_t *count_out)
{
    struct scratch *scratch = &s->read->scratch;
    struct member *members = scratch_take(scratch, s->keys_count, sizeof(*members));
    int err = members == NULL ? scratch_error(scratch) : 0;
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->keys_count && err == 0; k++) {
        members[n].key = k;
        err = match_label(s->read, &s->matches.v[k], s->spec.group, scratch, &members[n].value);
        n += members[n].value.p != NULL;
    }
    if (err == 0)
        qsort(members, n, sizeof(*members), compare_members);
    *members_out = members;
    *count_out = n;
    return err;
}

/* All members' rows, one after the other. */
static int gather(struct samples *s, const struct member *members, uint32_t count,
                  struct samples_points *out)
{
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct samples_rows rows = {.columns = 0};
        err = samples_rows(s, members[i].key, &rows);
        if (err == 0)
            err = SCRATCH_RESERVE(s->read->guard, out, rows.times.n);
        for (uint32_t r = 0; r < rows.times.n && err == 0; r++)
            out->v[out->n++] = (struct samples_point){rows.times.v[r], rows.values.v[r]};
        samples_rows_free(s->read->guard, &rows);
    }
    return err;
}

/* Points of many series in time order to a row for each time. */
static int reduce(struct samples *s, const struct samples_points *points, struct samples_rows *rows)
{
    bool spread = stats_want_spread(1U << s->spec.reducer);
    int err = 0;
    rows->columns = 1;
    for (uint32_t i = 0, end; i < points->n && err == 0; i = end) {
        struct stats stats = {0};
        for (end = i; end < points->n && points->v[end].time_ms == points->v[i].time_ms; end++)
            stats_add(&stats, points->v[end].value, spread);
        double value = stats_reduced(&stats, s->spec.reducer);
        err = samples_rows_push(s->read->guard, rows, points->v[i].time_ms, &value);
    }
    return err;
}

static int put_group_rows(struct samples *s, const struct member *members, uint32_t count,
                          struct result_sample_series *out)
{
    struct samples_points points = {0};
    struct samples_rows rows = {.columns = 0};
    int err = gather(s, members, count, &points);
    if (err == 0)
        err = samples_sort(s, &points);
    if (err == 0)
        err = reduce(s, &points, &rows);
    if (err == 0)
        err = samples_rows_keep(s, &rows, &out->rows);
    SCRATCH_FREE(s->read->guard, &points);
    samples_rows_free(s->read->guard, &rows);
    return err;
}

/* The label of the group; of those selected all others are not the group's. */
static int put_group_labels(struct samples *s, struct slice value, struct result_sample_series *out)
{
    const struct query_spec *spec = s->read->spec;
    struct scratch *memory = &s->read->answer->memory;
    uint32_t count = spec->selected_count > 0 ? spec->selected_count : spec->with_labels;
    struct label *labels = scratch_take(memory, count, sizeof(*labels));
    struct slice name = scratch_copy(memory, s->spec.group);
    struct slice copy = scratch_copy(memory, value);
    if (labels == NULL || name.p == NULL || copy.p == NULL)
        return scratch_error(memory);
    for (uint32_t i = 0; i < count; i++) {
        labels[i].name = name;
        if (spec->selected_count > 0)
            labels[i].name = scratch_copy(memory, spec->selected[i]);
        if (labels[i].name.p == NULL)
            return scratch_error(memory);
        if (slice_eq(labels[i].name, name))
            labels[i].value = copy;
    }
    out->labels = labels;
    out->labels_count = count;
    return 0;
}

static int put_group(struct samples *s, const struct member *members, uint32_t count,
                     struct result_sample_series *out)
{
    struct scratch *memory = &s->read->answer->memory;
    struct slice label = s->spec.group, value = members[0].value;
    char *key = scratch_take(memory, label.n + 1 + value.n, 1);
    struct slice *sources = scratch_take(memory, count, sizeof(*sources));
    if (key == NULL || sources == NULL)
        return scratch_error(memory);
    if (label.n > 0)
        memcpy(key, label.p, label.n);
    key[label.n] = '=';
    if (value.n > 0)
        memcpy(key + label.n + 1, value.p, value.n);
    for (uint32_t i = 0; i < count; i++)
        sources[i] = s->keys[members[i].key];
    *out = (struct result_sample_series){.key = slice_make(key, label.n + 1 + value.n),
                                         .known = true,
                                         .sources = sources,
                                         .sources_count = count};
    int err = put_group_labels(s, value, out);
    return err != 0 ? err : put_group_rows(s, members, count, out);
}

static int answer_groups(struct samples *s)
{
    struct scratch *memory = &s->read->answer->memory;
    struct result_samples *out = &s->read->answer->result.samples;
    struct result_sample_series *groups = scratch_take(memory, s->keys_count, sizeof(*groups));
    struct member *members;
    uint32_t count = 0, n = 0;
    if (groups == NULL)
        return scratch_error(memory);
    int err = find_members(s, &members, &count);
    for (uint32_t i = 0, end; i < count && err == 0; i = end) {
        for (end = i; end < count && slice_eq(members[end].value, members[i].value); end++)
            ;
        err = put_group(s, &members[i], end - i, &groups[n++]);
    }
    out->series = groups;
    out->series_count = n;
    return err;
}

int samples_answer_matched(struct samples *s)
{
    return s->spec.grouped ? answer_groups(s) : answer_each(s);
}
