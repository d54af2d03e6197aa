#include "kafka/kafka.h"

const struct option_spec kafka_options[] = {
    {.name = "kafka-brokers",
     .type = OPTION_TEXT,
     .default_text = "127.0.0.1:9092",
     .help = "brokers to start from, host:port, separated by commas",
     .section = "log"},
    {.name = "kafka-topic",
     .type = OPTION_TEXT,
     .default_text = "longtail",
     .help = "the topic that is the log; created if it is missing",
     .section = "log"},
    {.name = "kafka-replication",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = 16,
     .help = "replicas of a topic that is created; 3 is what production wants",
     .section = "log"},
    {.name = "kafka-message-timeout",
     .type = OPTION_DURATION_MS,
     .default_text = "5s",
     .min = 2000,
     .max = 600000,
     .help = "how long a record may wait for its acknowledgement before its writer gets an error",
     .section = "log"},
    {.name = "kafka-compression",
     .type = OPTION_TEXT,
     .default_text = "none",
     .help =
         "codec of the records on the wire: none, lz4, zstd, snappy or gzip. Records are compact "
         "by themselves; lz4 halves those whose names are words and costs a tenth of the rate",
     .section = "log"},
    {.name = "kafka-partition-queue-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "32mb",
     .min = 2 << 20,
     .max = 1 << 30,
     .help = "bytes of one partition that may wait for Kafka before its writers are told BUSY",
     .section = "log"},
    {.name = "kafka-properties",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "further settings of librdkafka, such as security.protocol=ssl, separated by commas",
     .section = "log",
     .secret = true},
};
const size_t kafka_options_count = ARRAY_LEN(kafka_options);

void kafka_config_load(struct kafka_config *config, const struct option_set *options)
{
    config->brokers = option_text(options, "kafka-brokers");
    config->topic = option_text(options, "kafka-topic");
    config->replication = (int)option_int(options, "kafka-replication");
    config->message_timeout_ms = (int)option_int(options, "kafka-message-timeout");
    config->compression = option_text(options, "kafka-compression");
    config->partition_queue_bytes_max =
        (uint64_t)option_int(options, "kafka-partition-queue-bytes-max");
    config->properties = option_text(options, "kafka-properties");
}
