#include "query/read.h"

#include "catalog/declared.h"
#include "query/fold.h"
#include "query/rules.h"

/* Which of some keys are there: are declared, or have a point. The catalog alone cannot tell: it
 * knows hosts and metrics, not which of them have met; and a series that nobody declared and whose
 * points were all deleted is not there. */

/* ---- in the head or in tables ---- */

static int stop_at_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    return 1;
}

int read_has_points(struct read *read, const struct fold_series *series)
{
    int64_t from_ms[READ_WINDOWS];
    int found = 0;
    read_recent(from_ms);
    for (size_t i = 0; i < READ_WINDOWS && found == 0; i++)
        found = fold_one(&read->source, series, from_ms[i], INT64_MAX, false, stop_at_point, NULL);
    return found;
}

/* ---- in the head ---- */

struct in_memory {
    const struct fold_series *series;
    uint64_t points;
};

static int count_points(void *arg, const struct block *block)
{
    struct in_memory *tally = arg;
    const struct fold_series *series = tally->series;
    if (!fold_may_hold(block, series))
        return 0;
    for (uint32_t i = 0; i < block->count; i++)
        tally->points += block->items[i] == series->item;
    return 0;
}

static int count_in_memory(struct read *read, const struct fold_series *series, uint64_t *out)
{
    struct in_memory tally = {.series = series};
    struct block_filter filter = fold_filter_of(series, 0, INT64_MAX);
    int err = 0;
    for (int fresh = 0; fresh < 2 && err == 0; fresh++) {
        filter.fresh = fresh == 1;
        err = head_scan(read->head, read->source.view, read->source.bounds.lo, &filter,
                        count_points, &tally);
    }
    *out = tally.points;
    return err;
}

/* ---- in the catalog ---- */

bool read_declared(struct read *read, const struct fold_series *series,
                   struct catalog_declared *out)
{
    const struct catalog_key key = read_key_of(series);
    return catalog_declared_at(read_catalog(read), &key, out);
}

static void note_declared(struct read *read, const struct fold_series *series,
                          struct result_key *out)
{
    struct catalog_declared declared;
    out->settings = settings_none;
    out->declared = read_declared(read, series, &declared);
    if (!out->declared)
        return;
    out->created = declared.created;
    out->settings = declared.settings;
}

/* ---- rules: that of which it is the destination, and those of which it is the source ---- */

struct destination {
    struct fold_series series;
    struct result_rule rule;
};

struct destinations {
    struct read *read;
    struct {
        struct destination *v;
        uint32_t n, cap;
    } found;
};

static int add_destination(void *arg, const struct catalog_key *key, struct slice bytes)
{
    struct destinations *d = arg;
    struct rule rule;
    int err = rule_read(bytes, &rule);
    if (err == 0)
        err = SCRATCH_RESERVE(d->read->guard, &d->found, 1);
    if (err == 0)
        d->found.v[d->found.n++] =
            (struct destination){.series = read_series_of(key),
                                 .rule = {.aggregator = (enum aggregator)rule.aggregator,
                                          .bucket_ms = rule.bucket_ms,
                                          .align_ms = rule.align_ms}};
    return err;
}

static int name_destination(struct read *read, struct destination *d)
{
    struct scratch *memory = &read->answer->memory;
    struct buffer stem, key;
    buffer_init(&stem, SIZE_MAX);
    buffer_init(&key, SIZE_MAX);
    (void)read_put_key(read_catalog(read), &d->series, &stem, &key);
    int err = stem.error != 0 ? stem.error : key.error;
    d->rule.destination = scratch_copy(memory, buffer_slice(&key));
    buffer_fini(&stem);
    buffer_fini(&key);
    return err == 0 && d->rule.destination.p == NULL ? scratch_error(memory) : err;
}

static int note_destinations(struct read *read, const struct catalog_key *key,
                             struct result_key *out)
{
    struct scratch *memory = &read->answer->memory;
    struct destinations d = {.read = read};
    int err = catalog_rules_of(read_catalog(read), key, add_destination, &d);
    struct result_rule *rules = NULL;
    if (err == 0 && d.found.n > 0) {
        rules = scratch_take(memory, d.found.n, sizeof(*rules));
        err = rules == NULL ? scratch_error(memory) : 0;
    }
    for (uint32_t i = 0; i < d.found.n && err == 0; i++) {
        err = name_destination(read, &d.found.v[i]);
        rules[i] = d.found.v[i].rule;
    }
    out->rules = rules;
    out->rules_count = d.found.n;
    SCRATCH_FREE(read->guard, &d.found);
    return err;
}

static int note_rules(struct read *read, const struct fold_series *series, struct result_key *out)
{
    const struct catalog_key key = read_key_of(series);
    struct scratch *memory = &read->answer->memory;
    int err = out->declared ? note_destinations(read, &key, out) : 0;
    if (err != 0 || !out->declared || (out->settings.given & SETTINGS_RULE) == 0)
        return err;
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    int found = catalog_rule(read_catalog(read), &key, &bytes);
    if (found > 0) {
        out->settings.rule = scratch_copy(memory, buffer_slice(&bytes));
        found = out->settings.rule.p == NULL ? scratch_error(memory) : 1;
    }
    buffer_fini(&bytes);
    return found < 0 ? found : 0;
}

/* ---- all of it ---- */

