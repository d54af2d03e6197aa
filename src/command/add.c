#include "command/add.h"

#include "base/error.h"
#include "catalog/declared.h"
#include "command/declare.h"
#include "command/handlers.h"
#include "command/policy.h"

#include <stdlib.h>

struct addition {
    struct verdict_command command;
    enum duplicate on_duplicate;
    bool harmless; /* to repeat */
};

bool add_is_declared(const struct command_call *call, struct slice host, struct slice metric)
{
    const struct command_deps *deps = call->deps;
    struct catalog_declared declared;
    struct catalog *catalog =
        deps->catalog == NULL ? NULL : deps->catalog(deps->catalog_arg, call->environment->id);
    bool found = catalog != NULL && catalog_declared(catalog, host, metric, &declared);
    catalog_unref(&catalog);
    return found;
}

static void added(void *arg, const struct ingest_written *written)
{
    struct declare *d = arg;
    const struct addition *a = d->arg;
    struct resp_writer w = slot_reply(d->slot);
    if (written->report->outcome == LOG_STORED)
        resp_integer(w, a->command.time_ms);
    else
        write_reply_not_stored(w, written->report, a->harmless);
    declare_end(d);
}

static void decided(void *arg, const struct decider_outcome *outcome)
{
    struct declare *d = arg;
    const struct addition *a = d->arg;
    struct resp_writer w = slot_reply(d->slot);
    if (outcome->end == DECIDER_STORED || outcome->end == DECIDER_IGNORED)
        resp_integer(w, outcome->time_ms);
    else
        decide_reply_error(w, d->inquiry.deps, outcome, a->harmless);
    declare_end(d);
}

static int hand_over(struct declare *d, const struct record_point *point, enum policy policy)
{
    int err = ingest_begin(d->inquiry.deps->ingest, d->inquiry.environment);
    if (err != 0)
        return err;
    err = ingest_point(d->inquiry.deps->ingest, false, point->host, point->metric, point->time_ms,
                       point->value, policy);
    if (err != 0) {
        ingest_abort(d->inquiry.deps->ingest);
        return err;
    }
    return ingest_end(d->inquiry.deps->ingest, added, d);
}

static void ask_owner(struct declare *d, const struct decide_ask *ask)
{
    int err = decide_submit(d->inquiry.deps, d->inquiry.environment, ask, d->slot, decided, d);
    if (err == 0)
        return;
    decide_reply_refused(slot_reply(d->slot), err);
    declare_end(d);
}

static void write_point(struct declare *d, const struct result_key *key)
{
    struct addition *a = d->arg;
    struct record_point point = {.time_ms = a->command.time_ms, .value = a->command.value};
    struct policy_way way =
        policy_way_of(key->declared ? &key->settings : NULL, a->on_duplicate, point.value);
    declare_names(d, &point.host, &point.metric);
    bool counts = a->command.what == VERDICT_COUNT;
    a->harmless = !a->command.relative && !counts && policy_is_harmless(way.policy);
    if (counts || way.decides) {
        struct decide_ask ask = policy_ask(way, &point, a->command.relative, 0);
        if (counts)
            ask = (struct decide_ask){point.host, point.metric, a->command, 0, false};
        ask_owner(d, &ask);
        return;
    }
    int err = hand_over(d, &point, way.policy);
    if (err != 0)
        declare_fail(d, err);
}

static void looked(struct declare *d, const struct result_key *key)
{
    if (key->declared)
        write_point(d, key);
    else
        declare_append(d, RECORD_SERIES_CREATE, key->known ? &settings_none : NULL);
}

/* Whoever declared it: what stands now holds. */
static void settled(struct declare *d, uint64_t offset, const struct result_key *key)
{
    write_point(d, key);
}

void add_declaring(struct command_call *call, const char *name,
                   const struct series_options *options, const struct verdict_command *command)
{
    static const struct declare_steps steps = {.looked = looked, .settled = settled};
    struct addition *a = malloc(sizeof(*a));
    if (a == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is stored"));
        return;
    }
    *a = (struct addition){.command = *command, .on_duplicate = options->on_duplicate};
    if (!declare_begin(call, &steps, name, call->argv[1], options, a))
        free(a);
}
