#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/vec.h"
#include "mysql/support_runs.h"
#include "mysql/support_storage.h"
#include "port/storage_reads.h"
#include "port/storage_runs.h"
#include "support_mariadb.h"
#include "support_random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reading runs: what was put comes back, all of it and nothing else, in order; and few rows are
 * read where few are asked for. */

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

static struct storage_run run_make(struct fixture *f, uint32_t resolution_s)
{
    return run_begin(f->s, &f->progress, STORAGE_COMPACT, resolution_s, hour_range(0));
}

static void run_finish(struct fixture *f, struct storage_run *run)
{
    run_publish(f->s, &f->progress, run);
}

/* ---- observation rows ---- */

enum { BODY_BYTES_MAX = 12000 };

struct model_row {
    struct storage_pack pack;
    uint32_t summaries_bytes, vectors_bytes; /* at random_bytes */
};
struct model {
    VEC(struct model_row) rows;
};

/* Bytes that SQL text would stumble over. */
static const char *random_bytes(void)
{
    static char bytes[2 * BODY_BYTES_MAX];
    if (bytes[1] == '\0')
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = "\0'\"\\`%\xff\xc3z\n;\x1a"[random_below(12)];
    bytes[1] = 'x';
    return bytes;
}

static void model_put(struct fixture *f, struct model *model, const struct storage_run *run,
                      struct storage_pack pack)
{
    struct model_row row = {pack, random_below(60), 1 + random_below(60)};
    if (random_below(20) == 0)
        row.vectors_bytes = random_below(BODY_BYTES_MAX);
    uint32_t at = pack.first_item % BODY_BYTES_MAX;
    row.pack.summaries = slice_make(random_bytes() + at, row.summaries_bytes);
    row.pack.vectors = slice_make(random_bytes() + at, row.vectors_bytes);
    if (random_below(2) == 0)
        row.pack.minutes = slice_make(random_bytes() + at + 1, 1 + random_below(30));
    assert_int_equal(storage_run_put_pack(f->s, ENVIRONMENT, run, &row.pack), 0);
    assert_true(VEC_PUSH(&model->rows, row));
}

/* Rows of one (category, dimension, host), with parts alone and at another row's end, and gaps. */
static void model_fill(struct fixture *f, struct model *model, const struct storage_run *run,
                       struct storage_pack key, uint32_t rows)
{
    uint32_t item = random_below(5);
    uint32_t part = 0;
    for (uint32_t i = 0; i < rows; i++) {
        struct storage_pack pack = key;
        pack.first_item = item;
        pack.part = part;
        pack.last_item = item + (random_below(3) == 0 ? 0 : random_below(40));
        pack.items = pack.last_item - item + 1;
        pack.points = 1 + random_below(100000);
        pack.min_ms = hour0_s * 1000 + random_below(3000000);
        pack.max_ms = pack.min_ms + random_below(600000);
        model_put(f, model, run, pack);
        bool goes_on = random_below(4) == 0;
        part = !goes_on ? 0 : pack.first_item == pack.last_item ? part + 1 : 1;
        item = goes_on ? pack.last_item : pack.last_item + 1 + random_below(30);
    }
}

static bool listed(const uint32_t *ids, uint32_t count, uint32_t first, uint32_t last)
{
    bool found = ids == NULL;
    for (uint32_t i = 0; i < count && ids != NULL; i++)
        found = found || (ids[i] >= first && ids[i] <= last);
    return found;
}

static bool model_matches(const struct storage_pack *pack, const struct block_filter *filter)
{
    if ((filter->categories == NULL && pack->category != filter->category) ||
        pack->max_ms < filter->from_ms || pack->min_ms >= filter->to_ms ||
        !listed(filter->dimensions, filter->dimensions_count, pack->dimension, pack->dimension) ||
        !listed(filter->hosts, filter->hosts_count, pack->host, pack->host))
        return false;
    uint32_t first = pack->first_item;
    uint32_t last = pack->last_item;
    if (filter->item_last > 0) {
        first = first < filter->item_first ? filter->item_first : first;
        last = last > filter->item_last ? filter->item_last : last;
    }
    return first <= last && listed(filter->items, filter->items_count, first, last);
}

struct seen_packs {
    const struct model *model;
    const struct block_filter *filter;
    enum storage_want want;
    uint32_t at; /* of the model's next row */
};

