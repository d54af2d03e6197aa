#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "mysql/support_manifest.h"
#include "port/storage_flush.h"
#include "port/storage_reads.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs: opened, closed, built, published and dropped, by one owner and by two. Crashes:
 * test_runs_crash.c. */

static struct test_mariadb *db;

static int setup(void **state)
{
    *state = fixture_create(db, RUNS_TIMEOUT_MS);
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static void ensure(struct storage_session *s, struct storage_range range)
{
    assert_int_equal(storage_tables_ensure(s, ENVIRONMENT, &range, 1), 0);
}

static uint32_t close_runs(struct fixture *f, struct storage_range range)
{
    uint32_t closed = 99;
    assert_int_equal(storage_runs_close(f->s, &f->fence, ENVIRONMENT, range, &closed), 0);
    return closed;
}

static struct storage_run create(struct fixture *f, enum storage_run_kind kind,
                                 uint32_t resolution_s, struct storage_range range)
{
    struct storage_run like = {.kind = kind, .resolution_s = resolution_s, .range = range};
    struct storage_run run = {0};
    assert_int_equal(storage_run_create(f->s, &f->fence, ENVIRONMENT, &like, &run), 0);
    assert_int_equal(run.state, STORAGE_BUILDING);
    return run;
}

/* ---- opening ---- */

static void test_ensure_opens_one_run_a_range(void **state)
{
    struct fixture *f = *state;
    struct storage_range ranges[] = {hour_range(0), {0, 0}, hour_range(2)};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, ranges, 3), 0);
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 3);
    /* The catch-all first, then the newest. */
    static const uint64_t ids[] = {2, 3, 1};
    static const unsigned order[] = {1, 2, 0};
    for (unsigned i = 0; i < 3; i++) {
        const struct storage_run *run = &l.v[i];
        assert_int_equal(run->id, ids[i]);
        assert_int_equal(run->kind, STORAGE_ARRIVAL);
        assert_int_equal(run->state, STORAGE_OPEN);
        assert_int_equal(run->resolution_s, 1);
        assert_int_equal(run->range.from_s, ranges[order[i]].from_s);
        assert_int_equal(run->range.to_s, ranges[order[i]].to_s);
        assert_int_equal(__builtin_popcount(run->tables), 2);
        assert_true(run->state_ms <= run->now_ms && run->now_ms - run->state_ms < 10000);
        assert_true(llabs(run->now_ms - clock_wall_ms()) < 10000);
    }
    assert_no_stray_tables(f);
}

struct opener {
    struct fixture *f;
    int err;
};

static void *opener_run(void *arg)
{
    struct opener *opener = arg;
    struct storage_session *s = session_open(opener->f->storage);
    for (unsigned i = 0; opener->err == 0 && i < 20; i++) {
        struct storage_range ranges[] = {hour_range(i), {0, 0}, hour_range(i + 1)};
        opener->err = storage_tables_ensure(s, ENVIRONMENT, ranges, 3);
    }
    storage_session_destroy(&s);
    return NULL;
}

static void test_many_openers_open_one_run_a_range(void **state)
{
    struct fixture *f = *state;
    enum { THREADS = 4 };
    struct opener openers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        openers[i] = (struct opener){f, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, opener_run, &openers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(openers[i].err, 0);
    }
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 22);
    for (uint32_t i = 0; i < l.n; i++) {
        assert_int_equal(__builtin_popcount(l.v[i].tables), 2);
        for (uint32_t j = 0; j < i; j++)
            assert_true(l.v[i].range.from_s != l.v[j].range.from_s);
    }
    assert_no_stray_tables(f);
}

/* ---- closing ---- */

