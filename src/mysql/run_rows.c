#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "mysql/run_read.h"
#include "mysql/select.h"
#include "vector/beat_counts.h"
#include "vector/beats.h"

#include <inttypes.h>
#include <math.h>

/* Rank rows, totals and heartbeats of runs; and what tables there are. */

/* ---- rank rows ---- */

struct rank_scan {
    struct mysql_session *s;
    const struct storage_run *run;
    const struct storage_rank_filter *filter;
    storage_rank_visit *visit;
    void *arg;
};

/* host, number, body */
static int rank_row(void *arg, const struct slice *columns)
{
    struct rank_scan *scan = arg;
    uint64_t n[2];
    int err = run_numbers(columns, n, ARRAY_LEN(n));
    if (err != 0)
        return run_row_failed(scan->s, scan->run, err, "rank", columns, 2);
    struct storage_rank rank = {
        .category = scan->filter->category,
        .dimension = scan->filter->dimension,
        .host = (uint32_t)n[0],
        .kind = scan->filter->kind,
        .number = (uint32_t)n[1],
        .body = columns[2],
    };
    return scan->visit(scan->arg, &rank);
}

struct ids { /* a part of an ascending list */
    const uint32_t *v;
    uint32_t n;
};

static struct ids ids_part(struct ids all, uint32_t from, uint32_t most)
{
    uint32_t left = all.n - from;
    return (struct ids){all.v + from, left < most ? left : most};
}

static int ranks_read(struct rank_scan *scan, struct ids hosts, struct ids numbers)
{
    const struct storage_rank_filter *filter = scan->filter;
    struct buffer *sql = session_select(scan->s, scan->s->guard);
    buffer_append_str(sql, "host, number, body");
    select_from(scan->s, SCHEMA_RANK, scan->run, "PRIMARY");
    buffer_printf(sql, " WHERE category = %" PRIu32 " AND dimension = %" PRIu32, filter->category,
                  filter->dimension);
    select_in(sql, "host", hosts.v, hosts.n);
    buffer_printf(sql, " AND kind = %d", (int)filter->kind);
    if (numbers.v != NULL)
        select_in(sql, "number", numbers.v, numbers.n);
    else
        buffer_printf(sql, " AND number BETWEEN %" PRIu32 " AND %" PRIu32, filter->first,
                      filter->last);
    buffer_append_str(sql, " ORDER BY category, dimension, host, kind, number");
    return session_query(scan->s, "read.ranks", scan->s->guard, rank_row, scan);
}

/* In statements of at most SELECT_LISTED_MAX (host, number), so that the plan stays a list of short
 * ranges; hosts outside, so that all of them together come in order. */
static int ranks_read_all(struct rank_scan *scan, struct ids hosts, struct ids numbers)
{
    uint32_t hosts_most = numbers.n > 0 ? SELECT_LISTED_MAX / numbers.n : SELECT_LISTED_MAX;
    hosts_most = hosts_most > 0 ? hosts_most : 1;
    int err = 0;
    for (uint32_t h = 0; err == 0 && h < hosts.n; h += hosts_most) {
        struct ids some = ids_part(hosts, h, hosts_most);
        if (numbers.v == NULL)
            err = ranks_read(scan, some, numbers);
        for (uint32_t i = 0; err == 0 && i < numbers.n; i += SELECT_LISTED_MAX)
            err = ranks_read(scan, some, ids_part(numbers, i, SELECT_LISTED_MAX));
    }
    return err;
}

int mysql_run_ranks(struct storage_session *base, const struct storage_run *run,
                    const struct storage_rank_filter *filter, storage_rank_visit *visit, void *arg)
{
    static const uint32_t all_hosts = STORAGE_ALL_HOSTS;
    struct mysql_session *s = session_of(base);
    if (!session_reads(s))
        return LT_EUNAVAILABLE;
    if (!schema_has(run, SCHEMA_RANK))
        return 0;
    struct rank_scan scan = {.s = s, .run = run, .filter = filter, .visit = visit, .arg = arg};
    struct ids hosts = {filter->hosts, filter->hosts_count};
    if (hosts.v == NULL)
        hosts = (struct ids){&all_hosts, 1};
    struct ids numbers = {filter->numbers, filter->numbers != NULL ? filter->numbers_count : 0};
    return ranks_read_all(&scan, hosts, numbers);
}

/* ---- totals ---- */

struct total_scan {
    struct mysql_session *s;
    const struct storage_run *run;
    const struct storage_total_filter *filter;
    storage_total_visit *visit;
    void *arg;
};

