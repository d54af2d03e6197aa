#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "catalog/forget.h"
#include "model/name.h"
#include "port/storage_types.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Items that the log dooms and forgets: everybody agrees on every id, whenever he loads. */

enum {
    NAMES = 60,      /* that the log may name */
    CATEGORIES = 16, /* at most */
    IDS = 2000,      /* a category, at most */
    RECORDS = 1200,
    SETS = 40,
};

static void metric_of(uint32_t name, char *out, size_t size)
{
    if (name % 5 == 4)
        snprintf(out, size, "word%u.t", name); /* categories of one item */
    else if (name % 5 == 3)
        snprintf(out, size, "x.%u.t", 1000 + name);
    else
        snprintf(out, size, "host.%s.%08x.t", name % 2 ? "a" : "b", name * 2654435761u);
}

/* ---- a model of storage: what flushes write and loads read ---- */

struct stored_doom {
    enum storage_doom_what what;
    uint64_t round;
    uint32_t category, count;
    uint32_t items[SETS];
};

struct stored {
    uint64_t next;
    uint32_t names_count;
    struct {
        enum storage_name_what what;
        uint32_t id, detail;
        char text[64];
    } names[400]; /* all but items */
    uint32_t items[CATEGORIES];
    char item[CATEGORIES][IDS][24];
    bool gone[CATEGORIES][IDS];
    char text[CATEGORIES][IDS][24];
    VEC(struct stored_doom) dooms;
};

static int store_name(void *arg, const struct storage_name *name)
{
    struct stored *s = arg;
    if (name->what == STORAGE_ITEM) {
        assert_true(name->scope < CATEGORIES && name->id == s->items[name->scope]);
        s->items[name->scope]++;
        snprintf(s->item[name->scope][name->id], 24, "%.*s", (int)name->text.n, name->text.p);
        return 0;
    }
    s->names[s->names_count].what = name->what;
    s->names[s->names_count].id = name->id;
    s->names[s->names_count].detail = name->detail;
    snprintf(s->names[s->names_count++].text, 64, "%.*s", (int)name->text.n, name->text.p);
    return 0;
}

static int store_text(void *arg, const struct storage_item_text *text)
{
    struct stored *s = arg;
    snprintf(s->text[text->category][text->item], 24, "%.*s", (int)text->text.n, text->text.p);
    return 0;
}

static int store_doom(void *arg, const struct storage_doom *doom)
{
    struct stored *s = arg;
    struct stored_doom d = {doom->what, doom->round, doom->category, doom->count, {0}};
    assert_true(doom->count <= SETS);
    for (uint32_t i = 0; i < doom->count; i++) {
        assert_true(i == 0 || doom->items[i] > doom->items[i - 1]);
        d.items[i] = doom->items[i];
    }
    if (doom->what == STORAGE_DOOM_BEGIN)
        s->dooms.n = 0;
    if (doom->what != STORAGE_FORGOTTEN) {
        assert_true(VEC_PUSH(&s->dooms, d));
        return 0;
    }
    for (uint32_t i = 0; i < d.count; i++) {
        assert_true(d.items[i] < s->items[d.category] && !s->gone[d.category][d.items[i]]);
        assert_int_not_equal(s->item[d.category][d.items[i]][0], '?');
        s->gone[d.category][d.items[i]] = true;
        s->text[d.category][d.items[i]][0] = '\0';
    }
    return 0;
}

static struct catalog *load(const struct stored *s)
{
    struct catalog *c;
    assert_int_equal(catalog_create(1, &c), 0);
    for (uint32_t i = 0; i < s->names_count; i++) {
        struct storage_name name = {.what = s->names[i].what,
                                    .id = s->names[i].id,
                                    .detail = s->names[i].detail,
                                    .text = slice_str(s->names[i].text)};
        assert_int_equal(catalog_restore(c, &name), 0);
    }
    for (uint32_t category = 0; category < CATEGORIES; category++) {
        struct slice names[IDS];
        for (uint32_t i = 0; i < s->items[category]; i++)
            names[i] = s->gone[category][i] ? (struct slice){0} : slice_str(s->item[category][i]);
        if (s->items[category] > 0)
            assert_int_equal(catalog_restore_items(c, category, 0, names, s->items[category]), 0);
        for (uint32_t i = 0; i < s->items[category]; i++)
            if (s->text[category][i][0] != '\0')
                assert_int_equal(
                    catalog_restore_text(c, category, i, slice_str(s->text[category][i])), 0);
    }
    for (uint32_t i = 0; i < s->dooms.n; i++) {
        const struct stored_doom *d = &s->dooms.v[i];
        struct storage_doom doom = {d->what, d->round, d->category, d->items, d->count};
        assert_int_equal(catalog_restore_doom(c, &doom), 0);
    }
    return c;
}

