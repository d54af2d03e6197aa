#ifndef REACTOR_REACTOR_H
#define REACTOR_REACTOR_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The event loop (libuv): listeners, connections, timers, watched descriptors, signals. Everything
 * here runs on the loop thread and never blocks, but for reactor_run, which is the loop. This
 * folder and no other includes uv.h. */

struct reactor;
struct conn;

MUST_USE int reactor_create(struct reactor **out);
/* Closes the listeners and connections that are left (on_close is called; hooks are not). Timers,
 * alarms, watches and pools must be gone before. */
void reactor_destroy(struct reactor **reactor);

/* Runs until reactor_stop; what was queued by then is still offered to the sockets once. */
void reactor_run(struct reactor *reactor);
void reactor_stop(struct reactor *reactor);

/* Called at the end of each loop turn, before the loop sleeps or, while it is awake, looks again:
 * batches close, replies leave. Hooks run in order of registration. At most REACTOR_HOOKS_MAX. */
enum { REACTOR_HOOKS_MAX = 8 };
MUST_USE int reactor_on_turn_end(struct reactor *reactor, void (*hook)(void *arg), void *arg);

/* Calls on_readable in a turn in which fd is readable. The watch does not own fd. */
struct reactor_watch;
MUST_USE int reactor_watch_fd(struct reactor *reactor, int fd, void (*on_readable)(void *arg),
                              void *arg, struct reactor_watch **out);
void reactor_unwatch(struct reactor_watch **watch);

/* Caller-owned handle to a timer of the reactor's; first after delay_ms, then every repeat_ms (0:
 * once). */
struct reactor_timer;
MUST_USE int reactor_timer_create(struct reactor *reactor, void (*on_time)(void *arg), void *arg,
                                  struct reactor_timer **out);
void reactor_timer_start(struct reactor_timer *timer, int64_t delay_ms, int64_t repeat_ms);
void reactor_timer_stop(struct reactor_timer *timer);
void reactor_timer_destroy(struct reactor_timer **timer);

/* Until that moment of clock_mono_ns the loop looks for work instead of sleeping, turn after turn,
 * and lets whoever else wants its core go first. 0, or in the past: it sleeps. */
void reactor_awake_until(struct reactor *reactor, int64_t until_mono_ns);

/* A turn at a moment of CLOCK_MONOTONIC, for waits that a timer's milliseconds are too coarse for.
 * Nobody is called but the hooks. */
struct reactor_alarm;
MUST_USE int reactor_alarm_create(struct reactor *reactor, struct reactor_alarm **out);
/* A turn ends at that time or before, after which it is set again if it is still wanted. 0: none is
 * wanted. One that comes for nothing costs less than taking it back, so setting it each turn is
 * cheap. */
void reactor_alarm_set(struct reactor_alarm *alarm, int64_t at_mono_ns);
void reactor_alarm_destroy(struct reactor_alarm **alarm);

/* SIGTERM and SIGINT. SIGPIPE is ignored by reactor_create. */
MUST_USE int reactor_on_signal(struct reactor *reactor, void (*on_signal)(void *arg, int signum),
                               void *arg);

/* ---- connections ---- */

/* Timeouts are looked at every 250 ms; a connection may be closed that much early, never late. */
struct conn_limits {
    size_t input_bytes_max; /* unread input, after trust; a client whose full buffer does not do is
                               cut */
    size_t input_bytes_untrusted; /* before trust, of input and of output each */
    size_t output_bytes_max;      /* unsent output: a client above it is cut */
    int64_t idle_timeout_ms;      /* nothing read and nothing sent, unless blocked; 0: none */
    int64_t trust_timeout_ms;     /* to conn_trust; 0: none */
    uint32_t conns_max;
    const char
        *full_reply; /* sent to a client above conns_max, which is then closed; NULL: nothing */
};

/* user is the handler's own, set by conn_set_user. */
struct conn_handler {
    /* A client is accepted. Nonzero refuses it: what was written leaves, on_close is not called. */
    int (*on_open)(void *arg, struct conn *conn);
    /* Bytes are there: all that is unread, in one piece. Returns how many were used up (they go
     * away); negative closes the connection once its output has left. What is left over is shown
     * again when more arrives or when the connection is unblocked. Never called from within another
     * call of ours. */
    long (*on_input)(void *arg, struct conn *conn, struct slice input);
    /* It is gone (once, also after conn_close). why: a literal for the log. */
    void (*on_close)(void *arg, struct conn *conn, const char *why);
    void *arg;
};

struct listener;
/* address: "127.0.0.1:6479", "[::1]:6479" (IPv6 only) or "unix:/path" (a dead socket file is
 * replaced). LT_EINVALID for another form, LT_EIO where it cannot be bound; both logged. limits and
 * handler are copied. */
MUST_USE int reactor_listen(struct reactor *reactor, const char *address,
                            const struct conn_limits *limits, const struct conn_handler *handler,
                            struct listener **out);
/* Stops accepting; connections stay, and so does the handle: the first step of a graceful end. */
void listener_stop(struct listener *listener);
/* Stops accepting and gives up the handle; connections stay. */
void listener_close(struct listener **listener);
/* The port in use (after ":0"). */
int listener_port(const struct listener *listener);
/* Calls visit for each open connection; visit may close it. */
void listener_each(struct listener *listener, void (*visit)(void *arg, struct conn *conn),
                   void *arg);

/* Stop (true) or go on reading all of a listener's sockets: the first stage of back-pressure. */
void listener_pause(struct listener *listener, bool paused);

void conn_set_user(struct conn *conn, void *user);
void *conn_user(const struct conn *conn);
const char *conn_address(const struct conn *conn); /* "127.0.0.1:50512" */
const char *conn_local_address(const struct conn *conn);
int conn_fd(const struct conn *conn);
int64_t conn_idle_ms(const struct conn *conn);
int64_t conn_age_ms(const struct conn *conn);
size_t conn_output_bytes(const struct conn *conn);
size_t conn_input_bytes(const struct conn *conn);

/* The client has authenticated, or need not. */
void conn_trust(struct conn *conn);

/* Queues bytes (copied). They leave at the turn's end, one write a connection and turn. Above
 * output_bytes_max the connection is cut. */
void conn_write(struct conn *conn, struct slice bytes);

/* While blocked, on_input is not called and the socket is not read beyond the input buffer.
 * Unblocking calls on_input in this or the next turn if unread bytes wait. */
void conn_block(struct conn *conn, bool blocked);

/* Closes at once, or (after_output) once what is queued has left and the client has seen it, but
 * within 2 s of no progress; what is written or arrives after this call is dropped. why is a
 * literal. on_close comes later, never from within this call. A client that hangs up is closed as
 * soon as what is queued was offered to it. */
void conn_close(struct conn *conn, const char *why, bool after_output);

#endif
