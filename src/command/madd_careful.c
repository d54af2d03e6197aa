#include "base/error.h"
#include "command/handlers.h"
#include "command/madd.h"
#include "command/policy.h"

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

static void careful_fail(struct careful *c, struct madd *madd, int err)
{
    write_reply_refused(slot_reply(c->slot), c->call.deps->options, err);
    free(madd->mixed);
    careful_end(c);
}

/* Some of the points, at least, are of keys that are there. */
static int careful_write(struct careful *c, struct madd *madd)
{
    struct ingest *ingest = c->call.deps->ingest;
    int err = ingest_begin(ingest, c->call.environment);
    if (err != 0)
        return err;
    madd->declared = policy_begin(&c->call);
    err = madd_points(&c->call, madd);
    catalog_unref(&madd->declared);
    if (err == 0 && !madd_mix(&c->call, madd))
        err = LT_ENOMEM;
    if (err != 0 || madd->written == 0) {
        ingest_abort(ingest);
        return err;
    }
    madd->mixed->relative = madd->relative;
    madd->mixed->slot = c->slot;
    return ingest_end(ingest, madd_mixed_done, madd->mixed);
}

static void careful_looked(void *arg, const struct query_answer *answer)
{
    struct careful *c = arg;
    union query_result *result = answer->result;
    struct madd madd = {0};
    c->reading = false;
    if (answer->status != 0) {
        resp_error_printf(slot_reply(c->slot), "%s %s; nothing is stored",
                          answer->status == LT_EBUSY ? "BUSY" : "ERR", answer->why);
        careful_end(c);
        return;
    }
    madd.there = result->keys.keys;
    int err = careful_write(c, &madd);
    query_result_free(&result);
    if (err != 0) {
        careful_fail(c, &madd, err);
    } else if (madd.written > 0) {
        free(c); /* the slot is madd_mixed_done's */
    } else {
        madd_all_bad(slot_reply(c->slot), madd.mixed);
        free(madd.mixed);
        careful_end(c);
    }
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
    if (err != 0)
        careful_fail(c, &(struct madd){0}, err);
}
