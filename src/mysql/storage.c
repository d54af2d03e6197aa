#include "mysql/mysql_storage.h"

#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "mysql/session.h"
#include "vector/pack.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    SQL_KEEP_BYTES = 64 << 10,
    SQL_BYTES_MAX = 16 << 20,
    STATEMENT_S_MAX = 86400,
    PORT_DEFAULT = 3306,
};

/* ---- what the other files use ---- */

struct buffer *session_sql(struct mysql_session *s)
{
    buffer_reset(&s->sql, SQL_KEEP_BYTES);
    return &s->sql;
}

struct buffer *session_limit(struct mysql_session *s, struct read_guard *guard)
{
    struct buffer *sql = session_sql(s);
    if (guard == NULL)
        return sql;
    int64_t left_ms = guard->deadline_mono_ms - clock_mono_ms();
    if (left_ms > STATEMENT_S_MAX * INT64_C(1000))
        left_ms = STATEMENT_S_MAX * INT64_C(1000);
    if (left_ms < 1)
        left_ms = 1; /* 0 would be no limit */
    buffer_printf(sql, "SET STATEMENT max_statement_time = %" PRId64 ".%03d FOR ", left_ms / 1000,
                  (int)(left_ms % 1000));
    return sql;
}

struct buffer *session_select(struct mysql_session *s, struct read_guard *guard)
{
    struct buffer *sql = session_limit(s, guard);
    buffer_append_str(sql, "SELECT ");
    return sql;
}

void session_put_hex(struct buffer *sql, struct slice bytes)
{
    buffer_append_str(sql, "x'");
    for (size_t i = 0; i < bytes.n; i++)
        buffer_printf(sql, "%02x", (unsigned)(uint8_t)bytes.p[i]);
    buffer_append_str(sql, "'");
}

int session_exec(struct mysql_session *s, const char *name, uint64_t *affected_out)
{
    return s->sql.error != 0 ? s->sql.error
                             : conn_exec(&s->conn, name, buffer_slice(&s->sql), affected_out);
}

int session_query(struct mysql_session *s, const char *name, struct read_guard *guard,
                  conn_row *row, void *arg)
{
    return s->sql.error != 0 ? s->sql.error
                             : conn_query(&s->conn, name, buffer_slice(&s->sql), guard, row, arg);
}

void session_rollback(struct mysql_session *s)
{
    if (s->conn.mysql != NULL && conn_exec(&s->conn, "rollback", SLICE_LIT("ROLLBACK"), NULL) != 0)
        conn_disconnect(&s->conn);
}

/* ---- sessions ---- */

static void session_destroy(struct storage_session **session)
{
    struct mysql_session *s = session_of(*session);
    flush_destroy(&s->flush);
    put_destroy(&s->put);
    conn_disconnect(&s->conn);
    frame_codec_destroy(&s->frame);
    arrival_codec_destroy(&s->arrival);
    pack_codec_destroy(&s->pack);
    buffer_fini(&s->sql);
    VEC_FINI(&s->runs);
    free(s);
    *session = NULL;
}

static int session_create(struct storage *base, struct storage_session **out)
{
    struct mysql_storage *storage = CONTAINER_OF(base, struct mysql_storage, base);
    struct mysql_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return LT_ENOMEM;
    s->storage = storage;
    conn_init(&s->conn, &storage->conn);
    buffer_init(&s->sql, SQL_BYTES_MAX);
    struct storage_session *session = &s->base;
    session->ops = base->ops;
    int err = frame_codec_create(&s->frame);
    if (err == 0)
        err = arrival_codec_create(&s->arrival);
    if (err != 0) {
        session_destroy(&session);
        return err;
    }
    *out = session;
    return 0;
}

/* A connection that is gone by now runs nothing: that is what was asked for. */
static int session_interrupt(struct storage_session *base, uint64_t connection)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = conn_execf(&s->conn, "interrupt", NULL, "KILL QUERY %" PRIu64, connection);
    return err == LT_ENOTFOUND ? 0 : err;
}

/* ---- storage ---- */

static void mysql_storage_destroy(struct storage **storage)
{
    struct mysql_storage *s = CONTAINER_OF(*storage, struct mysql_storage, base);
    free(s->conn.host);
    free(s->conn.socket);
    free(s->conn.user);
    free(s->conn.password);
    free(s);
    *storage = NULL;
}

