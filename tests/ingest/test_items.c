#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "ingest/control.h"
#include "ingest/ingest.h"
#include "support_memlog.h"

#include <stdlib.h>

/* Items that are too many. */

/* Two environments that share partition 0; the first one has a quota. */
static const struct tenant_environment environments[2] = {{1, "a", 0}, {2, "b", 0}};

struct fixture {
    struct memlog memlog;
    struct tenant *tenant;
    struct ingest *ingest;
    struct catalog *catalog; /* a.12345678 is the one item that there is */
    bool full;
    unsigned asked;
};

static bool items_full(void *arg, uint32_t environment)
{
    return environment == environments[0].id && ((struct fixture *)arg)->full;
}

static struct catalog *items_of(void *arg, uint32_t environment)
{
    struct fixture *f = arg;
    f->asked++;
    return f->catalog == NULL ? NULL : catalog_ref(f->catalog);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct catalog_series s;
    memlog_init(&f->memlog);
    assert_int_equal(tenant_create(NULL, &f->tenant), 0);
    struct ingest_config config = {
        .log = &f->memlog.log,
        .tenant = f->tenant,
        .inflight_bytes_max = 8000,
        .batch_bytes_max = 3000,
        .command_bytes_max = 900000,
        .inflight_records_max = 1000,
        .items_full = items_full,
        .catalog = items_of,
        .items_arg = f,
    };
    assert_int_equal(ingest_create(&config, &f->ingest), 0);
    assert_int_equal(catalog_create(1, &f->catalog), 0);
    assert_int_equal(catalog_resolve(f->catalog, SLICE_LIT("a.12345678.x"), &s), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    memlog_fini(&f->memlog);
    ingest_destroy(&f->ingest);
    tenant_destroy(&f->tenant);
    catalog_unref(&f->catalog);
    free(f);
    return 0;
}

/* Of that item, but the third one: of a new one. */
static void make_known_points(struct record_point points[5])
{
    for (int i = 0; i < 5; i++)
        points[i] = (struct record_point){SLICE_LIT("h"), SLICE_LIT("a.12345678.x"), i, i};
    points[2].metric = SLICE_LIT("b.12345678.x");
}

static void store_all(struct fixture *f)
{
    ingest_turn_end(f->ingest);
    while (f->memlog.waiting_bytes > 0)
        memlog_decide(&f->memlog, LOG_STORED, true);
}

static void ignore(void *arg, const struct ingest_written *written)
{
    ++*(unsigned *)arg;
}

static int try_point(struct fixture *f, int environment, const char *metric, unsigned *done)
{
    assert_int_equal(ingest_begin(f->ingest, &environments[environment]), 0);
    int err = ingest_point(f->ingest, false, SLICE_LIT("h"), slice_str(metric), 1, 1, POLICY_LAST);
    if (err == 0)
        assert_int_equal(ingest_end(f->ingest, ignore, done), 0);
    else
        ingest_abort(f->ingest);
    return err;
}

static int try_text(struct fixture *f, const char *stem, unsigned *done)
{
    return ingest_text(f->ingest, &environments[0], slice_str(stem), SLICE_LIT("t"), ignore, done);
}

static void test_above_the_quota_only_known_items_are_taken(void **state)
{
    struct fixture *f = *state;
    unsigned done = 0;
    assert_int_equal(try_point(f, 0, "b.12345678.x", &done), 0);
    assert_int_equal(try_text(f, "b.99999999", &done), 0);
    assert_int_equal(f->asked, 0); /* far from it nobody looks */
    f->full = true;
    assert_int_equal(try_point(f, 0, "b.12345678.x", &done), LT_EFULL);
    assert_int_equal(try_point(f, 0, "a.12345678.x", &done), 0);
    assert_int_equal(try_point(f, 0, "a.12345678.other", &done), 0); /* the same item */
    assert_int_equal(try_text(f, "a.12345678", &done), 0);
    assert_int_equal(try_text(f, "b.12345678", &done), LT_EFULL);
    assert_int_equal(try_point(f, 1, "b.12345678.x", &done), 0); /* another environment */
    assert_int_equal(ingest_stats(f->ingest).full, 2);
    catalog_unref(&f->catalog);
    assert_int_equal(try_point(f, 0, "b.12345678.x", &done), 0); /* nobody knows at the moment */
    store_all(f);
    assert_int_equal(done, 7);
}

/* The new item's point is left out; those before it are in, those behind it are handed over
 * again. */
static void test_a_new_item_among_known_ones(void **state)
{
    struct fixture *f = *state;
    unsigned done = 0;
    uint32_t taken;
    struct record_point points[5];
    f->full = true;
    make_known_points(points);
    assert_int_equal(ingest_begin(f->ingest, &environments[0]), 0);
    assert_int_equal(ingest_points(f->ingest, false, POLICY_LAST, points, 5, &taken), LT_EFULL);
    assert_int_equal(taken, 2);
    assert_int_equal(ingest_points(f->ingest, false, POLICY_LAST, points + 2, 3, &taken), LT_EFULL);
    assert_int_equal(taken, 0);
    assert_int_equal(ingest_points(f->ingest, false, POLICY_LAST, points + 3, 2, &taken), 0);
    assert_int_equal(taken, 2);
    assert_int_equal(ingest_end(f->ingest, ignore, &done), 0);
    store_all(f);
    assert_int_equal(done, 1);
    assert_int_equal(ingest_stats(f->ingest).full, 2);
    assert_int_equal(ingest_stats(f->ingest).points_acked, 4);
}

/* The same of commands of one point each: the new item's alone is refused. */
static void test_a_command_of_a_new_item_among_others(void **state)
{
    struct fixture *f = *state;
    unsigned done = 0;
    uint32_t taken;
    struct record_point points[5];
    f->full = true;
    make_known_points(points);
    const struct tenant_environment *e = &environments[0];
    static const struct {
        uint32_t from, taken;
        int err;
    } steps[] = {{0, 2, 0}, {2, 0, LT_EFULL}, {3, 2, 0}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int err = ingest_each(f->ingest, e, POLICY_LAST, points + steps[i].from, 5 - steps[i].from,
                              &taken, ignore, &done);
        assert_int_equal(err, steps[i].err);
        assert_true(err != 0 || taken == steps[i].taken);
    }
    store_all(f);
    assert_int_equal(done, 2);
    assert_int_equal(ingest_stats(f->ingest).full, 1);
    assert_int_equal(ingest_stats(f->ingest).points_acked, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_above_the_quota_only_known_items_are_taken),
        TEST(test_a_new_item_among_known_ones),
        TEST(test_a_command_of_a_new_item_among_others),
    };
    return cmocka_run_group_tests_name("items", tests, NULL, NULL);
}
