#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/vec.h"
#include "model/kind.h"
#include "mysql/mysql_storage.h"
#include "mysql/support_storage.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"
#include "support_random.h"

#include <math.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What goes in comes out: points, heartbeats, names; leases and the fence. Faults: test_faults.c.
 */

static struct test_mariadb *db;

enum { TIMEOUT_MS = 20000 }; /* others may slow this machine down */

static int setup(void **state)
{
    *state = fixture_create(db, TIMEOUT_MS);
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

/* ---- points ---- */

enum { BLOCK_POINTS_MAX = 400, TABLES = 4 };

/* Hours 0 … 2 and the catch-all. */
static struct storage_range table_range(uint32_t table)
{
    return table == TABLES - 1 ? (struct storage_range){0, 0} : hour_range(table);
}

/* A random block for the table, put into the flush and into the model. */
static void put_random_block(struct fixture *f, uint64_t lo, uint32_t table, struct points *model)
{
    static const double values[] = {0.0, -0.0, 1.5, 1e308, 1e308, -7, 4503599627370497.0};
    uint32_t items[BLOCK_POINTS_MAX];
    int64_t times_ms[BLOCK_POINTS_MAX];
    double point_values[BLOCK_POINTS_MAX];
    uint8_t policies[BLOCK_POINTS_MAX];
    struct block block = {
        .category = random_below(3),
        .dimension = random_below(4),
        .host = random_below(3),
        .fresh = random_below(2) == 0,
        .lo = lo,
        .count = 1 + random_below(BLOCK_POINTS_MAX),
        .items = items,
        .times_ms = times_ms,
        .values = point_values,
        .policies = random_below(2) == 0 ? policies : NULL,
    };
    for (uint32_t i = 0; i < block.count; i++) {
        items[i] = random_below(1000);
        times_ms[i] = table == TABLES - 1
                          ? (int64_t)((uint64_t)random_below(UINT32_MAX) << 31)
                          : table_range(table).from_s * 1000 + random_below(3600000);
        point_values[i] = random_below(3) == 0 ? values[random_below(7)] : random_below(100000);
        policies[i] = (uint8_t)random_below(POLICY_COUNT);
    }
    assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, table_range(table), &block), 0);
    points_add(model, &block);
}

/* Tables in the order that a scan promises: the catch-all, then the newest. */
static void assert_scan_gives(struct fixture *f, struct points models[TABLES], uint32_t category,
                              bool fresh)
{
    struct points expected = {0};
    static const uint32_t order[] = {3, 2, 1, 0};
    for (unsigned t = 0; t < TABLES; t++) {
        struct points *model = &models[order[t]];
        struct points some = {0};
        for (uint32_t i = 0; i < model->n; i++)
            if (model->v[i].category == category && model->v[i].fresh == fresh)
                assert_true(VEC_PUSH(&some, model->v[i]));
        points_sort(&some);
        for (uint32_t i = 0; i < some.n; i++)
            assert_true(VEC_PUSH(&expected, some.v[i]));
        points_free(&some);
    }
    struct points actual = {0};
    assert_int_equal(scan_all(f->s, category, fresh, &actual), f->progress.next);
    assert_true(actual.n > 0);
    assert_same_points(&expected, &actual);
    points_free(&expected);
    points_free(&actual);
}

