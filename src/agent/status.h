#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include "agent/deltas.h"
#include "agent/sample.h"
#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* SHOW GLOBAL STATUS to points. Pure; one thread at a time for a deltas and a sample.
 *
 *   host.mysql.<name>           counters: deltas without zeros
 *   host.mysql.levels.<name>    a list of names that are levels: as they are
 *
 * What is not a number is passed over. Uptime below the last one means that the server restarted:
 * all counters begin anew, also those that have passed their old value meanwhile. */

struct status_row {
    struct slice name;
    struct slice value;
};

/* false: a baseline, which measures nothing; the sample is then not to be sent. */
MUST_USE bool status_read(struct deltas *d, const struct status_row *rows, uint32_t count,
                          struct sample *s);

#endif
