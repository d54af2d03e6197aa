#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mysql/support_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How fast a run is written: make build/tests/mysql/bench_run_put &&
 * build/tests/mysql/bench_run_put
 */

enum { PACKS = 4000, PACK_BYTES = 56 << 10, SUMMARY_BYTES = 8 << 10, TOTALS = 400000 };

static struct test_mariadb *db;

static void report(const char *what, int64_t start_ms, uint64_t rows, uint64_t bytes)
{
    double s = (double)(clock_mono_ms() - start_ms) / 1000;
    printf("%-22s %8llu rows %7.1f MB %6.2f s  %9.0f rows/s %7.1f MB/s\n", what,
           (unsigned long long)rows, (double)bytes / 1e6, s, (double)rows / s,
           (double)bytes / 1e6 / s);
}

/* What the file takes of the disk, once all is written to it. */
static void report_disk(struct fixture *f, const struct storage_run *run, uint64_t bytes)
{
    while (atoi(runs_ask(f, "SELECT variable_value FROM information_schema.global_status WHERE"
                            " variable_name = 'Innodb_buffer_pool_pages_dirty'")) > 20)
        usleep(100000);
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT allocated_size FROM information_schema.innodb_sys_tablespaces"
             " WHERE name LIKE '%s%d/observation%%_%llu'",
             f->prefix, ENVIRONMENT, (unsigned long long)run->id);
    double taken = atof(runs_ask(f, sql));
    printf("  %.1f MB of disk for %.1f MB: %.2f\n", taken / 1e6, (double)bytes / 1e6,
           taken / (double)bytes);
}

/* Rows whose vectors take `bytes`; a body's last page is on average half empty. */
static void bench_packs(struct fixture *f, const struct storage_run *run, uint32_t packs,
                        uint32_t bytes)
{
    static char body[PACK_BYTES * 64];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)rand();
    int64_t start_ms = clock_mono_ms();
    for (uint32_t i = 0; i < packs; i++) {
        size_t at = i % 8 * (sizeof(body) / 8);
        struct storage_pack pack = {.category = 1,
                                    .host = i / 100,
                                    .first_item = i % 100 * 4000,
                                    .last_item = i % 100 * 4000 + 3999,
                                    .items = 2000,
                                    .points = 24000,
                                    .summaries = slice_make(body + at, SUMMARY_BYTES),
                                    .vectors = slice_make(body + at + SUMMARY_BYTES, bytes)};
        assert_int_equal(storage_run_put_pack(f->s, ENVIRONMENT, run, &pack), 0);
    }
    assert_int_equal(storage_run_flush(f->s), 0);
    uint64_t all = (uint64_t)packs * (SUMMARY_BYTES + bytes);
    report("observation rows", start_ms, packs, all);
    report_disk(f, run, all);
}

static void bench_totals(struct fixture *f, const struct storage_run *run)
{
    int64_t start_ms = clock_mono_ms();
    for (uint32_t i = 0; i < TOTALS; i++) {
        struct storage_total total = {1, 0, i / 60, hour0_s + i % 60 * 60, 10, i, 0, i};
        assert_int_equal(storage_run_put_total(f->s, ENVIRONMENT, run, &total), 0);
    }
    assert_int_equal(storage_run_flush(f->s), 0);
    report("total rows", start_ms, TOTALS, (uint64_t)TOTALS * 52);
}

static void bench(void **state)
{
    (void)state;
    struct fixture *f = fixture_create(db, RUNS_TIMEOUT_MS);
    struct storage_run like = {.kind = STORAGE_COMPACT, .resolution_s = 1, .range = hour_range(0)};
    struct storage_run run;
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(storage_run_create(f->s, &f->fence, ENVIRONMENT, &like, &run), 0);
    report("create", start_ms, 1, 0);
    mysql_query(f->raw, "SET GLOBAL innodb_max_dirty_pages_pct = 0");
    bench_packs(f, &run, PACKS, PACK_BYTES - SUMMARY_BYTES);
    bench_totals(f, &run);
    start_ms = clock_mono_ms();
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, &run, 1, NULL, 0), 0);
    report("publish", start_ms, 1, 0);
    assert_int_equal(storage_runs_publish(f->s, &f->fence, ENVIRONMENT, NULL, 0, &run.id, 1), 0);
    start_ms = clock_mono_ms();
    assert_int_equal(storage_run_drop(f->s, &f->fence, ENVIRONMENT, run.id), 0);
    report("drop", start_ms, 1, 0);
    static const uint32_t rows[] = {5, 20, 50, 100, 200, 400};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(storage_run_create(f->s, &f->fence, ENVIRONMENT, &like, &run), 0);
        bench_packs(f, &run, rows[i], 40000);
    }
    fixture_destroy(f);
}

int main(void)
{
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
