#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/gather.h"

enum { US = 1000, MS = 1000 * US, SLOW = 8 * MS };

static const int64_t S = INT64_C(1000) * MS;

/* ---- one wait ---- */

static struct gather holding(void)
{
    return (struct gather){.holds = true};
}

static void test_nobody_is_waited_for_at_first(void **state)
{
    (void)state;
    struct gather g = {0};
    assert_false(gather_waits(&g, 1));
    gather_command(&g);
    gather_report(&g, 5, SLOW, 100);
    assert_false(gather_waits(&g, 100));
}

static void test_waits_until_as_many_came_as_were_answered(void **state)
{
    (void)state;
    struct gather g = holding();
    gather_report(&g, 3, SLOW, 100);
    for (int i = 0; i < 3; i++) {
        assert_true(gather_waits(&g, 100 + i));
        gather_command(&g);
    }
    assert_false(gather_waits(&g, 103));
    gather_report(&g, 1, SLOW, 200); /* and again after the next */
    assert_true(gather_waits(&g, 200));
}

/* One client that waits for each reply never meets a wait. */
static void test_who_comes_alone_leaves_at_once(void **state)
{
    (void)state;
    struct gather g = holding();
    gather_report(&g, 1, SLOW, 100);
    gather_command(&g);
    assert_false(gather_waits(&g, 101));
}

static void test_waits_for_a_part_of_the_report_at_most(void **state)
{
    (void)state;
    struct gather g = holding();
    gather_report(&g, 3, SLOW, 100);
    assert_int_equal(g.until_ns, 100 + SLOW / GATHER_PART);
    assert_true(gather_waits(&g, g.until_ns - 1));
    assert_false(gather_waits(&g, g.until_ns));
    g = holding();
    gather_report(&g, 3, S, 100);
    assert_int_equal(g.until_ns, 100 + GATHER_NS_MAX);
}

static void test_a_record_that_leaves_ends_it(void **state)
{
    (void)state;
    struct gather g = holding();
    gather_report(&g, 3, SLOW, 100);
    gather_end(&g);
    assert_false(gather_waits(&g, 100));
}

/* ---- which way ---- */

/* A period in which each report answers so many commands. The way it went: h or -. */
static char period(struct gather *g, int64_t *now_ns, uint32_t commands)
{
    char way = g->holds ? 'h' : '-';
    for (int i = 0; i < GATHER_SETTLE + GATHER_REPORTS_MIN; i++)
        gather_report(g, commands, SLOW, *now_ns += SLOW);
    return way;
}

/* The ways of so many periods, where holding answers more by so many percent. */
static const char *ways(struct gather *g, int count, int gain_percent)
{
    static char text[128];
    int64_t now_ns = 1;
    for (int i = 0; i < count; i++)
        text[i] = period(g, &now_ns, g->holds ? 100 + (uint32_t)gain_percent : 100);
    text[count] = '\0';
    return text;
}

static void test_trials_become_rare(void **state)
{
    (void)state;
    struct gather g = {0};
    assert_string_equal(ways(&g, 54, 0), "-h-h--h----h--------h----------------h----------------");
}

static void test_what_answers_more_is_kept(void **state)
{
    (void)state;
    struct gather g = {0};
    assert_string_equal(ways(&g, 40, 30), "-h-h-hh-hhhh-hhhhhhhh-hhhhhhhhhhhhhhhh-h");
    ways(&g, 100, -30);
    assert_false(g.favours);
    assert_true(g.gain < 0);
}

/* A twentieth is the least that is worth a wait. */
static void test_a_little_more_is_not_enough(void **state)
{
    (void)state;
    struct gather g = {0};
    ways(&g, 100, 4);
    assert_false(g.favours);
    ways(&g, 100, 7);
    assert_true(g.favours);
    ways(&g, 100, 2); /* but enough to go on */
    assert_true(g.favours);
}

static void test_one_odd_period_does_not_decide(void **state)
{
    (void)state;
    struct gather g = {0};
    int64_t now_ns = 1;
    for (int i = 0; i < 100; i++)
        period(&g, &now_ns, g.holds ? 120 : 100);
    assert_true(g.favours);
    while (g.holds)
        period(&g, &now_ns, 120);
    period(&g, &now_ns, 1000); /* not held, and everybody was there */
    assert_true(g.favours);
}

/* A night without a client is nobody's. */
static void test_idle_times_are_not_counted(void **state)
{
    (void)state;
    struct gather g = {0};
    for (int i = 0; i < GATHER_SETTLE; i++)
        gather_report(&g, 1, SLOW, i + 1);
    gather_report(&g, 1, SLOW, 3600 * S);
    assert_int_equal(g.busy_ns, SLOW * GATHER_IDLE_PARTS);
}

/* ---- against clients and a log ---- */

/* Clients that wait for each reply, or send at their own pace; a loop that takes their commands one
 * by one; a log that takes one record at a time. */
struct world {
    int clients;
    int64_t away_ns;    /* from the reply to the next command's arrival */
    int64_t command_ns; /* of the loop's time */
    int64_t record_ns;  /* until the report, */
    int64_t loop_ns;    /* of which the loop can do nothing: the broker has its core */
    bool paced;         /* commands come each away_ns, replies or not */
};

enum { CLIENTS_MAX = 64 };

enum client_state { AWAY, WAITING, FLYING };

struct moment {
    int64_t now_ns;
    int64_t loop_free_ns;
    int64_t appended_ns, report_ns;
    uint32_t batch, inflight;
    enum client_state states[CLIENTS_MAX];
    int64_t comes_ns[CLIENTS_MAX]; /* of who is away */
};

