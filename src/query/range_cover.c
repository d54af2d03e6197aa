#include "port/storage_reads.h"
#include "query/range.h"

#include <stdlib.h>

/* Which resolution serves which hours: what is known of them, for cover.h. */

static int note_dirty(void *arg, const struct block *block)
{
    struct range *r = arg;
    int err = read_guard_check(r->read->guard);
    if (err != 0 || !range_select_block(arg, block))
        return err;
    for (uint32_t i = 0; i < block->count; i++) {
        int64_t hour_s = block->times_ms[i] / 1000 / COVER_HOUR_S * COVER_HOUR_S;
        if ((r->dirty.n > 0 && r->dirty.v[r->dirty.n - 1] == hour_s) ||
            block->times_ms[i] < r->from_ms || block->times_ms[i] >= r->to_ms ||
            !range_wants_item(arg, block->items[i]))
            continue;
        err = SCRATCH_RESERVE(r->read->guard, &r->dirty, 1);
        if (err != 0)
            return err;
        r->dirty.v[r->dirty.n++] = hour_s;
    }
    return 0;
}

/* The head's points and the catch-all's are in no coarser run. */
static int find_dirty(struct range *r, const struct range_family *f)
{
    struct source *source = &r->read->source;
    struct block_filter filter;
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(source->session, &count);
    int err = range_filter(r, f, r->from_ms, r->to_ms, &filter);
    for (int fresh = 0; fresh < 2 && err == 0; fresh++) {
        filter.fresh = fresh == 1;
        err = head_scan(source->head, source->view, source->next, &filter, note_dirty, r);
        for (uint32_t i = 0; i < count && err == 0; i++)
            if (storage_is_catch_all(runs[i].range))
                err = storage_run_scan(source->session, &runs[i], &filter, note_dirty, r);
    }
    return err;
}

/* Nor their heartbeats, which tell absent from not collected. */
static int note_dirty_hour(struct range *r, uint32_t host, uint32_t collector, int64_t hour_s)
{
    struct beats_pair pair = {host, collector};
    if (bsearch(&pair, r->pairs, r->pairs_count, sizeof(pair), beats_compare) == NULL)
        return 0;
    int err = SCRATCH_RESERVE(r->read->guard, &r->dirty, 1);
    if (err == 0)
        r->dirty.v[r->dirty.n++] = hour_s;
    return err;
}

static int note_dirty_block(void *arg, const struct beat_block *b)
{
    return note_dirty_hour(arg, b->host, b->collector, b->from_s);
}

static int note_dirty_beats(void *arg, const struct storage_beats *b)
{
    return note_dirty_hour(arg, b->host, b->collector, b->from_s);
}

static int find_dirty_beats(struct range *r, const struct beat_filter *filter)
{
    struct source *source = &r->read->source;
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(source->session, &count);
    int err =
        head_scan_beats(source->head, source->view, source->next, filter, note_dirty_block, r);
    for (uint32_t i = 0; i < count && err == 0; i++)
        if (storage_is_catch_all(runs[i].range))
            err = storage_run_beats(source->session, &runs[i], filter, note_dirty_beats, r);
    return err;
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int range_plan_cover(struct range *r)
{
    const struct storage_run *runs = NULL;
    uint32_t count = 0;
    int err = 0;
    if (r->read->source.session != NULL)
        runs = storage_snapshot_runs(r->read->source.session, &count);
    if (!cover_may_help(runs, count, r->from_ms, r->to_ms, &r->steps))
        count = 0;
    if (count > 0)
        err = range_each_family(r, find_dirty);
    if (err == 0 && count > 0)
        err = range_each_collector(r, r->from_ms, r->to_ms, find_dirty_beats);
    if (err != 0)
        return err;
    if (r->dirty.n > 0)
        qsort(r->dirty.v, r->dirty.n, sizeof(*r->dirty.v), compare_i64);
    return cover_plan(runs, count, r->dirty.v, r->dirty.n, r->from_ms, r->to_ms, &r->steps,
                      &r->read->scratch, &r->cover);
}