static void test_points_after_a_close_are_in_the_next_run(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    ensure(f->s, hour_range(1)); /* which stays as it is */
    assert_int_equal(close_runs(f, hour_range(0)), 1);
    assert_int_equal(close_runs(f, hour_range(0)), 0);
    assert_int_equal(close_runs(f, hour_range(5)), 0);
    assert_int_equal(flush_simple(f->s, &f->progress, 100, 20), 0);
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 3);
    assert_int_equal(runs_find(&l, 1)->state, STORAGE_CLOSED);
    assert_int_equal(runs_find(&l, 2)->state, STORAGE_OPEN);
    assert_int_equal(runs_find(&l, 3)->state, STORAGE_OPEN);
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT SUM(points) FROM arrival_1_s_%lld_%lld_3",
             (long long)hour0_s, (long long)hour0_s + 3600);
    assert_string_equal(runs_ask(f, sql), "20");
    struct points seen = {0};
    assert_int_equal(scan_all(f->s, 1, true, &seen), f->progress.next);
    assert_int_equal(seen.n, 30);
    assert_int_equal(seen.v[10].item, 100);
    points_free(&seen);
}

/* Between ensure and begin: the flush is told, and does it again. */
static void test_a_flush_whose_run_was_closed_begins_again(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    struct storage_flush flush = flush_of(&f->progress, 10);
    struct block block = one_point(flush.lo);
    uint8_t seconds[BEAT_BYTES] = {1};
    struct beat_block beat = {0, 4, (uint32_t)hour0_s, seconds};
    for (unsigned with_beat = 0; with_beat < 2; with_beat++) {
        ensure(f->s, range);
        assert_int_equal(close_runs(f, range), 1);
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        if (with_beat != 0)
            assert_int_equal(storage_flush_beat(f->s, ENVIRONMENT, range, &beat), LT_EAGAIN);
        else
            assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), LT_EAGAIN);
    }
    struct storage_progress now;
    assert_int_equal(storage_progress_read(f->s, PARTITION, &now), 0);
    assert_int_equal(now.next, f->progress.next);
    ensure(f->s, range);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), 0);
    assert_int_equal(storage_flush_beat(f->s, ENVIRONMENT, range, &beat), 0);
    assert_int_equal(storage_flush_commit(f->s), 0);
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 3);
    assert_int_equal(runs_find(&l, 3)->state, STORAGE_OPEN);
}

/* Opened by another process a moment ago, which has not made all its tables yet. */
static void test_a_flush_waits_for_no_table_that_is_missing(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    ensure(f->s, range);
    assert_int_equal(mysql_query(f->raw, "UPDATE manifest_4 SET tables = 1"), 0);
    struct storage_flush flush = flush_of(&f->progress, 10);
    struct block block = one_point(flush.lo);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), LT_EAGAIN);
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 1);
    assert_int_equal(__builtin_popcount(l.v[0].tables), 2);
}

struct closer {
    struct fixture *f;
    int err;
    uint32_t closed;
    _Atomic bool done;
};

static void *closer_run(void *arg)
{
    struct closer *closer = arg;
    struct storage_session *s = session_open(closer->f->storage);
    closer->err =
        storage_runs_close(s, &closer->f->fence, ENVIRONMENT, hour_range(0), &closer->closed);
    atomic_store(&closer->done, true);
    storage_session_destroy(&s);
    return NULL;
}

/* What a flush in flight writes is in the run when its close returns. */
static void test_a_close_waits_for_the_flush_in_flight(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    ensure(f->s, range);
    struct storage_flush flush = flush_of(&f->progress, 10);
    struct block block = one_point(flush.lo);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), 0);
    struct closer closer = {.f = f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, closer_run, &closer), 0);
    usleep(300000);
    assert_false(atomic_load(&closer.done));
    assert_int_equal(storage_flush_commit(f->s), 0);
    pthread_join(thread, NULL);
    assert_int_equal(closer.err, 0);
    assert_int_equal(closer.closed, 1);
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT SUM(points) FROM arrival_1_s_%lld_%lld_1",
             (long long)hour0_s, (long long)hour0_s + 3600);
    assert_string_equal(runs_ask(f, sql), "1");
}

/* ---- building ---- */

