#include "command/declare.h"
#include "command/read_request.h"
#include "command/series_options.h"
#include "command_table.h"

/* TS.CREATE and TS.ALTER. */

static void no_such_key(struct declare *d)
{
    resp_error(slot_reply(d->slot), SLICE_LIT("ERR TSDB: the key does not exist"));
    declare_end(d);
}

static void done(struct declare *d)
{
    resp_simple(slot_reply(d->slot), SLICE_LIT("OK"));
    declare_end(d);
}

/* ---- TS.CREATE ---- */

static void exists(struct declare *d)
{
    resp_error(slot_reply(d->slot),
               SLICE_LIT("ERR TSDB: key already exists: TS.ALTER changes its settings"));
    declare_end(d);
}

static void create_looked(struct declare *d, const struct result_key *key)
{
    if (key->known)
        exists(d);
    else
        declare_append(d, RECORD_SERIES_CREATE, NULL);
}

/* One that stood before this record was applied was another's. One that came after, or none: this
 * one was there, and was dropped since. */
static void create_settled(struct declare *d, uint64_t offset, const struct result_key *key)
{
    if (key->declared && key->created < offset)
        exists(d);
    else
        done(d);
}

void series_create(struct command_call *call)
{
    static const struct declare_steps steps = {.looked = create_looked, .settled = create_settled};
    struct series_options options;
    if (series_options_parse(call, 2, SERIES_OPTIONS_ENCODING, &options))
        (void)!declare_begin(call, &steps, "TS.CREATE", call->argv[1], &options, NULL);
}

/* ---- TS.ALTER ---- */

/* A series that only has points is declared by it. */
static void alter_looked(struct declare *d, const struct result_key *key)
{
    if (key->known)
        declare_append(d, key->declared ? RECORD_SERIES_ALTER : RECORD_SERIES_EITHER, NULL);
    else
        no_such_key(d);
}

static void alter_settled(struct declare *d, uint64_t offset, const struct result_key *key)
{
    if (key->declared)
        done(d);
    else
        no_such_key(d); /* somebody dropped it meanwhile */
}

void series_alter(struct command_call *call)
{
    static const struct declare_steps steps = {.looked = alter_looked, .settled = alter_settled};
    struct series_options options;
    if (series_options_parse(call, 2, 0, &options))
        (void)!declare_begin(call, &steps, "TS.ALTER", call->argv[1], &options, NULL);
}