static void test_points_come_back_in_log_order(void **state)
{
    struct fixture *f = *state;
    struct storage_range ranges[TABLES];
    for (uint32_t t = 0; t < TABLES; t++)
        ranges[t] = table_range(t);
    struct points models[TABLES] = {0};
    for (unsigned round = 0; round < 25; round++) {
        assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, ranges, TABLES), 0);
        struct storage_flush flush = flush_of(&f->progress, 1 + random_below(100));
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        uint32_t aborted_from[TABLES];
        for (unsigned t = 0; t < TABLES; t++)
            aborted_from[t] = models[t].n;
        for (unsigned i = 0; i < 30; i++) {
            uint32_t table = random_below(TABLES);
            put_random_block(f, flush.lo, table, &models[table]);
        }
        if (round % 5 == 4) {
            storage_flush_abort(f->s);
            for (unsigned t = 0; t < TABLES; t++)
                models[t].n = aborted_from[t];
        } else {
            assert_int_equal(storage_flush_commit(f->s), 0);
            f->progress.next = flush.hi;
        }
    }
    for (uint32_t category = 0; category < 3; category++) {
        assert_scan_gives(f, models, category, true);
        assert_scan_gives(f, models, category, false);
    }
    for (unsigned t = 0; t < TABLES; t++)
        points_free(&models[t]);
}

static void test_a_million_points_in_one_block(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 1000000 };
    assert_int_equal(flush_simple(f->s, &f->progress, 5, COUNT), 0);
    struct points actual = {0};
    assert_int_equal(scan_all(f->s, 1, true, &actual), f->progress.next);
    assert_int_equal(actual.n, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        if (actual.v[i].item != 5 + i || (uint32_t)actual.v[i].value != 5 + i)
            fail_msg("point %u is another", i);
    points_free(&actual);
}

/* The catch-all is always read; other tables only when their hour matters, rows only when their
 * times do. */
static void test_a_scan_reads_what_its_filter_asks_for(void **state)
{
    struct fixture *f = *state;
    struct storage_range ranges[TABLES];
    struct points model = {0};
    for (uint32_t t = 0; t < TABLES; t++)
        ranges[t] = table_range(t);
    assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, ranges, TABLES), 0);
    struct storage_flush flush = flush_of(&f->progress, 1);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    uint32_t item = 1;
    double value = 2;
    for (uint32_t host = 0; host < 3; host++)
        for (uint32_t hour = 0; hour < 3; hour++) {
            int64_t time_ms = ranges[hour].from_s * 1000 + 1000;
            struct block block = {.category = 1,
                                  .host = host,
                                  .fresh = true,
                                  .lo = flush.lo,
                                  .count = 1,
                                  .items = &item,
                                  .times_ms = &time_ms,
                                  .values = &value};
            assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, ranges[hour], &block), 0);
        }
    assert_int_equal(storage_flush_commit(f->s), 0);

    static const struct {
        int64_t from_ms, to_ms; /* from hour 0 */
        uint32_t hosts_count;   /* 0: all */
        uint32_t expected;
    } cases[] = {
        {0, 3600000, 0, 3},
        {0, 3600001, 0, 3},
        {0, 3601001, 0, 6},
        {0, 1000, 0, 0},
        {1000, 1001, 0, 3},
        {1001, 3601000, 0, 0},
        {3600000, 7200000, 1, 1},
        {0, 10800000, 2, 6},
        {5, 5, 0, 0},
        {10800000, 99999999, 0, 0},
    };
    static const uint32_t hosts[] = {0, 2};
    static const uint32_t dimension = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct read_guard guard = guard_of(5000);
        struct block_filter filter = {
            .category = 1,
            .dimensions = &dimension,
            .dimensions_count = 1,
            .hosts = cases[i].hosts_count > 0 ? hosts : NULL,
            .hosts_count = cases[i].hosts_count,
            .from_ms = hour0_s * 1000 + cases[i].from_ms,
            .to_ms = hour0_s * 1000 + cases[i].to_ms,
            .fresh = true,
        };
        uint64_t next;
        model.n = 0;
        assert_int_equal(storage_snapshot_begin(f->s, ENVIRONMENT, PARTITION, &guard, &next), 0);
        uint64_t rows_before = guard.rows;
        assert_int_equal(storage_snapshot_scan(f->s, &filter, points_visit, &model), 0);
        storage_snapshot_end(f->s);
        assert_int_equal(model.n, cases[i].expected);
        assert_int_equal(guard.rows - rows_before, cases[i].expected);
    }
    points_free(&model);
}

