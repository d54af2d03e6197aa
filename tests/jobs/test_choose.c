#include "jobs/choose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What is due, from lists of runs. */

enum { HOUR = 3600, DAY = 86400, RUNS_MAX = 64 };
static const int64_t day0 = INT64_C(1424390400); /* 2015-02-20 00:00 */

static const struct job_limits limits = {
    .grace_ms = 5 * 60 * 1000,
    .late_ms = 10 * 60 * 1000,
    .piece_points = 1000,
    .piece_ms = 5 * 60 * 1000,
    .keep_1s_ms = INT64_C(3) * DAY * 1000,
    .keep_1m_ms = INT64_C(30) * DAY * 1000,
    .keep_1h_ms = INT64_C(395) * DAY * 1000,
    .read_deadline_ms = 6000,
};

struct list {
    struct storage_run runs[RUNS_MAX];
    uint32_t count;
};

static struct storage_run *add(struct list *l, uint64_t id, enum storage_run_kind kind,
                               enum storage_run_state state, uint32_t resolution_s, int64_t from_s,
                               int64_t to_s)
{
    struct storage_run *r = &l->runs[l->count++];
    *r = (struct storage_run){.id = id,
                              .kind = kind,
                              .state = state,
                              .resolution_s = resolution_s,
                              .range = {from_s, to_s}};
    return r;
}

static struct storage_run *add_hour(struct list *l, uint64_t id, unsigned hour)
{
    int64_t from_s = day0 + (int64_t)hour * HOUR;
    return add(l, id, STORAGE_COMPACT, STORAGE_IN_FORCE, 1, from_s, from_s + HOUR);
}

static struct storage_run *add_day(struct list *l, uint64_t id, uint32_t resolution_s,
                                   uint64_t sources)
{
    struct storage_run *r =
        add(l, id, STORAGE_COMPACT, STORAGE_IN_FORCE, resolution_s, day0, day0 + DAY);
    r->sources = sources;
    return r;
}

static struct choose at(const struct list *l, int64_t now_s)
{
    return (struct choose){l->runs, l->count, &limits, now_s * 1000};
}

/* ---- compact ---- */

static struct storage_run *add_arrival(struct list *l, uint64_t id, enum storage_run_state state,
                                       unsigned hour, int64_t age_s)
{
    int64_t from_s = day0 + (int64_t)hour * HOUR;
    struct storage_run *r = add(l, id, STORAGE_ARRIVAL, state, 1, from_s, from_s + HOUR);
    r->now_ms = 50000000; /* the database's clock is its own */
    r->state_ms = r->now_ms - age_s * 1000;
    return r;
}

static struct storage_run *add_piece(struct list *l, uint64_t id, unsigned hour, int64_t age_s)
{
    struct storage_run *r = add_hour(l, id, hour);
    r->now_ms = 50000000;
    r->state_ms = r->now_ms - age_s * 1000;
    return r;
}

static void test_a_piece_of_an_open_hour_is_due_when_it_is_large_and_old(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    int64_t now_s = day0 + 10 * HOUR + 1800;
    struct storage_run *r = add_arrival(&l, 3, STORAGE_OPEN, 10, 300);
    r->points = r->fresh = 1000;
    struct choose c = at(&l, now_s);
    assert_true(choose_compact(&c, &unit));
    assert_true(unit.open);
    assert_int_equal(unit.range.from_s, day0 + 10 * HOUR);
    assert_int_equal(unit.due_ms, now_s * 1000);
    r->state_ms++; /* younger */
    assert_false(choose_compact(&c, &unit));
    r->state_ms--;
    r->points = r->fresh = 999; /* smaller */
    assert_false(choose_compact(&c, &unit));
    struct job_limits off = limits;
    off.piece_points = 0;
    r->points = r->fresh = 1000000;
    c.limits = &off;
    assert_false(choose_compact(&c, &unit));
}

static void test_many_points_that_are_not_fresh_make_no_piece(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    struct storage_run *r = add_arrival(&l, 3, STORAGE_OPEN, 10, 300);
    r->points = 4000;
    r->fresh = 3000;
    struct choose c = at(&l, day0 + 10 * HOUR + 1800);
    assert_true(choose_compact(&c, &unit));
    r->fresh--;
    assert_false(choose_compact(&c, &unit));
}

/* A job that died after it had closed a run: the next piece is of that one too. Runs that a job
 * wrote hold what is not fresh, and are no reason for a piece. */
