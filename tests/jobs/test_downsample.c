#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "jobs/choose.h"
#include "jobs/support_day.h"
#include "model/kind.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"
#include "vector/rollup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Downsampling and expiry with a real database: minutes and hours are what the seconds add up to,
 * whenever it runs, however often, wherever it dies, and after the seconds are gone. */

static struct test_mariadb *db;

struct fixture {
    struct rig rig;
    struct world world;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    rig_open(&f->rig, test_mariadb_address(db), NULL, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rig_close(&f->rig);
    free(f);
    return 0;
}

static void compact(struct fixture *f, unsigned hours)
{
    for (unsigned hour = 0; hour < WORLD_HOURS; hour++)
        if ((hours >> hour & 1) != 0)
            assert_int_equal(compact_range(&f->rig.context, rig_hour(hour)), 0);
}

static void downsample(struct fixture *f)
{
    assert_int_equal(downsample_day(&f->rig.context, day_range()), 0);
}

static void test_a_day_becomes_minutes_and_hours(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 5; i++)
        world_flush(&f->world, &f->rig, 500, BOTH, false);
    compact(f, BOTH);
    atomic_store(&f->rig.job_progress.points_done, 0);
    downsample(f);
    day_check(&f->world, &f->rig);
    const struct storage_run *run = day_run(&f->rig, 60);
    assert_int_equal(f->rig.job_progress.points_done, f->rig.job_progress.points_all);
    assert_int_equal(run->points, f->rig.job_progress.points_all);
    assert_true(run->sources > 0 && run->sources < run->id && run->bytes > 0);
    assert_int_equal(day_seconds(&f->rig), 2);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    world_check(&f->world, &f->rig);
}

static void test_a_day_waits_until_it_is_compact(void **state)
{
    struct fixture *f = *state;
    downsample(f); /* there is nothing */
    assert_null(day_run(&f->rig, 60));
    world_flush(&f->world, &f->rig, 300, BOTH, false);
    compact(f, HOUR_0);
    assert_int_equal(downsample_day(&f->rig.context, day_range()), LT_EAGAIN);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    compact(f, HOUR_1);
    downsample(f);
    day_check(&f->world, &f->rig);
}

static void test_late_points_at_random_moments(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    for (unsigned i = 0; i < 20; i++) {
        world_flush(&f->world, &f->rig, 1 + world_random(200), 1 + world_random(BOTH), false);
        compact(f, BOTH);
        downsample(f);
        day_check(&f->world, &f->rig);
        assert_true(day_run(&f->rig, 60)->id > last);
        last = day_run(&f->rig, 60)->id;
    }
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
}

/* ---- in spans of items ---- */

/* The second hour lacks the first items, so that its rows begin elsewhere: each cut between two
 * rows of one hour goes through a row of the other. */
enum { LARGE_ITEMS = 30000, LARGE_ROUNDS = 3, LARGE_LACKS = 2345 };
enum { LARGE_POINTS = LARGE_ROUNDS * (2 * LARGE_ITEMS - LARGE_LACKS) };

static void large_flush(struct rig *rig, unsigned hour)
{
    static uint32_t items[LARGE_ITEMS];
    static int64_t times_ms[LARGE_ITEMS];
    static double values[LARGE_ITEMS];
    struct storage_range range = rig_hour(hour);
    for (unsigned round = 0; round < LARGE_ROUNDS; round++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < LARGE_ITEMS; i++) {
            uint32_t item = (uint32_t)((uint64_t)i * 7919 % LARGE_ITEMS);
            if (hour > 0 && item < LARGE_LACKS)
                continue;
            items[count] = item;
            times_ms[count] = range.from_s * 1000 + round * 60000 + i % 50 * 1000;
            values[count++] = item + round;
        }
        struct block block = {.category = 3,
                              .dimension = 1,
                              .fresh = true,
                              .count = count,
                              .items = items,
                              .times_ms = times_ms,
                              .values = values};
        assert_int_equal(storage_tables_ensure(rig->flush, RIG_ENVIRONMENT, &range, 1), 0);
        struct storage_flush flush = rig_flush(rig);
        block.lo = flush.lo;
        assert_int_equal(storage_flush_begin(rig->flush, &flush), 0);
        assert_int_equal(storage_flush_block(rig->flush, RIG_ENVIRONMENT, range, &block), 0);
        assert_int_equal(storage_flush_commit(rig->flush), 0);
        rig_flushed(rig, &flush);
    }
}

struct large {
    struct rollup_codec *codec;
    uint32_t resolution_s;
    uint64_t buckets;
    uint32_t item, in_item; /* expected next: the item, and how many of its buckets were there */
};

static int large_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    struct large *l = arg;
    uint32_t rounds = l->resolution_s == 60 ? 1 : LARGE_ROUNDS;
    assert_int_equal(item, l->item);
    l->buckets++;
    if (++l->in_item == (item < LARGE_LACKS ? 1 : 2) * LARGE_ROUNDS / rounds) {
        l->item++;
        l->in_item = 0;
    }
    double sum = rounds == 1 ? item + bucket->number % 60 : 3.0 * item + 3;
    assert_int_equal(bucket->summary.count, rounds);
    assert_true(summary_total(&bucket->summary) == sum);
    return 0;
}