static const struct model_row *seen_next(struct seen_packs *seen)
{
    while (seen->at < seen->model->rows.n) {
        const struct model_row *row = &seen->model->rows.v[seen->at++];
        if (model_matches(&row->pack, seen->filter))
            return row;
    }
    return NULL;
}

static int packs_visit(void *arg, const struct storage_pack *pack)
{
    struct seen_packs *seen = arg;
    const struct model_row *row = seen_next(seen);
    assert_non_null(row);
    const struct storage_pack *e = &row->pack;
    assert_int_equal(pack->category, e->category);
    assert_int_equal(pack->dimension, e->dimension);
    assert_int_equal(pack->host, e->host);
    assert_int_equal(pack->first_item, e->first_item);
    assert_int_equal(pack->part, e->part);
    assert_int_equal(pack->last_item, e->last_item);
    assert_int_equal(pack->items, e->items);
    assert_int_equal(pack->points, e->points);
    assert_int_equal(pack->min_ms, e->min_ms);
    assert_int_equal(pack->max_ms, e->max_ms);
    if ((seen->want & STORAGE_SUMMARIES) != 0)
        assert_true(slice_eq(pack->summaries, e->summaries));
    else
        assert_null(pack->summaries.p);
    bool either = (seen->want & STORAGE_BY_MINUTE) != 0;
    if ((seen->want & STORAGE_VECTORS) != 0 || (either && e->minutes.p == NULL))
        assert_true(slice_eq(pack->vectors, e->vectors));
    else
        assert_null(pack->vectors.p);
    if (((seen->want & STORAGE_MINUTES) != 0 || either) && e->minutes.p != NULL)
        assert_true(slice_eq(pack->minutes, e->minutes));
    else
        assert_null(pack->minutes.p);
    return 0;
}

static uint32_t random_ascending(uint32_t *out, uint32_t most, uint32_t below)
{
    uint32_t n = 0;
    uint32_t next = random_below(below / most + 1);
    while (n < most && next < below) {
        out[n++] = next;
        next += 1 + random_below(2 * below / most + 1);
    }
    return n;
}

enum { ITEMS_ASKED_MAX = 3000 };

struct random_filter {
    struct block_filter filter;
    uint32_t dimensions[3];
    uint32_t hosts[40];
    uint32_t items[ITEMS_ASKED_MAX];
};

static void filter_random(struct random_filter *r, uint32_t hosts, uint32_t items_below)
{
    static const uint32_t items_most[] = {1, 1, 2, 5, 30, 300, ITEMS_ASKED_MAX};
    r->filter = (struct block_filter){
        .category = random_below(2),
        .dimensions = r->dimensions,
        .dimensions_count = random_ascending(r->dimensions, 1 + random_below(3), 3),
        .from_ms = 0,
        .to_ms = INT64_MAX,
    };
    if (random_below(3) != 0) {
        r->filter.hosts = r->hosts;
        r->filter.hosts_count = random_ascending(r->hosts, 1 + random_below(hosts), hosts);
    }
    if (random_below(5) != 0) {
        r->filter.items = r->items;
        r->filter.items_count = random_ascending(
            r->items, items_most[random_below(ARRAY_LEN(items_most))], items_below);
    }
    if (random_below(4) == 0) {
        r->filter.item_first = random_below(items_below);
        r->filter.item_last = r->filter.item_first + random_below(items_below / 3);
    }
    static const uint32_t both[] = {0, 1};
    if (random_below(6) == 0) {
        r->filter.categories = both;
        r->filter.categories_count = 2;
    }
    if (random_below(3) == 0) {
        r->filter.from_ms = hour0_s * 1000 + random_below(3600000);
        r->filter.to_ms = r->filter.from_ms + 1 + random_below(900000);
    }
}

