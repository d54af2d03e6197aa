#include "load/clients.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 256 * 1024,
    WRITE_BYTES_MAX = 1 << 20,
    EVENTS = 512,
    LAST_REPLIES_S = 10,
    TICK_NS = 100 * 1000 * 1000,
};

struct sent {
    int64_t due_ns;
    int64_t time_ms; /* of its points */
};

struct client {
    int fd;
    struct sent *ring; /* of depth, from head on */
    uint32_t head, in_flight;
    /* What the kernel did not take of a write; nothing else is sent before it. */
    char *rest;
    size_t rest_len, rest_sent;
    /* Open loop: among those with room. */
    bool ready;
    struct client *next_ready;
    struct reply_reader reply;
};

struct clients {
    struct clients_config config;
    struct client *clients;
    int epoll_fd;
    char *commands; /* as many as one write may carry */
    uint32_t commands_cap;
    size_t command_bytes;
    char *input;
    struct client *ready_first, *ready_last;
    double interval_ns; /* open loop */
    int64_t begin_ns, start_ns, end_ns;
    int64_t last_reply_ns;
    uint64_t in_flight;
    struct rusage usage_start;
    bool started, ended;
    struct clients_result *result;
};

static int fail(const char *what)
{
    fprintf(stderr, "longtail-load: %s%s%s\n", what, errno != 0 ? ": " : "",
            errno != 0 ? strerror(errno) : "");
    return LT_EIO;
}

/* ---- sending ---- */

static void watch(struct clients *l, struct client *c, bool writable)
{
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static int send_rest(struct clients *l, struct client *c)
{
    ssize_t n = send(c->fd, c->rest + c->rest_sent, c->rest_len - c->rest_sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return fail("write");
    c->rest_sent += n > 0 ? (size_t)n : 0;
    if (c->rest_sent == c->rest_len) {
        free(c->rest);
        c->rest = NULL;
        c->rest_len = c->rest_sent = 0;
        watch(l, c, false);
    }
    return 0;
}

static int send_bytes(struct clients *l, struct client *c, const char *p, size_t n)
{
    ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return fail("write");
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done == n)
        return 0;
    c->rest = malloc(n - done);
    if (c->rest == NULL)
        return LT_ENOMEM;
    memcpy(c->rest, p + done, n - done);
    c->rest_len = n - done;
    watch(l, c, true);
    return 0;
}

static bool has_room(const struct clients *l, const struct client *c)
{
    return c->in_flight < l->config.depth && c->rest == NULL;
}

/* One write of so many commands; the i-th is due at due_ns + i intervals. */
static int send_commands(struct clients *l, struct client *c, uint32_t count, int64_t due_ns)
{
    int64_t wall_ms = clock_wall_ms();
    char *at = l->commands;
    for (uint32_t i = 0; i < count; i++, at += l->command_bytes) {
        struct sent *sent = &c->ring[(c->head + c->in_flight++) % l->config.depth];
        sent->time_ms = traffic_next(l->config.traffic, at, wall_ms);
        sent->due_ns = due_ns;
    }
    l->in_flight += count;
    l->result->commands_sent += count;
    return send_bytes(l, c, l->commands, (size_t)(at - l->commands));
}

static uint64_t commands_left(const struct clients *l)
{
    uint64_t max = l->config.commands_max;
    return max == 0 ? UINT64_MAX : max - l->result->commands_sent;
}

/* Closed loop. */
static int top_up(struct clients *l, struct client *c)
{
    int err = 0;
    while (err == 0 && !l->ended && has_room(l, c)) {
        uint64_t n = l->config.depth - c->in_flight, left = commands_left(l);
        n = n < left ? n : left;
        n = n < l->commands_cap ? n : l->commands_cap;
        if (n == 0)
            break;
        err = send_commands(l, c, (uint32_t)n, clock_mono_ns());
    }
    return err;
}

/* Open loop. */
static void note_ready(struct clients *l, struct client *c)
{
    if (c->ready || !has_room(l, c))
        return;
    c->ready = true;
    c->next_ready = NULL;
    if (l->ready_first == NULL)
        l->ready_first = c;
    else
        l->ready_last->next_ready = c;
    l->ready_last = c;
}

/* When the next command is due; INT64_MAX: never. */
static int64_t next_due(const struct clients *l)
{
    int64_t due = l->begin_ns + (int64_t)((double)l->result->commands_sent * l->interval_ns);
    return commands_left(l) == 0 || due >= l->end_ns ? INT64_MAX : due;
}

static int send_due(struct clients *l, int64_t now)
{
    int err = 0;
    for (int64_t due; err == 0 && l->ready_first != NULL && (due = next_due(l)) <= now;) {
        struct client *c = l->ready_first;
        l->ready_first = c->next_ready;
        c->ready = false;
        if (due >= l->start_ns)
            latency_add(&l->result->lateness, now - due);
        err = send_commands(l, c, 1, due);
        note_ready(l, c);
    }
    return err;
}

/* ---- replies ---- */

static void answered(struct clients *l, struct client *c, uint32_t acked, int64_t now)
{
    const struct sent *sent = &c->ring[c->head];
    c->head = (c->head + 1) % l->config.depth;
    c->in_flight--;
    l->in_flight--;
    l->last_reply_ns = now;
    if (sent->due_ns >= l->start_ns && sent->due_ns < l->end_ns)
        latency_add(&l->result->latency, now - sent->due_ns);
    if (now >= l->start_ns && now < l->end_ns) {
        l->result->commands++;
        l->result->points += acked;
    }
}

static int take_replies(struct clients *l, struct client *c, size_t n, int64_t now)
{
    for (const char *p = l->input; n > 0;) {
        size_t taken = 0;
        uint32_t acked = 0;
        errno = 0;
        if (c->in_flight == 0)
            return fail("a reply to nothing");
        enum reply_state state =
            reply_take(l->config.check, &c->reply, c->ring[c->head].time_ms, p, n, &taken, &acked);
        if (state == REPLY_GARBAGE)
            return fail("the server speaks no RESP");
        if (state == REPLY_DONE)
            answered(l, c, acked, now);
        p += taken;
        n -= taken;
    }
    return 0;
}

static int on_readable(struct clients *l, struct client *c)
{
    ssize_t n = read(c->fd, l->input, READ_BYTES);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n == 0)
        errno = 0;
    if (n <= 0)
        return fail(n == 0 ? "the server closed a connection" : "read");
    return take_replies(l, c, (size_t)n, clock_mono_ns());
}

