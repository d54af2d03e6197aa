#include "command/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "command/decide.h"
#include "command/session.h"

#include <assert.h>
#include <stdlib.h>

const struct option_spec server_options[] = {
    {.name = "listen",
     .type = OPTION_TEXT,
     .default_text = "127.0.0.1:6479",
     .help = "addresses to serve, separated by blanks: 127.0.0.1:6479, [::1]:6479 or unix:/path",
     .section = "server"},
    {.name = "clients-max",
     .type = OPTION_INT,
     .default_text = "20000",
     .min = 1,
     .max = 1000000,
     .help = "connections at a time; more are refused",
     .section = "server"},
    {.name = "client-query-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "8mb",
     .min = 64 * 1024,
     .max = 1 << 30,
     .help = "unread input of one client, and the largest command or transaction",
     .section = "server"},
    {.name = "client-output-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "16mb",
     .min = 64 * 1024,
     .max = (int64_t)1 << 32,
     .help = "unread replies of one client; who does not read them is cut there",
     .section = "server"},
    {.name = "client-idle-timeout",
     .type = OPTION_DURATION_MS,
     .default_text = "1h",
     .min = 0,
     .max = (int64_t)365 * 86400 * 1000,
     .help = "closes connections that send nothing for so long; 0s: never",
     .section = "server"},
    {.name = "madd-creates",
     .type = OPTION_BOOL,
     .default_text = "yes",
     .help = "TS.MADD stores points of series that are new; no: it answers them with an error, as "
             "RedisTimeSeries does, and reads first which keys there are",
     .section = "server"},
    {.name = "client-auth-timeout",
     .type = OPTION_DURATION_MS,
     .default_text = "5s",
     .min = 100,
     .max = 3600 * 1000,
     .help = "closes connections that have not authenticated by then",
     .section = "server"},
};
const size_t server_options_count = ARRAY_LEN(server_options);

enum {
    LISTENERS_MAX = 8,
    ADDRESS_BYTES_MAX = 128,
    /* An unauthenticated connection may make the server keep 64 KiB: this for its input, as much
     * for its output, and what the parser needs. The largest command is smaller, so that it is
     * refused with an error before the buffer is full. */
    INPUT_BYTES_UNTRUSTED = 24 * 1024,
    COMMAND_BYTES_UNTRUSTED = 20 * 1024,
};

struct server {
    struct sessions sessions;
    struct reactor *reactor;
    struct listener *listeners[LISTENERS_MAX];
    uint32_t listeners_count;
    int port;
    bool paused; /* reading, while the log is behind */
    struct reactor_timer *drain_timer;
    struct reactor_alarm *alarm; /* a turn for ingest */
    void (*drained)(void *arg);  /* not NULL: draining */
    void *drained_arg;
};

/* ---- connections ---- */

static int on_open(void *arg, struct conn *conn)
{
    struct server *server = arg;
    struct session *session;
    int status = session_create(&server->sessions, conn, &session);
    if (status == 0)
        conn_set_user(conn, session);
    return status;
}

static long on_input(void *arg, struct conn *conn, struct slice input)
{
    return session_input(conn_user(conn), input);
}

static void drain_done(struct server *server)
{
    void (*done)(void *arg) = server->drained;
    server->drained = NULL;
    reactor_timer_stop(server->drain_timer);
    done(server->drained_arg);
}

static void on_close(void *arg, struct conn *conn, const char *why)
{
    struct server *server = arg;
    struct session *session = conn_user(conn);
    if (session == NULL) /* refused by on_open */
        return;
    log_debug("server", "%s is gone: %s", conn_address(conn), why);
    session_gone(session);
    if (server->drained != NULL && server->sessions.count == 0)
        drain_done(server);
}

/* For INFO: how many commands run in a second. */
static void note_rate(struct sessions *all)
{
    int64_t now_ms = clock_mono_ms(), passed_ms = now_ms - all->rate_mono_ms;
    if (passed_ms < 1000)
        return;
    all->rate = (all->commands - all->rate_commands) * 1000 / (uint64_t)passed_ms;
    all->rate_commands = all->commands;
    all->rate_mono_ms = now_ms;
}

static void writes_turn_end(struct server *server, struct ingest *ingest)
{
    if (UNLIKELY(server->sessions.watches.waiting > 0))
        watches_look(&server->sessions);
    if (UNLIKELY(server->sessions.wait_declared > 0))
        sessions_look(&server->sessions);
    if (server->sessions.deps->decide != NULL)
        decide_turn(server->sessions.deps->decide);
    ingest_turn_end(ingest);
    reactor_alarm_set(server->alarm, ingest_wake_ns(ingest));
    reactor_awake_until(server->reactor, ingest_awake_until_ns(ingest));
    bool paused = ingest_paused(ingest);
    if (paused == server->paused)
        return;
    server->paused = paused;
    for (uint32_t i = 0; i < server->listeners_count; i++)
        listener_pause(server->listeners[i], paused);
}

static void on_turn_end(void *arg)
{
    struct server *server = arg;
    note_rate(&server->sessions);
    if (server->sessions.deps->ingest != NULL)
        writes_turn_end(server, server->sessions.deps->ingest);
    sessions_flush(&server->sessions);
}

/* ---- life ---- */

