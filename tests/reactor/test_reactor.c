#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "reactor/reactor.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What happened, in order, a letter each; the loop stops when the text is stop_at long. */
struct diary {
    struct reactor *reactor;
    char text[256];
    size_t n;
    size_t stop_at;
    int fd;
    struct reactor_timer *timer;
};

static void note(struct diary *diary, char what)
{
    diary->text[diary->n++] = what;
    if (diary->n >= diary->stop_at)
        reactor_stop(diary->reactor);
}

static void note_timer(void *arg)
{
    note(arg, 't');
}

static void note_readable(void *arg)
{
    struct diary *diary = arg;
    uint64_t n;
    assert_int_equal(read(diary->fd, &n, sizeof(n)), sizeof(n));
    note(diary, 'r');
}

/* Hooks are noted only where something else was, since when they run in vain is not promised. */
static void note_hook(struct diary *diary, char what, char after)
{
    if (diary->n > 0 && diary->text[diary->n - 1] == after)
        note(diary, what);
}

static void first_hook_after_timer(void *arg)
{
    note_hook(arg, '1', 't');
}

static void first_hook_after_read(void *arg)
{
    note_hook(arg, '1', 'r');
}

static void second_hook(void *arg)
{
    note_hook(arg, '2', '1');
}

static void test_hooks_end_each_turn_of_a_timer(void **state)
{
    (void)state;
    struct diary diary = {.stop_at = 9};
    assert_int_equal(reactor_create(&diary.reactor), 0);
    assert_int_equal(reactor_on_turn_end(diary.reactor, first_hook_after_timer, &diary), 0);
    assert_int_equal(reactor_on_turn_end(diary.reactor, second_hook, &diary), 0);
    assert_int_equal(reactor_timer_create(diary.reactor, note_timer, &diary, &diary.timer), 0);
    reactor_timer_start(diary.timer, 1, 1);
    reactor_run(diary.reactor);
    assert_memory_equal(diary.text, "t12t12t12", 9);
    reactor_timer_destroy(&diary.timer);
    assert_null(diary.timer);
    reactor_destroy(&diary.reactor);
}

static void test_hooks_end_a_turn_of_a_watch_before_the_loop_sleeps(void **state)
{
    (void)state;
    struct diary diary = {.stop_at = 3, .fd = eventfd(1, EFD_CLOEXEC)};
    struct reactor_watch *watch;
    assert_int_equal(reactor_create(&diary.reactor), 0);
    assert_int_equal(reactor_on_turn_end(diary.reactor, first_hook_after_read, &diary), 0);
    assert_int_equal(reactor_on_turn_end(diary.reactor, second_hook, &diary), 0);
    assert_int_equal(reactor_watch_fd(diary.reactor, diary.fd, note_readable, &diary, &watch), 0);
    /* Were the hooks late, this timer would come between. */
    assert_int_equal(reactor_timer_create(diary.reactor, note_timer, &diary, &diary.timer), 0);
    reactor_timer_start(diary.timer, 200, 0);
    reactor_run(diary.reactor);
    assert_memory_equal(diary.text, "r12", 3);
    reactor_unwatch(&watch);
    reactor_timer_destroy(&diary.timer);
    reactor_destroy(&diary.reactor);
    close(diary.fd);
}

static void test_the_ninth_hook_is_refused(void **state)
{
    (void)state;
    struct diary diary = {0};
    assert_int_equal(reactor_create(&diary.reactor), 0);
    for (int i = 0; i < REACTOR_HOOKS_MAX; i++)
        assert_int_equal(reactor_on_turn_end(diary.reactor, second_hook, &diary), 0);
    assert_int_equal(reactor_on_turn_end(diary.reactor, second_hook, &diary), LT_ELIMIT);
    reactor_destroy(&diary.reactor);
}

static void stop_other_timer(void *arg)
{
    struct diary *diary = arg;
    reactor_timer_stop(diary->timer);
    note(diary, 's');
}

static void test_timers_fire_once_or_until_stopped(void **state)
{
    (void)state;
    struct diary diary = {.stop_at = 3};
    struct reactor_timer *stopper, *last;
    assert_int_equal(reactor_create(&diary.reactor), 0);
    assert_int_equal(reactor_timer_create(diary.reactor, note_timer, &diary, &diary.timer), 0);
    assert_int_equal(reactor_timer_create(diary.reactor, stop_other_timer, &diary, &stopper), 0);
    assert_int_equal(reactor_timer_create(diary.reactor, note_timer, &diary, &last), 0);
    int64_t before_ms = clock_mono_ms();
    reactor_timer_start(diary.timer, 0, 30); /* once, then stopped */
    reactor_timer_start(stopper, 10, 0);
    reactor_timer_start(last, 100, 0);
    reactor_run(diary.reactor);
    assert_memory_equal(diary.text, "tst", 3);
    assert_true(clock_mono_ms() - before_ms >= 99);
    reactor_timer_destroy(&diary.timer);
    reactor_timer_destroy(&stopper);
    reactor_timer_destroy(&last);
    reactor_destroy(&diary.reactor);
}

struct awake {
    struct reactor *reactor;
    struct reactor_timer *timer;
    int turns;
};

enum { AWAKE_TURNS = 1000 };

