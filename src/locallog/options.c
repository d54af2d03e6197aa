#include "locallog/locallog.h"

const struct option_spec locallog_options[] = {
    {.name = "local-log-dir",
     .type = OPTION_TEXT,
     .default_text = "longtail-log",
     .help = "directory of the local log",
     .section = "log"},
    {.name = "local-log-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "8gb",
     .min = 1 << 20,
     .max = (int64_t)1 << 46,
     .help =
         "what the local log may take on disk; when it is full, writes fail until it is trimmed",
     .section = "log"},
    {.name = "local-log-queue-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "64mb",
     .min = 1 << 20,
     .max = (int64_t)1 << 32,
     .help = "bytes that may wait for the local log's disk before writers are told BUSY",
     .section = "log"},
};
const size_t locallog_options_count = ARRAY_LEN(locallog_options);

void locallog_config_load(struct locallog_config *config, const struct option_set *options)
{
    config->dir = option_text(options, "local-log-dir");
    config->map_bytes_max = (uint64_t)option_int(options, "local-log-bytes-max");
    config->queue_bytes_max = (uint64_t)option_int(options, "local-log-queue-bytes-max");
}
