#include "command/sample_options.h"

#include "base/error.h"
#include "base/number.h"
#include "command/read_request.h"
#include "command/table.h"

#include <math.h>
#include <stdlib.h>

/* ---- what the command takes ---- */

static bool has_token(const struct command_argument *arguments, uint32_t count, const char *token)
{
    for (uint32_t i = 0; i < count; i++)
        if ((arguments[i].token != NULL && strcasecmp(arguments[i].token, token) == 0) ||
            has_token(arguments[i].arguments, arguments[i].arguments_count, token))
            return true;
    return false;
}

bool sample_options_takes(const struct command_spec *spec, const char *token)
{
    return has_token(spec->arguments, spec->arguments_count, token);
}

/* ---- finding them ---- */

struct parse {
    struct sample_options *out;
    const struct command_spec *spec;
    const struct slice *argv;
    uint32_t argc;
    uint32_t at; /* the first option can stand here */
    struct resp_writer reply;
    bool aggregates, groups;   /* the command takes AGGREGATION, GROUPBY */
    bool open_start, open_end; /* the range is from -, to + */
    uint32_t bucket_at;        /* of AGGREGATION's bucketDuration, 0: there is none */
};

enum { NOWHERE = 0 }; /* argv[0] is the command's name */

static bool fail(struct parse *p, const char *text)
{
    resp_error_printf(p->reply, "ERR TSDB: %s", text);
    return false;
}

static bool fail_at(struct parse *p, const char *what, uint32_t at, const char *expected)
{
    resp_error_printf(p->reply, "ERR TSDB: %s '%.*s': expected %s", what, READ_QUOTE(p->argv[at]),
                      expected);
    return false;
}

static bool fail_arity(struct parse *p)
{
    resp_error_printf(p->reply, "ERR wrong number of arguments for '%s' command, expected: %s",
                      p->spec->name, p->spec->syntax);
    return false;
}

static bool is_word(const struct parse *p, uint32_t at, const char *word)
{
    return at < p->argc && slice_ieq_str(p->argv[at], word);
}

/* How many arguments after `at` belong to the word there, whatever they are. */
static uint32_t operands_of(const struct parse *p, uint32_t at, bool *aggregates)
{
    if (*aggregates && is_word(p, at, "AGGREGATION")) {
        *aggregates = false;
        return p->out->keys_count;
    }
    return p->groups && (is_word(p, at, "GROUPBY") || is_word(p, at, "REDUCE")) ? 1 : 0;
}

static uint32_t find(const struct parse *p, const char *token)
{
    bool aggregates = p->aggregates;
    for (uint32_t i = p->at; i < p->argc; i += 1 + operands_of(p, i, &aggregates))
        if (is_word(p, i, token))
            return i;
    return NOWHERE;
}

static bool is_integer(const struct parse *p, uint32_t at, int64_t *out)
{
    return at < p->argc && number_parse_i64(p->argv[at], out) == 0;
}

/* ---- one by one: false says that an error is composed ---- */

static bool take_latest(struct parse *p, uint32_t at)
{
    p->out->samples.latest = true;
    return true;
}

static bool take_count(struct parse *p, uint32_t at)
{
    int64_t count;
    if (at + 1 >= p->argc)
        return fail(p, "COUNT argument is missing, expected a number after it");
    if (!is_integer(p, at + 1, &count))
        return fail_at(p, "Couldn't parse COUNT", at + 1, "an integer of at least 1");
    if (count < 1)
        return fail_at(p, "Invalid COUNT value", at + 1, "an integer of at least 1");
    p->out->samples.limit = (uint64_t)count;
    return true;
}

/* One list of aggregators for each key, then the bucket. */
static bool take_aggregators(struct parse *p, uint32_t at)
{
    uint32_t keys = p->out->keys_count;
    struct aggregator_list *lists =
        arena_alloc(&p->out->arena, keys * sizeof(*lists), _Alignof(struct aggregator_list));
    if (lists == NULL)
        return fail(p, "out of memory, the command was not run");
    for (uint32_t k = 0; k < keys; k++) {
        int64_t bucket;
        if (k > 0 && is_integer(p, at + 1 + k, &bucket)) {
            resp_error_printf(p->reply,
                              "ERR TSDB: wrong number of aggregators: expected one for each of the "
                              "%u keys before bucketDuration, got %u",
                              keys, k);
            return false;
        }
        int err = aggregator_list_parse(p->argv[at + 1 + k], &lists[k]);
        if (err == LT_ELIMIT)
            return fail(p, "too many aggregators, expected at most 32 of a key");
        if (err != 0)
            return fail_at(p, "Unknown aggregation type", at + 1 + k, AGGREGATOR_EXPECTED);
    }
    p->out->samples.aggregators = lists;
    p->out->samples.aggregators_count = keys;
    return true;
}