/* One to three items where rows begin and end, of one or two (dimension, host). */
static void filter_narrow(struct random_filter *r, const struct model *model)
{
    filter_random(r, 12, 6000);
    const struct storage_pack *pack = &model->rows.v[random_below(model->rows.n)].pack;
    uint32_t item = random_below(2) == 0 ? pack->first_item : pack->last_item;
    r->filter.category = pack->category;
    r->dimensions[0] = pack->dimension;
    r->filter.dimensions_count = 1;
    r->filter.hosts = r->hosts;
    r->filter.hosts_count = 1 + (random_below(3) == 0 && pack->host < 11);
    r->hosts[0] = pack->host;
    r->hosts[1] = pack->host + 1;
    r->filter.items = r->items;
    r->filter.items_count = 1 + random_below(6) / 4 * random_below(3);
    for (uint32_t i = 0; i < 3; i++, item += 1 + random_below(9))
        r->items[i] = item;
    if (random_below(8) != 0)
        r->filter.item_last = 0;
}

static void test_packs_are_those_that_the_filter_asks_for(void **state)
{
    struct fixture *f = *state;
    struct model model = {0};
    struct storage_run run = run_make(f, 1);
    for (uint32_t category = 0; category < 2; category++)
        for (uint32_t dimension = 0; dimension < 3; dimension++)
            for (uint32_t host = 0; host < 12; host++) {
                struct storage_pack key = {
                    .category = category, .dimension = dimension, .host = host};
                model_fill(f, &model, &run, key, host == 3 ? 0 : host == 0 ? 300 : 15);
            }
    run_finish(f, &run);
    reader_open(f);
    static struct random_filter r;
    uint32_t rows = 0;
    for (unsigned round = 0; round < 4000; round++) {
        if (round % 4 == 0)
            filter_random(&r, 12, 6000);
        else
            filter_narrow(&r, &model);
        struct seen_packs seen = {&model, &r.filter, (enum storage_want)random_below(16), 0};
        assert_int_equal(storage_run_packs(f->r, &run, &r.filter, seen.want, packs_visit, &seen),
                         0);
        assert_null(seen_next(&seen));
        rows += seen.at;
    }
    assert_true(rows > 0);
    storage_reader_end(f->r);
    VEC_FINI(&model.rows);
}

/* Rows of several runs come run after run, and say of which they are. */
enum { TOGETHER = 40 }; /* more than one statement takes */

struct seen_runs {
    struct seen_packs of[TOGETHER];
    const struct storage_run *const *runs;
    uint32_t count;
    uint32_t at; /* the run whose rows are coming */
};

static int together_visit(void *arg, const struct storage_pack *pack)
{
    struct seen_runs *seen = arg;
    while (pack->run != seen->runs[seen->at]) {
        assert_null(seen_next(&seen->of[seen->at]));
        seen->at++;
        assert_true(seen->at < seen->count);
    }
    return packs_visit(&seen->of[seen->at], pack);
}

static void test_runs_read_together_are_those_read_alone(void **state)
{
    struct fixture *f = *state;
    static struct model models[TOGETHER];
    static struct storage_run runs[TOGETHER];
    for (uint32_t i = 0; i < TOGETHER; i++) {
        runs[i] = run_make(f, 1);
        for (uint32_t dimension = 0; dimension < 2; dimension++)
            for (uint32_t host = 0; host < 3; host++) {
                struct storage_pack key = {.dimension = dimension, .host = host};
                model_fill(f, &models[i], &runs[i], key, i % 7 == 0 ? 0 : 4);
            }
        run_finish(f, &runs[i]);
    }
    reader_open(f);
    static struct random_filter r;
    uint32_t rows = 0;
    for (unsigned round = 0; round < 300; round++) {
        filter_random(&r, 3, 120);
        r.filter.category = 0;
        if (round % 2 == 0) { /* one item */
            r.filter.dimensions_count = r.filter.hosts_count = r.filter.items_count = 1;
            r.filter.hosts = r.hosts;
            r.filter.items = r.items;
            r.dimensions[0] = random_below(2);
            r.hosts[0] = random_below(3);
            r.items[0] = random_below(120);
        }
        const struct storage_run *asked[TOGETHER];
        struct seen_runs seen = {.runs = asked};
        for (uint32_t i = random_below(TOGETHER); i < TOGETHER; i += 1 + random_below(3)) {
            asked[seen.count] = &runs[i];
            seen.of[seen.count++] =
                (struct seen_packs){&models[i], &r.filter, STORAGE_SUMMARIES, 0};
        }
        assert_int_equal(storage_runs_packs(f->r, asked, seen.count, &r.filter, STORAGE_SUMMARIES,
                                            together_visit, &seen),
                         0);
        for (; seen.at < seen.count; seen.at++)
            assert_null(seen_next(&seen.of[seen.at]));
        rows += seen.of[0].at;
    }
    assert_true(rows > 0);
    storage_reader_end(f->r);
    for (uint32_t i = 0; i < TOGETHER; i++)
        VEC_FINI(&models[i].rows);
}