static const char *ask_run(struct fixture *f, const char *what, const char *table,
                           const struct storage_run *run, const char *where)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT %s FROM %s_1_%c_%lld_%lld_%llu %s", what, table,
             run->resolution_s == 1    ? 's'
             : run->resolution_s == 60 ? 'm'
                                       : 'h',
             (long long)run->range.from_s, (long long)run->range.to_s, (unsigned long long)run->id,
             where);
    return runs_ask(f, sql);
}

static void test_rows_of_a_compact_run_are_stored(void **state)
{
    struct fixture *f = *state;
    static const uint32_t resolutions[] = {1, 60, 3600};
    for (unsigned i = 0; i < 3; i++) {
        struct storage_run run = create(f, STORAGE_COMPACT, resolutions[i], hour_range(0));
        enum { ROWS = 130, BYTES = 65000 }; /* 8.5 MB: more than one batch */
        assert_int_equal(put_rows(f->s, &run, ROWS, BYTES), 0);
        assert_string_equal(ask_run(f, "COUNT(*)", "observation", &run, ""), "130");
        assert_string_equal(ask_run(f, "COUNT(*)", "rank", &run, ""), "130");
        assert_string_equal(ask_run(f, "COUNT(*)", "total", &run, ""), "130");
        assert_string_equal(ask_run(f, "COUNT(*)", "heartbeat", &run, ""), "130");
        char expected[128];
        snprintf(expected, sizeof(expected), "1 2 1 1290 1 1299 10 5000000129 -5 %lld 8125 65000",
                 (long long)INT64_MAX);
        /* row 129: host 0, part 1 */
        expected[4] = '0';
        assert_string_equal(ask_run(f,
                                    "CONCAT_WS(' ',category,dimension,host,first_item,part,"
                                    "last_item,items,points,min_ms,max_ms,LENGTH(summaries),"
                                    "LENGTH(vectors))",
                                    "observation", &run, "WHERE first_item = 1290"),
                            expected);
        assert_string_equal(ask_run(f, "CONCAT_WS(' ',category,dimension,host,kind,LENGTH(body))",
                                    "rank", &run, "WHERE number = 129"),
                            "1 2 4294967295 3 65000");
        assert_string_equal(ask_run(f, "CONCAT_WS(' ',host,count,sum,min,max)", "total", &run,
                                    "ORDER BY from_s DESC LIMIT 1"),
                            "3 4 1.5 -2 1e300");
        assert_string_equal(
            ask_run(f, "min IS NULL AND max IS NULL", "total", &run, "ORDER BY from_s LIMIT 1"),
            "1");
        struct runs l = runs_list(f->s);
        const struct storage_run *now = runs_find(&l, run.id);
        assert_int_equal(now->state, STORAGE_BUILDING);
        assert_int_equal(__builtin_popcount(now->tables), 4);
    }
    assert_no_stray_tables(f);
}

/* Small tables leave holes in their files; large ones are written as they are. */
static void test_only_small_tables_are_compressed_by_page(void **state)
{
    struct fixture *f = *state;
    static const uint32_t rows[] = {1, 220, 330}; /* 220 * (65000 + 8125) = 16.1 MB, 24.1 MB */
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct storage_run run = create(f, STORAGE_COMPACT, 1, hour_range(i));
        assert_int_equal(put_rows(f->s, &run, rows[i], 65000), 0);
        char sql[256];
        snprintf(sql, sizeof(sql),
                 "SELECT create_options LIKE '%%PAGE_COMPRESSED%%' FROM information_schema.tables"
                 " WHERE table_schema = '%s%d' AND table_name LIKE 'observation%%_%llu'",
                 f->prefix, ENVIRONMENT, (unsigned long long)run.id);
        assert_string_equal(runs_ask(f, sql), i < 2 ? "1" : "0");
        char expected[12];
        snprintf(expected, sizeof(expected), "%u", rows[i]);
        assert_string_equal(ask_run(f, "COUNT(DISTINCT first_item)", "observation", &run, ""),
                            expected);
        assert_string_equal(ask_run(f, "COUNT(*)", "rank", &run, ""), expected);
    }
}

