#include "base/error.h"
#include "base/logger.h"
#include "reactor/address.h"
#include "reactor/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* We accept by ourselves, on a polled descriptor: libuv's own accept loop spins where descriptors
 * have run out and its spare one is lost to another thread. */

static const char module[] = "reactor";

enum {
    BACKLOG = 1024,
    ACCEPTS_PER_TURN = 64, /* so that a flood of newcomers does not starve those who are in */
    COMPLAINT_MS = 10000,
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 20,
    KEEPALIVE_PROBES = 3,
};

static void complain(struct listener *listener, const char *what)
{
    int64_t now_ms = (int64_t)uv_now(&listener->reactor->loop);
    if (listener->complained_ms != 0 && now_ms - listener->complained_ms < COMPLAINT_MS)
        return;
    listener->complained_ms = now_ms;
    log_warn(module, "%s: %s", listener->address, what);
}

/* Descriptors have run out: frees the spare one, takes the newcomer with it, hangs up on it, and
 * gets the spare one back. Without this, the waiting newcomer would wake the loop for ever. */
static bool shed_newcomer(struct listener *listener)
{
    struct reactor *reactor = listener->reactor;
    if (reactor->spare_fd < 0)
        return false;
    close(reactor->spare_fd);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    reactor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void refuse(struct listener *listener, int fd)
{
    const char *text = listener->limits.full_reply;
    if (text != NULL) {
        ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* a courtesy: the socket is new, its buffer empty */
    }
    close(fd);
    complain(listener, "refused a client: conns_max are connected");
}

static void set_tcp_options(int fd)
{
    /* None is worth refusing a client for. */
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static void rest(struct listener *listener, const char *why)
{
    complain(listener, why);
    uv_poll_stop(&listener->poll);
    listener->resting = true;
}

static void on_newcomers(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = CONTAINER_OF(poll, struct listener, poll);
    (void)events;
    if (status != 0) {
        rest(listener, "the listening socket failed");
        return;
    }
    /* A handler may stop the listener in the middle. */
    for (int i = 0; i < ACCEPTS_PER_TURN && listener->fd >= 0; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && shed_newcomer(listener)) {
            complain(listener, "refused a client: the process has no descriptor left, raise its "
                               "limit (ulimit -n) or lower conns_max");
            continue;
        }
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0 && errno != EAGAIN)
            rest(listener, "cannot accept, out of descriptors or memory; trying again");
        if (fd < 0)
            return;
        if (listener->port >= 0)
            set_tcp_options(fd);
        if (listener->conns_count >= listener->limits.conns_max)
            refuse(listener, fd);
        else
            conn_open(listener, fd);
    }
}

void listener_sweep(struct listener *listener)
{
    if (listener->reactor->spare_fd < 0)
        listener->reactor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (listener->resting && listener->fd >= 0) {
        listener->resting = false;
        uv_poll_start(&listener->poll, UV_READABLE, on_newcomers);
    }
    for (struct list *at = listener->conns.next; at != &listener->conns; at = at->next)
        conn_sweep(conn_of_link(at));
}

/* ---- life ---- */

static void free_if_unused(struct listener *listener)
{
    if (!listener->released || listener->conns_count > 0 || listener->poll_bound)
        return;
    list_remove(&listener->link);
    free(listener->address);
    free(listener);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *listener = CONTAINER_OF((uv_poll_t *)handle, struct listener, poll);
    listener->poll_bound = false;
    free_if_unused(listener);
}

void listener_conn_gone(struct listener *listener)
{
    listener->conns_count--;
    free_if_unused(listener);
}

/* A socket file that nobody answers on is left over from a process that was killed. */
static void unlink_dead_socket(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const void *)&address->storage, address->n) != 0 && errno == ECONNREFUSED)
        unlink(((const struct sockaddr_un *)(const void *)&address->storage)->sun_path);
    close(fd);
}

static int bind_socket(const struct address *address, struct address *bound_out)
{
    int family = address->storage.ss_family;
    if (family == AF_UNIX)
        unlink_dead_socket(address);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    bound_out->n = sizeof(bound_out->storage);
    if (bind(fd, (const void *)&address->storage, address->n) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (void *)&bound_out->storage, &bound_out->n) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int reactor_listen(struct reactor *reactor, const char *text, const struct conn_limits *limits,
                   const struct conn_handler *handler, struct listener **out)
{
    struct address address, bound;
    if (address_parse(text, &address) != 0) {
        log_error(module,
                  "cannot listen on \"%s\": expected 127.0.0.1:6479, [::1]:6479 or unix:/path",
                  text);
        return LT_EINVALID;
    }
    struct listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        return LT_ENOMEM;
    int status = LT_ENOMEM;
    listener->address = strdup(text);
    if (listener->address == NULL)
        goto fail_address;
    status = LT_EIO;
    listener->fd = bind_socket(&address, &bound);
    if (listener->fd < 0) {
        log_error(module, "cannot listen on %s: %s", text, strerror(errno));
        goto fail_bind;
    }
    int error = uv_poll_init(&reactor->loop, &listener->poll, listener->fd);
    if (error != 0) {
        log_error(module, "cannot watch %s: %s", text, uv_strerror(error));
        goto fail_poll;
    }
    uv_poll_start(&listener->poll, UV_READABLE, on_newcomers);
    listener->poll_bound = true;
    listener->reactor = reactor;
    listener->limits = *limits;
    listener->handler = *handler;
    listener->port = address_port(&bound);
    list_init(&listener->conns);
    list_init(&listener->link);
    list_append(&reactor->listeners, &listener->link);
    *out = listener;
    return 0;

fail_poll:
    close(listener->fd);
fail_bind:
    free(listener->address);
fail_address:
    free(listener);
    return status;
}

void listener_stop(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
    if (listener->port < 0) {
        struct address address;
        if (address_parse(listener->address, &address) == 0)
            unlink(((const struct sockaddr_un *)(const void *)&address.storage)->sun_path);
    }
    close(listener->fd);
    listener->fd = -1;
}

void listener_close(struct listener **listener)
{
    if (*listener == NULL)
        return;
    listener_stop(*listener);
    (*listener)->released = true;
    free_if_unused(*listener);
    *listener = NULL;
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_each(struct listener *listener, void (*visit)(void *arg, struct conn *conn),
                   void *arg)
{
    /* A connection leaves the list in its close callback, never within visit. */
    for (struct list *at = listener->conns.next; at != &listener->conns; at = at->next) {
        struct conn *conn = conn_of_link(at);
        if (conn_fd(conn) >= 0)
            visit(arg, conn);
    }
}

void listener_pause(struct listener *listener, bool paused)
{
    if (listener->paused == paused)
        return;
    listener->paused = paused;
    for (struct list *at = listener->conns.next; at != &listener->conns; at = at->next)
        conn_update_poll(conn_of_link(at));
}
