#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/declared.h"
#include "catalog/forget.h"
#include "catalog/support_declared.h"
#include "model/name.h"
#include "model/rule.h"
#include "port/storage_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Declared series: whoever loads at any offset and applies the log from there holds what the others
 * hold; filters find what a list of labels says; and no item of a declared series is forgotten. */

enum {
    HOSTS = 3,
    METRICS = 24,
    KEYS = HOSTS * METRICS,
    RECORDS = 2500,
    CATEGORIES = 40,
    SETS = 8,
    LABEL_NAMES = 4,
    LABEL_VALUES = 5,
};

/* ---- names ---- */

static struct slice host_of(uint32_t key, char out[16])
{
    return slice_make(out,
                      key / METRICS == 0 ? 0 : (size_t)snprintf(out, 16, "db%u", key / METRICS));
}

static struct slice metric_of(uint32_t key, char out[64])
{
    uint32_t m = key % METRICS;
    if (m % 4 == 3)
        return slice_make(out, (size_t)snprintf(out, 64, "word%u", m));
    return slice_make(out, (size_t)snprintf(out, 64, "host.q.%08x.%s", (m / 2) * 2654435761u | 1,
                                            m % 2 == 0 ? "t" : "n"));
}

/* ---- the log ---- */

enum what { NAME, CREATE, ALTER, EITHER, DROP, DOOM, FORGET };

struct record {
    enum what what;
    uint32_t key;
    struct settings settings; /* whose rule is: */
    struct ruled {
        bool has;        /* else it takes the rule away, where settings.given names one */
        uint32_t source; /* its key */
        uint32_t bucket_ms;
        uint32_t hides; /* a time, 0: nothing */
    } rule;
    uint8_t value[LABEL_NAMES]; /* of a label, 0: it has none */
    uint64_t round;
    uint32_t category, count;
    uint32_t items[SETS];
};

static uint32_t labels_of(const struct record *r, char text[LABEL_NAMES][2][16], struct label *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < LABEL_NAMES; i++) {
        if (r->value[i] == 0)
            continue;
        size_t a = (size_t)snprintf(text[i][0], 16, "l%u", i);
        size_t b = (size_t)snprintf(text[i][1], 16, "v%u", r->value[i]);
        out[n++] = (struct label){slice_make(text[i][0], a), slice_make(text[i][1], b)};
    }
    return n;
}

static void put_key(uint32_t key, struct buffer *out)
{
    char host[16], metric[64];
    struct name_metric m = name_split_metric(metric_of(key, metric));
    buffer_init(out, 256);
    name_join_key(host_of(key, host), m.stem, m.has_dimension, m.dimension, out);
}

static uint64_t moving_of(uint32_t key, bool whole)
{
    struct buffer text;
    put_key(key, &text);
    uint64_t moving = settings_moving(buffer_slice(&text), whole);
    buffer_fini(&text);
    return moving;
}

static void put_rule(const struct ruled *r, struct buffer *out)
{
    struct buffer key;
    put_key(r->source, &key);
    struct rule rule = {.source = buffer_slice(&key),
                        .bucket_ms = r->bucket_ms,
                        .hidden_count = r->hides != 0,
                        .hidden = {{r->hides, r->hides}}};
    assert_int_equal(rule_write(out, &rule), 0);
    buffer_fini(&key);
}

static void apply(struct catalog *c, const struct record *r, uint64_t offset)
{
    char host[16], metric[64], text[LABEL_NAMES][2][16];
    struct label labels[LABEL_NAMES];
    struct slice h = host_of(r->key, host), m = metric_of(r->key, metric);
    uint32_t forgotten, id, count = labels_of(r, text, labels);
    struct catalog_series s;
    struct settings settings = r->settings;
    struct buffer rule;
    buffer_init(&rule, 1024);
    if (r->rule.has)
        put_rule(&r->rule, &rule);
    settings.rule = buffer_slice(&rule);
    switch (r->what) {
    case NAME:
        assert_int_equal(catalog_host(c, h, &id), 0);
        assert_int_equal(catalog_resolve(c, m, &s), 0);
        break;
    case CREATE:
    case ALTER:
    case EITHER:
        assert_int_equal(catalog_declare(c, offset, h, m,
                                         (enum record_series_way)(r->what - CREATE), &settings,
                                         labels, count),
                         0);
        break;
    case DROP:
        assert_int_equal(catalog_drop(c, h, m), 0);
        break;
    case DOOM:
        assert_int_equal(catalog_doom(c, r->round, r->category, r->items, r->count), 0);
        break;
    case FORGET:
        assert_int_equal(catalog_forget(c, r->round, r->category, r->items, r->count, &forgotten),
                         0);
        break;
    }
    buffer_fini(&rule);
}