/* Two runs at once from one session: what belongs to which. */
static void test_two_runs_are_built_side_by_side(void **state)
{
    struct fixture *f = *state;
    struct storage_run a = create(f, STORAGE_COMPACT, 60, hour_range(0));
    struct storage_run b = create(f, STORAGE_COMPACT, 3600, hour_range(0));
    assert_true(b.id > a.id);
    struct storage_total total = {1, 2, 3, hour0_s, 4, 1.5, 1, 2};
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &a, &total), 0);
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &b, &total), 0);
    total.from_s += 60;
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &a, &total), 0);
    assert_int_equal(storage_run_flush(f->s), 0);
    assert_string_equal(ask_run(f, "COUNT(*)", "total", &a, ""), "2");
    assert_string_equal(ask_run(f, "COUNT(*)", "total", &b, ""), "1");
    assert_int_equal(runs_tables(f), 2); /* those that would be empty are not made */
    assert_no_stray_tables(f);
    /* A key twice is an error, and ends what was to be written; another run is not in the way. */
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &b, &total), 0);
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &b, &total), 0);
    assert_true(storage_run_flush(f->s) != 0);
    assert_int_equal(storage_run_flush(f->s), 0);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, b.id), 0);
    total.from_s += 60;
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &a, &total), 0);
    assert_int_equal(storage_run_flush(f->s), 0);
    assert_string_equal(ask_run(f, "COUNT(*)", "total", &a, ""), "3");
    /* Rows that wait are forgotten with their run. */
    total.from_s += 60;
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &a, &total), 0);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, a.id), 0);
    assert_int_equal(storage_run_flush(f->s), 0);
    assert_int_equal(runs_tables(f), 0);
    /* Nor does one who has not heard of it make tables for a run that has gone. */
    assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &a, &total), 0);
    assert_int_equal(storage_run_flush(f->s), LT_EDIVERGED);
    assert_int_equal(runs_tables(f), 0);
}

/* ---- clearing ---- */

static void clear(struct fixture *f)
{
    struct storage_flush flush = flush_of(&f->progress, 1);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_clear(f->s, ENVIRONMENT), 0);
    assert_int_equal(storage_flush_commit(f->s), 0);
    f->progress.next = flush.hi;
}

/* A job is at work meanwhile: what it was building leaves too, and what it begins now, of runs that
 * it has listed before, cannot enter. */
static void test_a_clear_takes_all_runs_out(void **state)
{
    struct fixture *f = *state;
    struct points points = {0};
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    assert_int_equal(close_runs(f, hour_range(0)), 1);
    assert_int_equal(flush_simple(f->s, &f->progress, 100, 20), 0);
    struct storage_run building = create(f, STORAGE_COMPACT, 60, hour_range(0));
    building.sources = 2;
    clear(f);
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 3);
    for (uint32_t i = 0; i < l.n; i++)
        assert_int_equal(l.v[i].state, STORAGE_LEFT);
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &building, 1, NULL, 0),
                     LT_EDIVERGED);
    struct storage_run late = create(f, STORAGE_COMPACT, 60, hour_range(0));
    for (late.sources = 1; late.sources <= 3; late.sources++)
        assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &late, 1, NULL, 0),
                         LT_EDIVERGED);
    /* What is written now has runs of its own, and those are built of as ever. */
    assert_int_equal(flush_simple(f->s, &f->progress, 200, 5), 0);
    (void)scan_all(f->s, 1, true, &points);
    assert_int_equal(points.n, 5);
    points_free(&points);
    late.sources = 5;
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &late, 1, NULL, 0), 0);
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, id), 0);
    assert_no_stray_tables(f);
}

