#include "query/match.h"

#include "base/error.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "catalog/match.h"
#include "model/name.h"
#include "query/gather.h"

#include <stdlib.h>

enum { KEY_BYTES_MAX = 2 * NAME_BYTES_MAX + 1, CHECK_EVERY = 1024 };

struct found {
    struct catalog_key key;
    bool declared;
};

struct matching {
    struct read *read;
    struct catalog *catalog;
    struct catalog_match *match;
    struct scratch *memory;
    VEC(struct found) found;
};

/* ---- who ---- */

static int add(struct matching *m, const struct catalog_key *key, bool declared)
{
    int err = SCRATCH_RESERVE(m->read->guard, &m->found, 1);
    if (err == 0)
        m->found.v[m->found.n++] = (struct found){*key, declared};
    return err;
}

static int add_declared(void *arg, const struct catalog_key *keys, uint32_t count)
{
    struct matching *m = arg;
    int err = read_guard_check(m->read->guard);
    for (uint32_t i = 0; err == 0 && i < count; i++)
        err = add(m, &keys[i], true);
    return err;
}

static int add_implicit(struct matching *m)
{
    struct gather_filter filter = {0};
    struct gathered gathered = {0};
    struct catalog_declared declared;
    bool narrow = catalog_match_categories(m->match, &filter.categories, &filter.categories_count);
    narrow |= catalog_match_hosts(m->match, &filter.hosts, &filter.hosts_count);
    narrow |= catalog_match_items(m->match, &filter.items, &filter.items_count);
    (void)catalog_match_dimensions(m->match, &filter.dimensions, &filter.dimensions_count);
    uint64_t items = catalog_items(m->catalog);
    if (!narrow && items > GATHER_ITEMS_MAX) {
        read_why(
            m->read,
            "this environment has %llu items, and this filter means any of them, where at most "
            "%d can be looked through: add a filter host=, metric=, item=, category= or a declared "
            "label",
            (unsigned long long)items, GATHER_ITEMS_MAX);
        return LT_EINVALID;
    }
    int err = gather_run(m->read, &filter, &gathered);
    for (uint32_t i = 0; err == 0 && i < gathered.entries.n; i++) {
        const struct catalog_key key = read_key_of(&gathered.entries.v[i].series);
        if (!catalog_declared_at(m->catalog, &key, &declared) &&
            catalog_match_implicit(m->match, &key))
            err = add(m, &key, false);
        if (err == 0 && i % CHECK_EVERY == 0)
            err = read_guard_check(m->read->guard);
    }
    gather_free(m->read, &gathered);
    return err;
}

/* ---- what they are ---- */

static int take_labels(struct matching *m, const struct catalog_key *key, struct buffer *body,
                       struct match *out)
{
    struct label labels[SETTINGS_LABELS_MAX];
    buffer_reset(body, SIZE_MAX);
    int there = catalog_declared_body(m->catalog, key, body);
    if (there <= 0)
        return there; /* dropped since: it is as one that nobody declared */
    struct slice kept = scratch_copy(m->memory, buffer_slice(body));
    int err = kept.p == NULL ? scratch_error(m->memory)
                             : settings_read(kept, &out->settings, labels, &out->labels_count);
    if (err != 0)
        return err;
    struct label *copy = scratch_take_raw(m->memory, out->labels_count + 1, sizeof(copy[0]));
    if (copy == NULL)
        return scratch_error(m->memory);
    memcpy(copy, labels, out->labels_count * sizeof(copy[0]));
    out->labels = copy;
    out->declared = true;
    return 0;
}

static int describe(struct matching *m, const struct found *found, struct buffer *scratch,
                    struct matches *out)
{
    const struct catalog_key *key = &found->key;
    struct match *to = &out->v[out->count];
    *to = (struct match){.series = read_series_of(key), .settings = settings_none};
    if (!read_put_key(m->catalog, &to->series, &scratch[0], &scratch[1]))
        return 0;
    int err = scratch[0].error != 0 ? scratch[0].error : scratch[1].error;
    if (err != 0)
        return err;
    to->key = scratch_copy(m->memory, buffer_slice(&scratch[1]));
    if (to->key.p == NULL)
        return scratch_error(m->memory);
    out->count++;
    return found->declared ? take_labels(m, key, &scratch[2], to) : 0;
}

