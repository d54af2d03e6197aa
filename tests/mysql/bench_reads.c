/* What reading runs costs, in ms and MB/s. Not part of `make test`:
 * make build/tests/mysql/bench_reads && LONGTAIL_TEST_MYSQL=unix:/… build/tests/mysql/bench_reads
 * with `ranks`, `packs` or `arrival` only those; with a number behind it, so many rounds (9).
 * Without LONGTAIL_TEST_MYSQL it starts a server of its own, whose buffer pool is too small. Bodies
 * are random bytes: nothing here decodes them but the arrival rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mysql/support_runs.h"
#include "mysql/support_storage.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ROUNDS_MAX = 10000,
    PAGES = 10000,
    PAGE_BYTES = 9000,
    LARGE_ROWS = 160,
    LARGE_BYTES = 400 << 10,
    SMALL_ROWS = 4000,
    SMALL_BYTES = 44000,
    SMALL_ITEMS = 2500,
    FLUSHES = 360,
    FLUSH_POINTS = 33334,
};

static struct storage_session *s, *r;
static struct storage_progress progress;
static struct read_guard guard;
static char *body;
static unsigned rounds = 9;

static uint64_t bytes_seen;
static uint64_t points_seen;

static int rank_visit(void *arg, const struct storage_rank *rank)
{
    bytes_seen += rank->body.n;
    return 0;
}

static int pack_visit(void *arg, const struct storage_pack *pack)
{
    bytes_seen += pack->summaries.n + pack->vectors.n;
    return 0;
}

static int block_visit_count(void *arg, const struct block *block)
{
    points_seen += block->count;
    return 0;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double thread_cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

typedef int read_once(const struct storage_run *run, void *arg);

static void measure(const char *what, const struct storage_run *run, read_once *read, void *arg)
{
    static int64_t ns[ROUNDS_MAX];
    bytes_seen = points_seen = 0;
    double cpu_ms = thread_cpu_ms();
    for (unsigned i = 0; i < rounds; i++) {
        int64_t start = clock_mono_ns();
        if (read(run, arg) != 0)
            abort();
        ns[i] = clock_mono_ns() - start;
    }
    cpu_ms = (thread_cpu_ms() - cpu_ms) / rounds;
    qsort(ns, rounds, sizeof(ns[0]), by_size);
    double ms = (double)ns[rounds / 2] / 1e6;
    printf("%-44s %9.2f ms, best %8.2f, CPU here %8.2f", what, ms, (double)ns[0] / 1e6, cpu_ms);
    if (bytes_seen > 0)
        printf(", %5.0f MB/s", (double)bytes_seen / rounds / 1e3 / ms);
    if (points_seen > 0)
        printf(", %.1f ns a point", ms * 1e6 / ((double)points_seen / rounds));
    printf("\n");
}

/* ---- the cases ---- */

static int read_ranks(const struct storage_run *run, void *arg)
{
    return storage_run_ranks(r, run, arg, rank_visit, NULL);
}

static void bench_ranks(void)
{
    struct storage_run run = run_begin(s, &progress, STORAGE_COMPACT, 1, hour_range(0));
    struct storage_rank rank = {
        .category = 1, .host = STORAGE_ALL_HOSTS, .kind = STORAGE_RANK_PAGE};
    for (; rank.number < PAGES; rank.number++) {
        rank.body = slice_make(body + rank.number, PAGE_BYTES);
        assert_int_equal(storage_run_put_rank(s, ENVIRONMENT, &run, &rank), 0);
    }
    run_publish(s, &progress, &run);
    static uint32_t numbers[PAGES];
    for (uint32_t i = 0; i < PAGES; i++)
        numbers[i] = i * 7 % 9973;
    struct storage_rank_filter filter = {
        .category = 1, .kind = STORAGE_RANK_PAGE, .last = UINT32_MAX};
    measure("10,000 rank pages of 9 KB", &run, read_ranks, &filter);
    for (uint32_t i = 0; i < PAGES; i++)
        numbers[i] = i * 10;
    filter.numbers = numbers;
    filter.numbers_count = PAGES / 10;
    measure("every tenth of them", &run, read_ranks, &filter);
    filter.numbers_count = 10;
    measure("ten of them", &run, read_ranks, &filter);
}

struct packs_asked {
    struct block_filter filter;
    enum storage_want want;
};

static int read_packs(const struct storage_run *run, void *arg)
{
    const struct packs_asked *asked = arg;
    return storage_run_packs(r, run, &asked->filter, asked->want, pack_visit, NULL);
}

static struct storage_run run_of_packs(uint32_t rows, uint32_t items, size_t summaries,
                                       size_t vectors)
{
    struct storage_run run = run_begin(s, &progress, STORAGE_COMPACT, 1, hour_range(0));
    for (uint32_t i = 0; i < rows; i++) {
        struct storage_pack pack = {.category = 1,
                                    .first_item = i * items,
                                    .last_item = (i + 1) * items - 1,
                                    .items = items,
                                    .summaries = slice_make(body + i, summaries),
                                    .vectors = slice_make(body + i, vectors)};
        assert_int_equal(storage_run_put_pack(s, ENVIRONMENT, &run, &pack), 0);
    }
    run_publish(s, &progress, &run);
    return run;
}

