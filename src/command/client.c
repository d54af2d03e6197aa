#include "base/number.h"
#include "command/session.h"
#include "command_table.h"

/* CLIENT: who is connected. A client sees and ends the connections of its own environment only. */

enum { LIST_BYTES_MAX = 16 * 1024 * 1024 };

static bool visible(const struct command_call *call, const struct session *session)
{
    return session->environment == call->environment && session->state < SESSION_CLOSING;
}

static struct session *find_id(const struct command_call *call, int64_t id)
{
    for (struct session *s = call->session->all->first; s != NULL; s = s->next)
        if (visible(call, s) && s->id == (uint64_t)id)
            return s;
    return NULL;
}

/* One line, with the names that Redis' clients look for. */
static void append_line(struct buffer *out, const struct session *s)
{
    const struct conn *conn = s->conn;
    buffer_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s", (unsigned long long)s->id,
                  conn_address(conn), conn_local_address(conn), conn_fd(conn), s->name);
    buffer_printf(out, " age=%lld idle=%lld flags=%s db=0 sub=0 psub=0 ssub=0 multi=%d watch=%u",
                  (long long)conn_age_ms(conn) / 1000, (long long)conn_idle_ms(conn) / 1000,
                  s->state != SESSION_OPEN ? "b"
                  : s->queueing != NULL    ? "x"
                                           : "N",
                  s->queueing != NULL ? (int)s->queueing->commands.n : -1, watch_count(s));
    buffer_printf(out, " qbuf=%zu obl=%zu oll=%u omem=%zu events=r cmd=%s user=default redir=-1",
                  conn_input_bytes(conn), conn_output_bytes(conn), s->replies.open,
                  s->replies.held_bytes, s->last_command != NULL ? s->last_command->name : "NULL");
    buffer_printf(out, " resp=%u lib-name=%s lib-ver=%s\n", s->version, s->lib_name,
                  s->lib_version);
}

static void reply_lines(struct command_call *call, struct buffer *lines)
{
    if (lines->error != 0)
        resp_error(call->reply, SLICE_LIT("ERR the list of clients does not fit into memory"));
    else
        resp_verbatim(call->reply, buffer_slice(lines));
    buffer_fini(lines);
}

void client_id(struct command_call *call)
{
    resp_integer(call->reply, (int64_t)call->session->id);
}

void client_setname(struct command_call *call)
{
    if (session_set_text(call->session->name, call->argv[2]))
        resp_simple(call->reply, SLICE_LIT("OK"));
    else
        resp_error(call->reply, SLICE_LIT(SESSION_NAME_ERROR));
}

void client_getname(struct command_call *call)
{
    if (call->session->name[0] == '\0')
        resp_null(call->reply);
    else
        resp_bulk_str(call->reply, call->session->name);
}

void client_setinfo(struct command_call *call)
{
    struct session *session = call->session;
    struct slice attribute = call->argv[2];
    char *out = slice_ieq_str(attribute, "LIB-NAME")  ? session->lib_name
                : slice_ieq_str(attribute, "LIB-VER") ? session->lib_version
                                                      : NULL;
    if (out == NULL)
        resp_error_printf(call->reply,
                          "ERR Unrecognized option '%.*s', expected LIB-NAME or LIB-VER",
                          (int)(attribute.n < 64 ? attribute.n : 64), attribute.p);
    else if (session_set_text(out, call->argv[3]))
        resp_simple(call->reply, SLICE_LIT("OK"));
    else
        resp_error(call->reply, SLICE_LIT(SESSION_NAME_ERROR));
}

