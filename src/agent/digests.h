#ifndef AGENT_DIGESTS_H
#define AGENT_DIGESTS_H

#include "agent/deltas.h"
#include "agent/sample.h"
#include "base/attr.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* performance_schema.events_statements_summary_by_digest to points. Pure; caller-owned; one thread
 * at a time.
 *
 *   host.queries.q.<first 16 hex of the digest>.<time_us|tput|rows|errors>      deltas without
 * zeros
 *
 * The table has a row for each (schema, digest); those of one digest are summed. A row that is
 * gone, was first seen at another time, or went backwards means that the table was emptied
 * (TRUNCATE, restart): then the whole round is a baseline. Else a new row is a new statement, and
 * counts from zero. */

enum { DIGEST_HEX = 16 };

struct digest_row {
    struct slice schema;
    struct slice digest; /* empty: NULL, all the statements for which the table had no room */
    struct slice first_seen;
    uint64_t executions;
    uint64_t picoseconds;
    uint64_t rows;
    uint64_t errors;
};

struct digest_use {
    char hex[DIGEST_HEX + 1];
    struct slice digest; /* borrowed from the row */
    uint64_t time_us;
    uint64_t tput;
    uint64_t rows;
    uint64_t errors;
};

struct digests {
    struct deltas deltas;
    VEC(struct digest_use) used; /* what the last read found in use; its slices are those rows' */
};

void digests_init(struct digests *g);
void digests_fini(struct digests *g);

/* The table was not read for a while: the next read is a baseline. */
void digests_forget(struct digests *g);

/* false: a baseline, which measures nothing; the sample is then not to be sent. */
MUST_USE bool digests_read(struct digests *g, const struct digest_row *rows, uint32_t count,
                           struct sample *s);

#endif
