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
    char name[NAME_BYTES_MAX];
    assert_true(slice_eq_str(catalog_item_name(c, s.category, s.item, name), item));
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
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.procs.*"), KIND_DELTA, PRECISION_KEEP), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.procs.*"), KIND_DELTA, PRECISION_KEEP),
                     LT_EEXISTS);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host..x"), KIND_DELTA, PRECISION_KEEP),
                     LT_EINVALID);
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
    if (name->what == STORAGE_ITEM)
        return catalog_restore_items(arg, name->scope, name->id, &name->text, 1);
    return catalog_restore(arg, name);
}

static int copy_text(void *arg, const struct storage_item_text *text)
{
    return catalog_restore_text(arg, text->category, text->item, text->text);
}

static int copy_doom(void *arg, const struct storage_doom *doom)
{
    fail();
    return 0;
}

static int copy_series(void *arg, const struct storage_series *series)
{
    fail();
    return 0;
}

static const struct catalog_changes *copy_into(struct catalog *to)
{
    static struct catalog_changes changes;
    changes = (struct catalog_changes){copy_name, copy_text, copy_doom, copy_series, to};
    return &changes;
}

static uint32_t precision_of(struct catalog *c, uint32_t category)
{
    struct catalog_category found;
    assert_true(catalog_category_at(c, category, &found));
    return found.precision;
}

/* A precision may come before the category and after it, and again. */
static void test_the_last_precision_holds(void **state)
{
    (void)state;
    struct catalog *c = new_catalog(), *copy = new_catalog();
    uint32_t cpu = resolve(c, "host.cpu.user").category;
    assert_int_equal(precision_of(c, cpu), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.cpu"), KIND_DELTA, 1000), 0);
    assert_int_equal(precision_of(c, cpu), 1000);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.cpu"), KIND_DELTA, 1000), LT_EEXISTS);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("host.cpu"), KIND_DELTA, PRECISION_KEEP),
                     LT_EEXISTS);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("app.*"), KIND_COUNTER, 5), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("app.*"), KIND_GAUGE, PRECISION_MAX), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("web.*"), KIND_GAUGE, PRECISION_KEEP), 0);
    struct catalog_rule again;
    assert_true(catalog_rule_at(c, 2, &again));
    assert_int_equal(again.kind, KIND_COUNTER); /* the first one stands */
    struct catalog_series app = resolve(c, "app.one.hits");
    expect_category(c, app, "app.*", "one", KIND_COUNTER);
    assert_int_equal(precision_of(c, app.category), PRECISION_MAX);
    assert_int_equal(precision_of(c, resolve(c, "web.one.hits").category), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("app.*"), KIND_COUNTER, 0), 0);
    assert_int_equal(precision_of(c, app.category), 0);

    struct catalog_mark all = {0};
    assert_int_equal(catalog_changes(c, all, catalog_mark(c), copy_into(copy)), 0);
    for (uint32_t i = 0; i < catalog_categories(c); i++)
        assert_int_equal(precision_of(c, i), precision_of(copy, i));
    expect_category(copy, resolve(copy, "app.two.hits"), "app.*", "two", KIND_COUNTER);
    struct storage_name bad = {.what = STORAGE_RULE,
                               .id = catalog_rules(copy),
                               .detail = KIND_GAUGE | (PRECISION_MAX + 1) << 2,
                               .text = SLICE_LIT("a.*")};
    assert_int_equal(catalog_restore(copy, &bad), LT_ECORRUPT);
    bad.detail = 3; /* no kind */
    assert_int_equal(catalog_restore(copy, &bad), LT_ECORRUPT);
    catalog_unref(&c);
    catalog_unref(&copy);
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
                assert_int_equal(catalog_changes(a, stored, now, copy_into(b)), 0);
                catalog_forget_changes(a, now);
            }
            random_metric(metric, &seed);
            int what = rand_r(&seed) % 20;
            struct catalog *both[2] = {a, i >= cut ? b : NULL};
            struct catalog_series got[2];
            for (int j = 0; j < 2 && both[j] != NULL; j++) {
                bool changed;
                if (what == 0) /* may be refused, in both alike */
                    assert_int_not_equal(
                        catalog_add_rule(both[j], slice_str(metric), KIND_COUNTER,
                                         i % 2 == 0 ? PRECISION_KEEP : (uint32_t)i),
                        LT_ENOMEM);
                else if (what == 1)
                    assert_int_equal(
                        catalog_set_text(both[j], slice_str(metric), slice_str(metric), &changed),
                        0);
                got[j] = resolve(both[j], metric);
                uint32_t host;
                assert_int_equal(catalog_host(both[j], slice_str(metric), &host), 0);
            }
            if (both[1] != NULL) {
                assert_memory_equal(&got[0], &got[1], sizeof(got[0]));
                assert_int_equal(precision_of(a, got[0].category),
                                 precision_of(b, got[0].category));
            }
            struct catalog_series found;
            assert_true(catalog_find_series(a, slice_str(metric), &found));
            assert_memory_equal(&found, &got[0], sizeof(found));
            /* category, item and dimension give back the metric */
            struct catalog_category category;
            assert_true(catalog_category_at(a, found.category, &category));
            struct buffer key;
            buffer_init(&key, 4096);
            char name[NAME_BYTES_MAX];
            name_join_stem(category.name, catalog_item_name(a, found.category, found.item, name),
                           &key);
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
    name.text = SLICE_LIT("i");
    assert_int_equal(catalog_restore_items(c, 3, 0, &name.text, 1), LT_ECORRUPT);
    uint32_t category = resolve(c, "cpu.user").category;
    assert_int_equal(catalog_restore_items(c, category, 0, &name.text, 1), LT_ECORRUPT);
    assert_int_equal(catalog_restore_items(c, category, 2, &name.text, 1), LT_ECORRUPT);
    name = (struct storage_name){.what = STORAGE_ITEM, .scope = category, .id = 1};
    assert_int_equal(catalog_restore(c, &name), LT_ECORRUPT); /* not by this way */
    assert_int_equal(catalog_restore_text(c, 0, 1, SLICE_LIT("t")), LT_ECORRUPT);
    assert_int_equal(catalog_restore_text(c, 1, 0, SLICE_LIT("t")), LT_ECORRUPT);
    catalog_unref(&c);
}