/* ---- the model: what is declared ---- */

struct model {
    struct {
        bool declared;
        uint64_t created;
        struct settings settings;
        struct ruled rule;
        uint64_t hidden; /* a bit a time */
        uint8_t value[LABEL_NAMES];
    } key[KEYS];
};

static bool is_source(const struct model *m, uint32_t key)
{
    bool found = false;
    for (uint32_t i = 0; i < KEYS; i++)
        found |= m->key[i].declared && m->key[i].rule.has && m->key[i].rule.source == key;
    return found;
}

static void model_rule(struct model *m, uint32_t key, const struct ruled *rule)
{
    struct ruled *now = &m->key[key].rule;
    if (!rule->has) {
        now->has = false;
        m->key[key].hidden = 0;
        return;
    }
    if (!m->key[rule->source].declared || m->key[rule->source].rule.has || rule->source == key ||
        is_source(m, key))
        return;
    if (!now->has) {
        *now = *rule;
        m->key[key].hidden = 0;
    } else if (now->bucket_ms == rule->bucket_ms &&
               m->key[rule->source].settings.moving == moving_of(now->source, true)) {
        now->source = rule->source; /* renamed: it hides what it hid */
        return;
    } else if (now->source != rule->source || now->bucket_ms != rule->bucket_ms) {
        return;
    }
    m->key[key].hidden |= rule->hides != 0 ? UINT64_C(1) << rule->hides : 0;
}

static void model_apply(struct model *m, const struct record *r, uint64_t offset)
{
    bool there = m->key[r->key].declared;
    if (r->what == DROP) {
        m->key[r->key].declared = m->key[r->key].rule.has = false;
        for (uint32_t i = 0; there && i < KEYS; i++)
            if (m->key[i].rule.source == r->key)
                m->key[i].rule.has = false;
    }
    if (r->what < CREATE || r->what > EITHER || (r->what == CREATE && there) ||
        (r->what == ALTER && !there))
        return;
    if (!there) {
        memset(&m->key[r->key], 0, sizeof(m->key[0]));
        m->key[r->key].declared = true;
        m->key[r->key].created = offset;
        m->key[r->key].settings = settings_none;
    }
    if ((r->settings.given & SETTINGS_RULE) != 0)
        model_rule(m, r->key, &r->rule);
    settings_merge(&m->key[r->key].settings, &r->settings);
    if ((r->settings.given & SETTINGS_LABELS) != 0)
        memcpy(m->key[r->key].value, r->value, sizeof(r->value));
}

/* ---- storage ---- */

struct stored_name {
    struct storage_name name;
    char text[64];
    bool gone;
};
struct stored_doom {
    struct storage_doom doom;
    uint32_t items[SETS * 16];
};
struct stored_series {
    struct storage_series series;
    char body[2048];
};
struct stored {
    uint64_t next;
    VEC(struct stored_name) names;
    VEC(struct stored_doom) dooms;
    VEC(struct stored_series) series;
};

static int store_name(void *arg, const struct storage_name *name)
{
    struct stored *s = arg;
    struct stored_name n = {.name = *name};
    memcpy(n.text, name->text.p, name->text.n);
    assert_true(VEC_PUSH(&s->names, n));
    return 0;
}

static int store_text(void *arg, const struct storage_item_text *text)
{
    fail();
    return 0;
}

static int store_doom(void *arg, const struct storage_doom *doom)
{
    struct stored *s = arg;
    struct stored_doom d = {.doom = *doom};
    assert_true(doom->count <= ARRAY_LEN(d.items));
    if (doom->count > 0)
        memcpy(d.items, doom->items, doom->count * sizeof(d.items[0]));
    if (doom->what == STORAGE_DOOM_BEGIN)
        s->dooms.n = 0;
    if (doom->what != STORAGE_FORGOTTEN) {
        assert_true(VEC_PUSH(&s->dooms, d));
        return 0;
    }
    for (uint32_t i = 0; i < s->names.n; i++)
        for (uint32_t j = 0; j < d.doom.count; j++)
            s->names.v[i].gone |= s->names.v[i].name.what == STORAGE_ITEM &&
                                  s->names.v[i].name.scope == d.doom.category &&
                                  s->names.v[i].name.id == d.items[j];
    return 0;
}

