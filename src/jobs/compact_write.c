#include "jobs/compact_write.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { PACE_BYTES = 1 << 20 }; /* job_pace is asked once for so many */

int run_writer_init(struct run_writer *w, struct job_context *context, struct storage_run *run)
{
    *w = (struct run_writer){.context = context, .run = run};
    buffer_init(&w->body, SIZE_MAX);
    return pack_writer_create(&w->pack);
}

void run_writer_fini(struct run_writer *w)
{
    pack_writer_destroy(&w->pack);
    buffer_fini(&w->body);
    VEC_FINI(&w->lists);
}

static int count_row(struct run_writer *w, uint64_t bytes)
{
    struct job_progress *progress = w->context->progress;
    atomic_fetch_add_explicit(&progress->rows, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&progress->bytes, bytes, memory_order_relaxed);
    w->run->bytes += bytes;
    w->unpaced += bytes;
    if (w->unpaced < PACE_BYTES)
        return 0;
    bytes = w->unpaced;
    w->unpaced = 0;
    return job_pace(w->context, bytes);
}

/* ---- observation rows ---- */

void run_writer_group(struct run_writer *w, const struct storage_group *group)
{
    w->group = (struct storage_pack){
        .category = group->category, .dimension = group->dimension, .host = group->host};
    w->begun = false;
}

int run_writer_row(struct run_writer *w, uint32_t part, const struct pack_row *row)
{
    if (row->items == 0)
        return 0;
    struct storage_pack stored = w->group;
    stored.first_item = row->first_item;
    stored.part = part;
    stored.last_item = row->last_item;
    stored.items = row->items;
    stored.points = row->points;
    stored.min_ms = row->min_ms;
    stored.max_ms = row->max_ms;
    stored.summaries = row->summaries;
    stored.vectors = row->vectors;
    stored.minutes = row->minutes;
    struct job_context *c = w->context;
    int err = storage_run_put_pack(c->session, c->environment, w->run, &stored);
    if (err != 0)
        return err;
    storage_run_count(w->run, row->points, true, row->min_ms, row->max_ms);
    return count_row(w, row->summaries.n + row->vectors.n + row->minutes.n);
}

static void row_begin(struct run_writer *w)
{
    pack_begin(w->pack, w->run->range.from_s * 1000);
    w->begun = true;
}

static int row_finish(struct run_writer *w, uint32_t part)
{
    struct pack_row row;
    w->begun = false;
    int err = pack_finish(w->pack, &row);
    if (err != 0)
        return err;
    atomic_fetch_add_explicit(&w->context->progress->points_done, row.points, memory_order_relaxed);
    return run_writer_row(w, part, &row);
}

/* A series that does not fit one row has rows to itself. */
static int put_parts(struct run_writer *w, uint32_t item, const struct vector_points *points,
                     struct summary *summary_out)
{
    int err = w->begun ? row_finish(w, 0) : 0;
    uint32_t part = 0;
    summary_init(summary_out);
    for (uint32_t at = 0; err == 0 && at < points->count; at += PACK_PART_POINTS_MAX) {
        uint32_t left = points->count - at;
        const struct vector_points piece = {left < PACK_PART_POINTS_MAX ? left
                                                                        : PACK_PART_POINTS_MAX,
                                            points->times_ms + at, points->values + at};
        struct summary summary;
        row_begin(w);
        err = pack_add(w->pack, item, &piece, &summary);
        if (err == 0) {
            summary_merge(summary_out, &summary);
            err = row_finish(w, part++);
        }
    }
    return err;
}

int run_writer_series(struct run_writer *w, uint32_t item, const struct vector_points *points,
                      struct summary *summary_out)
{
    w->run->series++;
    if (points->count > PACK_PART_POINTS_MAX)
        return put_parts(w, item, points, summary_out);
    int err = w->begun && pack_is_full(w->pack) ? row_finish(w, 0) : 0;
    if (err != 0)
        return err;
    if (!w->begun)
        row_begin(w);
    return pack_add(w->pack, item, points, summary_out);
}

int run_writer_group_end(struct run_writer *w)
{
    return w->begun ? row_finish(w, 0) : 0;
}

