#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "mysql/run_read.h"
#include "mysql/select.h"
#include "vector/pack.h"

#include <inttypes.h>
#include <stdio.h>

/* A run's points as blocks, whatever kind of run it is. */

/* ---- what the files that read runs share ---- */

int run_numbers(const struct slice *columns, uint64_t *out, unsigned count)
{
    int err = 0;
    for (unsigned i = 0; err == 0 && i < count; i++)
        err = number_parse_u64(columns[i], &out[i]);
    return err;
}

int run_row_failed(const struct mysql_session *s, const struct storage_run *run, int err,
                   const char *what, const struct slice *key, unsigned key_columns)
{
    char text[160];
    size_t at = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < key_columns && at < sizeof(text) - 1; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", i > 0 ? ", " : "",
                               (int)key[i].n, key[i].p);
    log_error("mysql", "environment %" PRIu32 ", run %" PRIu64 ", %s row (%s) cannot be read: %s",
              s->environment, run->id, what, text, error_text(err));
    return err;
}

/* ---- reader ---- */

int mysql_reader_begin(struct storage_session *base, uint32_t environment, struct read_guard *guard)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, true);
    if (err != 0)
        return err;
    s->environment = environment;
    s->guard = guard;
    s->reader = true;
    return 0;
}

void mysql_reader_end(struct storage_session *base)
{
    struct mysql_session *s = session_of(base);
    s->reader = false;
    s->guard = NULL;
}

/* ---- arrival rows ---- */

struct point_scan {
    struct mysql_session *s;
    const struct storage_run *run;
    const struct block_filter *filter;
    block_visit *visit;
    void *arg;
};

/* lo, seq, category, dimension, host, body */
static int arrival_row(void *arg, const struct slice *columns)
{
    struct point_scan *scan = arg;
    uint64_t n[5];
    struct arrival_points points;
    int err = run_numbers(columns, n, ARRAY_LEN(n));
    if (err != 0)
        return run_row_failed(scan->s, scan->run, err, "arrival", columns, 2);
    struct block block = {
        .category = (uint32_t)n[2],
        .dimension = (uint32_t)n[3],
        .host = (uint32_t)n[4],
        .fresh = scan->filter->fresh,
        .lo = n[0],
    };
    if (scan->filter->sealed && columns[5].p != NULL) {
        block.body = columns[5];
        return scan->visit(scan->arg, &block);
    }
    err = arrival_decode(scan->s->arrival, columns[5], &points);
    if (err != 0)
        return run_row_failed(scan->s, scan->run, err, "arrival", columns, 2);
    block.count = points.count;
    block.items = points.items;
    block.times_ms = points.times_ms;
    block.values = points.values;
    block.policies = points.policies;
    return scan->visit(scan->arg, &block);
}

/* Rows hold many items: filter->items is the reader's to check. */
static int arrival_scan(struct point_scan *scan)
{
    const struct block_filter *filter = scan->filter;
    struct buffer *sql = session_select(scan->s, scan->s->guard);
    buffer_append_str(sql, "lo, seq, category, dimension, host, body");
    select_from(scan->s, SCHEMA_ARRIVAL, scan->run, "by_series");
    select_category(sql, filter);
    select_in(sql, "dimension", filter->dimensions, filter->dimensions_count);
    buffer_printf(sql, " AND fresh = %d", filter->fresh ? 1 : 0);
    select_near(sql, "host", filter->hosts, filter->hosts_count);
    select_times(sql, filter->from_ms, filter->to_ms);
    buffer_append_str(sql, " ORDER BY category, dimension, fresh, host, lo, seq");
    return session_query(scan->s, "read.arrival", scan->s->guard, arrival_row, scan);
}

/* ---- compact rows ---- */

