#include "command/watch.h"

#include "base/clock.h"
#include "base/error.h"
#include "command/decide.h"
#include "command/handlers.h"
#include "command/session.h"
#include "command_table.h"

#include <stdlib.h>

/* ---- WATCH ---- */

static bool is_changed(const struct session *session)
{
    bool changed = false;
    for (const struct watch *w = session->watched; w != NULL; w = w->next)
        changed |= w->changed;
    return changed;
}

/* 0: all that this process took before WATCH is applied. LT_EAGAIN, or why it will not be. */
static int is_settled(const struct session *session)
{
    const struct command_deps *deps = session->all->deps;
    const struct tenant_environment *e = session->environment;
    uint64_t epoch;
    int err =
        store_epoch(deps->store, e->partition, ingest_acked(deps->ingest, e->partition), &epoch);
    if (err != 0 && err != LT_EAGAIN)
        return err;
    if (!ingest_settled(deps->ingest, e->partition, session->watch_handed))
        return LT_EAGAIN;
    for (const struct watch *w = session->watched; w != NULL; w = w->next) {
        const struct decider_series series = {w->environment, w->host, w->metric};
        if (decider_has(decide_decider(deps->decide), &series))
            return LT_EAGAIN;
    }
    return err;
}

/* As the log is applied now. */
static void begin(struct session *session)
{
    const struct command_deps *deps = session->all->deps;
    uint32_t partition = session->environment->partition;
    for (struct watch *w = session->watched; w != NULL; w = w->next) {
        if (w->seen)
            continue;
        w->seen = true;
        int err = store_token(deps->store, w->environment, w->host, w->metric, &w->token);
        w->changed |= err != 0;
    }
    int err = store_epoch(deps->store, partition, 0, &session->watch_epoch);
    if (err != 0)
        session->watch_epoch = 0; /* EXEC finds no such */
}

static void answer(struct session *session, int err)
{
    struct slot *slot = session->watch_slot;
    session->watch_slot = NULL;
    session->all->watches.waiting--;
    if (err == 0) {
        begin(session);
        resp_simple(slot_reply(slot), SLICE_LIT("OK"));
    } else {
        watch_forget(session);
        if (err == LT_EAGAIN)
            resp_error(slot_reply(slot),
                       SLICE_LIT("ERR WATCH waited as long as query-deadline allows until all "
                                 "earlier writes are applied, see STATUS; nothing is watched"));
        else
            resp_error(
                slot_reply(slot),
                SLICE_LIT("ERR NOTOWNER a transaction that watches is decided by the owner "
                          "of its partition: send it there, see STATUS; nothing is watched"));
    }
    slot_send(slot);
}

void watches_look(struct sessions *all)
{
    int64_t now_ms = clock_mono_ms();
    struct session *next;
    for (struct session *s = all->first; s != NULL && all->watches.waiting > 0; s = next) {
        next = s->next;
        if (s->watch_slot == NULL)
            continue;
        int err = is_changed(s) ? 0 : is_settled(s);
        if (err == LT_EAGAIN && now_ms < s->watch_due_mono_ms)
            continue;
        answer(s, err);
        next = all->first; /* what comes behind WATCH may end other sessions */
    }
}

/* The client hung up. */
static void gone(void *arg)
{
    answer(arg, 0);
}

static bool watch_keys(struct command_call *call)
{
    for (uint32_t i = 1; i < call->argc; i++) {
        struct slice host, metric;
        if (!write_check_key(call, call->argv[i], &host, &metric))
            return false;
    }
    if (call->session->all->watches.count + call->argc > WATCHES_MAX) {
        resp_error(call->reply, SLICE_LIT("BUSY too many series are watched; try again later"));
        return false;
    }
    for (uint32_t i = 1; i < call->argc; i++) {
        struct slice host, metric;
        if (write_check_key(call, call->argv[i], &host, &metric) &&
            watch_add(call->session, host, metric) == NULL) {
            watch_forget(call->session);
            resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is watched"));
            return false;
        }
    }
    return true;
}