/* Metrics of four shapes of category: their items' names are digests, pairs, numbers, and none. */
static void numbered_metric(char *out, size_t n, uint32_t i)
{
    uint64_t digest = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
    switch (i % 8) {
    case 5:
        snprintf(out, n, "host.tables.%u.rows.%08x.reads", i, (unsigned)digest);
        break;
    case 6:
        snprintf(out, n, "host.disks.%u.busy", i);
        break;
    case 7:
        snprintf(out, n, "host.app%u.threads", i);
        break;
    default:
        snprintf(out, n, "host.queries.c.%016llx.time_us", (unsigned long long)digest);
    }
}

enum { MANY = 30000 };

static struct catalog *many_items(void)
{
    struct catalog *c = new_catalog();
    char metric[256];
    for (uint32_t i = 0; i < MANY; i++) {
        numbered_metric(metric, sizeof(metric), i);
        resolve(c, metric);
    }
    return c;
}

/* Blocks fill up and begin anew, in several categories at once; all of it comes back from storage.
 */
static void test_many_items_stand_in_their_blocks(void **state)
{
    (void)state;
    struct catalog *a = many_items(), *b = new_catalog();
    assert_int_equal(catalog_changes(a, (struct catalog_mark){0}, catalog_mark(a), copy_into(b)),
                     0);
    assert_int_equal(catalog_items(a), MANY);
    assert_int_equal(catalog_items(b), MANY);
    size_t journal_bytes = catalog_bytes(a) - catalog_bytes(b);
    catalog_forget_changes(a, catalog_mark(a));
    assert_true(journal_bytes >= MANY * 12);
    struct catalog_category queries;
    uint32_t queries_id = resolve(a, "host.queries.c.9e3779b97f4a7c15.tput").category;
    assert_true(catalog_category_at(a, queries_id, &queries));
    assert_int_equal(queries.items, MANY / 8 * 5);
    char metric[256];
    for (uint32_t i = 0; i < MANY; i++) {
        numbered_metric(metric, sizeof(metric), i);
        struct catalog_series s = resolve(a, metric), t = resolve(b, metric), found;
        assert_memory_equal(&s, &t, sizeof(s));
        assert_true(catalog_find_series(b, slice_str(metric), &found));
        assert_memory_equal(&s, &found, sizeof(s));
        struct catalog_category category;
        assert_true(catalog_category_at(a, s.category, &category));
        char name[NAME_BYTES_MAX];
        struct buffer stem;
        buffer_init(&stem, 4096);
        name_join_stem(category.name, catalog_item_name(a, s.category, s.item, name), &stem);
        assert_true(slice_eq(buffer_slice(&stem), name_split_metric(slice_str(metric)).stem));
        buffer_fini(&stem);
    }
    assert_int_equal(catalog_items(a), MANY);
    char name[NAME_BYTES_MAX];
    assert_int_equal(catalog_item_name(a, queries_id, queries.items, name).n, 0);
    assert_int_equal(catalog_item_name(a, UINT32_MAX, 0, name).n, 0);
    catalog_unref(&a);
    catalog_unref(&b);
}

