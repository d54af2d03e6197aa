#include "mysql/manifest.h"

#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "vector/beats.h"

#include <inttypes.h>

/* Reads of one moment: one read-only transaction, whose view covers the progress row, the manifest
 * and all range tables. Statements carry the guard's deadline, so that the server ends them by
 * itself. */

enum {
    HOSTS_LISTED_MAX = 1000, /* more are read as a span; the reader checks */
    END_MS = 500,
};

/* ---- begin, end ---- */

/* Ends the transaction. A server that does not answer even this in time loses the connection, and
 * with it the transaction: the reader is not kept beyond its deadline. */
static void snapshot_close(struct mysql_session *s)
{
    struct read_guard guard = {.deadline_mono_ms = clock_mono_ms() + END_MS};
    if (s->conn.mysql != NULL &&
        conn_query(&s->conn, "snapshot.end", SLICE_LIT("ROLLBACK"), &guard, NULL, NULL) != 0)
        conn_disconnect(&s->conn);
}

static int snapshot_run(void *arg, const struct storage_run *run)
{
    struct mysql_session *s = arg;
    return VEC_PUSH(&s->runs, *run) ? 0 : LT_ENOMEM;
}

int mysql_snapshot_begin(struct storage_session *base, uint32_t environment, uint32_t partition,
                         struct read_guard *guard, uint64_t *next_out)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, true);
    if (err != 0)
        return err;
    s->environment = environment;
    s->guard = guard;
    struct storage_progress progress;
    err = conn_query(&s->conn, "snapshot.begin",
                     SLICE_LIT("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"), guard,
                     NULL, NULL);
    if (err == 0)
        err = lease_read(s, partition, false, guard, &progress);
    s->runs.n = 0;
    if (err == 0)
        err = manifest_read(s, "snapshot.manifest", environment, MANIFEST_IN_FORCE, guard,
                            snapshot_run, s);
    if (err != 0) {
        snapshot_close(s);
        return err;
    }
    s->reading = true;
    *next_out = progress.next;
    return 0;
}

void mysql_snapshot_end(struct storage_session *base)
{
    struct mysql_session *s = session_of(base);
    if (!s->reading)
        return;
    snapshot_close(s);
    s->reading = false;
    s->guard = NULL;
}

const struct storage_run *mysql_snapshot_runs(struct storage_session *base, uint32_t *count_out)
{
    struct mysql_session *s = session_of(base);
    *count_out = s->reading ? s->runs.n : 0;
    return s->runs.v;
}

/* ---- scans ---- */

/* Does it hold 1-second data, maybe of [from_ms, to_ms)? Coarser runs repeat what others hold. */
static bool run_matters(const struct storage_run *run, int64_t from_ms, int64_t to_ms)
{
    if (run->resolution_s != 1 || from_ms >= to_ms)
        return false;
    return schema_is_catch_all(run->range) ||
           (run->range.from_s <= block_last_ms(to_ms) / 1000 && run->range.to_s > from_ms / 1000);
}

static void put_list(struct buffer *sql, const char *column, const uint32_t *ids, uint32_t count)
{
    buffer_printf(sql, " AND %s IN (", column);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(sql, "%s%" PRIu32, i > 0 ? "," : "", ids[i]);
    buffer_append_str(sql, ")");
}

static void put_hosts(struct buffer *sql, const uint32_t *hosts, uint32_t count)
{
    if (hosts == NULL)
        return;
    if (count <= HOSTS_LISTED_MAX)
        put_list(sql, "host", hosts, count);
    else
        buffer_printf(sql, " AND host BETWEEN %" PRIu32 " AND %" PRIu32, hosts[0],
                      hosts[count - 1]);
}

struct scan {
    struct mysql_session *s;
    const struct storage_run *run;
    bool fresh;
    block_visit *block;
    beat_visit *beat;
    void *arg;
};

static int row_corrupt(const struct scan *scan, int err, struct slice lo, struct slice seq)
{
    log_error("mysql",
              "environment %" PRIu32 ", run %" PRIu64 ", range %" PRId64 " to %" PRId64
              ": row (lo %.*s, seq %.*s) cannot be read: %s",
              scan->s->environment, scan->run->id, scan->run->range.from_s, scan->run->range.to_s,
              (int)lo.n, lo.p, (int)seq.n, seq.p, error_text(err));
    return err;
}

/* lo, seq, dimension, host, category, body */
static int arrival_row(void *arg, const struct slice *columns)
{
    struct scan *scan = arg;
    uint64_t n[5];
    int err = 0;
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(n); i++)
        err = number_parse_u64(columns[i], &n[i]);
    struct arrival_points points;
    if (err == 0)
        err = arrival_decode(scan->s->arrival, columns[5], &points);
    if (err != 0)
        return row_corrupt(scan, err, columns[0], columns[1]);
    struct block block = {
        .category = (uint32_t)n[4],
        .dimension = (uint32_t)n[2],
        .host = (uint32_t)n[3],
        .fresh = scan->fresh,
        .lo = n[0],
        .count = points.count,
        .items = points.items,
        .times_ms = points.times_ms,
        .values = points.values,
        .policies = points.policies,
    };
    return scan->block(scan->arg, &block);
}

