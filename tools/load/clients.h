#ifndef LOAD_CLIENTS_H
#define LOAD_CLIENTS_H

#include "base/attr.h"
#include "load/latency.h"
#include "load/reply.h"
#include "load/traffic.h"

#include <netinet/in.h>
#include <stdint.h>

/* Connections that send commands and wait for their replies. One thread, epoll, raw sockets.
 *
 *   closed loop   each connection keeps `depth` commands in flight: a reply lets the next one go.
 *                 A command's latency is from just before the write that carries it
 *   open loop     commands are due at a fixed rate, whatever the replies do, and go to whichever
 *                 connection has had room the longest. A command's latency is from when it was
 *                 due, so that a server that stalls is charged for all who would have waited
 *                 (no "coordinated omission"). How late they left is reported, too
 *
 * Latencies are of the commands that were due within the window, whenever their replies came; the
 * rate is of the replies that came within the window. */

struct clients_config {
    struct sockaddr_in server;
    uint32_t connections, depth;
    double commands_per_s; /* 0: closed loop */
    uint64_t commands_max; /* ends when these are answered; 0: ends after duration_ns */
    int64_t warm_up_ns, duration_ns;
    struct traffic *traffic;
    struct reply_check *check;
};

struct clients_result {
    struct latency latency;
    struct latency lateness;   /* open loop: of each command's departure */
    uint64_t commands, points; /* answered; acknowledged; within the window */
    uint64_t commands_sent;    /* ever */
    uint64_t unanswered;       /* 10 s after the end */
    int64_t window_ns;
    int64_t cpu_user_ns, cpu_system_ns; /* this process', within the window */
};

struct clients;

/* Connects. LT_EIO (said on stderr), LT_ENOMEM. The configuration's parts must outlive it. */
MUST_USE int clients_open(const struct clients_config *config, struct clients **out);
void clients_close(struct clients **clients);

/* Once. LT_EIO when a connection breaks or speaks no RESP (said on stderr). */
MUST_USE int clients_run(struct clients *clients, struct clients_result *out);

#endif