/* A flush that does not commit has cleared nothing; a snapshot may be told before storage knows. */
static void test_a_clear_is_its_flush(void **state)
{
    struct fixture *f = *state;
    struct points points = {0};
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    struct storage_flush flush = flush_of(&f->progress, 1);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_clear(f->s, ENVIRONMENT), 0);
    storage_flush_abort(f->s);
    (void)scan_all(f->s, 1, true, &points);
    assert_int_equal(points.n, 10);
    uint64_t next;
    uint32_t runs;
    assert_int_equal(storage_snapshot_begin(f->r, ENVIRONMENT, PARTITION, &f->guard, &next), 0);
    (void)storage_snapshot_runs(f->r, &runs);
    assert_int_equal(runs, 1);
    storage_snapshot_clear(f->r);
    (void)storage_snapshot_runs(f->r, &runs);
    assert_int_equal(runs, 0);
    struct block_filter all = {.category = 1, .fresh = true, .to_ms = INT64_MAX};
    assert_int_equal(storage_snapshot_scan(f->r, &all, points_visit, &points), 0);
    assert_int_equal(points.n, 10);
    storage_snapshot_end(f->r);
    clear(f);
    (void)scan_all(f->s, 1, true, &points);
    assert_int_equal(points.n, 10);
    points_free(&points);
}

/* ---- publishing ---- */

/* An arrival run made again: (lo, order) are kept. */
static void test_an_arrival_run_is_rewritten(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = {0, 0};
    struct points before[2] = {{0}, {0}};
    struct points after[2] = {{0}, {0}};
    static const uint32_t items[] = {9, 1, 5};
    static const int64_t times_ms[] = {7000, 1000, INT64_MAX};
    static const double values[] = {1, -0.0, 3.5};
    static const uint8_t policies[] = {0, 4, 3};
    struct storage_run copy = create(f, STORAGE_ARRIVAL, 1, range);
    for (unsigned flushes = 0; flushes < 5; flushes++) {
        ensure(f->s, range);
        struct storage_flush flush = flush_of(&f->progress, 10);
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        for (unsigned i = 0; i < 40; i++) {
            struct block block = {.category = 1,
                                  .dimension = i % 3,
                                  .host = i % 2,
                                  .fresh = i % 5 < 3,
                                  .lo = flush.lo,
                                  .count = 1 + i % 3,
                                  .items = items,
                                  .times_ms = times_ms,
                                  .values = values,
                                  .policies = i % 4 == 0 ? policies : NULL};
            assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), 0);
            assert_int_equal(storage_run_put_block(f->s, ENVIRONMENT, &copy, &block), 0);
        }
        assert_int_equal(storage_flush_commit(f->s), 0);
        f->progress.next = flush.hi;
    }
    uint8_t seconds[BEAT_BYTES] = {7};
    struct storage_beats beats = {2, 4, 7200, seconds, NULL, 0};
    assert_int_equal(storage_run_put_beats(f->s, ENVIRONMENT, &copy, &beats), 0);
    assert_int_equal(storage_run_put_beats(f->s, ENVIRONMENT, &copy, &beats), 0);
    assert_int_equal(storage_run_flush(f->s), 0);
    for (unsigned fresh = 0; fresh < 2; fresh++)
        (void)scan_all(f->s, 1, fresh, &before[fresh]);
    assert_int_equal(close_runs(f, range), 1);
    uint64_t old = 2;
    copy.sources = old;
    copy.points = 17;
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &copy, 1, &old, 1), 0);
    for (unsigned fresh = 0; fresh < 2; fresh++) {
        (void)scan_all(f->s, 1, fresh, &after[fresh]);
        assert_true(before[fresh].n > 30);
        assert_same_points(&before[fresh], &after[fresh]);
        points_free(&before[fresh]);
        points_free(&after[fresh]);
    }
    assert_string_equal(ask_run(f, "COUNT(*)", "heartbeat", &copy, ""), "2");
    struct runs l = runs_list(f->s);
    assert_int_equal(runs_find(&l, copy.id)->state, STORAGE_CLOSED);
    assert_int_equal(runs_find(&l, copy.id)->points, 17);
    assert_int_equal(runs_find(&l, old)->state, STORAGE_LEFT);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, old), 0);
    assert_no_stray_tables(f);
}

