#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/support_declared.h"

#include <stdio.h>
#include <stdlib.h>

/* Filters over many declared series find those that fit, by whichever way. */

/* ---- implied labels, where few keys are possible ---- */

enum { SOME_HOSTS = 40, SOME_ITEMS = 60, SOME_DIMENSIONS = 3 };
static const char *const some_dimensions[SOME_DIMENSIONS] = {".sum", ".time", ".rate"};

struct crowd {
    bool declared[SOME_HOSTS][SOME_ITEMS][SOME_DIMENSIONS];
    uint8_t says[SOME_HOSTS][SOME_ITEMS][SOME_DIMENSIONS]; /* host=db<n-1> itself; 0: nothing */
};

static struct slice crowd_metric(char out[48], int item, int dimension)
{
    /* two categories, of the same item names */
    return slice_make(out, (size_t)snprintf(out, 48, "%s.%08x%s", item % 2 == 0 ? "a" : "b.x",
                                            item / 2, some_dimensions[dimension]));
}

static void crowd_fill(struct catalog *c, struct crowd *crowd, unsigned *random)
{
    for (uint32_t i = 0; i < 12000; i++) {
        int h = rand_r(random) % SOME_HOSTS, item = rand_r(random) % SOME_ITEMS;
        int d = rand_r(random) % SOME_DIMENSIONS;
        char host[16], metric[48], said[16];
        struct settings s = settings_none;
        struct label label = {SLICE_LIT("host"), {0}};
        struct slice key = slice_make(host, (size_t)snprintf(host, sizeof(host), "db%d", h));
        if (crowd->declared[h][item][d]) {
            if (rand_r(random) % 4 == 0) {
                assert_int_equal(catalog_drop(c, key, crowd_metric(metric, item, d)), 0);
                crowd->declared[h][item][d] = false;
            }
            continue;
        }
        uint32_t says = rand_r(random) % 10 == 0 ? 1 + (uint32_t)rand_r(random) % 5 : 0;
        label.value = slice_make(said, (size_t)snprintf(said, sizeof(said), "db%d", (int)says - 1));
        s.given = SETTINGS_LABELS;
        assert_int_equal(catalog_declare(c, i, key, crowd_metric(metric, item, d),
                                         RECORD_SERIES_CREATE, &s, &label, says > 0),
                         0);
        crowd->declared[h][item][d] = true;
        crowd->says[h][item][d] = (uint8_t)says;
    }
}

/* What a crowd is asked for; -1: no such condition. */
struct wanted {
    int host, item, dimension;
    bool whole_metric;
};

static bool is_wanted(const struct crowd *crowd, const struct wanted *w, int h, int item, int d)
{
    uint8_t says = crowd->says[h][item][d];
    int host = says > 0 ? says - 1 : h;
    if (!crowd->declared[h][item][d] || (w->host >= 0 && host != w->host) ||
        (w->dimension >= 0 && d != w->dimension))
        return false;
    return w->item < 0 || item == w->item || (!w->whole_metric && item / 2 == w->item / 2);
}

static uint32_t crowd_expect(const struct crowd *crowd, const struct wanted *w)
{
    uint32_t n = 0;
    for (int h = 0; h < SOME_HOSTS; h++)
        for (int item = 0; item < SOME_ITEMS; item++)
            for (int d = 0; d < SOME_DIMENSIONS; d++)
                n += is_wanted(crowd, w, h, item, d);
    return n;
}

static void crowd_ask(struct catalog *c, const struct crowd *crowd, const struct wanted *w)
{
    char text[3][64], metric[48];
    struct slice texts[3];
    uint32_t n = 0;
    if (w->host >= 0)
        snprintf(text[n++], sizeof(text[0]), "host=(db%d,nobody)", w->host);
    if (w->item >= 0 && w->whole_metric)
        snprintf(text[n++], sizeof(text[0]), "metric=%.*s",
                 (int)crowd_metric(metric, w->item, w->dimension).n, metric);
    else if (w->item >= 0)
        snprintf(text[n++], sizeof(text[0]), "item=%08x", (unsigned)w->item / 2);
    if (w->dimension > 0 && !w->whole_metric)
        snprintf(text[n++], sizeof(text[0]), "dimension=%s", some_dimensions[w->dimension] + 1);
    for (uint32_t i = 0; i < n; i++)
        texts[i] = slice_str(text[i]);
    struct hits hits = declared_hits(c, texts, n);
    if (hits.keys.n != crowd_expect(crowd, w))
        fail_msg("%s %s %s: %u series, expected %u", text[0], n > 1 ? text[1] : "",
                 n > 2 ? text[2] : "", hits.keys.n, crowd_expect(crowd, w));
    VEC_FINI(&hits.keys);
}

static void test_implied_labels_by_looking_keys_up(void **state)
{
    unsigned random = 3;
    struct catalog *c;
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    assert_non_null(crowd);
    assert_int_equal(catalog_create(1, &c), 0);
    crowd_fill(c, crowd, &random);
    for (int i = 0; i < 600; i++) {
        struct wanted w = {.host = rand_r(&random) % 2 == 0 ? -1 : rand_r(&random) % SOME_HOSTS,
                           .item = rand_r(&random) % 3 == 0 ? -1 : rand_r(&random) % SOME_ITEMS,
                           .dimension = rand_r(&random) % 2 == 0 ? -1 : 1 + rand_r(&random) % 2,
                           .whole_metric = rand_r(&random) % 2 == 0};
        w.whole_metric &= w.item >= 0;
        if (w.whole_metric && w.dimension < 0)
            w.dimension = 0;
        if (w.host >= 0 || w.item >= 0 || w.dimension >= 0)
            crowd_ask(c, crowd, &w);
    }
    free(crowd);
    catalog_unref(&c);
}

/* ---- postings of every size ---- */

static void test_postings_grow_and_shrink(void **state)
{
    enum { SERIES = 9000 };
    static bool there[SERIES];
    unsigned random = 11;
    struct catalog *c;
    struct label label = {SLICE_LIT("l"), SLICE_LIT("v")};
    struct settings s = settings_none;
    s.given = SETTINGS_LABELS;
    const struct slice text = SLICE_LIT("l=v");
    assert_int_equal(catalog_create(1, &c), 0);
    uint32_t count = 0, goal = 1;
    for (uint32_t i = 0; i < 60000; i++) {
        char metric[32];
        uint32_t at = (uint32_t)rand_r(&random) % SERIES;
        struct slice m = slice_make(metric, (size_t)snprintf(metric, sizeof(metric), "m.%u.t", at));
        if (count == goal || count == 0) /* up and down, past every form of a posting */
            goal = (uint32_t)rand_r(&random) % (rand_r(&random) % 2 == 0 ? 70 : SERIES / 2);
        bool up = count < goal;
        if (up != there[at]) {
            assert_int_equal(
                up ? catalog_declare(c, i, SLICE_LIT("h"), m, RECORD_SERIES_CREATE, &s, &label, 1)
                   : catalog_drop(c, SLICE_LIT("h"), m),
                0);
            there[at] = up;
            count += up ? 1 : UINT32_MAX;
        }
        if (i % 500 != 0)
            continue;
        struct hits hits = declared_hits(c, &text, 1);
        assert_int_equal(hits.keys.n, count);
        VEC_FINI(&hits.keys);
    }
    declared_drop_all(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_implied_labels_by_looking_keys_up),
        cmocka_unit_test(test_postings_grow_and_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
