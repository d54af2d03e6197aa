#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "jobs/compact_write.h"
#include "jobs/support_world.h"
#include "model/kind.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"
#include "vector/rank.h"

#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Compaction with a real database: what is stored stays what it was, whenever it runs, however
 * often, wherever it dies. */

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

static void test_an_hour_becomes_one_run(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 4; i++)
        world_flush(&f->world, &f->rig, 600, BOTH, false);
    world_check(&f->world, &f->rig);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check(&f->world, &f->rig);
    world_check_run(&f->world, &f->rig, 0);
    const struct storage_run *run = rig_only_run(&f->rig, rig_hour(0));
    assert_true(run->sources > 0 && run->sources < run->id && run->bytes > 0);
    assert_int_equal(f->rig.job_progress.points_done, run->points);
    assert_int_equal(rig_only_run(&f->rig, rig_hour(1))->kind, STORAGE_ARRIVAL);
    assert_int_equal(rig_count(&f->rig, STORAGE_LEFT), 1);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
}

static void compact_all_hours(struct fixture *f)
{
    for (unsigned hour = 0; hour < WORLD_HOURS; hour++) {
        assert_int_equal(compact_range(&f->rig.context, rig_hour(hour)), 0);
        world_check_run(&f->world, &f->rig, hour);
    }
    world_check(&f->world, &f->rig);
}

static void test_late_points_and_repeats_at_random_moments(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 60; i++) {
        world_flush(&f->world, &f->rig, 1 + world_random(150), BOTH, world_random(5) == 0);
        if (world_random(3) > 0)
            continue;
        unsigned hour = world_random(WORLD_HOURS);
        assert_int_equal(compact_range(&f->rig.context, rig_hour(hour)), 0);
        world_check_run(&f->world, &f->rig, hour);
        world_check(&f->world, &f->rig);
    }
    compact_all_hours(f);
    /* All of it has been moved out of the catch-all by now. */
    assert_int_equal(rig_count(&f->rig, STORAGE_OPEN), 0);
    assert_int_equal(rig_count(&f->rig, STORAGE_CLOSED), 0);
}

static void test_the_catch_all_keeps_what_is_not_of_the_hour(void **state)
{
    struct fixture *f = *state;
    const struct storage_range catch_all = {0, 0};
    world_flush(&f->world, &f->rig, 300, BOTH, true);
    world_flush(&f->world, &f->rig, 300, HOUR_0, false);
    world_flush(&f->world, &f->rig, 300, BOTH, true);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
    world_check(&f->world, &f->rig);
    const struct storage_run *run = rig_only_run(&f->rig, catch_all);
    assert_non_null(run);
    assert_int_equal(run->state, STORAGE_CLOSED);
    uint64_t kept = run->id;
    /* What holds nothing of an hour is left alone. */
    world_flush(&f->world, &f->rig, 50, HOUR_0, false);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    assert_int_equal(rig_only_run(&f->rig, catch_all)->id, kept);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(1)), 0);
    assert_null(rig_only_run(&f->rig, catch_all));
    world_check_run(&f->world, &f->rig, 1);
    world_check(&f->world, &f->rig);
}

static void test_reprocessing_makes_the_same_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0); /* there is nothing */
    assert_null(rig_only_run(&f->rig, rig_hour(0)));
    world_flush(&f->world, &f->rig, 500, HOUR_0, false);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    struct storage_run first = *rig_only_run(&f->rig, rig_hour(0));
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
    const struct storage_run *second = rig_only_run(&f->rig, rig_hour(0));
    assert_true(second->id > first.id && second->sources == first.id);
    assert_true(second->points == first.points && second->series == first.series &&
                second->bytes == first.bytes);
}

/* ---- pieces ---- */

