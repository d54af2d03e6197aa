#include "command/read_request.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "command/timespec.h"
#include "model/name.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

bool read_take_keyword(struct read_args *args, const char *keyword)
{
    if (!read_args_left(args) || !slice_ieq_str(args->call->argv[args->at], keyword))
        return false;
    args->at++;
    return true;
}

bool read_take(struct read_args *args, const char *option, const char *expected, struct slice *out)
{
    if (!read_args_left(args)) {
        resp_error_printf(args->call->reply, "ERR %s is the last argument, expected %s after it",
                          option, expected);
        return false;
    }
    *out = args->call->argv[args->at++];
    return true;
}

bool read_take_integer(struct read_args *args, const char *option, int64_t min, int64_t max,
                       int64_t *out)
{
    struct slice text;
    if (!read_take(args, option, "a number", &text))
        return false;
    if (number_parse_i64(text, out) == 0 && *out >= min && *out <= max)
        return true;
    resp_error_printf(args->call->reply,
                      "ERR bad %s '%.*s': expected an integer from %" PRId64 " to %" PRId64, option,
                      READ_QUOTE(text), min, max);
    return false;
}

bool read_take_list(struct read_args *args, const char *option, uint32_t max,
                    const struct slice **out, uint32_t *count_out)
{
    int64_t count;
    if (!read_take_integer(args, option, 1, max, &count))
        return false;
    uint32_t left = args->call->argc - args->at;
    if (count > left) {
        resp_error_printf(args->call->reply,
                          "ERR %s says that %" PRId64 " names follow, but only %" PRIu32
                          " arguments are left",
                          option, count, left);
        return false;
    }
    *out = &args->call->argv[args->at];
    *count_out = (uint32_t)count;
    args->at += (uint32_t)count;
    for (int64_t i = 0; i < count; i++) {
        if ((*out)[i].n > NAME_BYTES_MAX) {
            resp_error_printf(args->call->reply,
                              "ERR bad %s: expected names of at most %d bytes, one has %zu", option,
                              NAME_BYTES_MAX, (*out)[i].n);
            return false;
        }
    }
    return true;
}

static bool take_time(struct read_args *args, int64_t now_s, const char *name, int64_t *out)
{
    struct slice text = args->call->argv[args->at++];
    if (timespec_parse(text, now_s, out) == 0)
        return true;
    resp_error_printf(args->call->reply, "ERR bad %s time '%.*s': expected " TIMESPEC_EXPECTED,
                      name, READ_QUOTE(text));
    return false;
}

static bool take_range(struct read_args *args, const char *what, int64_t *from_ms, int64_t *to_ms)
{
    int64_t from_s, to_s, now_s = clock_wall_ms() / 1000;
    if (!take_time(args, now_s, "from", &from_s) || !take_time(args, now_s, "to", &to_s))
        return false;
    if (from_s >= to_s) {
        resp_error_printf(args->call->reply,
                          "ERR bad %s: expected from before to, got %" PRId64 " and %" PRId64, what,
                          from_s, to_s);
        return false;
    }
    *from_ms = from_s * 1000;
    *to_ms = to_s * 1000;
    return true;
}

bool read_take_times(struct read_args *args, struct query_spec *spec)
{
    return take_range(args, "range", &spec->from_ms, &spec->to_ms);
}

bool read_take_compare(struct read_args *args, struct query_spec *spec)
{
    if (args->call->argc - args->at >= 2)
        return take_range(args, "COMPARE", &spec->compare_from_ms, &spec->compare_to_ms);
    resp_error(args->call->reply,
               SLICE_LIT("ERR expected two times after COMPARE: from and to of the other range"));
    return false;
}

bool read_take_after(struct read_args *args, struct query_spec *spec)
{
    struct slice text;
    uint64_t partition, offset;
    if (!read_take(args, "AFTER", "a receipt", &text))
        return false;
    size_t colon = slice_find(text, ':');
    if (colon == text.n || number_parse_u64(slice_upto(text, colon), &partition) != 0 ||
        number_parse_u64(slice_from(text, colon + 1), &offset) != 0 || offset >= INT64_MAX) {
        resp_error_printf(args->call->reply,
                          "ERR bad AFTER '%.*s': expected a receipt as writes return it, "
                          "partition:offset",
                          READ_QUOTE(text));
        return false;
    }
    if (partition != args->call->environment->partition) {
        resp_error_printf(args->call->reply,
                          "ERR bad AFTER '%.*s': expected a receipt of this environment's "
                          "partition, %" PRIu32,
                          READ_QUOTE(text), args->call->environment->partition);
        return false;
    }
    spec->after = offset + 1;
    return true;
}