static void widen(struct result_info *out, int64_t time_ms)
{
    out->first_ms = out->points == 0 || time_ms < out->first_ms ? time_ms : out->first_ms;
    out->last_ms = out->points == 0 || time_ms > out->last_ms ? time_ms : out->last_ms;
    out->points++;
}

static int widen_by(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    widen(arg, time_ms);
    return 0;
}

/* A destination has its own points and its rule's rows, some of them at the same times. */
static int measure_ruled(struct rules *rules, const struct fold_series *series, int64_t from_ms,
                         struct result_info *out)
{
    struct samples s = samples_of(rules->read, 1);
    s.spec.from_ms = from_ms;
    s.spec.last_ms = INT64_MAX;
    int err = samples_over(&s, series);
    if (err == 0)
        err = samples_collect(&s);
    if (err == 0)
        err = rules_compute(rules, from_ms, INT64_MAX, false);
    if (err == 0)
        err = rules_merge_points(rules->read->guard, &rules->v[0].points, &s.series[0].points);
    for (uint32_t i = 0; err == 0 && i < s.series[0].points.n; i++)
        widen(out, s.series[0].points.v[i].time_ms);
    samples_release(&s);
    return err;
}

static int measure(struct read *read, struct rules *rules, const struct fold_series *series,
                   int64_t from_ms, struct result_info *out)
{
    out->points = 0;
    out->first_ms = out->last_ms = 0;
    return rules->count > 0
               ? measure_ruled(rules, series, from_ms, out)
               : fold_one(&read->source, series, from_ms, INT64_MAX, false, widen_by, out);
}

static int take_labels(struct read *read, const struct fold_series *series, struct result_info *out)
{
    const struct catalog_key key = read_key_of(series);
    struct scratch *memory = &read->answer->memory;
    struct label *labels = scratch_take(memory, SETTINGS_LABELS_MAX, sizeof(labels[0]));
    struct buffer body;
    if (labels == NULL)
        return scratch_error(memory);
    buffer_init(&body, SIZE_MAX);
    int found = catalog_declared_body(read_catalog(read), &key, &body);
    struct slice kept = scratch_copy(memory, buffer_slice(&body));
    buffer_fini(&body);
    if (found < 0 || kept.p == NULL)
        return found < 0 ? found : scratch_error(memory);
    out->labels = labels;
    return found == 0 ? 0 : settings_read(kept, &out->key.settings, labels, &out->labels_count);
}

static int take_declaration(struct read *read, const struct rules *own,
                            const struct fold_series *series, struct result_info *out)
{
    struct scratch *memory = &read->answer->memory;
    int err = take_labels(read, series, out);
    if (err == 0 && own->count > 0) {
        out->source_key = scratch_copy(memory, own->v[0].rule.source);
        err = out->source_key.p == NULL ? scratch_error(memory) : 0;
    }
    return err;
}

int info_read(struct read *read)
{
    struct result_info *out = &read->answer->result.info;
    struct fold_series series;
    struct rules rules = {.read = read};
    if (!read_find_series(read, read->spec->keys[0], &series))
        return 0;
    out->name = scratch_copy(&read->answer->memory, read->spec->keys[0]);
    if (out->name.p == NULL)
        return scratch_error(&read->answer->memory);
    note_declared(read, &series, &out->key);
    int err = note_rules(read, &series, &out->key);
    if (err == 0)
        err = rules_find(read, &series, 1, &rules);
    if (err == 0)
        err = measure(read, &rules, &series, 0, out);
    out->key.known = out->key.declared || out->points > 0;
    int64_t retention_ms = out->key.settings.retention_ms;
    if (err == 0 && retention_ms > 0 && out->last_ms - out->first_ms > retention_ms)
        err = measure(read, &rules, &series, out->last_ms - retention_ms, out);
    if (err == 0)
        err = count_in_memory(read, &series, &out->key.points_in_memory);
    if (err == 0 && out->key.declared)
        err = take_declaration(read, &rules, &series, out);
    rules_free(&rules);
    return err;
}

/* ---- several keys ---- */

/* declared_only: from the catalog alone. */
static int read_keys(struct read *read, bool declared_only)
{
    const struct query_spec *spec = read->spec;
    struct scratch *memory = &read->answer->memory;
    struct result_keys *out = &read->answer->result.keys;
    struct result_key *keys = scratch_take(memory, spec->keys_count, sizeof(keys[0]));
    int err = keys == NULL ? scratch_error(memory) : 0;
    for (uint32_t i = 0; i < spec->keys_count && err == 0; i++) {
        struct fold_series series;
        if (!read_find_series(read, spec->keys[i], &series))
            continue;
        note_declared(read, &series, &keys[i]);
        err = note_rules(read, &series, &keys[i]);
        if (err != 0)
            break;
        int found =
            keys[i].declared || declared_only ? keys[i].declared : read_has_points(read, &series);
        keys[i].known = found > 0;
        if (found > 0 && !declared_only)
            found = count_in_memory(read, &series, &keys[i].points_in_memory);
        err = found < 0 ? found : 0;
    }
    out->keys = keys;
    out->count = spec->keys_count;
    return err;
}

int declared_read(struct read *read)
{
    return read_keys(read, true);
}

int exists_read(struct read *read)
{
    return read_keys(read, false);
}
