#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/name.h"
#include "record/control.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Tests run in the tree's root. GOLDEN=write makes the files anew: only when a new version is due.
 */
#define GOLDEN "tests/record/golden/"

enum { RECORD_MAX = 1000 * 1000, POINTS_MAX = 600 };

/* ---- the model: a plain list of points ---- */

struct point {
    bool observed;
    bool decided;
    char host[8], metric[16];
    size_t host_n, metric_n;
    int64_t time_ms;
    double value;
    enum policy policy;
};

struct fixture {
    struct record_builder *builder;
    struct record_reader *reader;
    uint64_t epoch; /* of decided points; 0: there are none */
    struct point points[POINTS_MAX];
    uint32_t count;
    unsigned random;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(record_builder_create(RECORD_MAX, &f->builder), 0);
    assert_int_equal(record_reader_create(&f->reader), 0);
    f->random = 7;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    record_builder_destroy(&f->builder);
    record_reader_destroy(&f->reader);
    free(f);
    return 0;
}

static unsigned below(struct fixture *f, unsigned n)
{
    f->random = f->random * 1103515245u + 12345u;
    return (f->random >> 8) % n;
}

static struct point random_point(struct fixture *f)
{
    static const int64_t times[] = {0, 1, 1424444400000, 1424444401000, INT64_MAX, INT64_MAX - 1};
    static const double values[] = {0, -0.0, 1.5, -1e308, 5e-324, NAN};
    struct point p = {
        .observed = below(f, 2) == 0,
        .decided = f->epoch != 0 && below(f, 2) == 0,
        .time_ms = times[below(f, 6)],
        .value = values[below(f, 6)],
        .policy = (enum policy)below(f, POLICY_STORED_COUNT),
    };
    if (!p.decided && below(f, 20) == 0)
        p.policy = POLICY_DECLARED;
    if (below(f, 3) > 0 && f->count > 0) { /* often as before, so that runs grow */
        p = f->points[f->count - 1];
        p.value = below(f, 1000);
    }
    p.host_n = (size_t)snprintf(p.host, sizeof(p.host), "h%u", below(f, 3));
    p.metric_n = (size_t)snprintf(p.metric, sizeof(p.metric), "m.%u", below(f, 200));
    p.metric[p.metric_n - 1] = (char)(below(f, 20) == 0 ? '\0' : p.metric[p.metric_n - 1]);
    return p;
}

static int add(const struct fixture *f, struct record_builder *builder, const struct point *p)
{
    int err = record_builder_decide(builder, p->decided ? f->epoch : 0);
    if (err != 0)
        return err;
    return record_builder_point(builder, p->observed, slice_make(p->host, p->host_n),
                                slice_make(p->metric, p->metric_n), p->time_ms, p->value,
                                p->policy);
}

static void assert_same_points(const struct fixture *f, const struct record *r,
                               const struct point *points, uint32_t count)
{
    bool decided = false, declared = false;
    assert_int_equal(r->points.count, count);
    uint32_t i = 0;
    for (uint32_t j = 0; j < r->points.runs_count; j++) {
        const struct record_run *run = &r->points.runs[j];
        assert_int_equal(run->first, i);
        for (uint32_t k = 0; k < run->count; k++, i++) {
            const struct point *p = &points[i];
            struct slice metric = r->points.metrics[r->points.metric_index[i]];
            assert_true(slice_eq(r->points.hosts[run->host], slice_make(p->host, p->host_n)));
            assert_true(slice_eq(metric, slice_make(p->metric, p->metric_n)));
            assert_true(run->time_ms == p->time_ms && run->observed == p->observed);
            assert_int_equal(run->policy, p->policy);
            assert_int_equal(run->decided, p->decided);
            decided |= p->decided;
            declared |= p->policy == POLICY_DECLARED;
            assert_memory_equal(&r->points.values[i], &p->value, sizeof(p->value));
        }
    }
    assert_int_equal(i, count);
    /* Points that were undone may have made the record what it is. */
    assert_true(r->what == RECORD_UNDECIDED || !declared);
    assert_true(r->what != RECORD_POINTS || !decided);
    assert_true(r->epoch == f->epoch || (r->epoch == 0 && !decided));
}

static void assert_decodes_to_points(struct fixture *f, struct record_builder *builder,
                                     const struct point *points, uint32_t count)
{
    struct slice bytes;
    struct record record;
    assert_int_equal(record_builder_points(builder), count);
    for (uint32_t i = 0, until = 0; i < count; i = until) {
        int64_t time_ms = record_builder_time_ms(builder, i, &until);
        assert_in_range(until, i + 1, count);
        for (uint32_t j = i; j < until; j++)
            assert_true(points[j].time_ms == time_ms);
    }
    assert_int_equal(record_builder_finish(builder, 5, 1424444400123, &bytes), 0);
    assert_true(bytes.n <= record_builder_bytes(builder));
    assert_int_equal(record_read(f->reader, bytes, &record), 0);
    assert_int_equal(record.environment, 5);
    assert_true(record.append_ms == 1424444400123);
    assert_same_points(f, &record, points, count);
}

