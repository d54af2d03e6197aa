#include "kafka/internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The loop's side. A partition's appends are reported in the order of the calls: a decision waits
 * until all before it are reported.
 *
 *   none ──keeper has built one──► usable ──fatal error──► draining ──all decided, or 1 s──► none
 *
 * Only `usable` takes appends, so that no record overtakes one of a failed producer. */

enum {
    OVERDUE_SLACK_MS = 500, /* librdkafka has this long after its own deadline */
    DRAIN_MS = 1000,
    FINISH_MS = 3000,
    APPEND_OVERHEAD_BYTES = 512, /* ours and librdkafka's, so that tiny records are bounded too */
};

/* ---- life of an append ---- */

static void append_free(struct kafka *k, struct append *a)
{
    k->partitions[a->report.partition].bytes -= a->bytes;
    free(a);
}

static void append_hold(struct producer *p, struct append *a)
{
    a->held = true;
    a->held_next = p->held;
    if (p->held != NULL)
        p->held->held_prev = a;
    p->held = a;
}

/* May free it. */
static void append_let_go(struct kafka *k, struct producer *p, struct append *a)
{
    a->held = false;
    if (a->held_next != NULL)
        a->held_next->held_prev = a->held_prev;
    if (a->held_prev != NULL)
        a->held_prev->held_next = a->held_next;
    else
        p->held = a->held_next;
    if (a->reported)
        append_free(k, a);
}

static void count_report(struct counters *c, const struct append *a)
{
    switch (a->report.outcome) {
    case LOG_STORED:
        c->records++;
        c->bytes += a->bytes - APPEND_OVERHEAD_BYTES;
        if (c->brokers_down)
            log_info(MODULE, "a broker answers again");
        c->brokers_down = false;
        return;
    case LOG_FAILED:
        c->failed++;
        break;
    case LOG_UNKNOWN:
        c->unknown++;
        break;
    }
    snprintf(c->last_error, sizeof(c->last_error), "%s", a->report.reason);
}

static void report_decided(struct kafka *k, struct partition *partition)
{
    while (partition->first != NULL && partition->first->decided) {
        struct append *a = partition->first;
        partition->first = a->next;
        if (partition->first == NULL)
            partition->tail = &partition->first;
        atomic_fetch_sub(&k->waiting, 1);
        count_report(&k->counters, a);
        a->done(a->arg, &a->report);
        a->reported = true;
        if (!a->held)
            append_free(k, a);
    }
}

static void decide(struct kafka *k, struct append *a, enum log_outcome outcome, int64_t offset,
                   const char *reason)
{
    if (a->decided)
        return;
    a->decided = true;
    a->report.outcome = outcome;
    a->report.offset = (uint64_t)offset;
    a->report.reason = reason;
    report_decided(k, &k->partitions[a->report.partition]);
}

int kafka_append(struct log *log, uint32_t partition, struct slice record, log_done *done,
                 void *arg)
{
    struct kafka *k = (struct kafka *)log;
    if (partition >= log->partitions)
        return LT_EINVALID;
    if (record.n > LOG_RECORD_BYTES_MAX)
        return LT_ELIMIT;
    if (k->producer == NULL || k->drain_until_ms != 0)
        return LT_EUNAVAILABLE;
    struct partition *to = &k->partitions[partition];
    size_t bytes = record.n + APPEND_OVERHEAD_BYTES;
    if (to->bytes + bytes > k->config.partition_queue_bytes_max)
        return LT_EBUSY;
    struct append *a = malloc(sizeof(*a));
    if (a == NULL)
        return LT_ENOMEM;
    *a = (struct append){.done = done,
                         .arg = arg,
                         .start_mono_ms = clock_mono_ms(),
                         .bytes = bytes,
                         .report = {.partition = partition}};
    rd_kafka_resp_err_t err = rd_kafka_producev(
        k->producer->rk, RD_KAFKA_V_RKT(k->producer->topic),
        RD_KAFKA_V_PARTITION((int32_t)partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)record.p, record.n), RD_KAFKA_V_OPAQUE(a), RD_KAFKA_V_END);
    if (err != 0) {
        free(a);
        return err == RD_KAFKA_RESP_ERR__QUEUE_FULL          ? LT_EBUSY
               : err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? LT_ELIMIT
                                                             : LT_EUNAVAILABLE;
    }
    append_hold(k->producer, a);
    to->bytes += bytes;
    *to->tail = a;
    to->tail = &a->next;
    atomic_fetch_add(&k->waiting, 1);
    return 0;
}

/* ---- what librdkafka tells ---- */

/* Without an offset there is no acknowledgement: when a later batch succeeds, librdkafka takes
 * those before it for stored. That fails where the leader has just taken office: it refuses the
 * first batch (not leader), then knows no sequence of ours and so accepts the second. Seen with
 * librdkafka 2.0.2 and a broker of 4.1; the first batch was lost. */