static void test_a_piece_takes_what_is_fresh(void **state)
{
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 600, BOTH, false);
    world_flush(&f->world, &f->rig, 600, BOTH, false);
    world_flush(&f->world, &f->rig, 50, HOUR_0, true);
    assert_int_equal(compact_piece(&f->rig.context, rig_hour(0)), 0);
    world_check(&f->world, &f->rig);
    assert_int_equal(rig_count(&f->rig, STORAGE_IN_FORCE), 1);
    assert_int_equal(rig_count(&f->rig, STORAGE_CLOSED), 1); /* what is not fresh */
    assert_int_equal(rig_count(&f->rig, STORAGE_OPEN), 2);   /* the other hour, the catch-all */
    assert_int_equal(rig_count(&f->rig, STORAGE_LEFT), 1);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    /* Nothing was written since: there is nothing to do. */
    assert_int_equal(compact_piece(&f->rig.context, rig_hour(0)), 0);
    assert_int_equal(rig_count(&f->rig, STORAGE_IN_FORCE), 1);
    assert_int_equal(rig_count(&f->rig, STORAGE_LEFT), 1);
    for (unsigned i = 2; i < 5; i++) {
        world_flush(&f->world, &f->rig, 600, HOUR_0, false);
        assert_int_equal(compact_piece(&f->rig.context, rig_hour(0)), 0);
        assert_int_equal(rig_count(&f->rig, STORAGE_IN_FORCE), i);
        world_check(&f->world, &f->rig);
    }
    world_flush(&f->world, &f->rig, 100, HOUR_0, false);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
    world_check(&f->world, &f->rig);
}

static void test_pieces_at_random_moments(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 60; i++) {
        world_flush(&f->world, &f->rig, 1 + world_random(200), BOTH, world_random(6) == 0);
        unsigned hour = world_random(WORLD_HOURS), what = world_random(6);
        if (what > 2)
            continue;
        int err = what > 0 ? compact_piece(&f->rig.context, rig_hour(hour))
                           : compact_range(&f->rig.context, rig_hour(hour));
        assert_int_equal(err, 0);
        if (what == 0)
            world_check_run(&f->world, &f->rig, hour);
        world_check(&f->world, &f->rig);
    }
    compact_all_hours(f);
}

/* ---- blocks by hand ---- */

struct column_block {
    struct block block;
    uint32_t *items;
    int64_t *times_ms;
    double *values;
    uint8_t *policies;
    uint32_t cap;
};

static void column_block_init(struct column_block *b, uint32_t cap, uint32_t host, bool fresh)
{
    *b = (struct column_block){.cap = cap};
    b->items = malloc(cap * sizeof(b->items[0]));
    b->times_ms = malloc(cap * sizeof(b->times_ms[0]));
    b->values = malloc(cap * sizeof(b->values[0]));
    b->policies = calloc(cap, 1);
    assert_true(b->items != NULL && b->times_ms != NULL && b->values != NULL);
    b->block = (struct block){.category = 3,
                              .dimension = 1,
                              .host = host,
                              .fresh = fresh,
                              .items = b->items,
                              .times_ms = b->times_ms,
                              .values = b->values,
                              .policies = b->policies};
}

static void column_block_put(struct column_block *b, uint32_t item, int64_t ms, double value,
                             enum policy policy)
{
    assert_true(b->block.count < b->cap);
    uint32_t n = b->block.count++;
    b->items[n] = item;
    b->times_ms[n] = rig_hour0_s * 1000 + ms;
    b->values[n] = value;
    b->policies[n] = (uint8_t)policy;
}

static void column_block_flush(struct column_block *b, struct rig *rig)
{
    struct storage_range range = rig_hour(0);
    assert_int_equal(storage_tables_ensure(rig->flush, RIG_ENVIRONMENT, &range, 1), 0);
    struct storage_flush flush = rig_flush(rig);
    b->block.lo = flush.lo;
    assert_int_equal(storage_flush_begin(rig->flush, &flush), 0);
    assert_int_equal(storage_flush_block(rig->flush, RIG_ENVIRONMENT, range, &b->block), 0);
    assert_int_equal(storage_flush_commit(rig->flush), 0);
    rig_flushed(rig, &flush);
    b->block.count = 0;
}