static int double_parse(struct slice text, double *out)
{
    if (text.p != NULL)
        return number_parse_f64(text, out);
    *out = NAN;
    return 0;
}

/* step number, count, sum, min, max; a sum of no rows at all is a row of NULLs */
static int total_row(void *arg, const struct slice *columns)
{
    struct total_scan *scan = arg;
    if (columns[1].p == NULL)
        return 0;
    uint64_t n[2];
    struct storage_total total = {
        .category = scan->filter->category,
        .dimension = scan->filter->dimension,
        .host = STORAGE_ALL_HOSTS,
    };
    int err = run_numbers(columns, n, ARRAY_LEN(n));
    if (err == 0)
        err = double_parse(columns[2], &total.sum);
    if (err == 0)
        err = double_parse(columns[3], &total.min);
    if (err == 0)
        err = double_parse(columns[4], &total.max);
    if (err != 0)
        return run_row_failed(scan->s, scan->run, err, "total", columns, 3);
    total.from_s = scan->filter->from_s + (int64_t)n[0] * scan->filter->step_s;
    total.count = n[1];
    return scan->visit(scan->arg, &total);
}

/* All hosts are listed, however many: the sum is made where they are told apart. A sum is NULL
 * where one of its parts is, or where it overflows, which the server would call 0. */
static void put_totals_select(struct total_scan *scan)
{
    const struct storage_total_filter *filter = scan->filter;
    struct buffer *sql = session_select(scan->s, scan->s->guard);
    if (filter->step_s > 0)
        buffer_printf(sql, "(from_s - %" PRId64 ") DIV %" PRId64, filter->from_s, filter->step_s);
    else
        buffer_append_str(sql, "0");
    buffer_append_str(sql, " AS step, SUM(count), IF(COUNT(sum) = COUNT(*) AND"
                           " ABS(SUM(sum)) <= 1.7976931348623157e308, SUM(sum), NULL),"
                           " MIN(min), MAX(max)");
    select_from(scan->s, SCHEMA_TOTAL, scan->run, "PRIMARY");
    buffer_printf(sql, " WHERE category = %" PRIu32 " AND dimension = %" PRIu32, filter->category,
                  filter->dimension);
    if (filter->hosts != NULL)
        select_in(sql, "host", filter->hosts, filter->hosts_count);
    else
        buffer_printf(sql, " AND host = %" PRIu32, (uint32_t)STORAGE_ALL_HOSTS);
    buffer_printf(sql, " AND from_s >= %" PRId64 " AND from_s < %" PRId64, filter->from_s,
                  filter->to_s);
    if (filter->step_s > 0)
        buffer_append_str(sql, " GROUP BY step ORDER BY step");
}

int mysql_run_totals(struct storage_session *base, const struct storage_run *run,
                     const struct storage_total_filter *filter, storage_total_visit *visit,
                     void *arg)
{
    struct mysql_session *s = session_of(base);
    if (!session_reads(s))
        return LT_EUNAVAILABLE;
    if (!schema_has(run, SCHEMA_TOTAL) || (filter->hosts != NULL && filter->hosts_count == 0))
        return 0;
    struct total_scan scan = {.s = s, .run = run, .filter = filter, .visit = visit, .arg = arg};
    put_totals_select(&scan);
    return session_query(s, "read.totals", s->guard, total_row, &scan);
}

/* ---- heartbeats ---- */

struct beats_scan {
    struct mysql_session *s;
    const struct storage_run *run;
    storage_beats_visit *visit;
    void *arg;
    uint16_t counts[BEAT_COUNTS_MAX];
};

/* collector, host, from_s, body */
static int beats_row(void *arg, const struct slice *columns)
{
    struct beats_scan *scan = arg;
    uint64_t n[2];
    uint8_t bits[BEAT_BYTES];
    struct storage_beats beats = {0};
    int err = run_numbers(columns, n, ARRAY_LEN(n));
    if (err == 0)
        err = number_parse_i64(columns[2], &beats.from_s);
    if (err == 0 && scan->run->resolution_s == 1) {
        err = beats_unpack(columns[3], bits);
        beats.bits = bits;
    } else if (err == 0) {
        err = beat_counts_decode(scan->s->frame, columns[3], scan->counts, &beats.counts_count);
        beats.counts = scan->counts;
    }
    if (err != 0)
        return run_row_failed(scan->s, scan->run, err, "heartbeat", columns, 3);
    beats.collector = (uint32_t)n[0];
    beats.host = (uint32_t)n[1];
    return scan->visit(scan->arg, &beats);
}