/* Commands of random points; some are undone. What stays is what the record holds. */
static void test_random_commands_with_rollbacks(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 300; round++) {
        f->epoch = round % 3 == 0 ? 0 : round % 3 == 1 ? 7 : INT64_MAX;
        f->count = 0;
        record_builder_reset(f->builder);
        unsigned commands = 1 + below(f, 12);
        for (unsigned c = 0; c < commands; c++) {
            struct record_mark mark = record_builder_mark(f->builder);
            uint32_t before = f->count;
            for (unsigned n = below(f, 40); n > 0; n--) {
                struct point p = random_point(f);
                assert_int_equal(add(f, f->builder, &p), 0);
                f->points[f->count++] = p;
            }
            if (below(f, 3) == 0) {
                record_builder_rollback(f->builder, mark);
                f->count = before;
            }
        }
        if (f->count > 0)
            assert_decodes_to_points(f, f->builder, f->points, f->count);
    }
}

static void test_moving_a_tail_to_another_batch(void **state)
{
    struct fixture *f = *state;
    struct record_builder *to;
    assert_int_equal(record_builder_create(RECORD_MAX, &to), 0);
    for (int round = 0; round < 300; round++) {
        record_builder_reset(f->builder);
        record_builder_reset(to);
        f->count = 0;
        f->epoch = (uint64_t)round % 4;
        uint32_t keep = 1 + below(f, 50), all = keep + 1 + below(f, 50);
        struct record_mark mark = {0};
        for (; f->count < all; f->count++) {
            if (f->count == keep)
                mark = record_builder_mark(f->builder);
            f->points[f->count] = random_point(f);
            assert_int_equal(add(f, f->builder, &f->points[f->count]), 0);
        }
        assert_int_equal(record_builder_move(f->builder, mark, to), 0);
        assert_decodes_to_points(f, f->builder, f->points, keep);
        assert_decodes_to_points(f, to, f->points + keep, all - keep);
    }
    record_builder_destroy(&to);
}

static void test_a_move_that_does_not_fit_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct record_builder *to;
    assert_int_equal(record_builder_create(256, &to), 0);
    struct record_mark mark = record_builder_mark(f->builder);
    for (; f->count < 100; f->count++) {
        f->points[f->count] = random_point(f);
        assert_int_equal(add(f, f->builder, &f->points[f->count]), 0);
    }
    assert_int_equal(record_builder_move(f->builder, mark, to), LT_ELIMIT);
    assert_int_equal(record_builder_points(to), 0);
    assert_decodes_to_points(f, f->builder, f->points, f->count);
    record_builder_destroy(&to);
}

static void test_the_limit_is_kept(void **state)
{
    struct fixture *f = *state;
    struct record_builder *small;
    struct slice bytes;
    assert_int_equal(record_builder_create(4096, &small), 0);
    int err;
    do {
        f->points[f->count] = random_point(f);
        err = add(f, small, &f->points[f->count]);
        f->count += err == 0;
    } while (err == 0);
    assert_int_equal(err, LT_ELIMIT);
    assert_in_range(record_builder_bytes(small), 3000, 4096);
    assert_decodes_to_points(f, small, f->points, f->count);
    assert_int_equal(record_builder_finish(small, 1, 1, &bytes), 0);
    assert_true(bytes.n <= 4096);
    record_builder_destroy(&small);
}

