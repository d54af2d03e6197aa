#include "kafka/internal.h"

#include "base/error.h"
#include "base/logger.h"

#include <stdlib.h>

/* A reader is a consumer of its own, of one partition from one offset, without a group: nothing is
 * committed to Kafka, since progress is stored with the data. It reconnects by itself for ever.
 * Offsets are checked one by one, so that whatever happens below is seen as a gap. */

enum { READ_RECORDS_MAX = 512 };

struct log_reader {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    int32_t partition;
    uint64_t next;
    int failed;      /* sticky: LT_ETRIMMED, LT_EGAP, LT_ECORRUPT */
    uint32_t held_n; /* messages whose bytes the caller may be reading */
    rd_kafka_message_t *held[READ_RECORDS_MAX];
};

int kafka_reader_open(struct log *log, uint32_t partition, uint64_t from, struct log_reader **out)
{
    struct kafka *k = (struct kafka *)log;
    if (partition >= log->partitions || from > INT64_MAX)
        return LT_EINVALID;
    struct log_reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return LT_ENOMEM;
    r->partition = (int32_t)partition;
    r->next = from;
    int status = conf_handle(&k->config, RD_KAFKA_CONSUMER, &r->rk);
    if (status != 0)
        goto fail_handle;
    r->topic = rd_kafka_topic_new(r->rk, k->config.topic, NULL);
    r->queue = rd_kafka_queue_new(r->rk);
    if (rd_kafka_consume_start_queue(r->topic, r->partition, (int64_t)from, r->queue) != 0) {
        log_error(MODULE, "partition %u cannot be read: %s", partition,
                  rd_kafka_err2str(rd_kafka_last_error()));
        status = LT_EUNAVAILABLE;
        goto fail_start;
    }
    *out = r;
    return 0;

fail_start:
    rd_kafka_queue_destroy(r->queue);
    rd_kafka_topic_destroy(r->topic);
    rd_kafka_destroy(r->rk);
fail_handle:
    free(r);
    return status;
}

static void release_held(struct log_reader *r)
{
    for (uint32_t i = 0; i < r->held_n; i++)
        rd_kafka_message_destroy(r->held[i]);
    r->held_n = 0;
}

void kafka_reader_close(struct log_reader **reader)
{
    struct log_reader *r = *reader;
    *reader = NULL;
    if (r == NULL)
        return;
    release_held(r);
    rd_kafka_consume_stop(r->topic, r->partition);
    rd_kafka_queue_destroy(r->queue);
    rd_kafka_topic_destroy(r->topic);
    rd_kafka_destroy(r->rk);
    free(r);
}

void kafka_reader_wake(struct log_reader *reader)
{
    rd_kafka_queue_yield(reader->queue);
}

static int message_error(const struct log_reader *r, const rd_kafka_message_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: /* the setting "error": the offset is out of range */
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return LT_ETRIMMED;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
        return LT_ECORRUPT;
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return m->offset == (int64_t)r->next ? 0 : LT_EGAP;
    default:
        return LT_EUNAVAILABLE;
    }
}

/* librdkafka waits for the whole time to fill a batch, so the first message is waited for alone. */
static void fetch(struct log_reader *r, int timeout_ms, size_t max)
{
    ssize_t n = rd_kafka_consume_batch_queue(r->queue, timeout_ms, r->held, 1);
    if (n == 1 && max > 1) {
        ssize_t more = rd_kafka_consume_batch_queue(r->queue, 0, r->held + 1, max - 1);
        n += more > 0 ? more : 0;
    }
    r->held_n = n > 0 ? (uint32_t)n : 0;
}

int kafka_reader_next(struct log_reader *reader, int timeout_ms, struct log_record *records,
                      int max)
{
    struct log_reader *r = reader;
    release_held(r);
    if (r->failed != 0)
        return r->failed;
    fetch(r, timeout_ms, max < READ_RECORDS_MAX ? (size_t)max : READ_RECORDS_MAX);
    int n = 0, status = 0;
    for (uint32_t i = 0; i < r->held_n; i++) {
        const rd_kafka_message_t *m = r->held[i];
        int error = message_error(r, m);
        if (error != 0) {
            log_warn(MODULE, "partition %d at offset %llu: %s", (int)r->partition,
                     (unsigned long long)r->next,
                     m->err != 0 ? rd_kafka_message_errstr(m) : error_text(error));
            status = error;
            if (error != LT_EUNAVAILABLE) {
                r->failed = error;
                break;
            }
            continue;
        }
        rd_kafka_timestamp_type_t type;
        records[n++] = (struct log_record){.offset = r->next++,
                                           .append_ms = rd_kafka_message_timestamp(m, &type),
                                           .bytes = slice_make(m->payload, m->len)};
    }
    return n > 0 ? n : status;
}