static void test_publish_moves_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    uint64_t first = 1;
    struct storage_run a = create(f, STORAGE_COMPACT, 60, range);
    struct storage_run b = create(f, STORAGE_COMPACT, 3600, range);
    struct storage_run both[] = {a, b};
    both[0].sources = 1, both[0].series = 22, both[0].points = 33, both[0].bytes = 44;
    struct runs before = runs_list(f->s);
#define PUBLISH(in, in_count, out, out_count)                                                      \
    storage_runs_publish(f->s, &f->fence, ENVIRONMENT, in, in_count, out, out_count)
    /* out is still open; out is unknown; out is building; twice the same; in is unknown. */
    assert_int_equal(PUBLISH(both, 2, &first, 1), LT_EDIVERGED);
    assert_int_equal(close_runs(f, range), 1);
    uint64_t unknown[] = {first, 77};
    assert_int_equal(PUBLISH(both, 2, unknown, 2), LT_EDIVERGED);
    uint64_t building[] = {first, b.id};
    assert_int_equal(PUBLISH(both, 1, building, 2), LT_EDIVERGED);
    uint64_t twice[] = {first, first};
    assert_int_equal(PUBLISH(both, 2, twice, 2), LT_EDIVERGED);
    struct storage_run ghosts[] = {both[0], {.id = 78, .kind = STORAGE_COMPACT}};
    assert_int_equal(PUBLISH(ghosts, 2, &first, 1), LT_EDIVERGED);
    ghosts[1] = both[1];
    ghosts[1].kind = STORAGE_ARRIVAL; /* it is not */
    assert_int_equal(PUBLISH(ghosts, 2, &first, 1), LT_EDIVERGED);
    struct runs now = runs_list(f->s);
    assert_int_equal(now.n, before.n);
    assert_int_equal(runs_in_state(&now, STORAGE_BUILDING), 2);
    assert_int_equal(runs_in_state(&now, STORAGE_CLOSED), 1);
    /* Then all. */
    assert_int_equal(PUBLISH(both, 2, &first, 1), 0);
    now = runs_list(f->s);
    const struct storage_run *run = runs_find(&now, a.id);
    assert_int_equal(run->state, STORAGE_IN_FORCE);
    assert_true(run->sources == 1 && run->series == 22 && run->points == 33 && run->bytes == 44);
    assert_int_equal(runs_find(&now, b.id)->state, STORAGE_IN_FORCE);
    assert_int_equal(runs_find(&now, first)->state, STORAGE_LEFT);
    /* Once. */
    assert_int_equal(PUBLISH(both, 2, &first, 1), LT_EDIVERGED);
    assert_int_equal(PUBLISH(both, 2, NULL, 0), LT_EDIVERGED);
    assert_int_equal(PUBLISH(NULL, 0, &first, 1), LT_EDIVERGED);
    /* Retention, and a successor. */
    assert_int_equal(PUBLISH(NULL, 0, &b.id, 1), 0);
    struct storage_run c = create(f, STORAGE_COMPACT, 60, range);
    assert_int_equal(PUBLISH(&c, 1, &a.id, 1), 0);
    now = runs_list(f->s);
    assert_int_equal(runs_in_state(&now, STORAGE_LEFT), 3);
    assert_int_equal(runs_in_state(&now, STORAGE_IN_FORCE), 1);
#undef PUBLISH
}

