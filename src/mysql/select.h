#ifndef MYSQL_SELECT_H
#define MYSQL_SELECT_H

#include "base/buffer.h"
#include "mysql/session.h"
#include "port/storage_types.h"

#include <stdint.h>

/* What the statements of guarded reads have in common; session_select starts them. */

enum { SELECT_LISTED_MAX = 1000 }; /* ids named in one list */

/* Appends to s->sql " FROM … FORCE INDEX (index)": tables are new and large, and what the server
 * knows about them is older than they are. */
void select_from(struct mysql_session *s, enum schema_kind kind, const struct storage_run *run,
                 const char *index);

/* Appends " WHERE category = 1", or " … IN (1,2)". */
void select_category(struct buffer *sql, const struct block_filter *filter);

/* Appends " AND column IN (…)". count >= 1. */
void select_in(struct buffer *sql, const char *column, const uint32_t *ids, uint32_t count);

/* The same for ascending ids, of which more than SELECT_LISTED_MAX are asked for as a span, where
 * rows of others may come too. NULL: all; appends nothing. */
void select_near(struct buffer *sql, const char *column, const uint32_t *ids, uint32_t count);

/* Appends " AND max_ms >= … AND min_ms <= …". */
void select_times(struct buffer *sql, int64_t from_ms, int64_t to_ms);

#endif
