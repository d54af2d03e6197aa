#ifndef MYSQL_MYSQL_STORAGE_H
#define MYSQL_MYSQL_STORAGE_H

#include "base/attr.h"
#include "base/option.h"

#include <stddef.h>

/* port/storage.h on MariaDB 10.6 or later (innodb_file_per_table, its default), by libmariadb.
 *
 * One shard is one server: database <prefix>meta holds the progress rows, <prefix><environment> an
 * environment's catalog and tables (schema.c). The user needs all privileges on `<prefix>%`.
 *
 * A session serves either transactions (lease, flush, load, …) or guarded reads (snapshot_*): it
 * connects anew when it changes from one to the other, because their timeouts differ. progress
 * waits until a flush in flight is over, so that after LT_EOUTCOME its answer is final;
 * LT_ENOTFOUND is a partition that was not prepared. A commit that fails in any way but a clean
 * rollback is LT_EOUTCOME. */

struct storage;

struct mysql_config {
    const char *address; /* "unix:/path/to/socket", "host" or "host:port" */
    const char *user;
    const char *password;
    const char *prefix; /* of database names: letters, digits, '_'; at most 32 */
    int connect_timeout_ms;
    int timeout_ms;      /* of a statement of a transaction, and of waiting for its locks */
    int read_timeout_ms; /* silence in the middle of a guarded read's rows */
};

/* Copies the config. Never connects. LT_EINVALID: address or prefix (logged: what was expected). */
MUST_USE int mysql_storage_create(const struct mysql_config *config, struct storage **out);

extern const struct option_spec mysql_options_table[];
extern const size_t mysql_options_table_count;

/* From options that were loaded; pointers live as long as the set. */
void mysql_config_from(const struct option_set *set, struct mysql_config *out);

#endif
