#include "agent/database.h"

#include "agent/digests.h"
#include "agent/status.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"

#include <stdlib.h>

#include <mysql.h>

enum {
    TIMEOUT_S = 3,
    DIGEST_ROWS_MAX = 20000,
    TEXTS_A_SECOND = 50, /* a server that starts has hundreds of new statements: not all at once */
    TEXT_CHARS_MAX = 4096,
    LOG_INTERVAL_MS = 60000,
};

struct database {
    struct database_config config;
    MYSQL *mysql;    /* NULL: not connected */
    bool no_digests; /* performance_schema is off, or not ours to read: said once a connection */
    int64_t logged_ms;
    struct deltas status;
    struct digests digests;
    VEC(struct status_row) status_rows;
    VEC(struct digest_row) digest_rows;
    struct sample sample;
    struct buffer sql;
};

int database_create(const struct database_config *config, struct database **out)
{
    struct database *db = calloc(1, sizeof(*db));
    if (db == NULL)
        return LT_ENOMEM;
    db->config = *config;
    db->logged_ms = -LOG_INTERVAL_MS;
    deltas_init(&db->status);
    digests_init(&db->digests);
    sample_init(&db->sample);
    buffer_init(&db->sql, 64 << 10);
    *out = db;
    return 0;
}

static void disconnect(struct database *db)
{
    if (db->mysql != NULL)
        mysql_close(db->mysql);
    db->mysql = NULL;
    deltas_forget(&db->status);
    digests_forget(&db->digests);
}

void database_destroy(struct database **database)
{
    struct database *db = *database;
    if (db == NULL)
        return;
    disconnect(db);
    deltas_fini(&db->status);
    digests_fini(&db->digests);
    VEC_FINI(&db->status_rows);
    VEC_FINI(&db->digest_rows);
    sample_fini(&db->sample);
    buffer_fini(&db->sql);
    free(db);
    *database = NULL;
}

static void complain(struct database *db, const char *what)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - db->logged_ms < LOG_INTERVAL_MS)
        return;
    db->logged_ms = now_ms;
    log_warn("database", "%s: %s; trying again each second", what, mysql_error(db->mysql));
}

static bool connect_now(struct database *db)
{
    const struct database_config *c = &db->config;
    unsigned timeout = TIMEOUT_S;
    db->mysql = mysql_init(NULL);
    if (db->mysql == NULL)
        return false;
    mysql_options(db->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(db->mysql, MYSQL_OPT_READ_TIMEOUT, &timeout);
    mysql_options(db->mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout);
    mysql_options(db->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    bool by_socket = c->socket[0] != '\0';
    if (mysql_real_connect(db->mysql, by_socket ? NULL : c->host, c->user, c->password, NULL,
                           by_socket ? 0 : (unsigned)c->port, by_socket ? c->socket : NULL,
                           0) == NULL) {
        complain(db, "cannot connect to MySQL");
        disconnect(db);
        return false;
    }
    log_info("database", "connected to MySQL %s", mysql_get_server_info(db->mysql));
    db->no_digests = false;
    return true;
}

/* NULL: failed, and the connection is closed unless the server itself answered with the error. */
static MYSQL_RES *query(struct database *db, const char *sql, size_t n)
{
    MYSQL_RES *result = NULL;
    if (mysql_real_query(db->mysql, sql, n) == 0)
        result = mysql_store_result(db->mysql);
    if (result != NULL)
        return result;
    complain(db, "a query failed");
    if (mysql_errno(db->mysql) >= 2000) /* the client library's own errors */
        disconnect(db);
    return NULL;
}

static struct slice cell(MYSQL_ROW row, const unsigned long *lengths, int i)
{
    return row[i] == NULL ? SLICE_LIT("") : slice_make(row[i], lengths[i]);
}

static uint64_t cell_number(MYSQL_ROW row, const unsigned long *lengths, int i)
{
    uint64_t x = 0;
    return number_parse_u64(cell(row, lengths, i), &x) == 0 ? x : 0;
}

static void emit_sample(struct database *db, const char *collector, machine_emit *emit, void *arg)
{
    sample_put(&db->sample, 1, "host.%s.heartbeat", collector);
    emit(arg, &db->sample);
}

static void collect_status(struct database *db, machine_emit *emit, void *arg)
{
    static const char sql[] = "SHOW GLOBAL STATUS";
    MYSQL_RES *result = query(db, sql, sizeof(sql) - 1);
    if (result == NULL)
        return;
    db->status_rows.n = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        struct status_row r = {cell(row, lengths, 0), cell(row, lengths, 1)};
        if (!VEC_PUSH(&db->status_rows, r))
            break;
    }
    sample_reset(&db->sample);
    bool measured = status_read(&db->status, db->status_rows.v, db->status_rows.n, &db->sample);
    mysql_free_result(result);
    if (measured)
        emit_sample(db, "mysql", emit, arg);
}

/* ---- statement digests ---- */

static bool digests_available(struct database *db)
{
    static const char sql[] = "SELECT @@performance_schema";
    MYSQL_RES *result = query(db, sql, sizeof(sql) - 1);
    if (result == NULL)
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    bool on = row != NULL && row[0] != NULL && row[0][0] == '1';
    mysql_free_result(result);
    if (!on)
        log_warn("database",
                 "performance_schema is off on this server: its statements are not measured. "
                 "To have them, start it with performance_schema=ON");
    return on;
}

static void stem_of(const char *hex, struct buffer *out)
{
    buffer_reset(out, 1 << 10);
    buffer_printf(out, "host.queries.q.%s", hex);
}

static void fetch_texts(struct database *db, const struct digest_use *const *uses, uint32_t count,
                        machine_text *text, void *arg)
{
    buffer_reset(&db->sql, 64 << 10);
    buffer_printf(&db->sql,
                  "SELECT DISTINCT LEFT(DIGEST, %d), LEFT(DIGEST_TEXT, %d) FROM "
                  "performance_schema.events_statements_summary_by_digest WHERE DIGEST IN (",
                  DIGEST_HEX, TEXT_CHARS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        buffer_append_str(&db->sql, i == 0 ? "'" : ",'");
        buffer_append_slice(&db->sql, uses[i]->digest); /* hex, from the server itself */
        buffer_append_str(&db->sql, "'");
    }
    buffer_append_str(&db->sql, ")");
    MYSQL_RES *result = query(db, db->sql.data, db->sql.len);
    if (result == NULL)
        return;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        struct slice statement = cell(row, lengths, 1);
        while (statement.n > 0 && statement.p[statement.n - 1] == ' ')
            statement.n--; /* the server ends each token with a blank */
        struct buffer stem;
        buffer_init(&stem, 1 << 10);
        buffer_printf(&stem, "host.queries.q.%s", row[0] == NULL ? "" : row[0]);
        if (stem.error == 0 && statement.n > 0)
            text(
                arg, buffer_slice(&stem),
                slice_upto(statement, statement.n < TEXT_CHARS_MAX ? statement.n : TEXT_CHARS_MAX));
        buffer_fini(&stem);
    }
    mysql_free_result(result);
}

