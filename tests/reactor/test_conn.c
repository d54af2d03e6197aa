#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "reactor/support_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char anywhere[] = "127.0.0.1:0";

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void start(struct rig *rig)
{
    struct conn_limits limits = rig_limits();
    rig_start(rig, anywhere, &limits);
}

/* "echo xxx...\n", n bytes in all. */
static char *long_echo(size_t n)
{
    char *text = malloc(n + 1);
    memset(text, 'x', n);
    memcpy(text, "echo ", 5);
    text[n - 1] = '\n';
    text[n] = '\0';
    return text;
}

static void test_pieces_make_lines_and_are_shown_once(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int a = client_connect(&rig), b = client_connect(&rig);
    client_send(a, "echo o");
    rig_wait(&rig.inputs, 1);
    for (int i = 0; i < 5; i++) { /* five turns in which a brings nothing new */
        client_send(b, "echo b\n");
        client_expect(b, "b\n");
    }
    assert_int_equal(rig.inputs, 6);
    client_send(a, "ne\necho two\nech");
    client_expect(a, "one\ntwo\n");
    client_send(a, "o three\n");
    client_expect(a, "three\n");
    close(a);
    rig_wait(&rig.closed, 1);
    assert_string_equal(rig.why, "hung up");
    client_send(b, "echo still\n");
    client_expect(b, "still\n");
    rig_stop(&rig);
    client_expect_end(b);
}

static void test_long_input_and_output_pass_through(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int fd = client_connect(&rig);
    client_send(fd, "trust\n");
    char *line = long_echo(1000000);
    for (int i = 0; i < 3; i++)
        client_send(fd, line);
    for (int i = 0; i < 3; i++)
        client_expect(fd, line + 5);
    free(line);
    close(fd);
    rig_stop(&rig);
}

static void test_what_never_fits_the_input_is_cut(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int untrusted = client_connect(&rig), trusted = client_connect(&rig);
    char *line = long_echo(40000);
    client_send(untrusted, line);
    assert_int_equal(client_drain(untrusted), 0);
    rig_wait(&rig.closed, 1);
    assert_string_equal(rig.why, "its command does not fit the input buffer");
    client_send(trusted, "trust\n");
    client_send(trusted, line);
    client_expect(trusted, line + 5);
    free(line);
    close(trusted);
    rig_stop(&rig);
}

static void test_a_client_that_never_reads_is_cut(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int deaf = client_connect(&rig), other = client_connect(&rig);
    client_send(deaf, "trust\n");
    /* Each reply is below the limit; what the kernel does not take adds up. */
    while (rig.closed == 0) {
        if (send(deaf, "flood 1000000\n", 14, MSG_NOSIGNAL) < 0)
            break;
        client_send(other, "echo fine\n");
        client_expect(other, "fine\n");
    }
    rig_wait(&rig.closed, 1);
    assert_string_equal(rig.why, "does not read its replies: the output limit is reached");
    client_drain(deaf);
    /* Before trust, the input's limit holds for output too. */
    int stranger = client_connect(&rig);
    client_send(stranger, "flood 40000\n");
    assert_int_equal(client_drain(stranger), 0);
    close(other);
    rig_stop(&rig);
}

static void test_timeouts_spare_the_trusted_and_the_blocked(void **state)
{
    (void)state;
    struct conn_limits limits = rig_limits();
    limits.trust_timeout_ms = 400;
    limits.idle_timeout_ms = 900;
    struct rig rig;
    rig_start(&rig, anywhere, &limits);
    int stranger = client_connect(&rig), idle = client_connect(&rig),
        blocked = client_connect(&rig);
    client_send(idle, "trust\n");
    client_send(blocked, "trust\nblock\n");
    for (int i = 0; i < 100 && rig.closed == 0; i++) { /* bytes do not help the stranger */
        send(stranger, "e", 1, MSG_NOSIGNAL);
        sleep_ms(20);
    }
    assert_string_equal(rig.why, "did not authenticate in time");
    client_drain(stranger);
    client_send(idle, "echo here\n");
    client_expect(idle, "here\n");
    client_expect_end(idle);
    rig_wait(&rig.closed, 2);
    assert_string_equal(rig.why, "idle for too long");
    client_send(blocked, "echo a\n");
    rig_unblock(&rig);
    client_expect(blocked, "a\n");
    close(blocked);
    rig_stop(&rig);
}

static void call_measure(struct rig *rig)
{
    rig->input_bytes = (long)conn_input_bytes(rig->blocked);
}