static void test_restore_refuses_a_name_that_nobody_could_have_sent(void **state)
{
    (void)state;
    struct catalog *c = new_catalog();
    struct catalog_series s = resolve(c, "host.queries.c.1374c6821ead6f47.time_us");
    char longest[NAME_BYTES_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    struct slice name = slice_make(longest, NAME_BYTES_MAX + 1);
    assert_int_equal(catalog_restore_items(c, s.category, 1, &name, 1), LT_ECORRUPT);
    name.n = NAME_BYTES_MAX;
    assert_int_equal(catalog_restore_items(c, s.category, 1, &name, 1), 0);
    char out[NAME_BYTES_MAX];
    assert_true(slice_eq(catalog_item_name(c, s.category, 1, out), name));
    catalog_unref(&c);
}

/* As a load does: rows of any size, and dense again afterwards. */
static void test_items_come_back_in_bulk(void **state)
{
    (void)state;
    struct catalog *a = many_items(), *b = new_catalog();
    enum { BLOCK = 5000 };
    static char texts[BLOCK][NAME_BYTES_MAX];
    static struct slice names[BLOCK];
    unsigned seed = 4;
    for (uint32_t id = 0; id < catalog_categories(a); id++) {
        struct catalog_category category;
        assert_true(catalog_category_at(a, id, &category));
        struct storage_name name = {.what = STORAGE_CATEGORY, .id = id, .text = category.name};
        assert_int_equal(catalog_restore(b, &name), 0);
        for (uint32_t from = 0, n; from < category.items; from += n) {
            n = 1 + (uint32_t)rand_r(&seed) % BLOCK;
            n = n < category.items - from ? n : category.items - from;
            for (uint32_t i = 0; i < n; i++)
                names[i] = catalog_item_name(a, id, from + i, texts[i]);
            assert_int_equal(catalog_restore_items(b, id, from, names, n), 0);
        }
    }
    char metric[256];
    for (uint32_t i = 0; i < MANY; i++) {
        numbered_metric(metric, sizeof(metric), i);
        struct catalog_series s = resolve(a, metric), t = resolve(b, metric);
        assert_int_equal(s.category, t.category);
        assert_int_equal(s.item, t.item);
    }
    assert_int_equal(catalog_items(b), MANY);
    catalog_unref(&a);
    catalog_unref(&b);
}

/* Two stems of one item whose hashes have the same 38 bits that the index keeps. */
static void test_stems_that_look_alike_to_the_index_are_told_apart(void **state)
{
    (void)state;
    struct catalog *c = new_catalog();
    struct catalog_series a = resolve(c, "h0057fcb.1374c6821ead6f47.n"), found;
    assert_false(catalog_find_series(c, SLICE_LIT("h00ead3a.1374c6821ead6f47.n"), &found));
    struct catalog_series b = resolve(c, "h00ead3a.1374c6821ead6f47.n");
    expect_category(c, a, "h0057fcb.*", "1374c6821ead6f47", KIND_GAUGE);
    expect_category(c, b, "h00ead3a.*", "1374c6821ead6f47", KIND_GAUGE);
    assert_true(catalog_find_series(c, SLICE_LIT("h0057fcb.1374c6821ead6f47.n"), &found));
    assert_memory_equal(&found, &a, sizeof(a));
    catalog_unref(&c);
}

static bool contains(struct slice text, const char *part)
{
    char copy[NAME_BYTES_MAX + 1];
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return strcasestr(copy, part) != NULL;
}

static bool text_contains(struct catalog *c, uint32_t category, uint32_t item, const char *part)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    catalog_item_text(c, category, item, &text);
    bool found = contains(buffer_slice(&text), part);
    assert_int_equal(part[0] == '\0' || catalog_text_has(c, category, item, slice_str(part)),
                     found || part[0] == '\0');
    buffer_fini(&text);
    return found;
}

