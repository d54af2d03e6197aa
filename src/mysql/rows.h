#ifndef MYSQL_ROWS_H
#define MYSQL_ROWS_H

#include "mysql/bulk.h"
#include "mysql/schema.h"
#include "mysql/session.h"

/* Rows of runs' tables on their way into a bulk insert. */

struct row_layout { /* columns as schema.c has them, in that order */
    const char *values;
    unsigned columns;
    enum bulk_type types[BULK_COLUMNS_MAX];
};
extern const struct row_layout row_layouts[SCHEMA_KINDS];

/* Puts the arrival row that begins at point *at of the block, and moves *at behind it. body:
 * working memory. On error nothing was put. */
MUST_USE int row_put_arrival(struct mysql_session *s, struct bulk *bulk, const struct block *block,
                             uint32_t *at_inout, uint32_t seq, struct buffer *body);

/* bits: BEAT_BYTES */
void row_put_heartbeat(struct bulk *bulk, uint32_t collector, uint32_t host, uint64_t from_s,
                       uint64_t lo, uint32_t seq, const uint8_t *bits);

#endif
