#ifndef AGENT_PROC_H
#define AGENT_PROC_H

#include "agent/deltas.h"
#include "agent/sample.h"
#include "base/slice.h"

#include <stdbool.h>

/* From the text of /proc's files to points. Pure; one thread at a time for a deltas and a sample.
 * Lines that are not as expected are passed over: kernels differ, and half a sample beats none. */

/* /proc/stat: host.cpu.<state>, percent of all cores between two readings; host.cpu.total.* deltas.
 */
void proc_cpu(struct slice text, struct deltas *d, struct sample *s);

/* /proc/meminfo: host.memory.*_bytes. */
void proc_memory(struct slice text, struct sample *s);

/* /proc/loadavg: host.load.* */
void proc_load(struct slice text, struct sample *s);

/* /proc/diskstats: host.disk.<device>.* deltas, of the devices that is_disk takes (else partitions
 * would count twice). */
typedef bool proc_is_disk(void *arg, struct slice device);
void proc_disk(struct slice text, proc_is_disk *is_disk, void *arg, struct deltas *d,
               struct sample *s);

/* /proc/net/dev: host.net.<interface>.* deltas. */
void proc_net(struct slice text, struct deltas *d, struct sample *s);

/* Cuts the next line, or the next word between blanks, from the front of rest. Empty: no more. */
struct slice proc_line(struct slice *rest);
struct slice proc_word(struct slice *rest);

#endif