static int store_series(void *arg, const struct storage_series *series)
{
    struct stored *s = arg;
    struct stored_series row = {.series = *series};
    uint32_t i = 0;
    while (i < s->series.n && s->series.v[i].series.created != series->created)
        i++;
    if (series->dropped) {
        if (i < s->series.n)
            s->series.v[i] = s->series.v[--s->series.n];
        return 0;
    }
    assert_true(series->body.n <= sizeof(row.body));
    memcpy(row.body, series->body.p, series->body.n);
    if (i < s->series.n)
        s->series.v[i] = row;
    else
        assert_true(VEC_PUSH(&s->series, row));
    return 0;
}

static void load_names(const struct stored *s, struct catalog *c, bool items, uint32_t category)
{
    for (uint32_t i = 0; i < s->names.n; i++) {
        struct storage_name name = s->names.v[i].name;
        name.text = slice_make(s->names.v[i].text, name.text.n);
        if ((name.what == STORAGE_ITEM) != items || (items && name.scope != category))
            continue;
        struct slice text = s->names.v[i].gone ? (struct slice){0} : name.text;
        if (items)
            assert_int_equal(catalog_restore_items(c, category, name.id, &text, 1), 0);
        else
            assert_int_equal(catalog_restore(c, &name), 0);
    }
}

static struct catalog *load(const struct stored *s)
{
    struct catalog *c;
    assert_int_equal(catalog_create(1, &c), 0);
    load_names(s, c, false, 0);
    for (uint32_t category = 0; category < CATEGORIES; category++)
        load_names(s, c, true, category);
    for (uint32_t i = 0; i < s->dooms.n; i++) {
        struct storage_doom doom = s->dooms.v[i].doom;
        doom.items = s->dooms.v[i].items;
        assert_int_equal(catalog_restore_doom(c, &doom), 0);
    }
    for (uint32_t i = 0; i < s->series.n; i++) {
        struct storage_series series = s->series.v[i].series;
        series.body.p = s->series.v[i].body;
        assert_int_equal(catalog_restore_series(c, &series), 0);
    }
    return c;
}

/* ---- comparing ---- */

struct seen_rules {
    const struct model *model;
    uint32_t source;
    struct catalog *catalog;
    uint32_t count;
};

static int see_rule(void *arg, const struct catalog_key *destination, struct slice bytes)
{
    struct seen_rules *seen = arg;
    seen->count++;
    assert_true(bytes.n > 0);
    return 0;
}

static void assert_rules(struct catalog *c, const struct model *m, uint32_t key, bool has)
{
    char host[16], metric[64];
    struct catalog_series s;
    struct seen_rules seen = {.model = m, .source = key, .catalog = c};
    struct catalog_key k = {.host = catalog_find_host(c, host_of(key, host))};
    uint32_t expected = 0;
    if (k.host == CATALOG_NONE || !catalog_find_series(c, metric_of(key, metric), &s))
        return;
    k = (struct catalog_key){k.host, s.category, s.item, s.dimension};
    for (uint32_t i = 0; i < KEYS; i++)
        expected += m->key[i].declared && m->key[i].rule.has && m->key[i].rule.source == key;
    assert_int_equal(catalog_rules_of(c, &k, see_rule, &seen), 0);
    assert_int_equal(seen.count, expected);
    struct buffer bytes;
    struct rule rule;
    buffer_init(&bytes, 4096);
    assert_int_equal(catalog_rule(c, &k, &bytes), m->key[key].declared && m->key[key].rule.has);
    assert_int_equal(has, m->key[key].declared && m->key[key].rule.has);
    if (has) {
        assert_int_equal(rule_read(buffer_slice(&bytes), &rule), 0);
        assert_int_equal(rule.bucket_ms, m->key[key].rule.bucket_ms);
        for (int t = 1; t < 64; t++)
            assert_int_equal(rule_hides(&rule, t), m->key[key].hidden >> t & 1);
    }
    buffer_fini(&bytes);
}