/* ---- the run ---- */

static int on_event(struct clients *l, const struct epoll_event *event)
{
    struct client *c = event->data.ptr;
    int err = 0;
    if ((event->events & EPOLLOUT) != 0 && c->rest != NULL)
        err = send_rest(l, c);
    if (err == 0 && (event->events & ~(uint32_t)EPOLLOUT) != 0)
        err = on_readable(l, c);
    if (err != 0)
        return err;
    if (l->interval_ns == 0)
        return top_up(l, c);
    note_ready(l, c);
    return 0;
}

/* Waits for replies, until something is due at the latest. */
static int wait_events(struct clients *l, int64_t now)
{
    struct epoll_event events[EVENTS];
    int64_t until = now + TICK_NS;
    int64_t edge = l->started ? l->end_ns : l->start_ns;
    if (edge > now && edge < until)
        until = edge;
    if (l->interval_ns != 0 && l->ready_first != NULL && next_due(l) < until)
        until = next_due(l);
    int64_t wait_ns = until > now ? until - now : 0;
    struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
    int n = epoll_pwait2(l->epoll_fd, events, EVENTS, &wait, NULL);
    int err = n < 0 && errno != EINTR ? fail("epoll") : 0;
    for (int i = 0; err == 0 && i < n; i++)
        err = on_event(l, &events[i]);
    return err;
}

static int64_t timeval_ns(struct timeval later, struct timeval earlier)
{
    return (int64_t)(later.tv_sec - earlier.tv_sec) * 1000000000 +
           (int64_t)(later.tv_usec - earlier.tv_usec) * 1000;
}

/* The window's edges. */
static void look_at_clock(struct clients *l, int64_t now)
{
    if (!l->started && now >= l->start_ns) {
        l->started = true;
        getrusage(RUSAGE_SELF, &l->usage_start);
    }
    bool all_answered = commands_left(l) == 0 && l->in_flight == 0;
    if (l->ended || !(now >= l->end_ns || all_answered))
        return;
    l->ended = true;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    l->result->cpu_user_ns = timeval_ns(usage.ru_utime, l->usage_start.ru_utime);
    l->result->cpu_system_ns = timeval_ns(usage.ru_stime, l->usage_start.ru_stime);
    l->result->window_ns = (all_answered ? l->last_reply_ns : l->end_ns) - l->start_ns;
}

