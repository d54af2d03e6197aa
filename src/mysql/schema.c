#include "mysql/schema.h"

#include "base/error.h"
#include "base/number.h"
#include "mysql/session.h"

#include <inttypes.h>

/* Columns. Names and texts are bytes, never characters. */

#define TABLE_OPTIONS " ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET binary"

/* One row a partition. lease_until is by the database's clock, in UTC. */
static const char progress_columns[] =
    " (part INT UNSIGNED NOT NULL PRIMARY KEY,"
    " next BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " checksum BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " owner VARBINARY(255) NOT NULL DEFAULT '',"
    " lease_until TIMESTAMP(6) NOT NULL DEFAULT '1970-01-02 00:00:00')" TABLE_OPTIONS;

/* Names, packed in id order (vector/names.h): ids first … first + count - 1 of (what, scope). */
static const char catalog_columns[] = " (what TINYINT UNSIGNED NOT NULL,"
                                      " scope INT UNSIGNED NOT NULL,"
                                      " first INT UNSIGNED NOT NULL,"
                                      " count INT UNSIGNED NOT NULL,"
                                      " body MEDIUMBLOB NOT NULL,"
                                      " PRIMARY KEY (what, scope, first))" TABLE_OPTIONS;

static const char item_text_columns[] = " (category INT UNSIGNED NOT NULL,"
                                        " item INT UNSIGNED NOT NULL,"
                                        " text MEDIUMBLOB NOT NULL,"
                                        " PRIMARY KEY (category, item))" TABLE_OPTIONS;

static const char watermark_columns[] = " (host INT UNSIGNED NOT NULL,"
                                        " collector INT UNSIGNED NOT NULL,"
                                        " max_ms BIGINT NOT NULL,"
                                        " PRIMARY KEY (host, collector))" TABLE_OPTIONS;

/* What readers may read: a table is entered after it was made, and leaves before it is dropped. */
static const char manifest_columns[] = " (name VARBINARY(64) NOT NULL PRIMARY KEY,"
                                       " kind TINYINT UNSIGNED NOT NULL,"
                                       " version INT UNSIGNED NOT NULL,"
                                       " resolution_s INT UNSIGNED NOT NULL,"
                                       " from_s BIGINT NOT NULL,"
                                       " to_s BIGINT NOT NULL)" TABLE_OPTIONS;

/* Points as they came. (lo, seq), the first offset of the flush and the row's number in it, is log
 * order: inserts append, keys are short, and a series' rows come out of the index in the order in
 * which they have to be folded. total: the sum of all values, NULL where one is NaN or the sum is
 * not finite. */
static const char arrival_columns[] =
    " (lo BIGINT UNSIGNED NOT NULL,"
    " seq INT UNSIGNED NOT NULL,"
    " category INT UNSIGNED NOT NULL,"
    " dimension INT UNSIGNED NOT NULL,"
    " host INT UNSIGNED NOT NULL,"
    " fresh TINYINT UNSIGNED NOT NULL,"
    " points INT UNSIGNED NOT NULL,"
    " min_ms BIGINT NOT NULL,"
    " max_ms BIGINT NOT NULL,"
    " total DOUBLE NULL,"
    " body MEDIUMBLOB NOT NULL,"
    " PRIMARY KEY (lo, seq),"
    " KEY by_series (category, dimension, fresh, host))" TABLE_OPTIONS;

/* Seconds (vector/beats.h) of the hour from_s in which a (host, collector) reported. Readers ask
 * for one collector, so it leads; rows are small and many, so they are clustered for the reader. */
static const char heartbeat_columns[] =
    " (collector INT UNSIGNED NOT NULL,"
    " host INT UNSIGNED NOT NULL,"
    " from_s INT UNSIGNED NOT NULL,"
    " lo BIGINT UNSIGNED NOT NULL,"
    " seq INT UNSIGNED NOT NULL,"
    " seconds VARBINARY(450) NOT NULL,"
    " PRIMARY KEY (collector, host, from_s, lo, seq))" TABLE_OPTIONS;

static const struct {
    const char *name;
    const char *columns;
} environment_tables[] = {
    {"catalog_1", catalog_columns},
    {"item_text_1", item_text_columns},
    {"watermark_1", watermark_columns},
    {"manifest_1", manifest_columns},
};

/* ---- names ---- */

void schema_put_progress(struct buffer *sql, const char *prefix)
{
    buffer_printf(sql, "`%smeta`.progress_1", prefix);
}

void schema_put_table(struct buffer *sql, const char *prefix, uint32_t environment,
                      const char *table)
{
    buffer_printf(sql, "`%s%" PRIu32 "`.%s", prefix, environment, table);
}

