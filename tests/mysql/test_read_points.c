#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/vec.h"
#include "model/kind.h"
#include "mysql/support_runs.h"
#include "mysql/support_storage.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"
#include "support_random.h"
#include "vector/beats.h"
#include "vector/pack.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Points, groups and heartbeats of single runs, of either kind, in a snapshot or without; tables;
 * and how reads end that do not go to their end. */

static struct test_mariadb *db;

static int setup(void **state)
{
    *state = fixture_create(db, 10000);
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static const uint32_t dimensions[] = {0, 1, 2};

static struct block_filter filter_all(uint32_t category, bool fresh)
{
    return (struct block_filter){.category = category,
                                 .dimensions = dimensions,
                                 .dimensions_count = 3,
                                 .to_ms = INT64_MAX,
                                 .fresh = fresh};
}

/* ---- arrival runs ---- */

/* Some flushes into hour `hour`; model takes what they wrote. */
static void flush_random(struct fixture *f, unsigned hour, struct points *model)
{
    struct storage_range range = hour_range(hour);
    for (unsigned round = 0; round < 6; round++) {
        assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, &range, 1), 0);
        struct storage_flush flush = flush_of(&f->progress, 1);
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        for (unsigned i = 0; i < 20; i++) {
            uint32_t item = random_below(100);
            int64_t time_ms = range.from_s * 1000 + random_below(3600000);
            double value = random_below(1000);
            struct block block = {.category = random_below(2),
                                  .dimension = random_below(3),
                                  .host = random_below(3),
                                  .fresh = random_below(2) == 0,
                                  .lo = flush.lo,
                                  .count = 1,
                                  .items = &item,
                                  .times_ms = &time_ms,
                                  .values = &value};
            assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), 0);
            points_add(model, &block);
        }
        assert_int_equal(storage_flush_commit(f->s), 0);
        f->progress.next = flush.hi;
    }
}

static void assert_run_gives(struct fixture *f, const struct storage_run *run,
                             const struct points *model)
{
    for (unsigned i = 0; i < 4; i++) {
        struct block_filter filter = filter_all(i / 2, i % 2 == 1);
        struct points expected = {0};
        for (uint32_t p = 0; p < model->n; p++)
            if (model->v[p].category == filter.category && model->v[p].fresh == filter.fresh)
                assert_true(VEC_PUSH(&expected, model->v[p]));
        points_sort(&expected);
        struct points actual = {0};
        assert_int_equal(storage_run_scan(f->r, run, &filter, points_visit, &actual), 0);
        assert_true(actual.n > 0);
        assert_same_points(&expected, &actual);
        points_free(&expected);
        points_free(&actual);
    }
}

struct seen_groups {
    struct storage_group v[64];
    uint32_t n;
};

static int groups_visit(void *arg, const struct storage_group *group)
{
    struct seen_groups *seen = arg;
    assert_true(seen->n < 64);
    seen->v[seen->n++] = *group;
    return 0;
}

static void assert_groups_are(struct fixture *f, const struct storage_run *run,
                              const struct points *model)
{
    struct seen_groups seen = {0};
    uint64_t points = 0;
    assert_int_equal(storage_run_groups(f->r, run, groups_visit, &seen), 0);
    for (uint32_t i = 0; i < seen.n; i++) {
        const struct storage_group *g = &seen.v[i];
        uint64_t count = 0;
        for (uint32_t p = 0; p < model->n; p++)
            count += model->v[p].category == g->category && model->v[p].dimension == g->dimension &&
                     model->v[p].host == g->host;
        assert_int_equal(g->points, count);
        assert_in_range(g->rows, 1, count);
        points += count;
        if (i > 0) {
            const struct storage_group *p = g - 1;
            assert_true(p->category < g->category ||
                        (p->category == g->category &&
                         (p->dimension < g->dimension ||
                          (p->dimension == g->dimension && p->host < g->host))));
        }
    }
    assert_int_equal(points, model->n);
}

