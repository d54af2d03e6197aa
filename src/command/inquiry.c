#include "command/inquiry.h"

#include "base/error.h"

struct inquiry inquiry_of(const struct command_call *call, const char *command)
{
    return (struct inquiry){.deps = call->deps,
                            .environment = call->environment,
                            .command = command,
                            .client = session_id(call->session)};
}

struct query_spec inquiry_spec(enum query_what what, const struct slice *keys, uint32_t count,
                               uint64_t after)
{
    return (struct query_spec){
        .what = what, .keys = keys, .keys_count = count, .after = after, .to_ms = INT64_MAX};
}

static void fail(struct inquiry *q, int err, const char *why)
{
    if (err == LT_EBUSY)
        q->failed(q->arg, "BUSY", "too many reads are in flight, see REQUESTS: try again");
    else
        q->failed(q->arg, "ERR", why);
}

static void answered(void *arg, const struct query_answer *answer)
{
    struct inquiry *q = arg;
    union query_result *result = answer->result;
    q->reading = false;
    if (answer->status != 0)
        fail(q, answer->status, answer->why);
    else
        q->found(q->arg, result);
    query_result_free(&result);
}

void inquiry_ask(struct inquiry *q, struct query_spec spec, inquiry_found *found,
                 inquiry_failed *failed, void *arg)
{
    q->found = found;
    q->failed = failed;
    q->arg = arg;
    if (q->gone) {
        failed(arg, "ERR", "the client hung up");
        return;
    }
    spec.command = q->command;
    spec.environment = q->environment;
    spec.client = q->client;
    int err = query_submit(q->deps->query, &spec, answered, q, &q->query_id);
    q->reading = err == 0;
    if (err != 0)
        fail(q, err, error_text(err));
}

void inquiry_gone(void *arg)
{
    struct inquiry *q = arg;
    q->gone = true;
    if (q->reading)
        (void)!query_kill(q->deps->query, q->query_id);
}
