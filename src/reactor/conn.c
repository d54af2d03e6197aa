#include "base/error.h"
#include "base/logger.h"
#include "reactor/address.h"
#include "reactor/fifo.h"
#include "reactor/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection is a polled descriptor and two fifos. We recv() and send() by ourselves instead of
 * through uv_stream: all bytes that wait are then in one place of ours, where they can be counted
 * and cut, and nothing is lent to libuv. */

static const char module[] = "reactor";

enum {
    KEPT_BYTES = 64 * 1024, /* of an active client's fifo; an idle or untrusted one keeps nothing */
    IDLE_MS = 1000,         /* to count as idle in that */
    CLOSE_PROGRESS_MS = 2000 /* without any, a connection that is being closed is dropped */
};

/* OPEN       reads, hands out, writes
 * DRAINING   to be closed: what is queued leaves; what arrives is dropped
 * LINGERING  FIN is sent; what arrives is dropped until the client closes. close() with unread
 * bytes would send RST, and the client might never see the error that it was closed for CLOSED the
 * descriptor is closed; the memory waits for libuv's close callback */
enum conn_state { CONN_OPEN, CONN_DRAINING, CONN_LINGERING, CONN_CLOSED };

struct conn {
    uv_poll_t poll;
    struct listener *listener;
    struct list link; /* listener->conns */
    struct list ready;
    struct list dirty;
    enum conn_state state;
    int fd;
    int events;
    bool trusted;
    bool blocked;
    bool refused; /* by on_open: its handler does not know it */
    bool ended;   /* the client sends no more */
    bool stuck;   /* the socket takes no more for now */
    struct fifo input;
    struct fifo output;
    int64_t opened_ms;
    int64_t active_ms; /* bytes moved last */
    const char *why;
    void *user;
    char address[ADDRESS_BYTES_MAX];
    char local_address[ADDRESS_BYTES_MAX];
};

static void conn_move(struct conn *conn, enum conn_state to)
{
    static const uint8_t allowed[] = {
        [CONN_OPEN] = 1 << CONN_DRAINING | 1 << CONN_LINGERING | 1 << CONN_CLOSED,
        [CONN_DRAINING] = 1 << CONN_LINGERING | 1 << CONN_CLOSED,
        [CONN_LINGERING] = 1 << CONN_CLOSED,
        [CONN_CLOSED] = 0,
    };
    assert(allowed[conn->state] & 1 << to);
    conn->state = to;
}

static int64_t now_ms(const struct conn *conn)
{
    return (int64_t)uv_now(&conn->listener->reactor->loop);
}

static size_t input_max(const struct conn *conn)
{
    const struct conn_limits *limits = &conn->listener->limits;
    return conn->trusted ? limits->input_bytes_max : limits->input_bytes_untrusted;
}

static size_t output_max(const struct conn *conn)
{
    const struct conn_limits *limits = &conn->listener->limits;
    return conn->trusted ? limits->output_bytes_max : limits->input_bytes_untrusted;
}

static size_t kept_bytes(const struct conn *conn)
{
    return conn->trusted ? KEPT_BYTES : 0;
}

struct conn *conn_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct conn, link);
}

/* ---- closing ---- */

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *conn = CONTAINER_OF((uv_poll_t *)handle, struct conn, poll);
    struct listener *listener = conn->listener;
    list_remove(&conn->link);
    if (!conn->refused)
        listener->handler.on_close(listener->handler.arg, conn, conn->why);
    buffer_fini(&conn->input.bytes);
    buffer_fini(&conn->output.bytes);
    free(conn);
    listener_conn_gone(listener);
}

static void conn_end(struct conn *conn)
{
    conn_move(conn, CONN_CLOSED);
    list_remove(&conn->ready);
    list_remove(&conn->dirty);
    uv_close((uv_handle_t *)&conn->poll, on_conn_closed);
    close(conn->fd);
    conn->fd = -1;
}

static void conn_linger(struct conn *conn)
{
    if (conn->ended || shutdown(conn->fd, SHUT_WR) != 0) {
        conn_end(conn);
        return;
    }
    conn_move(conn, CONN_LINGERING);
    conn->active_ms = now_ms(conn);
    conn_update_poll(conn);
}

void conn_close(struct conn *conn, const char *why, bool after_output)
{
    if (conn->state == CONN_CLOSED || (conn->state != CONN_OPEN && after_output))
        return;
    if (conn->state == CONN_OPEN)
        conn->why = why;
    if (!after_output) {
        conn_end(conn);
    } else if (fifo_len(&conn->output) == 0) {
        conn_linger(conn);
    } else {
        conn_move(conn, CONN_DRAINING);
        list_remove(&conn->ready);
        conn->active_ms = now_ms(conn);
        conn_update_poll(conn);
    }
}

