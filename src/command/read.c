#include "command/read_request.h"

#include "command_table.h"
#include "model/name.h"

/* RANGE and TOPQ. */

enum {
    RANGE_BUCKETS_MAX = 10000,
    RANGE_KEYS_MAX = 1000,
    TOPQ_LIMIT_MAX = 10000,
    TOPQ_HOSTS_MAX = 1000,
    TOPQ_WITH_MAX = 32,
    TOPQ_SPARKLINE_MAX = 1000,
    SECONDS_MAX = UINT32_MAX,
};

/* ---- RANGE ---- */

struct range_options {
    int64_t intervals;
    int64_t step_s; /* 0: by intervals */
    enum render_format format;
};

static bool take_aggregate(struct read_args *args, struct query_spec *spec)
{
    static const char *const names[] = {"avg",   "sum",   "min",  "max",
                                        "count", "first", "last", "rate"};
    size_t i;
    if (!read_take_choice(args, "AGGREGATE", names, ARRAY_LEN(names), &i) ||
        aggregate_parse(slice_str(names[i]), &spec->aggregate) != 0)
        return false;
    spec->aggregate_given = true;
    return true;
}

static bool take_fill(struct read_args *args, struct query_spec *spec)
{
    static const char *const names[] = {
        [FILL_NONE] = "none", [FILL_ZERO] = "zero", [FILL_LAST] = "last"};
    size_t i;
    if (!read_take_choice(args, "FILL", names, ARRAY_LEN(names), &i))
        return false;
    spec->fill = (enum fill)i;
    return true;
}

/* All that is left. */
static bool take_keys(struct read_args *args, struct query_spec *spec)
{
    struct command_call *call = args->call;
    spec->keys = &call->argv[args->at];
    spec->keys_count = call->argc - args->at;
    args->at = call->argc;
    if (spec->keys_count == 0 || spec->keys_count > RANGE_KEYS_MAX) {
        resp_error_printf(call->reply, "ERR bad KEYS: expected 1 to %d keys at the command's end",
                          RANGE_KEYS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < spec->keys_count; i++)
        if (!read_check_key(call, spec->keys[i]))
            return false;
    return true;
}

static bool take_range_option(struct read_args *args, struct query_spec *spec,
                              struct range_options *options)
{
    if (read_take_keyword(args, "INTERVALS"))
        return read_take_integer(args, "INTERVALS", 1, RANGE_BUCKETS_MAX, &options->intervals);
    if (read_take_keyword(args, "STEP"))
        return read_take_integer(args, "STEP", 1, SECONDS_MAX, &options->step_s);
    if (read_take_keyword(args, "AGGREGATE"))
        return take_aggregate(args, spec);
    if (read_take_keyword(args, "FILL"))
        return take_fill(args, spec);
    if (read_take_keyword(args, "AFTER"))
        return read_take_after(args, spec);
    if (read_take_keyword(args, "FORMAT"))
        return read_take_format(args, &options->format);
    if (read_take_keyword(args, "KEYS"))
        return take_keys(args, spec);
    read_unknown(args, "INTERVALS, STEP, AGGREGATE, FILL, AFTER, FORMAT, and KEYS last");
    return false;
}

static bool set_step(struct command_call *call, struct query_spec *spec,
                     const struct range_options *options)
{
    int64_t range_s = (spec->to_ms - spec->from_ms) / 1000;
    int64_t step_s = options->step_s;
    if (step_s == 0)
        step_s = (range_s + options->intervals - 1) / options->intervals;
    if ((range_s + step_s - 1) / step_s > RANGE_BUCKETS_MAX) {
        resp_error_printf(call->reply,
                          "ERR bad STEP: expected at most %d intervals in the range, so at least "
                          "STEP %d",
                          RANGE_BUCKETS_MAX, (int)((range_s - 1) / RANGE_BUCKETS_MAX + 1));
        return false;
    }
    spec->step_ms = step_s * 1000;
    return true;
}

static void render_range_result(struct resp_writer w, const union query_result *result,
                                enum render_format format)
{
    render_range(w, &result->range, format);
}

void read_range(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 1};
    struct query_spec spec = {.what = QUERY_RANGE, .command = "RANGE"};
    struct range_options options = {.intervals = 60};
    if (!read_take_times(&args, &spec))
        return;
    while (read_args_left(&args))
        if (!take_range_option(&args, &spec, &options))
            return;
    if (spec.keys_count == 0) {
        resp_error(call->reply, SLICE_LIT("ERR expected KEYS key [key ...] at the command's end"));
        return;
    }
    if (set_step(call, &spec, &options))
        read_submit(call, &spec, render_range_result, options.format);
}

