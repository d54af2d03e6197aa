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
 *   look at both --> copy all points --> declare the new one as the old one is --> wait until that
 * is applied --> move what came meanwhile, and what was copied --> drop the old one --> wait
 *
 * Nothing of the old series is touched before all of it is there under the new name; after that
 * every point stands under the new name. So whenever this ends in between, one of the two is whole:
 * the new one if it is declared as the old one was, or else the old one. A key that is there is
 * never renamed over: what would be lost if it was the whole one. */

struct renaming {
    const struct command_deps *deps;
    const struct tenant_environment *environment;
    struct slot *slot;
    uint64_t client;
    const char *command; /* a literal */
    bool nx;
    struct buffer from, to; /* keys, as the client named them */
    struct buffer settings; /* settings_write; of one that is not declared: empty */
    bool declared;
    struct erasing moving;
    void (*next)(struct renaming *r, const union query_result *result);
    uint64_t query_id;
    bool reading, moves, gone;
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

static void fail(struct renaming *r, const char *word, const char *what)
{
    resp_error_printf(slot_reply(r->slot),
                      "%s %s; both keys may be there: EXISTS and TS.INFO tell, and one of them has "
                      "all points",
                      word, what);
    end(r);
}

static void fail_by(struct renaming *r, int err, const char *why)
{
    fail(r, err == LT_EBUSY ? "BUSY" : "ERR", why);
}

/* ---- reading ---- */

static void answered(void *arg, const struct query_answer *answer)
{
    struct renaming *r = arg;
    union query_result *result = answer->result;
    r->reading = false;
    if (answer->status != 0)
        fail_by(r, answer->status, answer->why);
    else
        r->next(r, result);
    query_result_free(&result);
}

static void ask(struct renaming *r, enum query_what what, struct slice key, uint64_t after,
                void (*next)(struct renaming *r, const union query_result *result))
{
    struct query_spec spec = {.what = what,
                              .command = r->command,
                              .environment = r->environment,
                              .client = r->client,
                              .after = after,
                              .keys = &key,
                              .keys_count = 1,
                              .to_ms = INT64_MAX};
    r->next = next;
    r->reading = true;
    int err = query_submit(r->deps->query, &spec, answered, r, &r->query_id);
    if (err != 0) {
        r->reading = false;
        fail_by(r, err, error_text(err));
    }
}

/* ---- writing ---- */

static void move(struct renaming *r, enum erasing_way way,
                 void (*then)(struct erasing *e, const char *word, const char *what))
{
    r->moves = true;
    r->moving = (struct erasing){.deps = r->deps,
                                 .environment = r->environment,
                                 .command = r->command,
                                 .client = r->client,
                                 .key = buffer_slice(&r->from),
                                 .to = buffer_slice(&r->to),
                                 .way = way,
                                 .to_ms = INT64_MAX,
                                 .done = then,
                                 .gone = r->gone};
    erasing_start(&r->moving, ingest_acked(r->deps->ingest, r->environment->partition));
}

/* False: it is over. */
static bool moved_all(struct renaming *r, const char *word, const char *what)
{
    r->moves = false;
    if (word == NULL && !r->gone)
        return true;
    fail(r, word != NULL ? word : "ERR", word != NULL ? what : "the client hung up");
    return false;
}

static bool is_stored(struct renaming *r, const struct ingest_written *written)
{
    if (written->report->outcome == LOG_STORED)
        return true;
    write_reply_not_stored(slot_reply(r->slot), written->report, true);
    end(r);
    return false;
}

static void applied(struct renaming *r, const union query_result *result)
{
    done(r);
}

static void dropped(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        ask(r, QUERY_DECLARED, buffer_slice(&r->from), written->report->offset + 1, applied);
}

static void moved(struct erasing *e, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(e, struct renaming, moving);
    struct slice host, metric;
    if (!moved_all(r, word, what))
        return;
    if (!r->declared) {
        done(r);
        return;
    }
    name_split_key(buffer_slice(&r->from), &host, &metric);
    int err = ingest_drop(r->deps->ingest, r->environment, host, metric, dropped, r);
    if (err != 0)
        fail_by(r, err, error_text(err));
}

/* Somebody may have taken a key away meanwhile; the copy is whole. */
static void declared(struct renaming *r, const union query_result *result)
{
    move(r, ERASING_MOVE, moved);
}

static void declaration_stored(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        ask(r, QUERY_DECLARED, buffer_slice(&r->to), written->report->offset + 1, declared);
}

static void copied(struct erasing *e, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(e, struct renaming, moving);
    struct settings settings;
    struct label labels[SETTINGS_LABELS_MAX];
    struct slice host, metric;
    uint32_t count;
    if (!moved_all(r, word, what))
        return;
    if (!r->declared) {
        move(r, ERASING_MOVE, moved);
        return;
    }
    name_split_key(buffer_slice(&r->to), &host, &metric);
    int err = settings_read(buffer_slice(&r->settings), &settings, labels, &count);
    if (err == 0)
        err = ingest_series(r->deps->ingest, r->environment, host, metric, RECORD_SERIES_EITHER,
                            &settings, labels, count, declaration_stored, r);
    if (err != 0)
        fail_by(r, err, error_text(err));
}

/* ---- looking ---- */

static void target_looked(struct renaming *r, const union query_result *result)
{
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

static void source_looked(struct renaming *r, const union query_result *result)
{
    const struct result_info *info = &result->info;
    r->declared = info->key.declared;
    int err = !r->declared ? 0
                           : settings_write(&r->settings, &info->key.settings, info->labels,
                                            info->labels_count);
    if (err == 0)
        err = r->settings.error;
    if (err != 0) {
        fail_by(r, err, error_text(err));
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
        ask(r, QUERY_EXISTS, buffer_slice(&r->to), 0, target_looked);
    }
}

static void gone(void *arg)
{
    struct renaming *r = arg;
    r->gone = true;
    if (r->moves)
        erasing_stop(&r->moving);
    else if (r->reading)
        (void)!query_kill(r->deps->query, r->query_id);
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
    r->deps = call->deps;
    r->environment = call->environment;
    r->client = session_id(call->session);
    r->command = command;
    r->nx = nx;
    slot_on_gone(r->slot, gone, r);
    ask(r, QUERY_INFO, buffer_slice(&r->from), after, source_looked);
}

void write_rename(struct command_call *call)
{
    begin(call, "RENAME", false);
}

void write_renamenx(struct command_call *call)
{
    begin(call, "RENAMENX", true);
}
