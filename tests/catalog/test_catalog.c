#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "model/name.h"
#include "port/storage_types.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct catalog *new_catalog(void)
{
    struct catalog *c;
    assert_int_equal(catalog_create(1, &c), 0);
    return c;
}

static struct catalog_series resolve(struct catalog *c, const char *metric)
{
    struct catalog_series s;
    assert_int_equal(catalog_resolve(c, slice_str(metric), &s), 0);
    return s;
}

static void expect_category(struct catalog *c, struct catalog_series s, const char *category,
                            const char *item, enum kind kind)
{
    struct catalog_category found;
    assert_true(catalog_category_at(c, s.category, &found));
    assert_true(slice_eq_str(found.name, category));
    assert_int_equal(found.kind, kind);
    assert_true(slice_eq_str(catalog_item_name(c, s.category, s.item), item));
}

static void test_recognises_the_words_of_the_design(void **state)
{
    (void)state;
    struct catalog *c = new_catalog();
    struct catalog_series s = resolve(c, "host.queries.c.1374c6821ead6f47.time_us");
    expect_category(c, s, "host.queries.c.*", "1374c6821ead6f47", KIND_DELTA);
    assert_true(slice_eq_str(catalog_dimension_name(c, s.dimension), "time_us"));
    struct catalog_series t = resolve(c, "host.queries.c.1374c6821ead6f47.tput");
    assert_int_equal(t.category, s.category);
    assert_int_equal(t.item, s.item);
    assert_int_not_equal(t.dimension, s.dimension);
    expect_category(c, resolve(c, "host.cpu.user"), "host.cpu", "", KIND_GAUGE);
    expect_category(c, resolve(c, "temperature"), "temperature", "", KIND_GAUGE);
    assert_int_equal(resolve(c, "temperature").dimension, 0);
    assert_int_not_equal(resolve(c, "temperature.").dimension, 0);
    catalog_unref(&c);
}

static void test_a_series_keeps_its_first_category(void **state)
{
    (void)state;
    struct catalog *c = new_catalog();
    struct catalog_series before = resolve(c, "host.procs.mysqld.cpu");
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.procs.*"), KIND_DELTA), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.procs.*"), KIND_DELTA), LT_EEXISTS);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host..x"), KIND_DELTA), LT_EINVALID);
    struct catalog_series again = resolve(c, "host.procs.mysqld.cpu");
    assert_memory_equal(&before, &again, sizeof(before));
    expect_category(c, again, "host.procs.mysqld", "", KIND_GAUGE);
    expect_category(c, resolve(c, "host.procs.redis.cpu"), "host.procs.*", "redis", KIND_DELTA);
    /* Another dimension of a known stem is the same item. */
    assert_int_equal(resolve(c, "host.procs.mysqld.rss").category, before.category);
    catalog_unref(&c);
}

static void random_metric(char *out, unsigned *seed)
{
    static const char *const parts[] = {"host", "a",  "deadbeef01", "12345678", "7", "*",
                                        "",     "b*", "queries",    "cafe",     "x"};
    int n = 1 + rand_r(seed) % 5;
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (i > 0)
            strcat(out, ".");
        strcat(out, parts[rand_r(seed) % ARRAY_LEN(parts)]);
    }
}

static int copy_name(void *arg, const struct storage_name *name)
{
    return catalog_restore(arg, name);
}

static int copy_text(void *arg, const struct storage_item_text *text)
{
    return catalog_restore_text(arg, text->category, text->item, text->text);
}

/* Applying a log and loading what was stored on the way give the same numbers, whatever the moment.
 */