static int stop_at_first(void *arg, const struct block *block)
{
    (void)block;
    return *(int *)arg;
}

static void test_a_visitor_may_stop_and_the_snapshot_goes_on(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 300000), 0);
    struct read_guard guard = guard_of(5000);
    uint64_t next;
    int enough = 1;
    struct points all = {0};
    assert_int_equal(storage_snapshot_begin(f->s, ENVIRONMENT, PARTITION, &guard, &next), 0);
    assert_int_equal(storage_snapshot_scan(f->s, &simple_filter, stop_at_first, &enough), 1);
    assert_int_equal(storage_snapshot_scan(f->s, &simple_filter, points_visit, &all), 0);
    assert_int_equal(all.n, 300000);
    int failed = LT_ELIMIT;
    assert_int_equal(storage_snapshot_scan(f->s, &simple_filter, stop_at_first, &failed),
                     LT_ELIMIT);
    assert_int_equal(storage_snapshot_scan(f->s, &simple_filter, points_visit, &all),
                     LT_EUNAVAILABLE);
    storage_snapshot_end(f->s);
    assert_int_equal(storage_snapshot_begin(f->s, ENVIRONMENT, PARTITION, &guard, &next), 0);
    storage_snapshot_end(f->s);
    points_free(&all);
}

static void test_a_snapshot_does_not_move(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    uint64_t before = f->progress.next;
    struct storage_session *reader = session_open(f->storage);
    struct read_guard guard = guard_of(5000);
    uint64_t next;
    assert_int_equal(storage_snapshot_begin(reader, ENVIRONMENT, PARTITION, &guard, &next), 0);
    /* Also a table that the snapshot has not heard of. */
    struct storage_range later = hour_range(9);
    assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, &later, 1), 0);
    assert_int_equal(flush_simple(f->s, &f->progress, 100, 10), 0);
    struct points seen = {0};
    assert_int_equal(storage_snapshot_scan(reader, &simple_filter, points_visit, &seen), 0);
    storage_snapshot_end(reader);
    assert_int_equal(next, before);
    assert_int_equal(seen.n, 10);
    seen.n = 0;
    assert_int_equal(scan_all(reader, 1, true, &seen), f->progress.next);
    assert_int_equal(seen.n, 20);
    points_free(&seen);
    storage_session_destroy(&reader);
}

/* What later queries will add up without opening bodies. */
static void test_rows_carry_their_summaries(void **state)
{
    struct fixture *f = *state;
    static const struct {
        double values[2];
        const char *total;
    } cases[] = {
        {{1.5, -4}, "-2.5"}, {{1, NAN}, NULL}, {{1e308, 1e308}, NULL}, {{INFINITY, 1}, NULL}};
    static const uint32_t items[] = {1, 2};
    static const int64_t times_ms[] = {INT64_MAX, 7};
    struct storage_range range = {0, 0};
    assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, &range, 1), 0);
    struct storage_flush flush = flush_of(&f->progress, 1);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct block block = {.lo = flush.lo,
                              .count = 2,
                              .items = items,
                              .times_ms = times_ms,
                              .values = cases[i].values};
        assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), 0);
    }
    assert_int_equal(storage_flush_commit(f->s), 0);

    static const char sql[] =
        "SELECT total, points, min_ms, max_ms FROM arrival_1_s_0_0_1 ORDER BY lo, seq";
    assert_int_equal(mysql_query(f->raw, sql), 0);
    MYSQL_RES *result = mysql_store_result(f->raw);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        MYSQL_ROW row = mysql_fetch_row(result);
        assert_non_null(row);
        if (cases[i].total != NULL)
            assert_string_equal(row[0], cases[i].total);
        else
            assert_null(row[0]);
        assert_string_equal(row[1], "2");
        assert_string_equal(row[2], "7");
        assert_string_equal(row[3], "9223372036854775807");
    }
    mysql_free_result(result);
}