static bool take_aggregation(struct parse *p, uint32_t at)
{
    struct samples_spec *samples = &p->out->samples;
    uint32_t bucket_at = at + 1 + p->out->keys_count;
    if (p->argc - at <= 1 + p->out->keys_count && p->out->keys_count == 1)
        return fail(p, "Couldn't parse AGGREGATION, expected an aggregator and a bucketDuration "
                       "after it");
    if (p->argc - at <= p->out->keys_count)
        return fail(p, "wrong number of aggregators: expected one for each key, then a "
                       "bucketDuration");
    bool bucket = is_integer(p, bucket_at, &samples->bucket_ms);
    if ((bucket || p->out->keys_count > 1) && !take_aggregators(p, at))
        return false;
    if (!bucket)
        return fail(p, "Couldn't parse AGGREGATION, expected a bucketDuration in milliseconds "
                       "after the aggregators");
    if (samples->bucket_ms <= 0)
        return fail_at(p, "bucketDuration must be greater than zero, not", bucket_at,
                       "milliseconds");
    p->bucket_at = bucket_at;
    return true;
}

static bool take_empty(struct parse *p, uint32_t at)
{
    if (p->bucket_at == NOWHERE)
        return true;
    if (at != p->bucket_at + 1 && at != p->bucket_at + 3)
        return fail(p, "EMPTY flag should be the 3rd or 5th flag after AGGREGATION flag: expected "
                       "AGGREGATION aggregator bucketDuration [BUCKETTIMESTAMP bt] EMPTY");
    p->out->samples.empty = true;
    return true;
}

static bool take_stamp(struct parse *p, uint32_t at)
{
    static const struct {
        const char *text;
        enum window_stamp stamp;
    } stamps[] = {{"-", WINDOW_START}, {"start", WINDOW_START}, {"~", WINDOW_MID},
                  {"mid", WINDOW_MID}, {"+", WINDOW_END},       {"end", WINDOW_END}};
    if (p->bucket_at == NOWHERE)
        return true;
    if (at != p->bucket_at + 1 && at != p->bucket_at + 2)
        return fail(p, "BUCKETTIMESTAMP flag should be the 3rd or 4th flag after AGGREGATION flag: "
                       "expected AGGREGATION aggregator bucketDuration BUCKETTIMESTAMP bt");
    if (at + 1 >= p->argc)
        return fail_arity(p);
    for (size_t i = 0; i < ARRAY_LEN(stamps); i++) {
        if (is_word(p, at + 1, stamps[i].text)) {
            p->out->samples.stamp = stamps[i].stamp;
            return true;
        }
    }
    return fail_at(p, "unknown BUCKETTIMESTAMP parameter", at + 1, "-, start, ~, mid, + or end");
}