static int compare_keys(const void *a, const void *b)
{
    return slice_cmp(((const struct match *)a)->key, ((const struct match *)b)->key);
}

static int describe_all(struct matching *m, struct matches *out)
{
    struct buffer scratch[3];
    for (size_t i = 0; i < ARRAY_LEN(scratch); i++)
        buffer_init(&scratch[i], i < 2 ? KEY_BYTES_MAX : SIZE_MAX);
    out->count = 0;
    out->v = scratch_take_raw(m->memory, (uint64_t)m->found.n + 1, sizeof(out->v[0]));
    int err = out->v == NULL ? scratch_error(m->memory) : 0;
    for (uint32_t i = 0; err == 0 && i < m->found.n; i++) {
        err = describe(m, &m->found.v[i], scratch, out);
        if (err == 0 && i % CHECK_EVERY == 0)
            err = read_guard_check(m->read->guard);
    }
    for (size_t i = 0; i < ARRAY_LEN(scratch); i++)
        buffer_fini(&scratch[i]);
    if (err == 0)
        qsort(out->v, out->count, sizeof(out->v[0]), compare_keys);
    return err;
}

int match_read(struct read *read, const struct slice *filters, uint32_t count,
               struct scratch *memory, struct matches *out)
{
    struct matching m = {.read = read, .catalog = read_catalog(read), .memory = memory};
    struct filter filter = {0};
    const char *why;
    int err = count > 0 ? filter_parse(&read->scratch.arena, filters, count, &filter, &why) : 0;
    if (err == 0)
        err = catalog_match_create(m.catalog, &filter, &m.match);
    if (err != 0)
        return err;
    err = catalog_match_declared(m.match, add_declared, &m);
    if (err == 0 && catalog_match_has_implicit(m.match))
        err = add_implicit(&m);
    if (err == 0)
        err = describe_all(&m, out);
    catalog_match_destroy(&m.match);
    SCRATCH_FREE(read->guard, &m.found);
    return err;
}

/* ---- labels ---- */

static struct slice implied_value(struct read *read, const struct match *match, enum implied what,
                                  char item[NAME_BYTES_MAX])
{
    struct catalog *catalog = read_catalog(read);
    struct catalog_category category = {.name = SLICE_LIT("")};
    struct slice host, metric;
    name_split_key(match->key, &host, &metric);
    switch (what) {
    case IMPLIED_HOST:
        return host;
    case IMPLIED_METRIC:
        return metric;
    case IMPLIED_CATEGORY:
        (void)catalog_category_at(catalog, match->series.category, &category);
        return category.name;
    case IMPLIED_ITEM:
        return catalog_item_name(catalog, match->series.category, match->series.item, item);
    case IMPLIED_DIMENSION:
        return catalog_dimension_name(catalog, match->series.dimension);
    case IMPLIED_NONE:
        break;
    }
    return SLICE_LIT("");
}

int match_label(struct read *read, const struct match *match, struct slice label,
                struct scratch *memory, struct slice *out)
{
    char item[NAME_BYTES_MAX];
    *out = (struct slice){0};
    for (uint32_t i = 0; i < match->labels_count; i++) {
        if (slice_eq(match->labels[i].name, label)) {
            *out = match->labels[i].value;
            return 0;
        }
    }
    struct slice value = implied_value(read, match, implied_find(label), item);
    if (value.n == 0)
        return 0;
    *out = scratch_copy(memory, value);
    return out->p == NULL ? scratch_error(memory) : 0;
}

