#include "query/rules.h"

#include "base/error.h"
#include "base/i64.h"
#include "catalog/declared.h"

#include <math.h>
#include <stdlib.h>

/* How many buckets one run over the sources makes at most, of all of them. */
enum { BUCKETS_A_RUN = 1 << 19, MINUTE_MS = 60000 };

/* ---- which ---- */

/* 1: it is a destination. */
static int take_rule(struct read *read, const struct fold_series *series, struct buffer *bytes,
                     struct rules_row *out)
{
    struct catalog_declared declared;
    if (!read_declared(read, series, &declared) || (declared.settings.given & SETTINGS_RULE) == 0)
        return 0;
    const struct catalog_key key = read_key_of(series);
    buffer_reset(bytes, SIZE_MAX);
    int found = catalog_rule(read_catalog(read), &key, bytes);
    if (found <= 0)
        return found; /* it was taken away meanwhile */
    struct slice kept = scratch_copy(&read->scratch, buffer_slice(bytes));
    if (kept.p == NULL)
        return scratch_error(&read->scratch);
    *out = (struct rules_row){0};
    int err = rule_read(kept, &out->rule);
    return err != 0 ? err : read_find_series(read, out->rule.source, &out->source);
}

int rules_find(struct read *read, const struct fold_series *series, uint32_t count,
               struct rules *out)
{
    struct buffer bytes;
    struct rules_row row;
    struct {
        struct rules_row *v;
        uint32_t n, cap;
    } rows = {0};
    int err = 0;
    *out = (struct rules){.read = read};
    buffer_init(&bytes, SIZE_MAX);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        int found = take_rule(read, &series[i], &bytes, &row);
        err = found < 0 ? found : found > 0 ? SCRATCH_RESERVE(read->guard, &rows, 1) : 0;
        if (err != 0 || found == 0)
            continue;
        row.series = i;
        rows.v[rows.n++] = row;
    }
    buffer_fini(&bytes);
    if (err == 0 && rows.n > 0) {
        out->v = scratch_take_raw(&read->scratch, rows.n, sizeof(rows.v[0]));
        err = out->v == NULL ? scratch_error(&read->scratch) : 0;
    }
    if (err == 0 && rows.n > 0) {
        memcpy(out->v, rows.v, rows.n * sizeof(rows.v[0]));
        out->count = rows.n;
    }
    SCRATCH_FREE(read->guard, &rows);
    return err;
}

void rules_free(struct rules *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        SCRATCH_FREE(r->read->guard, &r->v[i].points);
    r->count = 0;
}

struct rules_row *rules_of(const struct rules *r, uint32_t series)
{
    uint32_t lo = 0, hi = r->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (r->v[mid].series < series)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->count && r->v[lo].series == series ? &r->v[lo] : NULL;
}

/* ---- buckets ---- */

static struct window_rule window_of(const struct rule *rule)
{
    return (struct window_rule){.bucket_ms = rule->bucket_ms, .align_ms = rule->align_ms};
}

static int64_t bucket_of(const struct rule *rule, int64_t time_ms)
{
    struct window_rule window = window_of(rule);
    return window_bucket(&window, time_ms);
}

/* What of the source the rows of [from, last] are made of, both ends included; and the start of the
 * last bucket that has a row. */
struct extent {
    int64_t from_ms, last_ms;
    int64_t last_bucket_ms;
};

static bool find_extent(const struct rules_row *row, int64_t from_ms, int64_t last_ms, bool latest,
                        struct extent *out)
{
    const struct rule *rule = &row->rule;
    if (!row->has_newest || from_ms > last_ms || row->newest_ms <= rule->after_ms)
        return false;
    int64_t first_ms = bucket_of(rule, from_ms), open_ms = bucket_of(rule, row->newest_ms);
    if (first_ms < from_ms && from_ms > 0)
        first_ms = i64_add_capped(first_ms, rule->bucket_ms);
    out->last_bucket_ms = latest ? open_ms : open_ms - rule->bucket_ms;
    out->last_bucket_ms = i64_min(out->last_bucket_ms, bucket_of(rule, last_ms));
    out->from_ms = i64_max(first_ms, i64_max(rule->after_ms + 1, 0));
    out->last_ms =
        i64_min(i64_add_capped(out->last_bucket_ms, rule->bucket_ms - 1), row->newest_ms);
    return out->from_ms <= out->last_ms;
}