static void on_delivery(struct kafka *k, const rd_kafka_message_t *message)
{
    struct append *a = message->_private;
    if (message->err == 0 && message->offset >= 0)
        decide(k, a, LOG_STORED, message->offset, NULL);
    else if (message->err == 0)
        decide(k, a, LOG_UNKNOWN, 0, "a later record was acknowledged, but not this one");
    else if (rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        decide(k, a, LOG_FAILED, 0, rd_kafka_err2str(message->err));
    else
        decide(k, a, LOG_UNKNOWN, 0, rd_kafka_err2str(message->err));
    append_let_go(k, k->producer, a);
}

/* Nothing more can be sent by it. What it holds is purged: librdkafka then reports each message,
 * those that were never sent as not persisted. */
static void begin_drain(struct kafka *k)
{
    char why[256];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(k->producer->rk, why, sizeof(why));
    log_error(MODULE, "the producer has failed for good (%s: %s); building another",
              rd_kafka_err2name(err), why);
    snprintf(k->counters.last_error, sizeof(k->counters.last_error), "%s", why);
    k->counters.rebuilds++;
    k->drain_until_ms = clock_mono_ms() + DRAIN_MS;
    rd_kafka_purge(k->producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                        RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void on_error(struct kafka *k, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event)) {
        if (k->drain_until_ms == 0)
            begin_drain(k);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !k->counters.brokers_down) {
        k->counters.brokers_down = true;
        log_warn(MODULE, "no broker of %s answers; trying on", k->config.brokers);
    }
    snprintf(k->counters.last_error, sizeof(k->counters.last_error), "%s",
             rd_kafka_event_error_string(event));
}

/* Until the queue is empty: librdkafka signals event_fd only when it stops being so. */
static void serve_events(struct kafka *k, int timeout_ms)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(k->producer->queue, timeout_ms)) != NULL) {
        const rd_kafka_message_t *message;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            while ((message = rd_kafka_event_message_next(event)) != NULL)
                on_delivery(k, message);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            on_error(k, event);
        rd_kafka_event_destroy(event);
        timeout_ms = 0;
    }
}

/* librdkafka has not said a word about these: whatever it does later, their writers have an answer
 * now. */
static void expire(struct kafka *k)
{
    int64_t started_before = clock_mono_ms() - k->config.message_timeout_ms - OVERDUE_SLACK_MS;
    for (uint32_t i = 0; i < k->base.partitions; i++) {
        struct partition *p = &k->partitions[i];
        while (p->first != NULL && p->first->start_mono_ms <= started_before)
            decide(k, p->first, LOG_UNKNOWN, 0, "no acknowledgement in time");
    }
}

/* Decides the rest, and takes the producer out of use. */
static struct producer *give_up_producer(struct kafka *k)
{
    struct producer *p = k->producer;
    k->producer = NULL;
    k->drain_until_ms = 0;
    /* Newest first; each partition's reports all leave, in order, when its oldest is decided. */
    struct append *rest = p->held;
    p->held = NULL;
    while (rest != NULL) {
        struct append *a = rest;
        rest = a->held_next;
        a->held = false;
        if (a->reported)
            append_free(k, a);
        else
            decide(k, a, LOG_UNKNOWN, 0, "the producer was closed before the acknowledgement");
    }
    return p;
}

static void hand_back(struct kafka *k)
{
    struct producer *spent = give_up_producer(k);
    pthread_mutex_lock(&k->lock);
    k->spent = spent;
    k->want_producer = true;
    pthread_cond_signal(&k->wanted);
    pthread_mutex_unlock(&k->lock);
}

static void take_built(struct kafka *k)
{
    pthread_mutex_lock(&k->lock);
    k->producer = k->built;
    k->built = NULL;
    pthread_mutex_unlock(&k->lock);
}

void kafka_dispatch(struct log *log)
{
    struct kafka *k = (struct kafka *)log;
    uint64_t drained;
    ssize_t ignored = read(k->event_fd, &drained, sizeof(drained));
    (void)ignored; /* nothing there is fine */
    if (k->producer == NULL)
        take_built(k);
    if (k->producer == NULL)
        return; /* then nothing is in flight, either */
    serve_events(k, 0);
    expire(k);
    if (k->drain_until_ms != 0 &&
        (k->producer->held == NULL || clock_mono_ms() >= k->drain_until_ms))
        hand_back(k);
}

void kafka_finish(struct kafka *k)
{
    if (k->producer == NULL)
        return;
    int64_t until_ms = clock_mono_ms() + FINISH_MS;
    while (k->producer->held != NULL && clock_mono_ms() < until_ms)
        serve_events(k, 50);
    if (k->producer->held != NULL) {
        rd_kafka_purge(k->producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        serve_events(k, 100);
    }
    struct producer *p = give_up_producer(k);
    producer_destroy(&p);
}

/* ---- the keeper's side ---- */

int producer_create(struct kafka *k, struct producer **out)
{
    struct producer *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return LT_ENOMEM;
    int status = conf_handle(&k->config, RD_KAFKA_PRODUCER, &p->rk);
    if (status != 0) {
        free(p);
        return status;
    }
    p->topic = rd_kafka_topic_new(p->rk, k->config.topic, NULL);
    p->queue = rd_kafka_queue_get_main(p->rk);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(p->queue, k->event_fd, &one, sizeof(one));
    *out = p;
    return 0;
}

void producer_destroy(struct producer **producer)
{
    struct producer *p = *producer;
    *producer = NULL;
    if (p == NULL)
        return;
    rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(p->queue);
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->rk);
    free(p);
}
