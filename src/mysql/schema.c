#include "mysql/schema.h"

#include "base/error.h"
#include "base/logger.h"
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

/* The highest epoch that the log announced below a partition's `next`, and where; written with it.
 * No row: none. */
static const char log_epoch_columns[] = " (part INT UNSIGNED NOT NULL PRIMARY KEY,"
                                        " epoch BIGINT UNSIGNED NOT NULL,"
                                        " at BIGINT UNSIGNED NOT NULL)" TABLE_OPTIONS;

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

/* The runs (docs/adr/0008-runs.md). tables: which of a run's tables there are, 1 << enum
 * schema_kind: set after the table was made, so that one that is set can be read; who drops a run
 * asks for all that its kind can have. points, fresh, min_ms, max_ms: flushes keep them true for
 * the run that they write into. */
static const char manifest_columns[] =
    " (id BIGINT UNSIGNED NOT NULL PRIMARY KEY,"
    " kind TINYINT UNSIGNED NOT NULL,"
    " state TINYINT UNSIGNED NOT NULL,"
    " resolution_s INT UNSIGNED NOT NULL,"
    " from_s BIGINT NOT NULL,"
    " to_s BIGINT NOT NULL,"
    " tables INT UNSIGNED NOT NULL DEFAULT 0,"
    " sources BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " series BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " points BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " fresh BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " min_ms BIGINT NOT NULL DEFAULT 9223372036854775807,"
    " max_ms BIGINT NOT NULL DEFAULT -9223372036854775808,"
    " bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " state_at TIMESTAMP(6) NOT NULL DEFAULT '1970-01-02 00:00:00')" TABLE_OPTIONS;

/* run: the greatest id given. Its row is locked while one is given and entered, so that ids appear
 * in their order. */
static const char counter_columns[] = " (name VARBINARY(64) NOT NULL PRIMARY KEY,"
                                      " value BIGINT UNSIGNED NOT NULL)" TABLE_OPTIONS;

static const char note_columns[] = " (name VARBINARY(255) NOT NULL PRIMARY KEY,"
                                   " text MEDIUMBLOB NOT NULL)" TABLE_OPTIONS;
/* Items that are to be forgotten: what the log did since the last round began, in its order. body:
 * a frame of the ids, as runs of vector/names.h without entries; where a round begins, nothing. */
static const char doom_columns[] = " (lo BIGINT UNSIGNED NOT NULL,"
                                   " seq INT UNSIGNED NOT NULL,"
                                   " what TINYINT UNSIGNED NOT NULL,"
                                   " round BIGINT UNSIGNED NOT NULL,"
                                   " category INT UNSIGNED NOT NULL,"
                                   " body MEDIUMBLOB NOT NULL,"
                                   " PRIMARY KEY (lo, seq))" TABLE_OPTIONS;
/* Declared series (docs/adr/0020-series-are-declared.md); created: the offset of the record. body:
 * model/settings.h */
static const char series_columns[] = " (created BIGINT UNSIGNED NOT NULL PRIMARY KEY,"
                                     " host INT UNSIGNED NOT NULL,"
                                     " category INT UNSIGNED NOT NULL,"
                                     " item INT UNSIGNED NOT NULL,"
                                     " dimension INT UNSIGNED NOT NULL,"
                                     " body MEDIUMBLOB NOT NULL)" TABLE_OPTIONS;
/* First and last hour of 4096 items (vector/seen.h). */
static const char seen_columns[] = " (category INT UNSIGNED NOT NULL,"
                                   " page INT UNSIGNED NOT NULL,"
                                   " body MEDIUMBLOB NOT NULL,"
                                   " PRIMARY KEY (category, page))" TABLE_OPTIONS;

/* Points as they came. (lo, seq), the first offset of the flush and the row's number in it, is log
 * order: inserts append, keys are short, and a series' rows come out of the index in the order in
 * which they have to be folded; those of other times are passed over, and all are counted, by the
 * index alone. total: the sum of all values, NULL where one is NaN or the sum is not finite. */
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
    " KEY by_series (category, dimension, fresh, host, lo, seq, min_ms, max_ms,"
    " points))" TABLE_OPTIONS;

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

/* docs/adr/0009-observation-rows.md. Bodies are long: those that are not selected are not read.
 * minutes: NULL where there are none. */
