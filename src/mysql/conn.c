#include "mysql/conn.h"

#include "base/error.h"
#include "base/failpoint.h"
#include "base/logger.h"
#include "base/number.h"

#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    SQL_BYTES_MAX = 2048,
    COLUMNS_MAX = 16,
    /* The server ends a statement itself, at its deadline or by KILL QUERY, and the connection
     * stays usable; it is closed only where the server has not done so by then. */
    GUARD_GRACE_MS = 500,
    GUARD_POLL_MS = 100,
};

/* ---- libmariadb's own life cycle: once in the process, once in each thread ---- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;

static void thread_end(void *arg)
{
    (void)arg;
    mysql_thread_end();
}

static void library_start(void)
{
    if (mysql_library_init(0, NULL, NULL) != 0 || pthread_key_create(&thread_key, thread_end) != 0)
        abort(); /* out of memory or keys before anything has begun */
}

static void thread_start(void)
{
    pthread_once(&library_once, library_start);
    if (pthread_getspecific(thread_key) != NULL)
        return;
    mysql_thread_init();
    pthread_setspecific(thread_key, &thread_key); /* any value: its destructor is the point */
}

/* ---- errors ---- */

static bool is_connection_error(unsigned code)
{
    switch (code) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_MALFORMED_PACKET:
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_NEW_ABORTING_CONNECTION:
        return true;
    default:
        return false;
    }
}

static int error_of(unsigned code)
{
    if (is_connection_error(code))
        return LT_EUNAVAILABLE;
    switch (code) {
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_CHECKREAD:
    case ER_TABLE_DEF_CHANGED:
        return LT_ERETRY;
    case ER_QUERY_INTERRUPTED:
        return LT_ECANCELLED;
    case ER_STATEMENT_TIMEOUT:
        return LT_ETIMEOUT;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
        return LT_EFULL;
    case ER_NO_SUCH_THREAD: /* of a KILL */
        return LT_ENOTFOUND;
    case CR_OUT_OF_MEMORY:
        return LT_ENOMEM;
    default:
        return LT_EIO;
    }
}

/* Logs, closes the connection where it is lost, and says which error it was. */
static int conn_fail(struct conn *c, const char *name, unsigned code, const char *text)
{
    int err = error_of(code);
    if (err != LT_ECANCELLED && err != LT_ETIMEOUT && err != LT_ENOTFOUND)
        log_warn("mysql", "%s failed: %s (error %u): %s", name, text, code, error_text(err));
    if (err == LT_EUNAVAILABLE)
        conn_disconnect(c);
    return err;
}

static int conn_fail_last(struct conn *c, const char *name)
{
    return conn_fail(c, name, mysql_errno(c->mysql), mysql_error(c->mysql));
}

static void failpoint_of(const char *name, const char *side)
{
    char full[64];
    snprintf(full, sizeof(full), "%s.%s", name, side);
    failpoint(full);
}

/* ---- connecting ---- */

void conn_init(struct conn *c, const struct conn_config *config)
{
    *c = (struct conn){.config = config};
}

void conn_disconnect(struct conn *c)
{
    if (c->mysql != NULL) {
        thread_start();
        mysql_close(c->mysql);
    }
    c->mysql = NULL;
}

static int packet_row(void *arg, const struct slice *columns)
{
    uint64_t bytes;
    int err = number_parse_u64(columns[0], &bytes);
    if (err == 0)
        *(size_t *)arg = (size_t)bytes;
    return err;
}

static unsigned seconds_up(int ms)
{
    return ms <= 0 ? 1 : ((unsigned)ms + 999) / 1000;
}

/* What the statements here rely on, whatever the server's configuration says. A transaction that
 * holds locks and says nothing (a frozen owner) is ended by the server, so that another can take
 * the partition; the wait for a lock is longer than that, and shorter than the wait for an answer.
 * Long lists of ids stay what they are, ranges of an index: made into a table, as the server does
 * with 1,000 and more, they are joined to whole scans. */
