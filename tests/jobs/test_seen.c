#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "jobs/support_world.h"
#include "support_mariadb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Hours in which items were seen go to storage, with a real database. */

static struct test_mariadb *db;

enum { ITEMS = 2 * CATALOG_SEEN_ITEMS + 100, HOUR_MS = 3600000 };
static const int64_t start_ms = INT64_C(1424444400) * 1000;

struct fixture {
    struct rig rig;
    struct catalog *catalog;
    struct catalog_series series[ITEMS];
    uint32_t pages; /* as loaded */
    uint32_t last_h[ITEMS];
};

static struct catalog *catalog_of(void *arg, uint32_t environment)
{
    struct fixture *f = arg;
    assert_int_equal(environment, RIG_ENVIRONMENT);
    return f->catalog == NULL ? NULL : catalog_ref(f->catalog);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    rig_open(&f->rig, test_mariadb_address(db), NULL, 0);
    f->rig.context.catalog = catalog_of;
    f->rig.context.catalog_arg = f;
    assert_int_equal(catalog_create(RIG_ENVIRONMENT, &f->catalog), 0);
    for (uint32_t i = 0; i < ITEMS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "host.queries.c.%016x.tput", i);
        assert_int_equal(catalog_resolve(f->catalog, slice_str(name), &f->series[i]), 0);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    catalog_unref(&f->catalog);
    rig_close(&f->rig);
    free(f);
    return 0;
}

static void see(struct fixture *f, uint32_t item, int64_t hour)
{
    catalog_seen(f->catalog, f->series[item].category, f->series[item].item,
                 start_ms + hour * HOUR_MS);
}

/* ---- loading it back ---- */

static int no_items(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                    const struct slice *names, uint32_t count)
{
    return 0;
}
static int no_name(void *arg, uint32_t environment, const struct storage_name *name)
{
    return 0;
}
static int no_watermark(void *arg, uint32_t environment, const struct storage_watermark *watermark)
{
    return 0;
}
static int no_text(void *arg, uint32_t environment, const struct storage_item_text *text)
{
    return 0;
}

static int keep_page(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    struct fixture *f = arg;
    f->pages++;
    for (uint32_t i = 0; i < seen->count; i++)
        f->last_h[seen->page * STORAGE_SEEN_ITEMS + i] =
            seen->first_h[i] > seen->last_h[i] ? 0 : seen->last_h[i];
    return 0;
}

static void load(struct fixture *f)
{
    const struct storage_loader loader = {.items = no_items,
                                          .name = no_name,
                                          .watermark = no_watermark,
                                          .text = no_text,
                                          .seen = keep_page,
                                          .arg = f};
    uint32_t environment = RIG_ENVIRONMENT;
    struct storage_progress progress;
    f->pages = 0;
    memset(f->last_h, 0, sizeof(f->last_h));
    assert_int_equal(storage_load(f->rig.flush, RIG_PARTITION, &environment, 1, &loader, &progress),
                     0);
}

/* ---- tests ---- */

static void run(struct fixture *f, uint64_t pages)
{
    struct job_unit unit = {0};
    atomic_store(&f->rig.job_progress.rows, 0);
    assert_int_equal(job_seen.run(&f->rig.context, &unit), 0);
    assert_int_equal(f->rig.job_progress.rows, pages);
}

static void test_pages_that_changed_are_stored(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < ITEMS; i++)
        if (i % 3 != 0)
            see(f, i, i % 5);
    run(f, 3);
    load(f);
    assert_int_equal(f->pages, 3);
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_int_equal(f->last_h[f->series[i].item], i % 3 == 0 ? 0 : start_ms / HOUR_MS + i % 5);
    run(f, 0); /* nothing changed */
    see(f, CATALOG_SEEN_ITEMS + 7, 9);
    run(f, 1);
    load(f);
    assert_int_equal(f->last_h[f->series[CATALOG_SEEN_ITEMS + 7].item], start_ms / HOUR_MS + 9);
}

static void test_what_was_not_stored_is_stored_the_next_time(void **state)
{
    struct fixture *f = *state;
    struct job_unit unit = {0};
    see(f, 1, 0);
    f->rig.context.fence.epoch--;
    assert_int_equal(job_seen.run(&f->rig.context, &unit), LT_EFENCED);
    f->rig.context.fence.epoch++;
    load(f);
    assert_int_equal(f->pages, 0);
    run(f, 1);
}

static void test_a_catalog_that_is_not_loaded_waits(void **state)
{
    struct fixture *f = *state;
    struct job_unit unit = {0};
    catalog_unref(&f->catalog);
    assert_int_equal(job_seen.run(&f->rig.context, &unit), LT_EAGAIN);
}

static void test_it_is_due_now_and_then(void **state)
{
    struct job_unit unit;
    struct job_context context = {.now_ms = start_ms};
    assert_int_equal(job_seen.next(&context, NULL, 0, &unit), 1);
    context.last_ms = start_ms - 299999;
    assert_int_equal(job_seen.next(&context, NULL, 0, &unit), 0);
    context.last_ms--;
    assert_int_equal(job_seen.next(&context, NULL, 0, &unit), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pages_that_changed_are_stored),
        TEST(test_what_was_not_stored_is_stored_the_next_time),
        TEST(test_a_catalog_that_is_not_loaded_waits),
        cmocka_unit_test(test_it_is_due_now_and_then),
    };
#undef TEST
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    int failed = cmocka_run_group_tests_name("jobs/seen", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
