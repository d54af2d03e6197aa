#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "mysql/support_storage.h"
#include "port/storage_flush.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is doomed, spared and forgotten comes back from the database as it was, with names of every
 * length, in rows of every size. */

static struct test_mariadb *db;

enum { CATEGORIES = 3, ITEMS = 300000, DOOMS = 64, TEXTS = 40 };

struct doom {
    enum storage_doom_what what;
    uint64_t round;
    uint32_t category, count;
    uint32_t items[200];
};

struct world {
    struct fixture *f;
    unsigned random;
    uint32_t items[CATEGORIES];
    uint8_t *gone[CATEGORIES];
    bool texts[CATEGORIES][TEXTS];
    struct doom dooms[DOOMS];
    uint32_t dooms_count;
    uint32_t loaded[CATEGORIES], loaded_dooms, loaded_texts;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    for (uint32_t c = 0; c < CATEGORIES; c++)
        assert_non_null(w->gone[c] = calloc(ITEMS, 1));
    w->f = fixture_create(db, 10000);
    w->random = 5;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    fixture_destroy(w->f);
    for (uint32_t c = 0; c < CATEGORIES; c++)
        free(w->gone[c]);
    free(w);
    return 0;
}

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)rand_r(&w->random) % n;
}

static struct slice name_of(uint32_t category, uint32_t id, char *out, size_t size)
{
    if (category == 0)
        return slice_make(out, (size_t)snprintf(out, size, "%016x", id * 2654435761u));
    size_t n = category == 1 ? id % 7 : (id * 31) % 480; /* some are empty */
    memset(out, 'a' + id % 26, n);
    return slice_make(out, n);
}

/* ---- flushes ---- */

static void begin(struct world *w, struct storage_flush *flush)
{
    *flush = flush_of(&w->f->progress, 1);
    assert_int_equal(storage_flush_begin(w->f->s, flush), 0);
}

static void commit(struct world *w, const struct storage_flush *flush)
{
    assert_int_equal(storage_flush_commit(w->f->s), 0);
    w->f->progress.next = flush->hi;
    w->f->progress.checksum = flush->checksum;
}

static void put_names(struct world *w, uint32_t category, uint32_t count)
{
    char text[512];
    for (uint32_t i = 0; i < count; i++) {
        struct storage_name name = {.what = STORAGE_ITEM, .scope = category};
        name.id = w->items[category]++;
        name.text = name_of(category, name.id, text, sizeof(text));
        assert_int_equal(storage_flush_name(w->f->s, ENVIRONMENT, &name), 0);
    }
}

static void put_text(struct world *w, uint32_t category, uint32_t item)
{
    struct storage_item_text text = {category, item, SLICE_LIT("SELECT 1")};
    assert_int_equal(storage_flush_text(w->f->s, ENVIRONMENT, &text), 0);
    w->texts[category][item] = true;
}

static void put_doom(struct world *w, const struct storage_doom *doom)
{
    assert_int_equal(storage_flush_doom(w->f->s, ENVIRONMENT, doom), 0);
    if (doom->what == STORAGE_DOOM_BEGIN)
        w->dooms_count = 0;
    if (doom->what != STORAGE_FORGOTTEN) {
        struct doom *d = &w->dooms[w->dooms_count++];
        *d = (struct doom){doom->what, doom->round, doom->category, doom->count, {0}};
        for (uint32_t i = 0; i < doom->count && i < 200; i++)
            d->items[i] = doom->items[i];
        return;
    }
    for (uint32_t i = 0; i < doom->count; i++) {
        w->gone[doom->category][doom->items[i]] = 1;
        if (doom->items[i] < TEXTS)
            w->texts[doom->category][doom->items[i]] = false;
    }
}

