#include "jobs/compact_minutes.h"

#include "base/ascending.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = RANK_MINUTES_ROWS * RANK_MINUTES_ENTRIES, MINUTE_MS = 60000 };

struct minute {
    struct sum sum;
    uint64_t count;
};

struct minutes {
    struct run_writer *writer;
    const struct run_writer_list *list; /* in hand */
    uint32_t items[ITEMS_MAX];          /* its, ascending */
    struct minute cells[ITEMS_MAX][RANK_MINUTES_PARTS];
    struct rank_minutes row;
    struct pack_codec *packs;
};

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of an item of the list: no others are read. */
static uint32_t position_of(const struct minutes *m, uint32_t item)
{
    return ascending_find(m->items, m->list->count, item);
}

/* ---- reading ---- */

static int add_row(void *arg, const struct storage_pack *pack)
{
    struct minutes *m = arg;
    int64_t from_ms = m->writer->run->range.from_s * 1000;
    struct pack_points points;
    int err = pack_open_points(m->packs, from_ms, pack->summaries, pack->vectors, m->items,
                               m->list->count, &points);
    uint32_t at = 0;
    for (uint32_t i = 0; i < points.count && err == 0; i++) {
        if (i == 0 || points.items[i] != points.items[i - 1])
            at = position_of(m, points.items[i]);
        if (isnan(points.values[i]))
            continue;
        struct minute *cell = &m->cells[at][(points.times_ms[i] - from_ms) / MINUTE_MS];
        sum_add(&cell->sum, points.values[i]);
        cell->count++;
    }
    return err;
}

static int read_list(struct minutes *m, struct storage_session *reader,
                     const struct storage_run *run)
{
    const struct run_writer_list *list = m->list;
    memcpy(m->items, list->items, list->count * sizeof(m->items[0]));
    qsort(m->items, list->count, sizeof(m->items[0]), compare_u32);
    memset(m->cells, 0, list->count * sizeof(m->cells[0]));
    const struct block_filter filter = {.category = list->category,
                                        .dimensions = &list->dimension,
                                        .dimensions_count = 1,
                                        .items = m->items,
                                        .items_count = list->count,
                                        .from_ms = run->range.from_s * 1000,
                                        .to_ms = run->range.to_s * 1000};
    return storage_run_packs(reader, run, &filter, STORAGE_SUMMARIES | STORAGE_VECTORS, add_row, m);
}

/* ---- writing ---- */

static void add_item(struct minutes *m, uint32_t item)
{
    const struct minute *cells = m->cells[position_of(m, item)];
    for (unsigned i = 0; i < RANK_MINUTES_PARTS; i++) {
        if (cells[i].count == 0)
            continue;
        m->row.items[m->row.count] = item;
        m->row.minutes[m->row.count] = (uint8_t)i;
        m->row.sums[m->row.count] = sum_total(&cells[i].sum);
        m->row.counts[m->row.count++] = cells[i].count;
    }
}

static int write_list(struct minutes *m)
{
    const struct run_writer_list *list = m->list;
    int err = 0;
    for (uint32_t from = 0; from < list->count && err == 0; from += RANK_MINUTES_ENTRIES) {
        uint32_t items[RANK_MINUTES_ENTRIES], left = list->count - from;
        uint32_t count = left < RANK_MINUTES_ENTRIES ? left : RANK_MINUTES_ENTRIES;
        memcpy(items, list->items + from, count * sizeof(items[0]));
        qsort(items, count, sizeof(items[0]), compare_u32);
        m->row.count = 0;
        for (uint32_t i = 0; i < count; i++)
            add_item(m, items[i]);
        /* An item of the list has points: none where the rows lack them is a bug of ours. */
        err = m->row.count == 0
                  ? LT_ECORRUPT
                  : run_writer_minutes(m->writer, list, from / RANK_MINUTES_ENTRIES, &m->row);
    }
    return err;
}

/* ---- all lists ---- */

/* The run as it can be read: its tables were made with its first rows. */
static int find_run(void *arg, const struct storage_run *run)
{
    struct storage_run *found = arg;
    if (run->id == found->id)
        *found = *run;
    return 0;
}

int compact_minutes(struct job_context *context, struct run_writer *writer)
{
    struct storage_run run = *writer->run;
    if (writer->lists.n == 0 ||
        (run.range.to_s - run.range.from_s) * 1000 > (int64_t)RANK_MINUTES_PARTS * MINUTE_MS)
        return 0;
    struct minutes *m = malloc(sizeof(*m));
    if (m == NULL)
        return LT_ENOMEM;
    m->writer = writer;
    int err = pack_codec_create(&m->packs);
    if (err != 0)
        goto free_m;
    err = run_writer_finish(writer);
    if (err == 0)
        err = storage_runs(context->session, context->environment, NULL, find_run, &run);
    for (uint32_t i = 0; i < writer->lists.n && err == 0; i++) {
        m->list = &writer->lists.v[i];
        err = read_list(m, context->reader, &run);
        if (err == 0)
            err = write_list(m);
        if (err == 0)
            err = read_guard_check(context->guard);
    }
    pack_codec_destroy(&m->packs);
free_m:
    free(m);
    return err;
}
