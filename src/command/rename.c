#include "base/error.h"
#include "base/failpoint.h"
#include "command/decide.h"
#include "command/erase.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command/remove.h"
#include "command/rule.h"
#include "command_table.h"
#include "ingest/control.h"
#include "model/name.h"

#include <stdlib.h>

/* RENAME and RENAMENX (docs/adr/0026-rename.md). Numbers of names are shared between series
 * (docs/adr/0004), so a series takes a new name by a copy of its points:
 *
 *   look at both --> remove what has the new name --> mark the new name: its points come -->
 *     copy all points --> mark it: all are there; its settings and labels are the old one's -->
 *     move what was copied, and what came meanwhile --> let the old one's rules follow -->
 *     drop the old one --> take the mark away --> reply
 *
 * Nothing of the old series is taken away before the second mark stands, behind all points in the
 * log; from then on every point stands under the new name, or comes there. So whenever this ends in
 * between, the same command, sent again, does what is left: behind the second mark it goes on, and
 * up to there it begins anew. Each step waits until this process has applied the one before. */

enum { RULES_AGAIN_MAX = 10 }; /* whoever makes rules all the time is not waited for */

struct renaming {
    struct inquiry inquiry;
    struct claim claim; /* on both; its epoch is in all records */
    struct slot *slot;
    uint64_t after; /* what the first look must see */
    bool nx;
    struct buffer from, to; /* keys, as name_join_key gives them */
    struct buffer settings; /* settings_write, with the mark */
    bool known, declared;   /* the old one is, */
    uint64_t created;       /* ... since */
    inquiry_found *declared_then;
    uint32_t rules_left, rules_again;
    struct removing removing;
    struct erasing moving;
};

static void renaming_free(struct renaming *r)
{
    buffer_fini(&r->from);
    buffer_fini(&r->to);
    buffer_fini(&r->settings);
    if (r->claim.held)
        claims_let_go(decide_claims(r->inquiry.deps->decide), &r->claim);
    free(r);
}

static void end(struct renaming *r)
{
    slot_send(r->slot);
    renaming_free(r);
}

static void fail(void *arg, const char *word, const char *what)
{
    struct renaming *r = arg;
    resp_error_printf(slot_reply(r->slot),
                      "%s %s; points may stand under both keys, send it again: it goes on", word,
                      what);
    end(r);
}

static void fail_by(struct renaming *r, int err)
{
    fail(r, write_refused_word(err), error_text(err));
}

static void ask(struct renaming *r, enum query_what what, const struct buffer *key, uint64_t after,
                inquiry_found *found)
{
    const struct slice name = buffer_slice(key);
    inquiry_ask(&r->inquiry, inquiry_spec(what, &name, 1, after), found, fail, r);
}

/* renamed: RENAMENX' reply. */
static void answer(struct renaming *r, int64_t renamed)
{
    if (r->nx)
        resp_integer(slot_reply(r->slot), renamed);
    else
        resp_simple(slot_reply(r->slot), SLICE_LIT("OK"));
    end(r);
}

static bool is_stored(struct renaming *r, const struct ingest_written *written)
{
    if (written->report->outcome == LOG_STORED)
        return true;
    fail(r, write_not_stored_word(written->report), written->report->reason);
    return false;
}

/* ---- behind the mark ---- */

static bool is_marked(const struct renaming *r, const struct result_key *to, bool whole)
{
    return to->declared && to->settings.moving == settings_moving(buffer_slice(&r->from), whole);
}

static void done(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    if (is_marked(r, &result->keys.keys[0], true))
        fail(r, "ERR", CLAIM_LOST);
    else
        answer(r, 1);
}

static void declaration_stored(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        ask(r, QUERY_DECLARED, &r->to, written->report->offset + 1, r->declared_then);
}

/* A declaration of the new key, and what to do when this process has applied it. */
static void declare(struct renaming *r, enum record_series_way way, const struct settings *settings,
                    const struct label *labels, uint32_t count, inquiry_found *then)
{
    const struct inquiry *q = &r->inquiry;
    struct slice host, metric;
    failpoint("rename.mark");
    r->declared_then = then;
    name_split_key(buffer_slice(&r->to), &host, &metric);
    int err = ingest_series(q->deps->ingest, q->environment, r->claim.epoch, host, metric, way,
                            settings, labels, count, declaration_stored, r);
    if (err != 0)
        fail_by(r, err);
}

