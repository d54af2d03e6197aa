#ifndef COMMAND_HANDLERS_H
#define COMMAND_HANDLERS_H

#include "command/command.h"

/* What the files of write handlers share. Thread: loop. */

/* An ingest_done whose arg is a slot: replies the receipt, or that the write is not stored. */
void write_receipt_done(void *arg, const struct ingest_written *written);

/* A deferred write that ingest refused at once: replies and sends. */
void write_refused(struct command_call *call, struct slot *slot, int err);

#endif