static void column_block_fini(struct column_block *b)
{
    free(b->items);
    free(b->times_ms);
    free(b->values);
    free(b->policies);
}

static void test_an_hour_that_was_deleted_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct column_block fresh, later;
    column_block_init(&fresh, 100, 0, true);
    column_block_init(&later, 100, 0, false);
    for (uint32_t i = 0; i < 100; i++) {
        column_block_put(&fresh, i, i, i, POLICY_LAST);
        column_block_put(&later, i, i, 0, POLICY_ERASE);
    }
    column_block_flush(&fresh, &f->rig);
    column_block_flush(&later, &f->rig);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    assert_int_equal(rig_count(&f->rig, STORAGE_LEFT), 1);
    assert_int_equal(rig_count(&f->rig, STORAGE_IN_FORCE), 0);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    /* Where it had been compacted before, an empty run says that coarser ones are behind. */
    column_block_put(&fresh, 1, 1, 1, POLICY_LAST);
    column_block_flush(&fresh, &f->rig);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    assert_int_equal(rig_only_run(&f->rig, rig_hour(0))->points, 1);
    column_block_put(&later, 1, 1, 0, POLICY_ERASE);
    column_block_flush(&later, &f->rig);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    assert_non_null(rig_only_run(&f->rig, rig_hour(0)));
    assert_int_equal(rig_only_run(&f->rig, rig_hour(0))->points, 0);
    column_block_fini(&fresh);
    column_block_fini(&later);
}

/* ---- hosts with many items ---- */

enum {
    LARGE_ITEMS = 300000,
    LARGE_DENSE = 123456,
    LARGE_DENSE_POINTS = 40000,
    MEDIUM_ITEMS = 5000
};

struct large {
    uint64_t points;
    double sum;
    uint32_t next;
    uint32_t dense_points;
};

static int large_points(void *arg, const struct block *block)
{
    struct large *large = arg;
    for (uint32_t i = 0; i < block->count; i++) {
        assert_true(block->host != 0 || block->items[i] >= large->next);
        large->next = block->items[i];
        large->sum += block->values[i];
        large->dense_points += block->host == 0 && block->items[i] == LARGE_DENSE;
    }
    large->points += block->count;
    return 0;
}

static void large_flush(struct rig *rig)
{
    struct column_block b;
    column_block_init(&b, LARGE_ITEMS, 0, true);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < LARGE_ITEMS; i++)
            column_block_put(&b, (uint32_t)((uint64_t)i * 7919 % LARGE_ITEMS), round * 1000, 1,
                             POLICY_LAST);
        column_block_flush(&b, rig);
    }
    for (uint32_t i = 0; i < LARGE_DENSE_POINTS; i++)
        column_block_put(&b, LARGE_DENSE, 5000 + i * 50, 1, POLICY_LAST);
    column_block_flush(&b, rig);
    b.block.host = 1;
    for (uint32_t i = 0; i < MEDIUM_ITEMS; i++)
        column_block_put(&b, i * 10, 60000, i, POLICY_LAST);
    column_block_flush(&b, rig);
    column_block_fini(&b);
}

struct large_ranks {
    struct rank_total total;
    uint32_t entries;
    struct rank_entry last;
};

static int large_rank(void *arg, const struct storage_rank *rank)
{
    struct large_ranks *r = arg;
    if (rank->kind == STORAGE_RANK_TOTAL) {
        assert_int_equal(rank_total_decode(rank->body, &r->total), 0);
        return 0;
    }
    struct rank_entry *entries = calloc(RANK_CHUNK_MAX, sizeof(*entries));
    uint32_t count;
    assert_non_null(entries);
    assert_int_equal(rank_top_decode(rank->body, entries, &count), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(r->entries == 0 || r->last.value > entries[i].value ||
                    (r->last.value == entries[i].value && r->last.item < entries[i].item));
        r->last = entries[i];
        r->entries++;
    }
    free(entries);
    return 0;
}