static void test_a_blocked_connection_waits_with_bounded_input(void **state)
{
    (void)state;
    struct conn_limits limits = rig_limits();
    limits.output_bytes_max = 64 << 20; /* all replies at once, should we be slow to read them */
    struct rig rig;
    rig_start(&rig, anywhere, &limits);
    int fd = client_connect(&rig);
    client_send(fd, "trust\nblock\necho first\n");
    char *line = long_echo(1000);
    int sent = 0; /* until neither the server nor the kernel takes more */
    struct timeval patience = {.tv_usec = 300000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    ssize_t last;
    while ((last = send(fd, line, 1000, MSG_NOSIGNAL)) == 1000)
        sent++;
    rig_call(&rig, call_measure);
    assert_int_equal(rig.input_bytes, rig_limits().input_bytes_max);
    assert_int_equal(rig.closed, 0);
    assert_true(rig.inputs <= 2);
    rig_unblock(&rig);
    client_expect(fd, "first\n");
    for (int i = 0; i < sent; i++)
        client_expect(fd, line + 5);
    if (last < 0)
        last = 0;
    client_send(fd, line + last);
    client_expect(fd, line + 5);
    free(line);
    close(fd);
    rig_stop(&rig);
}

static void test_a_blocked_client_that_hangs_up_is_gone(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int fd = client_connect(&rig);
    client_send(fd, "block\n");
    rig_wait(&rig.inputs, 1);
    close(fd);
    rig_wait(&rig.closed, 1);
    rig_stop(&rig);
}

static void test_a_half_closed_client_gets_what_is_queued(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int fd = client_socket();
    int little = 4096; /* so that the kernel cannot take all at once, and the end comes first */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    client_connect_with(&rig, fd);
    client_send(fd, "trust\nflood 3000000\necho end\n");
    shutdown(fd, SHUT_WR);
    rig_wait(&rig.inputs, 1);
    sleep_ms(50);
    assert_int_equal(client_drain(fd), 3000004);
    rig_stop(&rig);
}

static void test_a_last_word_arrives_despite_unread_input(void **state)
{
    (void)state;
    static const char *const commands[] = {"bye\n", "bad\n"};
    static const char *const words[] = {"bye\n", "err\n"};
    struct rig rig;
    start(&rig);
    char *junk = long_echo(200000);
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(&rig);
        client_send(fd, "trust\n");
        client_send(fd, commands[i]);
        client_send(fd, junk);
        client_expect(fd, words[i]);
        client_expect_end(fd);
        rig_wait(&rig.closed, i + 1);
    }
    free(junk);
    rig_stop(&rig);
}

static void test_a_handler_may_close_everyone(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = client_connect(&rig);
    client_send(fds[1], "block\necho no\n");
    rig_wait(&rig.inputs, 1);
    client_send(fds[4], "echo queued\nkillall\necho never\n");
    for (int i = 0; i < 5; i++)
        assert_int_equal(client_drain(fds[i]), 0);
    rig_wait(&rig.closed, 5);
    assert_string_equal(rig.why, "killed");
    rig_stop(&rig);
}

static void call_pause(struct rig *rig)
{
    listener_pause(rig->listener, true);
}

static void call_resume(struct rig *rig)
{
    listener_pause(rig->listener, false);
}

static void test_a_paused_listener_reads_nobody(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int before = client_connect(&rig);
    client_send(before, "echo a\n");
    client_expect(before, "a\n");
    rig_call(&rig, call_pause);
    int after = client_connect(&rig);
    client_send(before, "echo b\n");
    client_send(after, "echo c\n");
    sleep_ms(50);
    assert_int_equal(rig.inputs, 1);
    rig_call(&rig, call_resume);
    client_expect(before, "b\n");
    client_expect(after, "c\n");
    close(before);
    close(after);
    rig_stop(&rig);
}

static void call_refuse(struct rig *rig)
{
    rig->refuse = true;
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    struct conn_limits limits = rig_limits();
    limits.conns_max = 2;
    limits.full_reply = "full\n";
    struct rig rig;
    rig_start(&rig, anywhere, &limits);
    int a = client_connect(&rig), b = client_connect(&rig), c = client_connect(&rig);
    client_expect(c, "full\n");
    client_expect_end(c);
    close(a);
    rig_wait(&rig.closed, 1);
    rig_call(&rig, call_refuse);
    int d = client_connect(&rig);
    client_expect(d, "no\n");
    client_expect_end(d);
    client_send(b, "echo b\n");
    client_expect(b, "b\n");
    close(b);
    rig_wait(&rig.closed, 2);
    rig_stop(&rig);
    assert_int_equal(rig.closed, 2); /* of the refused ones nobody hears */
}

static void call_stop_listening(struct rig *rig)
{
    listener_stop(rig->listener);
}