/* ---- what the server reads ---- */

static int count_visit(void *arg, const struct storage_pack *pack)
{
    ++*(unsigned *)arg;
    return 0;
}

/* 4,000 rows of one (category, dimension, host), 2,500 items each. */
static struct storage_run run_large(struct fixture *f)
{
    struct storage_run run = run_make(f, 1);
    for (uint32_t i = 0; i < 4000; i++) {
        struct storage_pack pack = {
            .category = 1,
            .first_item = i * 2500,
            .last_item = i * 2500 + 2499,
            .items = 2500,
            .points = 2500,
            .max_ms = hour0_s * 1000,
            .summaries = slice_make(random_bytes(), 500),
            .vectors = slice_make(random_bytes(), 500),
        };
        assert_int_equal(storage_run_put_pack(f->s, ENVIRONMENT, &run, &pack), 0);
    }
    run_finish(f, &run);
    return run;
}

static void test_few_items_cost_few_rows(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_large(f);
    static const uint32_t zero = 0;
    static uint32_t items[1500];
    struct block_filter filter = {.category = 1,
                                  .dimensions = &zero,
                                  .dimensions_count = 1,
                                  .hosts = &zero,
                                  .hosts_count = 1,
                                  .items = items,
                                  .to_ms = INT64_MAX};
    static const struct {
        uint32_t items;
        uint64_t rows_read_max;
    } cases[] = {{1, 6}, {10, 60}, {100, 4400}, {1500, 7100}};
    reader_open(f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned rows = 0;
        filter.items_count = cases[i].items;
        for (uint32_t n = 0; n < cases[i].items; n++)
            items[n] = 50 + n * (9900000 / cases[i].items);
        uint64_t before = server_counts(test_mariadb_address(db), "Handler_read_%");
        uint64_t other = server_counts(test_mariadb_address(db), "Handler_read_%") -
                         before; /* what asking costs */
        uint64_t sorted = server_counts(test_mariadb_address(db), "Sort_%");
        before = server_counts(test_mariadb_address(db), "Handler_read_%");
        assert_int_equal(
            storage_run_packs(f->r, &run, &filter, STORAGE_VECTORS, count_visit, &rows), 0);
        uint64_t read = server_counts(test_mariadb_address(db), "Handler_read_%") - before - other;
        assert_int_equal(rows, cases[i].items);
        assert_in_range(read, cases[i].items, cases[i].rows_read_max);
        assert_int_equal(server_counts(test_mariadb_address(db), "Sort_%"), sorted);
    }
    /* A span as jobs ask for it begins where it begins. */
    filter.items = NULL;
    filter.item_first = 9000000;
    filter.item_last = 9004999;
    unsigned rows = 0;
    uint64_t before = server_counts(test_mariadb_address(db), "Handler_read_%");
    assert_int_equal(storage_run_packs(f->r, &run, &filter, STORAGE_VECTORS, count_visit, &rows),
                     0);
    assert_in_range(server_counts(test_mariadb_address(db), "Handler_read_%") - before, 2, 60);
    assert_int_equal(rows, 2);
    storage_reader_end(f->r);
}

/* ---- rank rows ---- */

enum { RANK_HOSTS = 30, RANK_NUMBERS = 120, RANK_PAGES = 2300 };

static struct slice rank_body(const struct storage_rank *rank)
{
    uint32_t at = (rank->host * 7 + rank->number * 13 + rank->kind) % BODY_BYTES_MAX;
    return slice_make(random_bytes() + at, 1 + at % 50);
}

static void rank_put(struct fixture *f, const struct storage_run *run, struct storage_rank rank)
{
    rank.body = rank_body(&rank);
    assert_int_equal(storage_run_put_rank(f->s, ENVIRONMENT, run, &rank), 0);
}

