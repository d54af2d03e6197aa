#include "command/session.h"

#include "base/error.h"
#include "base/logger.h"

#include <assert.h>
#include <stdlib.h>

/* What the edges mean stands beside the states in session.h. */
static void set_state(struct session *session, enum session_state to)
{
    enum {
        WAITS = 1 << SESSION_WAITS_REPLY | 1 << SESSION_WAITS_WRITES | 1 << SESSION_WAITS_DECLARED |
                1 << SESSION_WAITS_ROOM,
        ENDS = 1 << SESSION_DRAINING | 1 << SESSION_CLOSING | 1 << SESSION_GONE,
    };
    static const unsigned allowed[] = {
        [SESSION_OPEN] = WAITS | ENDS,
        [SESSION_WAITS_REPLY] = 1 << SESSION_OPEN | ENDS,
        [SESSION_WAITS_WRITES] = 1 << SESSION_OPEN | ENDS,
        [SESSION_WAITS_DECLARED] = 1 << SESSION_OPEN | ENDS,
        [SESSION_WAITS_ROOM] = 1 << SESSION_OPEN | ENDS,
        [SESSION_DRAINING] = 1 << SESSION_CLOSING | 1 << SESSION_GONE,
        [SESSION_CLOSING] = 1 << SESSION_GONE,
        [SESSION_GONE] = 0,
    };
    assert((allowed[session->state] & 1u << to) != 0);
    session->all->wait_declared -= session->state == SESSION_WAITS_DECLARED;
    session->all->wait_declared += to == SESSION_WAITS_DECLARED;
    session->state = to;
}

int session_create(struct sessions *all, struct conn *conn, struct session **out)
{
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return LT_ENOMEM;
    session->all = all;
    session->conn = conn;
    session->id = ++all->next_id;
    resp_parser_init(&session->parser);
    replies_init(&session->replies, &all->slots);
    list_init(&session->answered);
    session->previous = all->last;
    if (all->last != NULL)
        all->last->next = session;
    else
        all->first = session;
    all->last = session;
    all->count++;
    all->connections++;
    session_reset(session);
    *out = session;
    return 0;
}

/* Frees the session when nothing refers to it any more: connection, slots, and the frames of
 * session_input. */
static void release(struct session *session)
{
    if (session->state != SESSION_GONE || session->replies.open > 0 || session->running)
        return;
    resp_parser_fini(&session->parser);
    replies_fini(&session->replies);
    transaction_destroy(&session->queueing);
    transaction_destroy(&session->executing);
    free(session);
}

void session_authenticated(struct session *session, const struct tenant_environment *environment)
{
    session->environment = environment;
    conn_trust(session->conn);
}

void session_reset(struct session *session)
{
    const struct tenant *tenant = session->all->deps->tenant;
    transaction_destroy(&session->queueing);
    watch_forget(session);
    session->version = 2;
    session->name[0] = '\0';
    session->environment = NULL;
    if (!tenant_needs_password(tenant))
        session_authenticated(session, tenant_default(tenant));
}

bool session_set_text(char out[SESSION_NAME_BYTES_MAX + 1], struct slice text)
{
    if (text.n > SESSION_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '!' || text.p[i] > '~') /* it stands in a line of CLIENT LIST */
            return false;
    if (text.n > 0)
        memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    return true;
}

void session_close(struct session *session, const char *why)
{
    if (session->state >= SESSION_CLOSING)
        return;
    set_state(session, SESSION_CLOSING);
    conn_close(session->conn, why, false);
}

/* Hands the replies that are due to the connection. */
static void flush(struct session *session)
{
    struct replies *replies = &session->replies;
    if (session->state >= SESSION_CLOSING) {
        buffer_reset(&replies->out, 0);
        return;
    }
    size_t unread = replies->out.len + replies->held_bytes + conn_output_bytes(session->conn);
    if (replies->failed || unread > session->all->output_bytes_max) {
        session->all->cut_slow++;
        session_close(session, "its replies take more than client-output-bytes-max");
        return;
    }
    if (replies->out.len > 0) {
        conn_write(session->conn, buffer_slice(&replies->out));
        buffer_reset(&replies->out, SESSION_KEPT_BYTES);
    }
    if (session->state == SESSION_DRAINING && replies->open == 0) {
        /* Waiting until the client has seen its last replies matters to one that is still sending;
         * one that has been quiet has seen them, and waiting for it would only hold up the end. */
        bool quiet = conn_output_bytes(session->conn) == 0 &&
                     conn_idle_ms(session->conn) >= SESSION_QUIET_MS;
        set_state(session, SESSION_CLOSING);
        conn_close(session->conn, "drained", !quiet);
    }
}

