#include "base/error.h"
#include "base/number.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command_table.h"
#include "model/name.h"

#include <inttypes.h>
#include <stdlib.h>

/* TS.DEL key from to: reads which points there are, and appends an erasing one over each
 * (POLICY_ERASE, model/kind.h). So a deletion is a write like any other: it has its place in the
 * log, is acknowledged by the log's report, and a point that is added later at the same time
 * stands.
 *
 *   read up to DELETE_POINTS_MAX points --> append that many erasing points --> report
 *     ^------------------------- until there are no more -------------------------'
 *
 * What another client adds to the range meanwhile may be deleted or not: the two are concurrent. */

enum { DELETE_POINTS_MAX = 20000 }; /* about 500 KB of record */

struct deletion {
    const struct command_deps *deps;
    const struct tenant_environment *environment;
    struct slot *slot;
    uint64_t client;
    uint64_t query_id;
    bool reading; /* a query is in flight; else the log's report is awaited, or all is done */
    bool gone;
    int64_t from_ms, to_ms; /* [from, to) of what is left */
    int64_t next_ms;        /* after the points that are being erased */
    uint32_t erasing;
    bool more;
    uint64_t deleted;
    struct buffer key;
};

static void deletion_end(struct deletion *d)
{
    slot_send(d->slot);
    buffer_fini(&d->key);
    free(d);
}

static void deletion_fail(struct deletion *d, const char *word, const char *what)
{
    resp_error_printf(slot_reply(d->slot),
                      "%s %s; %" PRIu64 " points are deleted so far, sending it again is harmless",
                      word, what, d->deleted);
    deletion_end(d);
}

static void delete_read(struct deletion *d, uint64_t after);

static void erased(void *arg, const struct ingest_written *written)
{
    struct deletion *d = arg;
    const struct log_report *report = written->report;
    if (report->outcome != LOG_STORED) {
        deletion_fail(
            d, report->outcome == LOG_FAILED ? "KAFKA failed:" : "KAFKA unknown:", report->reason);
        return;
    }
    d->deleted += d->erasing;
    d->from_ms = d->next_ms;
    if (d->more && !d->gone) {
        delete_read(d, ingest_acked(d->deps->ingest, d->environment->partition));
        return;
    }
    resp_integer(slot_reply(d->slot), (int64_t)d->deleted);
    deletion_end(d);
}

static int erase(struct deletion *d, const struct result_points *points)
{
    struct slice host, metric;
    name_split_key(buffer_slice(&d->key), &host, &metric);
    int err = ingest_begin(d->deps->ingest, d->environment);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < points->count && err == 0; i++)
        err = ingest_point(d->deps->ingest, false, host, metric, points->times_ms[i], 0,
                           POLICY_ERASE);
    if (err != 0)
        ingest_abort(d->deps->ingest);
    return err != 0 ? err : ingest_end(d->deps->ingest, erased, d);
}

static void found(void *arg, const struct query_answer *answer)
{
    struct deletion *d = arg;
    union query_result *result = answer->result;
    d->reading = false;
    if (answer->status != 0) {
        deletion_fail(d, answer->status == LT_EBUSY ? "BUSY" : "ERR", answer->why);
        return;
    }
    const struct result_points *points = &result->points;
    int err = 0;
    bool erasing = points->known && points->source.complete && points->count > 0;
    if (erasing) {
        d->erasing = points->count;
        d->more = points->count == DELETE_POINTS_MAX;
        d->next_ms = points->times_ms[points->count - 1] + 1;
        err = erase(d, points);
    } else if (!points->known && d->deleted == 0) {
        resp_error(slot_reply(d->slot), SLICE_LIT("ERR TSDB: the key does not exist"));
    } else {
        resp_integer(slot_reply(d->slot), (int64_t)d->deleted);
    }
    query_result_free(&result);
    if (err != 0)
        deletion_fail(d, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
    else if (!erasing)
        deletion_end(d);
}

static void delete_read(struct deletion *d, uint64_t after)
{
    struct slice key = buffer_slice(&d->key);
    struct query_spec spec = {.what = QUERY_POINTS,
                              .command = "TS.DEL",
                              .environment = d->environment,
                              .client = d->client,
                              .after = after,
                              .keys = &key,
                              .keys_count = 1,
                              .from_ms = d->from_ms,
                              .to_ms = d->to_ms,
                              .limit = DELETE_POINTS_MAX};
    int err = query_submit(d->deps->query, &spec, found, d, &d->query_id);
    d->reading = err == 0;
    if (err != 0)
        deletion_fail(d, err == LT_EBUSY ? "BUSY" : "ERR", error_text(err));
}

/* The client hung up. What is with the log already will be done. */
static void deletion_gone(void *arg)
{
    struct deletion *d = arg;
    d->gone = true;
    if (d->reading)
        (void)!query_kill(d->deps->query, d->query_id);
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
        !take_time(call, 3, "+", INT64_MAX, &to_ms))
        return;
    if (call->deps->query == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR TS.DEL reads what it deletes: ask a process that "
                                          "has the role query too"));
        return;
    }
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    struct deletion *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        return;
    }
    *d = (struct deletion){.deps = call->deps,
                           .environment = call->environment,
                           .client = session_id(call->session),
                           .from_ms = from_ms,
                           .to_ms = to_ms < INT64_MAX ? to_ms + 1 : INT64_MAX};
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
    slot_on_gone(d->slot, deletion_gone, d);
    delete_read(d, after);
}