static void test_pieces_are_made_of_what_flushes_wrote(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    struct storage_run *kept = add_arrival(&l, 3, STORAGE_CLOSED, 10, 600);
    kept->points = 5000;
    kept->sources = 2;
    add_piece(&l, 4, 10, 600)->points = 100000;
    struct storage_run *closed = add_arrival(&l, 5, STORAGE_CLOSED, 10, 300);
    struct storage_run *open = add_arrival(&l, 6, STORAGE_OPEN, 10, 10);
    closed->points = closed->fresh = 600;
    open->points = open->fresh = 399;
    struct choose c = at(&l, day0 + 10 * HOUR + 1800);
    assert_false(choose_compact(&c, &unit));
    open->points = open->fresh = 400;
    assert_true(choose_compact(&c, &unit));
    assert_true(unit.open);
    open->state = STORAGE_LEFT;
    assert_false(choose_compact(&c, &unit));
}

static void test_pieces_become_one_run_when_their_hour_has_ended(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    int64_t due_s = day0 + 11 * HOUR + 300;
    add_piece(&l, 4, 10, 1000);
    struct choose c = at(&l, due_s);
    assert_false(choose_compact(&c, &unit)); /* one alone is all of the hour */
    struct storage_run *open = add_arrival(&l, 5, STORAGE_OPEN, 10, 10);
    c = at(&l, due_s);
    assert_true(choose_compact(&c, &unit)); /* not late: the piece was made before the end */
    assert_false(unit.open);
    assert_int_equal(unit.due_ms, due_s * 1000);
    c = at(&l, due_s - 1);
    assert_false(choose_compact(&c, &unit));
    open->state = STORAGE_LEFT;
    add_piece(&l, 6, 10, 500);
    c = at(&l, due_s);
    assert_true(choose_compact(&c, &unit)); /* no arrival rows, and two pieces */
    assert_false(unit.open);
}

/* The same for a run that is of the whole hour, which came into force after its end. */
static void test_what_comes_after_the_hour_is_late(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    int64_t due_s = day0 + 11 * HOUR + 300;
    add_piece(&l, 4, 10, 100);
    add_arrival(&l, 5, STORAGE_OPEN, 10, 50)->points = 5000;
    struct choose c = at(&l, due_s + 101);
    assert_false(choose_compact(&c, &unit));
    c = at(&l, due_s + 99);
    assert_true(choose_compact(&c, &unit));
}

static void test_hours_that_have_ended_come_before_pieces(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    struct storage_run *r = add_arrival(&l, 9, STORAGE_OPEN, 10, 300);
    r->points = r->fresh = 5000;
    add_arrival(&l, 3, STORAGE_OPEN, 8, 10);
    struct choose c = at(&l, day0 + 10 * HOUR + 1800);
    assert_true(choose_compact(&c, &unit));
    assert_false(unit.open);
    assert_int_equal(unit.range.from_s, day0 + 8 * HOUR);
}

static void test_a_day_waits_for_its_pieces(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 8, 7);
    add_hour(&l, 5, 3);
    add_hour(&l, 6, 3);
    struct choose c = at(&l, day0 + 5 * DAY);
    assert_true(choose_downsample(&c, &unit));
    assert_non_null(unit.waits);
    struct choose_day day = choose_day(l.runs, l.count, unit.range);
    assert_int_equal(day.fine, 3);
    assert_int_equal(day.pieces, 2);
    add_day(&l, 20, 60, 8);
    add_day(&l, 21, 3600, 8);
    c = at(&l, day0 + 10 * DAY);
    assert_true(choose_expire(&c, &unit));
    assert_non_null(unit.waits);
}

/* ---- downsample ---- */

static void test_a_day_is_downsampled_after_its_end(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 5, 3);
    add_hour(&l, 6, 30); /* tomorrow's */
    struct choose early = at(&l, day0 + DAY + 299), due = at(&l, day0 + DAY + 300);
    assert_false(choose_downsample(&early, &unit));
    assert_true(choose_downsample(&due, &unit));
    assert_int_equal(unit.range.from_s, day0);
    assert_int_equal(unit.range.to_s, day0 + DAY);
    assert_int_equal(unit.due_ms, (day0 + DAY + 300) * 1000);
    assert_null(unit.waits);
}

static void test_the_oldest_day_comes_first(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 9, 49);
    add_hour(&l, 8, 25);
    add_hour(&l, 7, 3);
    struct choose c = at(&l, day0 + 5 * DAY);
    assert_true(choose_downsample(&c, &unit));
    assert_int_equal(unit.range.from_s, day0);
}

static void test_a_day_waits_for_compact_and_others_do_not_wait_for_it(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 7, 3);
    add(&l, 6, STORAGE_ARRIVAL, STORAGE_OPEN, 1, day0 + 5 * HOUR, day0 + 6 * HOUR);
    struct choose c = at(&l, day0 + 5 * DAY);
    assert_true(choose_downsample(&c, &unit));
    assert_non_null(unit.waits);
    add_hour(&l, 8, 25);
    c = at(&l, day0 + 5 * DAY);
    assert_true(choose_downsample(&c, &unit));
    assert_null(unit.waits);
    assert_int_equal(unit.range.from_s, day0 + DAY);
}