/* Tells the connection whether to read on. May call session_input. */
static void steer(struct session *session)
{
    bool blocked = session->state != SESSION_OPEN;
    if (session->state >= SESSION_CLOSING || blocked == session->conn_blocked)
        return;
    session->conn_blocked = blocked;
    conn_block(session->conn, blocked);
}

void session_drain(struct session *session, const char *why)
{
    if (session->state >= SESSION_DRAINING)
        return;
    log_debug("session", "%s %s: drains", conn_address(session->conn), why);
    set_state(session, SESSION_DRAINING);
    if (session->running)
        return;
    flush(session);
    steer(session);
}

bool session_runs_again(const struct session *session)
{
    return session->state == SESSION_WAITS_WRITES || session->state == SESSION_WAITS_DECLARED;
}

/* Runs what EXEC still has to run, up to a command that has to wait. */
static void execute(struct session *session)
{
    while (session->executing != NULL && session->state == SESSION_OPEN) {
        struct transaction *transaction = session->executing;
        if (transaction->next == transaction->commands.n) {
            transaction_destroy(&session->executing);
            return;
        }
        struct transaction_command *command = &transaction->commands.v[transaction->next++];
        dispatch_run(session, command->spec, command->argv, command->argc);
        if (session_runs_again(session))
            transaction->next--;
    }
}

/* Once for each command of the input. */
static void after_command(struct session *session)
{
    execute(session);
    if (session->state == SESSION_OPEN && session->replies.open >= SESSION_SLOTS_MAX)
        set_state(session, SESSION_WAITS_ROOM);
    if (session->replies.out.len >= SESSION_FLUSH_BYTES)
        flush(session);
}

static void refuse_input(struct session *session, const char *why)
{
    struct buffer *out = replies_begin(&session->replies);
    resp_error_printf((struct resp_writer){out, session->version}, "%s", why);
    replies_end(&session->replies);
    session->all->errors_protocol++;
    session_drain(session, why);
}

static const struct resp_limits *limits_of(const struct session *session)
{
    return &session->all->limits[session->environment != NULL];
}

/* Returns how many bytes are done with. */
static size_t run_input(struct session *session, struct slice input)
{
    size_t used = 0;
    while (session->state == SESSION_OPEN) {
        struct resp_command command;
        size_t skip = 0;
        const char *why = "ERR out of memory while the command was read";
        int status = resp_parse(&session->parser, slice_from(input, used), limits_of(session),
                                &command, &skip, &why);
        if (status == LT_EAGAIN)
            return used + skip;
        if (status != 0) {
            refuse_input(session, why);
            return input.n;
        }
        used += command.bytes;
        session->peeked = session->taken_bytes = 0;
        if (LIKELY(command.in_place))
            session->behind = slice_from(input, used);
        dispatch(session, command.argv, command.argc);
        session->behind = slice_upto(input, 0);
        if (session_runs_again(session) && session->executing == NULL)
            return used - command.bytes; /* the command stays, to be run again */
        used += session->taken_bytes;
        after_command(session);
    }
    return used;
}

long session_input(struct session *session, struct slice input)
{
    if (session->running || session->state != SESSION_OPEN)
        return 0;
    session->running = true;
    size_t used = run_input(session, input);
    flush(session);
    session->running = false;
    steer(session);
    return (long)used;
}

/* A slot was answered, from outside session_input. */
static void resume(struct session *session)
{
    session->running = true;
    execute(session);
    flush(session);
    session->running = false;
    steer(session);
}

void session_gone(struct session *session)
{
    struct sessions *all = session->all;
    set_state(session, SESSION_GONE);
    list_remove(&session->answered);
    session->conn = NULL;
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        all->first = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    else
        all->last = session->previous;
    all->count--;
    session->running = true; /* on_gone may answer the slot: the session stays until then */
    struct slot *blocking = session->blocking;
    if (blocking != NULL && blocking->on_gone != NULL)
        blocking->on_gone(blocking->arg);
    session->running = false;
    watch_forget(session);
    release(session);
}

/* ---- what handlers call ---- */

struct slot *call_defer(struct command_call *call)
{
    struct session *session = call->session;
    struct slot *slot = replies_open(&session->replies);
    if (slot == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, the command was not run"));
        return NULL;
    }
    call->deferred = true;
    slot->session = session;
    slot->spec = call->spec;
    slot->version = session->version;
    slot->writes = (call->spec->flags & COMMAND_WRITE) != 0;
    session->writes_pending += slot->writes;
    return slot;
}

