#ifndef COMMAND_HANDLERS_H
#define COMMAND_HANDLERS_H

#include "command/command.h"

/* What the files of write handlers share. Thread: loop. */

/* An ingest_done whose arg is a slot: replies the receipt, or that the write is not stored. */
void write_receipt_done(void *arg, const struct ingest_written *written);

/* The report of a write that is not stored for sure; a write that ingest refused: as errors. */
void write_reply_not_stored(struct resp_writer w, const struct log_report *report,
                            bool repeat_is_harmless);
void write_reply_refused(struct resp_writer w, const struct option_set *options, int err);

/* A point of a series that is to be refused where its time is there already. */
void write_reply_blocks(struct resp_writer w);

/* A deferred write that ingest refused at once: replies and sends. */
void write_refused(struct command_call *call, struct slot *slot, int err);

#endif