static struct large_ranks large_read_ranks(struct rig *rig, uint32_t host)
{
    struct large_ranks r = {0};
    const struct storage_run *run = rig_only_run(rig, rig_hour(0));
    struct storage_rank_filter filter = {
        .category = 3, .dimension = 1, .hosts = &host, .hosts_count = 1, .last = UINT32_MAX};
    filter.kind = STORAGE_RANK_TOTAL;
    assert_int_equal(storage_run_ranks(rig->reader, run, &filter, large_rank, &r), 0);
    filter.kind = STORAGE_RANK_TOP;
    assert_int_equal(storage_run_ranks(rig->reader, run, &filter, large_rank, &r), 0);
    return r;
}

/* In passes, too: the limit leaves room for about a tenth. A second one, from the compact run. */
static void test_hosts_with_many_items(void **state)
{
    struct fixture *f = *state;
    large_flush(&f->rig);
    f->rig.limits.memory_bytes_max = 1;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
        const struct storage_run *run = rig_only_run(&f->rig, rig_hour(0));
        assert_int_equal(run->points, LARGE_ITEMS * 2 + LARGE_DENSE_POINTS + MEDIUM_ITEMS);
        assert_int_equal(run->series, LARGE_ITEMS + MEDIUM_ITEMS);
        struct large large = {0};
        static const uint32_t dimension = 1;
        const struct block_filter filter = {.category = 3,
                                            .dimensions = &dimension,
                                            .dimensions_count = 1,
                                            .to_ms = INT64_MAX,
                                            .fresh = true};
        assert_int_equal(storage_reader_begin(f->rig.reader, RIG_ENVIRONMENT, &f->rig.guard), 0);
        assert_int_equal(storage_run_scan(f->rig.reader, run, &filter, large_points, &large), 0);
        assert_int_equal(large.points, run->points);
        assert_int_equal(large.dense_points, LARGE_DENSE_POINTS + 2);
        double medium_sum = MEDIUM_ITEMS * (MEDIUM_ITEMS - 1) / 2.0;
        assert_true(large.sum == LARGE_ITEMS * 2.0 + LARGE_DENSE_POINTS + medium_sum);

        struct large_ranks r = large_read_ranks(&f->rig, STORAGE_ALL_HOSTS);
        assert_int_equal(r.total.items, LARGE_ITEMS);
        assert_int_equal(r.total.hosts, 2);
        assert_int_equal(r.entries, RANK_TOP_MAX);
        assert_true(r.last.value == 2);
        r = large_read_ranks(&f->rig, 0);
        assert_int_equal(r.total.items, LARGE_ITEMS);
        assert_int_equal(r.entries, RANK_TOP_MAX);
        r = large_read_ranks(&f->rig, 1);
        assert_int_equal(r.total.items, MEDIUM_ITEMS);
        assert_int_equal(r.entries, MEDIUM_ITEMS);
        assert_true(summary_total(&r.total.summary) == medium_sum && r.last.item == 0);
        storage_reader_end(f->rig.reader);
    }
}

/* ---- what goes wrong ---- */

static void test_who_was_replaced_changes_nothing(void **state)
{
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 300, HOUR_0, false);
    f->rig.context.fence.epoch--;
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), LT_EFENCED);
    assert_int_equal(rig_count(&f->rig, STORAGE_OPEN), 1);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    f->rig.context.fence.epoch++;
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
}

static struct catalog *catalog_of(void *arg, uint32_t environment)
{
    return catalog_ref(arg);
}

/* What compaction makes of the hour's values of category 0. */
static void world_round(struct world *world, unsigned hour, double error)
{
    for (unsigned d = 0; d < WORLD_DIMENSIONS; d++)
        for (unsigned h = 0; h < WORLD_HOSTS; h++)
            for (unsigned i = 0; i < WORLD_ITEMS; i++)
                for (unsigned t = 0; t < WORLD_TIMES; t++) {
                    double *value = &world->series[0][d][h][i].cells[hour][t].value;
                    *value = vector_round(*value, error);
                }
}

