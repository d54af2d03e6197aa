#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/gather.h"
#include "ingest/trial.h"

enum { US = 1000, MS = 1000 * US, SLOW = 8 * MS };

static const int64_t S = INT64_C(1000) * MS;

/* Only whether to hold is asked, but where a test is about both choices. */
static struct trial of_holding(bool holds)
{
    struct trial t = {0};
    t.ways[TRIAL_AWAKE].excluded = true;
    t.ways[TRIAL_HOLD].taken = holds;
    return t;
}

/* ---- which way ---- */

/* A period in which each report answers so many commands. The way it went: h or -. */
static char period(struct trial *t, int64_t *now_ns, uint32_t commands)
{
    char way = t->ways[TRIAL_HOLD].taken ? 'h' : '-';
    for (int i = 0; i < TRIAL_SETTLE + TRIAL_REPORTS_MIN; i++)
        trial_report(t, commands, SLOW, *now_ns += SLOW);
    return way;
}

/* The ways of so many periods, where holding answers more by so many percent. */
static const char *ways(struct trial *t, int count, int gain_percent)
{
    static char text[128];
    int64_t now_ns = 1;
    for (int i = 0; i < count; i++)
        text[i] =
            period(t, &now_ns, t->ways[TRIAL_HOLD].taken ? 100 + (uint32_t)gain_percent : 100);
    text[count] = '\0';
    return text;
}

static void test_trials_become_rare(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    assert_string_equal(ways(&t, 54, 0), "-h-h--h----h--------h----------------h----------------");
}

static void test_what_answers_more_is_kept(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    assert_string_equal(ways(&t, 40, 30), "-h-h-hh-hhhh-hhhhhhhh-hhhhhhhhhhhhhhhh-h");
    ways(&t, 100, -30);
    assert_false(t.ways[TRIAL_HOLD].favoured);
    assert_true(t.ways[TRIAL_HOLD].gain < 0);
}

/* A twentieth is the least that is worth a wait. */
static void test_a_little_more_is_not_enough(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    ways(&t, 100, 4);
    assert_false(t.ways[TRIAL_HOLD].favoured);
    ways(&t, 120, 7); /* in some time */
    ways(&t, 120, 7);
    assert_true(t.ways[TRIAL_HOLD].favoured);
    ways(&t, 100, 2); /* but enough to go on */
    assert_true(t.ways[TRIAL_HOLD].favoured);
}

static void test_one_odd_period_does_not_decide(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    int64_t now_ns = 1;
    for (int i = 0; i < 100; i++)
        period(&t, &now_ns, t.ways[TRIAL_HOLD].taken ? 120 : 100);
    assert_true(t.ways[TRIAL_HOLD].favoured);
    while (t.ways[TRIAL_HOLD].taken)
        period(&t, &now_ns, 120);
    period(&t, &now_ns, 1000); /* not held, and everybody was there */
    assert_true(t.ways[TRIAL_HOLD].favoured);
}

/* A night without a client is nobody's. */
static void test_idle_times_are_not_counted(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    for (int i = 0; i < TRIAL_SETTLE; i++)
        trial_report(&t, 1, SLOW, i + 1);
    trial_report(&t, 1, SLOW, 3600 * S);
    assert_int_equal(t.busy_ns, SLOW * TRIAL_IDLE_PARTS);
}

/* Sixteen agents that come by chance are half as many or twice as many the next time. */
static void test_a_few_commands_do_not_end_a_period(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    int64_t now_ns = 1;
    for (int i = 1; i < TRIAL_SETTLE + TRIAL_COMMANDS_MIN; i++)
        trial_report(&t, 1, SLOW, now_ns += SLOW);
    assert_false(t.ways[TRIAL_HOLD].taken);
    trial_report(&t, 1, SLOW, now_ns + SLOW);
    assert_true(t.ways[TRIAL_HOLD].taken);
}

/* ---- two choices ---- */

/* Periods in which each way gains so many percent for itself; what is favoured in the end. */
static void two_ways(struct trial *t, int count, int hold_percent, int awake_percent)
{
    int64_t now_ns = 1;
    for (int i = 0; i < count; i++) {
        int hold = t->ways[TRIAL_HOLD].taken ? hold_percent : 0;
        int awake = t->ways[TRIAL_AWAKE].taken ? awake_percent : 0;
        period(t, &now_ns, (uint32_t)((100 + hold) * (100 + awake)));
    }
}