/* ---- heartbeats ---- */

struct seen_beats {
    uint8_t bits[3][BEAT_BYTES]; /* by host */
    uint32_t from_s;
    unsigned count;
};

static int beats_visit(void *arg, const struct beat_block *beat)
{
    struct seen_beats *seen = arg;
    assert_int_equal(beat->collector, 4);
    if (beat->from_s == seen->from_s)
        for (size_t i = 0; i < BEAT_BYTES; i++)
            seen->bits[beat->host][i] |= beat->bits[i];
    seen->count++;
    return 0;
}

static void test_heartbeats_add_up(void **state)
{
    struct fixture *f = *state;
    struct storage_range ranges[] = {hour_range(0), {0, 0}};
    assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, ranges, 2), 0);
    struct seen_beats expected = {.from_s = (uint32_t)hour0_s};
    for (unsigned round = 0; round < 12; round++) {
        struct storage_flush flush = flush_of(&f->progress, 1);
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        for (uint32_t host = 0; host < 3; host++) {
            uint8_t bits[BEAT_BYTES] = {0};
            for (uint32_t n = random_below(round % 3 == 0 ? 2000 : 20); n > 0; n--) {
                uint32_t second = random_below(BEAT_SECONDS);
                bits[second / 8] |= (uint8_t)(1u << second % 8);
                expected.bits[host][second / 8] |= (uint8_t)(1u << second % 8);
            }
            struct beat_block beat = {host, 4, (uint32_t)hour0_s, bits};
            assert_int_equal(
                storage_flush_beat(f->s, ENVIRONMENT, ranges[host == 2 && round > 5], &beat), 0);
            beat.collector = 5; /* another's */
            assert_int_equal(storage_flush_beat(f->s, ENVIRONMENT, ranges[0], &beat), 0);
            beat.collector = 4;
            beat.from_s = 7200; /* another hour, known to the catch-all only */
            assert_int_equal(storage_flush_beat(f->s, ENVIRONMENT, ranges[1], &beat), 0);
        }
        assert_int_equal(storage_flush_commit(f->s), 0);
        f->progress.next = flush.hi;
    }
    struct seen_beats seen = {.from_s = (uint32_t)hour0_s};
    struct read_guard guard = guard_of(5000);
    struct beat_filter filter = {
        .collector = 4, .from_ms = hour0_s * 1000 + 3599999, .to_ms = hour0_s * 1000 + 3600000};
    uint64_t next;
    assert_int_equal(storage_snapshot_begin(f->s, ENVIRONMENT, PARTITION, &guard, &next), 0);
    assert_int_equal(storage_snapshot_scan_beats(f->s, &filter, beats_visit, &seen), 0);
    assert_memory_equal(seen.bits, expected.bits, sizeof(seen.bits));
    assert_int_equal(seen.count, 36);
    seen.count = 0;
    filter.to_ms = hour0_s * 1000;
    filter.from_ms = filter.to_ms - 1;
    assert_int_equal(storage_snapshot_scan_beats(f->s, &filter, beats_visit, &seen), 0);
    assert_int_equal(seen.count, 0);
    storage_snapshot_end(f->s);
}

/* ---- catalog ---- */

struct loaded {
    unsigned names, texts, watermarks;
    uint32_t next_id[8][3]; /* by what and scope */
    unsigned last_what;
    int64_t max_ms[3];
    const char *text;
};

/* Any bytes: NUL, quotes, backslashes, no UTF-8; up to 512. */
static struct slice odd_name(uint32_t what, uint32_t scope, uint32_t id)
{
    static char text[512];
    uint32_t n = id % 7 == 0 ? 512 : (what * 31 + scope * 17 + id) % 60;
    for (uint32_t i = 0; i < n; i++)
        text[i] = "\0'\"\\`%\xff\xc3z\n;"[(i + id + what) % 11];
    return slice_make(text, n);
}