static void test_what_no_record_may_hold_is_refused(void **state)
{
    struct fixture *f = *state;
    char longest[NAME_BYTES_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    struct slice ok = SLICE_LIT("a"), too_long = slice_make(longest, sizeof(longest));
    struct record_builder *b = f->builder;
    assert_int_equal(record_builder_point(b, 0, too_long, ok, 0, 1, POLICY_LAST), LT_EINVALID);
    assert_int_equal(record_builder_point(b, 0, ok, too_long, 0, 1, POLICY_LAST), LT_EINVALID);
    assert_int_equal(record_builder_point(b, 0, SLICE_LIT("a/"), ok, 0, 1, POLICY_LAST),
                     LT_EINVALID);
    assert_int_equal(record_builder_point(b, 0, ok, ok, -1, 1, POLICY_LAST), LT_EINVALID);
    assert_int_equal(record_builder_point(b, 0, ok, ok, 0, INFINITY, POLICY_LAST), LT_EINVALID);
    assert_int_equal(record_builder_point(b, 0, ok, ok, 0, 1, (enum policy)6), LT_EINVALID);
    assert_int_equal(record_builder_points(b), 0);
    struct slice longest_allowed = slice_make(longest, NAME_BYTES_MAX);
    assert_int_equal(
        record_builder_point(b, 0, longest_allowed, longest_allowed, 0, 1, POLICY_LAST), 0);
    struct slice bytes;
    struct record record;
    assert_int_equal(record_builder_finish(b, 1, 1, &bytes), 0);
    assert_int_equal(record_read(f->reader, bytes, &record), 0);
}

/* ---- golden files ---- */

static void golden_points(struct record_builder *b, struct slice *out)
{
    struct slice db1 = SLICE_LIT("db1"), db2 = SLICE_LIT("db2"), none = SLICE_LIT("");
    struct slice time_us = SLICE_LIT("host.queries.c.1374c6821ead6f47.time_us");
    struct slice tput = SLICE_LIT("host.queries.c.1374c6821ead6f47.tput");
    const int64_t t = 1424444400000;
    int err = record_builder_point(b, true, db1, time_us, t, 1500, POLICY_LAST);
    err |= record_builder_point(b, true, db1, tput, t, 3, POLICY_LAST);
    err |= record_builder_point(b, true, db2, time_us, t, 0.1, POLICY_LAST);
    err |= record_builder_point(b, true, db2, tput, t, -0.0, POLICY_LAST);
    err |= record_builder_point(b, false, none, SLICE_LIT("temp\xff"), t - 5, NAN, POLICY_SUM);
    err |= record_builder_point(b, false, db1, tput, INT64_MAX, 5e-324, POLICY_FIRST);
    assert_int_equal(err, 0);
    assert_int_equal(record_builder_finish(b, 1, t + 123, out), 0);
}

/* Behind a point that is nobody's decision. */
static void golden_decided(struct record_builder *b, struct slice *out)
{
    struct slice db1 = SLICE_LIT("db1"), logins = SLICE_LIT("app.logins");
    const int64_t t = 1424444400000;
    record_builder_reset(b);
    int err = record_builder_point(b, true, db1, logins, t, 1, POLICY_LAST);
    err |= record_builder_decide(b, 300);
    err |= record_builder_point(b, false, db1, logins, t, 2, POLICY_LAST);
    err |= record_builder_point(b, false, db1, SLICE_LIT("app.seats"), t + 1, 4, POLICY_FIRST);
    assert_int_equal(err, 0);
    assert_int_equal(record_builder_decide(b, 301), LT_EINVALID);
    assert_int_equal(record_builder_decide(b, UINT64_MAX), LT_EINVALID);
    assert_int_equal(record_builder_finish(b, 1, t + 123, out), 0);
}

static void golden_undecided(struct record_builder *b, struct slice *out)
{
    struct slice db1 = SLICE_LIT("db1"), logins = SLICE_LIT("app.logins");
    record_builder_reset(b);
    int err = record_builder_point(b, false, db1, logins, 1000, 1, POLICY_DECLARED);
    err |= record_builder_decide(b, 300);
    assert_int_equal(record_builder_point(b, false, db1, logins, 1, 2, POLICY_DECLARED),
                     LT_EINVALID);
    err |= record_builder_point(b, false, db1, logins, 1000, 2, POLICY_SUM);
    assert_int_equal(err, 0);
    assert_int_equal(record_builder_finish(b, 1, 2000, out), 0);
}

static size_t read_golden(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s: run this test in the tree's root", path);
    size_t n = fread(out, 1, room, file);
    fclose(file);
    return n;
}

static void expect_golden(struct fixture *f, const char *path, struct slice bytes)
{
    const char *mode = getenv("GOLDEN");
    if (mode != NULL && strcmp(mode, "write") == 0) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
        fclose(file);
    }
    char stored[4096];
    size_t n = read_golden(path, stored, sizeof(stored));
    assert_int_equal(n, bytes.n);
    assert_memory_equal(stored, bytes.p, n);
    struct record record;
    assert_int_equal(record_read(f->reader, slice_make(stored, n), &record), 0);
}