/* ---- sources, once for all rows ---- */

static int settle(struct rules *r)
{
    struct read *read = r->read;
    struct samples s = samples_of(read, r->count);
    if (r->settled || r->count == 0)
        return 0;
    struct fold_series *sources = scratch_take(&read->scratch, r->count, sizeof(*sources));
    if (sources == NULL)
        return scratch_error(&read->scratch);
    for (uint32_t i = 0; i < r->count; i++)
        sources[i] = r->v[i].source;
    int err = samples_over(&s, sources);
    if (err == 0)
        err = samples_find_last(&s);
    for (uint32_t i = 0; i < r->count && err == 0; i++) {
        const struct samples_series *source = &s.series[s.target_of_key[i]];
        r->v[i].newest_bound = !source->has_last;
        r->v[i].newest_ms = source->has_last ? source->last_ms : samples_stored_end(&s);
        r->v[i].has_newest = r->v[i].newest_ms >= 0;
    }
    r->stored_end_ms = samples_stored_end(&s);
    if (err == 0)
        err = samples_find_first(&s, &r->first_ms);
    r->settled = err == 0;
    return err;
}

/* ---- runs over the sources of rules that ask for the same buckets ---- */

struct want {
    struct rules_row *row;
    struct extent extent;
    int64_t asked_from_ms, asked_last_ms; /* rows of these times are kept */
};

static bool is_twa(const struct want *w)
{
    return w->row->rule.aggregator == AGGREGATOR_TWA;
}

/* Of one run; a weighted average also looks at points beside the range, which must be the rule's.
 */