static struct storage_run run_of_ranks(struct fixture *f)
{
    struct storage_run run = run_make(f, 1);
    for (uint32_t dimension = 0; dimension < 2; dimension++) {
        struct storage_rank rank = {.category = 5, .dimension = dimension};
        for (uint32_t h = 0; h < RANK_HOSTS; h++)
            for (uint32_t n = 0; n < RANK_NUMBERS; n++) {
                rank.kind = STORAGE_RANK_TOP;
                rank.host = h < RANK_HOSTS - 1 ? h : STORAGE_ALL_HOSTS;
                rank.number = n;
                rank_put(f, &run, rank);
            }
        for (uint32_t n = 0; n < RANK_PAGES; n++) {
            rank.kind = STORAGE_RANK_PAGE;
            rank.number = n * 3;
            rank_put(f, &run, rank);
        }
    }
    run_finish(f, &run);
    return run;
}

struct seen_ranks {
    const struct storage_rank_filter *filter;
    uint64_t last; /* (host, number) + 1 */
    uint32_t count;
};

static int ranks_visit(void *arg, const struct storage_rank *rank)
{
    struct seen_ranks *seen = arg;
    const struct storage_rank_filter *filter = seen->filter;
    static const uint32_t all = STORAGE_ALL_HOSTS;
    uint64_t key = ((uint64_t)rank->host << 32 | rank->number) + 1;
    assert_true(key > seen->last);
    seen->last = key;
    assert_int_equal(rank->category, filter->category);
    assert_int_equal(rank->dimension, filter->dimension);
    assert_int_equal(rank->kind, filter->kind);
    assert_true(listed(filter->hosts != NULL ? filter->hosts : &all,
                       filter->hosts != NULL ? filter->hosts_count : 1, rank->host, rank->host));
    if (filter->numbers != NULL)
        assert_true(listed(filter->numbers, filter->numbers_count, rank->number, rank->number));
    else
        assert_in_range(rank->number, filter->first, filter->last);
    assert_true(slice_eq(rank->body, rank_body(rank)));
    seen->count++;
    return 0;
}

static uint32_t ranks_read(struct fixture *f, const struct storage_run *run,
                           const struct storage_rank_filter *filter)
{
    struct seen_ranks seen = {.filter = filter};
    assert_int_equal(storage_run_ranks(f->r, run, filter, ranks_visit, &seen), 0);
    return seen.count;
}

static void test_ranks_are_those_that_the_filter_asks_for(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_of_ranks(f);
    reader_open(f);
    struct storage_rank_filter filter = {.category = 5, .dimension = 1, .kind = STORAGE_RANK_TOP};
    assert_int_equal(ranks_read(f, &run, &filter), 1); /* chunk 0, all hosts */
    filter.last = 4;
    assert_int_equal(ranks_read(f, &run, &filter), 5);
    static const uint32_t hosts[] = {0, 3, 28, 29, 400, STORAGE_ALL_HOSTS};
    filter.hosts = hosts;
    filter.hosts_count = 6;
    assert_int_equal(ranks_read(f, &run, &filter), 4 * 5); /* 29, 400: there is none */
    uint32_t numbers[RANK_NUMBERS];
    for (uint32_t i = 0; i < RANK_NUMBERS; i++)
        numbers[i] = i;
    filter.numbers = numbers;
    filter.numbers_count = RANK_NUMBERS;
    uint32_t every[RANK_HOSTS];
    for (uint32_t i = 0; i < RANK_HOSTS; i++)
        every[i] = i < RANK_HOSTS - 1 ? i : STORAGE_ALL_HOSTS;
    filter.hosts = every;
    filter.hosts_count = RANK_HOSTS; /* several statements */
    assert_int_equal(ranks_read(f, &run, &filter), RANK_HOSTS * RANK_NUMBERS);
    filter.hosts_count = 0;
    assert_int_equal(ranks_read(f, &run, &filter), 0);
    filter.hosts = NULL;
    filter.numbers_count = 0;
    assert_int_equal(ranks_read(f, &run, &filter), 0);
    storage_reader_end(f->r);
}

