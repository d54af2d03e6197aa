#include "command/handlers.h"
#include "command/inquiry.h"
#include "command/madd.h"

#include <stdlib.h>

/* With --madd-creates no: which keys are there is read before their points are handed over. The
 * command's words are kept meanwhile. */
struct careful {
    struct command_call call; /* of the copies */
    struct slot *slot;
    struct inquiry inquiry;
    struct slice argv[]; /* behind them, the keys, then the texts */
};

static void careful_failed(void *arg, const char *word, const char *what)
{
    struct careful *c = arg;
    resp_error_printf(slot_reply(c->slot), "%s %s; nothing is stored", word, what);
    slot_send(c->slot);
    free(c);
}

static void careful_looked(void *arg, const union query_result *result)
{
    struct careful *c = arg;
    slot_on_gone(c->slot, NULL, NULL); /* c goes, the slot may stay */
    madd_write(&c->call, result->keys.keys, c->slot);
    free(c);
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
    uint64_t after = call_after(call);
    c->slot = call_defer_blocking(call);
    if (c->slot == NULL) {
        free(c);
        return;
    }
    c->inquiry = inquiry_of(call, "TS.MADD");
    slot_on_gone(c->slot, inquiry_gone, &c->inquiry);
    inquiry_ask(&c->inquiry, inquiry_spec(QUERY_EXISTS, c->argv + call->argc, keys, after),
                careful_looked, careful_failed, c);
}