static void test_ids_are_a_function_of_the_log(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        unsigned seed = round + 1;
        struct catalog *a = new_catalog(), *b = new_catalog();
        struct catalog_mark stored = catalog_mark(a);
        int cut = rand_r(&seed) % 300;
        char metric[256];
        for (int i = 0; i < 600; i++) {
            if (i == cut) {
                struct catalog_mark now = catalog_mark(a);
                assert_int_equal(catalog_changes(a, stored, now, copy_name, copy_text, b), 0);
                catalog_forget_changes(a, now);
            }
            random_metric(metric, &seed);
            int what = rand_r(&seed) % 20;
            struct catalog *both[2] = {a, i >= cut ? b : NULL};
            struct catalog_series got[2];
            for (int j = 0; j < 2 && both[j] != NULL; j++) {
                bool changed;
                if (what == 0) /* may be refused, in both alike */
                    assert_int_not_equal(catalog_add_rule(both[j], slice_str(metric), KIND_COUNTER),
                                         LT_ENOMEM);
                else if (what == 1)
                    assert_int_equal(
                        catalog_set_text(both[j], slice_str(metric), slice_str(metric), &changed),
                        0);
                got[j] = resolve(both[j], metric);
                uint32_t host;
                assert_int_equal(catalog_host(both[j], slice_str(metric), &host), 0);
            }
            if (both[1] != NULL)
                assert_memory_equal(&got[0], &got[1], sizeof(got[0]));
            struct catalog_series found;
            assert_true(catalog_find_series(a, slice_str(metric), &found));
            assert_memory_equal(&found, &got[0], sizeof(found));
            /* category, item and dimension give back the metric */
            struct catalog_category category;
            assert_true(catalog_category_at(a, found.category, &category));
            struct buffer key;
            buffer_init(&key, 4096);
            name_join_stem(category.name, catalog_item_name(a, found.category, found.item), &key);
            if (found.dimension != 0) {
                buffer_append_str(&key, ".");
                buffer_append_slice(&key, catalog_dimension_name(a, found.dimension));
            }
            assert_true(slice_eq_str(buffer_slice(&key), metric));
            buffer_fini(&key);
        }
        catalog_unref(&a);
        catalog_unref(&b);
    }
}

static void test_restore_refuses_holes(void **state)
{
    (void)state;
    struct catalog *c = new_catalog();
    struct storage_name name = {.what = STORAGE_HOST, .id = 1, .text = SLICE_LIT("h")};
    assert_int_equal(catalog_restore(c, &name), LT_ECORRUPT);
    name = (struct storage_name){.what = STORAGE_ITEM, .scope = 3, .text = SLICE_LIT("i")};
    assert_int_equal(catalog_restore(c, &name), LT_ECORRUPT);
    assert_int_equal(catalog_restore_text(c, 0, 0, SLICE_LIT("t")), LT_ECORRUPT);
    catalog_unref(&c);
}

struct shared {
    struct catalog *catalog;
    _Atomic bool stop;
};

static void *read_all_the_time(void *arg)
{
    struct shared *shared = arg;
    unsigned seed = 5;
    char metric[256];
    while (!atomic_load(&shared->stop)) {
        struct catalog_series s;
        random_metric(metric, &seed);
        if (catalog_find_series(shared->catalog, slice_str(metric), &s)) {
            struct catalog_category category;
            if (!catalog_category_at(shared->catalog, s.category, &category))
                abort();
            (void)catalog_item_name(shared->catalog, s.category, s.item);
        }
    }
    return NULL;
}

/* For the thread sanitizer. */
static void test_readers_beside_the_writer(void **state)
{
    (void)state;
    struct shared shared = {.catalog = new_catalog()};
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, &shared), 0);
    char metric[300];
    unsigned seed = 9;
    for (int i = 0; i < 5000; i++) {
        random_metric(metric, &seed);
        snprintf(metric + strlen(metric), 32, ".%08x.d%d", (unsigned)i * 2654435761u, i % 7);
        resolve(shared.catalog, metric);
    }
    atomic_store(&shared.stop, true);
    pthread_join(reader, NULL);
    catalog_unref(&shared.catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognises_the_words_of_the_design),
        cmocka_unit_test(test_a_series_keeps_its_first_category),
        cmocka_unit_test(test_ids_are_a_function_of_the_log),
        cmocka_unit_test(test_restore_refuses_holes),
        cmocka_unit_test(test_readers_beside_the_writer),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
