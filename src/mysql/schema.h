#ifndef MYSQL_SCHEMA_H
#define MYSQL_SCHEMA_H

#include "base/buffer.h"
#include "port/storage_types.h"

#include <stdbool.h>
#include <stdint.h>

/* Names of databases and tables. All table names end in a version or carry one: there is no ALTER,
 * a new version is a new table. */

enum { SCHEMA_PREFIX_BYTES_MAX = 32 };

enum schema_kind { /* stands in the manifest: never renumbered */
                   SCHEMA_ARRIVAL = 1,
                   SCHEMA_HEARTBEAT = 2,
};

struct schema_table { /* of 1-second data */
    uint32_t environment;
    enum schema_kind kind;
    struct storage_range range;
};

static inline bool schema_is_catch_all(struct storage_range range)
{
    return range.from_s == 0 && range.to_s == 0;
}

/* Appends `prefix`meta.progress_1, `prefix7`.arrival_1_s_… */
void schema_put_progress(struct buffer *sql, const char *prefix);
void schema_put_table(struct buffer *sql, const char *prefix, uint32_t environment,
                      const char *table);
void schema_put_range_table(struct buffer *sql, const char *prefix,
                            const struct schema_table *table);

#endif