static void name_digests(struct database *db, database_wanted *wanted, machine_text *text,
                         void *arg)
{
    const struct digest_use *unknown[TEXTS_A_SECOND];
    uint32_t count = 0;
    for (uint32_t i = 0; i < db->digests.used.n && count < TEXTS_A_SECOND; i++) {
        const struct digest_use *use = &db->digests.used.v[i];
        stem_of(use->hex, &db->sql);
        if (db->sql.error != 0 || !wanted(arg, buffer_slice(&db->sql)))
            continue;
        if (use->digest.n == 0)
            text(arg, buffer_slice(&db->sql),
                 SLICE_LIT("(statements for which performance_schema had no room)"));
        else
            unknown[count++] = use;
    }
    if (count > 0)
        fetch_texts(db, unknown, count, text, arg);
}

static bool read_digest_rows(struct database *db, MYSQL_RES *result)
{
    db->digest_rows.n = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        struct digest_row r = {.schema = cell(row, lengths, 0),
                               .digest = cell(row, lengths, 1),
                               .first_seen = cell(row, lengths, 2),
                               .executions = cell_number(row, lengths, 3),
                               .picoseconds = cell_number(row, lengths, 4),
                               .rows = cell_number(row, lengths, 5),
                               .errors = cell_number(row, lengths, 6)};
        if (!VEC_PUSH(&db->digest_rows, r))
            return false;
    }
    return mysql_errno(db->mysql) == 0;
}

static void collect_digests(struct database *db, machine_emit *emit, database_wanted *wanted,
                            machine_text *text, void *arg)
{
    buffer_reset(&db->sql, 64 << 10);
    buffer_printf(&db->sql,
                  "SELECT SCHEMA_NAME, DIGEST, FIRST_SEEN, COUNT_STAR, SUM_TIMER_WAIT, "
                  "SUM_ROWS_SENT + SUM_ROWS_AFFECTED, SUM_ERRORS "
                  "FROM performance_schema.events_statements_summary_by_digest LIMIT %d",
                  DIGEST_ROWS_MAX);
    MYSQL_RES *result = query(db, db->sql.data, db->sql.len);
    if (result == NULL) {
        /* The server's own refusal (no right, no such table) will be the same in a second. */
        db->no_digests = db->mysql != NULL;
        return;
    }
    sample_reset(&db->sample);
    if (!read_digest_rows(db, result)) {
        digests_forget(&db->digests);
    } else if (digests_read(&db->digests, db->digest_rows.v, db->digest_rows.n, &db->sample)) {
        emit_sample(db, "queries", emit, arg);
        name_digests(db, wanted, text, arg);
    }
    mysql_free_result(result);
}

void database_collect(struct database *db, machine_emit *emit, database_wanted *wanted,
                      machine_text *text, void *arg)
{
    if (db->mysql == NULL) {
        if (!connect_now(db))
            return;
        db->no_digests = !digests_available(db);
    }
    if (db->mysql != NULL)
        collect_status(db, emit, arg);
    if (db->mysql != NULL && !db->no_digests)
        collect_digests(db, emit, wanted, text, arg);
}
