#include "kafka/internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ADMIN_RETRY_MS = 100 };

static int admin_error(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return 0;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return LT_ETIMEOUT;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return LT_EINVALID;
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        return LT_EUNSUPPORTED;
    default:
        return LT_EUNAVAILABLE;
    }
}

static rd_kafka_AdminOptions_t *admin_options(rd_kafka_t *rk, rd_kafka_admin_op_t op,
                                              int timeout_ms)
{
    char why[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, why, sizeof(why));
    return options;
}

/* ---- bounds and trim ---- */

static int left_ms(int64_t until_ms)
{
    int64_t left = until_ms - clock_mono_ms();
    return left > 1 ? (int)left : 1;
}

/* After a failure: false when the time is up, or no other try would help. librdkafka asks the
 * leader that it knows, and does not look for a new one when that one declines; so the cluster is
 * asked here. */
static bool try_again(struct kafka *k, rd_kafka_resp_err_t err, int64_t until_ms)
{
    if (err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
        err == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ||
        clock_mono_ms() + ADMIN_RETRY_MS >= until_ms)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = ADMIN_RETRY_MS * 1000000L}, NULL);
    const struct rd_kafka_metadata *all;
    if (rd_kafka_metadata(k->control, 1, NULL, &all, left_ms(until_ms)) == 0)
        rd_kafka_metadata_destroy(all);
    return true;
}

int kafka_bounds(struct log *log, uint32_t partition, int timeout_ms, struct log_bounds *out)
{
    struct kafka *k = (struct kafka *)log;
    if (partition >= log->partitions)
        return LT_EINVALID;
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    int64_t low, high;
    rd_kafka_resp_err_t err;
    do
        err = rd_kafka_query_watermark_offsets(k->control, k->config.topic, (int32_t)partition,
                                               &low, &high, left_ms(until_ms));
    while (err != 0 && try_again(k, err, until_ms));
    if (err != 0)
        return admin_error(err);
    *out = (struct log_bounds){(uint64_t)low, (uint64_t)high};
    return 0;
}

static rd_kafka_resp_err_t trim_result(rd_kafka_event_t *event)
{
    if (event == NULL)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (rd_kafka_event_error(event) != 0)
        return rd_kafka_event_error(event);
    const rd_kafka_topic_partition_list_t *offsets =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
    return offsets->cnt == 1 ? offsets->elems[0].err : RD_KAFKA_RESP_ERR__FAIL;
}

static rd_kafka_resp_err_t trim_once(struct kafka *k, rd_kafka_DeleteRecords_t *request,
                                     int timeout_ms)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(k->control);
    rd_kafka_AdminOptions_t *options =
        admin_options(k->control, RD_KAFKA_ADMIN_OP_DELETERECORDS, timeout_ms);
    rd_kafka_DeleteRecords(k->control, &request, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    rd_kafka_resp_err_t err = trim_result(event);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return err;
}

int kafka_trim(struct log *log, uint32_t partition, uint64_t before, int timeout_ms)
{
    struct kafka *k = (struct kafka *)log;
    if (partition >= log->partitions || before > INT64_MAX)
        return LT_EINVALID;
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, k->config.topic, (int32_t)partition)->offset =
        (int64_t)before;
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_resp_err_t err;
    do
        err = trim_once(k, request, left_ms(until_ms));
    while (err != 0 && try_again(k, err, until_ms));
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    return admin_error(err);
}

/* ---- the topic ---- */

static const char *create_result(rd_kafka_event_t *event)
{
    if (event == NULL)
        return "no answer in time";
    if (rd_kafka_event_error(event) != 0)
        return rd_kafka_event_error_string(event);
    size_t n;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    rd_kafka_resp_err_t err = n == 1 ? rd_kafka_topic_result_error(results[0]) : 0;
    if (err == 0 || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return NULL;
    return rd_kafka_err2str(err);
}

static int create_topic(struct kafka *k, int timeout_ms)
{
    const struct kafka_config *c = &k->config;
    char why[256];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(c->topic, (int)c->partitions, c->replication, why, sizeof(why));
    if (topic == NULL) {
        log_error(MODULE, "topic %s cannot be created: %s", c->topic, why);
        return LT_EINVALID;
    }
    /* With three replicas, an acknowledgement means two disks; and no replica that lags becomes
     * leader. */
    rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", c->replication > 2 ? "2" : "1");
    rd_kafka_NewTopic_set_config(topic, "unclean.leader.election.enable", "false");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(k->control);
    rd_kafka_AdminOptions_t *options =
        admin_options(k->control, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
    rd_kafka_CreateTopics(k->control, &topic, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    const char *failure = create_result(event);
    if (failure == NULL)
        log_info(MODULE, "created topic %s with %u partitions, replication %d", c->topic,
                 c->partitions, c->replication);
    else
        log_warn(MODULE, "topic %s is missing and cannot be created: %s", c->topic, failure);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    return failure == NULL ? 0 : LT_EUNAVAILABLE;
}

/* A leader that takes records before it has settled may refuse the first and accept the second. */
static int await_leaders(struct kafka *k, int timeout_ms)
{
    int status = 0;
    for (uint32_t i = 0; i < k->base.partitions && status == 0; i++) {
        struct log_bounds bounds;
        status = kafka_bounds(&k->base, i, timeout_ms, &bounds);
    }
    return status;
}

/* All topics are asked for, because asking for one by name may create it, with the broker's number
 * of partitions. */
int admin_ensure_topic(struct kafka *k, int timeout_ms)
{
    const struct rd_kafka_metadata *all;
    rd_kafka_resp_err_t err = rd_kafka_metadata(k->control, 1, NULL, &all, timeout_ms);
    if (err != 0) {
        log_warn(MODULE, "no answer from %s: %s; trying on", k->config.brokers,
                 rd_kafka_err2str(err));
        return LT_EUNAVAILABLE;
    }
    int partitions = 0;
    for (int i = 0; i < all->topic_cnt; i++)
        if (strcmp(all->topics[i].topic, k->config.topic) == 0)
            partitions = all->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(all);
    if (partitions == 0) {
        int status = create_topic(k, timeout_ms);
        return status != 0 ? status : await_leaders(k, timeout_ms);
    }
    if (partitions >= (int)k->config.partitions)
        return 0;
    log_error(MODULE,
              "topic %s has %d partitions, and %u are configured: add partitions to the topic "
              "(kafka-topics.sh --alter), or configure fewer",
              k->config.topic, partitions, k->config.partitions);
    return LT_EINVALID;
}