static const struct storage_ops mysql_ops = {
    .session_create = session_create,
    .session_destroy = session_destroy,
    .prepare = mysql_prepare,
    .lease_take = mysql_lease_take,
    .lease_renew = mysql_lease_renew,
    .lease_raise = mysql_lease_raise,
    .lease_owner = mysql_lease_owner,
    .lease_release = mysql_lease_release,
    .load = mysql_load,
    .progress = mysql_progress,
    .tables_ensure = mysql_tables_ensure,
    .flush_begin = mysql_flush_begin,
    .flush_name = mysql_flush_name,
    .flush_text = mysql_flush_text,
    .flush_doom = mysql_flush_doom,
    .flush_series = mysql_flush_series,
    .flush_clear = mysql_flush_clear,
    .flush_watermark = mysql_flush_watermark,
    .flush_block = mysql_flush_block,
    .flush_beat = mysql_flush_beat,
    .flush_commit = mysql_flush_commit,
    .flush_abort = mysql_flush_abort,
    .seen_put = mysql_seen_put,
    .snapshot_begin = mysql_snapshot_begin,
    .snapshot_scan = mysql_snapshot_scan,
    .snapshot_scan_beats = mysql_snapshot_scan_beats,
    .snapshot_clear = mysql_snapshot_clear,
    .snapshot_end = mysql_snapshot_end,
    .runs = mysql_runs,
    .runs_close = mysql_runs_close,
    .run_create = mysql_run_create,
    .run_put_pack = mysql_run_put_pack,
    .run_put_rank = mysql_run_put_rank,
    .run_put_total = mysql_run_put_total,
    .run_put_beats = mysql_run_put_beats,
    .run_put_block = mysql_run_put_block,
    .run_flush = mysql_run_flush,
    .runs_publish = mysql_runs_publish,
    .run_drop = mysql_run_drop,
    .note_put = mysql_note_put,
    .note_get = mysql_note_get,
    .reader_begin = mysql_reader_begin,
    .reader_end = mysql_reader_end,
    .snapshot_runs = mysql_snapshot_runs,
    .run_groups = mysql_run_groups,
    .run_scan = mysql_run_scan,
    .runs_packs = mysql_runs_packs,
    .run_ranks = mysql_run_ranks,
    .run_totals = mysql_run_totals,
    .run_beats = mysql_run_beats,
    .tables = mysql_tables,
    .interrupt = session_interrupt,
    .destroy = mysql_storage_destroy,
};

static bool prefix_is_good(const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)prefix[i]) && prefix[i] != '_')
            return false;
    return n <= SCHEMA_PREFIX_BYTES_MAX;
}

static int address_parse(const char *address, struct conn_config *out)
{
    static const char unix_scheme[] = "unix:";
    if (strncmp(address, unix_scheme, sizeof(unix_scheme) - 1) == 0) {
        out->socket = strdup(address + sizeof(unix_scheme) - 1);
        return out->socket != NULL ? 0 : LT_ENOMEM;
    }
    const char *colon = strrchr(address, ':');
    size_t host_bytes = colon != NULL ? (size_t)(colon - address) : strlen(address);
    uint64_t port = PORT_DEFAULT;
    if (host_bytes == 0 ||
        (colon != NULL && (number_parse_u64(slice_str(colon + 1), &port) != 0 || port > 65535)))
        return LT_EINVALID;
    out->port = (unsigned)port;
    out->host = strndup(address, host_bytes);
    return out->host != NULL ? 0 : LT_ENOMEM;
}

int mysql_storage_create(const struct mysql_config *config, struct storage **out)
{
    if (!prefix_is_good(config->prefix)) {
        log_error("mysql", "mysql-prefix '%s': expected letters, digits and '_', at most %d",
                  config->prefix, SCHEMA_PREFIX_BYTES_MAX);
        return LT_EINVALID;
    }
    struct mysql_storage *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return LT_ENOMEM;
    s->base.ops = &mysql_ops;
    memcpy(s->prefix, config->prefix, strlen(config->prefix) + 1);
    s->conn.connect_timeout_ms = config->connect_timeout_ms;
    s->conn.timeout_ms = config->timeout_ms;
    s->conn.read_timeout_ms = config->read_timeout_ms;
    s->conn.user = strdup(config->user);
    s->conn.password = strdup(config->password);
    int err = s->conn.user == NULL || s->conn.password == NULL ? LT_ENOMEM : 0;
    if (err == 0)
        err = address_parse(config->address, &s->conn);
    if (err == LT_EINVALID)
        log_error("mysql", "mysql '%s': expected unix:/path, host or host:port", config->address);
    struct storage *storage = &s->base;
    if (err != 0)
        mysql_storage_destroy(&storage);
    else
        *out = storage;
    return err;
}