static const uint32_t zero = 0;
static uint32_t items_asked[1000];

static void bench_packs(void)
{
    struct packs_asked asked = {
        .filter = {.category = 1, .dimensions = &zero, .dimensions_count = 1, .to_ms = INT64_MAX},
        .want = STORAGE_SUMMARIES,
    };
    struct storage_run run = run_of_packs(LARGE_ROWS, SMALL_ITEMS, LARGE_BYTES, 100);
    measure("160 summaries of 400 KB", &run, read_packs, &asked);
    run = run_of_packs(SMALL_ROWS, SMALL_ITEMS, SMALL_BYTES, SMALL_BYTES);
    measure("4,000 summaries of 44 KB", &run, read_packs, &asked);
    static const uint32_t counts[] = {1, 10, 16, 17, 100, 1000};
    asked.filter.hosts = &zero;
    asked.filter.hosts_count = 1;
    asked.filter.items = items_asked;
    asked.want = STORAGE_SUMMARIES | STORAGE_VECTORS;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        char what[80];
        snprintf(what, sizeof(what), "rows of %u items of them, both bodies", counts[i]);
        asked.filter.items_count = counts[i];
        for (uint32_t n = 0; n < counts[i]; n++)
            items_asked[n] = (uint32_t)((uint64_t)SMALL_ROWS * SMALL_ITEMS / counts[i] * n + n + 7);
        measure(what, &run, read_packs, &asked);
    }
}

static int read_points(const struct storage_run *run, void *arg)
{
    return storage_run_scan(r, run, arg, block_visit_count, NULL);
}

/* An hour of 1 M items, three points each in 15 minutes, flushed every 10 s. */
static void bench_arrival(void)
{
    static uint32_t items[FLUSH_POINTS];
    static int64_t times_ms[FLUSH_POINTS];
    static double values[FLUSH_POINTS];
    struct storage_range range = hour_range(1);
    unsigned seed = 7;
    for (uint32_t n = 0; n < FLUSHES; n++) {
        assert_int_equal(storage_tables_ensure(s, ENVIRONMENT, &range, 1), 0);
        struct storage_flush flush = flush_of(&progress, 1);
        assert_int_equal(storage_flush_begin(s, &flush), 0);
        for (uint32_t i = 0; i < FLUSH_POINTS; i++) {
            items[i] = (uint32_t)rand_r(&seed) % 1000000;
            times_ms[i] = range.from_s * 1000 + n * 10000 + i / 3334 * 1000;
            values[i] = rand_r(&seed) % 1000;
        }
        struct block block = {.category = 1,
                              .fresh = true,
                              .lo = flush.lo,
                              .count = FLUSH_POINTS,
                              .items = items,
                              .times_ms = times_ms,
                              .values = values};
        assert_int_equal(storage_flush_block(s, ENVIRONMENT, range, &block), 0);
        assert_int_equal(storage_flush_commit(s), 0);
        progress.next = flush.hi;
    }
    struct storage_run run = run_find(s, STORAGE_ARRIVAL, range);
    struct block_filter filter = {.category = 1,
                                  .dimensions = &zero,
                                  .dimensions_count = 1,
                                  .to_ms = INT64_MAX,
                                  .fresh = true};
    filter.from_ms = range.to_s * 1000 - 900000;
    measure("3 M points, a quarter of an arrival run", &run, read_points, &filter);
    filter.from_ms = 0;
    measure("all 12 M of them", &run, read_points, &filter);
}

static bool asked(int argc, char **argv, const char *what)
{
    return argc < 2 || strcmp(argv[1], what) == 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && atoi(argv[2]) > 0 && atoi(argv[2]) <= ROUNDS_MAX)
        rounds = (unsigned)atoi(argv[2]);
    struct test_mariadb *db = test_mariadb_start();
    if (db == NULL)
        return 1;
    body = malloc(LARGE_BYTES + PAGES);
    unsigned seed = 1;
    for (size_t i = 0; i < LARGE_BYTES + PAGES; i++)
        body[i] = (char)rand_r(&seed);
    struct storage *storage = storage_open(test_mariadb_address(db), fresh_prefix(), 60000);
    s = session_open(storage);
    r = session_open(storage);
    prepare(s);
    assert_int_equal(storage_lease_take(s, PARTITION, SLICE_LIT("me"), 600000, &progress), 0);
    guard = guard_of(600000);
    assert_int_equal(storage_reader_begin(r, ENVIRONMENT, &guard), 0);
    if (asked(argc, argv, "ranks"))
        bench_ranks();
    if (asked(argc, argv, "packs"))
        bench_packs();
    if (asked(argc, argv, "arrival"))
        bench_arrival();
    storage_reader_end(r);
    storage_session_destroy(&s);
    storage_session_destroy(&r);
    storage_destroy(&storage);
    free(body);
    test_mariadb_stop(&db);
    return 0;
}