static void test_golden_files(void **state)
{
    struct fixture *f = *state;
    struct slice points;
    struct buffer out;
    buffer_init(&out, 65536);
    golden_points(f->builder, &points);
    expect_golden(f, GOLDEN "points-2.bin", points);
    golden_decided(f->builder, &points);
    expect_golden(f, GOLDEN "decided-2.bin", points);
    golden_undecided(f->builder, &points);
    expect_golden(f, GOLDEN "undecided-2.bin", points);
    assert_int_equal(record_write_epoch(&out, 2, 1000, UINT64_C(1) << 40), 0);
    expect_golden(f, GOLDEN "epoch-1.bin", buffer_slice(&out));
    buffer_reset(&out, 65536);
    assert_int_equal(
        record_write_rule(&out, 2, 1000, SLICE_LIT("host.procs.*"), KIND_DELTA, PRECISION_KEEP), 0);
    expect_golden(f, GOLDEN "rule-1.bin", buffer_slice(&out));
    buffer_reset(&out, 65536);
    assert_int_equal(
        record_write_rule(&out, 2, 1000, SLICE_LIT("host.procs.*"), KIND_DELTA, 1000000), 0);
    expect_golden(f, GOLDEN "rule-2.bin", buffer_slice(&out));
    buffer_reset(&out, 65536);
    assert_int_equal(
        record_write_text(&out, 2, 1000, SLICE_LIT("host.queries.q.17"), SLICE_LIT("SELECT ?")), 0);
    expect_golden(f, GOLDEN "text-1.bin", buffer_slice(&out));
    buffer_reset(&out, 65536);
    assert_int_equal(record_write_noop(&out, UINT32_MAX, INT64_MAX), 0);
    expect_golden(f, GOLDEN "noop-1.bin", buffer_slice(&out));
    static const uint32_t items[] = {0, 1, 2, 7, 300, 301, 70000, UINT32_MAX - 1, UINT32_MAX};
    buffer_reset(&out, 65536);
    assert_int_equal(record_write_items(&out, RECORD_DOOM, 2, 1000, 17, 3, items, 9), 0);
    expect_golden(f, GOLDEN "doom-2.bin", buffer_slice(&out));
    buffer_reset(&out, 65536);
    assert_int_equal(
        record_write_items(&out, RECORD_FORGET, 2, 1000, INT64_MAX, UINT32_MAX, items + 3, 1), 0);
    expect_golden(f, GOLDEN "forget-2.bin", buffer_slice(&out));
    buffer_reset(&out, 65536);
    assert_int_equal(record_write_clear(&out, 2, 1000), 0);
    expect_golden(f, GOLDEN "clear-2.bin", buffer_slice(&out));
    buffer_fini(&out);
}

/* What version 1 wrote is read as what is written now. */
static void test_both_versions_hold_the_same_points(void **state)
{
    struct fixture *f = *state;
    char bytes[2][4096];
    struct record_reader *other;
    struct record a, b;
    size_t n1 = read_golden(GOLDEN "points-1.bin", bytes[0], sizeof(bytes[0]));
    size_t n2 = read_golden(GOLDEN "points-2.bin", bytes[1], sizeof(bytes[1]));
    assert_int_equal(record_reader_create(&other), 0);
    assert_int_equal(record_read(f->reader, slice_make(bytes[0], n1), &a), 0);
    assert_int_equal(record_read(other, slice_make(bytes[1], n2), &b), 0);
    assert_int_equal(bytes[0][1], 1);
    assert_int_equal(bytes[1][1], 2);
    assert_true(a.environment == b.environment && a.append_ms == b.append_ms);
    assert_int_equal(a.points.count, 6);
    assert_int_equal(b.points.count, 6);
    assert_int_equal(a.points.runs_count, b.points.runs_count);
    for (uint32_t i = 0; i < a.points.runs_count; i++) {
        struct record_run x = a.points.runs[i], y = b.points.runs[i];
        assert_true(slice_eq(a.points.hosts[x.host], b.points.hosts[y.host]));
        assert_true(x.time_ms == y.time_ms && x.first == y.first && x.count == y.count);
        assert_true(x.policy == y.policy && x.observed == y.observed);
    }
    for (uint32_t i = 0; i < a.points.count; i++)
        assert_true(slice_eq(a.points.metrics[a.points.metric_index[i]],
                             b.points.metrics[b.points.metric_index[i]]));
    assert_memory_equal(a.points.values, b.points.values, 6 * sizeof(double));
    record_reader_destroy(&other);
}

/* ---- items ---- */

static void round_trip_items(struct fixture *f, const uint32_t *items, uint32_t count)
{
    struct buffer out;
    struct record r;
    enum record_what what = below(f, 2) == 0 ? RECORD_DOOM : RECORD_FORGET;
    buffer_init(&out, RECORD_MAX);
    assert_int_equal(record_write_items(&out, what, 9, 5, 1u << 20, 8, items, count), 0);
    assert_int_equal(record_read(f->reader, buffer_slice(&out), &r), 0);
    assert_int_equal(r.what, what);
    assert_int_equal(r.environment, 9);
    assert_int_equal(r.items.round, 1u << 20);
    assert_int_equal(r.items.category, 8);
    assert_int_equal(r.items.count, count);
    assert_memory_equal(r.items.items, items, count * sizeof(items[0]));
    /* Cut anywhere, or one byte longer: refused. */
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(
            record_read(f->reader, slice_make(out.data, below(f, (unsigned)out.len)), &r),
            LT_EPARSE);
    buffer_append(&out, "", 1);
    assert_int_equal(record_read(f->reader, buffer_slice(&out), &r), LT_EPARSE);
    buffer_fini(&out);
}

