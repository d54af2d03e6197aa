#include "base/error.h"
#include "command/erase.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command_table.h"
#include "model/name.h"

#include <stdlib.h>

/* RENAME and RENAMENX. Numbers of names are shared between series (docs/adr/0004), so a series
 * takes a new name by a copy of its points:
 *
 *   look at both --> copy all points --> declare the new one as the old one is --> wait -.
 *     .------------------------------------- until that is applied <---------------------'
 *     '-> move what was copied, and what came meanwhile --> drop the old one --> wait
 *
 * Nothing of the old series is touched before all of it is there under the new name; after that
 * every point stands under the new name. So whenever this ends in between, one of the two is whole:
 * the new one if it is declared as the old one was, or else the old one. A key that is there is
 * never renamed over: what would be lost if it was the whole one. */

struct renaming {
    struct inquiry inquiry;
    struct slot *slot;
    bool nx;
    struct buffer from, to; /* keys, as the client named them */
    struct buffer settings; /* settings_write; of one that is not declared: empty */
    bool declared;
    struct erasing moving;
};

static void renaming_free(struct renaming *r)
{
    buffer_fini(&r->from);
    buffer_fini(&r->to);
    buffer_fini(&r->settings);
    free(r);
}

static void end(struct renaming *r)
{
    slot_send(r->slot);
    renaming_free(r);
}

static void done(struct renaming *r)
{
    if (r->nx)
        resp_integer(slot_reply(r->slot), 1);
    else
        resp_simple(slot_reply(r->slot), SLICE_LIT("OK"));
    end(r);
}

static void fail(void *arg, const char *word, const char *what)
{
    struct renaming *r = arg;
    resp_error_printf(slot_reply(r->slot),
                      "%s %s; both keys may be there: EXISTS and TS.INFO tell, and one of them has "
                      "all points",
                      word, what);
    end(r);
}

static void fail_by(struct renaming *r, int err)
{
    fail(r, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
}

static void ask(struct renaming *r, enum query_what what, const struct buffer *key, uint64_t after,
                inquiry_found *found)
{
    const struct slice name = buffer_slice(key);
    inquiry_ask(&r->inquiry, inquiry_spec(what, &name, 1, after), found, fail, r);
}

/* ---- writing ---- */

static void move(struct renaming *r, enum erasing_way way,
                 void (*then)(struct erasing *e, const char *word, const char *what))
{
    r->moving = (struct erasing){.inquiry = &r->inquiry,
                                 .key = buffer_slice(&r->from),
                                 .to = buffer_slice(&r->to),
                                 .way = way,
                                 .to_ms = INT64_MAX,
                                 .done = then};
    erasing_start(&r->moving);
}

static bool is_stored(struct renaming *r, const struct ingest_written *written)
{
    if (written->report->outcome == LOG_STORED)
        return true;
    write_reply_not_stored(slot_reply(r->slot), written->report, true);
    end(r);
    return false;
}

static void applied(void *arg, const union query_result *result)
{
    done(arg);
}

static void dropped(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        ask(r, QUERY_DECLARED, &r->from, written->report->offset + 1, applied);
}

static void moved(struct erasing *e, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(e, struct renaming, moving);
    struct slice host, metric;
    if (word != NULL) {
        fail(r, word, what);
        return;
    }
    if (!r->declared) {
        done(r);
        return;
    }
    name_split_key(buffer_slice(&r->from), &host, &metric);
    int err =
        ingest_drop(r->inquiry.deps->ingest, r->inquiry.environment, host, metric, dropped, r);
    if (err != 0)
        fail_by(r, err);
}

/* Somebody may have taken a key away meanwhile; the copy is whole. */
static void declared(void *arg, const union query_result *result)
{
    move(arg, ERASING_MOVE, moved);
}

static void declaration_stored(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        ask(r, QUERY_DECLARED, &r->to, written->report->offset + 1, declared);
}

static void copied(struct erasing *e, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(e, struct renaming, moving);
    struct settings settings;
    struct label labels[SETTINGS_LABELS_MAX];
    struct slice host, metric;
    uint32_t count;
    if (word != NULL) {
        fail(r, word, what);
        return;
    }
    if (!r->declared) {
        move(r, ERASING_MOVE, moved);
        return;
    }
    name_split_key(buffer_slice(&r->to), &host, &metric);
    int err = settings_read(buffer_slice(&r->settings), &settings, labels, &count);
    if (err == 0)
        err = ingest_series(r->inquiry.deps->ingest, r->inquiry.environment, host, metric,
                            RECORD_SERIES_EITHER, &settings, labels, count, declaration_stored, r);
    if (err != 0)
        fail_by(r, err);
}

/* ---- looking ---- */

static void target_looked(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    if (!result->keys.keys[0].known) {
        move(r, ERASING_COPY, copied);
    } else if (r->nx) {
        resp_integer(slot_reply(r->slot), 0);
        end(r);
    } else {
        resp_error(
            slot_reply(r->slot),
            SLICE_LIT("ERR the new key is there, and is not renamed over: DEL it first, or, if "
                      "a RENAME was cut short, DEL the one of the two that has fewer points"));
        end(r);
    }
}

static void source_looked(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    const struct result_info *info = &result->info;
    r->declared = info->key.declared;
    int err = !r->declared ? 0
                           : settings_write(&r->settings, &info->key.settings, info->labels,
                                            info->labels_count);
    if (err == 0)
        err = r->settings.error;
    if (err != 0) {
        fail_by(r, err);
    } else if (!info->key.known) {
        resp_error(slot_reply(r->slot), SLICE_LIT("ERR no such key"));
        end(r);
    } else if (info->key.rules_count > 0) {
        resp_error(slot_reply(r->slot),
                   SLICE_LIT("ERR TSDB: the key is the source of rules, which name it: "
                             "TS.DELETERULE, rename, then TS.CREATERULE"));
        end(r);
    } else if (slice_eq(buffer_slice(&r->from), buffer_slice(&r->to))) {
        if (r->nx)
            resp_integer(slot_reply(r->slot), 0);
        else
            resp_simple(slot_reply(r->slot), SLICE_LIT("OK"));
        end(r);
    } else {
        ask(r, QUERY_EXISTS, &r->to, 0, target_looked);
    }
}

static void begin(struct command_call *call, const char *command, bool nx)
{
    if (!read_check_key(call, call->argv[1]) || !read_check_key(call, call->argv[2]))
        return;
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    if (call->deps->query == NULL) {
        resp_error_printf(call->reply,
                          "ERR '%s' reads what it moves: ask a process that has the role query too",
                          call->spec->name);
        return;
    }
    struct renaming *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is renamed"));
        return;
    }
    buffer_init(&r->settings, SIZE_MAX);
    buffer_init(&r->from, 2 * NAME_BYTES_MAX + 1);
    buffer_init(&r->to, 2 * NAME_BYTES_MAX + 1);
    name_put_key(call->argv[1], &r->from);
    name_put_key(call->argv[2], &r->to);
    uint64_t after = call_after(call);
    if (r->from.error != 0 || r->to.error != 0)
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is renamed"));
    else
        r->slot = call_defer_blocking(call);
    if (r->slot == NULL) {
        renaming_free(r);
        return;
    }
    r->inquiry = inquiry_of(call, command);
    r->nx = nx;
    slot_on_gone(r->slot, inquiry_gone, &r->inquiry);
    ask(r, QUERY_INFO, &r->from, after, source_looked);
}

void write_rename(struct command_call *call)
{
    begin(call, "RENAME", false);
}

void write_renamenx(struct command_call *call)
{
    begin(call, "RENAMENX", true);
}
