#include "mysql/manifest.h"

#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"

#include <inttypes.h>

/* Which runs there are, and opening those that flushes write into.
 *
 * An open run is entered first, with no tables, then they are made, then entered: whoever finds an
 * open run without its tables, after a crash or beside another process, makes what is missing. So
 * no table is ever without a run, and no flush finds a run without tables. */

/* ---- reading ---- */

static const char run_columns[] =
    "id, kind, state, resolution_s, from_s, to_s, tables, sources, series, points, fresh, bytes,"
    " min_ms, max_ms,"
    " FLOOR(UNIX_TIMESTAMP(state_at) * 1000), FLOOR(UNIX_TIMESTAMP(NOW(6)) * 1000)";

static int run_parse(const struct slice *columns, struct storage_run *out)
{
    uint64_t n[4];
    struct storage_run run = {0};
    int err = 0;
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(n); i++)
        err = number_parse_u64(columns[i], &n[i]);
    int64_t *const bounds[] = {&run.range.from_s, &run.range.to_s};
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(bounds); i++)
        err = number_parse_i64(columns[4 + i], bounds[i]);
    uint64_t tables = 0;
    uint64_t *const counts[] = {&tables,     &run.sources, &run.series,
                                &run.points, &run.fresh,   &run.bytes};
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(counts); i++)
        err = number_parse_u64(columns[6 + i], counts[i]);
    int64_t *const times[] = {&run.min_ms, &run.max_ms, &run.state_ms, &run.now_ms};
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(times); i++)
        err = number_parse_i64(columns[12 + i], times[i]);
    if (err != 0 || n[1] < STORAGE_ARRIVAL || n[1] > STORAGE_COMPACT || n[2] < STORAGE_BUILDING ||
        n[2] > STORAGE_LEFT)
        return LT_ECORRUPT;
    run.id = n[0];
    run.kind = (enum storage_run_kind)n[1];
    run.state = (enum storage_run_state)n[2];
    run.resolution_s = (uint32_t)n[3];
    run.tables = (uint32_t)tables;
    *out = run;
    return 0;
}

struct reading {
    uint32_t environment;
    storage_run_visit *visit;
    void *arg;
};

static int run_row(void *arg, const struct slice *columns)
{
    const struct reading *reading = arg;
    struct storage_run run;
    int err = run_parse(columns, &run);
    if (err != 0) {
        log_error("mysql", "environment %" PRIu32 ": run %.*s of the manifest cannot be read",
                  reading->environment, (int)columns[0].n, columns[0].p);
        return err;
    }
    return reading->visit(reading->arg, &run);
}

int manifest_read(struct mysql_session *s, const char *name, uint32_t environment,
                  const char *states, struct read_guard *guard, storage_run_visit *visit, void *arg)
{
    struct reading reading = {environment, visit, arg};
    struct buffer *sql = session_select(s, guard);
    buffer_append_str(sql, run_columns);
    buffer_append_str(sql, " FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "manifest_4");
    if (states != NULL)
        buffer_printf(sql, " WHERE state IN (%s)", states);
    buffer_append_str(sql, " ORDER BY from_s = 0 AND to_s = 0 DESC, from_s DESC, to_s DESC, id");
    return session_query(s, name, guard, run_row, &reading);
}

int mysql_runs(struct storage_session *base, uint32_t environment, struct read_guard *guard,
               storage_run_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    int err = s->reading ? 0 : conn_ready(&s->conn, guard != NULL);
    return err != 0 ? err : manifest_read(s, "runs.list", environment, NULL, guard, visit, arg);
}

/* ---- entering ---- */

static int counter_row(void *arg, const struct slice *columns)
{
    return number_parse_u64(columns[0], arg);
}

int manifest_id(struct mysql_session *s, const char *name, uint32_t environment, uint64_t *out)
{
    uint64_t last = UINT64_MAX;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT value FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "counter_1");
    buffer_append_str(sql, " WHERE name = 'run' FOR UPDATE");
    int err = session_query(s, name, NULL, counter_row, &last);
    if (err == 0 && last == UINT64_MAX) {
        log_error("mysql", "environment %" PRIu32 " was not prepared: it has no run counter",
                  environment);
        err = LT_EIO;
    }
    if (err == 0)
        *out = last + 1;
    return err;
}

int manifest_insert(struct mysql_session *s, const char *name, uint32_t environment,
                    const struct storage_run *run)
{
    const char *prefix = s->storage->prefix;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "UPDATE ");
    schema_put_table(sql, prefix, environment, "counter_1");
    buffer_printf(sql, " SET value = %" PRIu64 " WHERE name = 'run'", run->id);
    int err = session_exec(s, name, NULL);
    if (err != 0)
        return err;
    sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_table(sql, prefix, environment, "manifest_4");
    buffer_printf(sql,
                  " (id, kind, state, resolution_s, from_s, to_s, state_at) VALUES (%" PRIu64
                  ", %d, %d, %" PRIu32 ", %" PRId64 ", %" PRId64 ", NOW(6))",
                  run->id, (int)run->kind, (int)run->state, run->resolution_s, run->range.from_s,
                  run->range.to_s);
    return session_exec(s, name, NULL);
}