static void test_rank_pages_in_any_number(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_of_ranks(f);
    reader_open(f);
    static uint32_t numbers[3 * RANK_PAGES];
    for (uint32_t i = 0; i < 3 * RANK_PAGES; i++)
        numbers[i] = i;
    struct storage_rank_filter filter = {.category = 5,
                                         .kind = STORAGE_RANK_PAGE,
                                         .numbers = numbers,
                                         .numbers_count = 3 * RANK_PAGES};
    uint64_t sorted = server_counts(test_mariadb_address(db), "Sort_%");
    assert_int_equal(ranks_read(f, &run, &filter), RANK_PAGES);
    filter.numbers_count = 1000; /* a list this long stays a list */
    uint64_t before = server_counts(test_mariadb_address(db), "Handler_read_%");
    assert_int_equal(ranks_read(f, &run, &filter), 334);
    assert_in_range(server_counts(test_mariadb_address(db), "Handler_read_%") - before, 334, 1100);
    filter.numbers = NULL;
    filter.first = 3;
    filter.last = UINT32_MAX;
    assert_int_equal(ranks_read(f, &run, &filter), RANK_PAGES - 1);
    assert_int_equal(server_counts(test_mariadb_address(db), "Sort_%"), sorted);
    storage_reader_end(f->r);
}

/* ---- totals ---- */

enum { TOTAL_HOSTS = 5, MINUTES = 60 };

struct seen_totals {
    struct storage_total v[MINUTES];
    uint32_t n;
};

static int totals_visit(void *arg, const struct storage_total *total)
{
    struct seen_totals *seen = arg;
    assert_true(seen->n < MINUTES);
    assert_int_equal(total->category, 2);
    assert_int_equal(total->dimension, 3);
    assert_int_equal(total->host, STORAGE_ALL_HOSTS);
    assert_true(seen->n == 0 || seen->v[seen->n - 1].from_s < total->from_s);
    seen->v[seen->n++] = *total;
    return 0;
}

static bool same_double(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* What the database is to add up, added up here. Minutes of 7, 17, … have no rows. */
static struct storage_total total_of(uint32_t host, uint32_t minute)
{
    return (struct storage_total){
        .category = 2,
        .dimension = 3,
        .host = host,
        .from_s = hour0_s + minute * 60,
        .count = host + minute,
        .sum = (double)host * 1e6 - minute,
        .min = minute == 20 ? NAN : -(double)host,
        .max = minute == 20 ? NAN : 0.5 + minute,
    };
}

static struct seen_totals totals_expected(const struct storage_total_filter *filter)
{
    struct seen_totals expected = {0};
    static const uint32_t all[] = {0, 1, 2, 3, 4};
    for (uint32_t minute = 0; minute < MINUTES; minute++) {
        int64_t at = hour0_s + minute * 60;
        if (minute % 10 == 7 || at < filter->from_s || at >= filter->to_s)
            continue;
        int64_t step = filter->step_s > 0 ? (at - filter->from_s) / filter->step_s : 0;
        int64_t from_s = filter->from_s + step * filter->step_s;
        for (uint32_t h = 0; h < (filter->hosts != NULL ? filter->hosts_count : 5); h++) {
            struct storage_total t =
                total_of((filter->hosts != NULL ? filter->hosts : all)[h], minute);
            struct storage_total *e = &expected.v[expected.n - 1];
            if (expected.n == 0 || e->from_s != from_s) {
                e = &expected.v[expected.n++];
                *e = (struct storage_total){.from_s = from_s, .min = NAN, .max = NAN};
            }
            e->count += t.count;
            e->sum += t.sum;
            e->min = fmin(e->min, t.min);
            e->max = fmax(e->max, t.max);
        }
    }
    return expected;
}

static void assert_totals(struct fixture *f, const struct storage_run *run,
                          const struct storage_total_filter *filter)
{
    struct seen_totals seen = {0};
    struct seen_totals expected = totals_expected(filter);
    assert_int_equal(storage_run_totals(f->r, run, filter, totals_visit, &seen), 0);
    assert_int_equal(seen.n, expected.n);
    for (uint32_t i = 0; i < seen.n; i++) {
        assert_int_equal(seen.v[i].from_s, expected.v[i].from_s);
        assert_int_equal(seen.v[i].count, expected.v[i].count);
        assert_true(seen.v[i].sum == expected.v[i].sum);
        assert_true(same_double(seen.v[i].min, expected.v[i].min));
        assert_true(same_double(seen.v[i].max, expected.v[i].max));
    }
}

static void test_totals_are_added_up(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_make(f, 1);
    for (uint32_t minute = 0; minute < MINUTES; minute++) {
        struct storage_total all = total_of(0, minute);
        all.host = STORAGE_ALL_HOSTS;
        all.count = 0;
        all.sum = 0;
        for (uint32_t host = 0; host < TOTAL_HOSTS && minute % 10 != 7; host++) {
            struct storage_total total = total_of(host, minute);
            assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &run, &total), 0);
            all.count += total.count;
            all.sum += total.sum;
            all.min = fmin(all.min, total.min);
            total.dimension = 4; /* another's */
            assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &run, &total), 0);
        }
        if (minute % 10 != 7)
            assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &run, &all), 0);
    }
    run_finish(f, &run);
    reader_open(f);
    static const uint32_t some[] = {1, 4};
    static const int64_t steps[] = {0, 60, 600, 1000, 7200};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct storage_total_filter filter = {.category = 2,
                                              .dimension = 3,
                                              .from_s = hour0_s - 100,
                                              .to_s = hour0_s + 3600,
                                              .step_s = steps[i]};
        assert_totals(f, &run, &filter);
        filter.from_s = hour0_s + 660;
        filter.to_s = hour0_s + 1140;
        assert_totals(f, &run, &filter);
        filter.hosts = some;
        filter.hosts_count = 2;
        assert_totals(f, &run, &filter);
        filter.to_s = filter.from_s;
        assert_totals(f, &run, &filter);
    }
    storage_reader_end(f->r);
}