/* Every `step`-th of those that are there, of [from, to). */
static void forget(struct world *w, uint32_t category, uint32_t from, uint32_t to, uint32_t step)
{
    uint32_t *items = malloc((to - from + 1) * sizeof(*items)), n = 0;
    assert_non_null(items);
    for (uint32_t i = from; i < to; i += step)
        if (!w->gone[category][i])
            items[n++] = i;
    struct storage_doom doom = {STORAGE_FORGOTTEN, 1, category, items, n};
    put_doom(w, &doom);
    free(items);
}

/* ---- loading ---- */

static int load_items(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                      const struct slice *names, uint32_t count)
{
    struct world *w = arg;
    assert_int_equal(first, w->loaded[category]);
    for (uint32_t i = 0; i < count; i++) {
        char text[512];
        assert_int_equal(names[i].p == NULL, w->gone[category][first + i]);
        if (names[i].p != NULL)
            assert_true(slice_eq(names[i], name_of(category, first + i, text, sizeof(text))));
    }
    w->loaded[category] += count;
    return 0;
}

static int load_name(void *arg, uint32_t environment, const struct storage_name *name)
{
    fail();
    return 0;
}

static int load_watermark(void *arg, uint32_t environment, const struct storage_watermark *mark)
{
    fail();
    return 0;
}

static int load_text(void *arg, uint32_t environment, const struct storage_item_text *text)
{
    struct world *w = arg;
    assert_true(w->texts[text->category][text->item]);
    w->loaded_texts++;
    return 0;
}

static int load_seen(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    fail();
    return 0;
}

static int load_doom(void *arg, uint32_t environment, const struct storage_doom *doom)
{
    struct world *w = arg;
    assert_true(w->loaded_dooms < w->dooms_count);
    const struct doom *d = &w->dooms[w->loaded_dooms++];
    assert_int_equal(doom->what, d->what);
    assert_int_equal(doom->round, d->round);
    assert_int_equal(doom->category, d->category);
    assert_int_equal(doom->count, d->count);
    for (uint32_t i = 0; i < doom->count && i < 200; i++)
        assert_int_equal(doom->items[i], d->items[i]);
    return 0;
}

static void check(struct world *w)
{
    const struct storage_loader loader = {load_items, load_name, load_watermark, load_text,
                                          load_seen,  load_doom, NULL,           w};
    struct storage_progress progress;
    uint32_t environment = ENVIRONMENT, texts = 0;
    memset(w->loaded, 0, sizeof(w->loaded));
    w->loaded_dooms = w->loaded_texts = 0;
    assert_int_equal(storage_load(w->f->r, PARTITION, &environment, 1, &loader, &progress), 0);
    assert_memory_equal(w->loaded, w->items, sizeof(w->items));
    assert_int_equal(w->loaded_dooms, w->dooms_count);
    for (uint32_t c = 0; c < CATEGORIES; c++)
        for (uint32_t i = 0; i < TEXTS; i++)
            texts += w->texts[c][i];
    assert_int_equal(w->loaded_texts, texts);
}

static uint32_t rows(struct world *w, const char *table)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", table);
    assert_int_equal(mysql_query(w->f->raw, sql), 0);
    MYSQL_RES *result = mysql_store_result(w->f->raw);
    uint32_t n = (uint32_t)atoi(mysql_fetch_row(result)[0]);
    mysql_free_result(result);
    return n;
}

/* ---- tests ---- */