/* ---- a model of the catalog ---- */

struct model {
    uint64_t round;
    uint32_t items[CATEGORIES];
    struct {
        uint32_t name;
        bool gone, doomed;
    } item[CATEGORIES][IDS];
    struct {
        bool known;
        uint32_t category, item;
    } names[NAMES];
};

enum what { NAME, TEXT, DOOM, FORGET };
struct record {
    enum what what;
    uint32_t name;
    uint64_t round;
    uint32_t category, count;
    uint32_t items[SETS];
};

/* The record as the log holds it, applied by a process. Returns what it named. */
static struct catalog_series apply(struct catalog *c, const struct record *r)
{
    struct catalog_series s = {0};
    char metric[64];
    bool changed;
    uint32_t forgotten;
    metric_of(r->name, metric, sizeof(metric));
    switch (r->what) {
    case TEXT:
        assert_int_equal(catalog_set_text(c, name_split_metric(slice_str(metric)).stem,
                                          slice_str(metric), &changed),
                         0);
        __attribute__((fallthrough));
    case NAME:
        assert_int_equal(catalog_resolve(c, slice_str(metric), &s), 0);
        catalog_seen(c, s.category, s.item, INT64_C(3600000) * r->name);
        break;
    case DOOM:
        assert_int_equal(catalog_doom(c, r->round, r->category, r->items, r->count), 0);
        break;
    case FORGET:
        assert_int_equal(catalog_forget(c, r->round, r->category, r->items, r->count, &forgotten),
                         0);
        break;
    }
    return s;
}

static void model_sets(struct model *m, const struct record *r)
{
    if (r->what == DOOM && r->round < m->round)
        return;
    if (r->what == DOOM && r->round > m->round) {
        m->round = r->round;
        for (uint32_t c = 0; c < CATEGORIES; c++)
            for (uint32_t i = 0; i < m->items[c]; i++)
                m->item[c][i].doomed = false;
    }
    for (uint32_t i = 0; i < r->count && r->category < CATEGORIES; i++) {
        uint32_t id = r->items[i], c = r->category;
        if (id >= m->items[c] || m->item[c][id].gone)
            continue;
        if (r->what == DOOM) {
            m->item[c][id].doomed = true;
        } else if (m->item[c][id].doomed && r->round == m->round) {
            m->item[c][id].gone = true;
            m->item[c][id].doomed = false;
            m->names[m->item[c][id].name].known = false;
        }
    }
}

static void model_apply(struct model *m, const struct record *r, struct catalog_series got)
{
    if (r->what == DOOM || r->what == FORGET) {
        model_sets(m, r);
        return;
    }
    uint32_t c = got.category;
    assert_true(c < CATEGORIES);
    if (!m->names[r->name].known) { /* a new id, never one that was given before */
        assert_int_equal(got.item, m->items[c]);
        m->item[c][m->items[c]++].name = r->name;
        m->names[r->name].known = true;
        m->names[r->name].category = c;
        m->names[r->name].item = got.item;
    }
    assert_int_equal(m->names[r->name].category, c);
    assert_int_equal(m->names[r->name].item, got.item);
    m->item[c][got.item].doomed = false;
}

static bool bit(const uint64_t *bits, uint32_t i)
{
    return (bits[i / 64] >> i % 64 & 1) != 0;
}