/* At 1 s a row is an hour; coarser, the whole range. */
static void put_beat_filter(struct buffer *sql, const struct storage_run *run,
                            const struct beat_filter *filter)
{
    buffer_printf(sql, " WHERE collector = %" PRIu32, filter->collector);
    select_near(sql, "host", filter->hosts, filter->hosts_count);
    if (run->resolution_s == 1)
        buffer_printf(sql, " AND from_s > %" PRId64 " AND from_s <= %" PRId64,
                      filter->from_ms / 1000 - BEAT_SECONDS, block_last_ms(filter->to_ms) / 1000);
}

static int beats_read(struct mysql_session *s, const struct storage_run *run,
                      const struct beat_filter *filter, storage_beats_visit *visit, void *arg)
{
    bool arrival = run->kind == STORAGE_ARRIVAL;
    enum schema_kind kind = arrival ? SCHEMA_HEARTBEAT : SCHEMA_BEATS;
    if (!schema_has(run, kind) ||
        (filter != NULL &&
         ((filter->hosts != NULL && filter->hosts_count == 0) || filter->from_ms >= filter->to_ms)))
        return 0;
    struct beats_scan scan = {.s = s, .run = run, .visit = visit, .arg = arg};
    struct buffer *sql = session_select(s, s->guard);
    buffer_printf(sql, "collector, host, from_s, %s", arrival ? "seconds" : "body");
    select_from(s, kind, run, "PRIMARY");
    if (filter != NULL)
        put_beat_filter(sql, run, filter);
    buffer_printf(sql, " ORDER BY collector, host, from_s%s", arrival ? ", lo, seq" : "");
    return session_query(s, "read.beats", s->guard, beats_row, &scan);
}

int mysql_run_beats(struct storage_session *base, const struct storage_run *run,
                    const struct beat_filter *filter, storage_beats_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    return session_reads(s) ? beats_read(s, run, filter, visit, arg) : LT_EUNAVAILABLE;
}

struct beat_blocks {
    beat_visit *visit;
    void *arg;
};

static int beat_block_visit(void *arg, const struct storage_beats *beats)
{
    const struct beat_blocks *blocks = arg;
    struct beat_block block = {
        .host = beats->host,
        .collector = beats->collector,
        .from_s = (uint32_t)beats->from_s,
        .bits = beats->bits,
    };
    return blocks->visit(blocks->arg, &block);
}

int run_scan_beats(struct mysql_session *s, const struct storage_run *run,
                   const struct beat_filter *filter, beat_visit *visit, void *arg)
{
    struct beat_blocks blocks = {visit, arg};
    return run->resolution_s == 1 ? beats_read(s, run, filter, beat_block_visit, &blocks)
                                  : LT_EINVALID;
}

/* ---- tables ---- */

struct table_scan {
    storage_table_visit *visit;
    void *arg;
};

/* The number at the end of arrival_1_s_1424444400_1424448000_12; 0 for other names. */
static uint64_t run_of(struct slice name)
{
    unsigned parts = 1;
    size_t at = 0;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '_') {
            parts++;
            at = i + 1;
        }
    uint64_t run;
    return parts == 6 && number_parse_u64(slice_from(name, at), &run) == 0 ? run : 0;
}

/* name, rows, data bytes, index bytes */
static int table_row(void *arg, const struct slice *columns)
{
    const struct table_scan *scan = arg;
    uint64_t n[3] = {0};
    for (unsigned i = 0; i < ARRAY_LEN(n); i++)
        if (columns[i + 1].p != NULL && number_parse_u64(columns[i + 1], &n[i]) != 0)
            return LT_EPARSE;
    struct storage_table table = {columns[0], run_of(columns[0]), n[0], n[1], n[2]};
    return scan->visit(scan->arg, &table);
}

int mysql_tables(struct storage_session *base, uint32_t environment, struct read_guard *guard,
                 storage_table_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, guard != NULL);
    if (err != 0)
        return err;
    struct table_scan scan = {visit, arg};
    buffer_printf(session_sql(s),
                  "SELECT table_name, table_rows, data_length, index_length FROM"
                  " information_schema.tables WHERE table_schema = '%s%" PRIu32
                  "' ORDER BY table_name",
                  s->storage->prefix, environment);
    return session_query(s, "read.tables", guard, table_row, &scan);
}
