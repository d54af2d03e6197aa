#include "base/error.h"
#include "base/number.h"
#include "command/erase.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command/remove.h"
#include "command/rule.h"
#include "command_table.h"
#include "model/name.h"

#include <inttypes.h>
#include <stdlib.h>

/* TS.DEL key from to; DEL and UNLINK key [key ...]. */

static bool may_delete(struct command_call *call)
{
    if (call->deps->query != NULL)
        return true;
    resp_error_printf(call->reply,
                      "ERR '%s' reads what it deletes: ask a process that has the role query too",
                      call->spec->name);
    return false;
}

/* ---- TS.DEL ----
 *
 * Of a rule's destination, first: which rows are there, its own and computed ones? Its own are
 * erased as any series' are; the computed ones are hidden, by the rule. */

struct deletion {
    struct inquiry inquiry;
    struct erasing erasing;
    struct slot *slot;
    struct buffer key;
    struct buffer rule; /* of a destination: as it was before */
    uint64_t rows;
    struct rule_hidden hides; /* computed rows of the range; hides_any: there are some */
    bool hides_any;
};

static void deletion_free(struct deletion *d)
{
    buffer_fini(&d->key);
    buffer_fini(&d->rule);
    free(d);
}

static void deletion_end(struct deletion *d)
{
    slot_send(d->slot);
    deletion_free(d);
}

static void deletion_fail(void *arg, const char *word, const char *what)
{
    struct deletion *d = arg;
    resp_error_printf(slot_reply(d->slot),
                      "%s %s; %" PRIu64 " points are deleted so far, sending it again is harmless",
                      word, what, d->erasing.erased);
    deletion_end(d);
}

static void deletion_ask(struct deletion *d, enum query_what what, uint64_t after,
                         inquiry_found *found)
{
    const struct slice key = buffer_slice(&d->key);
    struct query_spec spec = inquiry_spec(what, &key, 1, after);
    spec.from_ms = d->erasing.from_ms;
    spec.to_ms = d->erasing.to_ms;
    inquiry_ask(&d->inquiry, spec, found, deletion_fail, d);
}

/* The rule may have gone meanwhile: then its rows have, too. */
static void deletion_settled(void *arg, const union query_result *result)
{
    struct deletion *d = arg;
    struct slice now = result->keys.keys[0].settings.rule;
    struct rule before, rule;
    bool same = now.n > 0 && rule_read(now, &rule) == 0 &&
                rule_read(buffer_slice(&d->rule), &before) == 0 && rule_same(&rule, &before);
    if (same && !rule_hides_all(&rule, d->hides)) {
        deletion_fail(d, "ERR",
                      "TSDB: a rule's destination has too many gaps: delete a range that "
                      "joins some of them");
        return;
    }
    resp_integer(slot_reply(d->slot), (int64_t)d->rows);
    deletion_end(d);
}

static void deletion_hidden(void *arg, const struct ingest_written *written)
{
    struct deletion *d = arg;
    const struct log_report *report = written->report;
    if (report->outcome == LOG_STORED)
        deletion_ask(d, QUERY_DECLARED, report->offset + 1, deletion_settled);
    else
        deletion_fail(d, write_not_stored_word(report), report->reason);
}

static void deletion_hide(struct deletion *d)
{
    struct rule rule;
    int err = rule_read(buffer_slice(&d->rule), &rule);
    rule.hidden_count = 1;
    rule.hidden[0] = d->hides;
    if (err == 0)
        err = rule_append(d->inquiry.deps, d->inquiry.environment, 0, buffer_slice(&d->key), &rule,
                          deletion_hidden, d);
    if (err != 0)
        deletion_fail(d, write_refused_word(err), error_text(err));
}

static void deletion_done(struct erasing *e, const char *word, const char *what)
{
    struct deletion *d = CONTAINER_OF(e, struct deletion, erasing);
    if (word != NULL) {
        deletion_fail(d, word, what);
    } else if (d->hides_any) {
        deletion_hide(d);
    } else {
        if (e->known)
            resp_integer(slot_reply(d->slot), (int64_t)e->erased);
        else
            resp_error(slot_reply(d->slot), SLICE_LIT("ERR TSDB: the key does not exist"));
        deletion_end(d);
    }
}

static void deletion_counted(void *arg, const union query_result *result)
{
    struct deletion *d = arg;
    d->rows = result->points.count;
    d->hides_any = result->points.computed > 0;
    d->hides =
        (struct rule_hidden){result->points.computed_first_ms, result->points.computed_last_ms};
    erasing_start(&d->erasing);
}

static void deletion_looked(void *arg, const union query_result *result)
{
    struct deletion *d = arg;
    struct slice rule = result->keys.keys[0].settings.rule;
    buffer_append_slice(&d->rule, rule);
    if (d->rule.error != 0)
        deletion_fail(d, "ERR", error_text(d->rule.error));
    else if (rule.n > 0)
        deletion_ask(d, QUERY_POINTS, 0, deletion_counted);
    else
        erasing_start(&d->erasing);
}

