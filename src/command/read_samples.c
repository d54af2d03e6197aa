#include "command/read_request.h"

#include "base/number.h"
#include "command/sample_options.h"
#include "command_table.h"

#include <inttypes.h>
#include <stdlib.h>

/* TS.RANGE TS.REVRANGE TS.NRANGE TS.NREVRANGE TS.READ, as RedisTimeSeries' clients expect them. */

/* ---- replies ---- */

void read_put_rows(struct resp_writer w, const struct result_sample_rows *rows)
{
    resp_array(w, rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        resp_array(w, 1 + rows->columns);
        resp_integer(w, rows->times_ms[i]);
        for (uint32_t c = 0; c < rows->columns; c++)
            resp_sample_value(w, rows->values[(size_t)i * rows->columns + c]);
    }
}

/* time, [value, value ...] */
static void put_joined(struct resp_writer w, const struct result_sample_rows *rows)
{
    resp_array(w, rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        resp_array(w, 2);
        resp_integer(w, rows->times_ms[i]);
        resp_array(w, rows->columns);
        for (uint32_t c = 0; c < rows->columns; c++)
            resp_sample_value(w, rows->values[(size_t)i * rows->columns + c]);
    }
}

static void render_read(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    read_put_rows(w, &result->samples.series[0].rows);
}

static void put_no_key(struct resp_writer w, struct slice key)
{
    resp_error_printf(w, "ERR TSDB: the key does not exist: '%.*s'", READ_QUOTE(key));
}

static void render_samples(struct resp_writer w, const union query_result *result,
                           enum render_format format)
{
    const struct result_samples *samples = &result->samples;
    for (uint32_t i = 0; i < samples->series_count; i++) {
        if (!samples->series[i].known) {
            put_no_key(w, samples->series[i].key);
            return;
        }
    }
    if (samples->joined.columns > 0)
        put_joined(w, &samples->joined);
    else
        read_put_rows(w, &samples->series[0].rows);
}

/* ---- a key that does not exist comes before arguments that are wrong ---- */

struct kept_error {
    size_t bytes;
    char text[];
};

static void render_kept_error(struct resp_writer w, const union query_result *result,
                              const void *context)
{
    const struct kept_error *error = context;
    for (uint32_t i = 0; i < result->keys.count; i++) {
        if (!result->keys.keys[i].known) {
            resp_error(w, SLICE_LIT("ERR TSDB: the key does not exist"));
            return;
        }
    }
    buffer_append(w.out, error->text, error->bytes);
}

/* The error is told if the keys are there. */
static void refuse_options(struct command_call *call, const struct slice *keys, uint32_t count,
                           const char *command, struct slice reply)
{
    struct query_spec spec = {
        .what = QUERY_EXISTS, .command = command, .keys = keys, .keys_count = count};
    struct kept_error *error = malloc(sizeof(*error) + reply.n);
    if (error == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, the command was not run"));
        return;
    }
    error->bytes = reply.n;
    memcpy(error->text, reply.p, reply.n);
    read_submit_with(call, &spec, render_kept_error, error);
}

/* ---- the commands ---- */

struct way {
    const char *command; /* for REQUESTS */
    bool reverse, joined;
};

/* Of `count` keys, whose range begins at argument `at`. */
static void read_range_of(struct command_call *call, const struct slice *keys, uint32_t count,
                          uint32_t at, const struct way *way)
{
    enum { ERROR_BYTES_MAX = 1024 };
    struct sample_options options;
    struct buffer error;
    for (uint32_t i = 0; i < count; i++)
        if (!read_check_key(call, keys[i]))
            return;
    sample_options_init(&options);
    buffer_init(&error, ERROR_BYTES_MAX);
    options.keys_count = count;
    struct resp_writer to_error = {&error, call->reply.version};
    if (sample_options_parse_range(&options, call->spec, call->argv, call->argc, at, to_error)) {
        options.samples.reverse = way->reverse;
        options.samples.joined = way->joined;
        struct query_spec spec = {.what = QUERY_SAMPLES,
                                  .command = way->command,
                                  .keys = keys,
                                  .keys_count = count,
                                  .samples = &options.samples};
        read_submit(call, &spec, render_samples, RENDER_NESTED);
    } else {
        refuse_options(call, keys, count, way->command, buffer_slice(&error));
    }
    buffer_fini(&error);
    sample_options_fini(&options);
}

void read_ts_range(struct command_call *call)
{
    read_range_of(call, &call->argv[1], 1, 2, &(struct way){"TS.RANGE", false, false});
}