static int compare_wants(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    const struct rule *p = &x->row->rule, *q = &y->row->rule;
    const int64_t order[][2] = {
        {p->aggregator, q->aggregator},
        {p->bucket_ms, q->bucket_ms},
        {p->align_ms, q->align_ms},
        {x->extent.from_ms, y->extent.from_ms},
        {is_twa(x) ? p->after_ms : 0, is_twa(y) ? q->after_ms : 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (order[i][0] != order[i][1])
            return order[i][0] < order[i][1] ? -1 : 1;
    return 0;
}

/* Those that begin in [from, last], which is the part at hand. */
static int keep_rows(struct rules *r, const struct want *w, const struct samples_rows *rows,
                     int64_t from_ms, int64_t last_ms)
{
    const struct rule *rule = &w->row->rule;
    struct samples_points *out = &w->row->points;
    int err = SCRATCH_RESERVE(r->read->guard, out, rows->times.n);
    from_ms = i64_max(from_ms, w->asked_from_ms);
    last_ms = i64_min(last_ms, w->asked_last_ms);
    for (uint32_t i = 0; i < rows->times.n && err == 0; i++) {
        int64_t time_ms = rows->times.v[i];
        if (time_ms < from_ms || time_ms > last_ms ||
            bucket_of(rule, time_ms) > w->extent.last_bucket_ms)
            continue;
        out->v[out->n++] = (struct samples_point){time_ms, rows->values.v[i]};
    }
    return err;
}

/* Points before the rule was made are no neighbours. */
static void forget_neighbours(struct samples *s, int64_t after_ms)
{
    for (uint32_t i = 0; i < s->range.known; i++)
        s->series[i].has_before &= s->series[i].before.time_ms > after_ms;
}

/* Source times [from, last] of the wants; of the rows those that begin in it. */
static int run_part(struct rules *r, const struct want *wants, uint32_t count, int64_t from_ms,
                    int64_t last_ms)
{
    const struct rule *rule = &wants[0].row->rule;
    struct read *read = r->read;
    struct aggregator_list list = {.v = {rule->aggregator}, .n = 1, .set = 1U << rule->aggregator};
    struct samples s = samples_of(read, count);
    struct fold_series *sources = scratch_take(&read->scratch, count, sizeof(*sources));
    if (sources == NULL)
        return scratch_error(&read->scratch);
    for (uint32_t i = 0; i < count; i++)
        sources[i] = wants[i].row->source;
    s.spec.from_ms = from_ms;
    s.spec.last_ms = last_ms;
    if (is_twa(&wants[0])) { /* lines reach beyond the buckets */
        s.spec.from_ms = i64_max(i64_max(from_ms - rule->bucket_ms, rule->after_ms + 1), 0);
        s.spec.last_ms = i64_add_capped(last_ms, rule->bucket_ms);
    }
    s.spec.aggregators = &list;
    s.spec.aggregators_count = 1;
    s.spec.bucket_ms = rule->bucket_ms;
    s.spec.align_ms = rule->align_ms;
    int err = samples_over(&s, sources);
    if (err == 0)
        err = samples_narrow(&s);
    if (err == 0)
        err = samples_can_tally(&s) ? samples_tally(&s) : samples_collect(&s);
    if (err == 0 && is_twa(&wants[0]))
        forget_neighbours(&s, rule->after_ms);
    int64_t first_ms = i64_max(bucket_of(rule, from_ms), 0);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct samples_rows rows = {.columns = 0};
        err = samples_rows(&s, i, &rows);
        if (err == 0)
            err = keep_rows(r, &wants[i], &rows, first_ms, last_ms);
        samples_rows_free(read->guard, &rows);
    }
    samples_release(&s);
    return err;
}

/* In memory of its own, which is given back: a long range takes many parts. */
static int run_part_apart(struct rules *r, const struct want *wants, uint32_t count,
                          int64_t from_ms, int64_t last_ms)
{
    struct read *read = r->read;
    struct scratch outer = read->scratch;
    scratch_init(&read->scratch, read->guard);
    int err = run_part(r, wants, count, from_ms, last_ms);
    read_guard_release(read->guard, read->scratch.bytes);
    scratch_fini(&read->scratch);
    read->scratch = outer;
    return err;
}

/* Part by part where minutes and hours may answer, for a part has a tally for each of its buckets.
 * What is later is one part: of few points, perhaps, and of more buckets than anybody can count,
 * where a point was written for the year 2100. */
static int run(struct rules *r, const struct want *wants, uint32_t count)
{
    const struct rule *rule = &wants[0].row->rule;
    int64_t from_ms = i64_max(wants[0].extent.from_ms, r->first_ms), last_ms = 0;
    int64_t step_ms = i64_max(BUCKETS_A_RUN / count, 1), stored_end_ms = r->stored_end_ms;
    int err = 0;
    for (uint32_t i = 0; i < count; i++)
        last_ms = i64_max(last_ms, wants[i].extent.last_ms);
    step_ms = step_ms > INT64_MAX / rule->bucket_ms ? INT64_MAX : step_ms * rule->bucket_ms;
    if (rule->bucket_ms % MINUTE_MS != 0 || rule->align_ms % MINUTE_MS != 0)
        stored_end_ms = -1;
    while (err == 0 && from_ms <= i64_min(last_ms, stored_end_ms)) {
        int64_t next_ms = i64_add_capped(bucket_of(rule, from_ms), step_ms);
        err = run_part_apart(r, wants, count, from_ms, i64_min(last_ms, next_ms - 1));
        from_ms = next_ms;
    }
    return err == 0 && from_ms <= last_ms ? run_part_apart(r, wants, count, from_ms, last_ms) : err;
}

/* Where only minutes and hours are left, the last bucket that has a row is the open one. */
static void finish(struct want *w, int64_t last_ms, bool latest)
{
    struct samples_points *rows = &w->row->points;
    uint32_t n = rows->n, kept = 0;
    if (w->row->newest_bound && !latest && n > 0)
        n--;
    for (uint32_t i = 0; i < n; i++)
        if (rows->v[i].time_ms <= last_ms && !rule_hides(&w->row->rule, rows->v[i].time_ms))
            rows->v[kept++] = rows->v[i];
    rows->n = kept;
}

static int compute(struct rules *r, int64_t from_ms, int64_t last_ms, bool latest,
                   bool (*wanted)(const struct rules_row *row))
{
    struct want *wants = scratch_take(&r->read->scratch, r->count, sizeof(*wants));
    if (wants == NULL)
        return scratch_error(&r->read->scratch);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        wants[n].row = &r->v[i];
        if (wanted != NULL && !wanted(&r->v[i]))
            continue;
        r->v[i].points.n = 0;
        wants[n].asked_from_ms = from_ms;
        wants[n].asked_last_ms = r->v[i].newest_bound ? INT64_MAX : last_ms;
        n += find_extent(&r->v[i], from_ms, wants[n].asked_last_ms, latest || r->v[i].newest_bound,
                         &wants[n].extent);
    }
    qsort(wants, n, sizeof(*wants), compare_wants);
    int err = 0;
    for (uint32_t i = 0, end; i < n && err == 0; i = end) {
        for (end = i + 1; end < n && compare_wants(&wants[i], &wants[end]) == 0; end++)
            ;
        err = run(r, &wants[i], end - i);
    }
    for (uint32_t i = 0; i < n; i++)
        finish(&wants[i], last_ms, latest);
    return err;
}