static void test_an_arrival_run_is_read_alone(void **state)
{
    struct fixture *f = *state;
    struct points models[2] = {0};
    flush_random(f, 0, &models[0]);
    flush_random(f, 1, &models[1]);
    for (unsigned hour = 0; hour < 2; hour++) {
        struct storage_run run = run_find(f->s, STORAGE_ARRIVAL, hour_range(hour));
        reader_open(f);
        assert_run_gives(f, &run, &models[hour]);
        assert_groups_are(f, &run, &models[hour]);
        storage_reader_end(f->r);
    }
    for (unsigned hour = 0; hour < 2; hour++)
        points_free(&models[hour]);
}

/* The open run of a snapshot does not move; a reader, which has none, sees more. */
static void test_an_open_run_within_a_snapshot_does_not_move(void **state)
{
    struct fixture *f = *state;
    struct points model = {0};
    flush_random(f, 0, &model);
    uint64_t next;
    uint32_t count;
    assert_int_equal(storage_snapshot_begin(f->r, ENVIRONMENT, PARTITION, &f->guard, &next), 0);
    const struct storage_run *runs = storage_snapshot_runs(f->r, &count);
    assert_int_equal(count, 1);
    struct storage_run run = runs[0];
    struct points more = {0};
    flush_random(f, 0, &more);
    assert_run_gives(f, &run, &model);
    assert_groups_are(f, &run, &model);
    storage_snapshot_end(f->r);
    (void)storage_snapshot_runs(f->r, &count);
    assert_int_equal(count, 0);
    reader_open(f);
    for (uint32_t i = 0; i < more.n; i++)
        assert_true(VEC_PUSH(&model, more.v[i]));
    assert_run_gives(f, &run, &model);
    storage_reader_end(f->r);
    points_free(&model);
    points_free(&more);
}

/* Rows of other times are not read; nothing is sorted. */
static void test_rows_of_other_times_are_not_read(void **state)
{
    struct fixture *f = *state;
    struct points model = {0};
    for (unsigned i = 0; i < 5; i++)
        flush_random(f, 0, &model);
    struct storage_run run = run_find(f->s, STORAGE_ARRIVAL, hour_range(0));
    struct block_filter filter = filter_all(1, true);
    filter.from_ms = hour0_s * 1000 + 3540000;
    uint32_t expected = 0;
    for (uint32_t i = 0; i < model.n; i++)
        expected +=
            model.v[i].category == 1 && model.v[i].fresh && model.v[i].time_ms >= filter.from_ms;
    struct points seen = {0};
    reader_open(f);
    uint64_t read = server_counts(test_mariadb_address(db), "Handler_read_next");
    uint64_t sorted = server_counts(test_mariadb_address(db), "Sort_%");
    assert_int_equal(storage_run_scan(f->r, &run, &filter, points_visit, &seen), 0);
    assert_in_range(server_counts(test_mariadb_address(db), "Handler_read_next") - read, 0,
                    expected + 5);
    assert_int_equal(server_counts(test_mariadb_address(db), "Sort_%"), sorted);
    assert_int_equal(seen.n, expected);
    storage_reader_end(f->r);
    points_free(&seen);
    points_free(&model);
}

/* ---- compact runs ---- */

enum { SERIES_ITEMS = 700, SERIES_POINTS = 9 };

static double series_value(uint32_t dimension, uint32_t host, uint32_t item, uint32_t i)
{
    return dimension * 1000 + host * 100 + item + i * 0.25;
}

