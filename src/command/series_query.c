#include "base/arena.h"
#include "command/read_request.h"
#include "command/sample_options.h"
#include "command/series_filter.h"
#include "command_table.h"
#include "model/filter.h"

/* TS.QUERYINDEX, TS.QUERYLABELS, TS.MGET: series by their labels. */

bool series_filter_check(struct command_call *call, const struct slice *filters, uint32_t count)
{
    struct arena arena;
    struct filter filter;
    const char *why = "out of memory";
    arena_init(&arena);
    int err = filter_parse(&arena, filters, count, &filter, &why);
    if (err != 0)
        resp_error_printf(call->reply, "ERR %s", why);
    arena_fini(&arena);
    return err == 0;
}

static void render_texts(struct resp_writer w, const union query_result *result,
                         enum render_format format)
{
    resp_set(w, result->list.count);
    for (uint32_t i = 0; i < result->list.count; i++)
        resp_bulk(w, result->list.keys[i]);
}

void series_queryindex(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_INDEX,
                              .command = "TS.QUERYINDEX",
                              .filters = call->argv + 1,
                              .filters_count = call->argc - 1};
    if (series_filter_check(call, spec.filters, spec.filters_count))
        read_submit(call, &spec, render_texts, RENDER_NESTED);
}

/* ---- TS.QUERYLABELS LABELS | VALUES label [FILTER filter ...] ---- */

static bool take_subtype(struct read_args *args, struct query_spec *spec)
{
    if (read_take_keyword(args, "LABELS"))
        return true;
    if (!read_take_keyword(args, "VALUES")) {
        resp_error_printf(args->call->reply,
                          "ERR TSDB: unknown subtype, must be one of LABELS|VALUES: got '%.*s'",
                          READ_QUOTE(args->call->argv[args->at]));
        return false;
    }
    if (read_args_left(args)) {
        spec->label = args->call->argv[args->at++];
        if (spec->label.n > 0)
            return true;
    }
    resp_error(args->call->reply,
               SLICE_LIT("ERR wrong number of arguments for 'ts.querylabels' command, expected: "
                         "TS.QUERYLABELS VALUES label [FILTER filter ...]"));
    return false;
}

static bool take_filters(struct read_args *args, struct query_spec *spec)
{
    struct command_call *call = args->call;
    if (!read_take_keyword(args, "FILTER")) {
        resp_error_printf(call->reply, "ERR TSDB: unknown argument, expected FILTER: got '%.*s'",
                          READ_QUOTE(call->argv[args->at]));
        return false;
    }
    spec->filters = call->argv + args->at;
    spec->filters_count = call->argc - args->at;
    if (spec->filters_count > 0)
        return series_filter_check(call, spec->filters, spec->filters_count);
    resp_error(call->reply, SLICE_LIT("ERR TSDB: FILTER given with no filter expressions: expected "
                                      "FILTER label=value [filter ...]"));
    return false;
}

void series_querylabels(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 1};
    struct query_spec spec = {.what = QUERY_LABELS, .command = "TS.QUERYLABELS"};
    if (!take_subtype(&args, &spec) || (read_args_left(&args) && !take_filters(&args, &spec)))
        return;
    read_submit(call, &spec, render_texts, RENDER_NESTED);
}

/* ---- TS.MGET [LATEST] [WITHLABELS | SELECTED_LABELS label ...] FILTER filter ... ---- */

static void render_mget(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    const struct result_mget *mget = &result->mget;
    resp_entries(w, mget->count);
    for (uint32_t i = 0; i < mget->count; i++) {
        const struct result_mget_row *row = &mget->rows[i];
        resp_entry(w, row->key, 2);
        render_labels(w, row->labels, row->labels_count, 0);
        resp_array(w, row->found ? 2 : 0);
        if (!row->found)
            continue;
        resp_integer(w, row->time_ms);
        resp_sample_value(w, row->value);
    }
}

void series_mget(struct command_call *call)
{
    struct sample_options options;
    sample_options_init(&options);
    if (sample_options_parse(&options, call->spec, call->argv, call->argc, 1, call->reply) &&
        series_filter_check(call, options.filters, options.filters_count)) {
        struct query_spec spec = {.what = QUERY_MGET,
                                  .command = "TS.MGET",
                                  .filters = options.filters,
                                  .filters_count = options.filters_count,
                                  .with_labels = options.with_labels,
                                  .selected = options.selected,
                                  .selected_count = options.selected_count,
                                  .latest = options.samples.latest};
        read_submit(call, &spec, render_mget, RENDER_NESTED);
    }
    sample_options_fini(&options);
}