/* ---- input ---- */

/* Shows the unread bytes to the handler, if it may see them, and keeps what it leaves. seen is all
 * of the input fifo, or all of the loop's read buffer while the fifo is empty. */
static void conn_offer(struct conn *conn, struct slice seen)
{
    const struct conn_handler *handler = &conn->listener->handler;
    size_t used = 0;
    if (!conn->blocked) {
        list_remove(&conn->ready);
        long n = handler->on_input(handler->arg, conn, seen);
        assert(n <= (long)seen.n);
        if (n < 0)
            conn_close(conn, "given up by its handler", true);
        used = n < 0 ? seen.n : (size_t)n;
    }
    if (conn->state != CONN_OPEN)
        used = seen.n;
    if (fifo_len(&conn->input) > 0)
        fifo_drop(&conn->input, used, kept_bytes(conn));
    else
        buffer_append(&conn->input.bytes, seen.p + used, seen.n - used);
    if (conn->input.bytes.error != 0)
        conn_close(conn, "out of memory", false);
    else if (!conn->blocked && fifo_len(&conn->input) >= input_max(conn))
        conn_close(conn, "its command does not fit the input buffer", true);
    conn_update_poll(conn);
}

static void conn_ended(struct conn *conn)
{
    conn->ended = true;
    if (conn->state == CONN_OPEN)
        conn_close(conn, "hung up", fifo_len(&conn->output) > 0);
    else if (conn->state == CONN_LINGERING)
        conn_end(conn);
    conn_update_poll(conn);
}