static void test_items_round_trip(void **state)
{
    struct fixture *f = *state;
    uint32_t *items = malloc(RECORD_ITEMS_MAX * sizeof(*items));
    assert_non_null(items);
    for (unsigned round = 0; round < 200; round++) {
        static const unsigned steps[] = {1, 2, 40, 65000};
        unsigned step = steps[below(f, 4)];
        uint32_t count = 1 + below(f, round % 20 == 0 ? RECORD_ITEMS_MAX : 300);
        uint64_t at = below(f, 1000), n = 0;
        for (; n < count && at <= UINT32_MAX; n++) {
            items[n] = (uint32_t)at;
            at += 1 + below(f, step);
        }
        round_trip_items(f, items, (uint32_t)n);
    }
    for (uint32_t i = 0; i < RECORD_ITEMS_MAX; i++)
        items[i] = UINT32_MAX - 2 * (RECORD_ITEMS_MAX - 1 - i);
    round_trip_items(f, items, RECORD_ITEMS_MAX);
    items[1] = items[0];
    struct buffer out;
    buffer_init(&out, RECORD_MAX);
    assert_int_equal(record_write_items(&out, RECORD_DOOM, 1, 1, 1, 1, items, 2), LT_EINVALID);
    items[1] = items[0] - 1;
    assert_int_equal(record_write_items(&out, RECORD_DOOM, 1, 1, 1, 1, items, 2), LT_EINVALID);
    assert_int_equal(record_write_items(&out, RECORD_DOOM, 1, 1, 1, 1, items, 0), LT_EINVALID);
    assert_int_equal(record_write_items(&out, RECORD_NOOP, 1, 1, 1, 1, items, 1), LT_EINVALID);
    assert_int_equal(record_write_items(&out, RECORD_DOOM, 1, 1, 1, 1, items, RECORD_ITEMS_MAX + 1),
                     LT_EINVALID);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
    free(items);
}

/* ---- hostile bytes ---- */

static int read_copy(struct fixture *f, const char *bytes, size_t n, struct record *out)
{
    /* A heap block of just this size, so that the sanitizer sees a read past its end. */
    char *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, bytes, n);
    int err = record_read(f->reader, slice_make(copy, n), out);
    free(copy);
    return err;
}

static const char *const points_files[] = {GOLDEN "points-1.bin", GOLDEN "points-2.bin",
                                           GOLDEN "decided-2.bin", GOLDEN "undecided-2.bin"};

static void test_every_truncation_and_any_extra_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    struct record record;
    for (size_t v = 0; v < ARRAY_LEN(points_files); v++) {
        char longer[4096] = {0};
        size_t whole = read_golden(points_files[v], longer, sizeof(longer) - 1);
        for (size_t n = 0; n < whole; n++)
            assert_int_equal(read_copy(f, longer, n, &record), LT_EPARSE);
        assert_int_equal(read_copy(f, longer, whole, &record), 0);
        assert_int_equal(read_copy(f, longer, whole + 1, &record), LT_EPARSE);
    }
}

static void assert_promises_hold(const struct record *r)
{
    uint32_t points = 0;
    for (uint32_t i = 0; i < r->points.runs_count; i++) {
        const struct record_run *run = &r->points.runs[i];
        assert_true(run->host < r->points.hosts_count && run->time_ms >= 0);
        bool declared = run->policy == POLICY_DECLARED;
        assert_true((unsigned)run->policy < POLICY_STORED_COUNT || declared);
        assert_true(!declared || (r->what == RECORD_UNDECIDED && !run->decided));
        assert_true(!run->decided || (r->what != RECORD_POINTS && r->epoch > 0));
        assert_int_equal(run->first, points);
        points += run->count;
    }
    assert_int_equal(points, r->points.count);
    for (uint32_t i = 0; i < r->points.count; i++) {
        assert_true(r->points.metric_index[i] < r->points.metrics_count);
        assert_false(isinf(r->points.values[i]));
    }
    for (uint32_t i = 0; i < r->points.metrics_count; i++)
        assert_true(r->points.metrics[i].n <= NAME_BYTES_MAX);
}

static void test_flipped_bits_never_break_a_promise(void **state)
{
    struct fixture *f = *state;
    for (size_t v = 0; v < ARRAY_LEN(points_files); v++) {
        char bytes[4096], copy[4096];
        size_t n = read_golden(points_files[v], bytes, sizeof(bytes));
        for (size_t bit = 0; bit < n * 8; bit++) {
            memcpy(copy, bytes, n);
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
            /* Where names are put together, those that stay are read again. */
            struct record r;
            char *block = malloc(n);
            memcpy(block, copy, n);
            if (record_read(f->reader, slice_make(block, n), &r) == 0 &&
                (r.what == RECORD_POINTS || r.what == RECORD_DECIDED || r.what == RECORD_UNDECIDED))
                assert_promises_hold(&r);
            free(block);
        }
    }
}