static void test_a_snapshot_keeps_its_runs(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    assert_int_equal(close_runs(f, range), 1);
    struct storage_run copy = create(f, STORAGE_ARRIVAL, 1, range);
    struct block block = one_point(5);
    assert_int_equal(storage_run_put_block(f->s, ENVIRONMENT, &copy, &block), 0);
    assert_int_equal(storage_run_flush(f->s), 0);

    struct storage_session *reader = session_open(f->storage);
    struct read_guard guard = guard_of(20000);
    uint64_t next;
    struct points seen = {0};
    assert_int_equal(storage_snapshot_begin(reader, ENVIRONMENT, PARTITION, &guard, &next), 0);
    uint64_t old = 1;
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &copy, 1, &old, 1), 0);
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(reader, &count);
    assert_int_equal(count, 1);
    assert_int_equal(runs[0].id, old);
    assert_int_equal(storage_snapshot_scan(reader, &simple_filter, points_visit, &seen), 0);
    assert_int_equal(seen.n, 10);
    /* Its tables are not taken away under it; nor is the owner kept waiting. */
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, old), LT_ERETRY);
    assert_true(clock_mono_ms() - start_ms < 2500);
    assert_int_equal(storage_snapshot_scan(reader, &simple_filter, points_visit, &seen), 0);
    assert_int_equal(seen.n, 20);
    storage_snapshot_end(reader);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, old), 0);

    seen.n = 0;
    assert_int_equal(storage_snapshot_begin(reader, ENVIRONMENT, PARTITION, &guard, &next), 0);
    runs = storage_snapshot_runs(reader, &count);
    assert_int_equal(count, 1);
    assert_int_equal(runs[0].id, copy.id);
    assert_int_equal(runs[0].state, STORAGE_CLOSED);
    assert_int_equal(storage_snapshot_scan(reader, &simple_filter, points_visit, &seen), 0);
    assert_int_equal(seen.n, 1);
    storage_snapshot_end(reader);
    (void)storage_snapshot_runs(reader, &count);
    assert_int_equal(count, 0);
    points_free(&seen);
    storage_session_destroy(&reader);
    assert_no_stray_tables(f);
}

/* ---- dropping ---- */

static void test_only_what_nobody_reads_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    ensure(f->s, range);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, 1), LT_EDIVERGED);
    assert_int_equal(close_runs(f, range), 1);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, 1), LT_EDIVERGED);
    struct storage_run run = create(f, STORAGE_COMPACT, 60, range);
    assert_int_equal(put_rows(f->s, &run, 3, 100), 0);
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &run, 1, NULL, 0), 0);
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, run.id), LT_EDIVERGED);
    assert_int_equal(runs_tables(f), 6);
    uint64_t out[] = {1, run.id};
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, NULL, 0, out, 2), 0);
    for (unsigned i = 0; i < 2; i++) /* the second time it is gone */
        for (unsigned j = 0; j < 2; j++)
            assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, out[j]), 0);
    struct runs l = runs_list(f->s);
    assert_int_equal(l.n, 0);
    assert_int_equal(runs_tables(f), 0);
    /* Ids are not used again. */
    run = create(f, STORAGE_COMPACT, 60, range);
    assert_int_equal(run.id, 3);
}

/* ---- owners ---- */