/* Every second item from `host` on has points, one each 400 s, in rows of about 100 items. */
static struct storage_run run_of_points(struct fixture *f)
{
    struct storage_run run = run_begin(f->s, &f->progress, STORAGE_COMPACT, 1, hour_range(0));
    struct pack_writer *writer;
    assert_int_equal(pack_writer_create(&writer), 0);
    for (uint32_t key = 0; key < 9; key++) {
        struct storage_pack pack = {.category = 1, .dimension = key / 3, .host = key % 3};
        for (uint32_t item = pack.host; item < SERIES_ITEMS;) {
            pack_begin(writer, hour0_s * 1000);
            for (uint32_t n = 0; n < 50 && item < SERIES_ITEMS; n++, item += 2) {
                int64_t times_ms[SERIES_POINTS];
                double values[SERIES_POINTS];
                for (uint32_t i = 0; i < SERIES_POINTS; i++) {
                    times_ms[i] = hour0_s * 1000 + i * 400000 + item;
                    values[i] = series_value(pack.dimension, pack.host, item, i);
                }
                struct vector_points points = {SERIES_POINTS, times_ms, values};
                assert_int_equal(pack_add(writer, item, &points, NULL), 0);
            }
            struct pack_row row;
            assert_int_equal(pack_finish(writer, &row), 0);
            pack.first_item = row.first_item;
            pack.last_item = row.last_item;
            pack.items = row.items;
            pack.points = row.points;
            pack.min_ms = row.min_ms;
            pack.max_ms = row.max_ms;
            pack.summaries = row.summaries;
            pack.vectors = row.vectors;
            assert_int_equal(storage_run_put_pack(f->s, ENVIRONMENT, &run, &pack), 0);
        }
    }
    pack_writer_destroy(&writer);
    run_publish(f->s, &f->progress, &run);
    return run;
}

struct seen_points {
    const struct block_filter *filter;
    uint64_t last; /* (dimension, host, item) + 1 */
    uint32_t points, items;
};

static int compact_visit(void *arg, const struct block *block)
{
    struct seen_points *seen = arg;
    assert_int_equal(block->category, 1);
    assert_int_equal(block->lo, 0);
    assert_true(block->fresh && block->policies == NULL && block->count > 0);
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t item = block->items[i];
        uint64_t key = ((uint64_t)(block->dimension * 3 + block->host) << 32 | item) + 1;
        assert_true(key >= seen->last);
        seen->items += key > seen->last;
        seen->last = key;
        int64_t at = block->times_ms[i] - hour0_s * 1000 - item;
        assert_int_equal(at % 400000, 0);
        assert_true(block->values[i] ==
                    series_value(block->dimension, block->host, item, (uint32_t)(at / 400000)));
        seen->points++;
    }
    return 0;
}

static void test_a_compact_run_gives_points(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_of_points(f);
    static const uint32_t items[] = {0, 1, 2, 99, 300, 699, 5000};
    static const uint32_t two = 2;
    struct block_filter filter = filter_all(1, true);
    reader_open(f);
    struct seen_points seen = {0};
    assert_int_equal(storage_run_scan(f->r, &run, &filter, compact_visit, &seen), 0);
    assert_int_equal(seen.items, 3 * (350 + 350 + 349));
    assert_int_equal(seen.points, seen.items * SERIES_POINTS);
    filter.items = items;
    filter.items_count = 7;
    seen = (struct seen_points){0};
    assert_int_equal(storage_run_scan(f->r, &run, &filter, compact_visit, &seen), 0);
    assert_int_equal(seen.items, 3 * (3 + 3 + 2));
    filter.hosts = &two;
    filter.hosts_count = 1;
    seen = (struct seen_points){0};
    assert_int_equal(storage_run_scan(f->r, &run, &filter, compact_visit, &seen), 0);
    assert_int_equal(seen.items, 3 * 2);
    filter.fresh = false;
    assert_int_equal(storage_run_scan(f->r, &run, &filter, compact_visit, &seen), 0);
    assert_int_equal(seen.items, 3 * 2);
    storage_reader_end(f->r);
}