static void conn_read(struct conn *conn)
{
    char *to = conn->listener->reactor->read_buffer;
    size_t room = READ_BYTES;
    if (conn->state == CONN_OPEN) {
        size_t left = input_max(conn) - fifo_len(&conn->input);
        room = left < room ? left : room;
        if (fifo_len(&conn->input) > 0)
            to = buffer_reserve(&conn->input.bytes, room);
        if (to == NULL) {
            conn_close(conn, "out of memory", false);
            return;
        }
    }
    ssize_t n = recv(conn->fd, to, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        conn_close(conn, "connection reset", false);
    else if (n == 0)
        conn_ended(conn);
    else if (conn->state == CONN_OPEN) {
        conn->active_ms = now_ms(conn);
        if (fifo_len(&conn->input) > 0) {
            conn->input.bytes.len += (size_t)n;
            conn_offer(conn, fifo_slice(&conn->input));
        } else {
            conn_offer(conn, slice_make(to, (size_t)n));
        }
    }
}

void conn_run_ready(struct reactor *reactor)
{
    /* A connection that becomes ready while these run waits for the next turn. */
    struct list now;
    list_init(&now);
    list_move(&reactor->ready, &now);
    while (!list_empty(&now)) {
        struct conn *conn = CONTAINER_OF(now.next, struct conn, ready);
        list_remove(&conn->ready);
        if (!conn->blocked && fifo_len(&conn->input) > 0)
            conn_offer(conn, fifo_slice(&conn->input));
    }
}

/* ---- output ---- */

static void conn_flush(struct conn *conn)
{
    struct slice rest = fifo_slice(&conn->output);
    ssize_t n = send(conn->fd, rest.p, rest.n, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        conn_close(conn, "connection reset", false);
        return;
    }
    if (n > 0) {
        conn->active_ms = now_ms(conn);
        fifo_drop(&conn->output, (size_t)n, kept_bytes(conn));
    }
    conn->stuck = fifo_len(&conn->output) > 0;
    if (!conn->stuck && conn->state == CONN_DRAINING)
        conn_linger(conn);
    else
        conn_update_poll(conn);
}

void conn_flush_dirty(struct reactor *reactor)
{
    while (!list_empty(&reactor->dirty)) {
        struct conn *conn = CONTAINER_OF(reactor->dirty.next, struct conn, dirty);
        list_remove(&conn->dirty);
        conn_flush(conn);
    }
}

void conn_write(struct conn *conn, struct slice bytes)
{
    if (conn->state != CONN_OPEN || bytes.n == 0)
        return;
    if (fifo_len(&conn->output) + bytes.n > output_max(conn)) {
        conn_close(conn, "does not read its replies: the output limit is reached", false);
        return;
    }
    buffer_append_slice(&conn->output.bytes, bytes);
    if (conn->output.bytes.error != 0)
        conn_close(conn, "out of memory", false);
    else if (!conn->stuck)
        list_append(&conn->listener->reactor->dirty, &conn->dirty);
}

/* ---- events ---- */

static void on_conn_event(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = CONTAINER_OF(poll, struct conn, poll);
    if (status != 0) {
        conn_close(conn, "connection reset", false);
        return;
    }
    if (events & UV_READABLE)
        conn_read(conn);
    if (events & UV_WRITABLE && conn->state != CONN_CLOSED && conn->stuck)
        conn_flush(conn);
}

void conn_update_poll(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    int events = conn->stuck ? UV_WRITABLE : 0;
    bool wants_input = conn->state != CONN_OPEN ||
                       (!conn->listener->paused && fifo_len(&conn->input) < input_max(conn));
    if (wants_input && !conn->ended)
        events |= UV_READABLE;
    if (events == conn->events)
        return;
    conn->events = events;
    if (events == 0)
        uv_poll_stop(&conn->poll);
    else
        uv_poll_start(&conn->poll, events, on_conn_event);
}

void conn_sweep(struct conn *conn)
{
    const struct conn_limits *limits = &conn->listener->limits;
    int64_t idle_ms = conn_idle_ms(conn);
    if (conn->state != CONN_OPEN) {
        if (idle_ms + SWEEP_MS > CLOSE_PROGRESS_MS)
            conn_close(conn, NULL, false);
    } else if (!conn->trusted && limits->trust_timeout_ms > 0 &&
               conn_age_ms(conn) + SWEEP_MS > limits->trust_timeout_ms) {
        conn_close(conn, "did not authenticate in time", false);
    } else if (limits->idle_timeout_ms > 0 && !conn->blocked &&
               idle_ms + SWEEP_MS > limits->idle_timeout_ms) {
        conn_close(conn, "idle for too long", false);
    } else if (idle_ms > IDLE_MS) {
        if (fifo_len(&conn->input) == 0)
            fifo_drop(&conn->input, 0, 0);
        if (fifo_len(&conn->output) == 0)
            fifo_drop(&conn->output, 0, 0);
    }
}

/* ---- opening ---- */

static void read_addresses(struct conn *conn)
{
    struct address remote = {.n = sizeof(remote.storage)}, local = {.n = sizeof(local.storage)};
    if (getpeername(conn->fd, (void *)&remote.storage, &remote.n) == 0)
        address_format(&remote, conn->address);
    if (getsockname(conn->fd, (void *)&local.storage, &local.n) == 0)
        address_format(&local, conn->local_address);
}

void conn_open(struct listener *listener, int fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        goto fail_conn;
    int error = uv_poll_init(&listener->reactor->loop, &conn->poll, fd);
    if (error != 0)
        goto fail_poll;
    conn->listener = listener;
    conn->fd = fd;
    conn->opened_ms = conn->active_ms = now_ms(conn);
    list_init(&conn->link);
    list_init(&conn->ready);
    list_init(&conn->dirty);
    fifo_set_max(&conn->input, input_max(conn));
    fifo_set_max(&conn->output, output_max(conn));
    read_addresses(conn);
    list_append(&listener->conns, &conn->link);
    listener->conns_count++;
    conn_update_poll(conn);
    conn->refused = listener->handler.on_open(listener->handler.arg, conn) != 0;
    if (conn->refused)
        conn_close(conn, "refused", true);
    return;

fail_poll:
    log_warn(module, "cannot watch a new client: %s", uv_strerror(error));
    free(conn);
fail_conn:
    close(fd);
}

/* ---- the handler's side ---- */

void conn_trust(struct conn *conn)
{
    conn->trusted = true;
    fifo_set_max(&conn->input, input_max(conn));
    fifo_set_max(&conn->output, output_max(conn));
    conn_update_poll(conn);
}

void conn_block(struct conn *conn, bool blocked)
{
    bool unblocked = conn->blocked && !blocked;
    conn->blocked = blocked;
    /* Within on_input what will be left over is not in the fifo yet, so its length says nothing. */
    if (unblocked && conn->state == CONN_OPEN)
        list_append(&conn->listener->reactor->ready, &conn->ready);
}

void conn_set_user(struct conn *conn, void *user)
{
    conn->user = user;
}

void *conn_user(const struct conn *conn)
{
    return conn->user;
}

const char *conn_address(const struct conn *conn)
{
    return conn->address;
}

const char *conn_local_address(const struct conn *conn)
{
    return conn->local_address;
}

int conn_fd(const struct conn *conn)
{
    return conn->fd;
}

int64_t conn_idle_ms(const struct conn *conn)
{
    return now_ms(conn) - conn->active_ms;
}

int64_t conn_age_ms(const struct conn *conn)
{
    return now_ms(conn) - conn->opened_ms;
}

size_t conn_output_bytes(const struct conn *conn)
{
    return fifo_len(&conn->output);
}

size_t conn_input_bytes(const struct conn *conn)
{
    return fifo_len(&conn->input);
}