static void test_broken_promises_are_refused(void **state)
{
    struct fixture *f = *state;
    /* One host "h", one metric "m", one run, one point: the base that each case alters. */
#define HEAD  "\x99\x01\x01\x01\x05"
#define NAMES "\x91\xc4\x01h\x91\xc4\x01m"
#define RUN   "\x94\x00\x00\x07\x01"
#define INDEX "\xc4\x01\x00"
#define VALUE "\xc4\x08\0\0\0\0\0\0\xf0\x3f"
#define CASE(e, s)                                                                                 \
    {                                                                                              \
        e, SLICE_LIT(s)                                                                            \
    }
    static const struct {
        int want;
        struct slice bytes;
    } cases[] = {
        CASE(0, HEAD NAMES RUN INDEX VALUE),
        CASE(LT_EPARSE, "\x99\x02\x01\x01\x05" NAMES RUN INDEX VALUE),
        CASE(LT_EVERSION, "\x99\x03\x01\x01\x05" NAMES RUN INDEX VALUE),
        CASE(LT_EVERSION, "\x95\x02\x04\x01\x05"),
        CASE(LT_EVERSION, "\x99\x01\x05\x01\x05" NAMES RUN INDEX VALUE),
        CASE(LT_EPARSE, "\x92\x03\x00"), /* nobody's */
        CASE(LT_EVERSION, "\x94\x63\x07\x01\x05"),
        CASE(LT_EPARSE, "\x94\x63\x07\x01\xff"),
        CASE(LT_EPARSE, "\x98\x01\x01\x01\x05" NAMES RUN INDEX VALUE),
        CASE(LT_EPARSE, "\x99\x01\x01\xff\x05" NAMES RUN INDEX VALUE),
        CASE(LT_EPARSE, "\x99\x01\x01\x01\xff" NAMES RUN INDEX VALUE),
        CASE(LT_EPARSE, HEAD "\x91\xc4\x01/\x91\xc4\x01m" RUN INDEX VALUE),
        CASE(LT_EPARSE, HEAD "\x91\xa1h\x91\xc4\x01m" RUN INDEX VALUE),
        CASE(LT_EPARSE, HEAD "\xdd\xff\xff\xff\xff\xc4\x01h\x91\xc4\x01m" RUN INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x90" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x93\x00\x00\x07" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x06\x00\x07\x01" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x20\x00\x07\x01" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x00\x01\x07\x01" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x00\x00\xff\x01" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x00\x00\x07\x00" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x00\x00\x07\x02" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x94\x00\x00\x07\xce\xff\xff\xff\xff" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES "\x98\x00\x00\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\x01"
                                   "\x00\x00\x01\x01" INDEX VALUE),
        CASE(LT_EPARSE, HEAD NAMES RUN "\xc4\x01\x02" VALUE), /* metric 1 of 1 */
        CASE(LT_EPARSE, HEAD NAMES RUN "\xc4\x01\x01" VALUE), /* metric -1 */
        CASE(LT_EPARSE, HEAD NAMES RUN "\xc4\x01\x80" VALUE),
        CASE(LT_EPARSE, HEAD NAMES RUN "\xc4\x02\x00\x00" VALUE),
        CASE(LT_EPARSE,
             HEAD NAMES RUN "\xc4\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00" VALUE),
        CASE(LT_EPARSE, HEAD NAMES RUN INDEX "\xc4\x07\0\0\0\0\0\xf0\x3f"),
        CASE(LT_EPARSE, HEAD NAMES RUN INDEX "\xc4\x08\0\0\0\0\0\0\xf0\x7f"),
        CASE(0, "\x96\x01\x02\x01\x05\xc4\x03"
                "a.*\x01"),
        CASE(LT_EPARSE, "\x96\x01\x02\x01\x05\xc4\x03"
                        "a.*\x03"),
        CASE(0, "\x97\x02\x02\x01\x05\xc4\x03"
                "a.*\x01\x00"),
        CASE(0, "\x97\x02\x02\x01\x05\xc4\x03"
                "a.*\x01\xce\x05\xf5\xe1\x00"), /* a tenth */
        CASE(LT_EPARSE, "\x97\x02\x02\x01\x05\xc4\x03"
                        "a.*\x01\xce\x05\xf5\xe1\x01"),
        CASE(LT_EPARSE, "\x96\x02\x02\x01\x05\xc4\x03"
                        "a.*\x01"),
        CASE(LT_EPARSE, "\x97\x01\x02\x01\x05\xc4\x03"
                        "a.*\x01\x00"),
        CASE(LT_EVERSION, "\x97\x03\x02\x01\x05\xc4\x03"
                          "a.*\x01\x00"),
        CASE(LT_EVERSION, "\x96\x02\x03\x01\x05\xc4\x01"
                          "a\xc4\x01"
                          "b"),
        CASE(LT_EPARSE, "\x96\x01\x02\x01\x05\xc4\x03"
                        "a**\x01"),
        CASE(LT_EPARSE, "\x95\x01\x04\x01\x05\x00"),
        CASE(0, "\x97\x02\x05\x01\x05\x01\x02\xc4\x02\x00\x01"),
        CASE(LT_EVERSION, "\x97\x01\x05\x01\x05\x01\x02\xc4\x02\x00\x01"),
        CASE(LT_EVERSION, "\x97\x02\x7f\x01\x05\x01\x02\xc4\x02\x00\x01"),
        CASE(LT_EVERSION, "\x97\x03\x05\x01\x05\x01\x02\xc4\x02\x00\x01"),
        CASE(LT_EPARSE, "\x97\x02\x05\x01\x05\xff\x02\xc4\x02\x00\x01"),
        CASE(LT_EPARSE, "\x97\x02\x05\x01\x05\x01\x02\xc4\x00"),
        CASE(LT_EPARSE, "\x97\x02\x05\x01\x05\x01\x02\xc4\x01\x00"),
        CASE(LT_EPARSE, "\x97\x02\x05\x01\x05\x01\x02\xc4\x04\x00\x01\x00\x01"), /* runs touch */
        CASE(LT_EPARSE, "\x97\x02\x05\x01\x05\x01\x02\xc4\x06\xff\xff\xff\xff\x0f\x01"),
        CASE(0, "\x97\x02\x05\x01\x05\x01\x02\xc4\x06\xff\xff\xff\xff\x0f\x00"),
        CASE(0, "\x97\x02\x05\x01\x05\x01\x02\xc4\x04\x00\xff\xff\x03"), /* 65,536 items */
        CASE(LT_EPARSE, "\x97\x02\x05\x01\x05\x01\x02\xc4\x04\x00\x80\x80\x04"),
        CASE(0, "\x95\x01\x0a\x01\x05\x01"), /* epochs begin with 1 */
        CASE(LT_EPARSE, "\x95\x01\x0a\x01\x05\x00"),
        CASE(LT_EPARSE, "\x95\x01\x0a\x01\x05\xff"),
        CASE(LT_EPARSE, "\x94\x01\x0a\x01\x05"),
        CASE(LT_EPARSE, "\x96\x01\x0a\x01\x05\x01\x01"),
        CASE(LT_EVERSION, "\x95\x02\x0a\x01\x05\x01"),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record record;
        int err = read_copy(f, cases[i].bytes.p, cases[i].bytes.n, &record);
        if (err != cases[i].want)
            fail_msg("case %zu: %s, expected %s", i, error_text(err), error_text(cases[i].want));
    }
}