/* Snapshots hand out the points of a range's compact run and of what came later, as one. */
static void test_a_snapshot_scans_both_kinds(void **state)
{
    struct fixture *f = *state;
    (void)run_of_points(f);
    struct points late = {0};
    flush_random(f, 0, &late);
    points_free(&late);
    struct points all = {0};
    (void)scan_all(f->r, 1, true, &all);
    uint32_t compact = 0;
    for (uint32_t i = 0; i < all.n; i++)
        compact +=
            all.v[i].lo == 0 && (all.v[i].time_ms - hour0_s * 1000 - all.v[i].item) % 400000 == 0;
    assert_in_range(compact, 3 * (350 + 350 + 349) * SERIES_POINTS, all.n - 1);
    points_free(&all);
}

/* ---- heartbeats ---- */

struct seen_beats {
    uint8_t bits[2][3][BEAT_BYTES]; /* by collector, host */
    uint32_t rows;
    uint64_t last;
};

static int beats_visit(void *arg, const struct storage_beats *beats)
{
    struct seen_beats *seen = arg;
    uint64_t key = (uint64_t)beats->collector << 32 | beats->host;
    assert_true(key >= seen->last && beats->collector < 2 && beats->host < 3);
    assert_int_equal(beats->from_s, hour0_s);
    seen->last = key;
    for (uint32_t i = 0; i < BEAT_BYTES; i++)
        seen->bits[beats->collector][beats->host][i] |= beats->bits[i];
    seen->rows++;
    return 0;
}

static void bits_random(uint8_t *bits)
{
    for (uint32_t n = random_below(2) == 0 ? 5 : 2000; n > 0; n--) {
        uint32_t second = random_below(BEAT_SECONDS);
        bits[second / 8] |= (uint8_t)(1u << second % 8);
    }
}

static void test_heartbeats_of_an_arrival_run(void **state)
{
    struct fixture *f = *state;
    struct storage_range range = hour_range(0);
    static struct seen_beats expected;
    for (unsigned round = 0; round < 4; round++) {
        assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, &range, 1), 0);
        struct storage_flush flush = flush_of(&f->progress, 1);
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        for (uint32_t i = 0; i < 6; i++) {
            uint8_t bits[BEAT_BYTES] = {0};
            bits_random(bits);
            struct beat_block beat = {i % 3, i / 3, (uint32_t)hour0_s, bits};
            assert_int_equal(storage_flush_beat(f->s, ENVIRONMENT, range, &beat), 0);
            for (uint32_t b = 0; b < BEAT_BYTES; b++)
                expected.bits[i / 3][i % 3][b] |= bits[b];
        }
        assert_int_equal(storage_flush_commit(f->s), 0);
        f->progress.next = flush.hi;
    }
    struct storage_run run = run_find(f->s, STORAGE_ARRIVAL, range);
    reader_open(f);
    static struct seen_beats seen;
    assert_int_equal(storage_run_beats(f->r, &run, NULL, beats_visit, &seen), 0);
    assert_int_equal(seen.rows, 24);
    assert_memory_equal(seen.bits, expected.bits, sizeof(seen.bits));
    static const uint32_t hosts[] = {0, 2};
    struct beat_filter filter = {1, hosts, 2, hour0_s * 1000 + 3599999, hour0_s * 1000 + 3600000};
    seen = (struct seen_beats){0};
    assert_int_equal(storage_run_beats(f->r, &run, &filter, beats_visit, &seen), 0);
    assert_int_equal(seen.rows, 8);
    filter.from_ms++;
    filter.to_ms++;
    assert_int_equal(storage_run_beats(f->r, &run, &filter, beats_visit, &seen), 0);
    assert_int_equal(seen.rows, 8);
    storage_reader_end(f->r);
}

static int or_visit(void *arg, const struct beat_block *beat)
{
    struct seen_beats *seen = arg;
    for (uint32_t i = 0; i < BEAT_BYTES; i++)
        seen->bits[beat->collector][beat->host][i] |= beat->bits[i];
    seen->rows++;
    return 0;
}