static int loaded_name(void *arg, uint32_t environment, const struct storage_name *name)
{
    struct loaded *l = arg;
    assert_int_equal(environment, ENVIRONMENT);
    assert_int_equal(name->id, l->next_id[name->what][name->scope]++);
    assert_int_equal(name->detail, name->id * 3);
    assert_true(slice_eq(name->text, odd_name(name->what, name->scope, name->id)));
    assert_true(name->what >= l->last_what); /* categories come before items */
    l->last_what = name->what;
    l->names++;
    return 0;
}

static int loaded_items(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                        const struct slice *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct storage_name name = {STORAGE_ITEM, category, first + i, (first + i) * 3, names[i]};
        assert_int_equal(loaded_name(arg, environment, &name), 0);
    }
    return 0;
}

static int loaded_watermark(void *arg, uint32_t environment, const struct storage_watermark *w)
{
    struct loaded *l = arg;
    assert_true(l->names > 0);
    assert_int_equal(w->collector, 9);
    l->max_ms[w->host] = w->max_ms;
    l->watermarks++;
    return 0;
}

static int loaded_text(void *arg, uint32_t environment, const struct storage_item_text *text)
{
    struct loaded *l = arg;
    assert_true(slice_eq_str(text->text, l->text));
    assert_int_equal(text->category, 2);
    assert_int_equal(text->item, 1);
    l->texts++;
    return 0;
}

static int loaded_no_seen(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    fail();
    return 0;
}

static void test_names_texts_and_watermarks_come_back(void **state)
{
    struct fixture *f = *state;
    uint32_t next_id[8][3] = {0};
    unsigned names = 0;
    for (unsigned round = 0; round < 6; round++) {
        struct storage_flush flush = flush_of(&f->progress, 1);
        assert_int_equal(storage_flush_begin(f->s, &flush), 0);
        for (unsigned i = 0; i < (round == 3 ? 30000u : 20u); i++) {
            /* Mixed, as they appear. */
            uint32_t what = STORAGE_HOST + random_below(6);
            uint32_t scope = what == STORAGE_ITEM ? random_below(3) : 0;
            uint32_t id = next_id[what][scope]++;
            struct storage_name name = {(enum storage_name_what)what, scope, id, id * 3,
                                        odd_name(what, scope, id)};
            assert_int_equal(storage_flush_name(f->s, ENVIRONMENT, &name), 0);
            names++;
        }
        static const int64_t max_ms[] = {5, 900, 3, INT64_MAX, 7, 8};
        struct storage_watermark watermark = {round % 3, 9, max_ms[round]};
        assert_int_equal(storage_flush_watermark(f->s, ENVIRONMENT, &watermark), 0);
        struct storage_item_text text = {2, 1, slice_str(round < 5 ? "SELECT '\\'" : "SELECT 2")};
        assert_int_equal(storage_flush_text(f->s, ENVIRONMENT, &text), 0);
        assert_int_equal(storage_flush_commit(f->s), 0);
        f->progress.next = flush.hi;
        f->progress.checksum = flush.checksum;
    }
    struct loaded l = {.text = "SELECT 2"};
    struct storage_loader loader = {
        loaded_items, loaded_name, loaded_watermark, loaded_text, loaded_no_seen, NULL, NULL, &l};
    struct storage_progress progress;
    uint32_t environment = ENVIRONMENT;
    assert_int_equal(storage_load(f->s, PARTITION, &environment, 1, &loader, &progress), 0);
    assert_int_equal(l.names, names);
    assert_memory_equal(l.next_id, next_id, sizeof(next_id));
    assert_int_equal(l.texts, 1);
    assert_int_equal(l.watermarks, 3);
    assert_true(l.max_ms[0] == INT64_MAX && l.max_ms[1] == 900 && l.max_ms[2] == 8);
    assert_memory_equal(&progress, &f->progress, sizeof(progress));
}