static void test_a_day_that_is_complete_is_not_due(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 7, 3);
    add_day(&l, 20, 60, 7);
    add_day(&l, 21, 3600, 7);
    add(&l, 3, STORAGE_ARRIVAL, STORAGE_OPEN, 1, 0, 0); /* the catch-all is of no day */
    struct choose c = at(&l, day0 + 5 * DAY);
    assert_false(choose_downsample(&c, &unit));
}

static void test_late_data_has_its_day_made_again_but_not_at_once(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 7, 3);
    add_day(&l, 20, 60, 7);
    add_day(&l, 21, 3600, 7);
    add_hour(&l, 22, 4)->state_ms = (day0 + 2 * DAY) * 1000;
    add_hour(&l, 23, 5)->state_ms = (day0 + 2 * DAY + 600) * 1000;
    struct choose early = at(&l, day0 + 2 * DAY + 3599), due = at(&l, day0 + 2 * DAY + 3600);
    assert_false(choose_downsample(&early, &unit));
    assert_true(choose_downsample(&due, &unit));
    assert_int_equal(unit.range.from_s, day0);
}

static void test_a_day_without_minutes_goes_by_its_hours(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 7, 3);
    add_day(&l, 21, 3600, 7);
    struct choose c = at(&l, day0 + 50 * DAY);
    assert_false(choose_downsample(&c, &unit));
}

/* ---- expire ---- */

static void test_what_left_is_dropped_after_two_deadlines(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    struct storage_run *r = add(&l, 4, STORAGE_COMPACT, STORAGE_LEFT, 1, day0, day0 + HOUR);
    r->state_ms = 1000000;
    r->now_ms = 1000000 + 11999;
    struct choose c = at(&l, day0 + DAY);
    assert_false(choose_expire(&c, &unit));
    r->now_ms++;
    assert_true(choose_expire(&c, &unit));
    assert_int_equal(unit.run, 4);
}

static void test_what_was_left_half_built_is_dropped(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add(&l, 4, STORAGE_COMPACT, STORAGE_BUILDING, 60, day0, day0 + DAY);
    struct choose c = at(&l, day0 + DAY);
    assert_true(choose_expire(&c, &unit));
    assert_int_equal(unit.run, 4);
}

static void test_seconds_leave_only_when_they_are_downsampled(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 7, 3);
    add_hour(&l, 8, 4);
    int64_t end_s = day0 + DAY + 3 * DAY + HOUR;
    struct choose early = at(&l, end_s - 1), due = at(&l, end_s);
    assert_false(choose_expire(&early, &unit));
    assert_true(choose_expire(&due, &unit));
    assert_non_null(unit.waits);
    struct storage_run *minutes = add_day(&l, 20, 60, 7);
    add_day(&l, 21, 3600, 7);
    due = at(&l, end_s);
    assert_true(choose_expire(&due, &unit));
    assert_non_null(unit.waits); /* run 8 is not in them */
    minutes->sources = 8;
    assert_true(choose_expire(&due, &unit));
    assert_null(unit.waits);
    assert_int_equal(unit.run, 0);
    assert_int_equal(unit.range.from_s, day0);
    struct choose_day day = choose_day(l.runs, l.count, unit.range);
    assert_int_equal(choose_leaving(&due, &day), 1);
}

static void test_seconds_wait_for_arrival_runs_of_their_day(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_hour(&l, 7, 3);
    add_day(&l, 20, 60, 7);
    add_day(&l, 21, 3600, 7);
    add(&l, 30, STORAGE_ARRIVAL, STORAGE_CLOSED, 1, day0, day0 + HOUR);
    struct choose c = at(&l, day0 + 10 * DAY);
    assert_true(choose_expire(&c, &unit));
    assert_non_null(unit.waits);
}

static void test_minutes_and_hours_leave_one_after_the_other(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add_day(&l, 21, 3600, 7);
    add_day(&l, 20, 60, 7);
    struct choose c = at(&l, day0 + DAY + 30 * DAY - 1);
    assert_false(choose_expire(&c, &unit));
    c = at(&l, day0 + DAY + 30 * DAY);
    assert_true(choose_expire(&c, &unit));
    struct choose_day day = choose_day(l.runs, l.count, unit.range);
    assert_int_equal(choose_leaving(&c, &day), 60);
    l.count = 1; /* hours alone */
    c = at(&l, day0 + DAY + 30 * DAY);
    assert_false(choose_expire(&c, &unit));
    c = at(&l, day0 + DAY + 395 * DAY);
    assert_true(choose_expire(&c, &unit));
    day = choose_day(l.runs, l.count, unit.range);
    assert_int_equal(choose_leaving(&c, &day), 3600);
}

