#include "base/error.h"
#include "command/handlers.h"
#include "command/inquiry.h"
#include "command/read_request.h"
#include "command_table.h"
#include "ingest/control.h"

#include <stdlib.h>

/* FLUSHDB and FLUSHALL. Writes look at what is declared before the log has them: so the reply waits
 * until this process has applied the clear, and the session runs nothing before. */

struct flush {
    struct inquiry inquiry;
    struct slot *slot;
};

static void flush_end(struct flush *f)
{
    slot_send(f->slot);
    free(f);
}

static void flush_done(struct flush *f)
{
    resp_simple(slot_reply(f->slot), SLICE_LIT("OK"));
    flush_end(f);
}

static void flush_seen(void *arg, const union query_result *result)
{
    flush_done(arg);
}

/* The log has it: whether it could be waited for or not, it is done. */
static void flush_unseen(void *arg, const char *word, const char *what)
{
    flush_done(arg);
}

static void flush_stored(void *arg, const struct ingest_written *written)
{
    struct flush *f = arg;
    const struct slice any = SLICE_LIT("any");
    const struct query_spec spec =
        inquiry_spec(QUERY_DECLARED, &any, 1, written->report->offset + 1);
    if (written->report->outcome != LOG_STORED) {
        write_reply_not_stored(slot_reply(f->slot), written->report, true);
        flush_end(f);
    } else if (f->inquiry.deps->query == NULL) {
        flush_done(f);
    } else {
        inquiry_ask(&f->inquiry, spec, flush_seen, flush_unseen, f);
    }
}

/* ASYNC and SYNC are the same: what is gone is gone for every read behind the reply, and the disk
 * space comes back in time. */
void write_flush(struct command_call *call)
{
    if (call->argc == 2 && !slice_ieq_str(call->argv[1], "ASYNC") &&
        !slice_ieq_str(call->argv[1], "SYNC")) {
        resp_error_printf(call->reply, "ERR syntax error, expected: %s; nothing is deleted",
                          call->spec->syntax);
        return;
    }
    if (session_writes_pending(call->session)) { /* those that are still to be decided go as well */
        call_again_after_writes(call);
        return;
    }
    struct flush *f = malloc(sizeof(*f));
    if (f == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is deleted"));
        return;
    }
    *f = (struct flush){.inquiry = inquiry_of(call, "FLUSHDB"), .slot = call_defer_blocking(call)};
    if (f->slot == NULL) {
        free(f);
        return;
    }
    int err = ingest_clear(call->deps->ingest, call->environment, flush_stored, f);
    if (err != 0) {
        write_reply_refused(slot_reply(f->slot), call->deps->options, err);
        flush_end(f);
    }
}