static bool take_align(struct parse *p, uint32_t at)
{
    struct samples_spec *samples = &p->out->samples;
    int64_t align_ms;
    if (at + 1 >= p->argc)
        return fail_arity(p);
    bool start = is_word(p, at + 1, "-") || is_word(p, at + 1, "start");
    bool end = is_word(p, at + 1, "+") || is_word(p, at + 1, "end");
    if (start || end)
        align_ms = start ? samples->from_ms : samples->last_ms;
    else if (!is_integer(p, at + 1, &align_ms) || align_ms < 0)
        return fail_at(p, "unknown ALIGN parameter", at + 1,
                       "-, start, +, end or Unix milliseconds");
    if (p->bucket_at == NOWHERE)
        return fail(p, "ALIGN parameter can only be used with AGGREGATION");
    if (start && p->open_start)
        return fail(p,
                    "start alignment can only be used with explicit start timestamp, not with -");
    if (end && p->open_end)
        return fail(p, "end alignment can only be used with explicit end timestamp, not with +");
    samples->align_ms = align_ms;
    return true;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool take_times(struct parse *p, uint32_t at)
{
    struct samples_spec *samples = &p->out->samples;
    int64_t *times = arena_alloc(&p->out->arena, SAMPLE_TIMES_MAX * sizeof(*times), sizeof(*times));
    uint32_t count = 0, n = 0;
    int64_t ms;
    if (times == NULL)
        return fail(p, "out of memory, the command was not run");
    for (uint32_t i = at + 1; is_integer(p, i, &ms) && ms >= 0; i++) {
        if (count == SAMPLE_TIMES_MAX)
            return fail(p, "FILTER_BY_TS takes at most 128 timestamps: ask again for the others");
        times[count++] = ms;
    }
    if (count == 0)
        return fail(p, "FILTER_BY_TS one or more arguments are missing, expected 1 to 128 "
                       "timestamps in milliseconds after it");
    qsort(times, count, sizeof(*times), compare_times);
    for (uint32_t i = 0; i < count; i++)
        if (n == 0 || times[n - 1] != times[i])
            times[n++] = times[i];
    samples->times_ms = times;
    samples->times_count = n;
    return true;
}

/* A bound may be infinite. */
static bool is_bound(struct slice text, double *out)
{
    if (text.n > 1 && text.p[0] == '+' && text.p[1] != '-')
        text = slice_from(text, 1);
    bool minus = text.n > 0 && text.p[0] == '-';
    struct slice word = slice_from(text, minus);
    if (slice_ieq_str(word, "inf") || slice_ieq_str(word, "infinity")) {
        *out = minus ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    return number_parse_f64(text, out) == 0 && !isnan(*out);
}

static bool take_values(struct parse *p, uint32_t at)
{
    struct samples_spec *samples = &p->out->samples;
    if (at + 2 >= p->argc)
        return fail(p, "FILTER_BY_VALUE one or more arguments are missing, expected min and max "
                       "after it");
    if (!is_bound(p->argv[at + 1], &samples->min))
        return fail_at(p, "Couldn't parse MIN", at + 1, "a number");
    if (!is_bound(p->argv[at + 2], &samples->max))
        return fail_at(p, "Couldn't parse MAX", at + 2, "a number");
    samples->by_value = true;
    return true;
}

static bool take_with_labels(struct parse *p, uint32_t at)
{
    p->out->with_labels = true;
    return true;
}

/* Names, up to the next option that can stand behind them. */
static bool take_selected(struct parse *p, uint32_t at)
{
    static const char *const ends[] = {"WITHLABELS",   "AGGREGATION", "COUNT",   "FILTER_BY_VALUE",
                                       "FILTER_BY_TS", "FILTER",      "GROUPBY", "EXCLUDEEMPTY"};
    uint32_t end = at + 1;
    for (bool is_name = true; is_name && end < p->argc; end += is_name)
        for (size_t i = 0; i < ARRAY_LEN(ends); i++)
            is_name &= !is_word(p, end, ends[i]) || !sample_options_takes(p->spec, ends[i]);
    if (p->out->with_labels)
        return fail(p, "cannot accept WITHLABELS and SELECT_LABELS together, expected one of them");
    if (end == at + 1)
        return fail(p, "SELECT_LABELS should have at least 1 parameter: the name of a label");
    if (end - at - 1 > SAMPLE_SELECTED_MAX)
        return fail(p, "reached max size for SELECT_LABELS: expected at most 50 names of labels");
    p->out->selected = &p->argv[at + 1];
    p->out->selected_count = end - at - 1;
    return true;
}

static bool take_exclude_empty(struct parse *p, uint32_t at)
{
    p->out->samples.exclude_empty = true;
    return true;
}

/* Up to GROUPBY or the end. */
static bool take_filter(struct parse *p, uint32_t at)
{
    uint32_t end = at + 1;
    while (end < p->argc && !(p->groups && is_word(p, end, "GROUPBY")))
        end++;
    if (end == at + 1)
        return fail(p,
                    "missing labels for filter argument: expected expressions such as name=value "
                    "after FILTER");
    p->out->filters = &p->argv[at + 1];
    p->out->filters_count = end - at - 1;
    return true;
}

static bool take_group(struct parse *p, uint32_t at)
{
    struct sample_options *out = p->out;
    if (out->filters_count == 0 || &p->argv[at] < out->filters)
        return fail(p, "GROUPBY should always come after filter: expected FILTER expression "
                       "GROUPBY label REDUCE reducer");
    if (p->argc - at != 4 || !is_word(p, at + 2, "REDUCE"))
        return fail_arity(p);
    if (aggregator_parse(p->argv[at + 3], &out->samples.reducer) != 0 ||
        !aggregator_reduces(out->samples.reducer))
        return fail_at(p, "Invalid reducer type", at + 3, REDUCER_EXPECTED);
    if (out->samples.exclude_empty)
        return fail(p, "EXCLUDEEMPTY is not allowed with GROUPBY");
    if (out->samples.aggregators_count > 0 && out->samples.aggregators[0].n > 1)
        return fail(p, "GROUPBY is not allowed with several aggregators: expected one");
    out->samples.grouped = true;
    out->samples.group = p->argv[at + 1];
    return true;
}

/* In the order in which they are looked for: later ones ask what earlier ones found. */
static const struct {
    const char *token;
    bool (*take)(struct parse *p, uint32_t at);
} options[] = {
    {"LATEST", take_latest},
    {"COUNT", take_count},
    {"AGGREGATION", take_aggregation},
    {"EMPTY", take_empty},
    {"BUCKETTIMESTAMP", take_stamp},
    {"ALIGN", take_align},
    {"FILTER_BY_VALUE", take_values},
    {"FILTER_BY_TS", take_times},
    {"WITHLABELS", take_with_labels},
    {"SELECTED_LABELS", take_selected},
    {"EXCLUDEEMPTY", take_exclude_empty},
    {"FILTER", take_filter},
    {"GROUPBY", take_group},
};

/* ---- all ---- */

static bool take_bound(struct parse *p, uint32_t at, const char *name, const char *open,
                       int64_t at_open, int64_t *out)
{
    if (slice_eq_str(p->argv[at], open))
        *out = at_open;
    else if (!is_integer(p, at, out) || *out < 0) {
        resp_error_printf(p->reply, "ERR TSDB: wrong %s '%.*s': expected Unix milliseconds or %s",
                          name, READ_QUOTE(p->argv[at]), open);
        return false;
    }
    return true;
}

void sample_options_init(struct sample_options *o)
{
    *o = (struct sample_options){.keys_count = 1};
    arena_init(&o->arena);
}

void sample_options_fini(struct sample_options *o)
{
    arena_fini(&o->arena);
}

static bool parse_options(struct parse *p)
{
    p->aggregates = sample_options_takes(p->spec, "AGGREGATION");
    p->groups = sample_options_takes(p->spec, "GROUPBY");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (!sample_options_takes(p->spec, options[i].token))
            continue;
        uint32_t found = find(p, options[i].token);
        if (found != NOWHERE && !options[i].take(p, found))
            return false;
    }
    if (sample_options_takes(p->spec, "FILTER") && p->out->filters_count == 0)
        return fail(p, "missing FILTER argument: expected FILTER name=value, and more of them");
    return true;
}

bool sample_options_parse_range(struct sample_options *out, const struct command_spec *spec,
                                const struct slice *argv, uint32_t argc, uint32_t at,
                                struct resp_writer reply)
{
    struct parse p = {
        .out = out, .spec = spec, .argv = argv, .argc = argc, .at = at + 2, .reply = reply};
    if (argc - at < 2)
        return fail_arity(&p);
    p.open_start = slice_eq_str(argv[at], "-");
    p.open_end = slice_eq_str(argv[at + 1], "+");
    return take_bound(&p, at, "fromTimestamp", "-", 0, &out->samples.from_ms) &&
           take_bound(&p, at + 1, "toTimestamp", "+", INT64_MAX, &out->samples.last_ms) &&
           parse_options(&p);
}

bool sample_options_parse(struct sample_options *out, const struct command_spec *spec,
                          const struct slice *argv, uint32_t argc, uint32_t at,
                          struct resp_writer reply)
{
    struct parse p = {
        .out = out, .spec = spec, .argv = argv, .argc = argc, .at = at, .reply = reply};
    return parse_options(&p);
}