static void test_each_choice_is_measured_for_itself(void **state)
{
    (void)state;
    static const struct {
        int hold_percent, awake_percent;
        bool holds, awake;
    } cases[] = {
        {30, 40, true, true},     {30, -20, true, false}, {-25, 30, false, true},
        {-10, -10, false, false}, {7, 7, true, true},     {4, 4, false, false},
        {0, 0, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trial t = {0};
        two_ways(&t, 400, cases[i].hold_percent, cases[i].awake_percent);
        assert_int_equal(t.ways[TRIAL_HOLD].favoured, cases[i].holds);
        assert_int_equal(t.ways[TRIAL_AWAKE].favoured, cases[i].awake);
        two_ways(&t, 400, -30, -30); /* and not for ever */
        assert_false(t.ways[TRIAL_HOLD].favoured || t.ways[TRIAL_AWAKE].favoured);
    }
}

/* Neighbours differ in one choice, and both are tried, less and less. */
static void test_trials_take_turns(void **state)
{
    (void)state;
    struct trial t = {0};
    int64_t now_ns = 1;
    int tried[TRIAL_CHOICES] = {0};
    for (int i = 0; i < 400; i++) {
        assert_true(i != 3 || (tried[TRIAL_HOLD] == 1 && tried[TRIAL_AWAKE] == 1));
        bool hold = t.ways[TRIAL_HOLD].taken, awake = t.ways[TRIAL_AWAKE].taken;
        period(&t, &now_ns, 100);
        bool holds = t.ways[TRIAL_HOLD].taken, is_awake = t.ways[TRIAL_AWAKE].taken;
        assert_true(hold == holds || awake == is_awake);
        tried[TRIAL_HOLD] += holds;
        tried[TRIAL_AWAKE] += is_awake;
    }
    assert_in_range(tried[TRIAL_HOLD], 400 / 20, 400 / 12);
    assert_in_range(tried[TRIAL_AWAKE], 400 / 20, 400 / 12);
}

static void test_what_is_excluded_is_never_tried(void **state)
{
    (void)state;
    struct trial t = of_holding(false);
    int64_t now_ns = 1;
    for (int i = 0; i < 100; i++) {
        period(&t, &now_ns, 100);
        assert_false(t.ways[TRIAL_AWAKE].taken);
    }
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
    struct gather gather;
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
static int go_on(const struct world *w, struct moment *m)
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
    bool held = m->inflight == 0 && m->batch > 0 && gather_waits(&m->gather, m->now_ns);
    if (held && m->gather.until_ns < at_ns) {
        at_ns = m->gather.until_ns;
        next = NEXT_END_OF_WAIT;
    }
    m->now_ns = at_ns > m->now_ns ? at_ns : m->now_ns;
    return next;
}

static void take_command(struct moment *m, int client)
{
    m->loop_free_ns = m->now_ns;
    m->states[client] = WAITING;
    m->batch++;
    gather_command(&m->gather);
}

/* How many were answered. */
static uint32_t take_report(const struct world *w, struct moment *m, bool holds)
{
    uint32_t answered = m->inflight;
    gather_report(&m->gather, holds, answered, m->now_ns - m->appended_ns, m->now_ns);
    m->inflight = 0;
    for (int c = 0; c < w->clients; c++) {
        if (m->states[c] != FLYING)
            continue;
        m->states[c] = AWAY;
        m->comes_ns[c] = (w->paced ? m->comes_ns[c] : m->now_ns) + w->away_ns;
    }
    return answered;
}

static void append(const struct world *w, struct moment *m)
{
    gather_end(&m->gather);
    for (int c = 0; c < w->clients; c++)
        m->states[c] = m->states[c] == WAITING ? FLYING : m->states[c];
    m->inflight = m->batch;
    m->batch = 0;
    m->appended_ns = m->now_ns;
    m->report_ns = m->now_ns + w->record_ns;
    m->loop_free_ns += w->loop_ns;
}

/* Runs for 20 s; how many are answered in the last 10. t: NULL, or what decides after each report.
 */
static uint64_t run(const struct world *w, struct trial *t, bool holds)
{
    struct moment m = {.now_ns = 1};
    uint64_t answered = 0;
    for (int c = 0; c < w->clients; c++)
        m.comes_ns[c] = 1 + c * (w->paced ? w->away_ns / w->clients : US);
    while (m.now_ns < 20 * S) {
        int next = go_on(w, &m);
        if (next >= 0) {
            take_command(&m, next);
        } else if (next == NEXT_REPORT) {
            if (t != NULL)
                trial_report(t, m.inflight, m.now_ns - m.appended_ns, m.now_ns);
            uint32_t n = take_report(w, &m, t == NULL ? holds : t->ways[TRIAL_HOLD].taken);
            answered += m.now_ns > 10 * S ? n : 0;
        }
        if (m.inflight == 0 && m.batch > 0 && !gather_waits(&m.gather, m.now_ns))
            append(w, &m);
    }
    return answered;
}

static void check_world(const struct world *w, bool holds)
{
    struct trial learns = of_holding(false);
    uint64_t without = run(w, NULL, false), with = run(w, NULL, true);
    uint64_t learned = run(w, &learns, false), best = with > without ? with : without;
    assert_true(holds ? with > without : with <= without + without / 20);
    assert_int_equal(learns.ways[TRIAL_HOLD].favoured, holds);
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
        cmocka_unit_test(test_trials_become_rare),
        cmocka_unit_test(test_what_answers_more_is_kept),
        cmocka_unit_test(test_a_little_more_is_not_enough),
        cmocka_unit_test(test_one_odd_period_does_not_decide),
        cmocka_unit_test(test_idle_times_are_not_counted),
        cmocka_unit_test(test_a_few_commands_do_not_end_a_period),
        cmocka_unit_test(test_each_choice_is_measured_for_itself),
        cmocka_unit_test(test_trials_take_turns),
        cmocka_unit_test(test_what_is_excluded_is_never_tried),
        cmocka_unit_test(test_a_disk_that_syncs_each_record_is_worth_the_wait),
        cmocka_unit_test(test_a_broker_on_the_same_core_is_worth_the_wait),
        cmocka_unit_test(test_clients_far_away_are_not),
        cmocka_unit_test(test_clients_that_do_not_wait_are_not),
    };
    return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