/* Clients are of the type normal; of the others there are none. */
static bool is_type(struct slice word)
{
    static const char *const types[] = {"normal", "master", "slave", "replica", "pubsub"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (slice_ieq_str(word, types[i]))
            return true;
    return false;
}

static void append_all(const struct command_call *call, struct buffer *lines)
{
    for (struct session *s = call->session->all->first; s != NULL; s = s->next)
        if (visible(call, s))
            append_line(lines, s);
}

/* NULL, or what is wrong with the ids. */
static const char *append_ids(const struct command_call *call, struct buffer *lines)
{
    for (uint32_t i = 3; i < call->argc; i++) {
        int64_t id;
        if (number_parse_i64(call->argv[i], &id) != 0)
            return "ERR Invalid client ID, expected an integer";
        const struct session *s = find_id(call, id);
        if (s != NULL)
            append_line(lines, s);
    }
    return NULL;
}

void client_list(struct command_call *call)
{
    struct slice option = call->argc > 2 ? call->argv[2] : SLICE_LIT("");
    const char *wrong = NULL;
    struct buffer lines;
    buffer_init(&lines, LIST_BYTES_MAX);
    if (call->argc == 2) {
        append_all(call, &lines);
    } else if (call->argc == 4 && slice_ieq_str(option, "TYPE") && is_type(call->argv[3])) {
        if (slice_ieq_str(call->argv[3], "normal"))
            append_all(call, &lines);
    } else if (call->argc > 3 && slice_ieq_str(option, "ID")) {
        wrong = append_ids(call, &lines);
    } else {
        resp_error_printf(call->reply, "ERR syntax error, expected: %s", call->spec->syntax);
        buffer_fini(&lines);
        return;
    }
    if (wrong == NULL) {
        reply_lines(call, &lines);
    } else {
        resp_error(call->reply, slice_str(wrong));
        buffer_fini(&lines);
    }
}

void client_info(struct command_call *call)
{
    struct buffer line;
    buffer_init(&line, LIST_BYTES_MAX);
    append_line(&line, call->session);
    reply_lines(call, &line);
}

/* ---- KILL ---- */

struct kill_filter {
    int64_t id; /* 0: any */
    struct slice address, local_address;
    bool skip_me;
};

static bool kill_matches(const struct command_call *call, const struct kill_filter *filter,
                         const struct session *s)
{
    if (filter->id != 0 && s->id != (uint64_t)filter->id)
        return false;
    if (filter->address.p != NULL && !slice_eq_str(filter->address, conn_address(s->conn)))
        return false;
    if (filter->local_address.p != NULL &&
        !slice_eq_str(filter->local_address, conn_local_address(s->conn)))
        return false;
    return visible(call, s) && !(filter->skip_me && s == call->session);
}

static int64_t kill_all(const struct command_call *call, const struct kill_filter *filter)
{
    int64_t killed = 0;
    for (struct session *s = call->session->all->first; s != NULL; s = s->next) {
        if (!kill_matches(call, filter, s))
            continue;
        killed++;
        /* Who kills itself still gets the answer. */
        if (s == call->session)
            session_drain(s, "CLIENT KILL");
        else
            session_close(s, "CLIENT KILL");
    }
    return killed;
}

static bool parse_kill_filter(const struct slice *argv, uint32_t argc, struct kill_filter *filter)
{
    *filter = (struct kill_filter){.skip_me = true};
    if (argc % 2 != 0)
        return false;
    for (uint32_t i = 2; i < argc; i += 2) {
        struct slice value = argv[i + 1];
        if (slice_ieq_str(argv[i], "ID")) {
            if (number_parse_i64(value, &filter->id) != 0 || filter->id <= 0)
                return false;
        } else if (slice_ieq_str(argv[i], "ADDR")) {
            filter->address = value;
        } else if (slice_ieq_str(argv[i], "LADDR")) {
            filter->local_address = value;
        } else if (slice_ieq_str(argv[i], "SKIPME") && slice_ieq_str(value, "yes")) {
            filter->skip_me = true;
        } else if (slice_ieq_str(argv[i], "SKIPME") && slice_ieq_str(value, "no")) {
            filter->skip_me = false;
        } else {
            return false;
        }
    }
    return true;
}

void client_kill(struct command_call *call)
{
    if (call->argc == 3) {
        struct kill_filter filter = {.address = call->argv[2]};
        if (kill_all(call, &filter) > 0)
            resp_simple(call->reply, SLICE_LIT("OK"));
        else
            resp_error(call->reply,
                       SLICE_LIT("ERR No such client: CLIENT LIST shows who is connected"));
        return;
    }
    struct kill_filter filter;
    if (parse_kill_filter(call->argv, call->argc, &filter))
        resp_integer(call->reply, kill_all(call, &filter));
    else
        resp_error_printf(call->reply, "ERR syntax error, expected: %s", call->spec->syntax);
}

void client_no_evict(struct command_call *call)
{
    if (slice_ieq_str(call->argv[2], "on") || slice_ieq_str(call->argv[2], "off"))
        resp_simple(call->reply, SLICE_LIT("OK"));
    else
        resp_error_printf(call->reply, "ERR syntax error, expected: %s", call->spec->syntax);
}

void client_reply(struct command_call *call)
{
    if (slice_ieq_str(call->argv[2], "on"))
        resp_simple(call->reply, SLICE_LIT("OK"));
    else if (slice_ieq_str(call->argv[2], "off") || slice_ieq_str(call->argv[2], "skip"))
        resp_error(call->reply,
                   SLICE_LIT("ERR replies are always on: the reply is what says that a write is in "
                             "the log. Pipeline instead: send on, and read the replies later"));
    else
        resp_error_printf(call->reply, "ERR syntax error, expected: %s", call->spec->syntax);
}

void client_getredir(struct command_call *call)
{
    resp_integer(call->reply, -1);
}
