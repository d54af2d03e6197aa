#include "ingest/ingest.h"

const struct option_spec ingest_options[] = {
    {.name = "inflight-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "64mb",
     .min = 1 << 20,
     .max = INT64_C(1) << 40,
     .help = "bytes that wait for the log: at 3/4 of it sockets are not read, above it writes are "
             "answered BUSY",
     .section = "ingest"},
    {.name = "inflight-records-max",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = 1000000,
     .help = "records that the log works on at once, a partition: above it the next batch grows "
             "instead, for up to 50 ms. Up to 4 pays where brokers are milliseconds away",
     .section = "ingest"},
    {.name = "lag-max",
     .type = OPTION_DURATION_MS,
     .default_text = "500ms",
     .min = 0,
     .max = 3600000,
     .help = "while this process' own consumer is further behind than this, batches wait for up to "
             "50 ms: writers slow down to what is applied (0: never)",
     .section = "ingest"},
    {.name = "awake-us-max",
     .type = OPTION_INT,
     .default_text = "2000",
     .min = 0,
     .max = 1000000,
     .help =
         "microseconds for which the event loop looks for work before it sleeps, after a record "
         "left or was reported, and at most twice the last report's time; only where that "
         "answers more commands, which is tried now and then (0: never)",
     .section = "ingest"},
    {.name = "batch-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "512kb",
     .min = 4096,
     .max = LOG_RECORD_BYTES_MAX,
     .help = "a batch is handed to the log early at this size",
     .section = "ingest"},
    {.name = "command-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "900000",
     .min = 4096,
     .max = 900000,
     .help = "the largest write: a command is never split over two records of the log",
     .section = "ingest"},
};
const size_t ingest_options_count = ARRAY_LEN(ingest_options);

void ingest_config_load(struct ingest_config *config, const struct option_set *options)
{
    *config = (struct ingest_config){
        .inflight_bytes_max = (size_t)option_int(options, "inflight-bytes-max"),
        .batch_bytes_max = (size_t)option_int(options, "batch-bytes-max"),
        .command_bytes_max = (size_t)option_int(options, "command-bytes-max"),
        .inflight_records_max = (uint32_t)option_int(options, "inflight-records-max"),
        .lag_max_ms = option_int(options, "lag-max"),
        .awake_max_ns = option_int(options, "awake-us-max") * 1000,
    };
}
