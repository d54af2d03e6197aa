#ifndef MYSQL_FLUSH_H
#define MYSQL_FLUSH_H

#include "base/vec.h"
#include "mysql/bulk.h"
#include "mysql/session.h"

/* What flush.c and flush_catalog.c share: the rows of an open flush on their way to the server. */

enum flush_what {
    FLUSH_ARRIVAL,
    FLUSH_HEARTBEAT,
    FLUSH_CATALOG,
    FLUSH_TEXT,
    FLUSH_WATERMARK,
    FLUSH_DOOM,
    FLUSH_SERIES,
};

enum { FLUSH_NAMES_RAW_BYTES = 256 << 10 }; /* a row of names is closed beyond this */

struct flush_batch { /* of one table */
    enum flush_what what;
    struct schema_table table;
    struct bulk bulk;
};

struct flush_name { /* text: at this offset of name_bytes */
    uint32_t environment;
    uint32_t what;
    uint32_t scope;
    uint32_t id;
    uint32_t detail;
    uint32_t text_bytes;
    size_t text_at;
};

struct flush_drop { /* a declared series that is to leave its table */
    uint32_t environment;
    uint64_t created;
};

struct flush_run { /* open, as the transaction sees it */
    uint32_t environment;
    struct storage_run run;
    struct storage_run more; /* points, fresh, min_ms, max_ms and bytes that this flush adds */
};

struct flush {
    uint64_t lo;
    uint32_t seq; /* the next row's number */
    VEC(struct flush_batch) batches;
    VEC(uint32_t) environments; /* whose runs were read */
    VEC(struct flush_run) runs;
    VEC(struct flush_name) names;
    VEC(struct flush_drop) drops;
    struct buffer name_bytes;
    struct buffer body; /* of the row that is being made */
};

/* The batch of a table, opened where need be; run: NULL for catalog tables. NULL: out of memory. */
struct flush_batch *flush_batch(struct mysql_session *s, enum flush_what what, uint32_t environment,
                                const struct storage_run *run);

/* After rows were put: writes what has become large. */
MUST_USE int flush_relieve(struct mysql_session *s, struct flush_batch *batch);
/* The same, and rolls back on error. */
MUST_USE int flush_written(struct mysql_session *s, struct flush_batch *batch);

/* Writes what waits for a catalog table. */
MUST_USE int flush_write(struct mysql_session *s, enum flush_what what, uint32_t environment);

/* Rolls back; returns the error that the flush ends with. */
MUST_USE int flush_fail(struct mysql_session *s, int err);

/* Packs the pending names into catalog rows. */
MUST_USE int flush_names_pack(struct mysql_session *s);

/* After all rows were written: what was dropped leaves. */
MUST_USE int flush_series_drop(struct mysql_session *s);

#endif
