#ifndef MYSQL_SCHEMA_H
#define MYSQL_SCHEMA_H

#include "base/buffer.h"
#include "port/storage_types.h"

#include <stdbool.h>
#include <stdint.h>

/* Names of databases and tables. All table names end in a version or carry one: there is no ALTER,
 * a new version is a new table. */

enum { SCHEMA_PREFIX_BYTES_MAX = 32 };

/* The tables of a run; 1 << kind stands in the manifest: never renumbered. */
enum schema_kind {
    SCHEMA_ARRIVAL = 0,
    SCHEMA_HEARTBEAT = 1, /* of an arrival run */
    SCHEMA_OBSERVATION = 2,
    SCHEMA_RANK = 3,
    SCHEMA_TOTAL = 4,
    SCHEMA_BEATS = 5, /* heartbeats of a compact run */
};
enum { SCHEMA_KINDS = SCHEMA_BEATS + 1 };

struct schema_table {
    uint32_t environment;
    enum schema_kind kind;
    uint32_t resolution_s;
    struct storage_range range;
    uint64_t run;
};

static inline struct schema_table schema_table_of(uint32_t environment, enum schema_kind kind,
                                                  const struct storage_run *run)
{
    return (struct schema_table){environment, kind, run->resolution_s, run->range, run->id};
}

/* Only these may be asked: a table that would be empty is not made. */
static inline bool schema_has(const struct storage_run *run, enum schema_kind kind)
{
    return (run->tables >> kind & 1) != 0;
}

static inline bool schema_same_range(struct storage_range a, struct storage_range b)
{
    return a.from_s == b.from_s && a.to_s == b.to_s;
}

/* Appends `prefix`meta.progress_1, `prefix7`.manifest_4, `prefix7`.arrival_1_s_… */
void schema_put_progress(struct buffer *sql, const char *prefix);
void schema_put_log_epoch(struct buffer *sql, const char *prefix);
void schema_put_table(struct buffer *sql, const char *prefix, uint32_t environment,
                      const char *table);
void schema_put_run_table(struct buffer *sql, const char *prefix, const struct schema_table *table);

/* Appends CREATE TABLE IF NOT EXISTS …, DROP TABLE IF EXISTS … small: see schema.c. */
void schema_put_create(struct buffer *sql, const char *prefix, const struct schema_table *table,
                       bool small);
void schema_put_drop(struct buffer *sql, const char *prefix, const struct schema_table *table);

#endif
