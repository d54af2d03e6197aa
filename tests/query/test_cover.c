/* cover.h against a model that judges every hour by itself. */

#include "query/cover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CASES = 20000, RUNS_MAX = 32, BASE_S = 1424390400 /* midnight */, DAY_S = 86400, DAYS = 4 };

struct fixture {
    uint32_t seed;
    struct read_guard guard;
    struct scratch scratch;
    struct storage_run runs[RUNS_MAX];
    uint32_t count;
    int64_t dirty[8];
    uint32_t dirty_count;
    int64_t from_ms, to_ms, step_ms;
};

static uint32_t below(struct fixture *f, uint32_t n)
{
    f->seed = f->seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(f->seed >> 4) * n >> 28);
}

static bool covers(const struct storage_run *run, int64_t hour_s)
{
    return run->range.from_s <= hour_s && run->range.to_s > hour_s;
}

static bool is_dirty(const struct fixture *f, int64_t hour_s)
{
    for (uint32_t i = 0; i < f->dirty_count; i++)
        if (f->dirty[i] == hour_s)
            return true;
    return false;
}

/* What serves the hour: resolution, and whether it is all that is left, or minutes of 1-second
 * runs. NOTHING: no run has the hour, so that it may go with the one before it. */
enum { NOTHING = 0 };
static uint32_t expected(const struct fixture *f, int64_t hour_s, bool *expired, bool *minutes)
{
    const struct storage_run *coarse[2] = {0};
    bool arrival = false;
    uint64_t newest = 0;
    int64_t seconds_from_s = INT64_MAX;
    *expired = *minutes = false;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct storage_run *run = &f->runs[i];
        if (run->resolution_s == 1 && run->range.to_s > 0 && run->range.from_s < seconds_from_s)
            seconds_from_s = run->range.from_s;
        if (!covers(run, hour_s))
            continue;
        arrival |= run->resolution_s == 1 && run->kind == STORAGE_ARRIVAL;
        if (run->resolution_s == 1 && run->kind == STORAGE_COMPACT)
            newest = run->id > newest ? run->id : newest;
        if (run->resolution_s > 1)
            coarse[run->resolution_s == 3600] = run;
    }
    for (int i = 1; i >= 0; i--)
        if (coarse[i] != NULL && f->step_ms >= coarse[i]->resolution_s * INT64_C(10000) &&
            !arrival && newest <= coarse[i]->sources && !is_dirty(f, hour_s))
            return coarse[i]->resolution_s;
    if (seconds_from_s != INT64_MAX)
        seconds_from_s -= seconds_from_s % DAY_S;
    *expired = hour_s < seconds_from_s && (coarse[0] != NULL || coarse[1] != NULL);
    if (*expired)
        return coarse[0] != NULL ? 60 : 3600;
    if (arrival || is_dirty(f, hour_s))
        return 1;
    *minutes = newest > 0 && f->step_ms >= 600 * 1000;
    return *minutes ? 60 : newest > 0 ? 1 : NOTHING;
}

static void make_runs(struct fixture *f)
{
    uint64_t id = 1;
    uint32_t kept_from = below(f, DAYS + 2);
    f->count = f->dirty_count = 0;
    for (uint32_t day = 0; day < DAYS; day++) {
        int64_t day_s = BASE_S + (int64_t)day * DAY_S;
        for (uint32_t i = 0; i < 2; i++)
            if (below(f, 3) > 0)
                f->runs[f->count++] = (struct storage_run){
                    .id = id++,
                    .kind = STORAGE_COMPACT,
                    .state = STORAGE_IN_FORCE,
                    .resolution_s = i == 0 ? 60 : 3600,
                    .range = {day_s, day_s + DAY_S},
                    .sources = below(f, 30),
                };
        int64_t hour_s = day_s;
        for (uint32_t i = 0; i < 4 && day + 1 >= kept_from; i++) { /* older ones have expired */
            if (i == 0 || below(f, 4) > 0)                         /* else: in pieces */
                hour_s = day_s + (int64_t)(i * 6 + below(f, 6)) * COVER_HOUR_S;
            f->runs[f->count++] = (struct storage_run){
                .id = 1 + (id++ * 7) % 31, /* in no order */
                .kind = below(f, 3) > 0 ? STORAGE_COMPACT : STORAGE_ARRIVAL,
                .state = STORAGE_IN_FORCE,
                .resolution_s = 1,
                .range = {hour_s, hour_s + COVER_HOUR_S},
            };
        }
    }
    f->runs[f->count++] =
        (struct storage_run){.id = id, .kind = STORAGE_ARRIVAL, .resolution_s = 1};
    for (uint32_t i = below(f, 8); i > 0; i--)
        f->dirty[f->dirty_count++] = BASE_S + (int64_t)below(f, DAYS * 24) * COVER_HOUR_S;
}

