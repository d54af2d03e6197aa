#include "command/read_request.h"

#include "base/number.h"
#include "command_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

/* The commands of Redis that list keys: SCAN KEYS DBSIZE RANDOMKEY. */

enum { SCAN_COUNT = 10 }; /* as in Redis: what a call without COUNT looks at */

/* ---- SCAN, KEYS ---- */

static void put_keys(struct resp_writer w, const struct result_list *list)
{
    resp_array(w, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        resp_bulk(w, list->keys[i]);
}

static void put_cursor(struct resp_writer w, uint64_t cursor)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, cursor);
    resp_array(w, 2);
    resp_bulk_str(w, text);
}

static void render_scan(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    put_cursor(w, result->list.cursor);
    put_keys(w, &result->list);
}

/* A reply that does not fit would cost the client its connection. */
static void render_keys(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    enum { HEAD_BYTES = 16 };
    size_t bytes = HEAD_BYTES;
    for (uint32_t i = 0; i < result->list.count; i++)
        bytes += HEAD_BYTES + result->list.keys[i].n;
    if (bytes > w.out->max - w.out->len)
        resp_error_printf(w,
                          "ERR %" PRIu32
                          " keys are more than client-output-bytes-max has room for: "
                          "use SCAN, or a narrower pattern",
                          result->list.count);
    else
        put_keys(w, &result->list);
}

/* "*" is every key: nothing to match. */
static void set_pattern(struct query_spec *spec, struct slice pattern)
{
    spec->match = slice_eq_str(pattern, "*") ? slice_make("", 0) : pattern;
    spec->matches = !slice_eq_str(pattern, "*");
}

static bool take_scan_option(struct read_args *args, struct query_spec *spec, struct slice *type)
{
    struct slice pattern;
    int64_t count;
    if (read_take_keyword(args, "MATCH")) {
        if (!read_take(args, "MATCH", "a pattern", &pattern))
            return false;
        set_pattern(spec, pattern);
        return true;
    }
    if (read_take_keyword(args, "COUNT")) {
        if (!read_take_integer(args, "COUNT", 1, INT64_MAX, &count))
            return false;
        spec->limit = (uint64_t)count;
        return true;
    }
    if (read_take_keyword(args, "TYPE"))
        return read_take(args, "TYPE", "a type", type);
    read_unknown(args, "MATCH pattern, COUNT n or TYPE type");
    return false;
}

void keys_scan(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 2};
    struct query_spec spec = {.what = QUERY_LIST, .command = "SCAN", .limit = SCAN_COUNT};
    struct slice type = SLICE_LIT("TSDB-TYPE");
    if (number_parse_u64(call->argv[1], &spec.cursor) != 0) {
        resp_error_printf(call->reply,
                          "ERR invalid cursor '%.*s': expected 0, or what the call before returned",
                          READ_QUOTE(call->argv[1]));
        return;
    }
    while (read_args_left(&args))
        if (!take_scan_option(&args, &spec, &type))
            return;
    if (slice_ieq_str(type, "TSDB-TYPE")) {
        read_submit(call, &spec, render_scan, RENDER_NESTED);
        return;
    }
    put_cursor(call->reply, 0); /* no key is of another type */
    resp_array(call->reply, 0);
}

void keys_keys(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_LIST, .command = "KEYS", .limit = UINT32_MAX};
    set_pattern(&spec, call->argv[1]);
    read_submit(call, &spec, render_keys, RENDER_NESTED);
}

/* ---- DBSIZE, RANDOMKEY ---- */

static void render_dbsize(struct resp_writer w, const union query_result *result,
                          enum render_format format)
{
    resp_integer(w, (int64_t)result->list.series);
}

void keys_dbsize(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_LIST, .command = "DBSIZE"};
    read_submit(call, &spec, render_dbsize, RENDER_NESTED);
}

static uint64_t random_number(void)
{
    uint64_t x = 0;
    if (getrandom(&x, sizeof(x), GRND_NONBLOCK) != sizeof(x))
        x = 0;
    return x;
}

static void render_randomkey(struct resp_writer w, const union query_result *result,
                             enum render_format format)
{
    const struct result_list *list = &result->list;
    if (list->count == 0)
        resp_null(w);
    else
        resp_bulk(w, list->keys[random_number() % list->count]);
}

void keys_randomkey(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_LIST,
                              .command = "RANDOMKEY",
                              .cursor = random_number() >> 16,
                              .limit = 1,
                              .wraps = true};
    read_submit(call, &spec, render_randomkey, RENDER_NESTED);
}