static void put_arrival_select(struct mysql_session *s, const struct storage_run *run,
                               const struct block_filter *filter)
{
    struct schema_table table = schema_table_of(s->environment, SCHEMA_ARRIVAL, run);
    struct buffer *sql = session_select(s, s->guard);
    buffer_append_str(sql, "lo, seq, dimension, host, category, body FROM ");
    schema_put_run_table(sql, s->storage->prefix, &table);
    buffer_printf(sql, " FORCE INDEX (by_series) WHERE category = %" PRIu32, filter->category);
    put_list(sql, "dimension", filter->dimensions, filter->dimensions_count);
    buffer_printf(sql, " AND fresh = %d", filter->fresh ? 1 : 0);
    put_hosts(sql, filter->hosts, filter->hosts_count);
    buffer_printf(sql,
                  " AND max_ms >= %" PRId64 " AND min_ms <= %" PRId64
                  " ORDER BY category, dimension, fresh, host, lo, seq",
                  filter->from_ms, block_last_ms(filter->to_ms));
}

static int scan_arrival(struct mysql_session *s, const struct storage_run *run,
                        const struct block_filter *filter, block_visit *visit, void *arg)
{
    struct scan scan = {.s = s, .run = run, .fresh = filter->fresh, .block = visit, .arg = arg};
    if (!schema_has(run, SCHEMA_ARRIVAL))
        return 0;
    put_arrival_select(s, run, filter);
    return session_query(s, "snapshot.arrival", s->guard, arrival_row, &scan);
}

/* The one place where snapshot_scan meets the points of a compact run. */
static int scan_compact(struct mysql_session *s, const struct storage_run *run,
                        const struct block_filter *filter, block_visit *visit, void *arg)
{
    return filter->fresh ? LT_EUNSUPPORTED : 0;
}

int mysql_snapshot_scan(struct storage_session *base, const struct block_filter *filter,
                        block_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    if (!s->reading)
        return LT_EUNAVAILABLE;
    if (filter->dimensions_count == 0 || (filter->hosts != NULL && filter->hosts_count == 0))
        return 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->runs.n; i++) {
        const struct storage_run *run = &s->runs.v[i];
        if (run_matters(run, filter->from_ms, filter->to_ms))
            err = run->kind == STORAGE_ARRIVAL ? scan_arrival(s, run, filter, visit, arg)
                                               : scan_compact(s, run, filter, visit, arg);
    }
    return err;
}

/* lo, seq, host, collector, from_s, seconds */
static int heartbeat_row(void *arg, const struct slice *columns)
{
    struct scan *scan = arg;
    uint64_t n[3];
    int err = 0;
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(n); i++)
        err = number_parse_u64(columns[i + 2], &n[i]);
    uint8_t bits[BEAT_BYTES];
    if (err == 0)
        err = beats_unpack(columns[5], bits);
    if (err != 0)
        return row_corrupt(scan, err, columns[0], columns[1]);
    struct beat_block beat = {
        .host = (uint32_t)n[0],
        .collector = (uint32_t)n[1],
        .from_s = (uint32_t)n[2],
        .bits = bits,
    };
    return scan->beat(scan->arg, &beat);
}

static void put_heartbeat_select(struct mysql_session *s, const struct storage_run *run,
                                 const struct beat_filter *filter)
{
    struct schema_table table = schema_table_of(s->environment, SCHEMA_HEARTBEAT, run);
    struct buffer *sql = session_select(s, s->guard);
    buffer_append_str(sql, "lo, seq, host, collector, from_s, seconds FROM ");
    schema_put_run_table(sql, s->storage->prefix, &table);
    buffer_printf(sql, " WHERE collector = %" PRIu32, filter->collector);
    put_hosts(sql, filter->hosts, filter->hosts_count);
    buffer_printf(sql, " AND from_s > %" PRId64 " AND from_s <= %" PRId64,
                  filter->from_ms / 1000 - BEAT_SECONDS, (filter->to_ms - 1) / 1000);
}

static int scan_heartbeats(struct mysql_session *s, const struct storage_run *run,
                           const struct beat_filter *filter, beat_visit *visit, void *arg)
{
    struct scan scan = {.s = s, .run = run, .beat = visit, .arg = arg};
    if (!schema_has(run, SCHEMA_HEARTBEAT))
        return 0;
    put_heartbeat_select(s, run, filter);
    return session_query(s, "snapshot.heartbeat", s->guard, heartbeat_row, &scan);
}

/* The one place where snapshot_scan_beats meets the heartbeats of a compact run. */
static int scan_beats(struct mysql_session *s, const struct storage_run *run,
                      const struct beat_filter *filter, beat_visit *visit, void *arg)
{
    return schema_has(run, SCHEMA_BEATS) ? LT_EUNSUPPORTED : 0;
}

int mysql_snapshot_scan_beats(struct storage_session *base, const struct beat_filter *filter,
                              beat_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    if (!s->reading)
        return LT_EUNAVAILABLE;
    if (filter->hosts != NULL && filter->hosts_count == 0)
        return 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->runs.n; i++) {
        const struct storage_run *run = &s->runs.v[i];
        if (run_matters(run, filter->from_ms, filter->to_ms))
            err = run->kind == STORAGE_ARRIVAL ? scan_heartbeats(s, run, filter, visit, arg)
                                               : scan_beats(s, run, filter, visit, arg);
    }
    return err;
}