static void assert_like_model(struct catalog *c, const struct model *m)
{
    static uint32_t first_h[CATALOG_SEEN_ITEMS], last_h[CATALOG_SEEN_ITEMS];
    uint64_t gone[CATALOG_PAGE_WORDS], doomed[CATALOG_PAGE_WORDS], bits[IDS / 64 + 1];
    uint64_t live = 0;
    for (uint32_t id = 0; id < catalog_categories(c); id++) {
        struct catalog_category info;
        assert_true(catalog_category_at(c, id, &info));
        assert_int_equal(info.items, m->items[id]);
        assert_int_equal(catalog_fate_page(c, id, 0, gone, doomed), m->items[id]);
        assert_int_equal(catalog_match(c, id, SLICE_LIT(""), info.items, bits), 0);
        (void)catalog_seen_page(c, id, 0, first_h, last_h, NULL);
        uint32_t there = 0;
        for (uint32_t i = 0; i < m->items[id]; i++) {
            char name[NAME_BYTES_MAX], metric[64];
            metric_of(m->item[id][i].name, metric, sizeof(metric));
            assert_int_equal(bit(gone, i), m->item[id][i].gone);
            assert_int_equal(bit(doomed, i), m->item[id][i].doomed);
            assert_int_equal(bit(bits, i), !m->item[id][i].gone);
            struct slice text = catalog_item_name(c, id, i, name);
            struct buffer stem, said;
            buffer_init(&stem, 1024);
            buffer_init(&said, 1024);
            name_join_stem(info.name, text, &stem);
            catalog_item_text(c, id, i, &said);
            if (m->item[id][i].gone) {
                assert_int_equal(text.n + said.len, 0);
                assert_true(first_h[i] > last_h[i]);
            } else {
                assert_true(
                    slice_eq(buffer_slice(&stem), name_split_metric(slice_str(metric)).stem));
                assert_true(said.len == 0 || slice_eq_str(buffer_slice(&said), metric));
                there++;
            }
            buffer_fini(&stem);
            buffer_fini(&said);
        }
        assert_int_equal(info.live, there);
        live += there;
    }
    assert_int_equal(catalog_items(c), live);
    for (uint32_t name = 0; name < NAMES; name++) {
        struct catalog_series s;
        char metric[64];
        metric_of(name, metric, sizeof(metric));
        bool found = catalog_find_series(c, slice_str(metric), &s);
        if (m->names[name].known) {
            assert_true(found);
            assert_int_equal(s.item, m->names[name].item);
            assert_int_equal(s.category, m->names[name].category);
        }
        assert_int_equal(catalog_has_item(c, slice_str(metric)), found);
    }
}

/* ---- the log ---- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static struct record random_record(struct model *m, unsigned *seed)
{
    struct record r = {.name = (uint32_t)rand_r(seed) % NAMES};
    uint32_t what = (uint32_t)rand_r(seed) % 20;
    r.what = what < 12 ? NAME : what < 14 ? TEXT : what < 17 ? DOOM : FORGET;
    if (rand_r(seed) % 40 == 0) /* stale ones, and such that nobody should have sent */
        r.round = m->round + (uint64_t)(rand_r(seed) % 4) - (m->round > 0);
    else
        r.round = r.what == DOOM && rand_r(seed) % 8 == 0 ? m->round + 1 : m->round;
    r.category = (uint32_t)rand_r(seed) % (CATEGORIES - (rand_r(seed) % 10 > 0 ? 10 : 0));
    uint32_t bound = m->items[r.category] + 2, n = 1 + (uint32_t)rand_r(seed) % (SETS - 1);
    uint32_t items[SETS];
    for (uint32_t i = 0; i < n; i++)
        items[i] = (uint32_t)rand_r(seed) % bound;
    qsort(items, n, sizeof(items[0]), ascending);
    for (uint32_t i = 0; i < n; i++)
        if (r.count == 0 || r.items[r.count - 1] != items[i])
            r.items[r.count++] = items[i];
    return r;
}

struct segment {
    uint64_t hi;
    struct catalog_mark from, to;
};

static int store_series(void *arg, const struct storage_series *series)
{
    fail();
    return 0;
}

/* The owner applies the log, cuts it into segments, and stores these when it comes to it: one of
 * them holds what had been named, doomed and forgotten by its end, whatever came since. */
static void flush(struct catalog *owner, struct stored *s, const struct segment *segment)
{
    const struct catalog_changes changes = {store_name, store_text, store_doom, store_series, s};
    assert_int_equal(catalog_changes(owner, segment->from, segment->to, &changes), 0);
    catalog_forget_changes(owner, segment->to);
    s->next = segment->hi;
}