bool read_take_choice(struct read_args *args, const char *option, const char *const *choices,
                      size_t count, size_t *out)
{
    struct slice text;
    if (!read_take(args, option, "a value", &text))
        return false;
    for (*out = 0; *out < count; ++*out)
        if (slice_ieq_str(text, choices[*out]))
            return true;
    struct buffer list;
    buffer_init(&list, 1024);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&list, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", choices[i]);
    resp_error_printf(args->call->reply, "ERR bad %s '%.*s': expected %.*s", option,
                      READ_QUOTE(text), (int)list.len, list.data);
    buffer_fini(&list);
    return false;
}

bool read_take_format(struct read_args *args, enum render_format *out)
{
    static const char *const names[] = {"nested", "flat", "table"};
    size_t i;
    if (!read_take_choice(args, "FORMAT", names, ARRAY_LEN(names), &i))
        return false;
    *out = (enum render_format)i;
    return true;
}

void read_unknown(struct read_args *args, const char *expected)
{
    struct slice text = args->call->argv[args->at];
    resp_error_printf(args->call->reply, "ERR unknown option '%.*s': expected %s", READ_QUOTE(text),
                      expected);
}

bool read_check_key(struct command_call *call, struct slice key)
{
    struct slice host, metric;
    name_split_key(key, &host, &metric);
    if (metric.n > 0 && metric.n <= NAME_BYTES_MAX && host.n <= NAME_BYTES_MAX)
        return true;
    resp_error_printf(call->reply,
                      "ERR bad key '%.*s': expected host/metric or metric, each of 1 to %d bytes",
                      READ_QUOTE(key), NAME_BYTES_MAX);
    return false;
}

/* ---- the request ---- */

struct read_request {
    struct query *query;
    struct slot *slot;
    uint64_t id;
    read_render *render; /* NULL: render_with */
    enum render_format format;
    read_render_with *render_with;
    void *context;
};

static void request_free(struct read_request *request)
{
    free(request->context);
    free(request);
}

static void reply_error(struct resp_writer w, int status, const char *why)
{
    if (status == LT_EBUSY)
        resp_error_printf(w, "BUSY too many reads are in flight, see REQUESTS: try again");
    else
        resp_error_printf(w, "ERR %s", why);
}

static void read_done(void *arg, const struct query_answer *answer)
{
    struct read_request *request = arg;
    union query_result *result = answer->result;
    struct resp_writer w = slot_reply(request->slot);
    if (answer->status == 0 && request->render != NULL)
        request->render(w, result, request->format);
    else if (answer->status == 0)
        request->render_with(w, result, request->context);
    else
        reply_error(w, answer->status, answer->why);
    query_result_free(&result);
    slot_send(request->slot);
    request_free(request);
}

/* Ends in read_done, which sends the slot. */
static void read_gone(void *arg)
{
    struct read_request *request = arg;
    int err = query_kill(request->query, request->id);
    assert(err == 0); /* its slot is open, so it was not answered */
    (void)err;
}

/* Takes `how` over, what it renders with and its context. */
static void submit(struct command_call *call, struct query_spec *spec,
                   const struct read_request *how)
{
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        free(how->context);
        return;
    }
    struct read_request *request = malloc(sizeof(*request));
    if (request == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, the command was not run"));
        free(how->context);
        return;
    }
    *request = *how;
    request->query = call->deps->query;
    request->slot = call_defer_blocking(call);
    if (request->slot == NULL) {
        request_free(request);
        return;
    }
    uint64_t after = call_after(call);
    spec->environment = call->environment;
    spec->client = session_id(call->session);
    spec->after = spec->after > after ? spec->after : after;
    int err = query_submit(request->query, spec, read_done, request, &request->id);
    if (err == 0) {
        slot_on_gone(request->slot, read_gone, request);
        return;
    }
    reply_error(slot_reply(request->slot), err, error_text(err));
    slot_send(request->slot);
    request_free(request);
}

void read_submit(struct command_call *call, struct query_spec *spec, read_render *render,
                 enum render_format format)
{
    submit(call, spec, &(struct read_request){.render = render, .format = format});
}

void read_submit_with(struct command_call *call, struct query_spec *spec, read_render_with *render,
                      void *context)
{
    submit(call, spec, &(struct read_request){.render_with = render, .context = context});
}
