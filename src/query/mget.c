#include "base/error.h"
#include "base/hash.h"
#include "query/match.h"
#include "query/rules.h"

#include <stdlib.h>

/* TS.MGET: the last point of each series that fits. As for one series (points.c), the last hour is
 * looked through first, then the last day, and all tables only for those without a point since; the
 * series of a category together. */

struct last {
    struct fold_series series;
    bool found;
    int64_t time_ms;
    double value;
};

struct mget {
    struct read *read;
    struct last *lasts; /* by category; their places stand in the index */
    uint32_t count;
    struct hash_index index;
    /* Of the group at hand: ascending, each once. */
    VEC(uint32_t) hosts;
    VEC(uint32_t) dimensions;
    VEC(uint32_t) items;
};

static uint64_t hash_of(const struct fold_series *series)
{
    return hash_bytes(slice_make((const char *)series, sizeof(*series)));
}

static bool is_last(const void *context, const void *key, uint32_t position)
{
    const struct mget *m = context;
    return memcmp(&m->lasts[position].series, key, sizeof(struct fold_series)) == 0;
}

/* ---- one group in one window ---- */

static bool select_block(void *arg, const struct block *block)
{
    return true;
}

static bool wants_item(void *arg, uint32_t item)
{
    const struct mget *m = arg;
    return ascending_has(m->items.v, m->items.n, item);
}