/* Every double but -0, which comes back as 0, takes the way through the database's text unharmed.
 */
static void test_totals_are_exact(void **state)
{
    struct fixture *f = *state;
    struct storage_run run = run_make(f, 1);
    static double values[MINUTES] = {-0.0,
                                     5e-324,
                                     -2.2250738585072011e-308,
                                     1.7976931348623157e308,
                                     1.7976931348623157e308,
                                     0.1,
                                     -1.2345678901234567e-300,
                                     9007199254740993.0,
                                     NAN};
    for (uint32_t i = 9; i < MINUTES; i++) {
        uint64_t bits = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
        memcpy(&values[i], &bits, sizeof(bits));
        values[i] = isfinite(values[i]) ? values[i] : 1.0 / 3;
    }
    for (uint32_t i = 0; i < MINUTES; i++) {
        struct storage_total total = {.category = 2,
                                      .dimension = 3,
                                      .host = STORAGE_ALL_HOSTS,
                                      .from_s = hour0_s + i * 60,
                                      .count = i == 0 ? UINT64_C(1) << 62 : i,
                                      .sum = values[i],
                                      .min = values[i],
                                      .max = values[i]};
        assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, &run, &total), 0);
    }
    run_finish(f, &run);
    reader_open(f);
    struct seen_totals seen = {0};
    struct storage_total_filter filter = {
        .category = 2, .dimension = 3, .from_s = hour0_s, .to_s = hour0_s + 3600, .step_s = 60};
    assert_int_equal(storage_run_totals(f->r, &run, &filter, totals_visit, &seen), 0);
    assert_int_equal(seen.n, MINUTES);
    assert_int_equal(seen.v[0].count, UINT64_C(1) << 62);
    for (uint32_t i = 0; i < MINUTES; i++) {
        assert_true(values[i] == seen.v[i].sum || isnan(values[i]));
        assert_true(same_double(seen.v[i].min, values[i]));
        assert_true(same_double(seen.v[i].max, values[i]));
        assert_int_equal(isnan(values[i]), isnan(seen.v[i].sum));
    }
    /* One sum that is none makes none of them all; and one that would overflow is none either. */
    static const int64_t pairs[][2] = {{7, 9}, {3, 5}, {5, 7}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        seen.n = 0;
        filter.from_s = hour0_s + pairs[i][0] * 60;
        filter.to_s = hour0_s + pairs[i][1] * 60;
        filter.step_s = 0;
        assert_int_equal(storage_run_totals(f->r, &run, &filter, totals_visit, &seen), 0);
        assert_int_equal(seen.n, 1);
        assert_int_equal(isnan(seen.v[0].sum), i < 2);
    }
    storage_reader_end(f->r);
}

int main(void)
{
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packs_are_those_that_the_filter_asks_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_runs_read_together_are_those_read_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_few_items_cost_few_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranks_are_those_that_the_filter_asks_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rank_pages_in_any_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_totals_are_added_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_totals_are_exact, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("mysql: reads", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
