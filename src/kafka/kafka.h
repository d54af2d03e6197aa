#ifndef KAFKA_KAFKA_H
#define KAFKA_KAFKA_H

#include "base/attr.h"
#include "base/option.h"
#include "port/log.h"
#include "port/status.h"

#include <stdint.h>

/* The log in a Kafka topic. Every append has its report within message_timeout_ms + 1 s of the
 * call. */

struct kafka_config {
    const char *brokers; /* host:port[,host:port] */
    const char *topic;   /* created if missing */
    uint32_t partitions; /* that the topic has, or more */
    int replication;     /* of a topic that is created here */
    int message_timeout_ms;
    const char *compression; /* none, lz4, … */
    /* An append's room in the producer: above it, LT_EBUSY for this partition and no other. */
    uint64_t partition_queue_bytes_max;
    const char *properties; /* "name=value,name=value" for librdkafka (TLS, SASL); "" */
};

/* Never blocks on the network: while no broker answers, or the topic is not there yet, appends are
 * LT_EUNAVAILABLE. LT_EINVALID: a setting that librdkafka refuses; logged. config's texts are
 * copied. */
MUST_USE int kafka_create(const struct kafka_config *config, struct log **out);

/* Writes the log's lines; arg is the struct log. */
void kafka_status(void *arg, struct status_sink *sink);

/* kafka-*; kafka_config_load fills all but partitions. Texts live as long as the set. */
extern const struct option_spec kafka_options[];
extern const size_t kafka_options_count;
void kafka_config_load(struct kafka_config *config, const struct option_set *options);

#endif