static void test_broken_promises_of_version_2_are_refused(void **state)
{
    struct fixture *f = *state;
    /* One host "h", one template "m" + 4 digits, one name, one run, one point. */
#define HEAD2  "\x9b\x02\x01\x01\x05"
#define HEAD11 "\x9c\x02\x0b\x01\x05"
#define HEAD12 "\x9c\x02\x0c\x01\x05\x00"
#define HOST   "\x91\xc4\x01h"
#define SHAPED "\x91\x94\x00\xc4\x01m\x04\xc4\x00"
#define SHAPE  "\xc4\x01\x00"
#define DIGITS "\xc4\x02\xab\xcd"
#define RUN2   "\xc4\x02\x04\x0e"
#define NONE   "\xc4\x00"
#define VALUE2 "\xc4\x01\x04"
    static const struct {
        int want;
        struct slice bytes;
    } cases[] = {
        CASE(0, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, "\x9a\x02\x01\x01\x05" HOST SHAPED SHAPE DIGITS RUN2 NONE),
        CASE(LT_EPARSE, HEAD2 "\x91\xc4\x01/" SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        /* templates: elements that are missing, no digits, too long, counts only claimed */
        CASE(LT_EPARSE, HEAD2 HOST "\x91\x93\x00\xc4\x01m\x04" SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST "\x91\x90" SHAPE NONE RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST "\x91\x94\x00\xc4\x01m\x00\xc4\x00" SHAPE NONE RUN2 NONE VALUE2),
        CASE(LT_EPARSE,
             HEAD2 HOST "\x91\x94\x00\xc4\x01m\xcd\x02\x00\xc4\x00" SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE,
             HEAD2 HOST "\xdd\xff\xff\xff\xff\x92\x00\xc4\x00" SHAPE DIGITS RUN2 NONE VALUE2),
        /* what is shared: of nothing, more than there is, as much as there is */
        CASE(LT_EPARSE, HEAD2 HOST "\x91\x92\x01\xc4\x01m" SHAPE NONE RUN2 NONE VALUE2),
        CASE(LT_EPARSE,
             HEAD2 HOST "\x92\x92\x00\xc4\x01m\x92\x02\xc4\x01n" SHAPE NONE RUN2 NONE VALUE2),
        CASE(0, HEAD2 HOST "\x92\x92\x00\xc4\x01m\x92\x01\xc4\x01n" SHAPE NONE RUN2 NONE VALUE2),
        /* shapes: another template than there is, a repeat of nothing, cut off */
        CASE(LT_EPARSE, HEAD2 HOST SHAPED "\xc4\x01\x02" DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED "\xc4\x01\x01" DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED "\xc4\x01\x01" NONE RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST "\x91\x92\x00\xc4\x01m"
                                   "\xc4\x02\x00\x01" NONE RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED "\xc4\x01\x80" DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED NONE NONE RUN2 NONE VALUE2),
        /* digits: one byte less, one more */
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE "\xc4\x01\xab" RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE "\xc4\x03\xab\xcd\xef" RUN2 NONE VALUE2),
        /* runs: none, no points, a host that is not there, a way, a negative time, too many points
         */
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS NONE NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x02\x00\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x03\x06\x00\x0e" NONE VALUE2),
        CASE(0, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x03\x06\x01\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x06\x0e" NONE VALUE2),
        CASE(0, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x15\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x02\x04\x01" NONE VALUE2),
        CASE(LT_EPARSE,
             HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x06\xfc\xff\xff\xff\x3f\x00" NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x02\x08\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x01\x04" NONE VALUE2),
        /* two points of one name */
        CASE(0, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x02\x08\x0e"
                                               "\xc4\x02\x01\x01"
                                               "\xc4\x02\x04\x04"),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x02\x08\x0e" NONE "\xc4\x02\x04\x04"),
        /* the index: another name than there is, beyond the points, cut off */
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 "\xc4\x02\x00\x02" VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 "\xc4\x02\x00\x01" VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 "\xc4\x02\x01\x01" VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 "\xc4\x01\x00" VALUE2),
        /* values: none, one too many, no such value */
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 NONE NONE),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 NONE "\xc4\x02\x04\x04"),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS RUN2 NONE "\xc4\x01\x0f"),
        /* decided: what differs, an epoch that is none, a run that no other record may have */
        CASE(0, HEAD11 "\x01" HOST SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(0, HEAD11 "\x01" HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x25\x0e" NONE VALUE2),
        CASE(0, HEAD11 "\x01" HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x35\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD11 "\x01" HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x45\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD11 "\x01" HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x26\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD11 "\x00" HOST SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD11 "\xff" HOST SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD11 HOST SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, "\x9b\x02\x0b\x01\x05\x01" HOST SHAPED SHAPE DIGITS RUN2 NONE),
        CASE(LT_EVERSION, "\x9c\x01\x0b\x01\x05\x01" HOST SHAPED SHAPE DIGITS RUN2 NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x25\x0e" NONE VALUE2),
        CASE(0, HEAD12 HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x0f\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD12 HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x2f\x0e" NONE VALUE2),
        CASE(LT_EPARSE, HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x03\x05\x0f\x0e" NONE VALUE2),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record record;
        int err = read_copy(f, cases[i].bytes.p, cases[i].bytes.n, &record);
        if (err != cases[i].want)
            fail_msg("case %zu: %s, expected %s", i, error_text(err), error_text(cases[i].want));
    }
}

#ifndef __SANITIZE_ADDRESS__ /* which needs all the addresses there are */
/* Four thousand million points of one name in one run: refused, and no memory asked for. */
static void test_counts_that_are_only_claimed_ask_for_no_memory(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, small = {512 << 20, 512 << 20};
    struct slice bytes =
        SLICE_LIT(HEAD2 HOST SHAPED SHAPE DIGITS "\xc4\x06\xfc\xff\xff\xff\x3f\x00" NONE VALUE2);
    struct record record;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    int err = read_copy(f, bytes.p, bytes.n, &record);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(err, LT_EPARSE);
}
#endif

static void test_control_records_check_their_input(void **state)
{
    struct buffer out;
    buffer_init(&out, 16);
    assert_int_equal(record_write_epoch(&out, 1, 1, 0), LT_EINVALID);
    assert_int_equal(record_write_epoch(&out, 1, 1, UINT64_MAX), LT_EINVALID);
    assert_int_equal(record_write_rule(&out, 1, 1, SLICE_LIT("a..b"), KIND_GAUGE, PRECISION_KEEP),
                     LT_EINVALID);
    assert_int_equal(record_write_rule(&out, 1, 1, SLICE_LIT("a.*"), KIND_GAUGE, PRECISION_MAX + 1),
                     LT_EINVALID);
    char big[RECORD_TEXT_BYTES_MAX + 1] = "";
    assert_int_equal(record_write_text(&out, 1, 1, SLICE_LIT("a"), slice_make(big, sizeof(big))),
                     LT_EINVALID);
    assert_int_equal(out.len, 0);
    assert_int_equal(record_write_text(&out, 1, 1, SLICE_LIT("a"), slice_make(big, 100)),
                     LT_ELIMIT);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_random_commands_with_rollbacks),
        TEST(test_moving_a_tail_to_another_batch),
        TEST(test_a_move_that_does_not_fit_changes_nothing),
        TEST(test_the_limit_is_kept),
        TEST(test_what_no_record_may_hold_is_refused),
        TEST(test_golden_files),
        TEST(test_items_round_trip),
        TEST(test_every_truncation_and_any_extra_byte_is_refused),
        TEST(test_flipped_bits_never_break_a_promise),
        TEST(test_both_versions_hold_the_same_points),
        TEST(test_broken_promises_are_refused),
        TEST(test_broken_promises_of_version_2_are_refused),
#ifndef __SANITIZE_ADDRESS__
        TEST(test_counts_that_are_only_claimed_ask_for_no_memory),
#endif
        TEST(test_control_records_check_their_input),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