static void stop_awake(void *arg)
{
    reactor_stop(((struct awake *)arg)->reactor);
}

/* An hour is asked for, until it is taken back by a moment that has passed. */
static void stay_awake(void *arg)
{
    struct awake *a = arg;
    if (++a->turns <= AWAKE_TURNS)
        reactor_awake_until(a->reactor, clock_mono_ns() + INT64_C(3600000000000));
    else
        reactor_awake_until(a->reactor, clock_mono_ns() - 1);
    if (a->turns == AWAKE_TURNS)
        reactor_timer_start(a->timer, 50, 0);
}

static void test_the_loop_stays_awake_as_long_as_it_is_asked_to(void **state)
{
    (void)state;
    struct awake a = {0};
    assert_int_equal(reactor_create(&a.reactor), 0);
    assert_int_equal(reactor_timer_create(a.reactor, stop_awake, &a, &a.timer), 0);
    assert_int_equal(reactor_on_turn_end(a.reactor, stay_awake, &a), 0);
    int64_t begin_ns = clock_mono_ns();
    reactor_run(a.reactor);
    /* A loop that sleeps would take a turn each 250 ms, for its sweep; one that does not end its
     * watch, thousands until the timer. */
    assert_true(clock_mono_ns() - begin_ns < INT64_C(100) * 1000000000);
    assert_in_range(a.turns, AWAKE_TURNS + 1, AWAKE_TURNS + 10);
    reactor_timer_destroy(&a.timer);
    reactor_destroy(&a.reactor);
}

struct alarmed {
    struct reactor *reactor;
    struct reactor_alarm *alarm;
    int64_t due_ns;
    int64_t ended_ns;
};

/* As its users do: set anew in each turn that is still too early. */
static void stop_when_due(void *arg)
{
    struct alarmed *a = arg;
    if (a->ended_ns >= a->due_ns)
        return;
    a->ended_ns = clock_mono_ns();
    if (a->ended_ns >= a->due_ns)
        reactor_stop(a->reactor);
    else
        reactor_alarm_set(a->alarm, a->due_ns);
}

static void test_an_alarm_ends_the_sleep_in_time(void **state)
{
    (void)state;
    struct alarmed a = {0};
    assert_int_equal(reactor_create(&a.reactor), 0);
    assert_int_equal(reactor_alarm_create(a.reactor, &a.alarm), 0);
    assert_int_equal(reactor_on_turn_end(a.reactor, stop_when_due, &a), 0);
    int64_t first_ns = clock_mono_ns();
    for (int64_t i = 0; i < 20; i++) {
        int64_t start_ns = clock_mono_ns();
        reactor_alarm_set(a.alarm, start_ns + i * 10000); /* one for nothing before it */
        reactor_alarm_set(a.alarm, 0);
        a.due_ns = start_ns + i * 100000;
        reactor_run(a.reactor);
        assert_true(a.ended_ns >= a.due_ns);
    }
    /* Without alarms the loop would wake for its sweep, 20 times 250 ms. */
    assert_true(clock_mono_ns() - first_ns < INT64_C(4000000000));
    int64_t past_ns = a.ended_ns;
    a.due_ns = past_ns + 1;
    reactor_alarm_set(a.alarm, past_ns); /* is a turn, too */
    reactor_run(a.reactor);
    assert_true(a.ended_ns >= a.due_ns);
    reactor_alarm_destroy(&a.alarm);
    assert_null(a.alarm);
    reactor_alarm_destroy(&a.alarm);
    reactor_destroy(&a.reactor);
}

static void note_signal(void *arg, int signum)
{
    note(arg, signum == SIGTERM ? 'T' : signum == SIGINT ? 'I' : '?');
}

static void raise_next(void *arg)
{
    struct diary *diary = arg;
    raise(SIGPIPE); /* is ignored */
    raise(diary->n == 0 ? SIGTERM : SIGINT);
}

static void test_signals_reach_the_loop(void **state)
{
    (void)state;
    struct diary diary = {.stop_at = 1};
    assert_int_equal(reactor_create(&diary.reactor), 0);
    assert_int_equal(reactor_on_signal(diary.reactor, note_signal, &diary), 0);
    assert_int_equal(reactor_timer_create(diary.reactor, raise_next, &diary, &diary.timer), 0);
    for (size_t i = 1; i <= 2; i++) {
        diary.stop_at = i;
        reactor_timer_start(diary.timer, 0, 0);
        reactor_run(diary.reactor);
    }
    assert_memory_equal(diary.text, "TI", 2);
    reactor_timer_destroy(&diary.timer);
    reactor_destroy(&diary.reactor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hooks_end_each_turn_of_a_timer),
        cmocka_unit_test(test_hooks_end_a_turn_of_a_watch_before_the_loop_sleeps),
        cmocka_unit_test(test_the_ninth_hook_is_refused),
        cmocka_unit_test(test_timers_fire_once_or_until_stopped),
        cmocka_unit_test(test_an_alarm_ends_the_sleep_in_time),
        cmocka_unit_test(test_the_loop_stays_awake_as_long_as_it_is_asked_to),
        cmocka_unit_test(test_signals_reach_the_loop),
    };
    return cmocka_run_group_tests_name("reactor/reactor", tests, NULL, NULL);
}