static void assert_declared(struct catalog *c, const struct model *m)
{
    uint32_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        char host[16], metric[64];
        struct catalog_declared got;
        struct settings deciding;
        struct slice h = host_of(key, host), name = metric_of(key, metric);
        bool declared = catalog_declared(c, h, name, &got);
        assert_int_equal(declared, m->key[key].declared);
        assert_int_equal(catalog_deciding(c, h, name, &deciding),
                         declared && settings_decide(&m->key[key].settings));
        count += declared;
        assert_rules(c, m, key, declared && (got.settings.given & SETTINGS_RULE) != 0);
        if (!declared)
            continue;
        got.settings.given &= ~(uint32_t)SETTINGS_RULE;
        assert_true(got.created == m->key[key].created);
        assert_true(settings_same(&got.settings, &m->key[key].settings));
    }
    assert_int_equal(catalog_declared_count(c), count);
}

static void assert_same_fates(struct catalog *a, struct catalog *b)
{
    assert_int_equal(catalog_categories(a), catalog_categories(b));
    assert_true(catalog_items(a) == catalog_items(b));
    for (uint32_t i = 0; i < catalog_categories(a); i++) {
        uint64_t gone[2][CATALOG_PAGE_WORDS], doomed[2][CATALOG_PAGE_WORDS];
        assert_int_equal(catalog_fate_page(a, i, 0, gone[0], doomed[0]),
                         catalog_fate_page(b, i, 0, gone[1], doomed[1]));
        assert_memory_equal(gone[0], gone[1], sizeof(gone[0]));
        assert_memory_equal(doomed[0], doomed[1], sizeof(doomed[0]));
    }
}

static bool is_hit(struct catalog *c, const struct hits *h, uint32_t key)
{
    char host[16], metric[64];
    struct catalog_series s;
    uint32_t id = catalog_find_host(c, host_of(key, host)), found = 0;
    if (!catalog_find_series(c, metric_of(key, metric), &s))
        return false;
    for (uint32_t i = 0; i < h->keys.n; i++)
        found += h->keys.v[i].host == id && h->keys.v[i].category == s.category &&
                 h->keys.v[i].item == s.item && h->keys.v[i].dimension == s.dimension;
    assert_in_range(found, 0, 1);
    return found == 1;
}

/* Which of label's values, as bits; none: has it, or has it not. */
struct condition {
    uint32_t label;
    bool negated;
    uint32_t values;
    bool host; /* the implied one, in place of a label */
};

static bool fits(const struct model *m, uint32_t key, const struct condition *c)
{
    uint32_t value = c->host ? key / METRICS : m->key[key].value[c->label];
    if (c->values == 0)
        return (value != 0) == c->negated;
    return (value != 0 && (c->values >> value & 1) != 0) != c->negated;
}

static size_t write_condition(const struct condition *c, char *out, size_t size)
{
    size_t n = c->host ? (size_t)snprintf(out, size, "host%s=", c->negated ? "!" : "")
                       : (size_t)snprintf(out, size, "l%u%s=", c->label, c->negated ? "!" : "");
    if (c->values == 0)
        return n;
    out[n++] = '(';
    for (uint32_t v = 1; v < 8; v++)
        if ((c->values >> v & 1) != 0)
            n += (size_t)snprintf(out + n, size - n, "%s%u,", c->host ? "db" : "v", v);
    out[n++] = ')';
    return n;
}

static void assert_filters(struct catalog *c, const struct model *m, unsigned *random)
{
    struct condition conditions[3];
    char text[3][64];
    struct slice texts[3];
    uint32_t n = 1 + (uint32_t)rand_r(random) % 3;
    for (uint32_t i = 0; i < n; i++) {
        conditions[i] = (struct condition){
            (uint32_t)rand_r(random) % LABEL_NAMES, i > 0 && rand_r(random) % 2 == 0,
            (uint32_t)rand_r(random) % 64 & ~1u, rand_r(random) % 5 == 0};
        if (i == 0 && conditions[i].values == 0)
            conditions[i].values = 6;
        texts[i] = slice_make(text[i], write_condition(&conditions[i], text[i], sizeof(text[i])));
    }
    struct hits hits = declared_hits(c, texts, n);
    uint32_t expected = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        bool all = m->key[key].declared;
        for (uint32_t i = 0; all && i < n; i++)
            all = fits(m, key, &conditions[i]);
        if (all)
            assert_true(is_hit(c, &hits, key));
        expected += all;
    }
    assert_int_equal(hits.keys.n, expected);
    VEC_FINI(&hits.keys);
}