void read_ts_revrange(struct command_call *call)
{
    read_range_of(call, &call->argv[1], 1, 2, &(struct way){"TS.REVRANGE", true, false});
}

static void read_joined(struct command_call *call, const struct way *way)
{
    int64_t keys;
    if (number_parse_i64(call->argv[1], &keys) != 0 || keys < 1 || keys > SAMPLE_KEYS_MAX)
        resp_error_printf(call->reply,
                          "ERR TSDB: invalid numkeys '%.*s': expected the number of keys that "
                          "follow, 1 to %d",
                          READ_QUOTE(call->argv[1]), SAMPLE_KEYS_MAX);
    else if (call->argc < 2 + keys + 2)
        resp_error_printf(call->reply,
                          "ERR wrong number of arguments for '%s' command: expected %" PRId64
                          " keys, fromTimestamp and toTimestamp after numkeys",
                          call->spec->name, keys);
    else
        read_range_of(call, &call->argv[2], (uint32_t)keys, 2 + (uint32_t)keys, way);
}

void read_ts_nrange(struct command_call *call)
{
    read_joined(call, &(struct way){"TS.NRANGE", false, true});
}

void read_ts_nrevrange(struct command_call *call)
{
    read_joined(call, &(struct way){"TS.NREVRANGE", true, true});
}

/* ---- TS.READ key timestamp [BLOCK milliseconds min_count] [MAX_COUNT max_count] ---- */

static bool take_cursor(struct read_args *args, struct samples_spec *samples)
{
    struct slice text = args->call->argv[args->at++];
    samples->last_ms = INT64_MAX;
    if (slice_eq_str(text, "-"))
        return true;
    if (slice_eq_str(text, "+") || slice_eq_str(text, "$")) {
        samples->cursor = text.p[0] == '+' ? SAMPLES_FROM_LAST : SAMPLES_AFTER_LAST;
        return true;
    }
    if (number_parse_i64(text, &samples->from_ms) == 0 && samples->from_ms >= 0)
        return true;
    resp_error_printf(args->call->reply,
                      "ERR TSDB: invalid timestamp '%.*s': expected Unix milliseconds, -, + or $",
                      READ_QUOTE(text));
    return false;
}

static bool take_number(struct read_args *args, const char *name, int64_t min, int64_t *out)
{
    struct slice text = args->call->argv[args->at++];
    if (number_parse_i64(text, out) == 0 && *out >= min)
        return true;
    resp_error_printf(args->call->reply,
                      "ERR TSDB: invalid %s '%.*s': expected an integer of at least %" PRId64, name,
                      READ_QUOTE(text), min);
    return false;
}

/* False: an error is composed. Nothing may stand there that is not asked for. */
static bool take_read_option(struct read_args *args, struct samples_spec *samples)
{
    struct command_call *call = args->call;
    int64_t n;
    if (samples->points_min == 0 && call->argc - args->at >= 3 &&
        read_take_keyword(args, "BLOCK")) {
        if (!take_number(args, "BLOCK milliseconds", 0, &samples->block_ms) ||
            !take_number(args, "BLOCK min_count", 1, &n))
            return false;
        samples->points_min = (uint64_t)n;
        return true;
    }
    if (samples->limit == 0 && call->argc - args->at >= 2 && read_take_keyword(args, "MAX_COUNT")) {
        if (!take_number(args, "MAX_COUNT", 1, &n))
            return false;
        samples->limit = (uint64_t)n;
        return true;
    }
    resp_error_printf(call->reply, "ERR wrong number of arguments for '%s' command, expected: %s",
                      call->spec->name, call->spec->syntax);
    return false;
}

void read_ts_read(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 2};
    struct samples_spec samples = {.cursor = SAMPLES_FROM};
    struct query_spec spec = {.what = QUERY_SAMPLES,
                              .command = "TS.READ",
                              .keys = &call->argv[1],
                              .keys_count = 1,
                              .samples = &samples};
    if (!read_check_key(call, call->argv[1]) || !take_cursor(&args, &samples))
        return;
    while (read_args_left(&args))
        if (!take_read_option(&args, &samples))
            return;
    if (samples.limit != 0 && samples.points_min > samples.limit)
        resp_error(call->reply, SLICE_LIT("ERR TSDB: min_count is greater than MAX_COUNT: expected "
                                          "at most as many as the reply may have"));
    else if (samples.points_min > 0 && session_in_transaction(call->session))
        resp_error(call->reply, SLICE_LIT("ERR TSDB: TS.READ with BLOCK is not allowed in MULTI: "
                                          "leave BLOCK out, or read outside of the transaction"));
    else
        read_submit(call, &spec, render_read, RENDER_NESTED);
}
