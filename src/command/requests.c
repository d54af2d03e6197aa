#include "command/read_request.h"

#include "base/number.h"
#include "command_table.h"

#include <inttypes.h>

/* REQUESTS and REQUEST KILL. */

static void put_request(void *arg, const struct query_request *request)
{
    struct resp_writer w = ((struct command_call *)arg)->reply;
    resp_map(w, 9);
    resp_pair_integer(w, "id", request->id);
    resp_pair_integer(w, "client", request->client);
    resp_pair_text(w, "command", request->command);
    resp_pair_text(w, "phase", request->phase);
    resp_pair_integer(w, "age_ms", (uint64_t)request->age_ms);
    resp_pair_integer(w, "rows", request->rows);
    resp_pair_integer(w, "bytes", request->bytes);
    resp_pair_integer(w, "memory_bytes", request->memory_bytes);
    resp_bulk_str(w, "statement");
    resp_bulk_str(w, request->statement);
}

void read_requests(struct command_call *call)
{
    resp_array(call->reply, query_stats(call->deps->query).in_flight);
    query_each(call->deps->query, put_request, call);
}

void read_request_kill(struct command_call *call)
{
    uint64_t id;
    struct slice text = call->argv[2];
    if (number_parse_u64(text, &id) != 0)
        resp_error_printf(call->reply, "ERR bad id '%.*s': expected a number that REQUESTS lists",
                          READ_QUOTE(text));
    else if (query_kill(call->deps->query, id) != 0)
        resp_error_printf(call->reply, "ERR no request %" PRIu64 " is in flight: see REQUESTS", id);
    else
        resp_simple(call->reply, SLICE_LIT("OK"));
}
