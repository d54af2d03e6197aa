#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reactor/support_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

static int on_open(void *arg, struct conn *conn)
{
    struct rig *rig = arg;
    if (rig->refuse)
        conn_write(conn, SLICE_LIT("no\n"));
    return rig->refuse;
}

static void kill_one(void *arg, struct conn *conn)
{
    (void)arg;
    conn_close(conn, "killed", false);
}

static void flood(struct conn *conn, size_t n)
{
    char block[1000];
    memset(block, 'x', sizeof(block));
    for (; n > 0; n -= n < sizeof(block) ? n : sizeof(block))
        conn_write(conn, slice_make(block, n < sizeof(block) ? n : sizeof(block)));
}

/* False: give the connection up. */
static bool run_line(struct rig *rig, struct conn *conn, struct slice line)
{
    if (line.n > 5 && memcmp(line.p, "echo ", 5) == 0) {
        conn_write(conn, slice_from(line, 5));
        conn_write(conn, SLICE_LIT("\n"));
    } else if (line.n > 6 && memcmp(line.p, "flood ", 6) == 0) {
        flood(conn, (size_t)strtoul(line.p + 6, NULL, 10)); /* ends at the newline */
    } else if (slice_eq_str(line, "trust")) {
        conn_trust(conn);
    } else if (slice_eq_str(line, "block")) {
        conn_block(conn, true);
        rig->blocked = conn;
    } else if (slice_eq_str(line, "bye")) {
        conn_write(conn, SLICE_LIT("bye\n"));
        conn_close(conn, "bye", true);
    } else if (slice_eq_str(line, "killall")) {
        listener_each(rig->listener, kill_one, NULL);
        conn_write(conn, SLICE_LIT("too late\n"));
    } else {
        conn_write(conn, SLICE_LIT("err\n"));
        return false;
    }
    return true;
}

static long on_input(void *arg, struct conn *conn, struct slice input)
{
    struct rig *rig = arg;
    size_t used = 0;
    rig->inputs++;
    while (used < input.n && rig->blocked != conn) {
        struct slice rest = slice_from(input, used);
        size_t n = slice_find(rest, '\n');
        if (n == rest.n)
            break;
        if (!run_line(rig, conn, slice_upto(rest, n)))
            return -1;
        used += n + 1;
    }
    return (long)used;
}

static void on_close(void *arg, struct conn *conn, const char *why)
{
    struct rig *rig = arg;
    if (rig->blocked == conn)
        rig->blocked = NULL;
    rig->why = why;
    rig->closed++;
}

static void on_call(void *arg)
{
    struct rig *rig = arg;
    uint64_t n;
    assert_int_equal(read(rig->event_fd, &n, sizeof(n)), sizeof(n));
    rig->call(rig);
    sem_post(&rig->called);
}

static void on_turn(void *arg)
{
    ((struct rig *)arg)->turns++;
}

static void *run_loop(void *arg)
{
    reactor_run(((struct rig *)arg)->reactor);
    return NULL;
}

struct conn_limits rig_limits(void)
{
    return (struct conn_limits){.input_bytes_max = 1 << 20,
                                .input_bytes_untrusted = 32 << 10,
                                .output_bytes_max = 4 << 20,
                                .conns_max = 10000};
}

void rig_start(struct rig *rig, const char *address, const struct conn_limits *limits)
{
    *rig = (struct rig){.event_fd = eventfd(0, EFD_CLOEXEC)};
    struct conn_handler handler = {
        .on_open = on_open, .on_input = on_input, .on_close = on_close, .arg = rig};
    sem_init(&rig->called, 0, 0);
    assert_int_equal(reactor_create(&rig->reactor), 0);
    assert_int_equal(reactor_on_turn_end(rig->reactor, on_turn, rig), 0);
    assert_int_equal(reactor_watch_fd(rig->reactor, rig->event_fd, on_call, rig, &rig->watch), 0);
    assert_int_equal(reactor_listen(rig->reactor, address, limits, &handler, &rig->listener), 0);
    assert_int_equal(pthread_create(&rig->thread, NULL, run_loop, rig), 0);
}

static void call_stop(struct rig *rig)
{
    reactor_stop(rig->reactor);
}

void rig_stop(struct rig *rig)
{
    rig_call(rig, call_stop);
    pthread_join(rig->thread, NULL);
    reactor_unwatch(&rig->watch);
    reactor_destroy(&rig->reactor);
    close(rig->event_fd);
    sem_destroy(&rig->called);
}

void rig_call(struct rig *rig, void (*call)(struct rig *rig))
{
    rig->call = call;
    uint64_t one = 1;
    assert_int_equal(write(rig->event_fd, &one, sizeof(one)), sizeof(one));
    sem_wait(&rig->called);
}

static void call_unblock(struct rig *rig)
{
    struct conn *conn = rig->blocked;
    rig->blocked = NULL;
    conn_block(conn, false);
}

void rig_unblock(struct rig *rig)
{
    rig_call(rig, call_unblock);
}

void rig_wait(_Atomic int *counter, int n)
{
    for (int i = 0; i < PATIENCE_S * 1000 && *counter < n; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(*counter >= n);
}

int client_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

int client_connect_with(struct rig *rig, int fd)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)listener_port(rig->listener)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (void *)&sin, sizeof(sin)), 0);
    return fd;
}

int client_connect(struct rig *rig)
{
    return client_connect_with(rig, client_socket());
}

void client_send(int fd, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        text += sent;
        n -= (size_t)sent;
    }
}

void client_expect(int fd, const char *text)
{
    size_t n = strlen(text);
    char *got = malloc(n + 1);
    size_t len = 0;
    while (len < n) {
        ssize_t more = recv(fd, got + len, n - len, 0);
        if (more <= 0)
            fail_msg("'%.20s' was expected, after %zu bytes came %s", text, len,
                     more == 0 ? "the end" : strerror(errno));
        len += (size_t)more;
    }
    assert_memory_equal(got, text, n);
    free(got);
}

void client_expect_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

long client_read_all(int fd)
{
    char block[65536];
    long sum = 0;
    ssize_t n;
    while ((n = recv(fd, block, sizeof(block), 0)) > 0)
        sum += n;
    assert_true(n == 0 || errno == ECONNRESET);
    return sum;
}

long client_drain(int fd)
{
    long sum = client_read_all(fd);
    close(fd);
    return sum;
}