/* ---- when items were seen ---- */

enum { SEEN_PAGES = 300 };

struct seen_pages {
    uint32_t pages, count[SEEN_PAGES];
    uint32_t first_h[SEEN_PAGES][STORAGE_SEEN_ITEMS], last_h[SEEN_PAGES][STORAGE_SEEN_ITEMS];
};

static int compare_seen(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    struct seen_pages *p = arg;
    uint32_t i = p->pages++;
    assert_int_equal(environment, ENVIRONMENT);
    assert_int_equal(seen->category, i / 100);
    assert_int_equal(seen->page, i % 100);
    assert_int_equal(seen->count, p->count[i]);
    assert_memory_equal(seen->first_h, p->first_h[i], seen->count * sizeof(seen->first_h[0]));
    assert_memory_equal(seen->last_h, p->last_h[i], seen->count * sizeof(seen->last_h[0]));
    return 0;
}

static void fill_seen(struct seen_pages *p, struct storage_seen *out, uint32_t first)
{
    for (uint32_t i = first; i < SEEN_PAGES; i++) {
        p->count[i] = i % 100 == 99 ? 1 + random_below(STORAGE_SEEN_ITEMS) : STORAGE_SEEN_ITEMS;
        for (uint32_t j = 0; j < p->count[i]; j++) {
            p->first_h[i][j] = random_below(2) ? UINT32_MAX : random_below(UINT32_MAX);
            p->last_h[i][j] = random_below(2) ? 0 : random_below(UINT32_MAX);
        }
        out[i] = (struct storage_seen){i / 100, i % 100, p->count[i], p->first_h[i], p->last_h[i]};
    }
}

static void assert_seen(struct fixture *f, struct seen_pages *p)
{
    struct loaded l = {0};
    struct storage_loader loader = {
        loaded_items, loaded_name, loaded_watermark, loaded_text, compare_seen, NULL, NULL, p};
    struct storage_progress progress;
    uint32_t environment = ENVIRONMENT;
    p->pages = 0;
    assert_int_equal(storage_load(f->s, PARTITION, &environment, 1, &loader, &progress), 0);
    assert_int_equal(p->pages, SEEN_PAGES);
    assert_int_equal(l.names, 0);
}

/* Names are packed at the commit: 40 MB of them, where a packet takes 16 MB. */
static void test_a_flush_takes_more_names_than_a_packet_does(void **state)
{
    struct fixture *f = *state;
    struct storage_flush flush = flush_of(&f->progress, 1);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    for (uint32_t id = 0; id < 80000; id++) {
        char text[500];
        for (unsigned i = 0; i < sizeof(text); i++)
            text[i] = (char)random_below(256);
        struct storage_name name = {STORAGE_ITEM, 0, id, 0, slice_make(text, sizeof(text))};
        assert_int_equal(storage_flush_name(f->s, ENVIRONMENT, &name), 0);
    }
    assert_int_equal(storage_flush_commit(f->s), 0);
}

static void test_hours_come_back_and_only_the_owner_writes_them(void **state)
{
    struct fixture *f = *state;
    static struct seen_pages p;
    static struct storage_seen pages[SEEN_PAGES];
    struct storage_fence fence = {PARTITION, f->progress.epoch};
    fill_seen(&p, pages, 0); /* more than one statement may hold */
    assert_int_equal(storage_seen_put(f->s, &fence, ENVIRONMENT, pages, SEEN_PAGES), 0);
    assert_seen(f, &p);
    fill_seen(&p, pages, 200);
    assert_int_equal(storage_seen_put(f->s, &fence, ENVIRONMENT, pages + 200, 100), 0);
    assert_seen(f, &p);
    assert_int_equal(storage_seen_put(f->s, &fence, ENVIRONMENT, pages, 0), 0);
    struct storage_seen other = pages[7];
    other.count = 1;
    fence.epoch--;
    assert_int_equal(storage_seen_put(f->s, &fence, ENVIRONMENT, &other, 1), LT_EFENCED);
    fence.epoch += 2;
    assert_int_equal(storage_seen_put(f->s, &fence, ENVIRONMENT, &other, 1), LT_EFENCED);
    assert_seen(f, &p);
    /* The session is as good as before. */
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
}