static int listen_on(struct server *server, struct slice address, const struct conn_limits *limits)
{
    char text[ADDRESS_BYTES_MAX];
    if (server->listeners_count == LISTENERS_MAX || address.n >= sizeof(text)) {
        log_error("server", "listen: expected at most %d addresses of less than %d bytes",
                  LISTENERS_MAX, ADDRESS_BYTES_MAX);
        return LT_ELIMIT;
    }
    memcpy(text, address.p, address.n);
    text[address.n] = '\0';
    const struct conn_handler handler = {on_open, on_input, on_close, server};
    struct listener **listener = &server->listeners[server->listeners_count];
    int status = reactor_listen(server->reactor, text, limits, &handler, listener);
    if (status != 0)
        return status;
    server->listeners_count++;
    if (server->port == 0)
        server->port = listener_port(*listener);
    return 0;
}

static int listen_on_all(struct server *server, const struct option_set *options)
{
    const struct conn_limits limits = {
        .input_bytes_max = (size_t)option_int(options, "client-query-bytes-max"),
        .input_bytes_untrusted = INPUT_BYTES_UNTRUSTED,
        .output_bytes_max = (size_t)option_int(options, "client-output-bytes-max"),
        .idle_timeout_ms = option_int(options, "client-idle-timeout"),
        .trust_timeout_ms = option_int(options, "client-auth-timeout"),
        .conns_max = (uint32_t)option_int(options, "clients-max"),
        .full_reply = "-ERR max number of clients reached\r\n",
    };
    struct slice rest = slice_str(option_text(options, "listen"));
    while (rest.n > 0) {
        size_t blank = slice_find(rest, ' ');
        if (blank > 0) {
            int status = listen_on(server, slice_upto(rest, blank), &limits);
            if (status != 0)
                return status;
        }
        rest = slice_from(rest, blank < rest.n ? blank + 1 : blank);
    }
    return 0;
}

static void close_listeners(struct server *server)
{
    for (uint32_t i = 0; i < server->listeners_count; i++)
        listener_close(&server->listeners[i]);
    server->listeners_count = 0;
}

static void on_drain_timeout(void *arg)
{
    struct server *server = arg;
    log_warn("server", "%u connections did not drain in time, closing them",
             server->sessions.count);
    for (struct session *s = server->sessions.first; s != NULL; s = s->next)
        session_close(s, "shutdown");
}

int server_create(const struct server_config *config, struct server **out)
{
    const struct option_set *options = config->deps->options;
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return LT_ENOMEM;
    size_t query_bytes_max = (size_t)option_int(options, "client-query-bytes-max");
    struct sessions *sessions = &server->sessions;
    server->reactor = config->reactor;
    sessions->deps = config->deps;
    sessions->table = config->table;
    list_init(&sessions->answered);
    sessions->output_bytes_max = (size_t)option_int(options, "client-output-bytes-max");
    sessions->transaction_bytes_max = query_bytes_max;
    sessions->limits[false] = resp_limits_untrusted;
    sessions->limits[false].command_bytes_max = COMMAND_BYTES_UNTRUSTED;
    sessions->limits[true] = resp_limits_trusted;
    /* Below the buffer's size, which a command must not fill before it is complete or refused. */
    sessions->limits[true].command_bytes_max = (uint32_t)query_bytes_max - 1;
    slot_pool_init(&sessions->slots, sessions->output_bytes_max);
    int status = usage_init(&sessions->usage, sessions->table);
    if (status != 0)
        goto fail_timer;
    status = reactor_timer_create(server->reactor, on_drain_timeout, server, &server->drain_timer);
    if (status != 0)
        goto fail_timer;
    status = reactor_alarm_create(server->reactor, &server->alarm);
    if (status != 0)
        goto fail_alarm;
    status = listen_on_all(server, options);
    if (status != 0)
        goto fail_listen;
    /* Last, because a hook can not be taken back. */
    sessions->port = server->port;
    if (config->deps->ingest != NULL)
        ingest_on_touch(config->deps->ingest, &sessions->watches.count, watches_touch, sessions);
    status = reactor_on_turn_end(server->reactor, on_turn_end, server);
    if (status != 0)
        goto fail_listen;
    *out = server;
    return 0;

fail_listen:
    close_listeners(server);
    reactor_alarm_destroy(&server->alarm);
fail_alarm:
    reactor_timer_destroy(&server->drain_timer);
fail_timer:
    usage_fini(&sessions->usage);
    slot_pool_fini(&sessions->slots);
    free(server);
    return status;
}

void server_destroy(struct server **server)
{
    if (*server == NULL)
        return;
    assert((*server)->sessions.count == 0);
    close_listeners(*server);
    reactor_alarm_destroy(&(*server)->alarm);
    reactor_timer_destroy(&(*server)->drain_timer);
    usage_fini(&(*server)->sessions.usage);
    slot_pool_fini(&(*server)->sessions.slots);
    free(*server);
    *server = NULL;
}

int server_port(const struct server *server)
{
    return server->port;
}

void server_drain(struct server *server, int64_t timeout_ms, void (*done)(void *arg), void *arg)
{
    assert(server->drained == NULL);
    close_listeners(server);
    server->drained = done;
    server->drained_arg = arg;
    if (server->sessions.count == 0) {
        drain_done(server);
        return;
    }
    for (struct session *s = server->sessions.first; s != NULL; s = s->next)
        session_drain(s, "shutdown");
    reactor_timer_start(server->drain_timer, timeout_ms, 0);
}
