#include "base/error.h"
#include "base/number.h"
#include "command/erase.h"
#include "command/handlers.h"
#include "command/read_request.h"
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
        err = rule_append(d->inquiry.deps, d->inquiry.environment, buffer_slice(&d->key), &rule,
                          deletion_hidden, d);
    if (err != 0)
        deletion_fail(d, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
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
 * Key by key: is it there? what its rules have computed is written down in their destinations; its
 * points are erased, then what is declared of it is dropped, behind them in the log. The reply
 * waits until this process has applied that: who writes the key next finds it gone. */

enum { REMOVAL_KEYS_MAX = 1000 };

struct removal {
    struct inquiry inquiry;
    struct erasing erasing;
    struct slot *slot;
    bool declared; /* the key at hand is */
    int64_t removed;
    uint64_t applied; /* what the reply waits for */
    uint32_t at, count;
    struct slice *keys;         /* their texts are in the same memory */
    struct slice *destinations; /* of the key at hand; likewise */
    uint32_t destinations_at, destinations_count;
};

static void removal_next(struct removal *r);

static void removal_end(struct removal *r)
{
    slot_send(r->slot);
    free(r->destinations);
    free(r->keys);
    free(r);
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

static void removal_ask(struct removal *r, enum query_what what, uint64_t after,
                        inquiry_found *found)
{
    const struct slice *key = &r->keys[r->at < r->count ? r->at : 0];
    inquiry_ask(&r->inquiry, inquiry_spec(what, key, 1, after), found, removal_fail, r);
}

static void dropped(void *arg, const struct ingest_written *written)
{
    struct removal *r = arg;
    const struct log_report *report = written->report;
    if (report->outcome != LOG_STORED) {
        removal_fail(r, write_not_stored_word(report), report->reason);
        return;
    }
    r->applied = report->offset + 1;
    r->removed++;
    r->at++;
    removal_next(r);
}

static void removal_erased(struct erasing *e, const char *word, const char *what)
{
    struct removal *r = CONTAINER_OF(e, struct removal, erasing);
    struct slice host, metric;
    if (word != NULL) {
        removal_fail(r, word, what);
        return;
    }
    if (!r->declared) {
        r->removed++;
        r->at++;
        removal_next(r);
        return;
    }
    name_split_key(r->keys[r->at], &host, &metric);
    int err =
        ingest_drop(r->inquiry.deps->ingest, r->inquiry.environment, host, metric, dropped, r);
    if (err != 0)
        removal_fail(r, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
}

/* The keys and their texts, in one piece. */
static struct slice *copy_keys(const struct slice *keys, uint32_t count)
{
    size_t bytes = count * sizeof(keys[0]);
    for (uint32_t i = 0; i < count; i++)
        bytes += keys[i].n;
    struct slice *copy = malloc(bytes);
    char *text = copy == NULL ? NULL : (char *)(copy + count);
    for (uint32_t i = 0; text != NULL && i < count; i++) {
        memcpy(text, keys[i].p, keys[i].n);
        copy[i] = slice_make(text, keys[i].n);
        text += keys[i].n;
    }
    return copy;
}

static void removal_erase(struct removal *r, struct slice key, enum erasing_way way,
                          void (*then)(struct erasing *e, const char *word, const char *what))
{
    r->erasing = (struct erasing){
        .inquiry = &r->inquiry, .key = key, .to_ms = INT64_MAX, .way = way, .done = then};
    erasing_start(&r->erasing);
}

static void removal_keep(struct removal *r);

static void removal_kept(struct erasing *e, const char *word, const char *what)
{
    struct removal *r = CONTAINER_OF(e, struct removal, erasing);
    if (word != NULL) {
        removal_fail(r, word, what);
        return;
    }
    r->destinations_at++;
    removal_keep(r);
}

/* What the rules of a source have computed stays in their destinations. */
static void removal_keep(struct removal *r)
{
    if (r->destinations_at < r->destinations_count)
        removal_erase(r, r->destinations[r->destinations_at], ERASING_KEEP, removal_kept);
    else
        removal_erase(r, r->keys[r->at], ERASING_ERASE, removal_erased);
}

static bool removal_take_destinations(struct removal *r, const struct result_key *key)
{
    struct slice *destinations = NULL;
    free(r->destinations);
    r->destinations = NULL;
    r->destinations_at = r->destinations_count = 0;
    if (key->rules_count == 0)
        return true;
    destinations = malloc(key->rules_count * sizeof(*destinations));
    for (uint32_t i = 0; destinations != NULL && i < key->rules_count; i++)
        destinations[i] = key->rules[i].destination;
    r->destinations = destinations == NULL ? NULL : copy_keys(destinations, key->rules_count);
    free(destinations);
    r->destinations_count = key->rules_count;
    return r->destinations != NULL;
}

static void removal_looked(void *arg, const union query_result *result)
{
    struct removal *r = arg;
    const struct result_key *key = &result->keys.keys[0];
    r->declared = key->declared;
    if (!removal_take_destinations(r, key)) {
        removal_fail(r, "ERR", "out of memory");
    } else if (key->known) {
        removal_keep(r);
    } else {
        r->at++;
        removal_next(r);
    }
}

static void removal_settled(void *arg, const union query_result *result)
{
    struct removal *r = arg;
    resp_integer(slot_reply(r->slot), r->removed);
    removal_end(r);
}

static void removal_next(struct removal *r)
{
    const struct inquiry *q = &r->inquiry;
    if (r->at < r->count)
        removal_ask(r, QUERY_EXISTS, ingest_acked(q->deps->ingest, q->environment->partition),
                    removal_looked);
    else
        removal_ask(r, QUERY_DECLARED, r->applied, removal_settled);
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
    struct removal *r = calloc(1, sizeof(*r));
    struct slice *keys = copy_keys(call->argv + 1, count);
    struct slot *slot = r == NULL || keys == NULL ? NULL : call_defer_blocking(call);
    if (slot == NULL) {
        if (r == NULL || keys == NULL)
            resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        free(keys);
        free(r);
        return;
    }
    *r = (struct removal){.inquiry = inquiry_of(call, "DEL"),
                          .slot = slot,
                          .applied = call_after(call),
                          .count = count,
                          .keys = keys};
    slot_on_gone(slot, inquiry_gone, &r->inquiry);
    removal_next(r);
}
