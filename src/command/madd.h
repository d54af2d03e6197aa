#ifndef COMMAND_MADD_H
#define COMMAND_MADD_H

#include "command/command.h"

/* TS.MADD: its points are written, and each is answered for itself. there: of each point's key,
 * whether it is there; NULL: all may be written. slot: where the reply goes; NULL: it is the
 * call's. Thread: loop. */
void madd_write(struct command_call *call, const struct result_key *there, struct slot *slot);

/* TS.MADD with --madd-creates no. */
void madd_careful(struct command_call *call);

#endif