int rules_compute(struct rules *r, int64_t from_ms, int64_t last_ms, bool latest)
{
    int err = r->count > 0 ? settle(r) : 0;
    return err != 0 || r->count == 0 ? err : compute(r, from_ms, last_ms, latest, NULL);
}

/* ---- the last rows ---- */

static bool has_no_row(const struct rules_row *row)
{
    return row->points.n == 0;
}

/* Most sources speak often: a few buckets before the newest point hold a row. All are looked
 * through for those without one. */
int rules_compute_last(struct rules *r, bool latest)
{
    int err = r->count > 0 ? settle(r) : 0;
    int64_t newest_ms = 0, bucket_ms = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        newest_ms = i64_max(newest_ms, r->v[i].has_newest ? r->v[i].newest_ms : 0);
        bucket_ms = i64_max(bucket_ms, r->v[i].rule.bucket_ms);
        r->v[i].points.n = 0;
    }
    const int64_t backs_ms[] = {
        i64_max(3600 * INT64_C(1000), i64_add_capped(bucket_ms, bucket_ms)),
        i64_max(86400 * INT64_C(1000), bucket_ms > INT64_MAX / 32 ? INT64_MAX : 32 * bucket_ms),
        INT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(backs_ms) && err == 0; i++)
        err = compute(r, i64_max(newest_ms - i64_min(backs_ms[i], newest_ms), 0), INT64_MAX, latest,
                      has_no_row);
    for (uint32_t i = 0; i < r->count && err == 0; i++) {
        struct samples_points *points = &r->v[i].points;
        if (points->n > 1)
            points->v[0] = points->v[points->n - 1];
        points->n = points->n > 0;
    }
    return err;
}

/* ---- among a series' own ---- */

int rules_merge_points(struct read_guard *guard, const struct samples_points *computed,
                       struct samples_points *own)
{
    int err = SCRATCH_RESERVE(guard, own, computed->n);
    if (err != 0 || computed->n == 0)
        return err;
    /* From the end, so that nothing is overwritten that is still to be read. */
    uint32_t a = own->n, b = computed->n, to = a + b;
    while (b > 0) {
        if (a > 0 && own->v[a - 1].time_ms >= computed->v[b - 1].time_ms) {
            b -= own->v[a - 1].time_ms == computed->v[b - 1].time_ms;
            own->v[--to] = own->v[--a];
        } else {
            own->v[--to] = computed->v[--b];
        }
    }
    uint32_t all = own->n + computed->n, gap = to - a;
    memmove(&own->v[a], &own->v[to], (all - to) * sizeof(own->v[0]));
    own->n = all - gap;
    return 0;
}
