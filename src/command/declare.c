#include "command/declare.h"

#include "base/error.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command/series_options.h"
#include "command/table.h"
#include "ingest/control.h"
#include "model/name.h"

#include <assert.h>
#include <stdlib.h>

static void declare_free(struct declare *d)
{
    buffer_fini(&d->key);
    buffer_fini(&d->settings);
    free(d);
}

void declare_end(struct declare *d)
{
    slot_send(d->slot);
    free(d->arg);
    declare_free(d);
}

void declare_names(const struct declare *d, struct slice *host_out, struct slice *metric_out)
{
    name_split_key(buffer_slice(&d->key), host_out, metric_out);
}

void declare_fail(struct declare *d, int err)
{
    write_reply_refused(slot_reply(d->slot), d->inquiry.deps->options, err);
    declare_end(d);
}

/* ---- reading ---- */

static void failed(void *arg, const char *word, const char *what)
{
    struct declare *d = arg;
    resp_error_printf(slot_reply(d->slot), "%s %s", word, what);
    declare_end(d);
}

static void found(void *arg, const union query_result *result)
{
    struct declare *d = arg;
    if (d->stored)
        d->steps->settled(d, d->offset, &result->keys.keys[0]);
    else
        d->steps->looked(d, &result->keys.keys[0]);
}

static void ask(struct declare *d, enum query_what what, uint64_t after)
{
    const struct slice key = buffer_slice(&d->key);
    inquiry_ask(&d->inquiry, inquiry_spec(what, &key, 1, after), found, failed, d);
}

/* ---- writing ---- */

static void stored(void *arg, const struct ingest_written *written)
{
    struct declare *d = arg;
    if (written->report->outcome != LOG_STORED) {
        write_reply_not_stored(slot_reply(d->slot), written->report, true);
        declare_end(d);
        return;
    }
    d->stored = true;
    d->offset = written->report->offset;
    if (d->steps->settled == NULL)
        d->steps->stored(d);
    else
        ask(d, QUERY_DECLARED, d->offset + 1);
}

void declare_append(struct declare *d, enum record_series_way way, const struct settings *settings)
{
    struct slice host, metric;
    struct settings given;
    struct label labels[SETTINGS_LABELS_MAX];
    uint32_t count = 0;
    int err = 0;
    if (settings == NULL) {
        err = settings_read(buffer_slice(&d->settings), &given, labels, &count);
        settings = &given;
    }
    declare_names(d, &host, &metric);
    if (err == 0)
        err = ingest_series(d->inquiry.deps->ingest, d->inquiry.environment, 0, host, metric, way,
                            settings, labels, count, stored, d);
    if (err != 0)
        declare_fail(d, err);
}

void declare_append_drop(struct declare *d)
{
    struct slice host, metric;
    declare_names(d, &host, &metric);
    int err =
        ingest_drop(d->inquiry.deps->ingest, d->inquiry.environment, 0, host, metric, stored, d);
    if (err != 0)
        declare_fail(d, err);
}

/* ---- beginning ---- */

static struct declare *declare_create(struct command_call *call, const char *command,
                                      struct slice key, const struct series_options *options)
{
    struct declare *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->inquiry = inquiry_of(call, command);
    buffer_init(&d->key, 2 * NAME_BYTES_MAX + 1);
    buffer_init(&d->settings, SIZE_MAX);
    buffer_append_slice(&d->key, key);
    int err = 0;
    if (options != NULL)
        err = settings_write(&d->settings, &options->settings, options->labels,
                             options->labels_count);
    if (err == 0 && d->key.error == 0 && d->settings.error == 0)
        return d;
    declare_free(d);
    return NULL;
}

bool declare_begin(struct command_call *call, const struct declare_steps *steps,
                   const char *command, struct slice key, const struct series_options *options,
                   void *arg)
{
    if (!read_check_key(call, key))
        return false;
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return false;
    }
    if (call->deps->query == NULL || call->deps->ingest == NULL) {
        resp_error_printf(call->reply,
                          "ERR '%s' reads what it changes: ask a process that has the roles ingest "
                          "and query",
                          call->spec->name);
        return false;
    }
    struct declare *d = declare_create(call, command, key, options);
    if (d == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is changed"));
        return false;
    }
    uint64_t after = call_after(call);
    d->steps = steps;
    d->slot = call_defer_blocking(call);
    if (d->slot == NULL) {
        declare_free(d);
        return false;
    }
    d->arg = arg;
    slot_on_gone(d->slot, inquiry_gone, &d->inquiry);
    ask(d, QUERY_EXISTS, after);
    return true;
}
