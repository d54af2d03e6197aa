#ifndef KAFKA_INTERNAL_H
#define KAFKA_INTERNAL_H

#include "kafka/kafka.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MODULE "kafka"

/* ---- one append ---- */

/* It stands in its partition's queue until it is reported, and in its producer's list until
 * librdkafka has let go of it; the later of the two frees it. */
struct append {
    struct append *next;                  /* in the partition, oldest first */
    struct append *held_prev, *held_next; /* in the producer */
    log_done *done;
    void *arg;
    int64_t start_mono_ms;
    size_t bytes;
    struct log_report report;
    bool decided;
    bool reported;
    bool held;
};

/* All the loop's. */
struct partition {
    struct append *first;
    struct append **tail;
    uint64_t bytes; /* of appends that are not freed */
};

/* ---- a producer: one of librdkafka's, replaced after a fatal error ---- */

struct producer {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue; /* delivery reports and errors; signals event_fd */
    struct append *held;
};

struct kafka;
MUST_USE int producer_create(struct kafka *k, struct producer **out);
/* Blocks. No report comes after it; appends that are still held are the caller's to decide before.
 */
void producer_destroy(struct producer **producer);

/* Loop. */
int kafka_append(struct log *log, uint32_t partition, struct slice record, log_done *done,
                 void *arg);
void kafka_dispatch(struct log *log);
/* Waits for what is in flight, purges the rest, reports all. */
void kafka_finish(struct kafka *k);

/* ---- the adapter ---- */

struct counters {
    uint64_t records, bytes, failed, unknown, rebuilds;
    bool brokers_down;
    char last_error[256];
};

struct kafka {
    struct log base;
    struct kafka_config config;
    int event_fd;
    rd_kafka_t *control; /* metadata, bounds, trim: any thread but the loop */

    /* The loop's. */
    struct producer *producer; /* NULL: none is usable */
    int64_t drain_until_ms;    /* 0, or: it has failed; waits for its reports until then */
    struct partition *partitions;
    struct counters counters;

    _Atomic uint64_t
        waiting; /* appends without a report: the keeper minds the clock while there are */

    pthread_t keeper;
    bool keeper_runs;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wanted;
    bool stop;
    bool want_producer;
    struct producer *built; /* for the loop to take */
    struct producer *spent; /* for the keeper to destroy */
};

/* Makes event_fd readable. Thread: any. */
void kafka_poke(struct kafka *k);

void *keeper_run(void *arg);

/* ---- settings ---- */

/* A librdkafka handle with our settings; type: RD_KAFKA_PRODUCER or _CONSUMER. LT_EINVALID, logged.
 */
MUST_USE int conf_handle(const struct kafka_config *config, rd_kafka_type_t type, rd_kafka_t **out);

/* Does nothing; makes the linker take tsan.c, whose symbols only librdkafka wants. */
void tsan_link(void);

/* ---- admin: blocking, any thread but the loop ---- */

/* The topic is there with enough partitions, or has been created just now. Logs what it does. */
MUST_USE int admin_ensure_topic(struct kafka *k, int timeout_ms);
int kafka_bounds(struct log *log, uint32_t partition, int timeout_ms, struct log_bounds *out);
int kafka_trim(struct log *log, uint32_t partition, uint64_t before, int timeout_ms);

/* ---- readers ---- */

int kafka_reader_open(struct log *log, uint32_t partition, uint64_t from, struct log_reader **out);
int kafka_reader_next(struct log_reader *reader, int timeout_ms, struct log_record *records,
                      int max);
void kafka_reader_wake(struct log_reader *reader);
void kafka_reader_close(struct log_reader **reader);

#endif
