/* How long a catalog takes from MariaDB to memory. Not part of `make test`:
 * make build/tests/mysql/bench_load && build/tests/mysql/bench_load [MILLIONS [NAMES_A_ROW]]
 *
 * Names are stored by flushes, as rows of about 256 KB, or with NAMES_A_ROW as they look after that
 * many new names a flush. A MariaDB of its own is started (support_mariadb.h) and filled first; the
 * load is measured twice, after a restart of the server and warm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "catalog/catalog.h"
#include "mysql/support_storage.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 600000, NAMES_A_FLUSH = 1 << 20 };

static void put_name(struct storage_session *s, enum storage_name_what what, uint32_t id,
                     struct slice text)
{
    struct storage_name name = {what, 0, id, 0, text};
    assert_int_equal(storage_flush_name(s, ENVIRONMENT, &name), 0);
}

static void put_item(struct storage_session *s, uint32_t item)
{
    char text[17];
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash_u64(item + UINT64_C(1)));
    put_name(s, STORAGE_ITEM, item, slice_make(text, 16));
}

static void begin(struct storage_session *s, const struct storage_progress *progress,
                  struct storage_flush *flush)
{
    *flush = flush_of(progress, 1);
    assert_int_equal(storage_flush_begin(s, flush), 0);
}

static void commit(struct storage_session *s, struct storage_progress *progress,
                   const struct storage_flush *flush)
{
    assert_int_equal(storage_flush_commit(s), 0);
    progress->next = flush->hi;
    progress->checksum = flush->checksum;
}

/* A row ends where ids do not go on: so rows of a few names are made two in three steps, first all
 * even ones, then all odd ones. */
static void fill(struct storage_session *s, struct storage_progress *progress, uint32_t items,
                 uint32_t names_a_row)
{
    struct storage_flush flush;
    begin(s, progress, &flush);
    put_name(s, STORAGE_COLLECTOR, 0, SLICE_LIT("queries"));
    put_name(s, STORAGE_CATEGORY, 0, SLICE_LIT("host.queries.c.*"));
    commit(s, progress, &flush);
    uint32_t passes = names_a_row < NAMES_A_FLUSH ? 2 : 1;
    for (uint32_t pass = 0; pass < passes; pass++)
        for (uint32_t from = 0; from < items;) {
            begin(s, progress, &flush);
            uint32_t until = items - from < NAMES_A_FLUSH ? items : from + NAMES_A_FLUSH;
            for (; from < until; from++)
                if (passes == 1 || from / names_a_row % 2 == pass)
                    put_item(s, from);
            commit(s, progress, &flush);
        }
}

/* Every item in its page, as a job stores it. */
static void fill_seen(struct storage_session *s, uint64_t epoch, uint32_t items)
{
    static uint32_t first[STORAGE_SEEN_ITEMS], last[STORAGE_SEEN_ITEMS];
    for (uint32_t from = 0; from < items; from += STORAGE_SEEN_ITEMS) {
        struct storage_seen page = {0, from / STORAGE_SEEN_ITEMS, STORAGE_SEEN_ITEMS, first, last};
        if (page.count > items - from)
            page.count = items - from;
        for (uint32_t i = 0; i < page.count; i++) {
            first[i] = 490000 + (from + i) / 50000;
            last[i] = first[i] + (uint32_t)(hash_u64(from + i) % 2000);
        }
        struct storage_fence fence = {PARTITION, epoch};
        assert_int_equal(storage_seen_put(s, &fence, ENVIRONMENT, &page, 1), 0);
    }
}

static size_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void measure(struct storage_session *s, const char *how, uint32_t items)
{
    struct catalog *c;
    struct storage_progress progress;
    uint32_t environment = ENVIRONMENT;
    size_t before = resident_bytes();
    int64_t start = clock_mono_ms();
    assert_int_equal(catalog_create(ENVIRONMENT, &c), 0);
    struct storage_loader loader = catalog_loader(c);
    assert_int_equal(storage_load(s, PARTITION, &environment, 1, &loader, &progress), 0);
    int64_t end = clock_mono_ms();
    assert_int_equal(catalog_items(c), items);
    printf("  load, %s: %.2f s, %.1f bytes an item resident\n", how, (double)(end - start) / 1e3,
           (double)(resident_bytes() - before) / items);
    catalog_unref(&c);
}

static void fill_all(const char *address, const char *prefix, uint32_t items, uint32_t names_a_row)
{
    struct storage *storage = storage_open(address, prefix, TIMEOUT_MS);
    struct storage_session *s = session_open(storage);
    struct storage_progress progress;
    prepare(s);
    assert_int_equal(storage_lease_take(s, PARTITION, SLICE_LIT("me"), TIMEOUT_MS, &progress), 0);
    int64_t start = clock_mono_ms();
    fill(s, &progress, items, names_a_row);
    fill_seen(s, progress.epoch, items);
    printf("%.1f million items, %u names a row at most: stored in %.1f s\n", items / 1e6,
           names_a_row, (double)(clock_mono_ms() - start) / 1e3);
    storage_session_destroy(&s);
    storage_destroy(&storage);
}

int main(int argc, char **argv)
{
    uint32_t items = (uint32_t)((argc > 1 ? strtod(argv[1], NULL) : 10) * 1e6);
    uint32_t names_a_row = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : UINT32_MAX;
    struct test_mariadb *db = test_mariadb_start();
    if (db == NULL || !test_mariadb_is_private(db))
        return 1;
    const char *prefix = fresh_prefix();
    pid_t child = fork(); /* so that what filling took is not counted as the catalog's */
    if (child == 0) {
        fill_all(test_mariadb_address(db), prefix, items, names_a_row);
        fflush(stdout);
        _exit(0);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return 1;
    test_mariadb_kill(db);
    if (!test_mariadb_restart(db))
        return 1;
    struct storage *storage = storage_open(test_mariadb_address(db), prefix, TIMEOUT_MS);
    struct storage_session *s = session_open(storage);
    measure(s, "the server just started", items);
    measure(s, "warm", items);
    storage_session_destroy(&s);
    storage_destroy(&storage);
    test_mariadb_stop(&db);
    return 0;
}
