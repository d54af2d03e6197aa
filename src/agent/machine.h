#ifndef AGENT_MACHINE_H
#define AGENT_MACHINE_H

#include "agent/outbox.h"
#include "agent/sample.h"
#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* Reads /proc. Thread: one. Blocks for as long as /proc does. */

struct machine;

/* procs_most: how many processes have a line of their own. */
MUST_USE int machine_create(uint32_t procs_most, struct machine **out);
void machine_destroy(struct machine **machine);

/* One collector's second: its points, which include its heartbeat. Valid during the call. */
typedef void machine_emit(void *arg, const struct sample *sample);
/* A text that names an item. */
typedef void machine_text(void *arg, struct slice stem, struct slice text);

/* Runs every collector that is due: one that took t of CPU time is left out for 20 t (5 % of one
 * core), and the seconds so left out have no heartbeat. */
void machine_collect(struct machine *machine, machine_emit *emit, machine_text *text, void *arg);

#endif