static int large_row(void *arg, const struct storage_pack *row)
{
    struct large *l = arg;
    return rollup_open(l->codec, day_range().from_s * 1000, (int64_t)l->resolution_s * 1000,
                       row->summaries, row->vectors, NULL, 0, large_bucket, l);
}

static void large_check(struct rig *rig, uint32_t resolution_s)
{
    static const uint32_t dimension = 1;
    const struct block_filter filter = {
        .category = 3, .dimensions = &dimension, .dimensions_count = 1, .to_ms = INT64_MAX};
    struct large l = {.resolution_s = resolution_s};
    const struct storage_run *run = day_run(rig, resolution_s);
    assert_non_null(run);
    assert_int_equal(run->series, LARGE_ITEMS);
    assert_int_equal(run->points, LARGE_POINTS);
    assert_int_equal(rollup_codec_create(&l.codec), 0);
    assert_int_equal(storage_reader_begin(rig->reader, RIG_ENVIRONMENT, &rig->guard), 0);
    assert_int_equal(storage_run_packs(rig->reader, run, &filter,
                                       STORAGE_SUMMARIES | STORAGE_VECTORS, large_row, &l),
                     0);
    storage_reader_end(rig->reader);
    rollup_codec_destroy(&l.codec);
    assert_int_equal(l.buckets, run->points / (resolution_s == 60 ? 1 : LARGE_ROUNDS));
}

static void test_a_large_group_is_made_in_spans(void **state)
{
    struct fixture *f = *state;
    for (unsigned hour = 0; hour < WORLD_HOURS; hour++)
        large_flush(&f->rig, hour);
    compact(f, BOTH);
    static const size_t limits[] = {(size_t)1 << 30, 20 << 20, 1};
    for (unsigned i = 0; i < 3; i++) {
        f->rig.limits.memory_bytes_max = limits[i];
        uint64_t rows = f->rig.guard.rows;
        downsample(f);
        large_check(&f->rig, 60);
        large_check(&f->rig, 3600);
        /* A span reads its own rows, and those that straddle its ends. */
        assert_true(f->rig.guard.rows - rows < 400);
        f->rig.guard.rows = 0;
    }
}

/* ---- expiry ---- */

static int keep_run(void *arg, const struct storage_run *run)
{
    struct storage_run **next = arg;
    *(*next)++ = *run;
    return 0;
}

/* Whatever is due at now_ms, until nothing is. */
static void expire(struct rig *rig, int64_t now_ms)
{
    rig->context.now_ms = now_ms;
    for (;;) {
        struct storage_run runs[256], *end = runs;
        struct job_unit unit;
        assert_int_equal(storage_runs(rig->flush, RIG_ENVIRONMENT, NULL, keep_run, &end), 0);
        if (job_expire.next(&rig->context, runs, (uint32_t)(end - runs), &unit) == 0 ||
            unit.waits != NULL)
            return;
        assert_int_equal(job_expire.run(&rig->context, &unit), 0);
    }
}

static void keep(struct rig *rig)
{
    rig->limits.keep_1s_ms = INT64_C(86400) * 1000;
    rig->limits.keep_1m_ms = INT64_C(2) * 86400 * 1000;
    rig->limits.keep_1h_ms = INT64_C(3) * 86400 * 1000;
    rig->limits.read_deadline_ms = 0;
}

static void test_each_resolution_leaves_in_its_time(void **state)
{
    struct fixture *f = *state;
    int64_t end_ms = day_range().to_s * 1000, day_ms = INT64_C(86400) * 1000;
    keep(&f->rig);
    world_flush(&f->world, &f->rig, 600, BOTH, false);
    compact(f, BOTH);
    expire(&f->rig, end_ms + 10 * day_ms);
    assert_int_equal(day_seconds(&f->rig), 2); /* they are nowhere else */
    downsample(f);
    expire(&f->rig, end_ms + day_ms + CHOOSE_MARGIN_MS - 1);
    assert_int_equal(day_seconds(&f->rig), 2);
    expire(&f->rig, end_ms + day_ms + CHOOSE_MARGIN_MS);
    assert_int_equal(day_seconds(&f->rig), 0);
    day_check(&f->world, &f->rig);
    expire(&f->rig, end_ms + 2 * day_ms);
    assert_null(day_run(&f->rig, 60));
    assert_non_null(day_run(&f->rig, 3600));
    expire(&f->rig, end_ms + 3 * day_ms);
    assert_null(day_run(&f->rig, 3600));
    assert_int_equal(rig_count(&f->rig, STORAGE_LEFT), 0);
}