static void put_range_name(struct buffer *sql, const struct schema_table *table)
{
    buffer_printf(sql, "%s_1_s_%" PRId64 "_%" PRId64,
                  table->kind == SCHEMA_ARRIVAL ? "arrival" : "heartbeat", table->range.from_s,
                  table->range.to_s);
}

void schema_put_range_table(struct buffer *sql, const char *prefix,
                            const struct schema_table *table)
{
    schema_put_table(sql, prefix, table->environment, "");
    put_range_name(sql, table);
}

/* ---- prepare ---- */

static int prepare_meta(struct mysql_session *s, uint32_t partitions)
{
    const char *prefix = s->storage->prefix;
    buffer_printf(session_sql(s), "CREATE DATABASE IF NOT EXISTS `%smeta` CHARACTER SET binary",
                  prefix);
    int err = session_exec(s, "prepare.database", NULL);
    if (err != 0)
        return err;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "CREATE TABLE IF NOT EXISTS ");
    schema_put_progress(sql, prefix);
    buffer_append_str(sql, progress_columns);
    err = session_exec(s, "prepare.table", NULL);
    for (uint32_t part = 0; err == 0 && part < partitions; part++) {
        sql = session_sql(s);
        buffer_append_str(sql, "INSERT INTO ");
        schema_put_progress(sql, prefix);
        buffer_printf(sql, " (part) VALUES (%" PRIu32 ") ON DUPLICATE KEY UPDATE part = part",
                      part);
        err = session_exec(s, "prepare.partition", NULL);
    }
    return err;
}

static int prepare_environment(struct mysql_session *s, uint32_t environment)
{
    const char *prefix = s->storage->prefix;
    buffer_printf(session_sql(s),
                  "CREATE DATABASE IF NOT EXISTS `%s%" PRIu32 "` CHARACTER SET binary", prefix,
                  environment);
    int err = session_exec(s, "prepare.database", NULL);
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(environment_tables); i++) {
        struct buffer *sql = session_sql(s);
        buffer_append_str(sql, "CREATE TABLE IF NOT EXISTS ");
        schema_put_table(sql, prefix, environment, environment_tables[i].name);
        buffer_append_str(sql, environment_tables[i].columns);
        err = session_exec(s, "prepare.table", NULL);
    }
    return err;
}

int mysql_prepare(struct storage_session *base, uint32_t partitions, const uint32_t *environments,
                  uint32_t environments_count)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = prepare_meta(s, partitions);
    for (uint32_t i = 0; err == 0 && i < environments_count; i++)
        err = prepare_environment(s, environments[i]);
    return err;
}

/* ---- range tables ---- */

static bool is_ensured(const struct mysql_session *s, const struct schema_table *table)
{
    for (uint32_t i = 0; i < s->ensured.n; i++) {
        const struct schema_table *t = &s->ensured.v[i];
        if (t->environment == table->environment && t->kind == table->kind &&
            t->range.from_s == table->range.from_s && t->range.to_s == table->range.to_s)
            return true;
    }
    return false;
}

/* First the table, then the manifest: a table in the manifest is there. Neither waits for readers
 * of a table that exists. */
static int table_ensure(struct mysql_session *s, const struct schema_table *table)
{
    const char *prefix = s->storage->prefix;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "CREATE TABLE IF NOT EXISTS ");
    schema_put_range_table(sql, prefix, table);
    buffer_append_str(sql, table->kind == SCHEMA_ARRIVAL ? arrival_columns : heartbeat_columns);
    int err = session_exec(s, "ensure.create", NULL);
    if (err != 0)
        return err;
    sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_table(sql, prefix, table->environment, "manifest_1 VALUES ('");
    put_range_name(sql, table);
    buffer_printf(sql, "', %d, 1, 1, %" PRId64 ", %" PRId64 ") ON DUPLICATE KEY UPDATE name = name",
                  (int)table->kind, table->range.from_s, table->range.to_s);
    return session_exec(s, "ensure.manifest", NULL);
}

int mysql_tables_ensure(struct storage_session *base, uint32_t environment,
                        const struct storage_range *ranges, uint32_t count)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, false);
    if (s->ensured_incarnation != s->conn.incarnation || s->ensured.n >= SESSION_ENSURED_MAX)
        s->ensured.n = 0;
    s->ensured_incarnation = s->conn.incarnation;
    static const enum schema_kind kinds[] = {SCHEMA_ARRIVAL, SCHEMA_HEARTBEAT};
    for (uint32_t i = 0; err == 0 && i < count * ARRAY_LEN(kinds); i++) {
        struct schema_table table = {
            .environment = environment,
            .kind = kinds[i % ARRAY_LEN(kinds)],
            .range = ranges[i / ARRAY_LEN(kinds)],
        };
        if (is_ensured(s, &table))
            continue;
        err = table_ensure(s, &table);
        if (err == 0 && !VEC_PUSH(&s->ensured, table))
            err = LT_ENOMEM;
    }
    return err;
}