/* ---- leases and the fence ---- */

static void test_a_lease_has_one_owner(void **state)
{
    struct fixture *f = *state;
    struct storage_progress p = {0};
    uint64_t epoch = f->progress.epoch;
    struct slice other = SLICE_LIT("it's \\another\xff");
    assert_int_equal(storage_lease_take(f->s, PARTITION, other, 1000, &p), LT_EHELD);
    assert_int_equal(p.epoch, 0);
    /* One's own is taken at once, and is a new epoch. */
    assert_int_equal(storage_lease_take(f->s, PARTITION, SLICE_LIT("me"), 200, &p), 0);
    assert_int_equal(p.epoch, epoch + 1);
    assert_int_equal(storage_lease_renew(f->s, PARTITION, epoch, 60000), LT_EFENCED);
    usleep(300000);
    assert_int_equal(storage_lease_take(f->s, PARTITION, other, 60000, &p), 0);
    assert_int_equal(p.epoch, epoch + 2);
    assert_int_equal(storage_lease_renew(f->s, PARTITION, p.epoch, 200), 0);
    assert_int_equal(storage_lease_renew(f->s, PARTITION, p.epoch, 60000), 0);
    usleep(300000);
    assert_int_equal(storage_lease_take(f->s, PARTITION, SLICE_LIT("me"), 200, &p), LT_EHELD);
    assert_int_equal(storage_lease_release(f->s, PARTITION, epoch), 0); /* not ours: nothing */
    assert_int_equal(storage_lease_take(f->s, PARTITION, SLICE_LIT("me"), 200, &p), LT_EHELD);
    assert_int_equal(storage_lease_release(f->s, PARTITION, p.epoch), 0);
    assert_int_equal(storage_lease_take(f->s, PARTITION, SLICE_LIT("me"), 60000, &p), 0);
    assert_int_equal(storage_lease_take(f->s, PARTITIONS, SLICE_LIT("me"), 1, &p), LT_ENOTFOUND);
}

static void test_only_the_owner_where_it_left_off_may_flush(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    struct storage_flush flush = flush_of(&f->progress, 5);
    flush.lo--;
    assert_int_equal(storage_flush_begin(f->s, &flush), LT_EDIVERGED);
    flush.lo += 2;
    assert_int_equal(storage_flush_begin(f->s, &flush), LT_EDIVERGED);
    flush = flush_of(&f->progress, 0); /* moves nothing, and is still checked by rows matched */
    flush.checksum = f->progress.checksum;
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_commit(f->s), 0);

    struct storage_session *thief = session_open(f->storage);
    struct storage_progress theirs;
    assert_int_equal(storage_lease_take(thief, PARTITION, SLICE_LIT("me"), 60000, &theirs), 0);
    assert_int_equal(flush_simple(f->s, &f->progress, 100, 10), LT_EFENCED);
    assert_int_equal(flush_simple(thief, &theirs, 200, 10), 0);
    struct points seen = {0};
    assert_int_equal(scan_all(thief, 1, true, &seen), theirs.next);
    assert_int_equal(seen.n, 20);
    assert_int_equal(seen.v[10].item, 200);
    points_free(&seen);
    struct storage_progress now;
    assert_int_equal(storage_progress_read(thief, PARTITION, &now), 0);
    assert_memory_equal(&now, &theirs, sizeof(now));
    storage_session_destroy(&thief);
}