static void play(unsigned seed)
{
    struct stored *stored = calloc(1, sizeof(*stored));
    struct model *model = calloc(1, sizeof(*model));
    struct record *log = calloc(RECORDS, sizeof(*log));
    struct segment segments[64];
    struct catalog *owner, *other = NULL;
    uint32_t sealed = 0;
    assert_true(stored != NULL && model != NULL && log != NULL);
    assert_int_equal(catalog_create(1, &owner), 0);
    struct catalog_mark from = catalog_mark(owner);
    uint64_t at = 0;
    for (uint32_t i = 0; i < RECORDS; i++) {
        log[i] = random_record(model, &seed);
        struct catalog_series s = apply(owner, &log[i]);
        model_apply(model, &log[i], s);
        if (other != NULL) {
            struct catalog_series t = apply(other, &log[i]);
            assert_memory_equal(&s, &t, sizeof(s));
        }
        if (rand_r(&seed) % 15 == 0 && sealed < 64) {
            segments[sealed++] = (struct segment){i + 1, from, catalog_mark(owner)};
            from = segments[sealed - 1].to;
        }
        if (rand_r(&seed) % 40 == 0 && sealed > 0) {
            flush(owner, stored, &segments[0]);
            memmove(segments, segments + 1, --sealed * sizeof(segments[0]));
        }
        if (rand_r(&seed) % 20 == 0)
            catalog_tidy(owner);
        if (rand_r(&seed) % 60 == 0) { /* a process begins: what is stored, then the log */
            catalog_unref(&other);
            other = load(stored);
            for (at = stored->next; at <= i; at++)
                (void)apply(other, &log[at]);
            assert_like_model(other, model);
            assert_int_equal(catalog_round(other), model->round);
        }
        if (rand_r(&seed) % 30 == 0)
            assert_like_model(owner, model);
        if (rand_r(&seed) % 200 == 0 && stored->next <= i) { /* a takeover, or a crash */
            catalog_unref(&owner);
            owner = load(stored);
            from = catalog_mark(owner);
            sealed = 0;
            for (at = stored->next; at <= i; at++)
                (void)apply(owner, &log[at]);
            assert_like_model(owner, model);
        }
    }
    assert_like_model(owner, model);
    catalog_unref(&owner);
    catalog_unref(&other);
    VEC_FINI(&stored->dooms);
    free(stored);
    free(model);
    free(log);
}

static void test_ids_are_a_function_of_the_log(void **state)
{
    (void)state;
    const char *seeds = getenv("LONGTAIL_TEST_SEEDS");
    unsigned rounds = seeds != NULL ? (unsigned)atoi(seeds) : 40;
    for (unsigned seed = 1; seed <= rounds; seed++)
        play(seed);
}

/* ---- memory ---- */

enum { MANY = 200000 };

static void digest(uint32_t i, char *out, size_t size, bool text)
{
    uint64_t x = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
    snprintf(out, size, text ? "q.%016llx.T%u" : "q.%016llx.t", (unsigned long long)x, i % 3);
}

static struct catalog *many(uint32_t *ids)
{
    struct catalog *c;
    char metric[64];
    assert_int_equal(catalog_create(1, &c), 0);
    assert_int_equal(catalog_add_rule(c, SLICE_LIT("w.*"), KIND_DELTA, 0), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        struct catalog_series s;
        bool changed;
        if (i % 4 == 3)
            snprintf(metric, sizeof(metric), "w.some words %u.t", i);
        else
            digest(i, metric, sizeof(metric), false);
        assert_int_equal(catalog_resolve(c, slice_str(metric), &s), 0);
        catalog_seen(c, s.category, s.item, INT64_C(3600000) * i);
        ids[i] = s.item;
        if (i % 10 == 0)
            assert_int_equal(catalog_set_text(c, name_split_metric(slice_str(metric)).stem,
                                              SLICE_LIT("a text of some length"), &changed),
                             0);
    }
    return c;
}

/* Every other item goes, in turn of all in a row: half of the memory comes back, and what stays is
 * as it was. */
static void forget_half(struct catalog *c, const uint32_t *ids, bool striped)
{
    static uint32_t items[2][MANY];
    uint32_t counts[2] = {0}, forgotten, all = 0;
    for (uint32_t i = 0; i < MANY; i++)
        if (striped ? i / 4 % 2 == 0 : i < MANY / 2)
            items[i % 4 == 3][counts[i % 4 == 3]++] = ids[i];
    for (uint32_t category = 0; category < 2; category++) {
        assert_int_equal(catalog_doom(c, 1, category, items[category], counts[category]), 0);
        assert_int_equal(
            catalog_forget(c, 1, category, items[category], counts[category], &forgotten), 0);
        all += forgotten;
    }
    assert_int_equal(all, MANY / 2);
    catalog_tidy(c); /* nothing: storage does not know yet */
    char name[NAME_BYTES_MAX];
    assert_int_equal(catalog_item_name(c, 0, items[0][7], name).n, 0);
    catalog_forget_changes(c, catalog_mark(c));
    catalog_tidy(c);
}

