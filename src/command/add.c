#include "command/add.h"

#include "base/error.h"
#include "command/declare.h"
#include "command/handlers.h"
#include "command/policy.h"

#include <stdlib.h>

struct addition {
    int64_t time_ms;
    double value;
    enum duplicate on_duplicate;
    bool relative;
    bool harmless; /* to repeat */
};

static void added(void *arg, const struct ingest_written *written)
{
    struct declare *d = arg;
    const struct addition *a = d->arg;
    struct resp_writer w = slot_reply(d->slot);
    if (written->report->outcome == LOG_STORED)
        resp_integer(w, a->time_ms);
    else
        write_reply_not_stored(w, written->report, a->harmless);
    declare_end(d);
}

static int hand_over(struct declare *d, enum policy policy)
{
    const struct addition *a = d->arg;
    struct slice host, metric;
    declare_names(d, &host, &metric);
    int err = ingest_begin(d->deps->ingest, d->environment);
    if (err != 0)
        return err;
    err = ingest_point(d->deps->ingest, false, host, metric, a->time_ms, a->value, policy);
    if (err != 0) {
        ingest_abort(d->deps->ingest);
        return err;
    }
    return ingest_end(d->deps->ingest, added, d);
}

static void add_point(struct declare *d, const struct result_key *key)
{
    struct addition *a = d->arg;
    enum duplicate duplicate = a->on_duplicate;
    enum policy policy;
    if (duplicate == DUPLICATE_DEFAULT && key->declared)
        duplicate = key->settings.duplicate;
    if (!policy_of(duplicate, &policy)) {
        write_reply_blocks(slot_reply(d->slot));
        declare_end(d);
        return;
    }
    a->harmless = !a->relative && policy != POLICY_SUM;
    int err = hand_over(d, policy);
    if (err != 0)
        declare_fail(d, err);
}

static void looked(struct declare *d, const struct result_key *key)
{
    if (key->declared)
        add_point(d, key);
    else
        declare_append(d, RECORD_SERIES_CREATE, key->known ? &settings_none : NULL);
}

/* Whoever declared it: what stands now holds. */
static void settled(struct declare *d, uint64_t offset, const struct result_key *key)
{
    add_point(d, key);
}

void add_declaring(struct command_call *call, const struct series_options *options,
                   const struct record_point *point, bool relative)
{
    static const struct declare_steps steps = {.looked = looked, .settled = settled};
    struct addition *a = malloc(sizeof(*a));
    if (a == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is stored"));
        return;
    }
    *a = (struct addition){.time_ms = point->time_ms,
                           .value = point->value,
                           .on_duplicate = options->on_duplicate,
                           .relative = relative};
    if (!declare_begin(call, &steps, "TS.ADD", call->argv[1], options, a))
        free(a);
}
