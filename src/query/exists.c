#include "query/read.h"

#include "catalog/declared.h"
#include "query/fold.h"

/* Which of some keys are there: are declared, or have a point. The catalog alone cannot tell: it
 * knows hosts and metrics, not which of them have met; and a series that nobody declared and whose
 * points were all deleted is not there. */

static struct block_filter make_filter(const struct fold_series *series, int64_t from_ms)
{
    return (struct block_filter){.category = series->category,
                                 .dimensions = &series->dimension,
                                 .dimensions_count = 1,
                                 .hosts = &series->host,
                                 .hosts_count = 1,
                                 .items = &series->item,
                                 .items_count = 1,
                                 .from_ms = from_ms,
                                 .to_ms = INT64_MAX};
}

/* ---- in the head or in tables ---- */

static bool select_block(void *arg, const struct block *block)
{
    const struct fold_series *series = arg;
    return block->category == series->category && block->dimension == series->dimension &&
           block->host == series->host;
}

static bool wants_item(void *arg, uint32_t item)
{
    return item == ((const struct fold_series *)arg)->item;
}

static int stop_at_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    return 1;
}

/* Most series that are asked for have a recent point, so that looking there first spares all other
 * tables. */
int read_has_points(struct read *read, struct fold_series *series)
{
    int64_t now_ms = clock_wall_ms();
    const int64_t from_ms[] = {now_ms - 3600 * 1000LL, now_ms - 86400 * 1000LL, 0};
    struct fold_sink sink = {
        .select = select_block, .wants = wants_item, .add = stop_at_point, .arg = series};
    int found = 0;
    for (size_t i = 0; i < ARRAY_LEN(from_ms) && found == 0; i++) {
        struct block_filter filter = make_filter(series, from_ms[i]);
        found = fold_run(&read->source, &filter, &sink);
    }
    return found;
}

/* ---- in the head ---- */

struct tally {
    const struct fold_series *series;
    uint64_t points;
};

static int count_points(void *arg, const struct block *block)
{
    struct tally *tally = arg;
    if (!select_block((void *)tally->series, block))
        return 0;
    for (uint32_t i = 0; i < block->count; i++)
        tally->points += block->items[i] == tally->series->item;
    return 0;
}

static int count_in_memory(struct read *read, const struct fold_series *series, uint64_t *out)
{
    struct tally tally = {.series = series};
    struct block_filter filter = make_filter(series, 0);
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
    const struct catalog_key key = {series->host, series->category, series->item,
                                    series->dimension};
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

int declared_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct scratch *memory = &read->answer->memory;
    struct result_keys *out = &read->answer->result.keys;
    struct result_key *keys = scratch_take(memory, spec->keys_count, sizeof(keys[0]));
    if (keys == NULL)
        return memory->error;
    for (uint32_t i = 0; i < spec->keys_count; i++) {
        struct fold_series series;
        if (read_find_series(read, spec->keys[i], &series))
            note_declared(read, &series, &keys[i]);
        keys[i].known = keys[i].declared;
    }
    out->keys = keys;
    out->count = spec->keys_count;
    return 0;
}

/* ---- all of it ---- */

struct extent {
    const struct fold_series *series;
    struct result_info *out;
};

static int widen(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct result_info *out = ((struct extent *)arg)->out;
    out->first_ms = out->points == 0 || time_ms < out->first_ms ? time_ms : out->first_ms;
    out->last_ms = out->points == 0 || time_ms > out->last_ms ? time_ms : out->last_ms;
    out->points++;
    return 0;
}

static bool select_of_extent(void *arg, const struct block *block)
{
    return select_block((void *)((const struct extent *)arg)->series, block);
}

static bool wants_of_extent(void *arg, uint32_t item)
{
    return item == ((const struct extent *)arg)->series->item;
}

static int measure(struct read *read, const struct fold_series *series, int64_t from_ms,
                   struct result_info *out)
{
    struct extent extent = {series, out};
    struct fold_sink sink = {
        .select = select_of_extent, .wants = wants_of_extent, .add = widen, .arg = &extent};
    struct block_filter filter = make_filter(series, from_ms);
    out->points = 0;
    out->first_ms = out->last_ms = 0;
    return fold_run(&read->source, &filter, &sink);
}

static int take_labels(struct read *read, const struct fold_series *series, struct result_info *out)
{
    const struct catalog_key key = {series->host, series->category, series->item,
                                    series->dimension};
    struct scratch *memory = &read->answer->memory;
    struct label *labels = scratch_take(memory, SETTINGS_LABELS_MAX, sizeof(labels[0]));
    struct buffer body;
    if (labels == NULL)
        return memory->error;
    buffer_init(&body, SIZE_MAX);
    int found = catalog_declared_body(read_catalog(read), &key, &body);
    struct slice kept = scratch_copy(memory, buffer_slice(&body));
    buffer_fini(&body);
    if (found < 0 || kept.p == NULL)
        return found < 0 ? found : memory->error;
    out->labels = labels;
    return found == 0 ? 0 : settings_read(kept, &out->key.settings, labels, &out->labels_count);
}

int info_read(struct read *read)
{
    struct result_info *out = &read->answer->result.info;
    struct fold_series series;
    if (!read_find_series(read, read->spec->keys[0], &series))
        return 0;
    out->name = scratch_copy(&read->answer->memory, read->spec->keys[0]);
    if (out->name.p == NULL)
        return read->answer->memory.error;
    note_declared(read, &series, &out->key);
    int err = measure(read, &series, 0, out);
    out->key.known = out->key.declared || out->points > 0;
    int64_t retention_ms = out->key.settings.retention_ms;
    if (err == 0 && retention_ms > 0 && out->last_ms - out->first_ms > retention_ms)
        err = measure(read, &series, out->last_ms - retention_ms, out);
    if (err == 0)
        err = count_in_memory(read, &series, &out->key.points_in_memory);
    return err == 0 && out->key.declared ? take_labels(read, &series, out) : err;
}

int exists_read(struct read *read)
{
    const struct query_spec *spec = read->spec;
    struct scratch *memory = &read->answer->memory;
    struct result_keys *out = &read->answer->result.keys;
    struct result_key *keys = scratch_take(memory, spec->keys_count, sizeof(keys[0]));
    if (keys == NULL)
        return memory->error;
    for (uint32_t i = 0; i < spec->keys_count; i++) {
        struct fold_series series;
        if (!read_find_series(read, spec->keys[i], &series))
            continue;
        note_declared(read, &series, &keys[i]);
        int found = keys[i].declared ? 1 : read_has_points(read, &series);
        if (found < 0)
            return found;
        keys[i].known = found > 0;
        int err = keys[i].known ? count_in_memory(read, &series, &keys[i].points_in_memory) : 0;
        if (err != 0)
            return err;
    }
    out->keys = keys;
    out->count = spec->keys_count;
    return 0;
}