static void check_half(struct catalog *c, const uint32_t *ids, bool striped)
{
    static uint32_t first_h[CATALOG_SEEN_ITEMS], last_h[CATALOG_SEEN_ITEMS];
    uint64_t *bits = calloc(MANY / 64 + 1, sizeof(*bits));
    uint32_t page = UINT32_MAX;
    assert_int_equal(catalog_match(c, 1, SLICE_LIT("WORDS 1"), MANY, bits), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        bool gone = striped ? i / 4 % 2 == 0 : i < MANY / 2;
        char metric[80], words[64];
        struct catalog_series s;
        snprintf(words, sizeof(words), "some words %u", i);
        if (i % 4 == 3)
            snprintf(metric, sizeof(metric), "w.%s.t", words);
        else
            digest(i, metric, sizeof(metric), false);
        assert_int_equal(catalog_find_series(c, slice_str(metric), &s), !gone);
        if (i % 4 == 3)
            assert_int_equal(bit(bits, ids[i]), !gone && strstr(words, "words 1") != NULL);
        if (gone)
            continue;
        assert_int_equal(s.item, ids[i]);
        if (i % 4 == 3 || i % 997 != 0)
            continue;
        page = ids[i] / CATALOG_SEEN_ITEMS;
        (void)catalog_seen_page(c, s.category, page, first_h, last_h, NULL);
        assert_int_equal(first_h[ids[i] % CATALOG_SEEN_ITEMS], i);
        assert_int_equal(last_h[ids[i] % CATALOG_SEEN_ITEMS], i);
    }
    free(bits);
}

static void memory_comes_back(bool striped)
{
    uint32_t *ids = calloc(MANY, sizeof(*ids));
    struct catalog *c = many(ids);
    catalog_forget_changes(c, catalog_mark(c));
    size_t before = catalog_bytes(c);
    forget_half(c, ids, striped);
    size_t after = catalog_bytes(c);
    assert_true(after < before * 2 / 3); /* lists of texts keep their length */
    check_half(c, ids, striped);
    /* The same names again: new ids behind all others. */
    uint64_t live = catalog_items(c);
    assert_int_equal(live, MANY / 2);
    struct catalog_series s;
    char metric[64];
    digest(0, metric, sizeof(metric), false);
    assert_int_equal(catalog_resolve(c, slice_str(metric), &s), 0);
    assert_int_equal(s.item, MANY / 4 * 3);
    free(ids);
    catalog_unref(&c);
}

static void test_memory_comes_back(void **state)
{
    (void)state;
    memory_comes_back(true);
    memory_comes_back(false);
}

/* ---- readers beside ---- */

struct shared {
    struct catalog *catalog;
    _Atomic bool stop;
};

static void *read_all_the_time(void *arg)
{
    struct shared *shared = arg;
    static uint32_t first_h[CATALOG_SEEN_ITEMS], last_h[CATALOG_SEEN_ITEMS];
    uint64_t bits[CATALOG_PAGE_WORDS], doomed[CATALOG_PAGE_WORDS];
    struct buffer text;
    buffer_init(&text, 1 << 16);
    for (uint32_t i = 0; !atomic_load(&shared->stop); i++) {
        char name[NAME_BYTES_MAX];
        struct slice got = catalog_item_name(shared->catalog, 0, i % 5000, name);
        if (got.n != 0 && got.n != 8) /* its own, or none */
            abort();
        buffer_reset(&text, SIZE_MAX);
        catalog_item_text(shared->catalog, 0, i % 5000, &text);
        if (text.len != 0 && text.len != 8)
            abort();
        if (i % 500 == 0) {
            (void)catalog_seen_page(shared->catalog, 0, 0, first_h, last_h, NULL);
            (void)catalog_fate_page(shared->catalog, 0, 0, bits, doomed);
            catalog_seen_since(shared->catalog, 0, (const uint32_t[]){1, 2, 4999}, 3, 9);
            if (catalog_match(shared->catalog, 0, SLICE_LIT("5a"), 4096, bits) != 0)
                abort();
        }
    }
    buffer_fini(&text);
    return NULL;
}

