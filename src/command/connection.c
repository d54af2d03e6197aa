#include "base/number.h"
#include "command/module.h"
#include "command/session.h"
#include "command_table.h"

/* The commands about one's own connection: PING ECHO HELLO AUTH QUIT RESET SELECT. */

void connection_ping(struct command_call *call)
{
    if (call->argc > 2)
        resp_error_printf(call->reply,
                          "ERR wrong number of arguments for 'ping' command, expected: %s",
                          call->spec->syntax);
    else if (call->argc == 2)
        resp_bulk(call->reply, call->argv[1]);
    else
        resp_simple(call->reply, SLICE_LIT("PONG"));
}

void connection_echo(struct command_call *call)
{
    resp_bulk(call->reply, call->argv[1]);
}

/* Composes the refusal itself. A client that goes on guessing is cut: it has to pay a connection
 * for every few guesses, and the listener's limits apply to those. */
static bool authenticate(struct command_call *call, struct slice user, struct slice password)
{
    struct session *session = call->session;
    const struct tenant_environment *environment =
        tenant_authenticate(call->deps->tenant, user, password);
    if (environment != NULL) {
        session->auth_failures = 0;
        session_authenticated(session, environment);
        return true;
    }
    resp_error(call->reply,
               SLICE_LIT("WRONGPASS invalid username-password pair or user is disabled."));
    session->all->auth_failures++;
    if (++session->auth_failures >= SESSION_AUTH_FAILURES_MAX)
        session_drain(session, "too many wrong passwords");
    return false;
}

void connection_auth(struct command_call *call)
{
    if (call->argc > 3) {
        resp_error_printf(call->reply, "ERR syntax error, expected: %s", call->spec->syntax);
        return;
    }
    if (call->argc == 2 && !tenant_needs_password(call->deps->tenant)) {
        resp_error(call->reply,
                   SLICE_LIT("ERR AUTH <password> called without any password configured for the "
                             "default user. Are you sure your configuration is correct?"));
        return;
    }
    struct slice user = call->argc == 3 ? call->argv[1] : SLICE_LIT("default");
    if (authenticate(call, user, call->argv[call->argc - 1]))
        resp_simple(call->reply, SLICE_LIT("OK"));
}

static void compose_hello(struct command_call *call)
{
    struct session *session = call->session;
    struct resp_writer reply = {call->reply.out, session->version};
    resp_map(reply, 7);
    resp_bulk_str(reply, "server");
    /* Not "redis": clients turn on what they know of that server and its version. The level of
     * Redis that the protocol is compatible with is redis_version in INFO, where tools look for it.
     */
    resp_bulk_str(reply, "longtail");
    resp_bulk_str(reply, "version");
    resp_bulk_str(reply, call->deps->version);
    resp_bulk_str(reply, "proto");
    resp_integer(reply, session->version);
    resp_bulk_str(reply, "id");
    resp_integer(reply, (int64_t)session->id);
    resp_bulk_str(reply, "mode");
    resp_bulk_str(reply, "standalone");
    resp_bulk_str(reply, "role");
    resp_bulk_str(reply, "master");
    resp_bulk_str(reply, "modules");
    module_reply_list(reply, session->all->table);
}

void connection_hello(struct command_call *call)
{
    struct session *session = call->session;
    struct slice *argv = call->argv;
    uint32_t argc = call->argc;
    int64_t version = session->version;
    struct slice name = {NULL, 0}, user = {NULL, 0}, password = {NULL, 0};
    if (argc > 1 && number_parse_i64(argv[1], &version) != 0) {
        resp_error(
            call->reply,
            SLICE_LIT("ERR Protocol version is not an integer or out of range, expected 2 or 3"));
        return;
    }
    if (version != 2 && version != 3) {
        resp_error(call->reply, SLICE_LIT("NOPROTO unsupported protocol version, expected 2 or 3"));
        return;
    }
    for (uint32_t i = 2; i < argc; i++) {
        if (slice_ieq_str(argv[i], "AUTH") && i + 2 < argc) {
            user = argv[++i];
            password = argv[++i];
        } else if (slice_ieq_str(argv[i], "SETNAME") && i + 1 < argc) {
            name = argv[++i];
        } else {
            resp_error_printf(call->reply, "ERR Syntax error in HELLO option '%.*s', expected: %s",
                              (int)(argv[i].n < 64 ? argv[i].n : 64), argv[i].p,
                              call->spec->syntax);
            return;
        }
    }
    char checked[SESSION_NAME_BYTES_MAX + 1];
    if (!session_set_text(checked, name)) {
        resp_error(call->reply, SLICE_LIT(SESSION_NAME_ERROR));
        return;
    }
    if (password.p != NULL && !authenticate(call, user, password))
        return;
    if (session->environment == NULL) {
        resp_error(call->reply,
                   SLICE_LIT("NOAUTH HELLO must be called with the client already authenticated, "
                             "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                             "authenticate the client and select the RESP protocol version at the "
                             "same time"));
        return;
    }
    if (name.p != NULL)
        memcpy(session->name, checked, sizeof(checked));
    session->version = (uint8_t)version;
    compose_hello(call);
}

void connection_quit(struct command_call *call)
{
    resp_simple(call->reply, SLICE_LIT("OK"));
    session_drain(call->session, "QUIT");
}

void connection_reset(struct command_call *call)
{
    session_reset(call->session);
    resp_simple(call->reply, SLICE_LIT("RESET"));
}

/* The number is right at once, whatever was asked for: waiting for replicas would only make the
 * client wait. */
void connection_wait(struct command_call *call)
{
    int64_t replicas, timeout_ms;
    if (number_parse_i64(call->argv[1], &replicas) != 0 || replicas < 0)
        resp_error(call->reply, SLICE_LIT("ERR value is not an integer or out of range, expected a "
                                          "number of replicas"));
    else if (number_parse_i64(call->argv[2], &timeout_ms) != 0)
        resp_error(
            call->reply,
            SLICE_LIT("ERR timeout is not an integer or out of range, expected milliseconds"));
    else if (timeout_ms < 0)
        resp_error(call->reply, SLICE_LIT("ERR timeout is negative"));
    else if (session_writes_pending(call->session))
        call_again_after_writes(call);
    else
        resp_integer(call->reply, 0);
}

void connection_select(struct command_call *call)
{
    int64_t index;
    if (number_parse_i64(call->argv[1], &index) != 0)
        resp_error(call->reply, SLICE_LIT("ERR invalid DB index, expected 0"));
    else if (index != 0)
        resp_error(call->reply, SLICE_LIT("ERR DB index is out of range, there is only 0"));
    else
        resp_simple(call->reply, SLICE_LIT("OK"));
}
