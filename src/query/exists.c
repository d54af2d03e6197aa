#include "query/read.h"

#include "query/fold.h"

/* Which of some keys have a point. The catalog alone cannot tell: it knows hosts and metrics, not
 * which of them have met; and a series whose points were all deleted is not there. */

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
        int found = read_has_points(read, &series);
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