/* ---- the story ---- */

/* Steps of a RENAME of a source: the new name, and then the rule that follows. */
static void rename_source(const struct model *m, unsigned *random, struct record *r)
{
    uint32_t from = (uint32_t)rand_r(random) % KEYS;
    for (uint32_t i = 0; i < KEYS; i++, from = (from + 1) % KEYS)
        if (m->key[from].declared && m->key[from].rule.has)
            break;
    const struct ruled *rule = &m->key[from].rule;
    if (!rule->has)
        return;
    uint64_t moving = moving_of(rule->source, rand_r(random) % 4 > 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (!m->key[i].declared || m->key[i].settings.moving != moving)
            continue;
        r->what = EITHER;
        r->key = from;
        r->settings.given |= SETTINGS_RULE;
        r->rule = (struct ruled){.has = true, .source = i, .bucket_ms = rule->bucket_ms};
        return;
    }
    r->what = EITHER;
    r->settings.given |= SETTINGS_MOVING;
    r->settings.moving = moving;
}

static struct record random_record(struct catalog *c, const struct model *m, unsigned *random,
                                   uint64_t *round)
{
    struct record r = {.key = (uint32_t)rand_r(random) % KEYS, .settings = settings_none};
    r.what = (enum what)(rand_r(random) % 7);
    if (rand_r(random) % 3 == 0)
        r.what = DOOM;
    if (rand_r(random) % 4 == 0) {
        r.settings.given |= SETTINGS_DUPLICATE;
        r.settings.duplicate = (enum duplicate)(1 + rand_r(random) % 6);
    }
    if (rand_r(random) % 4 == 0) {
        r.settings.given |= SETTINGS_RETENTION;
        r.settings.retention_ms = rand_r(random) % 3;
    }
    if (rand_r(random) % 2 == 0) {
        r.settings.given |= SETTINGS_LABELS;
        for (uint32_t i = 0; i < LABEL_NAMES; i++)
            r.value[i] = (uint8_t)((uint32_t)rand_r(random) % (LABEL_VALUES + 1));
    }
    if (rand_r(random) % 3 == 0) {
        r.settings.given |= SETTINGS_RULE;
        r.rule = (struct ruled){.has = rand_r(random) % 5 > 0,
                                .source = (uint32_t)rand_r(random) % KEYS,
                                .bucket_ms = 1 + (uint32_t)rand_r(random) % 2,
                                .hides = (uint32_t)rand_r(random) % 64};
    }
    if (rand_r(random) % 16 == 0) {
        r.settings.given |= SETTINGS_MOVING;
        r.settings.moving = 0;
    } else if (rand_r(random) % 4 == 0) {
        rename_source(m, random, &r);
    }
    *round += r.what == DOOM && rand_r(random) % 6 == 0;
    r.round = *round;
    uint32_t categories = catalog_categories(c);
    r.category = categories == 0 ? 0 : (uint32_t)rand_r(random) % categories;
    uint32_t id = 0;
    while (r.count < SETS) {
        id += 1 + (uint32_t)rand_r(random) % 3;
        r.items[r.count++] = id - 1;
    }
    return r;
}

static void flush(struct catalog *owner, struct stored *s, struct catalog_mark from,
                  struct catalog_mark to, uint64_t next)
{
    const struct catalog_changes changes = {store_name, store_text, store_doom, store_series, s};
    assert_int_equal(catalog_changes(owner, from, to, &changes), 0);
    catalog_forget_changes(owner, to);
    catalog_tidy(owner);
    s->next = next;
}

