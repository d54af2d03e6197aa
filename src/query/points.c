#include "query/read.h"

#include "base/vec.h"
#include "catalog/declared.h"
#include "query/fold.h"
#include "query/rules.h"

/* TS.GET, and one series' points in time order, for TS.DEL and rules. */

struct points {
    struct read *read;
    struct fold_series series;
    struct rules rules; /* one row: it is a destination */
    struct samples_points own;
    uint64_t limit;
    bool last_only;
};

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct points *p = arg;
    if (p->limit != 0 && p->own.n == p->limit)
        return 0;
    if (p->last_only)
        p->own.n = 0;
    int err = SCRATCH_RESERVE(p->read->guard, &p->own, 1);
    if (err == 0)
        p->own.v[p->own.n++] = (struct samples_point){time_ms, value};
    return err;
}

static int scan_from(struct points *p, int64_t from_ms)
{
    return fold_one(&p->read->source, &p->series, from_ms, p->read->spec->to_ms, true, add_point,
                    p);
}

static int scan_last(struct points *p)
{
    int64_t from_ms[READ_WINDOWS];
    int err = 0;
    read_recent(from_ms);
    for (size_t i = 0; i < READ_WINDOWS && p->own.n == 0 && err == 0; i++)
        err = scan_from(p, from_ms[i]);
    if (err == 0 && p->read->spec->points != QUERY_POINTS_OWN)
        err = rules_compute_last(&p->rules, p->read->spec->latest);
    return err;
}

static int scan_range(struct points *p)
{
    const struct query_spec *spec = p->read->spec;
    int err = 0;
    if (spec->points != QUERY_POINTS_OWN && spec->from_ms < spec->to_ms)
        err = rules_compute(&p->rules, spec->from_ms, spec->to_ms - 1, false);
    /* The first ones of both are among the first of each; what is computed needs to know all times
     * that the series has of its own. */
    p->limit = spec->points == QUERY_POINTS_COMPUTED ? 0 : spec->limit;
    return err != 0 ? err : scan_from(p, spec->from_ms);
}

/* Takes out the rows at times of the series' own points. */
static void drop_own_times(struct samples_points *computed, const struct samples_points *own)
{
    uint32_t n = 0, at = 0;
    for (uint32_t i = 0; i < computed->n; i++) {
        while (at < own->n && own->v[at].time_ms < computed->v[i].time_ms)
            at++;
        if (at == own->n || own->v[at].time_ms != computed->v[i].time_ms)
            computed->v[n++] = computed->v[i];
    }
    computed->n = n;
}

static int join(struct points *p, struct result_points *out)
{
    const struct query_spec *spec = p->read->spec;
    if (p->rules.count == 0 || spec->points == QUERY_POINTS_OWN) {
        p->own.n = spec->points == QUERY_POINTS_COMPUTED ? 0 : p->own.n;
        return 0;
    }
    struct samples_points *computed = &p->rules.v[0].points;
    if (computed->n > 0) {
        out->computed = computed->n;
        out->computed_first_ms = computed->v[0].time_ms;
        out->computed_last_ms = computed->v[computed->n - 1].time_ms;
    }
    if (!p->last_only && spec->points == QUERY_POINTS_COMPUTED) {
        drop_own_times(computed, &p->own);
        p->own.n = 0;
    }
    return rules_merge_points(p->read->guard, computed, &p->own);
}

static int keep_points(struct points *p, struct result_points *out)
{
    struct scratch *memory = &p->read->answer->memory;
    uint64_t limit = p->last_only ? 1 : p->read->spec->limit;
    uint32_t n = limit != 0 && limit < p->own.n ? (uint32_t)limit : p->own.n;
    uint32_t first = p->last_only ? p->own.n - n : 0;
    int64_t *times = scratch_take_raw(memory, n, sizeof(*times));
    double *values = times == NULL ? NULL : scratch_take_raw(memory, n, sizeof(*values));
    if (values == NULL)
        return scratch_error(memory);
    for (uint32_t i = 0; i < n; i++) {
        times[i] = p->own.v[first + i].time_ms;
        values[i] = p->own.v[first + i].value;
    }
    out->times_ms = times;
    out->values = values;
    out->count = n;
    return 0;
}

static int find_known(struct points *p, struct result_points *out)
{
    struct catalog_declared declared;
    int found = out->count > 0 || read_declared(p->read, &p->series, &declared)
                    ? 1
                    : read_has_points(p->read, &p->series);
    out->known = found > 0;
    return found < 0 ? found : 0;
}

int points_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct result_points *out = &read->answer->result.points;
    struct points p = {.read = read, .last_only = spec->what == QUERY_LAST};
    if (!read_find_series(read, spec->keys[0], &p.series))
        return 0;
    int err = rules_find(read, &p.series, 1, &p.rules);
    if (err == 0)
        err = p.last_only ? scan_last(&p) : scan_range(&p);
    if (err == 0)
        err = join(&p, out);
    if (err == 0)
        err = keep_points(&p, out);
    if (err == 0)
        err = find_known(&p, out);
    rules_free(&p.rules);
    SCRATCH_FREE(read->guard, &p.own);
    return err;
}