static void check_parts(struct fixture *f, const struct cover *cover)
{
    int64_t at_ms = f->from_ms;
    uint32_t coarsest = 1;
    for (uint32_t i = 0; i < cover->count; i++) {
        const struct cover_part *p = &cover->parts[i];
        assert_int_equal(p->from_ms, at_ms);
        assert_true(p->to_ms > p->from_ms);
        for (int64_t hour_s = p->from_ms / 1000 / COVER_HOUR_S * COVER_HOUR_S;
             hour_s * 1000 < p->to_ms; hour_s += COVER_HOUR_S) {
            bool expired, minutes;
            uint32_t resolution = expected(f, hour_s, &expired, &minutes);
            if (resolution == NOTHING) { /* joins minutes, or is seconds */
                minutes = p->minutes;
                resolution = minutes ? 60 : 1;
                assert_true(!minutes || p->from_ms < hour_s * 1000 || (i > 0 && p[-1].minutes) ||
                            f->from_ms >= hour_s * 1000);
            }
            if (minutes && !p->minutes) { /* the rest of a minute that the range cuts */
                assert_true((p->from_ms == f->from_ms && f->from_ms % 60000 != 0) ||
                            (p->to_ms == f->to_ms && f->to_ms % 60000 != 0));
                assert_null(p->run);
                int64_t from_ms = hour_s * 1000 > p->from_ms ? hour_s * 1000 : p->from_ms;
                int64_t end_ms = (hour_s + COVER_HOUR_S) * 1000;
                assert_true((p->to_ms < end_ms ? p->to_ms : end_ms) - from_ms < 2 * 60000);
                continue;
            }
            if (p->minutes) {
                assert_int_equal(p->from_ms % 60000, 0);
                assert_int_equal(p->to_ms % 60000, 0);
            }
            assert_int_equal(p->run != NULL ? p->run->resolution_s
                             : p->minutes   ? 60
                                            : 1,
                             resolution);
            assert_int_equal(p->minutes, minutes);
            assert_int_equal(p->expired, expired);
            assert_true(p->run == NULL || covers(p->run, hour_s));
            coarsest = resolution > coarsest ? resolution : coarsest;
        }
        if (i > 0)
            assert_true(p->run != p[-1].run || p->expired != p[-1].expired ||
                        p->minutes != p[-1].minutes);
        at_ms = p->to_ms;
    }
    assert_int_equal(at_ms, f->to_ms);
    assert_int_equal(cover->resolution_s, coarsest);
}

static void test_hours_are_served_as_the_model_says(void **state)
{
    struct fixture f = {.seed = 1};
    static const int64_t steps_s[] = {1, 60, 599, 600, 1008, 35999, 36000, DAY_S};
    for (int i = 0; i < CASES; i++) {
        f.guard = (struct read_guard){.deadline_mono_ms = INT64_MAX, .memory_bytes_max = 1 << 20};
        scratch_init(&f.scratch, &f.guard);
        make_runs(&f);
        int64_t span_s = (DAYS + 2) * DAY_S;
        f.from_ms =
            (BASE_S - DAY_S + (int64_t)below(&f, (uint32_t)span_s)) * 1000 + below(&f, 2000);
        f.to_ms = f.from_ms + 1 + below(&f, (uint32_t)span_s) * INT64_C(1000);
        f.step_ms = steps_s[below(&f, ARRAY_LEN(steps_s))] * 1000;
        struct cover cover;
        assert_int_equal(cover_plan(f.runs, f.count, f.dirty, f.dirty_count, f.from_ms, f.to_ms,
                                    &(struct cover_steps){.step_ms = f.step_ms}, &f.scratch,
                                    &cover),
                         0);
        check_parts(&f, &cover);
        scratch_fini(&f.scratch);
    }
}

