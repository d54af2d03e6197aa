#include "reactor/reactor.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "reactor/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char module[] = "reactor";

struct reactor_timer {
    uv_timer_t timer;
    struct reactor *reactor;
    void (*on_time)(void *arg);
    void *arg;
};

struct reactor_watch {
    uv_poll_t poll;
    struct reactor *reactor;
    void (*on_readable)(void *arg);
    void *arg;
};

static void end_turn(struct reactor *reactor)
{
    conn_run_ready(reactor);
    for (uint32_t i = 0; i < reactor->hooks_count; i++)
        reactor->hooks[i].run(reactor->hooks[i].arg);
    conn_flush_dirty(reactor);
}

/* Its being active is its work: libuv then polls without sleeping. */
static void on_awake(uv_idle_t *idle)
{
    (void)idle;
}

static bool is_awake(struct reactor *reactor)
{
    if (reactor->awake_until_ns != 0 && clock_mono_ns() >= reactor->awake_until_ns)
        reactor->awake_until_ns = 0;
    return reactor->awake_until_ns != 0 || !list_empty(&reactor->ready);
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct reactor *reactor = CONTAINER_OF(prepare, struct reactor, turn_end);
    end_turn(reactor);
    if (!is_awake(reactor)) {
        uv_idle_stop(&reactor->awake);
        return;
    }
    uv_idle_start(&reactor->awake, on_awake);
    /* Whoever else wants this core, the log perhaps, goes first: but only now that the turn's
     * records and replies have left. */
    if (reactor->awake_until_ns != 0)
        sched_yield();
}

static void on_sweep(uv_timer_t *timer)
{
    struct reactor *reactor = CONTAINER_OF(timer, struct reactor, sweeper);
    for (struct list *at = reactor->listeners.next, *next; at != &reactor->listeners; at = next) {
        next = at->next;
        listener_sweep(CONTAINER_OF(at, struct listener, link));
    }
}

int reactor_create(struct reactor **out)
{
    struct reactor *reactor = calloc(1, sizeof(*reactor));
    if (reactor == NULL)
        return LT_ENOMEM;
    int status = LT_ENOMEM;
    reactor->read_buffer = malloc(READ_BYTES);
    if (reactor->read_buffer == NULL)
        goto fail_read_buffer;
    status = LT_EIO;
    reactor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (reactor->spare_fd < 0)
        goto fail_spare;
    int error = uv_loop_init(&reactor->loop);
    if (error != 0)
        goto fail_loop;
    list_init(&reactor->listeners);
    list_init(&reactor->ready);
    list_init(&reactor->dirty);
    /* These neither allocate nor open anything: they cannot fail. */
    uv_prepare_init(&reactor->loop, &reactor->turn_end);
    uv_prepare_start(&reactor->turn_end, on_turn_end);
    uv_idle_init(&reactor->loop, &reactor->awake);
    uv_timer_init(&reactor->loop, &reactor->sweeper);
    uv_timer_start(&reactor->sweeper, on_sweep, SWEEP_MS, SWEEP_MS);
    signal(SIGPIPE, SIG_IGN);
    *out = reactor;
    return 0;

fail_loop:
    log_error(module, "cannot start the event loop: %s", uv_strerror(error));
    close(reactor->spare_fd);
fail_spare:
    free(reactor->read_buffer);
fail_read_buffer:
    free(reactor);
    return status;
}

static void close_connection(void *arg, struct conn *conn)
{
    (void)arg;
    conn_close(conn, "the server ends", false);
}

void reactor_destroy(struct reactor **reactor_ref)
{
    struct reactor *reactor = *reactor_ref;
    if (reactor == NULL)
        return;
    assert(reactor->lent == 0);
    reactor->hooks_count = 0;
    for (struct list *at = reactor->listeners.next, *next; at != &reactor->listeners; at = next) {
        next = at->next;
        struct listener *listener = CONTAINER_OF(at, struct listener, link);
        listener_each(listener, close_connection, NULL);
        if (!listener->released)
            listener_close(&listener);
    }
    uv_close((uv_handle_t *)&reactor->turn_end, NULL);
    uv_close((uv_handle_t *)&reactor->awake, NULL);
    uv_close((uv_handle_t *)&reactor->sweeper, NULL);
    if (reactor->on_signal != NULL)
        for (size_t i = 0; i < SIGNALS; i++)
            uv_close((uv_handle_t *)&reactor->signals[i], NULL);
    uv_run(&reactor->loop, UV_RUN_DEFAULT); /* the close callbacks free what they close */
    int error = uv_loop_close(&reactor->loop);
    assert(error == 0);
    (void)error;
    if (reactor->spare_fd >= 0)
        close(reactor->spare_fd);
    free(reactor->read_buffer);
    free(reactor);
    *reactor_ref = NULL;
}