static void unmark(struct renaming *r)
{
    struct settings settings = settings_none;
    settings.given = SETTINGS_MOVING;
    declare(r, RECORD_SERIES_ALTER, &settings, NULL, 0, done);
}

static void dropped(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    failpoint("rename.dropped");
    if (is_stored(r, written))
        unmark(r);
}

static void drop(struct renaming *r)
{
    const struct inquiry *q = &r->inquiry;
    struct slice host, metric;
    name_split_key(buffer_slice(&r->from), &host, &metric);
    int err =
        ingest_drop(q->deps->ingest, q->environment, r->claim.epoch, host, metric, dropped, r);
    if (err != 0)
        fail_by(r, err);
}

static void rules_looked(void *arg, const union query_result *result);

static void rule_followed(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        ask(r, QUERY_DECLARED, &r->from, written->report->offset + 1, rules_looked);
}

/* One at a time: they are few. The declaration keeps what the record does not say. */
static void rules_looked(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    const struct result_key *from = &result->keys.keys[0];
    if (!from->declared) {
        unmark(r);
    } else if (from->rules_count == 0) {
        drop(r);
    } else if (from->rules_count >= r->rules_left && r->rules_again++ == RULES_AGAIN_MAX) {
        fail(r, "BUSY", "rules are made all the time");
    } else {
        r->rules_left = from->rules_count;
        struct rule rule = {.source = buffer_slice(&r->to),
                            .aggregator = (uint8_t)from->rules[0].aggregator,
                            .bucket_ms = from->rules[0].bucket_ms,
                            .align_ms = from->rules[0].align_ms};
        int err = rule_append(r->inquiry.deps, r->inquiry.environment, r->claim.epoch,
                              from->rules[0].destination, &rule, rule_followed, r);
        if (err != 0)
            fail_by(r, err);
    }
}

static void moved(struct erasing *e, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(e, struct renaming, moving);
    if (word != NULL)
        fail(r, word, what);
    else
        ask(r, QUERY_DECLARED, &r->from, 0, rules_looked);
}

static void move(struct renaming *r, enum erasing_way way,
                 void (*then)(struct erasing *e, const char *word, const char *what))
{
    r->moving = (struct erasing){.inquiry = &r->inquiry,
                                 .key = buffer_slice(&r->from),
                                 .to = buffer_slice(&r->to),
                                 .way = way,
                                 .to_ms = INT64_MAX,
                                 .epoch = r->claim.epoch,
                                 .done = then};
    erasing_start(&r->moving);
}

/* ---- up to the mark ---- */

/* False: it is over. */
static bool mark_stands(struct renaming *r, const union query_result *result, bool whole)
{
    bool stands = is_marked(r, &result->keys.keys[0], whole);
    if (!stands)
        fail(r, "BUSY", "the new key was changed, or the partition has another owner");
    return stands;
}

static void marked_whole(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    if (mark_stands(r, result, true))
        move(r, ERASING_MOVE, moved);
}

static void copied(struct erasing *e, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(e, struct renaming, moving);
    struct settings settings;
    struct label labels[SETTINGS_LABELS_MAX];
    uint32_t count;
    if (word != NULL) {
        fail(r, word, what);
        return;
    }
    int err = settings_read(buffer_slice(&r->settings), &settings, labels, &count);
    if (err == 0)
        declare(r, RECORD_SERIES_ALTER, &settings, labels, count, marked_whole);
    else
        fail_by(r, err);
}

static void marked(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    if (mark_stands(r, result, false))
        move(r, ERASING_COPY, copied);
}

/* Without labels: nobody shall find both by a filter while points are copied. */
static void mark(struct renaming *r)
{
    struct settings settings = settings_none;
    settings.given = SETTINGS_MOVING;
    settings.moving = settings_moving(buffer_slice(&r->from), false);
    declare(r, RECORD_SERIES_CREATE, &settings, NULL, 0, marked);
}