static void test_an_owner_that_was_replaced_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    struct storage_run run = create(f, STORAGE_COMPACT, 60, range);
    assert_int_equal(put_rows(f->s, &run, 3, 100), 0);
    assert_int_equal(
        storage_note_put(f->s, &f->fence, ENVIRONMENT, SLICE_LIT("n"), SLICE_LIT("old")), 0);
    struct runs before = runs_list(f->s);

    struct storage_session *thief = session_open(f->storage);
    struct storage_progress theirs;
    assert_int_equal(storage_lease_take(thief, PARTITION, SLICE_LIT("me"), 60000, &theirs), 0);
    uint32_t closed = 99;
    struct storage_run made = {.id = 99};
    uint64_t one = 1;
    const struct storage_fence *fence = &f->fence;
    assert_int_equal(storage_runs_close(f->s, fence, ENVIRONMENT, range, &closed), LT_EFENCED);
    assert_int_equal(storage_run_create(f->s, fence, ENVIRONMENT, &run, &made), LT_EFENCED);
    assert_int_equal(storage_runs_publish(f->s, fence, ENVIRONMENT, &run, 1, NULL, 0), LT_EFENCED);
    assert_int_equal(storage_runs_publish(f->s, fence, ENVIRONMENT, NULL, 0, &one, 1), LT_EFENCED);
    assert_int_equal(storage_run_drop(f->s, fence, ENVIRONMENT, run.id), LT_EFENCED);
    assert_int_equal(storage_note_put(f->s, fence, ENVIRONMENT, SLICE_LIT("n"), SLICE_LIT("new")),
                     LT_EFENCED);
    struct storage_fence nobody = {PARTITIONS, 1};
    assert_int_equal(storage_runs_close(f->s, &nobody, ENVIRONMENT, range, &closed), LT_EFENCED);
    assert_int_equal(closed, 99);
    assert_int_equal(made.id, 99);
    struct runs now = runs_list(thief);
    assert_int_equal(now.n, before.n);
    for (uint32_t i = 0; i < now.n; i++)
        assert_int_equal(now.v[i].state, before.v[i].state);
    struct buffer note;
    buffer_init(&note, SIZE_MAX);
    assert_int_equal(storage_note_get(thief, ENVIRONMENT, SLICE_LIT("n"), &note), 0);
    assert_true(slice_eq_str(buffer_slice(&note), "old"));
    buffer_fini(&note);

    /* The new one finds what was begun, and drops it; the old one, which still writes, then makes
     * no tables. */
    struct storage_fence fence2 = {PARTITION, theirs.epoch};
    assert_int_equal(storage_run_drop(thief, &fence2, ENVIRONMENT, run.id), 0);
    assert_true(put_rows(f->s, &run, 3, 100) != 0);
    assert_no_stray_tables(f);
    storage_session_destroy(&thief);
}

static void test_notes(void **state)
{
    struct fixture *f = *state;
    struct slice odd = SLICE_LIT("it's \\a\0b\xff");
    struct buffer note;
    buffer_init(&note, SIZE_MAX);
    assert_int_equal(storage_note_get(f->s, ENVIRONMENT, odd, &note), 0);
    assert_int_equal(note.len, 0);
    static const char *const texts[] = {"first", "", "x'1'\""};
    for (unsigned i = 0; i < 3; i++) {
        buffer_reset(&note, SIZE_MAX);
        assert_int_equal(storage_note_put(f->s, &f->fence, ENVIRONMENT, odd, slice_str(texts[i])),
                         0);
        assert_int_equal(storage_note_get(f->s, ENVIRONMENT, odd, &note), 0);
        assert_true(slice_eq_str(buffer_slice(&note), texts[i]));
    }
    buffer_reset(&note, SIZE_MAX);
    assert_int_equal(storage_note_get(f->s, ENVIRONMENT, SLICE_LIT("other"), &note), 0);
    assert_int_equal(note.len, 0);
    assert_int_equal(storage_note_put(f->s, &f->fence, ENVIRONMENT, SLICE_LIT(""), odd),
                     LT_EINVALID);
    buffer_fini(&note);
}

int main(void)
{
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
#define RUNS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        RUNS(test_ensure_opens_one_run_a_range),
        RUNS(test_many_openers_open_one_run_a_range),
        RUNS(test_points_after_a_close_are_in_the_next_run),
        RUNS(test_a_flush_whose_run_was_closed_begins_again),
        RUNS(test_a_flush_waits_for_no_table_that_is_missing),
        RUNS(test_a_close_waits_for_the_flush_in_flight),
        RUNS(test_rows_of_a_compact_run_are_stored),
        RUNS(test_only_small_tables_are_compressed_by_page),
        RUNS(test_two_runs_are_built_side_by_side),
        RUNS(test_a_clear_takes_all_runs_out),
        RUNS(test_a_clear_is_its_flush),
        RUNS(test_an_arrival_run_is_rewritten),
        RUNS(test_publish_moves_all_or_nothing),
        RUNS(test_a_snapshot_keeps_its_runs),
        RUNS(test_only_what_nobody_reads_is_dropped),
        RUNS(test_an_owner_that_was_replaced_changes_nothing),
        RUNS(test_notes),
    };
    int failed = cmocka_run_group_tests_name("mysql: runs", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