void reactor_run(struct reactor *reactor)
{
    uv_run(&reactor->loop, UV_RUN_DEFAULT);
    end_turn(reactor);
}

void reactor_awake_until(struct reactor *reactor, int64_t until_mono_ns)
{
    reactor->awake_until_ns = until_mono_ns;
}

void reactor_stop(struct reactor *reactor)
{
    uv_stop(&reactor->loop);
}

int reactor_on_turn_end(struct reactor *reactor, void (*hook)(void *arg), void *arg)
{
    if (reactor->hooks_count == REACTOR_HOOKS_MAX)
        return LT_ELIMIT;
    reactor->hooks[reactor->hooks_count++] = (struct reactor_hook){.run = hook, .arg = arg};
    return 0;
}

/* ---- watched descriptors ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct reactor_watch *watch = CONTAINER_OF(poll, struct reactor_watch, poll);
    (void)events;
    /* An error is for its owner to find: by reading. libuv has ended the watch then. */
    if (status != 0)
        log_error(module, "a watched descriptor failed: %s", uv_strerror(status));
    watch->on_readable(watch->arg);
}

static void free_watch(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_poll_t *)handle, struct reactor_watch, poll));
}

int reactor_watch_fd(struct reactor *reactor, int fd, void (*on_readable)(void *arg), void *arg,
                     struct reactor_watch **out)
{
    struct reactor_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return LT_ENOMEM;
    watch->reactor = reactor;
    watch->on_readable = on_readable;
    watch->arg = arg;
    int error = uv_poll_init(&reactor->loop, &watch->poll, fd);
    if (error != 0) {
        log_error(module, "cannot watch descriptor %d: %s", fd, uv_strerror(error));
        free(watch);
        return LT_EIO;
    }
    uv_poll_start(&watch->poll, UV_READABLE, on_poll);
    reactor->lent++;
    *out = watch;
    return 0;
}

void reactor_unwatch(struct reactor_watch **watch)
{
    if (*watch == NULL)
        return;
    (*watch)->reactor->lent--;
    uv_close((uv_handle_t *)&(*watch)->poll, free_watch);
    *watch = NULL;
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *handle)
{
    struct reactor_timer *timer = CONTAINER_OF(handle, struct reactor_timer, timer);
    timer->on_time(timer->arg);
}

static void free_timer(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_timer_t *)handle, struct reactor_timer, timer));
}

int reactor_timer_create(struct reactor *reactor, void (*on_time)(void *arg), void *arg,
                         struct reactor_timer **out)
{
    struct reactor_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL)
        return LT_ENOMEM;
    timer->reactor = reactor;
    timer->on_time = on_time;
    timer->arg = arg;
    uv_timer_init(&reactor->loop, &timer->timer);
    reactor->lent++;
    *out = timer;
    return 0;
}

void reactor_timer_start(struct reactor_timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    /* libuv counts from the turn's start, which a long turn has left behind. */
    uv_update_time(&timer->reactor->loop);
    uv_timer_start(&timer->timer, on_timer, delay_ms < 0 ? 0 : (uint64_t)delay_ms,
                   repeat_ms < 0 ? 0 : (uint64_t)repeat_ms);
}

void reactor_timer_stop(struct reactor_timer *timer)
{
    uv_timer_stop(&timer->timer);
}

void reactor_timer_destroy(struct reactor_timer **timer)
{
    if (*timer == NULL)
        return;
    (*timer)->reactor->lent--;
    uv_close((uv_handle_t *)&(*timer)->timer, free_timer);
    *timer = NULL;
}

/* ---- signals ---- */

static void on_uv_signal(uv_signal_t *handle, int signum)
{
    struct reactor *reactor = handle->data;
    reactor->on_signal(reactor->on_signal_arg, signum);
}

int reactor_on_signal(struct reactor *reactor, void (*on_signal)(void *arg, int signum), void *arg)
{
    static const int signums[SIGNALS] = {SIGTERM, SIGINT};
    bool first = reactor->on_signal == NULL;
    reactor->on_signal = on_signal;
    reactor->on_signal_arg = arg;
    for (size_t i = 0; first && i < SIGNALS; i++) {
        uv_signal_init(&reactor->loop, &reactor->signals[i]);
        reactor->signals[i].data = reactor;
    }
    for (size_t i = 0; i < SIGNALS; i++) {
        int error = uv_signal_start(&reactor->signals[i], on_uv_signal, signums[i]);
        if (error != 0) {
            log_error(module, "cannot handle signal %d: %s", signums[i], uv_strerror(error));
            return LT_EIO;
        }
    }
    return 0;
}