static int pack_points(void *arg, const struct storage_pack *pack)
{
    struct point_scan *scan = arg;
    struct pack_points points;
    int err =
        pack_open_points(scan->s->pack, pack->run->range.from_s * 1000, pack->summaries,
                         pack->vectors, scan->filter->items, scan->filter->items_count, &points);
    if (err != 0) {
        log_error("mysql",
                  "environment %" PRIu32 ", run %" PRIu64 ", observation row (category %" PRIu32
                  ", dimension %" PRIu32 ", host %" PRIu32 ", first item %" PRIu32 ", part %" PRIu32
                  ") cannot be read: %s",
                  scan->s->environment, pack->run->id, pack->category, pack->dimension, pack->host,
                  pack->first_item, pack->part, error_text(err));
        return err;
    }
    if (points.count == 0)
        return 0;
    struct block block = {
        .category = pack->category,
        .dimension = pack->dimension,
        .host = pack->host,
        .fresh = true,
        .count = points.count,
        .items = points.items,
        .times_ms = points.times_ms,
        .values = points.values,
    };
    return scan->visit(scan->arg, &block);
}

int run_scan_compact(struct mysql_session *s, const struct storage_run *const *runs, uint32_t count,
                     const struct block_filter *filter, block_visit *visit, void *arg)
{
    if (count == 0 || !filter->fresh)
        return 0;
    struct point_scan scan = {.s = s, .filter = filter, .visit = visit, .arg = arg};
    int err = s->pack == NULL ? pack_codec_create(&s->pack) : 0;
    return err != 0 ? err
                    : run_scan_packs(s, runs, count, filter, STORAGE_SUMMARIES | STORAGE_VECTORS,
                                     pack_points, &scan);
}

int run_scan_points(struct mysql_session *s, const struct storage_run *run,
                    const struct block_filter *filter, block_visit *visit, void *arg)
{
    if (run->resolution_s != 1)
        return LT_EINVALID; /* its rows hold buckets, not points */
    if (run_filter_is_empty(filter))
        return 0;
    if (run->kind == STORAGE_COMPACT)
        return run_scan_compact(s, &run, 1, filter, visit, arg);
    struct point_scan scan = {.s = s, .run = run, .filter = filter, .visit = visit, .arg = arg};
    return schema_has(run, SCHEMA_ARRIVAL) ? arrival_scan(&scan) : 0;
}

int mysql_run_scan(struct storage_session *base, const struct storage_run *run,
                   const struct block_filter *filter, block_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    return session_reads(s) ? run_scan_points(s, run, filter, visit, arg) : LT_EUNAVAILABLE;
}

/* ---- what a run has points of ---- */

struct group_scan {
    struct mysql_session *s;
    const struct storage_run *run;
    storage_group_visit *visit;
    void *arg;
};

/* category, dimension, host, rows, points, fresh */
static int group_row(void *arg, const struct slice *columns)
{
    struct group_scan *scan = arg;
    uint64_t n[6];
    int err = run_numbers(columns, n, ARRAY_LEN(n));
    if (err != 0)
        return run_row_failed(scan->s, scan->run, err, "group", columns, 3);
    struct storage_group group = {(uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2], n[3], n[4], n[5]};
    return scan->visit(scan->arg, &group);
}

int mysql_run_groups(struct storage_session *base, const struct storage_run *run,
                     storage_group_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    if (!session_reads(s))
        return LT_EUNAVAILABLE;
    bool arrival = run->kind == STORAGE_ARRIVAL;
    enum schema_kind kind = arrival ? SCHEMA_ARRIVAL : SCHEMA_OBSERVATION;
    if (!schema_has(run, kind))
        return 0;
    struct group_scan scan = {.s = s, .run = run, .visit = visit, .arg = arg};
    struct buffer *sql = session_select(s, s->guard);
    buffer_printf(sql, "category, dimension, host, COUNT(*), SUM(points), %s",
                  arrival ? "SUM(IF(fresh, points, 0))" : "SUM(points)");
    select_from(s, kind, run, arrival ? "by_series" : "PRIMARY");
    buffer_append_str(sql,
                      " GROUP BY category, dimension, host ORDER BY category, dimension, host");
    return session_query(s, "read.groups", s->guard, group_row, &scan);
}