/* The first hour's seconds are gone: the second hour is added to its minutes and hours. */
static void test_what_is_late_beyond_retention_is_added(void **state)
{
    struct fixture *f = *state;
    keep(&f->rig);
    world_flush(&f->world, &f->rig, 600, HOUR_0, false);
    compact(f, HOUR_0);
    downsample(f);
    expire(&f->rig, day_range().to_s * 1000 + INT64_C(86400) * 1000 + CHOOSE_MARGIN_MS);
    assert_int_equal(day_seconds(&f->rig), 0);
    world_flush(&f->world, &f->rig, 300, HOUR_1, false);
    compact(f, HOUR_1);
    downsample(f);
    day_check(&f->world, &f->rig);
    uint64_t id = day_run(&f->rig, 60)->id;
    downsample(f); /* there is nothing to add */
    assert_int_equal(day_run(&f->rig, 60)->id, id);
    day_check(&f->world, &f->rig);
}

/* ---- what goes wrong ---- */

static void test_who_was_replaced_changes_nothing(void **state)
{
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 300, HOUR_0, false);
    compact(f, HOUR_0);
    f->rig.context.fence.epoch--;
    assert_int_equal(downsample_day(&f->rig.context, day_range()), LT_EFENCED);
    assert_null(day_run(&f->rig, 60));
    f->rig.context.fence.epoch++;
    f->rig.guard.cancelled = true;
    assert_int_equal(downsample_day(&f->rig.context, day_range()), LT_ECANCELLED);
    f->rig.guard.cancelled = false;
    assert_null(day_run(&f->rig, 60));
    downsample(f);
    day_check(&f->world, &f->rig);
}

/* The process that dies: this program again. */
static int crash_main(const char *address, const char *prefix, const char *epoch)
{
    struct rig rig;
    rig_open(&rig, address, prefix, strtoull(epoch, NULL, 10));
    int err = downsample_day(&rig.context, day_range());
    keep(&rig);
    expire(&rig, day_range().to_s * 1000); /* what left, and what an earlier one left */
    rig_close(&rig);
    return err == 0 ? 0 : 1;
}

/* Old or new: never none, never both. */
static void check_one_of_each(struct rig *rig)
{
    const struct storage_run *minutes = day_run(rig, 60);
    assert_non_null(minutes);
    uint64_t sources = minutes->sources;
    const struct storage_run *hours = day_run(rig, 3600);
    assert_non_null(hours);
    assert_int_equal(hours->sources, sources);
}

static void test_a_crash_leaves_old_or_new(void **state)
{
    static const char *const statements[] = {
        "runs.list",      "note.get",      "run.begin",   "run.fence",     "run.counter",
        "run.create",     "run.commit",    "run.table",   "run.enter",     "run.pack",
        "run.rank",       "run.total",     "run.beats",   "read.groups",   "read.packs",
        "read.beats",     "publish.begin", "publish.out", "publish.fence", "publish.in",
        "publish.commit", "drop.begin",    "drop.fence",  "drop.list",     "drop.leave",
        "drop.commit",    "drop.table",    "drop.row"};
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 300, BOTH, false);
    compact(f, BOTH);
    downsample(f);
    for (unsigned s = 0; s < sizeof(statements) / sizeof(statements[0]); s++)
        for (unsigned i = 0; i < 2; i++) {
            char failpoint[64];
            snprintf(failpoint, sizeof(failpoint), "%s.%s:%u", statements[s],
                     i == 0 ? "before" : "after", 1 + i);
            world_flush(&f->world, &f->rig, 50, BOTH, false);
            compact(f, BOTH);
            if (strncmp(statements[s], "drop", 4) == 0) /* so that there is something to drop */
                assert_true(WIFSIGNALED(rig_crash(&f->rig, "run.pack.after")));
            int status = rig_crash(&f->rig, failpoint);
            if (!WIFSIGNALED(status) && (status != 0 || i == 0))
                fail_msg("%s: the process ended with status %d", failpoint, status);
            check_one_of_each(&f->rig);
            if (s % 4 != 0 || i == 0)
                continue; /* what it left is there for the next one */
            downsample(f);
            day_check(&f->world, &f->rig);
        }
    downsample(f);
    day_check(&f->world, &f->rig);
    keep(&f->rig);
    expire(&f->rig, day_range().to_s * 1000);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    assert_int_equal(rig_count(&f->rig, STORAGE_LEFT), 0);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "crash") == 0)
        return crash_main(argv[2], argv[3], argv[4]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_day_becomes_minutes_and_hours),
        TEST(test_a_day_waits_until_it_is_compact),
        TEST(test_late_points_at_random_moments),
        TEST(test_a_large_group_is_made_in_spans),
        TEST(test_each_resolution_leaves_in_its_time),
        TEST(test_what_is_late_beyond_retention_is_added),
        TEST(test_who_was_replaced_changes_nothing),
        TEST(test_a_crash_leaves_old_or_new),
    };
#undef TEST
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    int failed = cmocka_run_group_tests_name("jobs/downsample", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
