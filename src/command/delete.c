#include "base/error.h"
#include "base/number.h"
#include "command/erase.h"
#include "command/handlers.h"
#include "command/read_request.h"
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

/* ---- TS.DEL ---- */

struct deletion {
    struct erasing erasing;
    struct slot *slot;
    struct buffer key;
};

static void deletion_done(struct erasing *e, const char *word, const char *what)
{
    struct deletion *d = CONTAINER_OF(e, struct deletion, erasing);
    if (word != NULL)
        resp_error_printf(slot_reply(d->slot),
                          "%s %s; %" PRIu64
                          " points are deleted so far, sending it again is harmless",
                          word, what, e->erased);
    else if (!e->known)
        resp_error(slot_reply(d->slot), SLICE_LIT("ERR TSDB: the key does not exist"));
    else
        resp_integer(slot_reply(d->slot), (int64_t)e->erased);
    slot_send(d->slot);
    buffer_fini(&d->key);
    free(d);
}

static void deletion_gone(void *arg)
{
    erasing_stop(&((struct deletion *)arg)->erasing);
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
    uint64_t after = call_after(call);
    d->slot = d->key.error == 0 ? call_defer_blocking(call) : NULL;
    if (d->slot == NULL) {
        if (d->key.error != 0)
            resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        buffer_fini(&d->key);
        free(d);
        return;
    }
    d->erasing = (struct erasing){.deps = call->deps,
                                  .environment = call->environment,
                                  .command = "TS.DEL",
                                  .client = session_id(call->session),
                                  .key = buffer_slice(&d->key),
                                  .from_ms = from_ms,
                                  .to_ms = to_ms < INT64_MAX ? to_ms + 1 : INT64_MAX,
                                  .done = deletion_done};
    slot_on_gone(d->slot, deletion_gone, d);
    erasing_start(&d->erasing, after);
}

/* ---- DEL, UNLINK ----
 *
 * Key by key: is it there? its points are erased, then what is declared of it is dropped, behind
 * them in the log. The reply waits until this process has applied that: who writes the key next
 * finds it gone. */

enum { REMOVAL_KEYS_MAX = 1000 };

struct removal {
    struct erasing erasing;
    const struct command_deps *deps;
    const struct tenant_environment *environment;
    struct slot *slot;
    uint64_t client;
    uint64_t query_id;
    bool reading;
    bool gone;
    bool declared; /* the key at hand is */
    int64_t removed;
    uint64_t applied; /* what the reply waits for */
    uint32_t at, count;
    struct slice *keys; /* their texts are in the same memory */
};

static void removal_next(struct removal *r);

static void removal_end(struct removal *r)
{
    slot_send(r->slot);
    free(r->keys);
    free(r);
}

static void removal_fail(struct removal *r, const char *word, const char *what)
{
    resp_error_printf(slot_reply(r->slot),
                      "%s %s; %" PRId64 " of %" PRIu32
                      " keys are removed so far, sending it again is harmless",
                      word, what, r->removed, r->count);
    removal_end(r);
}

static void removal_ask(struct removal *r, enum query_what what, uint64_t after, query_done *done)
{
    struct query_spec spec = {.what = what,
                              .command = "DEL",
                              .environment = r->environment,
                              .client = r->client,
                              .after = after,
                              .keys = &r->keys[r->at < r->count ? r->at : 0],
                              .keys_count = 1,
                              .to_ms = INT64_MAX};
    r->reading = true;
    int err = query_submit(r->deps->query, &spec, done, r, &r->query_id);
    if (err == 0)
        return;
    r->reading = false;
    removal_fail(r, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
}

static bool removal_answered(struct removal *r, const struct query_answer *answer)
{
    r->reading = false;
    if (answer->status == 0)
        return true;
    removal_fail(r, answer->status == LT_EBUSY ? "BUSY" : "ERR", answer->why);
    return false;
}

static void dropped(void *arg, const struct ingest_written *written)
{
    struct removal *r = arg;
    const struct log_report *report = written->report;
    if (report->outcome != LOG_STORED) {
        removal_fail(
            r, report->outcome == LOG_FAILED ? "KAFKA failed:" : "KAFKA unknown:", report->reason);
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
    int err = ingest_drop(r->deps->ingest, r->environment, host, metric, dropped, r);
    if (err != 0)
        removal_fail(r, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
}

static void removal_looked(void *arg, const struct query_answer *answer)
{
    struct removal *r = arg;
    union query_result *result = answer->result;
    if (!removal_answered(r, answer))
        return;
    bool known = result->keys.keys[0].known;
    r->declared = result->keys.keys[0].declared;
    query_result_free(&result);
    if (!known) {
        r->at++;
        removal_next(r);
        return;
    }
    r->erasing = (struct erasing){.deps = r->deps,
                                  .environment = r->environment,
                                  .command = "DEL",
                                  .client = r->client,
                                  .key = r->keys[r->at],
                                  .to_ms = INT64_MAX,
                                  .done = removal_erased,
                                  .gone = r->gone};
    erasing_start(&r->erasing, ingest_acked(r->deps->ingest, r->environment->partition));
}

static void removal_settled(void *arg, const struct query_answer *answer)
{
    struct removal *r = arg;
    union query_result *result = answer->result;
    if (!removal_answered(r, answer))
        return;
    query_result_free(&result);
    resp_integer(slot_reply(r->slot), r->removed);
    removal_end(r);
}

static void removal_next(struct removal *r)
{
    if (r->at < r->count && !r->gone)
        removal_ask(r, QUERY_EXISTS, ingest_acked(r->deps->ingest, r->environment->partition),
                    removal_looked);
    else
        removal_ask(r, QUERY_DECLARED, r->applied, removal_settled);
}

static void removal_gone(void *arg)
{
    struct removal *r = arg;
    r->gone = true;
    if (r->reading)
        (void)!query_kill(r->deps->query, r->query_id);
    else
        erasing_stop(&r->erasing);
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
    *r = (struct removal){.deps = call->deps,
                          .environment = call->environment,
                          .slot = slot,
                          .client = session_id(call->session),
                          .applied = call_after(call),
                          .count = count,
                          .keys = keys};
    slot_on_gone(slot, removal_gone, r);
    removal_next(r);
}
