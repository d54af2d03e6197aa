#ifndef COMMAND_DECIDE_H
#define COMMAND_DECIDE_H

#include "command/claims.h"
#include "command/command.h"
#include "ingest/decider.h"
#include "store/store.h"

#include <stdint.h>

/* Writes that depend on their series' state: ingest/decider.h at work, on ingest, store and query.
 * Only a process with the roles ingest, store and query has one. Thread: loop. */

struct decide;

struct decide_config {
    struct ingest *ingest;
    struct store *store;
    struct query *query;
    const struct tenant *tenant;
    int64_t deadline_ms;
};

MUST_USE int decide_create(const struct decide_config *config, struct decide **out);
/* Before query and store are destroyed. */
void decide_stop(struct decide *decide);
/* After log and ingest are. */
void decide_destroy(struct decide **decide);

/* At the end of each loop turn, and every 50 ms or so. */
void decide_turn(struct decide *decide);

struct decider *decide_decider(struct decide *decide);
struct claims *decide_claims(struct decide *decide);

/* ---- for handlers ---- */

/* Does anything wait for its decision? Only then may a series be held. */
static inline bool decide_waits(const struct command_call *call)
{
    struct decide *decide = call->deps->decide;
    return decide != NULL && UNLIKELY(decider_is_waiting(decide_decider(decide)));
}

bool decide_holds_series(const struct command_call *call, struct slice host, struct slice metric);
/* Does a plain write of the series have to go through here, because one that depends on the series'
 * state came before it and is not decided yet? */
static inline bool decide_holds(const struct command_call *call, struct slice host,
                                struct slice metric)
{
    return decide_waits(call) && decide_holds_series(call, host, metric);
}

struct decide_ask {
    struct slice host, metric;
    struct verdict_command command;
    uint64_t epoch; /* decider_request's */
    bool plain;
};
/* Defers the call's reply; the outcome becomes it: the point's time, or an error. */
void decide_reply(struct command_call *call, const struct decide_ask *ask);

/* As an error of one point. harmless: would sending it again be? */
void decide_reply_error(struct resp_writer w, const struct command_deps *deps,
                        const struct decider_outcome *outcome, bool harmless);
/* Submits it. LT_EFENCED: this process cannot decide; else as decider_submit. */
MUST_USE int decide_submit(const struct command_deps *deps,
                           const struct tenant_environment *environment,
                           const struct decide_ask *ask, struct slot *slot, decider_done *done,
                           void *arg);
/* What decide_submit refused. */
void decide_reply_refused(struct resp_writer w, int err);

#endif