/* ---- rank rows ---- */

static int put_rank(struct run_writer *w, uint32_t host, enum storage_rank_kind kind,
                    uint32_t number)
{
    const struct storage_rank rank = {
        .category = w->group.category,
        .dimension = w->group.dimension,
        .host = host,
        .kind = kind,
        .number = number,
        .body = buffer_slice(&w->body),
    };
    struct job_context *c = w->context;
    int err = storage_run_put_rank(c->session, c->environment, w->run, &rank);
    size_t bytes = w->body.len;
    buffer_reset(&w->body, SIZE_MAX);
    return err != 0 ? err : count_row(w, bytes);
}

static int put_total(struct run_writer *w, uint32_t host, struct rank_total *total,
                     struct itemset *set)
{
    struct buffer encoded;
    buffer_init(&encoded, SIZE_MAX);
    int err = itemset_encode(set, &encoded);
    total->set = buffer_slice(&encoded);
    if (err == 0)
        err = rank_total_encode(total, &w->body);
    if (err == 0)
        err = put_rank(w, host, STORAGE_RANK_TOTAL, 0);
    buffer_fini(&encoded);
    return err;
}

static int put_top(struct run_writer *w, uint32_t host, const struct best *best)
{
    int err = 0;
    uint32_t count;
    for (uint32_t number = 0; err == 0 && (count = rank_chunk_count(number, best->entries.n)) > 0;
         number++) {
        err = rank_top_encode(best->entries.v + rank_chunk_begin(number), count, &w->body);
        if (err == 0)
            err = put_rank(w, host, STORAGE_RANK_TOP, number);
    }
    return err;
}

int run_writer_host(struct run_writer *w, const struct tally *tally)
{
    if (tally->host_items < WRITE_RANKED_HOST_ITEMS)
        return 0;
    struct rank_total total = {
        .items = tally->host_items,
        .summary = tally->host,
        .entries = tally->host_best.entries.n,
        .hosts = 1,
        .negative = tally->host_negative,
    };
    int err = put_total(w, w->group.host, &total, tally->host_set);
    return err != 0 ? err : put_top(w, w->group.host, &tally->host_best);
}

/* What is known of all items only when every page has been seen. */
struct all {
    struct itemset *set;
    struct best best;
    uint64_t items;
    bool negative;
};

static int put_page(struct run_writer *w, const struct rank_page *page, uint32_t number,
                    struct all *all)
{
    int err = itemset_add_many(all->set, page->items, page->count);
    for (uint32_t i = 0; i < page->count && err == 0; i++) {
        all->negative = all->negative || page->sums[i] < 0;
        err = best_add(&all->best, page->items[i], page->sums[i], page->counts[i]);
    }
    all->items += page->count;
    if (err == 0)
        err = rank_page_encode(number, page, &w->body);
    return err != 0 ? err : put_rank(w, STORAGE_ALL_HOSTS, STORAGE_RANK_PAGE, number);
}

static int keep_list(struct run_writer *w, const struct best *best)
{
    if (w->run->resolution_s != 1)
        return 0;
    if (!VEC_RESERVE(&w->lists, 1))
        return LT_ENOMEM;
    struct run_writer_list *list = &w->lists.v[w->lists.n++];
    list->category = w->group.category;
    list->dimension = w->group.dimension;
    for (list->count = 0; list->count < best->entries.n && list->count < ARRAY_LEN(list->items);
         list->count++)
        list->items[list->count] = best->entries.v[list->count].item;
    return 0;
}

static int put_all(struct run_writer *w, const struct tally *tally, struct rank_page *page,
                   struct all *all)
{
    int err = 0;
    for (uint32_t number = 0; err == 0 && number < tally->pages_count; number++)
        if (tally_page(tally, number, page))
            err = put_page(w, page, number, all);
    if (err != 0)
        return err;
    best_finish(&all->best);
    err = keep_list(w, &all->best);
    if (err != 0)
        return err;
    struct rank_total total = {
        .items = all->items,
        .summary = tally->all,
        .entries = all->best.entries.n,
        .hosts = tally->hosts.n,
        .only_host = tally->hosts.v[0].host,
        .negative = all->negative,
    };
    err = put_total(w, STORAGE_ALL_HOSTS, &total, all->set);
    return err != 0 ? err : put_top(w, STORAGE_ALL_HOSTS, &all->best);
}