static int conn_setup(struct conn *c)
{
    unsigned lock_wait_s = seconds_up(c->config->timeout_ms / 2);
    unsigned idle_s = seconds_up(c->config->timeout_ms / 3);
    int err = conn_execf(c, "connect.setup", NULL,
                         "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
                         " time_zone = '+00:00', autocommit = 1, tx_isolation = 'REPEATABLE-READ',"
                         " in_predicate_conversion_threshold = 0,"
                         " innodb_lock_wait_timeout = %u, lock_wait_timeout = %u,"
                         " idle_write_transaction_timeout = %u",
                         lock_wait_s, lock_wait_s, idle_s);
    if (err == 0)
        err = conn_query(c, "connect.setup", SLICE_LIT("SELECT @@max_allowed_packet"), NULL,
                         packet_row, &c->packet_bytes_max);
    return err;
}

static MYSQL *conn_handle(const struct conn_config *config, bool guarded)
{
    MYSQL *mysql = mysql_init(NULL);
    if (mysql == NULL)
        return NULL;
    unsigned connect_s = seconds_up(config->connect_timeout_ms);
    unsigned io_s = seconds_up(guarded ? config->read_timeout_ms : config->timeout_ms);
    my_bool no = 0;
    unsigned off = 0;
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &no);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "binary");
    return mysql;
}

static int conn_connect(struct conn *c, bool guarded)
{
    const struct conn_config *config = c->config;
    c->mysql = conn_handle(config, guarded);
    if (c->mysql == NULL)
        return LT_ENOMEM;
    /* Rows matched, not rows changed, is what a compare-and-set has to count. */
    if (mysql_real_connect(c->mysql, config->host, config->user, config->password, NULL,
                           config->port, config->socket, CLIENT_FOUND_ROWS) == NULL) {
        if (!c->down)
            log_warn("mysql", "cannot connect to %s: %s (error %u)",
                     config->host != NULL ? config->host : config->socket, mysql_error(c->mysql),
                     mysql_errno(c->mysql));
        c->down = true;
        conn_disconnect(c);
        return LT_EUNAVAILABLE;
    }
    if (c->down)
        log_info("mysql", "connected again");
    c->down = false;
    c->guarded = guarded;
    c->incarnation++;
    int err = conn_setup(c);
    if (err != 0)
        conn_disconnect(c);
    return err;
}

/* Has the server closed it, or said something unasked, which means that it is about to? */
static bool conn_is_stale(struct conn *c)
{
    struct pollfd fd = {.fd = mysql_get_socket(c->mysql), .events = POLLIN};
    return poll(&fd, 1, 0) != 0;
}

int conn_ready(struct conn *c, bool guarded)
{
    thread_start();
    if (c->mysql != NULL && (c->guarded != guarded || conn_is_stale(c)))
        conn_disconnect(c);
    return c->mysql != NULL ? 0 : conn_connect(c, guarded);
}

/* ---- statements without rows ---- */

int conn_exec(struct conn *c, const char *name, struct slice sql, uint64_t *affected_out)
{
    if (c->mysql == NULL)
        return LT_EUNAVAILABLE;
    failpoint_of(name, "before");
    if (mysql_real_query(c->mysql, sql.p, sql.n) != 0)
        return conn_fail_last(c, name);
    failpoint_of(name, "after");
    if (affected_out != NULL)
        *affected_out = mysql_affected_rows(c->mysql);
    return 0;
}

int conn_execf(struct conn *c, const char *name, uint64_t *affected_out, const char *format, ...)
{
    char sql[SQL_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(sql))
        return LT_ELIMIT;
    return conn_exec(c, name, slice_make(sql, (size_t)n), affected_out);
}

static int stmt_run(struct conn *c, const char *name, MYSQL_STMT *stmt, struct slice sql,
                    MYSQL_BIND *columns, unsigned rows)
{
    if (mysql_stmt_prepare(stmt, sql.p, sql.n) != 0 ||
        mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &rows) != 0 ||
        mysql_stmt_bind_param(stmt, columns) != 0 || mysql_stmt_execute(stmt) != 0)
        return conn_fail(c, name, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
    return 0;
}

int conn_bulk(struct conn *c, const char *name, struct slice sql, MYSQL_BIND *columns,
              unsigned rows)
{
    if (c->mysql == NULL)
        return LT_EUNAVAILABLE;
    failpoint_of(name, "before");
    MYSQL_STMT *stmt = mysql_stmt_init(c->mysql);
    if (stmt == NULL)
        return LT_ENOMEM;
    int err = stmt_run(c, name, stmt, sql, columns, rows);
    mysql_stmt_close(stmt); /* also where conn_fail has closed the connection */
    if (err == 0)
        failpoint_of(name, "after");
    return err;
}