void watch_watch(struct command_call *call)
{
    struct session *session = call->session;
    if (session->queueing != NULL) {
        resp_error(call->reply, SLICE_LIT("ERR WATCH inside MULTI is not allowed"));
        return;
    }
    if (call->deps->decide == NULL) {
        resp_error(
            call->reply,
            SLICE_LIT("ERR NOTOWNER a transaction that watches is decided by the owner of its "
                      "partition: send it to a process with the roles ingest, store and "
                      "query; nothing is watched"));
        return;
    }
    if (!watch_keys(call))
        return;
    struct slot *slot = call_defer_blocking(call);
    if (slot == NULL) {
        watch_forget(session);
        return;
    }
    session->exec_permits = watch_permits;
    session->watch_slot = slot;
    session->watch_handed = ingest_handed(call->deps->ingest);
    session->watch_due_mono_ms =
        clock_mono_ms() + option_int(call->deps->options, "query-deadline");
    session->all->watches.waiting++;
    slot_on_gone(slot, gone, session);
}

void watch_unwatch(struct command_call *call)
{
    watch_forget(call->session);
    resp_simple(call->reply, SLICE_LIT("OK"));
}

/* ---- EXEC ---- */

static bool named(const struct transaction_command *c, const char *name)
{
    return strcmp(c->spec->name, name) == 0;
}

/* Is it a write that the decider takes at once? */
static bool is_decided(const struct command_call *call, const struct transaction_command *c)
{
    if (named(c, "ts.add"))
        return c->argc == 4 || (c->argc == 6 && slice_ieq_str(c->argv[4], "ON_DUPLICATE"));
    if (named(c, "ts.incrby") || named(c, "ts.decrby"))
        return c->argc == 3 || (c->argc == 5 && slice_ieq_str(c->argv[3], "TIMESTAMP"));
    return named(c, "ts.madd") && !call->deps->madd_needs_keys;
}

/* Writes stand first: what waits would let others come between. */
static bool is_carried(const struct command_call *call, const struct transaction *t)
{
    uint32_t i = 0;
    while (i < t->commands.n && is_decided(call, &t->commands.v[i]))
        i++;
    for (; i < t->commands.n; i++)
        if ((t->commands.v[i].spec->flags & (COMMAND_WRITE | COMMAND_ROLE_INGEST)) != 0)
            return false;
    return true;
}

/* Did others write to it? What is not known any more counts as that. */
static bool is_same(const struct session *session, const struct watch *w)
{
    struct store_token now;
    int err = store_token(session->all->deps->store, w->environment, w->host, w->metric, &now);
    return err == 0 && w->seen && now.there == w->token.there &&
           now.generation == w->token.generation && now.touched == w->token.touched;
}

static bool is_unchanged(const struct session *session)
{
    for (const struct watch *w = session->watched; w != NULL; w = w->next)
        if (w->changed || w->environment != session->environment || !is_same(session, w))
            return false;
    return true;
}

bool watch_permits(struct command_call *call, struct transaction *transaction)
{
    struct session *session = call->session;
    uint64_t epoch = 0;
    int err = store_epoch(call->deps->store, call->environment->partition, 0, &epoch);
    bool unchanged = err == 0 && epoch == session->watch_epoch && is_unchanged(session);
    watch_forget(session);
    if (!is_carried(call, transaction)) {
        resp_error(call->reply,
                   SLICE_LIT("EXECABORT Transaction discarded: behind WATCH it may hold TS.ADD, "
                             "TS.MADD, TS.INCRBY and TS.DECRBY without options that declare, then "
                             "commands that read"));
        return false;
    }
    if (!unchanged) {
        resp_null_array(call->reply);
        return false;
    }
    transaction->epoch = epoch;
    return true;
}