static void story(unsigned seed)
{
    static struct record log[RECORDS];
    static struct model models[RECORDS + 1];
    unsigned random = seed;
    uint64_t round = 1, hi = 0;
    struct stored stored = {0};
    struct catalog *owner;
    struct catalog_mark from = {0}, to = {0};
    assert_int_equal(catalog_create(1, &owner), 0);
    memset(&models[0], 0, sizeof(models[0]));
    for (uint32_t i = 0; i < RECORDS; i++) {
        log[i] = random_record(owner, &models[i], &random, &round);
        apply(owner, &log[i], i);
        models[i + 1] = models[i];
        model_apply(&models[i + 1], &log[i], i);
        if (rand_r(&random) % 4 == 0)
            assert_filters(owner, &models[i + 1], &random);
        if (rand_r(&random) % 10 == 0) { /* what was sealed is flushed when more has come */
            flush(owner, &stored, from, to, hi);
            from = to;
            to = catalog_mark(owner);
            hi = i + 1;
        }
        if (i % 100 != 99)
            continue;
        struct catalog *late = load(&stored);
        assert_declared(late, &models[stored.next]);
        for (uint64_t j = stored.next; j <= i; j++)
            apply(late, &log[j], j);
        assert_declared(late, &models[i + 1]);
        assert_declared(owner, &models[i + 1]);
        assert_same_fates(owner, late);
        assert_filters(late, &models[i + 1], &random);
        catalog_unref(&late);
    }
    declared_drop_all(&owner);
    VEC_FINI(&stored.names);
    VEC_FINI(&stored.dooms);
    VEC_FINI(&stored.series);
}

static void test_whoever_loads_holds_the_same(void **state)
{
    for (unsigned seed = 1; seed <= 6; seed++)
        story(seed);
}

/* ---- items ---- */

static void test_items_of_declared_series_are_not_doomed(void **state)
{
    struct catalog *c;
    struct catalog_series s;
    uint32_t forgotten, items[2] = {0, 1};
    uint64_t doomed[CATALOG_PAGE_WORDS];
    assert_int_equal(catalog_create(1, &c), 0);
    assert_int_equal(catalog_resolve(c, SLICE_LIT("q.00000000.t"), &s), 0);
    assert_int_equal(catalog_resolve(c, SLICE_LIT("q.00000001.t"), &s), 0);
    assert_int_equal(catalog_doom(c, 1, s.category, items, 2), 0);
    assert_int_equal(catalog_declare(c, 1, SLICE_LIT("h"), SLICE_LIT("q.00000001.n"),
                                     RECORD_SERIES_CREATE, &settings_none, NULL, 0),
                     0);
    (void)catalog_fate_page(c, s.category, 0, NULL, doomed);
    assert_int_equal(doomed[0], 1); /* its mark is gone */
    assert_int_equal(catalog_doom(c, 2, s.category, items, 2), 0);
    (void)catalog_fate_page(c, s.category, 0, NULL, doomed);
    assert_int_equal(doomed[0], 1);
    assert_int_equal(catalog_forget(c, 2, s.category, items, 2, &forgotten), 0);
    assert_int_equal(forgotten, 1);
    assert_int_equal(catalog_drop(c, SLICE_LIT("h"), SLICE_LIT("q.00000001.n")), 0);
    assert_int_equal(catalog_doom(c, 3, s.category, items, 2), 0);
    assert_int_equal(catalog_forget(c, 3, s.category, items, 2, &forgotten), 0);
    assert_int_equal(forgotten, 1);
    catalog_unref(&c);
}

/* ---- rows ---- */

static void test_rows_that_cannot_be(void **state)
{
    struct catalog *c;
    struct catalog_series s;
    uint32_t host;
    assert_int_equal(catalog_create(1, &c), 0);
    assert_int_equal(catalog_host(c, SLICE_LIT("h"), &host), 0);
    assert_int_equal(catalog_resolve(c, SLICE_LIT("a.t"), &s), 0);
    struct storage_series good = {.created = 5,
                                  .host = host,
                                  .category = s.category,
                                  .item = s.item,
                                  .dimension = s.dimension,
                                  .body = SLICE_LIT("\x01\x00")};
    struct storage_series bad[6];
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].host = 1;
    bad[1].category = 1;
    bad[2].item = 1;
    bad[3].dimension = 9;
    bad[4].body = SLICE_LIT("\x01");
    bad[5].body = SLICE_LIT("\x02\x00");
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(catalog_restore_series(c, &bad[i]), LT_ECORRUPT);
    assert_int_equal(catalog_restore_series(c, &good), 0);
    assert_int_equal(catalog_restore_series(c, &good), LT_ECORRUPT); /* twice */
    catalog_unref(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whoever_loads_holds_the_same),
        cmocka_unit_test(test_items_of_declared_series_are_not_doomed),
        cmocka_unit_test(test_rows_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