static void test_names_leave_rows_of_any_size(void **state)
{
    struct world *w = *state;
    struct storage_flush flush;
    for (uint32_t round = 0; round < 25; round++) {
        begin(w, &flush);
        for (uint32_t c = 0; c < CATEGORIES; c++)
            put_names(w, c, round % 8 == 5 ? 3000 : below(w, 20));
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t c = below(w, CATEGORIES), item = below(w, TEXTS);
            if (item < w->items[c] && !w->gone[c][item])
                put_text(w, c, item);
        }
        if (round % 2 == 1) { /* of this flush, too */
            uint32_t c = below(w, CATEGORIES), to = 1 + below(w, w->items[c]);
            forget(w, c, below(w, to), to, 1 + below(w, 4));
        }
        commit(w, &flush);
        check(w);
    }
    begin(w, &flush);
    for (uint32_t c = 0; c < CATEGORIES; c++)
        forget(w, c, 0, w->items[c], 1);
    commit(w, &flush);
    check(w);
    assert_true(rows(w, "catalog_1") <= CATEGORIES); /* what is left of them: how many there were */
    assert_int_equal(rows(w, "item_text_1"), 0);
    begin(w, &flush);
    put_names(w, 0, 5);
    commit(w, &flush);
    check(w);
}

/* Spans of 65,536 ids, one after the other. */
static void test_many_are_forgotten_span_by_span(void **state)
{
    struct world *w = *state;
    struct storage_flush flush;
    begin(w, &flush);
    put_names(w, 0, 200000);
    commit(w, &flush);
    begin(w, &flush);
    forget(w, 0, 1000, 199000, 2);
    commit(w, &flush);
    check(w);
    begin(w, &flush);
    forget(w, 0, 0, 200000, 1);
    commit(w, &flush);
    check(w);
    assert_true(rows(w, "catalog_1") < 10);
}

static void test_marks_come_back_in_order(void **state)
{
    struct world *w = *state;
    struct storage_flush flush;
    static const uint32_t some[] = {0, 1, 2, 5, 70000, UINT32_MAX - 1, UINT32_MAX};
    for (uint64_t round = 1; round <= 3; round++) {
        struct storage_doom first = {STORAGE_DOOM_BEGIN, round << 40, 0, NULL, 0};
        struct storage_doom marks = {STORAGE_DOOMED, round << 40, 2, some, 7};
        struct storage_doom spared = {STORAGE_SPARED, round << 40, 2, some + round, 2};
        begin(w, &flush);
        if (round == 3) /* of the round before, in the same flush */
            put_doom(w, &marks);
        put_doom(w, &first);
        put_doom(w, &marks);
        put_doom(w, &spared);
        put_doom(w, &marks);
        commit(w, &flush);
        check(w);
        begin(w, &flush);
        put_doom(w, &spared);
        commit(w, &flush);
        check(w);
    }
    assert_int_equal(rows(w, "doom_1"), 5);
}

static void test_nothing_of_it_stays_where_the_flush_does_not(void **state)
{
    struct world *w = *state;
    struct storage_flush flush;
    uint32_t items[] = {0, 3, 4};
    struct storage_doom doom = {STORAGE_FORGOTTEN, 1, 0, items, 3};
    struct storage_doom first = {STORAGE_DOOM_BEGIN, 9, 0, NULL, 0};
    begin(w, &flush);
    put_names(w, 0, 10);
    put_text(w, 0, 3);
    commit(w, &flush);
    begin(w, &flush);
    assert_int_equal(storage_flush_doom(w->f->s, ENVIRONMENT, &first), 0);
    assert_int_equal(storage_flush_doom(w->f->s, ENVIRONMENT, &doom), 0);
    storage_flush_abort(w->f->s);
    check(w);
    /* Ids that have no row: the flush fails as a whole, and the session goes on. */
    items[2] = 11;
    begin(w, &flush);
    assert_int_equal(storage_flush_doom(w->f->s, ENVIRONMENT, &doom), LT_ECORRUPT);
    check(w);
    begin(w, &flush);
    put_names(w, 0, 2);
    put_doom(w, &doom); /* now there is one */
    commit(w, &flush);
    check(w);
}

int main(void)
{
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_names_leave_rows_of_any_size),
        TEST(test_many_are_forgotten_span_by_span),
        TEST(test_marks_come_back_in_order),
        TEST(test_nothing_of_it_stays_where_the_flush_does_not),
    };
    int failed = cmocka_run_group_tests_name("flush_forget", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
