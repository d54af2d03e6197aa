#include "command/read_request.h"

#include "base/number.h"
#include "command_table.h"

/* TS.RANGE and TS.GET, as RedisTimeSeries' clients expect them. */

static void render_points(struct resp_writer w, const union query_result *result,
                          enum render_format format)
{
    const struct result_points *points = &result->points;
    if (!points->known) {
        resp_error(w, SLICE_LIT("ERR TSDB: the key does not exist"));
        return;
    }
    resp_array(w, points->count);
    for (uint32_t i = 0; i < points->count; i++) {
        resp_array(w, 2);
        resp_integer(w, points->times_ms[i]);
        resp_sample_value(w, points->values[i]);
    }
}

static void render_last(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    const struct result_points *points = &result->points;
    if (!points->known) {
        resp_error(w, SLICE_LIT("ERR TSDB: the key does not exist"));
        return;
    }
    resp_array(w, points->count > 0 ? 2 : 0);
    if (points->count == 0)
        return;
    resp_integer(w, points->times_ms[0]);
    resp_sample_value(w, points->values[0]);
}

static bool take_bound(struct read_args *args, const char *name, const char *open, int64_t at_open,
                       int64_t *out)
{
    struct slice text = args->call->argv[args->at++];
    if (slice_eq_str(text, open)) {
        *out = at_open;
        return true;
    }
    if (number_parse_i64(text, out) == 0 && *out >= 0)
        return true;
    resp_error_printf(args->call->reply,
                      "ERR TSDB: wrong %s '%.*s': expected Unix milliseconds or %s", name,
                      READ_QUOTE(text), open);
    return false;
}

/* Options that this version would answer wrongly if it ignored them, as it does unknown words. */
static bool refuse_later_option(struct read_args *args)
{
    static const char *const later[] = {"AGGREGATION",     "ALIGN",           "FILTER_BY_TS",
                                        "FILTER_BY_VALUE", "BUCKETTIMESTAMP", "EMPTY"};
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        if (read_take_keyword(args, later[i])) {
            resp_error_printf(args->call->reply,
                              "ERR TSDB: this version does not take %s: RANGE resamples", later[i]);
            return true;
        }
    }
    return false;
}

void read_ts_range(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 2};
    struct query_spec spec = {
        .what = QUERY_POINTS, .command = "TS.RANGE", .keys = &call->argv[1], .keys_count = 1};
    int64_t to_ms, count;
    if (!read_check_key(call, call->argv[1]) ||
        !take_bound(&args, "fromTimestamp", "-", 0, &spec.from_ms) ||
        !take_bound(&args, "toTimestamp", "+", INT64_MAX, &to_ms))
        return;
    spec.to_ms = to_ms < INT64_MAX ? to_ms + 1 : INT64_MAX;
    while (read_args_left(&args)) {
        if (refuse_later_option(&args))
            return;
        if (!read_take_keyword(&args, "COUNT")) {
            args.at++; /* LATEST has no effect without rules; unknown words have none in the
                          reference either */
            continue;
        }
        if (!read_take_integer(&args, "COUNT", 1, INT64_MAX, &count))
            return;
        spec.limit = (uint64_t)count;
    }
    read_submit(call, &spec, render_points, RENDER_NESTED);
}

void read_ts_get(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_LAST,
                              .command = "TS.GET",
                              .keys = &call->argv[1],
                              .keys_count = 1,
                              .to_ms = INT64_MAX};
    if (read_check_key(call, call->argv[1]))
        read_submit(call, &spec, render_last, RENDER_NESTED);
}
