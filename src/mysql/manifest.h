#ifndef MYSQL_MANIFEST_H
#define MYSQL_MANIFEST_H

#include "mysql/session.h"

/* Rows of manifest_4, for the files of this folder. */

/* Values of enum storage_run_state, as SQL lists. */
#define MANIFEST_OPEN     "2"
#define MANIFEST_IN_FORCE "2,3,4"

/* The runs in these states (SQL list; NULL: all), by range descending, the catch-all's first, those
 * of a range by id. guard may be NULL. */
MUST_USE int manifest_read(struct mysql_session *s, const char *name, uint32_t environment,
                           const char *states, struct read_guard *guard, storage_run_visit *visit,
                           void *arg);

/* An open transaction gives the next id, holding back all others who ask until it ends. */
MUST_USE int manifest_id(struct mysql_session *s, const char *name, uint32_t environment,
                         uint64_t *out);
/* Enters a run with its id, kind, state, resolution and range. */
MUST_USE int manifest_insert(struct mysql_session *s, const char *name, uint32_t environment,
                             const struct storage_run *run);

/* Appends , points = points + … and so on: more points of a run. */
void manifest_put_points(struct buffer *sql, const struct storage_run *more);

/* Makes one table of a run, enters it, and drops it again where the run is no longer there to have
 * it: LT_EDIVERGED. building: the run must still be BUILDING. small: schema_put_create. */
MUST_USE int manifest_make(struct mysql_session *s, const char *create_name, const char *enter_name,
                           const struct schema_table *table, bool building, bool small);

#endif
