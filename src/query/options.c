#include "query/query.h"

const struct option_spec query_options[] = {
    {.name = "query-deadline",
     .type = OPTION_DURATION_MS,
     .default_text = "6s",
     .min = 10,
     .max = 600000,
     .help = "a read that takes longer is ended",
     .section = "query"},
    {.name = "query-memory-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "256mb",
     .min = 1 << 20,
     .max = INT64_C(1) << 40,
     .help = "memory that one read may use",
     .section = "query"},
    {.name = "query-requests-max",
     .type = OPTION_INT,
     .default_text = "256",
     .min = 1,
     .max = 100000,
     .help = "reads in flight, waiting ones included; above it a read is refused with BUSY",
     .section = "query"},
};
const size_t query_options_count = ARRAY_LEN(query_options);

void query_config_load(struct query_config *config, const struct option_set *options)
{
    config->deadline_ms = option_int(options, "query-deadline");
    config->memory_bytes_max = (size_t)option_int(options, "query-memory-bytes-max");
    config->requests_max = (uint32_t)option_int(options, "query-requests-max");
}

void query_status(void *arg, struct status_sink *sink)
{
    struct query_stats s = query_stats(arg);
    sink->number(sink, "reads_in_flight", s.in_flight);
    sink->number(sink, "reads_done", (int64_t)s.done);
    sink->number(sink, "reads_failed", (int64_t)s.failed);
    sink->number(sink, "reads_killed", (int64_t)s.killed);
    sink->number(sink, "reads_timed_out", (int64_t)s.timed_out);
    sink->number(sink, "reads_refused", (int64_t)s.refused);
    sink->number(sink, "rows_read", (int64_t)s.rows);
    sink->number(sink, "bytes_read", (int64_t)s.bytes);
}
