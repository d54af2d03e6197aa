#include "command/read_request.h"

#include "command_table.h"

/* TS.GET, as RedisTimeSeries' clients expect it. */

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

void read_ts_get(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_LAST,
                              .command = "TS.GET",
                              .keys = &call->argv[1],
                              .keys_count = 1,
                              .to_ms = INT64_MAX};
    spec.latest = call->argc == 3;
    if (call->argc > 3)
        resp_error_printf(call->reply, "ERR wrong number of arguments for 'ts.get' command, "
                                       "expected: TS.GET key [LATEST]");
    else if (call->argc == 3 && !slice_ieq_str(call->argv[2], "LATEST"))
        resp_error_printf(call->reply, "ERR TSDB: wrong 3rd argument '%.*s': expected LATEST",
                          READ_QUOTE(call->argv[2]));
    else if (read_check_key(call, call->argv[1]))
        read_submit(call, &spec, render_last, RENDER_NESTED);
}