static void assert_match(struct catalog *c, uint32_t category, const char *part, uint32_t items,
                         uint64_t *bits)
{
    struct catalog_category info;
    assert_true(catalog_category_at(c, category, &info));
    memset(bits, 0xff, (items + 63) / 64 * sizeof(*bits));
    assert_int_equal(catalog_match(c, category, slice_str(part), items, bits), 0);
    for (uint32_t i = 0; i < (items + 63) / 64 * 64; i++) {
        char name[NAME_BYTES_MAX];
        bool expected = i < items && i < info.items &&
                        (contains(catalog_item_name(c, category, i, name), part) ||
                         text_contains(c, category, i, part));
        assert_int_equal(bits[i / 64] >> i % 64 & 1, expected);
    }
}

static void test_match_finds_names_and_texts(void **state)
{
    (void)state;
    struct catalog *c = many_items();
    static const char *const parts[] = {"",   "a",  "AB1", "7f4a7c15", "9E3779B97F4A7C15",
                                        "xx", "12", "7.8", "select 5", "FROM t",
                                        "1x"};
    char metric[256], text[64];
    for (uint32_t i = 0; i < MANY; i += 7) {
        bool changed;
        numbered_metric(metric, sizeof(metric), i);
        snprintf(text, sizeof(text), i % 3 == 0 ? "Select %u from T" : "INSERT %x", i);
        assert_int_equal(catalog_set_text(c, name_split_metric(slice_str(metric)).stem,
                                          slice_str(text), &changed),
                         0);
        assert_true(changed);
    }
    uint64_t *bits = malloc(MANY / 8 + 8);
    assert_non_null(bits);
    for (size_t p = 0; p < ARRAY_LEN(parts); p++)
        for (uint32_t i = 0; i < 8; i++) {
            numbered_metric(metric, sizeof(metric), i + 3);
            struct catalog_series s = resolve(c, metric);
            assert_match(c, s.category, parts[p], MANY, bits);
            assert_match(c, s.category, parts[p], 1 + (uint32_t)p * 1001, bits);
        }
    /* A category that is not there has no items. */
    bits[0] = 1;
    assert_int_equal(catalog_match(c, UINT32_MAX, SLICE_LIT(""), 64, bits), 0);
    assert_int_equal(bits[0], 0);
    free(bits);
    catalog_unref(&c);
}

enum { HOUR = 3600 * 1000 };