/* Late points, overwrites and sums come to what was rounded before; what nobody wrote again stays.
 */
static void test_values_are_rounded_once(void **state)
{
    struct fixture *f = *state;
    struct catalog *catalog;
    struct catalog_series series;
    assert_int_equal(catalog_create(RIG_ENVIRONMENT, &catalog), 0);
    f->rig.context.catalog = catalog_of;
    f->rig.context.catalog_arg = catalog;
    assert_int_equal(catalog_add_rule(catalog, SLICE_LIT("a.*"), KIND_GAUGE, PRECISION_MAX / 5), 0);
    assert_int_equal(catalog_resolve(catalog, SLICE_LIT("a.x.y"), &series), 0);
    assert_int_equal(series.category, 0);
    for (unsigned i = 0; i < 8; i++) {
        world_flush(&f->world, &f->rig, 1 + world_random(600), BOTH, i == 3);
        world_check(&f->world, &f->rig); /* as written */
        assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
        world_round(&f->world, 0, 0.02);
        world_check_run(&f->world, &f->rig, 0);
        world_check(&f->world, &f->rig);
    }
    /* Again, with nothing new. */
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
    catalog_unref(&catalog);
}

/* A row that says more than it holds: as if one was lost on the way. */
static void test_what_does_not_add_up_is_not_published(void **state)
{
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 300, HOUR_0, false);
    const struct storage_run *run = rig_only_run(&f->rig, rig_hour(0));
    char sql[256];
    MYSQL *raw = mysql_init(NULL);
    assert_non_null(raw);
    assert_non_null(mysql_real_connect(raw, NULL, "root", "", NULL, 0,
                                       test_mariadb_address(db) + strlen("unix:"), 0));
    for (int more = 1; more >= -1; more -= 2) {
        snprintf(sql, sizeof(sql),
                 "UPDATE `%s%d`.arrival_1_s_%lld_%lld_%llu SET points = points + (%d)"
                 " ORDER BY lo, seq LIMIT 1",
                 f->rig.prefix, RIG_ENVIRONMENT, (long long)run->range.from_s,
                 (long long)run->range.to_s, (unsigned long long)run->id, more);
        assert_int_equal(mysql_query(raw, sql), 0);
        int err = compact_range(&f->rig.context, rig_hour(0));
        assert_int_equal(err, more > 0 ? LT_ECORRUPT : 0);
        world_check(&f->world, &f->rig);
        assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
    }
    mysql_close(raw);
    world_check_run(&f->world, &f->rig, 0);
}

static void test_a_job_that_has_to_stop_leaves_what_was(void **state)
{
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 300, HOUR_0, false);
    f->rig.guard.cancelled = true;
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), LT_ECANCELLED);
    f->rig.guard.cancelled = false;
    world_check(&f->world, &f->rig);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
}

#define PIECE "TEST_COMPACT_PIECE" /* in the environment of the process that dies */

/* What it does. */
static int crash_main(const char *address, const char *prefix, const char *epoch)
{
    struct rig rig;
    rig_open(&rig, address, prefix, strtoull(epoch, NULL, 10));
    bool piece = getenv(PIECE) != NULL;
    rig.limits.ranked_items_min = piece ? 1 : rig.limits.ranked_items_min;
    int err =
        piece ? compact_piece(&rig.context, rig_hour(0)) : compact_range(&rig.context, rig_hour(0));
    rig_close(&rig);
    return err == 0 ? 0 : 1;
}

/* Each statement of a piece of work that has all there is: a compact run, late points, odd ones,
 * and what an earlier crash left. The first time that it is passed, and the second. */
