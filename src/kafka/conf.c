#include "kafka/internal.h"

#include "base/error.h"
#include "base/logger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* librdkafka looks for messages that are over their time once a second. */
enum { CONF_SCAN_MS = 1000 };

struct setting {
    const char *name;
    const char *value;
};

static const struct setting common[] = {
    {"client.id", "longtail"},
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    /* A machine that is gone without a word is given up after this, instead of a minute. */
    {"socket.timeout.ms", "6000"},
    /* Service is to be back soon after the broker is. */
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "500"},
    {"log.connection.close", "false"},
};

static const struct setting producer[] = {
    {"enable.idempotence", "true"}, /* retries neither duplicate nor reorder */
    {"acks", "all"},
    {"linger.ms", "0"}, /* batches are made above: one record a loop turn */
    {"message.max.bytes",
     "1048576"}, /* a record and its frame; brokers take this much by default */
    /* Never in the way: partitions have credits of their own, so that a dead one starves no other.
     */
    {"queue.buffering.max.messages", "10000000"},
    {"queue.buffering.max.kbytes", "2097151"},
};

static const struct setting consumer[] = {
    {"auto.offset.reset", "error"}, /* a missing offset is an error, never a jump */
    {"check.crcs", "true"},
    {"fetch.error.backoff.ms", "100"},
    {"fetch.message.max.bytes", "4194304"},
    {"queued.max.messages.kbytes", "16384"},
};

/* Every handle tells of every refused connection; the producer's state is logged once, by its
 * events. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    bool connection = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0;
    logger_write(level <= LOG_WARNING && !connection ? LOGGER_WARN : LOGGER_DEBUG, MODULE, "%s: %s",
                 rd_kafka_name(rk), text);
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return 0;
    log_error(MODULE, "librdkafka refuses %s: %s", name, why); /* the value may be a secret */
    return LT_EINVALID;
}

static int set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count)
{
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++)
        status = set(conf, settings[i].name, settings[i].value);
    return status;
}

/* "name=value,name=value" */
static int set_properties(rd_kafka_conf_t *conf, const char *properties)
{
    char *copy = strdup(properties), *rest = copy, *item;
    if (copy == NULL)
        return LT_ENOMEM;
    int status = 0;
    while (status == 0 && (item = strsep(&rest, ",")) != NULL) {
        char *value = strchr(item, '=');
        if (*item == '\0')
            continue;
        if (value == NULL) {
            log_error(MODULE, "kafka-properties: expected name=value,name=value");
            status = LT_EINVALID;
            break;
        }
        *value++ = '\0';
        status = set(conf, item, value);
    }
    free(copy);
    return status;
}

static int set_producer(rd_kafka_conf_t *conf, const struct kafka_config *config)
{
    char timeout[32];
    snprintf(timeout, sizeof(timeout), "%d", config->message_timeout_ms - CONF_SCAN_MS);
    int status = set_all(conf, producer, ARRAY_LEN(producer));
    if (status == 0)
        status = set(conf, "compression.codec", config->compression);
    if (status == 0)
        status = set(conf, "message.timeout.ms", timeout);
    if (status == 0)
        status = set(conf, "request.timeout.ms", timeout);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    return status;
}

int conf_handle(const struct kafka_config *config, rd_kafka_type_t type, rd_kafka_t **out)
{
    tsan_link();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    int status = set(conf, "bootstrap.servers", config->brokers);
    if (status == 0)
        status = set_all(conf, common, ARRAY_LEN(common));
    if (status == 0)
        status = type == RD_KAFKA_PRODUCER ? set_producer(conf, config)
                                           : set_all(conf, consumer, ARRAY_LEN(consumer));
    if (status == 0)
        status = set_properties(conf, config->properties);
    if (status != 0)
        goto fail;
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (rk == NULL) {
        log_error(MODULE, "librdkafka does not start: %s", why);
        status = LT_EINVALID;
        goto fail;
    }
    *out = rk;
    return 0;

fail:
    rd_kafka_conf_destroy(conf);
    return status;
}