/* For the thread sanitizer. */
static void test_readers_beside_the_writer(void **state)
{
    (void)state;
    struct shared shared = {0};
    pthread_t reader;
    assert_int_equal(catalog_create(1, &shared.catalog), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, &shared), 0);
    for (uint32_t round = 1; round <= 60; round++) {
        uint32_t items[200], count = 0, forgotten;
        for (uint32_t i = 0; i < 200; i++) {
            char metric[64], text[16];
            struct catalog_series s;
            bool changed;
            snprintf(text, sizeof(text), "%08x", round * 100 + i);
            snprintf(metric, sizeof(metric), "%s.t", text);
            assert_int_equal(catalog_resolve(shared.catalog, slice_str(metric), &s), 0);
            assert_int_equal(
                catalog_set_text(shared.catalog, slice_str(text), slice_str(text), &changed), 0);
            catalog_seen(shared.catalog, s.category, s.item, INT64_C(3600000) * i);
            if (i % 2 == 0 && (count == 0 || items[count - 1] < s.item))
                items[count++] = s.item;
        }
        assert_int_equal(catalog_doom(shared.catalog, round, 0, items, count), 0);
        assert_int_equal(catalog_forget(shared.catalog, round, 0, items, count, &forgotten), 0);
        assert_int_equal(forgotten, count);
        catalog_forget_changes(shared.catalog, catalog_mark(shared.catalog));
        catalog_tidy(shared.catalog);
    }
    atomic_store(&shared.stop, true);
    pthread_join(reader, NULL);
    catalog_unref(&shared.catalog);
}

/* ---- many at once ---- */

static bool same_series(const struct catalog_series *a, const struct catalog_series *b)
{
    return a->category == b->category && a->item == b->item && a->dimension == b->dimension &&
           a->collector == b->collector;
}

static int find_spared(void *arg, const struct storage_doom *doom)
{
    *(uint32_t *)arg += doom->what == STORAGE_SPARED ? doom->count : 0;
    return 0;
}

static int skip_name(void *arg, const struct storage_name *name)
{
    return 0;
}

static uint32_t count_spared(struct catalog *c)
{
    uint32_t spared = 0;
    const struct catalog_changes changes = {.name = skip_name, .doom = find_spared, .arg = &spared};
    struct catalog_mark end = catalog_mark(c);
    assert_int_equal(catalog_changes(c, (struct catalog_mark){0}, end, &changes), 0);
    return spared;
}

/* Whether metrics come one by one or by the hundred, twice in one call or new and doomed among
 * those that are known: the ids and the journal are the same. */
static void test_many_at_once_are_as_one_by_one(void **state)
{
    enum { TURNS = 400, METRICS = 150, METRIC_BYTES = 64 };
    (void)state;
    unsigned seed = 29;
    struct catalog *one, *many;
    assert_int_equal(catalog_create(1, &one), 0);
    assert_int_equal(catalog_create(1, &many), 0);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        static char texts[METRICS][METRIC_BYTES];
        struct slice metrics[METRICS];
        struct catalog_series series[METRICS];
        uint32_t count = (uint32_t)rand_r(&seed) % (METRICS + 1);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t name = (uint32_t)rand_r(&seed) % (20 + turn * 10);
            metric_of(name, texts[i], sizeof(texts[i]));
            metrics[i] = slice_str(texts[i]);
            if (rand_r(&seed) % 8 == 0) /* and without its dimension */
                metrics[i].n -= 2;
        }
        uint32_t doomed = (uint32_t)rand_r(&seed) % 40;
        (void)!catalog_doom(one, 1 + turn / 7, turn % 3, &doomed, 1);
        (void)!catalog_doom(many, 1 + turn / 7, turn % 3, &doomed, 1);
        assert_int_equal(catalog_resolve_all(many, metrics, count, series), 0);
        for (uint32_t i = 0; i < count; i++) {
            struct catalog_series s;
            assert_int_equal(catalog_resolve(one, metrics[i], &s), 0);
            assert_true(same_series(&s, &series[i]));
        }
        struct catalog_mark a = catalog_mark(one), b = catalog_mark(many);
        assert_int_equal(a.names, b.names);
        assert_int_equal(a.dooms, b.dooms);
    }
    assert_true(catalog_items(one) > 1000);
    assert_true(count_spared(one) > 10);
    assert_int_equal(count_spared(one), count_spared(many));
    catalog_unref(&one);
    catalog_unref(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_a_function_of_the_log),
        cmocka_unit_test(test_many_at_once_are_as_one_by_one),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_readers_beside_the_writer),
    };
    return cmocka_run_group_tests_name("forget", tests, NULL, NULL);
}