static void crash_once(struct fixture *f, const char *statement, unsigned i)
{
    bool drop = strncmp(statement, "drop", 4) == 0;
    unsigned time = 1 + i / 2;
    char failpoint[64];
    snprintf(failpoint, sizeof(failpoint), "%s.%s:%u", statement, i % 2 == 0 ? "before" : "after",
             time);
    world_flush(&f->world, &f->rig, 80, BOTH, true);
    world_flush(&f->world, &f->rig, 200, HOUR_0, false);
    if (drop)
        assert_true(WIFSIGNALED(rig_crash(&f->rig, "run.pack.after")));
    int status = rig_crash(&f->rig, failpoint);
    /* Odd heartbeats may all be of the hour: then the catch-all keeps none. */
    bool may_end = strcmp(statement, "run.heartbeat") == 0;
    if (!WIFSIGNALED(status) && (status != 0 || !may_end))
        fail_msg("%s: the process ended with status %d", failpoint, status);
    world_check(&f->world, &f->rig);
    if (i % 3 != 0)
        return; /* what it left is there for the next one */
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
}

static void test_a_crash_leaves_all_or_nothing(void **state)
{
    static const char *const statements[] = {
        "runs.list",    "close.begin", "close.fence",    "close.list",    "runs.close",
        "close.commit", "run.begin",   "run.fence",      "run.counter",   "run.create",
        "run.commit",   "run.table",   "run.enter",      "run.block",     "run.heartbeat",
        "run.pack",     "run.rank",    "run.total",      "run.beats",     "read.groups",
        "read.arrival", "read.packs",  "read.beats",     "publish.begin", "publish.fence",
        "publish.out",  "publish.in",  "publish.commit", "drop.begin",    "drop.fence",
        "drop.list",    "drop.leave",  "drop.commit",    "drop.table",    "drop.row"};
    static const char *const several[] = {"run.create", "run.table", "run.enter", "publish.in",
                                          "read.arrival"};
    struct fixture *f = *state;
    world_flush(&f->world, &f->rig, 200, HOUR_0, false);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    for (unsigned s = 0; s < sizeof(statements) / sizeof(statements[0]); s++)
        for (unsigned i = 0; i < 2; i++)
            crash_once(f, statements[s], i);
    for (unsigned s = 0; s < sizeof(several) / sizeof(several[0]); s++)
        for (unsigned i = 2; i < 4; i++)
            crash_once(f, several[s], i);
    assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
    world_check_run(&f->world, &f->rig, 0);
    world_check(&f->world, &f->rig);
    assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
}

/* Beside pieces of before, and what is not fresh of them. */
static void test_a_crash_leaves_all_of_a_piece_or_nothing(void **state)
{
    static const char *const statements[] = {
        "runs.list",  "close.fence",   "runs.close",    "close.commit",  "run.fence",
        "run.create", "run.commit",    "run.table",     "run.enter",     "run.block",
        "run.pack",   "run.rank",      "run.total",     "run.beats",     "read.groups",
        "read.beats", "read.arrival",  "publish.begin", "publish.fence", "publish.out",
        "publish.in", "publish.commit"};
    static const char *const several[] = {"run.create", "run.table", "run.enter", "publish.in",
                                          "read.arrival"};
    enum { ALL = sizeof(statements) / sizeof(statements[0]) };
    setenv(PIECE, "", 1);
    for (unsigned s = 0; s < ALL + sizeof(several) / sizeof(several[0]); s++) {
        /* A world each: the longer it goes on, the less is fresh. */
        struct fixture *f = *state;
        for (unsigned i = 0; i < 2; i++)
            crash_once(f, s < ALL ? statements[s] : several[s - ALL], s < ALL ? i : i + 2);
        assert_int_equal(compact_range(&f->rig.context, rig_hour(0)), 0);
        world_check_run(&f->world, &f->rig, 0);
        world_check(&f->world, &f->rig);
        assert_int_equal(rig_count(&f->rig, STORAGE_BUILDING), 0);
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
    }
    unsetenv(PIECE);
}

/* ---- what is due ---- */

static const struct job_limits limits = {.grace_ms = 1000, .late_ms = 100000};