/* ---- rows ---- */

/* Waits for the answer's first byte; gives up a little after the guard says so. */
static int guard_wait(struct conn *c, struct read_guard *guard)
{
    int64_t give_up = INT64_MAX;
    for (;;) {
        struct pollfd fd = {.fd = mysql_get_socket(c->mysql), .events = POLLIN};
        int ready = poll(&fd, 1, GUARD_POLL_MS);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return LT_EIO;
        int64_t now = clock_mono_ms();
        int why = read_guard_check(guard);
        if (why != 0 && give_up == INT64_MAX)
            give_up = now + GUARD_GRACE_MS;
        if (now >= give_up)
            return why;
    }
}

static int query_send(struct conn *c, const char *name, struct slice sql, struct read_guard *guard)
{
    if (guard == NULL)
        return mysql_real_query(c->mysql, sql.p, sql.n) != 0 ? conn_fail_last(c, name) : 0;
    int err = read_guard_check(guard);
    if (err != 0)
        return err;
    if (mysql_send_query(c->mysql, sql.p, sql.n) != 0)
        return conn_fail_last(c, name);
    err = guard_wait(c, guard);
    if (err != 0) {
        conn_disconnect(c);
        return err;
    }
    return mysql_read_query_result(c->mysql) != 0 ? conn_fail_last(c, name) : 0;
}

static int row_hand_over(MYSQL_RES *result, MYSQL_ROW row, struct read_guard *guard,
                         conn_row *visit, void *arg)
{
    struct slice columns[COLUMNS_MAX];
    unsigned long *lengths = mysql_fetch_lengths(result);
    unsigned count = mysql_num_fields(result);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count && i < COLUMNS_MAX; i++) {
        columns[i] = slice_make(row[i], lengths[i]);
        bytes += lengths[i];
    }
    if (guard != NULL) {
        atomic_fetch_add_explicit(&guard->rows, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&guard->bytes, bytes, memory_order_relaxed);
    }
    return visit(arg, columns);
}

/* Reads to the end, or until it must not go on: negative, with the rest of the rows unread. */
static int query_rows(MYSQL_RES *result, struct read_guard *guard, conn_row *visit, void *arg)
{
    int stopped = 0;
    for (;;) {
        int err = guard != NULL ? read_guard_check(guard) : 0;
        if (err != 0)
            return err;
        MYSQL_ROW row = mysql_fetch_row(result);
        if (row == NULL)
            break;
        if (stopped == 0)
            stopped = row_hand_over(result, row, guard, visit, arg);
        if (stopped < 0)
            return stopped;
    }
    return stopped;
}

static int query_run(struct conn *c, const char *name, struct slice sql, struct read_guard *guard,
                     conn_row *visit, void *arg)
{
    int err = query_send(c, name, sql, guard);
    if (err != 0)
        return err;
    MYSQL_RES *result = mysql_use_result(c->mysql);
    if (result == NULL)
        return mysql_field_count(c->mysql) > 0 ? conn_fail_last(c, name) : 0;
    err = query_rows(result, guard, visit, arg);
    unsigned code = mysql_errno(c->mysql);
    char text[256];
    snprintf(text, sizeof(text), "%s", mysql_error(c->mysql));
    if (err < 0) /* rows are still on their way, and freeing the result would read them all */
        shutdown(mysql_get_socket(c->mysql), SHUT_RDWR);
    mysql_free_result(result); /* before the connection, to which it points */
    if (err < 0)
        conn_disconnect(c);
    else if (code != 0)
        err = conn_fail(c, name, code, text);
    return err;
}

int conn_query(struct conn *c, const char *name, struct slice sql, struct read_guard *guard,
               conn_row *visit, void *arg)
{
    if (c->mysql == NULL)
        return LT_EUNAVAILABLE;
    failpoint_of(name, "before");
    if (guard != NULL) {
        atomic_store(&guard->statement, name);
        atomic_store(&guard->connection, mysql_thread_id(c->mysql));
    }
    int err = query_run(c, name, sql, guard, visit, arg);
    if (guard != NULL) {
        atomic_store(&guard->connection, 0);
        atomic_store(&guard->statement, NULL);
    }
    failpoint_of(name, "after");
    return err;
}