static const char observation_columns[] =
    " (category INT UNSIGNED NOT NULL,"
    " dimension INT UNSIGNED NOT NULL,"
    " host INT UNSIGNED NOT NULL,"
    " first_item INT UNSIGNED NOT NULL,"
    " part INT UNSIGNED NOT NULL,"
    " last_item INT UNSIGNED NOT NULL,"
    " items INT UNSIGNED NOT NULL,"
    " points BIGINT UNSIGNED NOT NULL,"
    " min_ms BIGINT NOT NULL,"
    " max_ms BIGINT NOT NULL,"
    " summaries LONGBLOB NOT NULL,"
    " vectors LONGBLOB NOT NULL,"
    " minutes LONGBLOB NULL,"
    " PRIMARY KEY (category, dimension, host, first_item, part))" TABLE_OPTIONS;

/* docs/adr/0010-rank-rows.md; body: vector/rank.h */
static const char rank_columns[] =
    " (category INT UNSIGNED NOT NULL,"
    " dimension INT UNSIGNED NOT NULL,"
    " host INT UNSIGNED NOT NULL,"
    " kind TINYINT UNSIGNED NOT NULL,"
    " number INT UNSIGNED NOT NULL,"
    " body MEDIUMBLOB NOT NULL,"
    " PRIMARY KEY (category, dimension, host, kind, number))" TABLE_OPTIONS;

/* What all items sum up to in a minute (coarser runs: a bucket), for the database to add up. sum is
 * NULL where it is not finite; min and max also where there is none. */
static const char total_columns[] =
    " (category INT UNSIGNED NOT NULL,"
    " dimension INT UNSIGNED NOT NULL,"
    " host INT UNSIGNED NOT NULL,"
    " from_s BIGINT NOT NULL,"
    " count BIGINT UNSIGNED NOT NULL,"
    " sum DOUBLE NULL,"
    " min DOUBLE NULL,"
    " max DOUBLE NULL,"
    " PRIMARY KEY (category, dimension, host, from_s))" TABLE_OPTIONS;

/* body: at 1 s an hour's seconds (vector/beats.h), coarser: a bucket's counts
 * (vector/beat_counts.h). */
static const char beats_columns[] = " (collector INT UNSIGNED NOT NULL,"
                                    " host INT UNSIGNED NOT NULL,"
                                    " from_s BIGINT NOT NULL,"
                                    " body BLOB NOT NULL,"
                                    " PRIMARY KEY (collector, host, from_s))" TABLE_OPTIONS;

/* InnoDB gives a table that is larger than half a megabyte 8 MB in advance, and each long body
 * pages of its own, the last of which is half empty: an hour of one machine, 3 MB, takes 11.
 * Compressed pages leave holes in the file instead, for about 35 ms of a core a MB: so only small
 * tables that are written once have them (measured: tests/mysql/bench_run_put.c). */
static const char small_options[] = " PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=1";

static const struct {
    const char *name;
    const char *columns;
} environment_tables[] = {
    {"catalog_1", catalog_columns},     {"item_text_1", item_text_columns},
    {"watermark_1", watermark_columns}, {"manifest_4", manifest_columns},
    {"counter_1", counter_columns},     {"note_1", note_columns},
    {"seen_1", seen_columns},           {"doom_1", doom_columns},
    {"series_1", series_columns},
};

static const struct {
    const char *name;
    const char *columns;
} run_tables[SCHEMA_KINDS] = {
    [SCHEMA_ARRIVAL] = {"arrival", arrival_columns},
    [SCHEMA_HEARTBEAT] = {"heartbeat", heartbeat_columns},
    [SCHEMA_OBSERVATION] = {"observation", observation_columns},
    [SCHEMA_RANK] = {"rank", rank_columns},
    [SCHEMA_TOTAL] = {"total", total_columns},
    [SCHEMA_BEATS] = {"heartbeat", beats_columns},
};

/* ---- names ---- */

void schema_put_progress(struct buffer *sql, const char *prefix)
{
    buffer_printf(sql, "`%smeta`.progress_1", prefix);
}

void schema_put_log_epoch(struct buffer *sql, const char *prefix)
{
    buffer_printf(sql, "`%smeta`.log_epoch_1", prefix);
}

