#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/newest.h"

#include <stdlib.h>
#include <string.h>

/* The consumer and the loop in any order, against a log that is a plain list of points. What the
 * table knows must be what the log says. */

enum { SERIES = 5, RECORDS = 300, POINTS = 6, TIMES = 12 };

enum { CLEARS = UINT32_MAX }; /* as series: all lose their points */

struct point {
    uint32_t record;
    uint32_t series;
    int64_t time_ms;
    double value;
    enum policy policy;
};

struct world {
    struct newest newest;
    struct point log[RECORDS * POINTS];
    uint32_t count;
    uint32_t at;      /* applied so far, within records too */
    uint64_t applied; /* records */
    bool reading[SERIES];
    struct newest_watch watches[SERIES];
    struct newest_point read[SERIES];
    uint64_t read_applied[SERIES];
    bool pinned[SERIES];
    unsigned seed;
};

static unsigned below(struct world *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static struct newest_key key_of(uint32_t series)
{
    return (struct newest_key){1, series % 2, 3, series, 0};
}

/* Few hashes, so that some are shared. */
static uint64_t hash_of(uint32_t series)
{
    return (uint64_t)(series % 3 + 1) << 40;
}

/* Of the first n points. */
static struct newest_point newest_in(const struct world *w, uint32_t series, uint32_t n)
{
    struct newest_point newest = {0};
    for (int64_t t = TIMES - 1; t >= 0 && !newest.any; t--) {
        bool present = false;
        double value = 0;
        for (uint32_t i = 0; i < n; i++)
            if (w->log[i].series == CLEARS)
                present = false;
            else if (w->log[i].series == series && w->log[i].time_ms == t)
                policy_step(w->log[i].policy, w->log[i].value, &present, &value);
        if (present)
            newest = (struct newest_point){true, t, value};
    }
    return newest;
}

static bool ever_had(const struct world *w, uint32_t series, int64_t time_ms, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (w->log[i].series == series && w->log[i].time_ms >= time_ms)
            return true;
    return false;
}

static void apply_next(struct world *w)
{
    const struct point *p = &w->log[w->at];
    if (w->at == 0 || w->log[w->at - 1].record != p->record)
        newest_begin(&w->newest, p->record);
    if (p->series == CLEARS)
        newest_clear(&w->newest, 1, p->record);
    struct newest_key key = key_of(p->series);
    struct newest_change change = {p->record, p->time_ms, p->value, p->policy,
                                   p->policy != POLICY_ERASE && below(w, 2) == 0 &&
                                       !ever_had(w, p->series, p->time_ms, w->at)};
    if (p->series != CLEARS && (change.enters || newest_wants(&w->newest, hash_of(p->series))))
        newest_apply(&w->newest, &key, hash_of(p->series), &change);
    w->at++;
    if (w->at == w->count || w->log[w->at].record != p->record)
        w->applied = p->record + 1;
}

/* A read pins what is applied as a whole. */
static uint32_t points_of(const struct world *w, uint64_t records)
{
    uint32_t n = 0;
    while (n < w->count && w->log[n].record < records)
        n++;
    return n;
}

static void loop_step(struct world *w, uint32_t series)
{
    struct newest_key key = key_of(series);
    struct newest_point known;
    if (newest_find(&w->newest, &key, hash_of(series), &known)) {
        struct newest_point wanted = newest_in(w, series, w->at);
        assert_int_equal(known.any, wanted.any);
        assert_true(!known.any || (known.time_ms == wanted.time_ms && known.value == wanted.value));
    }
    if (!w->reading[series]) {
        assert_int_equal(newest_watch(&w->newest, &key, hash_of(series), &w->watches[series]), 0);
        w->reading[series] = true;
        w->pinned[series] = false;
    } else if (!w->pinned[series] && w->applied >= w->watches[series].after) {
        w->read_applied[series] = w->applied;
        w->read[series] = newest_in(w, series, points_of(w, w->applied));
        w->pinned[series] = true;
    } else if (w->pinned[series]) {
        newest_learn(&w->newest, &w->watches[series], w->read_applied[series], &w->read[series]);
        w->reading[series] = false;
    }
}

static void make_log(struct world *w)
{
    w->count = 0;
    for (uint32_t record = 0; record < RECORDS; record++)
        for (unsigned n = 1 + below(w, POINTS); n > 0; n--)
            w->log[w->count++] = (struct point){
                record, below(w, 200) == 0 ? CLEARS : below(w, SERIES), below(w, TIMES),
                below(w, 100), (enum policy)below(w, POLICY_STORED_COUNT)};
}

static void test_what_is_known_is_what_the_log_says(void **state)
{
    (void)state;
    uint32_t found = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct world *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        w->seed = round + 1;
        assert_int_equal(newest_init(&w->newest), 0);
        make_log(w);
        while (w->at < w->count) {
            if (below(w, 3) > 0)
                apply_next(w);
            else
                loop_step(w, below(w, SERIES));
            if (below(w, 500) == 0) { /* all is loaded anew */
                newest_reset(&w->newest);
                w->at = points_of(w, w->applied);
                struct newest_point known;
                struct newest_key key = key_of(0);
                assert_false(newest_find(&w->newest, &key, hash_of(0), &known));
            }
        }
        for (uint32_t s = 0; s < SERIES; s++) {
            struct newest_point known;
            struct newest_key key = key_of(s);
            found += newest_find(&w->newest, &key, hash_of(s), &known);
        }
        newest_fini(&w->newest);
        free(w);
    }
    assert_in_range(found, 30, 60 * SERIES); /* it does know something */
}

static void test_of_too_many_the_early_ones_go(void **state)
{
    (void)state;
    struct newest n;
    struct newest_point known;
    assert_int_equal(newest_init(&n), 0);
    for (uint32_t i = 0; i < 3 * NEWEST_MAX; i++) {
        struct newest_key key = {1, 2, 3, i, 4};
        struct newest_change change = {i, 7, i, POLICY_LAST, true};
        newest_begin(&n, i);
        newest_apply(&n, &key, hash_u64(i), &change);
        assert_true(newest_wants(&n, hash_u64(i)));
    }
    for (uint32_t i = 0; i < 3 * NEWEST_MAX; i++) {
        struct newest_key key = {1, 2, 3, i, 4};
        bool there = newest_find(&n, &key, hash_u64(i), &known);
        assert_int_equal(there, i >= 2 * NEWEST_MAX);
        assert_true(!there || (newest_wants(&n, hash_u64(i)) && known.value == i));
    }
    uint32_t wanted = 0; /* the filter forgets, too */
    newest_begin(&n, 3 * NEWEST_MAX);
    for (uint32_t i = 0; i < NEWEST_MAX; i++)
        wanted += newest_wants(&n, hash_u64(i));
    assert_in_range(wanted, 0, NEWEST_MAX / 5);
    newest_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known_is_what_the_log_says),
        cmocka_unit_test(test_of_too_many_the_early_ones_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