static void source_stored(void *arg, const struct ingest_written *written)
{
    struct renaming *r = arg;
    if (is_stored(r, written))
        mark(r);
}

static void begin_mark(struct renaming *r)
{
    const struct inquiry *q = &r->inquiry;
    struct slice host, metric;
    if (r->declared) {
        mark(r);
        return;
    }
    name_split_key(buffer_slice(&r->from), &host, &metric);
    int err = ingest_series(q->deps->ingest, q->environment, r->claim.epoch, host, metric,
                            RECORD_SERIES_EITHER, &settings_none, NULL, 0, source_stored, r);
    if (err != 0)
        fail_by(r, err);
}

static void removed(struct removing *removing, const char *word, const char *what)
{
    struct renaming *r = CONTAINER_OF(removing, struct renaming, removing);
    if (word != NULL)
        fail(r, word, what);
    else
        begin_mark(r);
}

/* ---- looking ---- */

/* The old one is declared before the mark is made, and dropped before it is taken away: else what
 * has its name now is another one. */
static bool goes_on(const struct renaming *r, const struct result_key *to, bool whole)
{
    return is_marked(r, to, whole) && r->declared && r->created < to->created;
}

static void target_looked(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    const struct result_key *to = &result->keys.keys[0];
    if (goes_on(r, to, true)) {
        move(r, ERASING_MOVE, moved);
    } else if (r->nx && goes_on(r, to, false)) {
        move(r, ERASING_COPY, copied); /* what others wrote there meanwhile stays */
    } else if (!r->known && is_marked(r, to, true)) {
        unmark(r);
    } else if (!r->known) {
        resp_error(slot_reply(r->slot), SLICE_LIT("ERR no such key"));
        end(r);
    } else if (!to->known) {
        begin_mark(r);
    } else if (r->nx) {
        answer(r, 0);
    } else {
        r->removing = (struct removing){.inquiry = &r->inquiry,
                                        .key = buffer_slice(&r->to),
                                        .epoch = r->claim.epoch,
                                        .done = removed};
        removing_start(&r->removing);
    }
}

static void source_looked(void *arg, const union query_result *result)
{
    struct renaming *r = arg;
    const struct result_info *info = &result->info;
    struct settings settings = info->key.declared ? info->key.settings : settings_none;
    r->declared = info->key.declared;
    r->created = info->key.created;
    r->rules_left = UINT32_MAX;
    settings.given |= SETTINGS_MOVING;
    settings.moving = settings_moving(buffer_slice(&r->from), true);
    r->known = info->key.known;
    int err = settings_write(&r->settings, &settings, info->labels, info->labels_count);
    if (err == 0)
        err = r->settings.error;
    if (err != 0)
        fail_by(r, err);
    else if (r->known && slice_eq(buffer_slice(&r->from), buffer_slice(&r->to)))
        answer(r, 0);
    else
        ask(r, QUERY_EXISTS, &r->to, 0, target_looked);
}

static void claimed(struct claim *claim, int err)
{
    struct renaming *r = CONTAINER_OF(claim, struct renaming, claim);
    if (err == 0) {
        ask(r, QUERY_INFO, &r->from, r->after, source_looked);
        return;
    }
    if (err == LT_ETIMEOUT)
        resp_error(slot_reply(r->slot),
                   SLICE_LIT("BUSY another command renames one of the keys, or this process has "
                             "only just become their owner: nothing is renamed; try again"));
    else
        decide_reply_refused(slot_reply(r->slot), err);
    end(r);
}

static void begin(struct command_call *call, const char *command, bool nx)
{
    if (!read_check_key(call, call->argv[1]) || !read_check_key(call, call->argv[2]))
        return;
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    if (call->deps->decide == NULL) {
        decide_reply_refused(call->reply, LT_EFENCED);
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
    r->after = call_after(call);
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
    r->claim = (struct claim){.environment = call->environment,
                              .keys = {buffer_slice(&r->from), buffer_slice(&r->to)},
                              .granted = claimed};
    claims_take(decide_claims(call->deps->decide), &r->claim);
}

void write_rename(struct command_call *call)
{
    begin(call, "RENAME", false);
}

void write_renamenx(struct command_call *call)
{
    begin(call, "RENAMENX", true);
}