/* TS.*: no stored bucket reaches over an interval's end, or over the range's. */
static void test_exact_parts_cut_no_bucket(void **state)
{
    struct fixture f = {.seed = 2};
    static const int64_t steps_ms[] = {1, 1000, 60000, 90000, 120000, 3600000, 7200000, 86400000};
    uint32_t coarse = 0, hours = 0;
    for (int i = 0; i < CASES; i++) {
        f.guard = (struct read_guard){.deadline_mono_ms = INT64_MAX, .memory_bytes_max = 1 << 20};
        scratch_init(&f.scratch, &f.guard);
        make_runs(&f);
        int64_t span_s = (DAYS + 2) * DAY_S;
        f.from_ms = (BASE_S - DAY_S + (int64_t)below(&f, (uint32_t)span_s)) * 1000;
        f.from_ms -= below(&f, 2) == 0 ? f.from_ms % 3600000 : 0;
        f.to_ms = f.from_ms + 1 + below(&f, (uint32_t)span_s) * INT64_C(1000);
        struct cover_steps steps = {.step_ms = steps_ms[below(&f, ARRAY_LEN(steps_ms))],
                                    .exact = true};
        steps.origin_ms = f.from_ms - f.from_ms % steps.step_ms;
        steps.origin_ms += below(&f, 3) == 0 ? below(&f, 3600) * 1000 : 0;
        struct cover cover;
        assert_int_equal(cover_plan(f.runs, f.count, f.dirty, f.dirty_count, f.from_ms, f.to_ms,
                                    &steps, &f.scratch, &cover),
                         0);
        int64_t at_ms = f.from_ms;
        for (uint32_t k = 0; k < cover.count; k++) {
            const struct cover_part *p = &cover.parts[k];
            assert_int_equal(p->from_ms, at_ms);
            at_ms = p->to_ms;
            int64_t unit_ms = p->run != NULL ? p->run->resolution_s * INT64_C(1000) : 60000;
            if (p->run == NULL && !p->minutes)
                continue;
            assert_int_equal(steps.step_ms % unit_ms, 0);
            assert_int_equal(steps.origin_ms % unit_ms, 0);
            assert_int_equal(p->from_ms % unit_ms, 0);
            assert_int_equal(p->to_ms % unit_ms, 0);
            coarse++;
            hours += unit_ms == 3600000;
        }
        assert_int_equal(at_ms, f.to_ms);
        scratch_fini(&f.scratch);
    }
    assert_true(coarse > CASES / 10 && hours > CASES / 100);
}

static void test_without_runs_all_is_one_part_of_seconds(void **state)
{
    struct read_guard guard = {.deadline_mono_ms = INT64_MAX, .memory_bytes_max = 1 << 20};
    struct scratch scratch;
    struct cover cover;
    scratch_init(&scratch, &guard);
    assert_int_equal(cover_plan(NULL, 0, NULL, 0, 0, INT64_MAX / 2,
                                &(struct cover_steps){.step_ms = 1000}, &scratch, &cover),
                     0);
    assert_int_equal(cover.count, 1);
    assert_null(cover.parts[0].run);
    assert_int_equal(cover.parts[0].from_ms, 0);
    assert_int_equal(cover.parts[0].to_ms, INT64_MAX / 2);
    assert_int_equal(cover.resolution_s, 1);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hours_are_served_as_the_model_says),
        cmocka_unit_test(test_exact_parts_cut_no_bucket),
        cmocka_unit_test(test_without_runs_all_is_one_part_of_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
