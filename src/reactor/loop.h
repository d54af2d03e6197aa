#ifndef REACTOR_LOOP_H
#define REACTOR_LOOP_H

#include "reactor/list.h"
#include "reactor/reactor.h"

#include <uv.h>

/* What the files of this folder share; nobody else includes it.
 *
 * A turn: libuv runs what is ready (sockets, asyncs, signals, close callbacks, timers), then the
 * prepare handle, which is the last thing before the loop may sleep. There the turn ends: unblocked
 * connections get their waiting input, the hooks run, and each connection with new output gets one
 * send(). */

enum {
    READ_BYTES = 64 * 1024,
    SWEEP_MS = 250,
    SIGNALS = 2,
};

struct reactor_hook {
    void (*run)(void *arg);
    void *arg;
};

struct reactor {
    uv_loop_t loop;
    uv_prepare_t turn_end;
    uv_idle_t awake; /* running: the next poll must not sleep, because ready is not empty, or: */
    int64_t awake_until_ns; /* 0: nobody asked for it */
    uv_timer_t sweeper;     /* timeouts of connections, retries of listeners */
    uv_signal_t signals[SIGNALS];
    void (*on_signal)(void *arg, int signum);
    void *on_signal_arg;
    struct reactor_hook hooks[REACTOR_HOOKS_MAX];
    uint32_t hooks_count;
    uint32_t lent; /* timers, watches and pools that their owners have yet to give back */
    struct list listeners;
    struct list ready; /* unblocked connections whose input is to be shown again */
    struct list dirty; /* connections with new output */
    int spare_fd;      /* given up for a moment where descriptors run out: listener.c */
    char *read_buffer; /* READ_BYTES, for connections without unread input */
};

struct listener {
    struct reactor *reactor;
    struct list link;
    struct list conns;
    uint32_t conns_count;
    struct conn_limits limits;
    struct conn_handler handler;
    uv_poll_t poll;
    int fd;       /* -1: stopped */
    int port;     /* -1: a unix socket */
    bool paused;  /* its connections are not read */
    bool resting; /* accepts nothing until the next sweep: no descriptor, not even to refuse with */
    bool released;   /* its owner gave it up */
    bool poll_bound; /* poll is a handle of the loop, or still on its way out of it */
    int64_t complained_ms;
    char *address; /* as it was given */
};

/* listener.c: the sweeper's work; everything that is left, at the end. */
void listener_sweep(struct listener *listener);
void listener_conn_gone(struct listener *listener);

/* conn.c. Takes fd over. */
void conn_open(struct listener *listener, int fd);
void conn_sweep(struct conn *conn);
void conn_update_poll(struct conn *conn);
struct conn *conn_of_link(struct list *link);
void conn_run_ready(struct reactor *reactor);
void conn_flush_dirty(struct reactor *reactor);

#endif