enum { NEXT_REPORT = -1, NEXT_END_OF_WAIT = -2 }; /* or a client */

/* What comes next: a command that the loop can take, a report, the end of a wait. Time goes on to
 * it. */
static int go_on(const struct world *w, struct moment *m, struct gather *g)
{
    int next = NEXT_REPORT;
    int64_t at_ns = m->inflight > 0 ? m->report_ns : INT64_MAX;
    for (int c = 0; c < w->clients; c++) {
        int64_t from_ns = m->comes_ns[c] > m->loop_free_ns ? m->comes_ns[c] : m->loop_free_ns;
        if (m->states[c] == AWAY && from_ns + w->command_ns < at_ns) {
            at_ns = from_ns + w->command_ns;
            next = c;
        }
    }
    bool held = m->inflight == 0 && m->batch > 0 && gather_waits(g, m->now_ns);
    if (held && g->until_ns < at_ns) {
        at_ns = g->until_ns;
        next = NEXT_END_OF_WAIT;
    }
    m->now_ns = at_ns > m->now_ns ? at_ns : m->now_ns;
    return next;
}

static void take_command(struct moment *m, struct gather *g, int client)
{
    m->loop_free_ns = m->now_ns;
    m->states[client] = WAITING;
    m->batch++;
    gather_command(g);
}

/* How many were answered. */
static uint32_t take_report(const struct world *w, struct moment *m, struct gather *g)
{
    uint32_t answered = m->inflight;
    gather_report(g, answered, m->now_ns - m->appended_ns, m->now_ns);
    m->inflight = 0;
    for (int c = 0; c < w->clients; c++) {
        if (m->states[c] != FLYING)
            continue;
        m->states[c] = AWAY;
        m->comes_ns[c] = (w->paced ? m->comes_ns[c] : m->now_ns) + w->away_ns;
    }
    return answered;
}

static void append(const struct world *w, struct moment *m, struct gather *g)
{
    gather_end(g);
    for (int c = 0; c < w->clients; c++)
        m->states[c] = m->states[c] == WAITING ? FLYING : m->states[c];
    m->inflight = m->batch;
    m->batch = 0;
    m->appended_ns = m->now_ns;
    m->report_ns = m->now_ns + w->record_ns;
    m->loop_free_ns += w->loop_ns;
}

/* Runs for 20 s; how many are answered in the last 10. */
static uint64_t run(const struct world *w, struct gather *g, bool learns)
{
    struct moment m = {.now_ns = 1};
    uint64_t answered = 0;
    bool holds = g->holds;
    for (int c = 0; c < w->clients; c++)
        m.comes_ns[c] = 1 + c * (w->paced ? w->away_ns / w->clients : US);
    while (m.now_ns < 20 * S) {
        int next = go_on(w, &m, g);
        if (next >= 0) {
            take_command(&m, g, next);
        } else if (next == NEXT_REPORT) {
            uint32_t n = take_report(w, &m, g);
            answered += m.now_ns > 10 * S ? n : 0;
            g->holds = learns ? g->holds : holds;
        }
        if (m.inflight == 0 && m.batch > 0 && !gather_waits(g, m.now_ns))
            append(w, &m, g);
    }
    return answered;
}

static void check_world(const struct world *w, bool holds)
{
    struct gather never = {0}, always = holding(), learns = {0};
    uint64_t without = run(w, &never, false), with = run(w, &always, false);
    uint64_t learned = run(w, &learns, true), best = with > without ? with : without;
    assert_true(holds ? with > without : with <= without + without / 20);
    assert_int_equal(learns.favours, holds);
    assert_true(learned >= best - best / 20);
}

static void test_a_disk_that_syncs_each_record_is_worth_the_wait(void **state)
{
    (void)state;
    check_world(
        &(struct world){
            .clients = 64, .away_ns = 20 * US, .command_ns = 10 * US, .record_ns = 5 * MS},
        true);
}

static void test_a_broker_on_the_same_core_is_worth_the_wait(void **state)
{
    (void)state;
    check_world(&(struct world){.clients = 64,
                                .away_ns = 20 * US,
                                .command_ns = 8 * US,
                                .record_ns = 300 * US,
                                .loop_ns = 100 * US},
                true);
}

static void test_clients_far_away_are_not(void **state)
{
    (void)state;
    check_world(
        &(struct world){
            .clients = 16, .away_ns = 1 * MS, .command_ns = 10 * US, .record_ns = 400 * US},
        false);
}

static void test_clients_that_do_not_wait_are_not(void **state)
{
    (void)state;
    check_world(&(struct world){.clients = 64,
                                .away_ns = 10 * MS,
                                .command_ns = 10 * US,
                                .record_ns = 400 * US,
                                .paced = true},
                false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_waited_for_at_first),
        cmocka_unit_test(test_waits_until_as_many_came_as_were_answered),
        cmocka_unit_test(test_who_comes_alone_leaves_at_once),
        cmocka_unit_test(test_waits_for_a_part_of_the_report_at_most),
        cmocka_unit_test(test_a_record_that_leaves_ends_it),
        cmocka_unit_test(test_trials_become_rare),
        cmocka_unit_test(test_what_answers_more_is_kept),
        cmocka_unit_test(test_a_little_more_is_not_enough),
        cmocka_unit_test(test_one_odd_period_does_not_decide),
        cmocka_unit_test(test_idle_times_are_not_counted),
        cmocka_unit_test(test_a_disk_that_syncs_each_record_is_worth_the_wait),
        cmocka_unit_test(test_a_broker_on_the_same_core_is_worth_the_wait),
        cmocka_unit_test(test_clients_far_away_are_not),
        cmocka_unit_test(test_clients_that_do_not_wait_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