static bool take_time(struct command_call *call, uint32_t at, const char *open, int64_t at_open,
                      int64_t *out)
{
    struct slice text = call->argv[at];
    *out = at_open;
    if (slice_eq_str(text, open) || (number_parse_i64(text, out) == 0 && *out >= 0))
        return true;
    resp_error_printf(call->reply,
                      "ERR TSDB: wrong %s '%.*s': expected Unix milliseconds or %s; nothing is "
                      "deleted",
                      at == 2 ? "fromTimestamp" : "toTimestamp", READ_QUOTE(text), open);
    return false;
}

void write_ts_del(struct command_call *call)
{
    int64_t from_ms, to_ms;
    if (!read_check_key(call, call->argv[1]) || !take_time(call, 2, "-", 0, &from_ms) ||
        !take_time(call, 3, "+", INT64_MAX, &to_ms) || !may_delete(call))
        return;
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    struct deletion *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        return;
    }
    buffer_init(&d->key, 2 * NAME_BYTES_MAX + 1);
    buffer_append(&d->key, call->argv[1].p, call->argv[1].n);
    buffer_init(&d->rule, SIZE_MAX);
    uint64_t after = call_after(call);
    d->slot = d->key.error == 0 ? call_defer_blocking(call) : NULL;
    if (d->slot == NULL) {
        if (d->key.error != 0)
            resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        deletion_free(d);
        return;
    }
    d->inquiry = inquiry_of(call, "TS.DEL");
    d->erasing = (struct erasing){.inquiry = &d->inquiry,
                                  .key = buffer_slice(&d->key),
                                  .from_ms = from_ms,
                                  .to_ms = to_ms < INT64_MAX ? to_ms + 1 : INT64_MAX,
                                  .done = deletion_done};
    slot_on_gone(d->slot, inquiry_gone, &d->inquiry);
    deletion_ask(d, QUERY_DECLARED, after, deletion_looked);
}

/* ---- DEL, UNLINK ----
 *
 * Key by key. The reply waits until this process has applied that they are gone: who writes one of
 * them next finds it so. */

enum { REMOVAL_KEYS_MAX = 1000 };

struct removal {
    struct inquiry inquiry;
    struct removing removing; /* the key at hand */
    struct slot *slot;
    struct arena arena;
    int64_t removed;
    uint64_t applied; /* what the reply waits for */
    uint32_t at, count;
    struct slice *keys;
};

static void removal_next(struct removal *r);

static void removal_free(struct removal *r)
{
    arena_fini(&r->arena);
    free(r);
}

static void removal_end(struct removal *r)
{
    slot_send(r->slot);
    removal_free(r);
}

static void removal_fail(void *arg, const char *word, const char *what)
{
    struct removal *r = arg;
    resp_error_printf(slot_reply(r->slot),
                      "%s %s; %" PRId64 " of %" PRIu32
                      " keys are removed so far, sending it again is harmless",
                      word, what, r->removed, r->count);
    removal_end(r);
}

static void removal_done(struct removing *removing, const char *word, const char *what)
{
    struct removal *r = CONTAINER_OF(removing, struct removal, removing);
    if (word != NULL) {
        removal_fail(r, word, what);
        return;
    }
    r->removed += removing->known;
    r->applied = removing->applied > 0 ? removing->applied : r->applied;
    r->at++;
    removal_next(r);
}

static void removal_settled(void *arg, const union query_result *result)
{
    struct removal *r = arg;
    resp_integer(slot_reply(r->slot), r->removed);
    removal_end(r);
}

static void removal_next(struct removal *r)
{
    if (r->at == r->count) {
        inquiry_ask(&r->inquiry, inquiry_spec(QUERY_DECLARED, r->keys, 1, r->applied),
                    removal_settled, removal_fail, r);
        return;
    }
    r->removing =
        (struct removing){.inquiry = &r->inquiry, .key = r->keys[r->at], .done = removal_done};
    removing_start(&r->removing);
}

static struct removal *removal_create(const struct slice *keys, uint32_t count)
{
    struct removal *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    arena_init(&r->arena);
    r->count = count;
    r->keys = arena_alloc(&r->arena, count * sizeof(keys[0]), _Alignof(struct slice));
    bool copied = r->keys != NULL;
    for (uint32_t i = 0; copied && i < count; i++) {
        r->keys[i] = arena_copy(&r->arena, keys[i]);
        copied = r->keys[i].p != NULL;
    }
    if (copied)
        return r;
    removal_free(r);
    return NULL;
}

void write_del(struct command_call *call)
{
    uint32_t count = call->argc - 1;
    if (count > REMOVAL_KEYS_MAX) {
        resp_error_printf(call->reply,
                          "ERR %" PRIu32 " keys: expected at most %d a command; nothing is deleted",
                          count, REMOVAL_KEYS_MAX);
        return;
    }
    for (uint32_t i = 1; i < call->argc; i++)
        if (!read_check_key(call, call->argv[i]))
            return;
    if (!may_delete(call))
        return;
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    struct removal *r = removal_create(call->argv + 1, count);
    if (r == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        return;
    }
    r->slot = call_defer_blocking(call);
    if (r->slot == NULL) {
        removal_free(r);
        return;
    }
    r->inquiry = inquiry_of(call, "DEL");
    r->applied = call_after(call);
    slot_on_gone(r->slot, inquiry_gone, &r->inquiry);
    removal_next(r);
}
