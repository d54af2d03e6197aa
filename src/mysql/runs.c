#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "mysql/manifest.h"

#include <assert.h>
#include <inttypes.h>

/* Runs change their state, each time in one transaction that begins with the fence: so an owner
 * that was replaced changes nothing, and a flush, which holds the same row, sees all or nothing. */

enum { NOTE_NAME_BYTES_MAX = 255, NOTE_BYTES_MAX = 4 << 20 };

/* What a session that sets no time limit is told when somebody at the database ends a statement. */
static int again(int err)
{
    return err == LT_ECANCELLED || err == LT_ETIMEOUT ? LT_ERETRY : err;
}

/* Ends the transaction: commits where all went well. */
static int end(struct mysql_session *s, const char *name, int err)
{
    if (err == 0)
        err = conn_exec(&s->conn, name, SLICE_LIT("COMMIT"), NULL);
    if (err != 0)
        session_rollback(s);
    return again(err);
}

static struct buffer *update_begin(struct mysql_session *s, uint32_t environment)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "UPDATE ");
    schema_put_table(sql, s->storage->prefix, environment, "manifest_4");
    return sql;
}

/* ---- close ---- */

struct closing {
    struct storage_range range;
    VEC(uint64_t) ids;
};

static int closing_run(void *arg, const struct storage_run *run)
{
    struct closing *closing = arg;
    return !schema_same_range(run->range, closing->range) || VEC_PUSH(&closing->ids, run->id)
               ? 0
               : LT_ENOMEM;
}

static void put_ids(struct buffer *sql, const uint64_t *ids, uint32_t count)
{
    buffer_append_str(sql, " WHERE id IN (");
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(sql, "%s%" PRIu64, i > 0 ? "," : "", ids[i]);
    buffer_append_str(sql, ")");
}

int mysql_runs_close(struct storage_session *base, const struct storage_fence *fence,
                     uint32_t environment, struct storage_range range, uint32_t *closed_out)
{
    struct mysql_session *s = session_of(base);
    struct closing closing = {.range = range};
    int err = lease_fence(s, "close.begin", "close.fence", fence);
    if (err != 0)
        return again(err);
    /* Ids first, so that only their rows are locked. */
    err = manifest_read(s, "close.list", environment, MANIFEST_OPEN, NULL, closing_run, &closing);
    if (err == 0 && closing.ids.n > 0) {
        struct buffer *sql = update_begin(s, environment);
        buffer_printf(sql, " SET state = %d, state_at = NOW(6)", STORAGE_CLOSED);
        put_ids(sql, closing.ids.v, closing.ids.n);
        err = session_exec(s, "runs.close", NULL);
    }
    err = end(s, "close.commit", err);
    if (err == 0)
        *closed_out = closing.ids.n;
    VEC_FINI(&closing.ids);
    return err;
}

/* ---- create ---- */

int mysql_run_create(struct storage_session *base, const struct storage_fence *fence,
                     uint32_t environment, const struct storage_run *like, struct storage_run *out)
{
    struct mysql_session *s = session_of(base);
    struct storage_run run = {
        .kind = like->kind,
        .state = STORAGE_BUILDING,
        .resolution_s = like->resolution_s,
        .range = like->range,
    };
    int err = lease_fence(s, "run.begin", "run.fence", fence);
    if (err != 0)
        return again(err);
    err = manifest_id(s, "run.counter", environment, &run.id);
    if (err == 0)
        err = manifest_insert(s, "run.create", environment, &run);
    err = end(s, "run.commit", err);
    if (err == 0)
        *out = run;
    return err;
}

/* ---- publish ---- */

static int publish_out(struct mysql_session *s, uint32_t environment, const uint64_t *out,
                       uint32_t count)
{
    if (count == 0)
        return 0;
    struct buffer *sql = update_begin(s, environment);
    buffer_printf(sql, " SET state = %d, state_at = NOW(6)", STORAGE_LEFT);
    put_ids(sql, out, count);
    buffer_printf(sql, " AND ((kind = %d AND state = %d) OR (kind = %d AND state = %d))",
                  STORAGE_ARRIVAL, STORAGE_CLOSED, STORAGE_COMPACT, STORAGE_IN_FORCE);
    uint64_t matched = 0;
    int err = session_exec(s, "publish.out", &matched);
    return err != 0 ? err : matched == count ? 0 : LT_EDIVERGED;
}