void manifest_put_points(struct buffer *sql, const struct storage_run *more)
{
    if (more->points == 0)
        return;
    buffer_printf(sql,
                  ", points = points + %" PRIu64 ", fresh = fresh + %" PRIu64
                  ", min_ms = LEAST(min_ms, %" PRId64 "), max_ms = GREATEST(max_ms, %" PRId64 ")",
                  more->points, more->fresh, more->min_ms, more->max_ms);
}

int manifest_make(struct mysql_session *s, const char *create_name, const char *enter_name,
                  const struct schema_table *table, bool building, bool small)
{
    const char *prefix = s->storage->prefix;
    schema_put_create(session_sql(s), prefix, table, small);
    int err = session_exec(s, create_name, NULL);
    if (err != 0)
        return err;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "UPDATE ");
    schema_put_table(sql, prefix, table->environment, "manifest_4");
    buffer_printf(sql, " SET tables = tables | %u WHERE id = %" PRIu64, 1u << table->kind,
                  table->run);
    if (building)
        buffer_printf(sql, " AND state = %d", STORAGE_BUILDING);
    uint64_t matched = 0;
    err = session_exec(s, enter_name, &matched);
    if (err != 0 || matched == 1)
        return err;
    log_warn("mysql", "environment %" PRIu32 ": run %" PRIu64 " has gone while a table was made",
             table->environment, table->run);
    schema_put_drop(session_sql(s), prefix, table);
    err = session_exec(s, "run.unmake", NULL);
    return err != 0 ? err : LT_EDIVERGED;
}

/* ---- opening ---- */

static const enum schema_kind arrival_kinds[] = {SCHEMA_ARRIVAL, SCHEMA_HEARTBEAT};

struct opening {
    VEC(struct storage_run) runs; /* open */
};

static int opening_run(void *arg, const struct storage_run *run)
{
    struct opening *opening = arg;
    return VEC_PUSH(&opening->runs, *run) ? 0 : LT_ENOMEM;
}

static int opening_read(struct mysql_session *s, const char *name, uint32_t environment,
                        struct opening *opening)
{
    opening->runs.n = 0;
    return manifest_read(s, name, environment, MANIFEST_OPEN, NULL, opening_run, opening);
}

static const struct storage_run *open_run_of(const struct opening *opening,
                                             struct storage_range range)
{
    for (uint32_t i = 0; i < opening->runs.n; i++)
        if (schema_same_range(opening->runs.v[i].range, range))
            return &opening->runs.v[i];
    return NULL;
}

static bool all_open(const struct opening *opening, const struct storage_range *ranges,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (open_run_of(opening, ranges[i]) == NULL)
            return false;
    return true;
}

/* In a transaction: the counter's lock makes two processes open one run. The list is read after it
 * was taken, so that it shows what the other has opened. */
static int runs_open(struct mysql_session *s, uint32_t environment, struct opening *opening,
                     const struct storage_range *ranges, uint32_t count)
{
    uint64_t id;
    int err = manifest_id(s, "ensure.counter", environment, &id);
    if (err == 0)
        err = opening_read(s, "ensure.list", environment, opening);
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        if (open_run_of(opening, ranges[i]) != NULL)
            continue;
        struct storage_run run = {.id = id,
                                  .kind = STORAGE_ARRIVAL,
                                  .state = STORAGE_OPEN,
                                  .resolution_s = 1,
                                  .range = ranges[i]};
        id++;
        err = manifest_insert(s, "ensure.run", environment, &run);
        if (err == 0)
            err = opening_run(opening, &run);
    }
    if (err == 0)
        err = conn_exec(&s->conn, "ensure.commit", SLICE_LIT("COMMIT"), NULL);
    return err;
}

static int tables_make(struct mysql_session *s, uint32_t environment, const struct storage_run *run)
{
    int err = 0;
    for (unsigned i = 0; err == 0 && i < ARRAY_LEN(arrival_kinds); i++) {
        if (schema_has(run, arrival_kinds[i]))
            continue;
        struct schema_table table = schema_table_of(environment, arrival_kinds[i], run);
        err = manifest_make(s, "ensure.create", "ensure.manifest", &table, false, false);
    }
    return err == LT_EDIVERGED ? LT_ERETRY : err; /* it was even dropped meanwhile */
}

int mysql_tables_ensure(struct storage_session *base, uint32_t environment,
                        const struct storage_range *ranges, uint32_t count)
{
    struct mysql_session *s = session_of(base);
    struct opening opening = {0};
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = opening_read(s, "ensure.list", environment, &opening);
    if (err == 0 && !all_open(&opening, ranges, count)) {
        err = conn_exec(&s->conn, "ensure.begin", SLICE_LIT("START TRANSACTION"), NULL);
        if (err == 0) {
            err = runs_open(s, environment, &opening, ranges, count);
            if (err != 0)
                session_rollback(s);
        }
    }
    for (uint32_t i = 0; err == 0 && i < count; i++)
        err = tables_make(s, environment, open_run_of(&opening, ranges[i]));
    VEC_FINI(&opening.runs);
    return err;
}
