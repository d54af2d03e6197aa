#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/name.h"
#include "record/record.h"
#include "support_random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Points that are handed over together make the same record, to the byte, as one by one; and the
 * same ones are refused, for the same reasons. */

enum { AT_ONCE_MAX = 80, COMMANDS = 12, RECORD_MAX = 1000 * 1000 };

struct text {
    char bytes[NAME_BYTES_MAX + 1];
    size_t n;
};

struct fixture {
    struct record_builder *one_by_one, *together;
    struct text hosts[AT_ONCE_MAX], metrics[AT_ONCE_MAX];
    struct record_point points[AT_ONCE_MAX];
};

static void print(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
static void print(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->n = (size_t)vsnprintf(t->bytes, sizeof(t->bytes), format, args);
    va_end(args);
}

/* Of few texts around digits, most of them new, some as a moment ago; and now and then anything. */
static void random_metric(struct text *t, unsigned kind)
{
    static const char *const dimensions[] = {"time_us", "tput", "errors"};
    static unsigned turn;
    unsigned long long digits = random_below(3) > 0 ? random_u64() : random_below(20);
    switch (kind) {
    case 0: /* one template */
        print(t, "host.queries.c.%016llx.time_us", digits);
        return;
    case 1: /* templates that follow each other, digits that repeat */
        turn++;
        print(t, "q.%08x.%s", turn / 3 % 50 * 2654435761u, dimensions[turn % 3]);
        return;
    case 2: /* digits of all lengths, in several places, some of them short names */
        print(t, "%s%.*llx.n%u", random_below(2) == 0 ? "disk." : "", 4 + (int)random_below(13),
              digits, random_below(100000));
        return;
    case 3:
        print(t, "%0*u", (int)random_below(NAME_BYTES_MAX + 1), random_below(10));
        return;
    default:
        print(t, "host.cpu.%s", dimensions[random_below(3)]);
    }
}

/* What no record may hold, rarely. */
static void spoil(struct fixture *f, uint32_t i)
{
    struct record_point *p = &f->points[i];
    switch (random_below(200)) {
    case 0:
        p->time_ms = -1;
        break;
    case 1:
        p->value = random_below(2) == 0 ? INFINITY : -INFINITY;
        break;
    case 2:
        p->host = SLICE_LIT("a/b");
        break;
    case 3:
        memset(f->metrics[i].bytes, 'x', NAME_BYTES_MAX + 1);
        p->metric = slice_make(f->metrics[i].bytes, NAME_BYTES_MAX + 1);
        break;
    default:
        break;
    }
}

static void random_points(struct fixture *f, uint32_t count)
{
    static const double values[] = {0, -0.0, 0.5, 1e300, NAN, 12.25};
    unsigned kind = random_below(6), hosts = random_below(4) == 0 ? 3 : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct text *host = &f->hosts[i], *metric = &f->metrics[i];
        print(host, "%.*s%u", (int)random_below(2) * 12, "a-host-of-some", random_below(hosts));
        if (hosts == 1 && i > 0)
            *host = f->hosts[0];
        random_metric(metric, kind < 5 ? kind : random_below(5));
        f->points[i] = (struct record_point){
            .host = slice_make(host->bytes, host->n),
            .metric = slice_make(metric->bytes, metric->n),
            .time_ms = 1424444400000 + (random_below(10) == 0 ? random_below(3) * 1000 : 0),
            .value = random_below(2) == 0 ? random_below(1000) : values[random_below(6)],
        };
        spoil(f, i);
    }
}

static void assert_same_record(struct fixture *f)
{
    struct slice a, b;
    uint32_t count = record_builder_points(f->one_by_one);
    assert_int_equal(record_builder_points(f->together), count);
    assert_int_equal(record_builder_bytes(f->together), record_builder_bytes(f->one_by_one));
    if (count == 0)
        return;
    assert_int_equal(record_builder_finish(f->one_by_one, 1, 2, &a), 0);
    assert_int_equal(record_builder_finish(f->together, 1, 2, &b), 0);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
}

/* What is refused is passed over. */
static void hand_over(struct fixture *f, uint32_t count)
{
    bool observed = random_below(2) == 0;
    enum policy policy = random_below(3) == 0 ? POLICY_SUM : POLICY_LAST;
    for (uint32_t i = 0; i < count;) {
        uint32_t n = 1 + random_below(count - i), added = UINT32_MAX;
        int err = record_builder_add(f->together, observed, policy, f->points + i, n, &added);
        assert_in_range(added, 0, n);
        assert_true(err == 0 ? added == n : added < n);
        for (uint32_t j = 0; j < added + (err != 0); j++, i++) {
            const struct record_point *p = &f->points[i];
            int alone = record_builder_point(f->one_by_one, observed, p->host, p->metric,
                                             p->time_ms, p->value, policy);
            assert_int_equal(alone, j < added ? 0 : err);
        }
    }
}

static void check(size_t bytes_max, int rounds)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(record_builder_create(bytes_max, &f->one_by_one), 0);
    assert_int_equal(record_builder_create(bytes_max, &f->together), 0);
    for (int round = 0; round < rounds; round++) {
        record_builder_reset(f->one_by_one);
        record_builder_reset(f->together);
        for (unsigned c = random_below(COMMANDS); c > 0; c--) {
            struct record_mark a = record_builder_mark(f->one_by_one);
            struct record_mark b = record_builder_mark(f->together);
            uint32_t count = 1 + random_below(AT_ONCE_MAX);
            random_points(f, count);
            hand_over(f, count);
            if (random_below(5) == 0) {
                record_builder_rollback(f->one_by_one, a);
                record_builder_rollback(f->together, b);
            }
        }
        assert_same_record(f);
    }
    record_builder_destroy(&f->one_by_one);
    record_builder_destroy(&f->together);
    free(f);
}

static void test_together_is_as_one_by_one(void **state)
{
    (void)state;
    check(RECORD_MAX, 1500);
}

static void test_also_where_the_record_is_full(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++)
        check(2000 + random_below(20000), 30);
}

/* A name counts for what it has when it is put together again: few points in the record may be more
 * than a reader takes. */
static void test_also_where_names_are_too_much_for_a_reader(void **state)
{
    (void)state;
    enum { POINTS = 40000 };
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(record_builder_create(RECORD_MAX, &f->one_by_one), 0);
    assert_int_equal(record_builder_create(RECORD_MAX, &f->together), 0);
    bool refused = false;
    for (uint32_t made = 0; made < POINTS; made += AT_ONCE_MAX) {
        for (uint32_t i = 0; i < AT_ONCE_MAX; i++) {
            struct text *t = &f->metrics[i];
            print(t, "%0*d.%08x", NAME_BYTES_MAX - 9 - (int)random_below(2), 0, made + i);
            memset(t->bytes, 'x', t->n - 9);
            f->points[i] = (struct record_point){SLICE_LIT("h"), slice_make(t->bytes, t->n), 1, 1};
        }
        hand_over(f, AT_ONCE_MAX);
        refused |= record_builder_points(f->together) < made + AT_ONCE_MAX;
    }
    assert_true(refused);
    assert_in_range(record_builder_bytes(f->together), 1, RECORD_MAX / 2);
    assert_same_record(f);
    record_builder_destroy(&f->one_by_one);
    record_builder_destroy(&f->together);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together_is_as_one_by_one),
        cmocka_unit_test(test_also_where_the_record_is_full),
        cmocka_unit_test(test_also_where_names_are_too_much_for_a_reader),
    };
    return cmocka_run_group_tests_name("together", tests, NULL, NULL);
}
