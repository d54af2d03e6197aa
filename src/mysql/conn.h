#ifndef MYSQL_CONN_H
#define MYSQL_CONN_H

#include "base/attr.h"
#include "base/slice.h"
#include "port/guard.h"

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connection to the server, made when first used and again after it was lost. One thread at a
 * time.
 *
 * Every statement has a name: a literal such as "flush.fence". Errors are those of port/storage.h,
 * logged here with the name and the server's text; after LT_EUNAVAILABLE the connection is closed.
 */

struct conn_config {
    char *host; /* NULL: socket */
    char *socket;
    unsigned port;
    char *user;
    char *password;
    int connect_timeout_ms;
    int timeout_ms;
    int read_timeout_ms;
};

struct conn {
    const struct conn_config *config;
    MYSQL *mysql; /* NULL: not connected */
    bool guarded;
    bool down;            /* the last attempt failed: log only changes */
    uint64_t incarnation; /* counts connects: what was known of an earlier one may no longer hold */
    size_t packet_bytes_max;
};

void conn_init(struct conn *c, const struct conn_config *config);
void conn_disconnect(struct conn *c);

/* Connected, with the timeouts of guarded reads or of transactions; no transaction is open where it
 * connected anew. Call before the first statement of each transaction. */
MUST_USE int conn_ready(struct conn *c, bool guarded);

/* Runs one statement without rows. *affected_out (may be NULL): rows matched, changed or not. */
MUST_USE int conn_exec(struct conn *c, const char *name, struct slice sql, uint64_t *affected_out);
MUST_USE int conn_execf(struct conn *c, const char *name, uint64_t *affected_out,
                        const char *format, ...) PRINTF_LIKE(4, 5);

/* Return 0 to go on, negative to fail, positive to stop. NULL is an empty slice with p == NULL. */
typedef int conn_row(void *arg, const struct slice *columns);

/* Runs a statement and streams its rows, if it has any. guard may be NULL; else it ends the
 * statement, counts its rows and shows it. Returns what the row function returned, if not 0: after
 * a positive value the connection is as good as before (the rest of the rows is read and dropped,
 * as long as the guard allows); after a negative one it is closed. */
MUST_USE int conn_query(struct conn *c, const char *name, struct slice sql,
                        struct read_guard *guard, conn_row *row, void *arg);

/* Runs one statement for `rows` rows bound as arrays, all of which must be written. */
MUST_USE int conn_bulk(struct conn *c, const char *name, struct slice sql, MYSQL_BIND *columns,
                       unsigned rows);

#endif
