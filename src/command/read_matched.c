#include "command/read_request.h"

#include "command/sample_options.h"
#include "command/series_filter.h"
#include "command_table.h"

#include <stdlib.h>

/* TS.MRANGE and TS.MREVRANGE, as RedisTimeSeries' clients expect them. */

/* What the reply's shape depends on, beside the result. */
struct shape {
    bool grouped, with_labels;
    enum aggregator reducer;
    struct aggregator_list aggregators; /* n 0: none */
};

/* "key,key ...", in memory that grows; the reply's own buffer says when that is too much. */
static void put_source(struct resp_writer w, const struct result_sample_series *series)
{
    struct buffer keys;
    buffer_init(&keys, w.out->max);
    for (uint32_t i = 0; i < series->sources_count; i++) {
        buffer_append_str(&keys, i > 0 ? "," : "");
        buffer_append_slice(&keys, series->sources[i]);
    }
    resp_entry(w, SLICE_LIT("__source__"), 1);
    resp_bulk(w, buffer_slice(&keys));
    if (keys.error != 0)
        w.out->error = keys.error;
    buffer_fini(&keys);
}

static void put_labels(struct resp_writer w, const struct shape *shape,
                       const struct result_sample_series *series)
{
    bool how = w.version == 2 && shape->grouped && shape->with_labels;
    render_labels(w, series->labels, series->labels_count, how ? 2 : 0);
    if (!how)
        return;
    resp_entry(w, SLICE_LIT("__reducer__"), 1);
    resp_bulk_str(w, aggregator_text(shape->reducer));
    put_source(w, series);
}

/* What RESP3 tells between labels and rows. */
static void put_how(struct resp_writer w, const struct shape *shape,
                    const struct result_sample_series *series)
{
    resp_map(w, 1);
    if (!shape->grouped) {
        resp_bulk_str(w, "aggregators");
        resp_array(w, shape->aggregators.n);
        for (uint32_t i = 0; i < shape->aggregators.n; i++)
            resp_bulk_str(w, aggregator_text((enum aggregator)shape->aggregators.v[i]));
        return;
    }
    resp_bulk_str(w, "reducers");
    resp_array(w, 1);
    resp_bulk_str(w, aggregator_text(shape->reducer));
    resp_map(w, 1);
    resp_bulk_str(w, "sources");
    resp_array(w, series->sources_count);
    for (uint32_t i = 0; i < series->sources_count; i++)
        resp_bulk(w, series->sources[i]);
}

static void render_matched(struct resp_writer w, const union query_result *result,
                           const void *context)
{
    const struct result_samples *samples = &result->samples;
    const struct shape *shape = context;
    resp_entries(w, samples->series_count);
    for (uint32_t i = 0; i < samples->series_count; i++) {
        const struct result_sample_series *series = &samples->series[i];
        resp_entry(w, series->key, w.version == 2 ? 2 : shape->grouped ? 4 : 3);
        put_labels(w, shape, series);
        if (w.version != 2)
            put_how(w, shape, series);
        read_put_rows(w, &series->rows);
    }
}

static void submit(struct command_call *call, const char *command, struct sample_options *options)
{
    struct query_spec spec = {.what = QUERY_SAMPLES,
                              .command = command,
                              .filters = options->filters,
                              .filters_count = options->filters_count,
                              .with_labels = options->with_labels,
                              .selected = options->selected,
                              .selected_count = options->selected_count,
                              .samples = &options->samples};
    struct shape *shape = calloc(1, sizeof(*shape));
    if (shape == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, the command was not run"));
        return;
    }
    shape->grouped = options->samples.grouped;
    shape->with_labels = options->with_labels;
    shape->reducer = options->samples.reducer;
    if (options->samples.aggregators_count > 0)
        shape->aggregators = options->samples.aggregators[0];
    read_submit_with(call, &spec, render_matched, shape);
}

static void read_matched(struct command_call *call, const char *command, bool reverse)
{
    struct sample_options options;
    sample_options_init(&options);
    if (sample_options_parse_range(&options, call->spec, call->argv, call->argc, 1, call->reply) &&
        series_filter_check(call, options.filters, options.filters_count)) {
        options.samples.reverse = reverse;
        options.samples.matched = true;
        submit(call, command, &options);
    }
    sample_options_fini(&options);
}

void read_ts_mrange(struct command_call *call)
{
    read_matched(call, "TS.MRANGE", false);
}

void read_ts_mrevrange(struct command_call *call)
{
    read_matched(call, "TS.MREVRANGE", true);
}