/* No run enters that holds what was there before the environment was cleared. */
static void put_not_cleared(struct mysql_session *s, struct buffer *sql, uint32_t environment,
                            uint64_t sources)
{
    if (sources == 0)
        return;
    buffer_printf(sql, " AND %" PRIu64 " > COALESCE((SELECT value FROM ", sources);
    schema_put_table(sql, s->storage->prefix, environment, "counter_1");
    buffer_append_str(sql, " WHERE name = 'cleared'), 0)");
}

static int publish_in(struct mysql_session *s, uint32_t environment, const struct storage_run *run)
{
    struct buffer *sql = update_begin(s, environment);
    buffer_printf(sql,
                  " SET state = %d, state_at = NOW(6), sources = %" PRIu64 ", series = %" PRIu64
                  ", bytes = %" PRIu64,
                  run->kind == STORAGE_ARRIVAL ? STORAGE_CLOSED : STORAGE_IN_FORCE, run->sources,
                  run->series, run->bytes);
    manifest_put_points(sql, run);
    buffer_printf(sql, " WHERE id = %" PRIu64 " AND kind = %d AND state = %d", run->id,
                  (int)run->kind, STORAGE_BUILDING);
    put_not_cleared(s, sql, environment, run->sources);
    uint64_t matched = 0;
    int err = session_exec(s, "publish.in", &matched);
    return err != 0 ? err : matched == 1 ? 0 : LT_EDIVERGED;
}

int mysql_runs_publish(struct storage_session *base, const struct storage_fence *fence,
                       uint32_t environment, const struct storage_run *in, uint32_t in_count,
                       const uint64_t *out, uint32_t out_count)
{
    struct mysql_session *s = session_of(base);
    for (uint32_t i = 0; i < in_count; i++)
        assert(put_pending(s, environment, in[i].id, false) == 0);
    int err = lease_fence(s, "publish.begin", "publish.fence", fence);
    if (err != 0)
        return again(err);
    err = publish_out(s, environment, out, out_count);
    for (uint32_t i = 0; err == 0 && i < in_count; i++)
        err = publish_in(s, environment, &in[i]);
    if (err != 0) {
        session_rollback(s);
        return again(err);
    }
    err = conn_exec(&s->conn, "publish.commit", SLICE_LIT("COMMIT"), NULL);
    if (err == LT_ERETRY) {
        session_rollback(s);
        return err;
    }
    for (uint32_t i = 0; i < in_count; i++)
        (void)put_pending(s, environment, in[i].id, true);
    if (err == 0)
        return 0;
    conn_disconnect(
        &s->conn); /* it may yet be done; who lists with a new connection waits for it */
    return LT_EOUTCOME;
}

/* ---- clear ---- */

/* In a flush, so behind its fence. A job that listed the runs before has built nothing that can
 * enter: its own run has left, or is made later of runs that are not above the mark. */
int mysql_flush_clear(struct storage_session *base, uint32_t environment)
{
    struct mysql_session *s = session_of(base);
    uint64_t next;
    int err = manifest_id(s, "clear.counter", environment, &next);
    if (err != 0)
        return again(err);
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "REPLACE INTO ");
    schema_put_table(sql, s->storage->prefix, environment, "counter_1");
    buffer_printf(sql, " VALUES ('cleared', %" PRIu64 ")", next - 1);
    err = session_exec(s, "clear.mark", NULL);
    if (err != 0)
        return again(err);
    sql = update_begin(s, environment);
    buffer_printf(sql, " SET state = %d, state_at = NOW(6) WHERE state <> %d", STORAGE_LEFT,
                  STORAGE_LEFT);
    return again(session_exec(s, "clear.runs", NULL));
}

/* ---- drop ---- */

struct dropping {
    uint64_t id;
    bool found;
    struct storage_run run;
};

static int dropping_run(void *arg, const struct storage_run *run)
{
    struct dropping *dropping = arg;
    if (run->id == dropping->id) {
        dropping->run = *run;
        dropping->found = true;
    }
    return 0;
}

