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
/* Of a report that is not LOG_STORED: "KAFKA failed:" or "KAFKA unknown:". */
const char *write_not_stored_word(const struct log_report *report);
/* Of an error with which ingest refused a write: "BUSY" or "ERR". */
const char *write_refused_word(int err);

/* A stored write's times, one integer a point. */
void write_times(struct resp_writer w, const struct ingest_written *written);

/* A series' name as the log takes it. False: the reply is composed. */
MUST_USE bool write_check_key(struct command_call *call, struct slice key, struct slice *host_out,
                              struct slice *metric_out);

/* A point of TS.ADD and TS.MADD: key, time, value. NULL, or the point's error, in RedisTimeSeries'
 * first words. relative_out is set where the time is the server's: *now_ms, read from the clock
 * where it is 0, so that a command has one. */
const char *write_parse_point(const struct slice *args, int64_t *now_ms, struct record_point *out,
                              bool *relative_out);

/* All points are in: the reply is now the report's business; done's arg is the slot. */
void write_end(struct command_call *call, ingest_done *done);

/* A deferred write that ingest refused at once: replies and sends. */
void write_refused(struct command_call *call, struct slot *slot, int err);

#endif