static void test_heartbeats_of_a_compact_run(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_begin(f->s, &f->progress, STORAGE_COMPACT, 1, hour_range(0));
    static struct seen_beats expected, seen;
    for (uint32_t i = 0; i < 6; i++) {
        bits_random(expected.bits[i / 3][i % 3]);
        struct storage_beats beats = {.host = i % 3,
                                      .collector = i / 3,
                                      .from_s = hour0_s,
                                      .bits = expected.bits[i / 3][i % 3]};
        assert_int_equal(storage_run_put_beats(f->s, ENVIRONMENT, &run, &beats), 0);
    }
    run_publish(f->s, &f->progress, &run);
    reader_open(f);
    assert_int_equal(storage_run_beats(f->r, &run, NULL, beats_visit, &seen), 0);
    assert_int_equal(seen.rows, 6);
    assert_memory_equal(seen.bits, expected.bits, sizeof(seen.bits));
    storage_reader_end(f->r);
    /* A snapshot's scan finds them too. */
    seen = (struct seen_beats){0};
    struct beat_filter filter = {1, NULL, 0, hour0_s * 1000, hour0_s * 1000 + 1};
    uint64_t next;
    assert_int_equal(storage_snapshot_begin(f->r, ENVIRONMENT, PARTITION, &f->guard, &next), 0);
    assert_int_equal(storage_snapshot_scan_beats(f->r, &filter, or_visit, &seen), 0);
    storage_snapshot_end(f->r);
    assert_int_equal(seen.rows, 3);
    assert_memory_equal(seen.bits[1], expected.bits[1], sizeof(seen.bits[1]));
}

static int counts_visit(void *arg, const struct storage_beats *beats)
{
    assert_null(beats->bits);
    assert_int_equal(beats->counts_count, 1440);
    for (uint32_t i = 0; i < 1440; i++)
        assert_int_equal(beats->counts[i], (i * 7 + beats->host) % 61);
    ++*(uint32_t *)arg;
    return 0;
}

static void test_heartbeats_of_a_coarser_run(void **state)
{
    struct fixture *f = *state;
    struct storage_range day = {1424390400, 1424390400 + 86400};
    struct storage_run run = run_begin(f->s, &f->progress, STORAGE_COMPACT, 60, day);
    for (uint32_t host = 0; host < 3; host++) {
        uint16_t counts[1440];
        for (uint32_t i = 0; i < 1440; i++)
            counts[i] = (uint16_t)((i * 7 + host) % 61);
        struct storage_beats beats = {.host = host,
                                      .collector = 2,
                                      .from_s = day.from_s,
                                      .counts = counts,
                                      .counts_count = 1440};
        assert_int_equal(storage_run_put_beats(f->s, ENVIRONMENT, &run, &beats), 0);
    }
    run_publish(f->s, &f->progress, &run);
    reader_open(f);
    uint32_t rows = 0;
    assert_int_equal(storage_run_beats(f->r, &run, NULL, counts_visit, &rows), 0);
    assert_int_equal(rows, 3);
    static const uint32_t one = 1;
    struct beat_filter filter = {2, &one, 1, day.from_s * 1000 + 50000000, INT64_MAX};
    assert_int_equal(storage_run_beats(f->r, &run, &filter, counts_visit, &rows), 0);
    assert_int_equal(rows, 4);
    storage_reader_end(f->r);
}

/* ---- tables ---- */

struct seen_tables {
    uint64_t arrival_run;
    unsigned count;
};

static int tables_visit(void *arg, const struct storage_table *table)
{
    struct seen_tables *seen = arg;
    seen->count++;
    if (slice_eq(table->name, SLICE_LIT("catalog_1")) ||
        slice_eq(table->name, SLICE_LIT("manifest_4")))
        assert_int_equal(table->run, 0);
    if (table->name.n > 8 && memcmp(table->name.p, "arrival_", 8) == 0) {
        assert_true(table->data_bytes >= 16384);
        seen->arrival_run = table->run;
    }
    return 0;
}