static void test_the_catch_all_stays(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    add(&l, 1, STORAGE_ARRIVAL, STORAGE_OPEN, 1, 0, 0);
    add(&l, 2, STORAGE_ARRIVAL, STORAGE_CLOSED, 1, 0, 0);
    struct choose c = at(&l, day0 + 1000 * DAY);
    assert_false(choose_expire(&c, &unit));
    assert_false(choose_downsample(&c, &unit));
}

/* ---- ahead ---- */

static void test_the_coming_hour_is_made_where_somebody_writes(void **state)
{
    struct list l = {0};
    struct job_unit unit;
    int64_t hour = day0 + 10 * HOUR;
    struct choose c = at(&l, hour + HOUR - 300);
    assert_false(choose_ahead(&c, &unit)); /* nobody writes */
    add(&l, 3, STORAGE_ARRIVAL, STORAGE_OPEN, 1, hour, hour + HOUR);
    c = at(&l, hour + HOUR - 301);
    assert_false(choose_ahead(&c, &unit));
    c = at(&l, hour + HOUR - 300);
    assert_true(choose_ahead(&c, &unit));
    assert_int_equal(unit.range.from_s, hour + HOUR);
    assert_int_equal(unit.range.to_s, hour + 2 * HOUR);
    add(&l, 4, STORAGE_ARRIVAL, STORAGE_OPEN, 1, hour + HOUR, hour + 2 * HOUR);
    c = at(&l, hour + HOUR - 10);
    assert_false(choose_ahead(&c, &unit));
}

/* ---- asked ---- */

static void test_asked_goes_from_grain_to_grain(void **state)
{
    struct list l = {0};
    struct storage_range asked = {day0 + 3 * HOUR + 1800, day0 + 30 * HOUR}, got;
    add_hour(&l, 9, 31); /* begins where the range ends */
    add_hour(&l, 8, 29);
    add_hour(&l, 7, 3); /* its second half is asked for */
    add_hour(&l, 6, 2);
    add(&l, 5, STORAGE_ARRIVAL, STORAGE_CLOSED, 1, day0 + 5 * HOUR, day0 + 6 * HOUR);
    add(&l, 4, STORAGE_COMPACT, STORAGE_LEFT, 1, day0 + 6 * HOUR, day0 + 7 * HOUR);
    add_day(&l, 20, 60, 8);
    struct choose c = at(&l, day0 + 3 * DAY);
    static const int hours[] = {3, 5, 29};
    int64_t cursor_s = INT64_MIN;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(choose_asked(&c, asked, HOUR, cursor_s, &got));
        assert_int_equal(got.from_s, day0 + hours[i] * HOUR);
        cursor_s = got.to_s;
    }
    assert_false(choose_asked(&c, asked, HOUR, cursor_s, &got));
    assert_true(choose_asked(&c, asked, DAY, INT64_MIN, &got));
    assert_int_equal(got.from_s, day0);
    assert_true(choose_asked(&c, asked, DAY, got.to_s, &got));
    assert_int_equal(got.from_s, day0 + DAY);
    assert_false(choose_asked(&c, asked, DAY, got.to_s, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_piece_of_an_open_hour_is_due_when_it_is_large_and_old),
        cmocka_unit_test(test_many_points_that_are_not_fresh_make_no_piece),
        cmocka_unit_test(test_pieces_are_made_of_what_flushes_wrote),
        cmocka_unit_test(test_pieces_become_one_run_when_their_hour_has_ended),
        cmocka_unit_test(test_what_comes_after_the_hour_is_late),
        cmocka_unit_test(test_hours_that_have_ended_come_before_pieces),
        cmocka_unit_test(test_a_day_waits_for_its_pieces),
        cmocka_unit_test(test_a_day_is_downsampled_after_its_end),
        cmocka_unit_test(test_the_oldest_day_comes_first),
        cmocka_unit_test(test_a_day_waits_for_compact_and_others_do_not_wait_for_it),
        cmocka_unit_test(test_a_day_that_is_complete_is_not_due),
        cmocka_unit_test(test_late_data_has_its_day_made_again_but_not_at_once),
        cmocka_unit_test(test_a_day_without_minutes_goes_by_its_hours),
        cmocka_unit_test(test_what_left_is_dropped_after_two_deadlines),
        cmocka_unit_test(test_what_was_left_half_built_is_dropped),
        cmocka_unit_test(test_seconds_leave_only_when_they_are_downsampled),
        cmocka_unit_test(test_seconds_wait_for_arrival_runs_of_their_day),
        cmocka_unit_test(test_minutes_and_hours_leave_one_after_the_other),
        cmocka_unit_test(test_the_catch_all_stays),
        cmocka_unit_test(test_the_coming_hour_is_made_where_somebody_writes),
        cmocka_unit_test(test_asked_goes_from_grain_to_grain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