static int note(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct mget *m = arg;
    uint32_t at = hash_index_find(&m->index, hash_of(series), is_last, m, series);
    if (at == HASH_NONE)
        return 0; /* of a host that was asked for, with another's item */
    struct last *last = &m->lasts[at];
    if (last->found && last->time_ms > time_ms)
        return 0;
    last->found = true;
    last->time_ms = time_ms;
    last->value = value;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t make_set(uint32_t *ids, uint32_t count)
{
    uint32_t n = 0;
    qsort(ids, count, sizeof(ids[0]), compare_ids);
    for (uint32_t i = 0; i < count; i++)
        if (n == 0 || ids[i] != ids[n - 1])
            ids[n++] = ids[i];
    return n;
}

/* Those of [first, end), all of one category, that are still to be found. */
static int look(struct mget *m, uint32_t first, uint32_t end, int64_t from_ms)
{
    struct block_filter filter = {
        .category = m->lasts[first].series.category, .from_ms = from_ms, .to_ms = INT64_MAX};
    struct fold_sink sink = {.select = select_block, .wants = wants_item, .add = note, .arg = m};
    m->hosts.n = m->dimensions.n = m->items.n = 0;
    for (uint32_t i = first; i < end; i++) {
        if (m->lasts[i].found)
            continue;
        m->hosts.v[m->hosts.n++] = m->lasts[i].series.host;
        m->dimensions.v[m->dimensions.n++] = m->lasts[i].series.dimension;
        m->items.v[m->items.n++] = m->lasts[i].series.item;
    }
    if (m->items.n == 0)
        return 0;
    m->hosts.n = make_set(m->hosts.v, m->hosts.n);
    m->dimensions.n = make_set(m->dimensions.v, m->dimensions.n);
    m->items.n = make_set(m->items.v, m->items.n);
    filter.hosts = m->hosts.v;
    filter.hosts_count = m->hosts.n;
    filter.dimensions = m->dimensions.v;
    filter.dimensions_count = m->dimensions.n;
    filter.items = m->items.v;
    filter.items_count = m->items.n;
    return fold_run(&m->read->source, &filter, &sink);
}

static int look_all(struct mget *m, int64_t from_ms)
{
    int err = 0;
    for (uint32_t at = 0, end; err == 0 && at < m->count; at = end) {
        for (end = at + 1;
             end < m->count && m->lasts[end].series.category == m->lasts[at].series.category; end++)
            ;
        err = look(m, at, end, from_ms);
    }
    return err;
}

/* ---- all ---- */

static int compare_lasts(const void *a, const void *b)
{
    const struct fold_series *x = &((const struct last *)a)->series,
                             *y = &((const struct last *)b)->series;
    return (x->category > y->category) - (x->category < y->category);
}

static int prepare(struct mget *m, const struct matches *matches)
{
    struct scratch *scratch = &m->read->scratch;
    m->count = matches->count;
    m->lasts = scratch_take(scratch, (uint64_t)m->count + 1, sizeof(m->lasts[0]));
    if (m->lasts == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < m->count; i++)
        m->lasts[i].series = matches->v[i].series;
    qsort(m->lasts, m->count, sizeof(m->lasts[0]), compare_lasts);
    int err = SCRATCH_RESERVE(m->read->guard, &m->hosts, m->count);
    if (err == 0)
        err = SCRATCH_RESERVE(m->read->guard, &m->dimensions, m->count);
    if (err == 0)
        err = SCRATCH_RESERVE(m->read->guard, &m->items, m->count);
    for (uint32_t i = 0; err == 0 && i < m->count; i++)
        err = hash_index_add(&m->index, hash_of(&m->lasts[i].series), i);
    return err;
}

static int look_by_rules(struct mget *m)
{
    struct scratch *scratch = &m->read->scratch;
    struct fold_series *series = scratch_take(scratch, m->count, sizeof(*series));
    struct rules rules;
    if (series == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < m->count; i++)
        series[i] = m->lasts[i].series;
    int err = rules_find(m->read, series, m->count, &rules);
    if (err == 0)
        err = rules_compute_last(&rules, m->read->spec->latest);
    for (uint32_t i = 0; err == 0 && i < rules.count; i++) {
        struct last *last = &m->lasts[rules.v[i].series];
        const struct samples_point *row = rules.v[i].points.v;
        if (rules.v[i].points.n == 0 || (last->found && last->time_ms >= row->time_ms))
            continue;
        *last = (struct last){last->series, true, row->time_ms, row->value};
    }
    rules_free(&rules);
    return err;
}

static int find_lasts(struct mget *m, const struct matches *matches)
{
    int64_t from_ms[READ_WINDOWS];
    bool ruled = false;
    int err = 0;
    read_recent(from_ms);
    for (size_t i = 0; err == 0 && i < READ_WINDOWS; i++)
        err = look_all(m, from_ms[i]);
    for (uint32_t i = 0; i < matches->count; i++)
        ruled |= (matches->v[i].settings.given & SETTINGS_RULE) != 0;
    return err == 0 && ruled ? look_by_rules(m) : err;
}

static int put_rows(struct mget *m, const struct matches *matches)
{
    struct read *read = m->read;
    struct scratch *memory = &read->answer->memory;
    struct result_mget *out = &read->answer->result.mget;
    struct result_mget_row *rows =
        scratch_take(memory, (uint64_t)matches->count + 1, sizeof(rows[0]));
    int err = rows == NULL ? scratch_error(memory) : 0;
    for (uint32_t i = 0; err == 0 && i < matches->count; i++) {
        const struct match *match = &matches->v[i];
        uint32_t at =
            hash_index_find(&m->index, hash_of(&match->series), is_last, m, &match->series);
        rows[i] = (struct result_mget_row){.key = match->key,
                                           .found = m->lasts[at].found,
                                           .time_ms = m->lasts[at].time_ms,
                                           .value = m->lasts[at].value};
        err = match_shown(read, match, &rows[i].labels, &rows[i].labels_count);
    }
    out->rows = rows;
    out->count = matches->count;
    return err;
}

int mget_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct mget m = {.read = read};
    struct matches matches;
    int err = match_read(read, spec->filters, spec->filters_count, &read->answer->memory, &matches);
    if (err != 0)
        return err;
    hash_index_init(&m.index);
    err = prepare(&m, &matches);
    if (err == 0)
        err = find_lasts(&m, &matches);
    if (err == 0)
        err = put_rows(&m, &matches);
    hash_index_fini(&m.index);
    SCRATCH_FREE(read->guard, &m.hosts);
    SCRATCH_FREE(read->guard, &m.dimensions);
    SCRATCH_FREE(read->guard, &m.items);
    return err;
}