static void test_tables_and_their_runs(void **state)
{
    struct fixture *f = *state;
    struct points model = {0};
    flush_random(f, 0, &model);
    points_free(&model);
    struct storage_run run = run_find(f->s, STORAGE_ARRIVAL, hour_range(0));
    struct seen_tables seen = {0};
    assert_int_equal(storage_tables(f->r, ENVIRONMENT, &f->guard, tables_visit, &seen), 0);
    assert_in_range(seen.count, 5, 20);
    assert_int_equal(seen.arrival_run, run.id);
}

/* ---- ends ---- */

static int stop_visit(void *arg, const struct block *block)
{
    return *(const int *)arg;
}

static void test_reads_end_when_they_must(void **state)
{
    struct fixture *f = *state;
    struct points model = {0};
    flush_random(f, 0, &model);
    points_free(&model);
    struct storage_run run = run_find(f->s, STORAGE_ARRIVAL, hour_range(0));
    struct block_filter filter = filter_all(1, true);
    struct points seen = {0};
    /* Neither a snapshot nor a reader is open. */
    assert_int_equal(storage_run_scan(f->r, &run, &filter, points_visit, &seen), LT_EUNAVAILABLE);
    reader_open(f);
    int stops[] = {7, LT_ECORRUPT};
    assert_int_equal(storage_run_scan(f->r, &run, &filter, stop_visit, &stops[0]), 7);
    assert_int_equal(storage_run_scan(f->r, &run, &filter, points_visit, &seen), 0);
    assert_int_equal(storage_run_scan(f->r, &run, &filter, stop_visit, &stops[1]), LT_ECORRUPT);
    storage_reader_end(f->r);
    f->guard.deadline_mono_ms = clock_mono_ms() - 1;
    reader_open(f);
    assert_int_equal(storage_run_scan(f->r, &run, &filter, points_visit, &seen), LT_ETIMEOUT);
    storage_reader_end(f->r);
    f->guard = guard_of(60000);
    f->guard.cancelled = true;
    reader_open(f);
    assert_int_equal(storage_run_scan(f->r, &run, &filter, points_visit, &seen), LT_ECANCELLED);
    storage_reader_end(f->r);
    f->guard = guard_of(60000);
    reader_open(f);
    uint32_t n = seen.n;
    assert_int_equal(storage_run_scan(f->r, &run, &filter, points_visit, &seen), 0);
    assert_int_equal(seen.n, 2 * n);
    assert_true(f->guard.rows > 0 && f->guard.bytes > 0);
    storage_reader_end(f->r);
    points_free(&seen);
}

static void test_a_damaged_row_is_told(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_of_points(f);
    char sql[300];
    snprintf(sql, sizeof(sql),
             "UPDATE observation_1_s_%lld_%lld_%llu SET vectors = CONCAT(LEFT(vectors, 20),"
             " 'x', SUBSTR(vectors, 22)) WHERE host = 2 AND dimension = 1",
             (long long)run.range.from_s, (long long)run.range.to_s, (unsigned long long)run.id);
    raw_exec(f->raw, sql, "");
    struct block_filter filter = filter_all(1, true);
    struct seen_points seen = {0};
    reader_open(f);
    assert_int_equal(storage_run_scan(f->r, &run, &filter, compact_visit, &seen), LT_ECORRUPT);
    storage_reader_end(f->r);
}

int main(void)
{
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_arrival_run_is_read_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_open_run_within_a_snapshot_does_not_move, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rows_of_other_times_are_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_compact_run_gives_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_snapshot_scans_both_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heartbeats_of_an_arrival_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heartbeats_of_a_compact_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heartbeats_of_a_coarser_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_and_their_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reads_end_when_they_must, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_row_is_told, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("mysql: points of runs", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
