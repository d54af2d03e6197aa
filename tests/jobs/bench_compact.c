#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "jobs/support_world.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* An hour of many sparse items, flushed as arrival rows and compacted by a process of its own:
 *
 *   build/tests/jobs/bench_compact [ITEMS 10000000] [POINTS of each 6] [HOSTS 1]
 *
 * LONGTAIL_TEST_MYSQL=unix:/path names the server, else one with a buffer pool of 64 MB is started.
 */

enum { BLOCK_POINTS = 1 << 15, FLUSH_POINTS = 1 << 21 };

static uint32_t items = 10000000, points = 6, hosts = 1;

static struct {
    uint32_t items[BLOCK_POINTS];
    int64_t times_ms[BLOCK_POINTS];
    double values[BLOCK_POINTS];
} columns;

/* The item at a place of one round: a permutation that differs from round to round. */
static uint32_t item_at(uint64_t at, uint32_t round)
{
    return (uint32_t)((at * 2654435761U + round * 40503U) % items);
}

static void fill(uint32_t host, uint32_t round, uint32_t first, uint32_t count)
{
    uint32_t span_s = 3600 / points;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t item = item_at(first + i, round);
        uint64_t x = hash_u64((uint64_t)item << 24 | (uint64_t)round << 16 | host);
        columns.items[i] = item;
        columns.times_ms[i] =
            (rig_hour0_s + (int64_t)round * span_s + (int64_t)(x % span_s)) * 1000;
        /* A query's time in microseconds: its usual one, and some. */
        columns.values[i] = (double)(hash_u64(item) % 5000 * (hash_u64(item + 1) % 100) + x % 1000);
    }
}

/* Items [first, end) of all hosts, in one flush. */
static void flush_some(struct rig *rig, uint32_t round, uint32_t first, uint32_t end)
{
    struct storage_range range = rig_hour(0);
    assert_int_equal(storage_tables_ensure(rig->flush, RIG_ENVIRONMENT, &range, 1), 0);
    struct storage_flush flush = rig_flush(rig);
    assert_int_equal(storage_flush_begin(rig->flush, &flush), 0);
    struct block block = {.category = 1,
                          .dimension = 2,
                          .fresh = true,
                          .lo = flush.lo,
                          .items = columns.items,
                          .times_ms = columns.times_ms,
                          .values = columns.values};
    for (; block.host < hosts; block.host++)
        for (uint32_t at = first; at < end; at += block.count) {
            block.count = end - at < BLOCK_POINTS ? end - at : BLOCK_POINTS;
            fill(block.host, round, at, block.count);
            assert_int_equal(storage_flush_block(rig->flush, RIG_ENVIRONMENT, range, &block), 0);
        }
    assert_int_equal(storage_flush_commit(rig->flush), 0);
    rig_flushed(rig, &flush);
}

static void flush_all(struct rig *rig)
{
    uint32_t step = FLUSH_POINTS / hosts + 1;
    for (uint32_t round = 0; round < points; round++)
        for (uint32_t at = 0; at < items; at += step)
            flush_some(rig, round, at, items - at < step ? items : at + step);
}

static int compact_main(const char *address, const char *prefix, const char *epoch)
{
    struct rig rig;
    rig_open(&rig, address, prefix, strtoull(epoch, NULL, 10));
    int64_t start_ms = clock_mono_ms();
    int err = compact_range(&rig.context, rig_hour(0));
    double s = (double)(clock_mono_ms() - start_ms) / 1000;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    const struct storage_run *run = rig_only_run(&rig, rig_hour(0));
    if (err != 0 || run == NULL)
        return 1;
    printf("%" PRIu64 " points of %" PRIu64 " series: %.1f s (%.2f us a point, %.1f s of it on the "
           "processor), %.2f bytes a point, %ld MiB at most\n",
           run->points, run->series, s, s * 1e6 / (double)run->points,
           (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
               (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6,
           (double)run->bytes / (double)run->points, used.ru_maxrss / 1024);
    rig_close(&rig);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "compact") == 0)
        return compact_main(argv[2], argv[3], argv[4]);
    items = argc > 1 ? (uint32_t)atoi(argv[1]) : items;
    points = argc > 2 ? (uint32_t)atoi(argv[2]) : points;
    hosts = argc > 3 ? (uint32_t)atoi(argv[3]) : hosts;
    struct test_mariadb *db = test_mariadb_start();
    if (db == NULL)
        return 1;
    struct rig rig;
    rig_open(&rig, test_mariadb_address(db), NULL, 0);
    int64_t start_ms = clock_mono_ms();
    flush_all(&rig);
    printf("flushed in %.1f s\n", (double)(clock_mono_ms() - start_ms) / 1000);
    fflush(stdout);
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%" PRIu64, rig.progress.epoch);
    for (unsigned i = 0; i < 2; i++) { /* from arrival rows; from the compact run */
        pid_t pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", "bench_compact", "compact", test_mariadb_address(db),
                  rig.prefix, epoch, (char *)NULL);
            _exit(127);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 1;
    }
    rig_close(&rig);
    test_mariadb_stop(&db);
    return 0;
}