static void test_a_stopped_listener_keeps_its_connections(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int fd = client_connect(&rig);
    client_send(fd, "echo a\n");
    client_expect(fd, "a\n");
    struct sockaddr_storage address;
    socklen_t n = sizeof(address);
    getpeername(fd, (void *)&address, &n);
    rig_call(&rig, call_stop_listening);
    int late = client_socket();
    assert_int_equal(connect(late, (void *)&address, n), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
    client_send(fd, "echo b\n");
    client_expect(fd, "b\n");
    rig_stop(&rig);
    assert_int_equal(rig.closed, 1);
    client_expect_end(fd);
}

/* The first descriptor that is free. */
static int next_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static void test_without_descriptors_newcomers_go_and_the_loop_rests(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    int fds[20];
    int known = client_connect(&rig);
    client_send(known, "echo a\n");
    client_expect(known, "a\n");
    for (int i = 0; i < 20; i++)
        fds[i] = client_socket();
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)next_fd();
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 20; i++)
        client_connect_with(&rig, fds[i]);
    for (int i = 0; i < 20; i++) /* none is closed: that would free a descriptor for the server */
        assert_int_equal(client_read_all(fds[i]), 0);
    client_send(known, "echo b\n");
    client_expect(known, "b\n");
    int turns = rig.turns;
    sleep_ms(200);
    assert_true(rig.turns - turns < 20);
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    int fd = client_connect(&rig);
    client_send(fd, "echo c\n");
    client_expect(fd, "c\n");
    close(fd);
    close(known);
    rig_stop(&rig);
}

static void test_two_thousand_connections(void **state)
{
    (void)state;
    enum { CONNS = 2000 };
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * CONNS + 100)
        skip();
    struct rig rig;
    start(&rig);
    int *fds = malloc(CONNS * sizeof(*fds));
    char text[32];
    for (int i = 0; i < CONNS; i++) {
        fds[i] = client_connect(&rig);
        snprintf(text, sizeof(text), "echo %d\n", i);
        client_send(fds[i], text);
    }
    for (int i = 0; i < CONNS; i++) {
        snprintf(text, sizeof(text), "%d\n", i);
        client_expect(fds[i], text);
    }
    for (int i = 0; i < CONNS; i++)
        close(fds[i]);
    rig_wait(&rig.closed, CONNS);
    rig_stop(&rig);
    free(fds);
}

static int unix_connect(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (void *)&sun, sizeof(sun)), 0);
    return fd;
}

static void test_unix_sockets_replace_dead_ones_only(void **state)
{
    (void)state;
    char folder[] = "/tmp/longtail-test-XXXXXX", path[64], address[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (void *)&sun, sizeof(sun)), 0);
    close(dead);

    struct conn_limits limits = rig_limits();
    struct rig rig;
    rig_start(&rig, address, &limits);
    assert_int_equal(listener_port(rig.listener), -1);
    int fd = unix_connect(path);
    client_send(fd, "echo a\n");
    client_expect(fd, "a\n");
    struct reactor *second;
    struct listener *listener;
    assert_int_equal(reactor_create(&second), 0);
    assert_int_equal(reactor_listen(second, address, &limits, &(struct conn_handler){0}, &listener),
                     LT_EIO);
    reactor_destroy(&second);
    close(fd);
    rig_stop(&rig);
    struct stat stat_out;
    assert_int_equal(stat(path, &stat_out), -1);
    rmdir(folder);
}

static void test_addresses_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "6479",
                                        ":6479",
                                        "localhost:6479",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "1.2.3.4:65536",
                                        "[::1:1",
                                        "127.0.0.1:x",
                                        "unix:",
                                        "[127.0.0.1]:1",
                                        "::1:1"};
    struct conn_limits limits = rig_limits();
    struct reactor *reactor;
    struct listener *listener;
    assert_int_equal(reactor_create(&reactor), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(
            reactor_listen(reactor, texts[i], &limits, &(struct conn_handler){0}, &listener),
            LT_EINVALID);
    reactor_destroy(&reactor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_make_lines_and_are_shown_once),
        cmocka_unit_test(test_long_input_and_output_pass_through),
        cmocka_unit_test(test_what_never_fits_the_input_is_cut),
        cmocka_unit_test(test_a_client_that_never_reads_is_cut),
        cmocka_unit_test(test_timeouts_spare_the_trusted_and_the_blocked),
        cmocka_unit_test(test_a_blocked_connection_waits_with_bounded_input),
        cmocka_unit_test(test_a_blocked_client_that_hangs_up_is_gone),
        cmocka_unit_test(test_a_half_closed_client_gets_what_is_queued),
        cmocka_unit_test(test_a_last_word_arrives_despite_unread_input),
        cmocka_unit_test(test_a_handler_may_close_everyone),
        cmocka_unit_test(test_a_paused_listener_reads_nobody),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_a_stopped_listener_keeps_its_connections),
        cmocka_unit_test(test_without_descriptors_newcomers_go_and_the_loop_rests),
        cmocka_unit_test(test_two_thousand_connections),
        cmocka_unit_test(test_unix_sockets_replace_dead_ones_only),
        cmocka_unit_test(test_addresses_that_make_no_sense),
    };
    return cmocka_run_group_tests_name("reactor/conn", tests, NULL, NULL);
}
