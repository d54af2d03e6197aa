#include "query/read.h"

#include "base/vec.h"
#include "catalog/declared.h"
#include "query/fold.h"

/* TS.RANGE and TS.GET: one series' points in time order. */

struct points {
    struct read *read;
    struct fold_series series;
    VEC(int64_t) times;
    VEC(double) values;
    uint64_t limit;
    bool last_only;
};

static bool select_block(void *arg, const struct block *block)
{
    const struct points *p = arg;
    return block->dimension == p->series.dimension && block->host == p->series.host;
}

static bool wants_item(void *arg, uint32_t item)
{
    const struct points *p = arg;
    return item == p->series.item;
}

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct points *p = arg;
    struct read_guard *guard = p->read->guard;
    if (p->limit != 0 && p->times.n == p->limit)
        return 0;
    if (p->last_only)
        p->times.n = p->values.n = 0;
    int err = SCRATCH_RESERVE(guard, &p->times, 1);
    if (err == 0)
        err = SCRATCH_RESERVE(guard, &p->values, 1);
    if (err != 0)
        return err;
    p->times.v[p->times.n++] = time_ms;
    p->values.v[p->values.n++] = value;
    return 0;
}

static struct block_filter make_filter(const struct points *p, int64_t from_ms, int64_t to_ms)
{
    return (struct block_filter){.category = p->series.category,
                                 .dimensions = &p->series.dimension,
                                 .dimensions_count = 1,
                                 .hosts = &p->series.host,
                                 .hosts_count = 1,
                                 .items = &p->series.item,
                                 .items_count = 1,
                                 .from_ms = from_ms,
                                 .to_ms = to_ms};
}

static int scan_from(struct points *p, int64_t from_ms)
{
    struct block_filter filter = make_filter(p, from_ms, p->read->spec->to_ms);
    struct fold_sink sink = {
        .select = select_block, .wants = wants_item, .add = add_point, .arg = p, .ordered = true};
    return fold_run(&p->read->source, &filter, &sink);
}

/* The last point is nearly always a recent one, so look there first. A window reaches from its
 * start up to the end of time: what is found in it is the last point, wherever else there are
 * points. */
static int scan_last(struct points *p)
{
    static const int64_t windows_ms[] = {3600 * 1000LL, 86400 * 1000LL};
    int64_t now_ms = clock_wall_ms();
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(windows_ms) && p->times.n == 0 && err == 0; i++)
        if (now_ms - windows_ms[i] > p->read->spec->from_ms)
            err = scan_from(p, now_ms - windows_ms[i]);
    if (err == 0 && p->times.n == 0)
        err = scan_from(p, p->read->spec->from_ms);
    return err;
}

static int stop_at_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    return 1;
}

/* Host and metric may each be known without ever having met. 1, 0 or an error. */
static int series_has_points(struct points *p)
{
    struct block_filter filter = make_filter(p, 0, INT64_MAX);
    struct fold_sink sink = {
        .select = select_block, .wants = wants_item, .add = stop_at_point, .arg = p};
    return fold_run(&p->read->source, &filter, &sink);
}

static int keep_points(struct points *p, struct result_points *out)
{
    struct scratch *memory = &p->read->answer->memory;
    int64_t *times = scratch_take(memory, p->times.n, sizeof(*times));
    double *values = times == NULL ? NULL : scratch_take(memory, p->times.n, sizeof(*values));
    if (values == NULL)
        return memory->error;
    if (p->times.n > 0) {
        memcpy(times, p->times.v, p->times.n * sizeof(*times));
        memcpy(values, p->values.v, p->times.n * sizeof(*values));
    }
    out->times_ms = times;
    out->values = values;
    out->count = p->times.n;
    return 0;
}

int points_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct result_points *out = &read->answer->result.points;
    struct points p = {.read = read,
                       .limit = spec->what == QUERY_POINTS ? spec->limit : 0,
                       .last_only = spec->what == QUERY_LAST};
    if (!read_find_series(read, spec->keys[0], &p.series))
        return 0;
    int err = p.last_only ? scan_last(&p) : scan_from(&p, spec->from_ms);
    if (err == 0)
        err = keep_points(&p, out);
    if (err == 0) {
        struct catalog_declared declared;
        int found =
            out->count > 0 || read_declared(read, &p.series, &declared) ? 1 : series_has_points(&p);
        err = found < 0 ? found : 0;
        out->known = found > 0;
    }
    SCRATCH_FREE(read->guard, &p.times);
    SCRATCH_FREE(read->guard, &p.values);
    return err;
}