/* ---- TOPQ ---- */

static bool take_rank(struct read_args *args, struct query_spec *spec)
{
    static const char *const names[] = {"sum", "count", "max", "avg"};
    size_t i;
    return read_take_choice(args, "RANK", names, ARRAY_LEN(names), &i) &&
           aggregate_parse(slice_str(names[i]), &spec->rank) == 0;
}

static bool take_match(struct read_args *args, struct query_spec *spec)
{
    if (!read_take(args, "MATCH", "a text", &spec->match))
        return false;
    if (spec->match.n > 0 && spec->match.n <= NAME_BYTES_MAX)
        return true;
    resp_error_printf(args->call->reply, "ERR bad MATCH: expected a text of 1 to %d bytes",
                      NAME_BYTES_MAX);
    return false;
}

static bool take_topq_option(struct read_args *args, struct query_spec *spec,
                             enum render_format *format)
{
    int64_t n;
    if (read_take_keyword(args, "LIMIT")) {
        if (!read_take_integer(args, "LIMIT", 0, TOPQ_LIMIT_MAX, &n))
            return false;
        spec->limit = (uint64_t)n;
        return true;
    }
    if (read_take_keyword(args, "SPARKLINE")) {
        if (!read_take_integer(args, "SPARKLINE", 1, TOPQ_SPARKLINE_MAX, &n))
            return false;
        spec->sparkline = (uint32_t)n;
        return true;
    }
    if (read_take_keyword(args, "RANK"))
        return take_rank(args, spec);
    if (read_take_keyword(args, "HOSTS"))
        return read_take_list(args, "HOSTS", TOPQ_HOSTS_MAX, &spec->hosts, &spec->hosts_count);
    if (read_take_keyword(args, "WITH"))
        return read_take_list(args, "WITH", TOPQ_WITH_MAX, &spec->with, &spec->with_count);
    if (read_take_keyword(args, "MATCH"))
        return take_match(args, spec);
    if (read_take_keyword(args, "AFTER"))
        return read_take_after(args, spec);
    if (read_take_keyword(args, "FORMAT"))
        return read_take_format(args, format);
    if (read_take_keyword(args, "COMPARE"))
        return read_take_compare(args, spec);
    read_unknown(args, "LIMIT, RANK, HOSTS, WITH, SPARKLINE, COMPARE, MATCH, AFTER or FORMAT");
    return false;
}

static void render_topq_result(struct resp_writer w, const union query_result *result,
                               enum render_format format)
{
    render_topq(w, &result->topq, format);
}

void read_topq(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 1};
    struct query_spec spec = {
        .what = QUERY_TOPQ, .command = "TOPQ", .limit = 10, .rank = AGGREGATE_SUM};
    enum render_format format = RENDER_NESTED;
    const char *why;
    if (!read_take_times(&args, &spec))
        return;
    spec.pattern = call->argv[args.at++];
    if (query_check_pattern(spec.pattern, &why) != 0) {
        resp_error_printf(call->reply, "ERR bad pattern '%.*s': %s", READ_QUOTE(spec.pattern), why);
        return;
    }
    while (read_args_left(&args))
        if (!take_topq_option(&args, &spec, &format))
            return;
    read_submit(call, &spec, render_topq_result, format);
}
