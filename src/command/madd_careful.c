#include "base/error.h"
#include "command/handlers.h"
#include "command/madd.h"

#include <stdlib.h>

/* With --madd-creates no: which keys are there is read before their points are handed over. The
 * command's words are kept meanwhile. */
struct careful {
    struct command_call call; /* of the copies */
    struct slot *slot;
    uint64_t query_id;
    bool reading;
    struct slice argv[]; /* behind them, the keys, then the texts */
};

static void careful_end(struct careful *c)
{
    slot_send(c->slot);
    free(c);
}

static void careful_looked(void *arg, const struct query_answer *answer)
{
    struct careful *c = arg;
    union query_result *result = answer->result;
    c->reading = false;
    if (answer->status != 0) {
        resp_error_printf(slot_reply(c->slot), "%s %s; nothing is stored",
                          answer->status == LT_EBUSY ? "BUSY" : "ERR", answer->why);
        careful_end(c);
        return;
    }
    slot_on_gone(c->slot, NULL, NULL); /* c goes, the slot may stay */
    madd_write(&c->call, result->keys.keys, c->slot);
    query_result_free(&result);
    free(c);
}

static void careful_gone(void *arg)
{
    struct careful *c = arg;
    if (c->reading)
        (void)!query_kill(c->call.deps->query, c->query_id);
}

static struct careful *careful_copy(const struct command_call *call, uint32_t keys)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < call->argc; i++)
        bytes += call->argv[i].n;
    struct careful *c =
        malloc(sizeof(*c) + ((size_t)call->argc + keys) * sizeof(c->argv[0]) + bytes);
    if (c == NULL)
        return NULL;
    char *text = (char *)(c->argv + call->argc + keys);
    for (uint32_t i = 0; i < call->argc; i++) {
        memcpy(text, call->argv[i].p, call->argv[i].n);
        c->argv[i] = slice_make(text, call->argv[i].n);
        text += call->argv[i].n;
    }
    for (uint32_t i = 0; i < keys; i++)
        c->argv[call->argc + i] = c->argv[1 + (size_t)i * 3];
    c->call = *call;
    c->call.argv = c->argv;
    c->reading = false;
    return c;
}

void madd_careful(struct command_call *call)
{
    uint32_t keys = (call->argc - 1) / 3;
    if (call->deps->query == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR TS.MADD has to read which keys there are "
                                          "(madd-creates is no): ask a process that has the role "
                                          "query too"));
        return;
    }
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    struct careful *c = careful_copy(call, keys);
    if (c == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is stored"));
        return;
    }
    struct query_spec spec = {.what = QUERY_EXISTS,
                              .command = "TS.MADD",
                              .environment = call->environment,
                              .client = session_id(call->session),
                              .after = call_after(call),
                              .keys = c->argv + call->argc,
                              .keys_count = keys,
                              .to_ms = INT64_MAX};
    c->slot = call_defer_blocking(call);
    if (c->slot == NULL) {
        free(c);
        return;
    }
    slot_on_gone(c->slot, careful_gone, c);
    int err = query_submit(call->deps->query, &spec, careful_looked, c, &c->query_id);
    c->reading = err == 0;
    if (err != 0) {
        write_reply_refused(slot_reply(c->slot), call->deps->options, err);
        careful_end(c);
    }
}