static int put_ranks(struct run_writer *w, const struct tally *tally)
{
    struct all all = {0};
    best_init(&all.best);
    struct rank_page *page = malloc(sizeof(*page));
    int err = page == NULL ? LT_ENOMEM : itemset_create(&all.set);
    if (err == 0)
        err = put_all(w, tally, page, &all);
    free(page);
    itemset_destroy(&all.set);
    best_fini(&all.best);
    return err;
}

int run_writer_minutes(struct run_writer *w, const struct run_writer_list *list, uint32_t number,
                       const struct rank_minutes *minutes)
{
    w->group.category = list->category;
    w->group.dimension = list->dimension;
    int err = rank_minutes_encode(minutes, &w->body);
    return err != 0 ? err : put_rank(w, STORAGE_ALL_HOSTS, STORAGE_RANK_MINUTES, number);
}

/* ---- minute totals ---- */

static int put_minute(struct run_writer *w, uint32_t host, uint32_t minute,
                      const struct tally_minute *m)
{
    if (m->count == 0)
        return 0;
    const struct storage_total total = {
        .category = w->group.category,
        .dimension = w->group.dimension,
        .host = host,
        .from_s = w->run->range.from_s + (int64_t)minute * 60,
        .count = m->count,
        .sum = sum_total(&m->sum),
        .min = m->min,
        .max = m->max,
    };
    struct job_context *c = w->context;
    int err = storage_run_put_total(c->session, c->environment, w->run, &total);
    return err != 0 ? err : count_row(w, sizeof(total));
}

/* From minute `at` on, as one. */
static struct tally_minute merged(const struct tally_minute *of_host, uint32_t at, uint32_t minutes)
{
    struct tally_minute m = {0};
    for (uint32_t i = 0; i < minutes; i++)
        tally_minute_merge(&m, &of_host[at + i]);
    return m;
}

static int put_totals(struct run_writer *w, const struct tally *tally, uint32_t minutes)
{
    int err = 0;
    for (uint32_t h = 0; h < tally->hosts.n; h++) {
        const struct tally_minute *of_host = tally->minutes.v + tally->hosts.v[h].minutes;
        for (uint32_t i = 0; i + minutes <= tally->minutes_count && err == 0; i += minutes) {
            struct tally_minute m = merged(of_host, i, minutes);
            err = put_minute(w, tally->hosts.v[h].host, i, &m);
        }
    }
    for (uint32_t i = 0; i + minutes <= tally->minutes_count && err == 0; i += minutes) {
        struct tally_minute all = {0};
        for (uint32_t h = 0; h < tally->hosts.n; h++) {
            struct tally_minute m =
                merged(tally->minutes.v + tally->hosts.v[h].minutes, i, minutes);
            tally_minute_merge(&all, &m);
        }
        err = put_minute(w, STORAGE_ALL_HOSTS, i, &all);
    }
    return err;
}

static bool is_ranked(const struct run_writer *w, const struct tally *tally)
{
    uint64_t items = tally_items(tally);
    return items >= w->context->limits->ranked_items_min ||
           (items >= WRITE_RANKED_ITEMS && tally->hosts.n >= WRITE_RANKED_HOSTS);
}

int run_writer_tally(struct run_writer *w, const struct tally *tally)
{
    if (!is_ranked(w, tally))
        return 0;
    int err = put_ranks(w, tally);
    return err != 0 ? err : put_totals(w, tally, 1);
}

int run_writer_totals(struct run_writer *w, const struct tally *tally, uint32_t minutes)
{
    return is_ranked(w, tally) ? put_totals(w, tally, minutes) : 0;
}

int run_writer_beats(struct run_writer *w, const struct storage_beats *beats)
{
    struct job_context *c = w->context;
    int err = storage_run_put_beats(c->session, c->environment, w->run, beats);
    return err != 0 ? err : count_row(w, BEAT_BYTES);
}

int run_writer_finish(struct run_writer *w)
{
    return storage_run_flush(w->context->session);
}
