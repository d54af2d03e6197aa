#include "kafka/internal.h"

#include "base/cond.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int kafka_event_fd(const struct log *log)
{
    return ((const struct kafka *)log)->event_fd;
}

static void free_config(struct kafka_config *c)
{
    free((char *)c->brokers);
    free((char *)c->topic);
    free((char *)c->compression);
    free((char *)c->properties);
}

static int copy_config(struct kafka_config *to, const struct kafka_config *from)
{
    *to = *from;
    to->brokers = strdup(from->brokers);
    to->topic = strdup(from->topic);
    to->compression = strdup(from->compression);
    to->properties = strdup(from->properties);
    if (to->brokers != NULL && to->topic != NULL && to->compression != NULL &&
        to->properties != NULL)
        return 0;
    free_config(to);
    return LT_ENOMEM;
}

static void kafka_destroy(struct log **log)
{
    struct kafka *k = (struct kafka *)*log;
    *log = NULL;
    kafka_finish(k);
    if (k->keeper_runs) {
        pthread_mutex_lock(&k->lock);
        k->stop = true;
        pthread_cond_signal(&k->wanted);
        pthread_mutex_unlock(&k->lock);
        pthread_join(k->keeper, NULL);
    }
    producer_destroy(&k->built);
    producer_destroy(&k->spent);
    if (k->control != NULL)
        rd_kafka_destroy(k->control);
    pthread_cond_destroy(&k->wanted);
    pthread_mutex_destroy(&k->lock);
    close(k->event_fd);
    free(k->partitions);
    free_config(&k->config);
    free(k);
}

static const struct log_ops kafka_ops = {
    .append = kafka_append,
    .event_fd = kafka_event_fd,
    .dispatch = kafka_dispatch,
    .bounds = kafka_bounds,
    .trim = kafka_trim,
    .reader_open = kafka_reader_open,
    .reader_next = kafka_reader_next,
    .reader_wake = kafka_reader_wake,
    .reader_close = kafka_reader_close,
    .destroy = kafka_destroy,
};

static void init_sync(struct kafka *k)
{
    pthread_mutex_init(&k->lock, NULL);
    cond_init(&k->wanted);
}

/* Builds a producer once, so that a bad setting is refused at start instead of retried for ever. */
static int check_producer_settings(struct kafka *k)
{
    rd_kafka_t *rk;
    int status = conf_handle(&k->config, RD_KAFKA_PRODUCER, &rk);
    if (status == 0)
        rd_kafka_destroy(rk);
    return status;
}

int kafka_create(const struct kafka_config *config, struct log **out)
{
    int status = LT_ENOMEM;
    struct kafka *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return status;
    k->base = (struct log){.ops = &kafka_ops, .partitions = config->partitions};
    k->partitions = calloc(config->partitions, sizeof(k->partitions[0]));
    if (k->partitions == NULL)
        goto fail_partitions;
    for (uint32_t i = 0; i < config->partitions; i++)
        k->partitions[i].tail = &k->partitions[i].first;
    status = copy_config(&k->config, config);
    if (status != 0)
        goto fail_partitions;
    k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (k->event_fd < 0) {
        status = LT_EIO;
        goto fail_event_fd;
    }
    init_sync(k);
    k->want_producer = true;
    struct log *log = &k->base;
    status = check_producer_settings(k);
    if (status == 0)
        status = conf_handle(&k->config, RD_KAFKA_CONSUMER, &k->control);
    if (status != 0)
        goto fail_started;
    if (pthread_create(&k->keeper, NULL, keeper_run, k) != 0) {
        status = LT_ENOMEM;
        goto fail_started;
    }
    k->keeper_runs = true;
    log_info(MODULE, "topic %s at %s, %u partitions", config->topic, config->brokers,
             config->partitions);
    *out = log;
    return 0;

fail_started:
    kafka_destroy(&log);
    return status;
fail_event_fd:
    free_config(&k->config);
fail_partitions:
    free(k->partitions);
    free(k);
    return status;
}

void kafka_status(void *arg, struct status_sink *sink)
{
    struct kafka *k = arg;
    const struct counters *c = &k->counters;
    uint64_t queued = 0;
    for (uint32_t i = 0; i < k->base.partitions; i++)
        queued += k->partitions[i].bytes;
    sink->text(sink, "adapter", "kafka");
    sink->text(sink, "brokers", k->config.brokers);
    sink->text(sink, "topic", k->config.topic);
    sink->text(sink, "state",
               k->producer == NULL        ? "connecting"
               : k->drain_until_ms != 0   ? "rebuilding"
               : k->counters.brokers_down ? "brokers down"
                                          : "ready");
    sink->number(sink, "records", (int64_t)c->records);
    sink->number(sink, "bytes", (int64_t)c->bytes);
    sink->number(sink, "queue_records", (int64_t)atomic_load(&k->waiting));
    sink->number(sink, "queue_bytes", (int64_t)queued);
    sink->number(sink, "failed", (int64_t)c->failed);
    sink->number(sink, "unknown", (int64_t)c->unknown);
    sink->number(sink, "producer_rebuilds", (int64_t)c->rebuilds);
    sink->text(sink, "last_error", c->last_error);
}