/* From here on nobody can publish it, or make tables for it. */
static int drop_leave(struct mysql_session *s, const struct storage_fence *fence,
                      uint32_t environment, struct dropping *dropping)
{
    int err = lease_fence(s, "drop.begin", "drop.fence", fence);
    if (err != 0)
        return again(err);
    err = manifest_read(s, "drop.list", environment, NULL, NULL, dropping_run, dropping);
    if (err == 0 && dropping->found && dropping->run.state != STORAGE_BUILDING &&
        dropping->run.state != STORAGE_LEFT)
        err = LT_EDIVERGED;
    if (err == 0 && dropping->found && dropping->run.state == STORAGE_BUILDING) {
        struct buffer *sql = update_begin(s, environment);
        buffer_printf(sql, " SET state = %d, state_at = NOW(6)", STORAGE_LEFT);
        put_ids(sql, &dropping->id, 1);
        err = session_exec(s, "drop.leave", NULL);
    }
    return end(s, "drop.commit", err);
}

static int drop_tables(struct mysql_session *s, uint32_t environment, const struct storage_run *run)
{
    static const enum schema_kind kinds[][4] = {
        [STORAGE_ARRIVAL] = {SCHEMA_ARRIVAL, SCHEMA_HEARTBEAT},
        [STORAGE_COMPACT] = {SCHEMA_OBSERVATION, SCHEMA_RANK, SCHEMA_TOTAL, SCHEMA_BEATS},
    };
    unsigned count = run->kind == STORAGE_ARRIVAL ? 2 : 4;
    int err = 0;
    for (unsigned i = 0; err == 0 && i < count; i++) {
        struct schema_table table = schema_table_of(environment, kinds[run->kind][i], run);
        schema_put_drop(session_sql(s), s->storage->prefix, &table);
        err = session_exec(s, "drop.table", NULL);
    }
    return again(err);
}

static int drop_row(struct mysql_session *s, const struct storage_fence *fence,
                    uint32_t environment, uint64_t id)
{
    int err = lease_fence(s, "drop.begin", "drop.fence", fence);
    if (err != 0)
        return again(err);
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "DELETE FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "manifest_4");
    put_ids(sql, &id, 1);
    buffer_printf(sql, " AND state = %d", STORAGE_LEFT);
    err = session_exec(s, "drop.row", NULL);
    return end(s, "drop.commit", err);
}

int mysql_run_drop(struct storage_session *base, const struct storage_fence *fence,
                   uint32_t environment, uint64_t id)
{
    struct mysql_session *s = session_of(base);
    struct dropping dropping = {.id = id};
    (void)put_pending(s, environment, id, true);
    int err = drop_leave(s, fence, environment, &dropping);
    if (err != 0 || !dropping.found)
        return err;
    err = drop_tables(s, environment, &dropping.run);
    return err != 0 ? err : drop_row(s, fence, environment, id);
}

/* ---- notes ---- */

int mysql_note_put(struct storage_session *base, const struct storage_fence *fence,
                   uint32_t environment, struct slice name, struct slice text)
{
    struct mysql_session *s = session_of(base);
    if (name.n == 0 || name.n > NOTE_NAME_BYTES_MAX || text.n > NOTE_BYTES_MAX)
        return LT_EINVALID;
    int err = lease_fence(s, "note.begin", "note.fence", fence);
    if (err != 0)
        return again(err);
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_table(sql, s->storage->prefix, environment, "note_1");
    buffer_append_str(sql, " VALUES (");
    session_put_hex(sql, name);
    buffer_append_str(sql, ",");
    session_put_hex(sql, text);
    buffer_append_str(sql, ") ON DUPLICATE KEY UPDATE text = VALUES(text)");
    err = session_exec(s, "note.put", NULL);
    return end(s, "note.commit", err);
}

static int note_row(void *arg, const struct slice *columns)
{
    buffer_append_slice(arg, columns[0]);
    return ((struct buffer *)arg)->error;
}

int mysql_note_get(struct storage_session *base, uint32_t environment, struct slice name,
                   struct buffer *out)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, false);
    if (err != 0)
        return err;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT text FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "note_1");
    buffer_append_str(sql, " WHERE name = ");
    session_put_hex(sql, name);
    return again(session_query(s, "note.get", NULL, note_row, out));
}