const struct slice *call_peek(struct command_call *call, size_t *bytes_out)
{
    struct session *session = call->session;
    struct resp_command next;
    size_t skip;
    const char *why;
    if (session->behind.n <= session->peeked || session->executing != NULL)
        return NULL;
    int status = resp_parse(&session->parser, slice_from(session->behind, session->peeked),
                            limits_of(session), &next, &skip, &why);
    if (status != 0 || !next.in_place || next.argc != call->argc ||
        !slice_ieq(next.argv[0], call->spec->word)) {
        resp_parser_rewind(&session->parser); /* its own turn comes, and its errors */
        return NULL;
    }
    session->peeked += next.bytes;
    *bytes_out = session->peeked;
    return next.argv;
}

void call_take(struct command_call *call, struct slot *slot, uint32_t count, size_t bytes)
{
    slot->commands += count;
    call->session->taken = count;
    call->session->taken_bytes = bytes;
}

struct slot *call_defer_blocking(struct command_call *call)
{
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return NULL;
    call->session->blocking = slot;
    set_state(call->session, SESSION_WAITS_REPLY);
    return slot;
}

void slot_on_gone(struct slot *slot, void (*on_gone)(void *arg), void *arg)
{
    slot->on_gone = on_gone;
    slot->arg = arg;
}

struct resp_writer slot_reply(struct slot *slot)
{
    struct buffer *out = replies_compose(&slot->session->replies, slot);
    return (struct resp_writer){out, slot->version};
}

/* Is what the session waits for there? */
static bool may_go_on(const struct session *session)
{
    const struct command_deps *deps = session->all->deps;
    switch (session->state) {
    case SESSION_WAITS_REPLY:
        return session->blocking == NULL;
    case SESSION_WAITS_WRITES:
        return session->writes_pending == 0;
    case SESSION_WAITS_DECLARED:
        return deps->declares(deps->catalog_arg, session->environment->id) != DECLARES_SOON;
    case SESSION_WAITS_ROOM:
        return session->replies.open <= SESSION_SLOTS_MAX / 2;
    default:
        return false;
    }
}

void slot_send(struct slot *slot)
{
    struct session *session = slot->session;
    if (slot == session->blocking)
        session->blocking = NULL;
    session->writes_pending -= slot->writes;
    usage_reply(&session->all->usage, slot->spec, replies_composed(&session->replies, slot),
                slot->commands, false);
    replies_finish(&session->replies, slot);
    if (may_go_on(session))
        set_state(session, SESSION_OPEN);
    if (session->running)
        return;
    if (LIKELY(session->executing == NULL && session->state < SESSION_DRAINING &&
               session->replies.out.len < SESSION_FLUSH_BYTES)) {
        if (list_empty(&session->answered))
            list_append(&session->all->answered, &session->answered);
        steer(session);
        return;
    }
    resume(session);
    release(session);
}

void sessions_flush(struct sessions *all)
{
    while (!list_empty(&all->answered)) {
        struct session *session = CONTAINER_OF(all->answered.next, struct session, answered);
        list_remove(&session->answered);
        resume(session); /* nothing to release: who is gone is not in the list */
    }
}

void sessions_look(struct sessions *all)
{
    struct session *next;
    for (struct session *s = all->first; s != NULL && all->wait_declared > 0; s = next) {
        next = s->next;
        if (s->state != SESSION_WAITS_DECLARED || s->running || !may_go_on(s))
            continue;
        set_state(s, SESSION_OPEN);
        if (s->executing == NULL) {
            steer(s); /* its input is looked at in the next turn */
            continue;
        }
        resume(s);
        next = all->first; /* what EXEC runs may end other sessions */
    }
}

uint64_t call_after(const struct command_call *call)
{
    const struct ingest *ingest = call->deps->ingest;
    return ingest == NULL ? 0 : ingest_acked(ingest, call->environment->partition);
}

uint64_t session_id(const struct session *session)
{
    return session->id;
}

bool session_in_transaction(const struct session *session)
{
    return session->executing != NULL;
}

uint64_t session_decided_epoch(const struct session *session)
{
    return session->executing == NULL ? 0 : session->executing->epoch;
}

bool session_writes_pending(const struct session *session)
{
    return session->writes_pending > 0;
}

void call_again_after_writes(struct command_call *call)
{
    assert(call->session->writes_pending > 0);
    set_state(call->session, SESSION_WAITS_WRITES);
}

void call_again_when_declared(struct command_call *call)
{
    set_state(call->session, SESSION_WAITS_DECLARED);
}