static void test_hours_are_kept_for_each_item(void **state)
{
    (void)state;
    struct catalog *c = new_catalog(), *copy = new_catalog();
    enum { ITEMS = CATALOG_SEEN_ITEMS + 100, START = 490000 };
    static uint32_t first[2 * CATALOG_SEEN_ITEMS], last[2 * CATALOG_SEEN_ITEMS];
    static uint32_t first_got[CATALOG_SEEN_ITEMS], last_got[CATALOG_SEEN_ITEMS];
    char metric[256];
    uint32_t category = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(metric, sizeof(metric), "host.queries.c.%016x.t", i);
        category = resolve(c, metric).category;
        resolve(copy, metric);
        first[i] = UINT32_MAX, last[i] = 0;
    }
    unsigned seed = 3;
    bool changed;
    assert_int_equal(catalog_seen_page(c, category, 0, first_got, last_got, &changed),
                     CATALOG_SEEN_ITEMS);
    assert_false(changed);
    for (int round = 0; round < 20000; round++) {
        uint32_t i = (uint32_t)rand_r(&seed) % (ITEMS - 10), h = START + rand_r(&seed) % 9;
        catalog_seen(c, category, i, (int64_t)h * HOUR + rand_r(&seed) % HOUR);
        first[i] = h < first[i] ? h : first[i];
        last[i] = h > last[i] ? h : last[i];
    }
    for (uint32_t page = 0; page < 2; page++) {
        uint32_t n = page == 0 ? CATALOG_SEEN_ITEMS : ITEMS - CATALOG_SEEN_ITEMS;
        assert_int_equal(catalog_seen_page(c, category, page, first_got, last_got, &changed), n);
        assert_true(changed);
        assert_memory_equal(first_got, first + page * CATALOG_SEEN_ITEMS, n * sizeof(first[0]));
        assert_memory_equal(last_got, last + page * CATALOG_SEEN_ITEMS, n * sizeof(last[0]));
        catalog_seen_restore(copy, category, page, n, first_got, last_got);
        memset(first_got, 0, sizeof(first_got));
        assert_int_equal(catalog_seen_page(copy, category, page, first_got, last_got, &changed), n);
        assert_false(changed); /* storage has it */
        assert_memory_equal(first_got, first + page * CATALOG_SEEN_ITEMS, n * sizeof(first[0]));
        assert_memory_equal(last_got, last + page * CATALOG_SEEN_ITEMS, n * sizeof(last[0]));
    }
    /* The same hours again are no news; others are, until they were taken or are given back. */
    catalog_seen(c, category, 0, (int64_t)first[0] * HOUR);
    (void)catalog_seen_page(c, category, 0, first_got, last_got, &changed);
    assert_false(changed);
    catalog_seen(c, category, 0, (int64_t)(START + 100) * HOUR);
    (void)catalog_seen_page(c, category, 0, first_got, last_got, NULL);
    (void)catalog_seen_page(c, category, 0, first_got, last_got, &changed);
    assert_true(changed);
    assert_int_equal(last_got[0], START + 100);
    catalog_seen_again(c, category, 0);
    (void)catalog_seen_page(c, category, 0, first_got, last_got, &changed);
    assert_true(changed);
    (void)catalog_seen_page(c, category, 0, first_got, last_got, &changed);
    assert_false(changed);
    /* Any time that a point may have. */
    catalog_seen(c, category, ITEMS - 1, 0);
    catalog_seen(c, category, ITEMS - 1, INT64_MAX);
    uint32_t n = catalog_seen_page(c, category, 1, first_got, last_got, &changed);
    assert_int_equal(first_got[n - 1], 0);
    assert_int_equal(last_got[n - 1], UINT32_MAX - 1);
    assert_true(first_got[n - 2] > last_got[n - 2]); /* never */

    assert_int_equal(catalog_seen_page(c, category, 2, first_got, last_got, &changed), 0);
    assert_int_equal(catalog_seen_page(c, category, UINT32_MAX, first_got, last_got, NULL), 0);
    assert_int_equal(catalog_seen_page(c, category + 1, 0, first_got, last_got, NULL), 0);
    /* Of names that were never stored: left out. */
    catalog_seen_restore(c, category, 1, n + 1, first_got, last_got);
    catalog_seen_restore(c, category, 2, 1, first_got, last_got);
    catalog_seen_restore(c, 9, 0, 1, first_got, last_got);
    assert_int_equal(catalog_seen_page(c, category, 1, first_got, last_got, NULL), n);
    assert_int_equal(catalog_seen_page(c, category, 2, first_got, last_got, NULL), 0);
    catalog_unref(&c);
    catalog_unref(&copy);
}

struct shared {
    struct catalog *catalog;
    _Atomic bool stop;
    uint32_t last[CATALOG_SEEN_ITEMS];
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
            char name[NAME_BYTES_MAX];
            (void)catalog_item_name(shared->catalog, s.category, s.item, name);
        }
    }
    return NULL;
}