/* Open loop: what was due before the end leaves still, or stalls would count for nothing. */
static bool done(const struct clients *l)
{
    return l->ended && l->in_flight == 0 && (l->interval_ns == 0 || next_due(l) == INT64_MAX);
}

static void begin(struct clients *l)
{
    l->begin_ns = clock_mono_ns();
    l->start_ns = l->begin_ns + l->config.warm_up_ns;
    l->end_ns = l->config.commands_max > 0 ? INT64_MAX : l->start_ns + l->config.duration_ns;
    if (l->config.commands_per_s > 0)
        l->interval_ns = 1e9 / l->config.commands_per_s;
    look_at_clock(l, l->begin_ns);
}

int clients_run(struct clients *l, struct clients_result *out)
{
    int err = 0;
    *out = (struct clients_result){0};
    l->result = out;
    prctl(PR_SET_TIMERSLACK, 1000); /* or each wait would be 50 us longer than asked for */
    begin(l);
    for (uint32_t i = 0; err == 0 && i < l->config.connections; i++) {
        if (l->interval_ns == 0)
            err = top_up(l, &l->clients[i]);
        else
            note_ready(l, &l->clients[i]);
    }
    int64_t give_up = INT64_MAX;
    while (err == 0 && !done(l)) {
        int64_t now = clock_mono_ns();
        look_at_clock(l, now);
        if (l->ended && give_up == INT64_MAX)
            give_up = now + LAST_REPLIES_S * INT64_C(1000000000);
        if (now >= give_up)
            break;
        if (l->interval_ns != 0)
            err = send_due(l, now);
        if (err == 0 && !done(l))
            err = wait_events(l, now);
    }
    out->unanswered = l->in_flight;
    return err;
}

/* ---- connections ---- */

static int connect_one(struct clients *l, struct client *c)
{
    int one = 1;
    const struct sockaddr_in *to = &l->config.server;
    c->ring = calloc(l->config.depth, sizeof(c->ring[0]));
    if (c->ring == NULL)
        return LT_ENOMEM;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
        return fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0 ? 0 : fail("epoll_ctl");
}

/* Only root may go above the hard limit. */
static int raise_descriptors(uint32_t connections)
{
    struct rlimit limit;
    rlim_t need = (rlim_t)connections + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
        return 0;
    limit.rlim_cur = need;
    if (limit.rlim_max < need)
        limit.rlim_max = need;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : fail("more open files (ulimit -n)");
}

static int make_buffers(struct clients *l)
{
    l->command_bytes = traffic_command_bytes(l->config.traffic);
    size_t fit = WRITE_BYTES_MAX / l->command_bytes;
    l->commands_cap = fit == 0 ? 1 : fit < l->config.depth ? (uint32_t)fit : l->config.depth;
    l->commands = malloc(l->commands_cap * l->command_bytes);
    l->input = malloc(READ_BYTES);
    l->clients = calloc(l->config.connections, sizeof(l->clients[0]));
    if (l->commands == NULL || l->input == NULL || l->clients == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < l->commands_cap; i++)
        traffic_template(l->config.traffic, l->commands + i * l->command_bytes);
    for (uint32_t i = 0; i < l->config.connections; i++)
        l->clients[i].fd = -1;
    return 0;
}

int clients_open(const struct clients_config *config, struct clients **out)
{
    struct clients *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return LT_ENOMEM;
    l->config = *config;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = l->epoll_fd < 0 ? fail("epoll") : raise_descriptors(config->connections);
    if (err == 0)
        err = make_buffers(l);
    for (uint32_t i = 0; err == 0 && i < config->connections; i++)
        err = connect_one(l, &l->clients[i]);
    if (err != 0)
        clients_close(&l);
    else
        *out = l;
    return err;
}

void clients_close(struct clients **clients)
{
    struct clients *l = *clients;
    if (l == NULL)
        return;
    for (uint32_t i = 0; l->clients != NULL && i < l->config.connections; i++) {
        if (l->clients[i].fd >= 0)
            close(l->clients[i].fd);
        free(l->clients[i].ring);
        free(l->clients[i].rest);
    }
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l->clients);
    free(l->commands);
    free(l->input);
    free(l);
    *clients = NULL;
}