int match_shown(struct read *read, const struct match *match, const struct label **labels_out,
                uint32_t *count_out)
{
    const struct query_spec *spec = read->spec;
    struct scratch *memory = &read->answer->memory;
    *labels_out = match->labels;
    *count_out = spec->with_labels ? match->labels_count : 0;
    if (spec->selected_count == 0)
        return 0;
    struct label *labels = scratch_take(memory, spec->selected_count, sizeof(*labels));
    int err = labels == NULL ? scratch_error(memory) : 0;
    for (uint32_t i = 0; i < spec->selected_count && err == 0; i++) {
        labels[i].name = scratch_copy(memory, spec->selected[i]);
        err = labels[i].name.p == NULL
                  ? scratch_error(memory)
                  : match_label(read, match, spec->selected[i], memory, &labels[i].value);
    }
    *labels_out = labels;
    *count_out = spec->selected_count;
    return err;
}

/* ---- TS.QUERYINDEX ---- */

int index_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct scratch *memory = &read->answer->memory;
    struct result_list *out = &read->answer->result.list;
    struct matches matches;
    int err = match_read(read, spec->filters, spec->filters_count, memory, &matches);
    if (err != 0)
        return err;
    struct slice *keys = scratch_take_raw(memory, (uint64_t)matches.count + 1, sizeof(keys[0]));
    if (keys == NULL)
        return scratch_error(memory);
    for (uint32_t i = 0; i < matches.count; i++)
        keys[i] = matches.v[i].key;
    out->keys = keys;
    out->count = matches.count;
    return 0;
}

/* ---- TS.QUERYLABELS ---- */

struct texts {
    struct read *read;
    VEC(struct slice) texts;
};

static int add_text(struct texts *t, struct slice text)
{
    int err = SCRATCH_RESERVE(t->read->guard, &t->texts, 1);
    if (err == 0)
        t->texts.v[t->texts.n++] = text;
    return err;
}

static int compare_texts(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int keep_distinct(struct texts *t)
{
    struct scratch *memory = &t->read->answer->memory;
    struct result_list *out = &t->read->answer->result.list;
    struct slice *keys = scratch_take_raw(memory, (uint64_t)t->texts.n + 1, sizeof(keys[0]));
    if (keys == NULL)
        return scratch_error(memory);
    if (t->texts.n > 0)
        qsort(t->texts.v, t->texts.n, sizeof(t->texts.v[0]), compare_texts);
    for (uint32_t i = 0; i < t->texts.n; i++)
        if (i == 0 || !slice_eq(t->texts.v[i], t->texts.v[i - 1]))
            keys[out->count++] = t->texts.v[i];
    out->keys = keys;
    return 0;
}

static int take_texts(struct texts *t, const struct matches *matches)
{
    struct read *read = t->read;
    bool values = read->spec->label.n > 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < matches->count; i++) {
        const struct match *m = &matches->v[i];
        struct slice value;
        for (uint32_t j = 0; err == 0 && !values && j < m->labels_count; j++)
            err = add_text(t, m->labels[j].name);
        if (err != 0 || !values)
            continue;
        err = match_label(read, m, read->spec->label, &read->answer->memory, &value);
        if (err == 0 && value.p != NULL)
            err = add_text(t, value);
    }
    return err;
}

static int take_declared(void *arg, struct slice text)
{
    struct texts *t = arg;
    struct slice copy = scratch_copy(&t->read->answer->memory, text);
    return copy.p == NULL ? scratch_error(&t->read->answer->memory) : add_text(t, copy);
}

/* Without a filter the catalog knows: but for the implied labels, which are in no index. */
int labels_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct texts t = {.read = read};
    struct matches matches;
    int err;
    if (spec->filters_count == 0 && implied_find(spec->label) == IMPLIED_NONE) {
        err = catalog_label_texts(read_catalog(read), spec->label, take_declared, &t);
    } else {
        err = match_read(read, spec->filters, spec->filters_count, &read->answer->memory, &matches);
        if (err == 0)
            err = take_texts(&t, &matches);
    }
    if (err == 0)
        err = keep_distinct(&t);
    SCRATCH_FREE(read->guard, &t.texts);
    return err;
}
