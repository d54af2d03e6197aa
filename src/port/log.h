#ifndef PORT_LOG_H
#define PORT_LOG_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* The log: numbered partitions of records, each with an offset, dense from 0. What is acknowledged
 * is durable. Adapters: kafka/ and locallog/; tests/port/support_conformance.c is the contract that
 * both pass.
 *
 * Writing belongs to the loop thread. Reports are collected by the adapter's own threads; event_fd
 * becomes readable, and dispatch() calls each done on the loop. */

enum log_outcome {
    LOG_STORED,  /* durable, at report.offset */
    LOG_FAILED,  /* certainly not stored, now or later */
    LOG_UNKNOWN, /* may be stored */
};

struct log_report {
    enum log_outcome outcome;
    uint32_t partition;
    uint64_t offset;    /* LOG_STORED only */
    const char *reason; /* else: a short text for the client; valid during the call */
};

/* Thread: loop, from log_dispatch. Called exactly once for each append that returned 0. */
typedef void log_done(void *arg, const struct log_report *report);

struct log_record {
    uint64_t offset;
    int64_t append_ms; /* the log's own stamp; Unix ms */
    struct slice bytes;
};

/* From `start` (what is oldest) up to `end` (the next append's offset). */
struct log_bounds {
    uint64_t start;
    uint64_t end;
};

struct log;
struct log_reader;

struct log_ops {
    int (*append)(struct log *log, uint32_t partition, struct slice record, log_done *done,
                  void *arg);
    int (*event_fd)(const struct log *log);
    void (*dispatch)(struct log *log);
    int (*bounds)(struct log *log, uint32_t partition, int timeout_ms, struct log_bounds *out);
    int (*trim)(struct log *log, uint32_t partition, uint64_t before, int timeout_ms);
    int (*reader_open)(struct log *log, uint32_t partition, uint64_t from, struct log_reader **out);
    int (*reader_next)(struct log_reader *reader, int timeout_ms, struct log_record *records,
                       int max);
    void (*reader_wake)(struct log_reader *reader);
    void (*reader_close)(struct log_reader **reader);
    void (*destroy)(struct log **log);
};

/* Adapters embed this first. */
struct log {
    const struct log_ops *ops;
    uint32_t partitions;
};

/* Appends one record. Thread: loop. Never blocks. Copies record. Records of one partition are
 * stored in the order of the calls; the reports of a partition come in that order too. LT_EBUSY:
 * the adapter's queue is full, nothing was taken. LT_ELIMIT: larger than LOG_RECORD_BYTES_MAX.
 * LT_EUNAVAILABLE: certainly not taken (no usable producer at the moment). */
enum { LOG_RECORD_BYTES_MAX = 1000 * 1000 };
MUST_USE static inline int log_append(struct log *log, uint32_t partition, struct slice record,
                                      log_done *done, void *arg)
{
    return log->ops->append(log, partition, record, done, arg);
}

/* Readable when log_dispatch has work. Level or edge: dispatch drains it. Valid while the log
 * lives. */
static inline int log_event_fd(const struct log *log)
{
    return log->ops->event_fd(log);
}

/* Thread: loop. Never blocks. Calls done for the reports that wait; safe to call at any time. */
static inline void log_dispatch(struct log *log)
{
    log->ops->dispatch(log);
}

/* Thread: any but the loop. Blocks up to timeout_ms. LT_EUNAVAILABLE, LT_ETIMEOUT. */
MUST_USE static inline int log_bounds(struct log *log, uint32_t partition, int timeout_ms,
                                      struct log_bounds *out)
{
    return log->ops->bounds(log, partition, timeout_ms, out);
}

/* Forgets offsets below `before`. Thread: any but the loop. Blocks. */
MUST_USE static inline int log_trim(struct log *log, uint32_t partition, uint64_t before,
                                    int timeout_ms)
{
    return log->ops->trim(log, partition, before, timeout_ms);
}

/* A reader belongs to one thread (never the loop), but for log_reader_wake. Never blocks; whether
 * `from` can be read is found out by the first log_reader_next. */
MUST_USE static inline int log_reader_open(struct log *log, uint32_t partition, uint64_t from,
                                           struct log_reader **out)
{
    return log->ops->reader_open(log, partition, from, out);
}

/* Up to max records in offset order without a hole; waits up to timeout_ms for the first. The
 * count; 0 after the timeout or a wake. Bytes are valid until the next call on this reader.
 * LT_ETRIMMED: the offset is below the start, or above the end (the log was recreated or
 * truncated). LT_EGAP: the next offset is not the one that was due. LT_ECORRUPT: the bytes are
 * damaged. All three are sticky: the reader never skips. LT_EUNAVAILABLE: for now; call again. */
MUST_USE static inline int log_reader_next(struct log *log, struct log_reader *reader,
                                           int timeout_ms, struct log_record *records, int max)
{
    return log->ops->reader_next(reader, timeout_ms, records, max);
}

/* Thread: any. Makes a waiting log_reader_next return soon. */
static inline void log_reader_wake(struct log *log, struct log_reader *reader)
{
    log->ops->reader_wake(reader);
}

static inline void log_reader_close(struct log *log, struct log_reader **reader)
{
    log->ops->reader_close(reader);
}

/* Thread: loop. May block for up to some seconds: stops the adapter's threads. Appends still
 * without a report get one, LOG_UNKNOWN, before it returns. Readers must be closed first. */
static inline void log_destroy(struct log **log)
{
    if (*log != NULL)
        (*log)->ops->destroy(log);
}

#endif
