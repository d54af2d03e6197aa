#ifndef AGENT_PROCS_H
#define AGENT_PROCS_H

#include "agent/deltas.h"
#include "agent/sample.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdint.h>

/* The busiest processes of a second. Pure; caller-owned; one thread at a time.
 *
 *   host.procs.<pid>.cpu_ms              the busiest ones', and host.procs.other.cpu_ms: all the
 * others', so that the ranking's total is the machine's host.procs.memory.<pid>.rss_bytes    of the
 * busiest ones
 *
 * A process that started since the last round counts from zero. */

struct process {
    uint32_t pid;
    char comm[16]; /* the kernel's limit, terminated */
    uint64_t cpu_ms;
    uint64_t rss_bytes;
};

struct procs {
    struct deltas deltas;
    VEC(struct process) busy; /* those that used CPU since the last round */
    uint64_t tick_ms;
    uint64_t page_bytes;
};

void procs_init(struct procs *p, uint64_t ticks_per_second, uint64_t page_bytes);
void procs_fini(struct procs *p);

void procs_begin(struct procs *p);

/* One process: the text of its /proc/<pid>/stat. Text that is not as expected is passed over. */
void procs_add(struct procs *p, struct slice text);

/* Writes the sample: the first `most` of the busy list are the busiest afterwards; returns how many
 * there are. They stay until the next begin. */
uint32_t procs_finish(struct procs *p, uint32_t most, struct sample *s);

#endif
