#include "base/error.h"
#include "base/logger.h"
#include "reactor/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct reactor_alarm {
    struct reactor_watch *watch;
    int fd;
    int64_t set_ns; /* when it goes off; 0: it does not */
};

static void on_alarm(void *arg)
{
    struct reactor_alarm *alarm = arg;
    uint64_t times;
    ssize_t ignored = read(alarm->fd, &times, sizeof(times));
    (void)ignored; /* nothing there is fine: the turn is all that was wanted */
    alarm->set_ns = 0;
}

int reactor_alarm_create(struct reactor *reactor, struct reactor_alarm **out)
{
    struct reactor_alarm *alarm = calloc(1, sizeof(*alarm));
    if (alarm == NULL)
        return LT_ENOMEM;
    int status = LT_EIO;
    alarm->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm->fd < 0) {
        log_error("reactor", "cannot create a timer: %s", strerror(errno));
        goto fail_fd;
    }
    status = reactor_watch_fd(reactor, alarm->fd, on_alarm, alarm, &alarm->watch);
    if (status != 0)
        goto fail_watch;
    *out = alarm;
    return 0;

fail_watch:
    close(alarm->fd);
fail_fd:
    free(alarm);
    return status;
}

void reactor_alarm_set(struct reactor_alarm *alarm, int64_t at_mono_ns)
{
    enum { NS_PER_S = 1000 * 1000 * 1000 };
    if (at_mono_ns == 0 || (alarm->set_ns != 0 && alarm->set_ns <= at_mono_ns))
        return;
    struct itimerspec at = {
        .it_value = {.tv_sec = at_mono_ns / NS_PER_S, .tv_nsec = at_mono_ns % NS_PER_S}};
    timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &at, NULL);
    alarm->set_ns = at_mono_ns;
}

void reactor_alarm_destroy(struct reactor_alarm **alarm)
{
    if (*alarm == NULL)
        return;
    reactor_unwatch(&(*alarm)->watch);
    close((*alarm)->fd);
    free(*alarm);
    *alarm = NULL;
}