static struct storage_run listed(unsigned hour, enum storage_run_kind kind,
                                 enum storage_run_state state, int64_t age_ms)
{
    return (struct storage_run){.kind = kind,
                                .state = state,
                                .resolution_s = 1,
                                .range = rig_hour(hour),
                                .state_ms = 5000000 - age_ms,
                                .now_ms = 5000000};
}

static void test_what_is_due(void **state)
{
    struct job_context context = {.limits = &limits};
    struct job_unit unit;
    int64_t end_ms = rig_hour(0).to_s * 1000;
    struct storage_run runs[6] = {
        {.kind = STORAGE_ARRIVAL, .state = STORAGE_OPEN, .resolution_s = 1}, /* catch-all */
        listed(2, STORAGE_ARRIVAL, STORAGE_OPEN, 10),
        listed(1, STORAGE_ARRIVAL, STORAGE_CLOSED, 10),
        listed(0, STORAGE_COMPACT, STORAGE_LEFT, 10),
        listed(0, STORAGE_ARRIVAL, STORAGE_OPEN, 10),
    };
    /* Not before the grace has passed; the oldest first. */
    context.now_ms = end_ms + 999;
    assert_int_equal(job_compact.next(&context, runs, 5, &unit), 0);
    context.now_ms = end_ms + 1000;
    assert_int_equal(job_compact.next(&context, runs, 5, &unit), 1);
    assert_int_equal(unit.range.from_s, rig_hour(0).from_s);
    assert_int_equal(unit.due_ms, end_ms + 1000);
    context.now_ms = end_ms + 7200000;
    assert_int_equal(job_compact.next(&context, runs, 5, &unit), 1);
    assert_int_equal(unit.range.from_s, rig_hour(0).from_s);
    assert_int_equal(job_compact.next(&context, runs, 3, &unit), 1);
    assert_int_equal(unit.range.from_s, rig_hour(1).from_s);
    assert_int_equal(job_compact.next(&context, runs, 1, &unit), 0);
    /* Where there is a compact run, late points wait. */
    runs[3] = listed(0, STORAGE_COMPACT, STORAGE_IN_FORCE, 10);
    assert_int_equal(job_compact.next(&context, runs + 3, 2, &unit), 0);
    runs[4] = listed(0, STORAGE_ARRIVAL, STORAGE_CLOSED, 100500);
    assert_int_equal(job_compact.next(&context, runs + 3, 2, &unit), 1);
    assert_int_equal(unit.due_ms, context.now_ms - 500);
    runs[5] = listed(0, STORAGE_ARRIVAL, STORAGE_OPEN, 5);
    assert_int_equal(job_compact.next(&context, runs + 3, 3, &unit), 1);
    assert_int_equal(unit.due_ms, context.now_ms - 500);
    runs[4].state = STORAGE_LEFT;
    assert_int_equal(job_compact.next(&context, runs + 3, 3, &unit), 0);
    /* Coarser runs are nobody's here. */
    runs[4] = listed(0, STORAGE_ARRIVAL, STORAGE_CLOSED, 100500);
    runs[4].resolution_s = 60;
    assert_int_equal(job_compact.next(&context, runs + 4, 1, &unit), 0);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "crash") == 0)
        return crash_main(argv[2], argv[3], argv[4]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_due),
        cmocka_unit_test_setup_teardown(test_an_hour_becomes_one_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_points_and_repeats_at_random_moments, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_catch_all_keeps_what_is_not_of_the_hour, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reprocessing_makes_the_same_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_piece_takes_what_is_fresh, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces_at_random_moments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_hour_that_was_deleted_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_hosts_with_many_items, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_are_rounded_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_was_replaced_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_add_up_is_not_published, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_job_that_has_to_stop_leaves_what_was, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_crash_leaves_all_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_crash_leaves_all_of_a_piece_or_nothing, setup,
                                        teardown),
    };
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    int failed = cmocka_run_group_tests_name("jobs/compact", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