static void *read_in_bulk_all_the_time(void *arg)
{
    struct shared *shared = arg;
    static uint32_t first[CATALOG_SEEN_ITEMS];
    static uint64_t bits[64];
    while (!atomic_load(&shared->stop)) {
        for (uint32_t category = 0; category < catalog_categories(shared->catalog); category++) {
            bool changed;
            (void)catalog_seen_page(shared->catalog, category, 0, first, shared->last, &changed);
        }
        if (catalog_match(shared->catalog, 0, SLICE_LIT("5a"), 4096, bits) != 0 ||
            catalog_bytes(shared->catalog) == 0)
            abort();
    }
    return NULL;
}

/* For the thread sanitizer. */
static void test_readers_beside_the_writer(void **state)
{
    (void)state;
    struct shared shared = {.catalog = new_catalog()};
    pthread_t reader, bulk;
    assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, &shared), 0);
    assert_int_equal(pthread_create(&bulk, NULL, read_in_bulk_all_the_time, &shared), 0);
    char metric[300];
    unsigned seed = 9;
    for (int i = 0; i < 5000; i++) {
        random_metric(metric, &seed);
        snprintf(metric + strlen(metric), 32, ".%08x.d%d", (unsigned)i * 2654435761u, i % 7);
        struct catalog_series s = resolve(shared.catalog, metric);
        catalog_seen(shared.catalog, s.category, s.item, (int64_t)(1 + i % 100) * HOUR);
    }
    atomic_store(&shared.stop, true);
    pthread_join(reader, NULL);
    pthread_join(bulk, NULL);
    catalog_unref(&shared.catalog);
}

struct keeper {
    struct catalog *catalog;
    _Atomic bool stop;
    uint32_t last[CATALOG_SEEN_ITEMS]; /* as stored */
};

static void keep(struct keeper *k)
{
    static uint32_t first[CATALOG_SEEN_ITEMS], last[CATALOG_SEEN_ITEMS];
    bool changed;
    uint32_t n = catalog_seen_page(k->catalog, 0, 0, first, last, &changed);
    if (changed)
        memcpy(k->last, last, n * sizeof(last[0]));
}

static void *keep_all_the_time(void *arg)
{
    struct keeper *k = arg;
    while (!atomic_load(&k->stop))
        keep(k);
    return NULL;
}

/* Whoever stores the pages that changed has stored all, however the two interleave. */
static void test_no_hour_is_missed_beside_the_writer(void **state)
{
    (void)state;
    static struct keeper k;
    k.catalog = new_catalog();
    char metric[64];
    for (uint32_t i = 0; i < 64; i++) {
        snprintf(metric, sizeof(metric), "%016x.t", i);
        resolve(k.catalog, metric);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_all_the_time, &k), 0);
    for (int h = 1; h <= 20000; h++)
        catalog_seen(k.catalog, 0, (uint32_t)h % 64, (int64_t)h * HOUR);
    atomic_store(&k.stop, true);
    pthread_join(thread, NULL);
    keep(&k);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(k.last[(20000 - i) % 64], 20000 - i);
    catalog_unref(&k.catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognises_the_words_of_the_design),
        cmocka_unit_test(test_a_series_keeps_its_first_category),
        cmocka_unit_test(test_the_last_precision_holds),
        cmocka_unit_test(test_ids_are_a_function_of_the_log),
        cmocka_unit_test(test_restore_refuses_holes),
        cmocka_unit_test(test_many_items_stand_in_their_blocks),
        cmocka_unit_test(test_items_come_back_in_bulk),
        cmocka_unit_test(test_stems_that_look_alike_to_the_index_are_told_apart),
        cmocka_unit_test(test_restore_refuses_a_name_that_nobody_could_have_sent),
        cmocka_unit_test(test_match_finds_names_and_texts),
        cmocka_unit_test(test_hours_are_kept_for_each_item),
        cmocka_unit_test(test_readers_beside_the_writer),
        cmocka_unit_test(test_no_hour_is_missed_beside_the_writer),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