static void test_prepare_may_be_repeated_and_disturbs_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    struct storage_session *other = session_open(f->storage);
    prepare(other);
    struct storage_range range = hour_range(0);
    assert_int_equal(storage_tables_ensure(other, ENVIRONMENT, &range, 1), 0);
    struct points seen = {0};
    assert_int_equal(scan_all(other, 1, true, &seen), f->progress.next);
    assert_int_equal(seen.n, 10);
    points_free(&seen);
    storage_session_destroy(&other);
}

/* A table that readers have open must not hold up the flush. */
static void test_tables_are_ensured_beside_a_reader(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    struct storage_session *reader = session_open(f->storage);
    struct storage_session *other = session_open(f->storage);
    struct read_guard guard = guard_of(5000);
    uint64_t next;
    struct points seen = {0};
    assert_int_equal(storage_snapshot_begin(reader, ENVIRONMENT, PARTITION, &guard, &next), 0);
    assert_int_equal(storage_snapshot_scan(reader, &simple_filter, points_visit, &seen), 0);
    struct storage_range range = hour_range(0);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(storage_tables_ensure(other, ENVIRONMENT, &range, 1), 0);
    assert_true(clock_mono_ms() - start_ms < 500);
    storage_snapshot_end(reader);
    points_free(&seen);
    storage_session_destroy(&reader);
    storage_session_destroy(&other);
}

static void test_a_database_of_an_older_version_is_refused(void **state)
{
    struct fixture *f = *state;
    raw_exec(f->raw, "CREATE TABLE manifest_1 (name VARBINARY(64) PRIMARY KEY)", "");
    prepare(f->s); /* nothing is in it */
    raw_exec(f->raw, "INSERT INTO manifest_1 VALUES ('arrival_1_s_0_0')", "");
    uint32_t environment = ENVIRONMENT;
    assert_int_equal(storage_prepare(f->s, PARTITIONS, &environment, 1), LT_EVERSION);
    raw_exec(f->raw, "DROP TABLE manifest_1", "");
    prepare(f->s);
    raw_exec(f->raw, "CREATE TABLE manifest_2 (id BIGINT UNSIGNED PRIMARY KEY)", "");
    prepare(f->s);
    raw_exec(f->raw, "INSERT INTO manifest_2 VALUES (1)", "");
    assert_int_equal(storage_prepare(f->s, PARTITIONS, &environment, 1), LT_EVERSION);
}

static void test_bad_configuration_is_refused(void **state)
{
    (void)state;
    struct mysql_config config = {
        .address = "unix:/nowhere", .user = "u", .password = "", .prefix = "lt`_"};
    struct storage *storage = NULL;
    assert_int_equal(mysql_storage_create(&config, &storage), LT_EINVALID);
    config.prefix = "lt_";
    config.address = "host:99999";
    assert_int_equal(mysql_storage_create(&config, &storage), LT_EINVALID);
    assert_null(storage);
    config.address = "unix:/nowhere";
    assert_int_equal(mysql_storage_create(&config, &storage), 0);
    struct storage_session *s = session_open(storage);
    struct storage_progress progress;
    assert_int_equal(storage_progress_read(s, 0, &progress), LT_EUNAVAILABLE);
    storage_session_destroy(&s);
    storage_destroy(&storage);
}

int main(void)
{
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_points_come_back_in_log_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_million_points_in_one_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_scan_reads_what_its_filter_asks_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_visitor_may_stop_and_the_snapshot_goes_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_snapshot_does_not_move, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_carry_their_summaries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heartbeats_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_texts_and_watermarks_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flush_takes_more_names_than_a_packet_does, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_hours_come_back_and_only_the_owner_writes_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_lease_has_one_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_owner_where_it_left_off_may_flush, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_prepare_may_be_repeated_and_disturbs_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tables_are_ensured_beside_a_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_database_of_an_older_version_is_refused, setup,
                                        teardown),
        cmocka_unit_test(test_bad_configuration_is_refused),
    };
    int failed = cmocka_run_group_tests_name("mysql: storage", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