void schema_put_table(struct buffer *sql, const char *prefix, uint32_t environment,
                      const char *table)
{
    buffer_printf(sql, "`%s%" PRIu32 "`.%s", prefix, environment, table);
}

void schema_put_run_table(struct buffer *sql, const char *prefix, const struct schema_table *table)
{
    schema_put_table(sql, prefix, table->environment, run_tables[table->kind].name);
    char unit = table->resolution_s == 1 ? 's' : table->resolution_s == 60 ? 'm' : 'h';
    buffer_printf(sql, "_1_%c_%" PRId64 "_%" PRId64 "_%" PRIu64, unit, table->range.from_s,
                  table->range.to_s, table->run);
}

void schema_put_create(struct buffer *sql, const char *prefix, const struct schema_table *table,
                       bool small)
{
    buffer_append_str(sql, "CREATE TABLE IF NOT EXISTS ");
    schema_put_run_table(sql, prefix, table);
    buffer_append_str(sql, run_tables[table->kind].columns);
    if (small)
        buffer_append_str(sql, small_options);
}

void schema_put_drop(struct buffer *sql, const char *prefix, const struct schema_table *table)
{
    buffer_append_str(sql, "DROP TABLE IF EXISTS ");
    schema_put_run_table(sql, prefix, table);
    /* Whoever asks for the table while a DROP waits for its readers, waits behind it: so it soon
     * gives up. */
    buffer_append_str(sql, " WAIT 1");
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
    if (err == 0) {
        sql = session_sql(s);
        buffer_append_str(sql, "CREATE TABLE IF NOT EXISTS ");
        schema_put_log_epoch(sql, prefix);
        buffer_append_str(sql, log_epoch_columns);
        err = session_exec(s, "prepare.table", NULL);
    }
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

static int count_row(void *arg, const struct slice *columns)
{
    return number_parse_u64(columns[0], arg);
}

/* Has the table, of an older version, any rows? */
static int find_old(struct mysql_session *s, uint32_t environment, const char *table,
                    uint64_t *found_out)
{
    const char *prefix = s->storage->prefix;
    buffer_printf(session_sql(s),
                  "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '%s%" PRIu32
                  "' AND table_name = '%s'",
                  prefix, environment, table);
    int err = session_query(s, "prepare.old", NULL, count_row, found_out);
    if (err != 0 || *found_out == 0)
        return err;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT COUNT(*) FROM ");
    schema_put_table(sql, prefix, environment, table);
    return session_query(s, "prepare.old", NULL, count_row, found_out);
}

/* Tables of 0.x: 1 was before there were runs, 2 does not count its runs' points as they come, 3
 * has no minutes in observation rows. Never released: no code reads them. */
static int refuse_old(struct mysql_session *s, uint32_t environment)
{
    static const char *const old[] = {"manifest_1", "manifest_2", "manifest_3"};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        uint64_t found = 0;
        int err = find_old(s, environment, old[i], &found);
        if (err != 0)
            return err;
        if (found == 0)
            continue;
        log_error("mysql",
                  "database %s%" PRIu32 " was written by an older version (its %s has rows), which "
                  "this one cannot read: use another --mysql-prefix, or drop it",
                  s->storage->prefix, environment, old[i]);
        return LT_EVERSION;
    }
    return 0;
}

static int prepare_environment(struct mysql_session *s, uint32_t environment)
{
    const char *prefix = s->storage->prefix;
    buffer_printf(session_sql(s),
                  "CREATE DATABASE IF NOT EXISTS `%s%" PRIu32 "` CHARACTER SET binary", prefix,
                  environment);
    int err = session_exec(s, "prepare.database", NULL);
    if (err == 0)
        err = refuse_old(s, environment);
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(environment_tables); i++) {
        struct buffer *sql = session_sql(s);
        buffer_append_str(sql, "CREATE TABLE IF NOT EXISTS ");
        schema_put_table(sql, prefix, environment, environment_tables[i].name);
        buffer_append_str(sql, environment_tables[i].columns);
        err = session_exec(s, "prepare.table", NULL);
    }
    if (err != 0)
        return err;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_table(sql, prefix, environment, "counter_1");
    buffer_append_str(sql, " VALUES ('run', 0) ON DUPLICATE KEY UPDATE value = value");
    return session_exec(s, "prepare.counter", NULL);
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
