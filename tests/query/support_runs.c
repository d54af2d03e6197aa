#include "support_runs.h"

#include "base/error.h"
#include "port/storage.h"
#include "vector/minutes.h"
#include "vector/pack.h"
#include "vector/rank.h"
#include "vector/rank_minutes.h"
#include "vector/rollup.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)                                                                                    \
    do {                                                                                           \
        int must_err = (x);                                                                        \
        assert(must_err == 0);                                                                     \
        (void)must_err;                                                                            \
    } while (0)
#define PUSH(vec, item)                                                                            \
    do {                                                                                           \
        bool pushed = VEC_PUSH(vec, item);                                                         \
        assert(pushed);                                                                            \
        (void)pushed;                                                                              \
    } while (0)

static struct slice keep(struct slice s)
{
    char *p = malloc(s.n + 1);
    memcpy(p, s.p, s.n);
    return slice_make(p, s.n);
}

static int compare_keys(const struct run_point *a, const struct run_point *b)
{
    if (a->category != b->category)
        return a->category < b->category ? -1 : 1;
    if (a->dimension != b->dimension)
        return a->dimension < b->dimension ? -1 : 1;
    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static int compare_points(const void *a, const void *b)
{
    const struct run_point *x = a, *y = b;
    int c = compare_keys(x, y);
    return c != 0 ? c : (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

/* ---- points of a run ---- */

struct ordered_point {
    struct run_point point;
    uint64_t offset;
    uint8_t policy;
};

static int compare_ordered(const void *a, const void *b)
{
    const struct ordered_point *x = a, *y = b;
    int c = compare_points(&x->point, &y->point);
    return c != 0 ? c : (x->offset > y->offset) - (x->offset < y->offset);
}

struct gather_filter {
    int64_t from_ms, to_ms;
    uint64_t upto;
    bool fresh_only;
};

static void gather(struct world *w, struct world_run *run, const struct gather_filter *filter)
{
    VEC(struct ordered_point) points = {0};
    for (uint32_t i = 0; i < w->points.n; i++) {
        struct world_point *p = &w->points.v[i];
        if (p->compacted || p->offset >= filter->upto || p->time_ms < filter->from_ms ||
            p->time_ms >= filter->to_ms || (filter->fresh_only && !p->fresh))
            continue;
        p->compacted = true;
        PUSH(&points, ((struct ordered_point){{p->series.category, p->series.dimension, p->host,
                                               p->series.item, p->time_ms, p->value},
                                              p->offset,
                                              p->policy}));
    }
    if (points.n > 0)
        qsort(points.v, points.n, sizeof(points.v[0]), compare_ordered);
    for (uint32_t i = 0, next; i < points.n; i = next) {
        bool present = false;
        struct run_point point = points.v[i].point;
        for (next = i; next < points.n && compare_points(&points.v[next].point, &point) == 0;
             next++)
            policy_step(points.v[next].policy, points.v[next].point.value, &present, &point.value);
        if (!present)
            continue;
        PUSH(&run->points, point);
        storage_run_count(&run->run, 1, true, point.time_ms, point.time_ms);
    }
    VEC_FINI(&points);
}

static uint32_t group_end(const struct world_run *run, uint32_t from, bool by_item)
{
    uint32_t end = from;
    while (end < run->points.n) {
        struct run_point a = run->points.v[from], b = run->points.v[end];
        if (!by_item)
            a.item = b.item = 0;
        if (compare_keys(&a, &b) != 0)
            break;
        end++;
    }
    return end;
}

/* ---- observation rows ---- */

static void keep_row(struct world_run *run, const struct run_point *first,
                     const struct pack_row *row)
{
    PUSH(&run->packs,
         ((struct storage_pack){.category = first->category,
                                .dimension = first->dimension,
                                .host = first->host,
                                .first_item = row->first_item,
                                .last_item = row->last_item,
                                .items = row->items,
                                .points = row->points,
                                .min_ms = row->min_ms,
                                .max_ms = row->max_ms,
                                .summaries = keep(row->summaries),
                                .vectors = keep(row->vectors),
                                .minutes = row->minutes.p != NULL ? keep(row->minutes)
                                                                  : (struct slice){0}}));
}

static uint32_t buckets_of(const struct world_run *run, uint32_t from, uint32_t to, int64_t step_ms,
                           struct rollup_bucket *buckets)
{
    int64_t from_ms = run->run.range.from_s * 1000;
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct run_point *p = &run->points.v[i];
        uint32_t number = (uint32_t)((p->time_ms - from_ms) / step_ms);
        if (n == 0 || buckets[n - 1].number != number) {
            buckets[n].number = number;
            summary_init(&buckets[n++].summary);
        }
        summary_add(&buckets[n - 1].summary, p->time_ms, p->value);
    }
    return n;
}

/* Every other row has minutes, however few its points. */
static void pack_group(struct world_run *run, uint32_t from, uint32_t to, uint32_t row_items_max)
{
    struct pack_writer *writer;
    struct rollup_writer *minutes;
    struct rollup_bucket buckets[24 * 60];
    struct pack_row row;
    int64_t from_ms = run->run.range.from_s * 1000;
    MUST(pack_writer_create(&writer));
    MUST(rollup_writer_create(&minutes));
    pack_begin(writer, from_ms);
    rollup_begin(minutes, from_ms, MINUTES_STEP_MS);
    uint32_t items = 0;
    for (uint32_t i = from, end; i < to; i = end) {
        int64_t times[4096];
        double values[4096];
        end = group_end(run, i, true);
        assert(end - i <= 4096);
        for (uint32_t k = i; k < end; k++) {
            times[k - i] = run->points.v[k].time_ms;
            values[k - i] = run->points.v[k].value;
        }
        struct vector_points points = {.count = end - i, .times_ms = times, .values = values};
        uint32_t n = buckets_of(run, i, end, MINUTES_STEP_MS, buckets);
        MUST(pack_add(writer, run->points.v[i].item, &points, NULL));
        MUST(rollup_add(minutes, run->points.v[i].item, buckets, n, NULL));
        if (++items == row_items_max || pack_is_full(writer) || end == to) {
            MUST(pack_finish(writer, &row));
            if (run->packs.n % 2 == 0)
                MUST(rollup_finish_buckets(minutes, &row.minutes));
            keep_row(run, &run->points.v[from], &row);
            pack_begin(writer, from_ms);
            rollup_begin(minutes, from_ms, MINUTES_STEP_MS);
            items = 0;
        }
    }
    pack_writer_destroy(&writer);
    rollup_writer_destroy(&minutes);
}

static void roll_group(struct world_run *run, uint32_t from, uint32_t to, uint32_t row_items_max)
{
    struct rollup_writer *writer;
    struct pack_row row;
    int64_t from_ms = run->run.range.from_s * 1000, step_ms = run->run.resolution_s * INT64_C(1000);
    MUST(rollup_writer_create(&writer));
    rollup_begin(writer, from_ms, step_ms);
    uint32_t items = 0;
    for (uint32_t i = from, end; i < to; i = end) {
        struct rollup_bucket buckets[1440];
        end = group_end(run, i, true);
        uint32_t n = buckets_of(run, i, end, step_ms, buckets);
        MUST(rollup_add(writer, run->points.v[i].item, buckets, n, NULL));
        if (++items == row_items_max || rollup_is_full(writer) || end == to) {
            MUST(rollup_finish(writer, &row));
            keep_row(run, &run->points.v[from], &row);
            rollup_begin(writer, from_ms, step_ms);
            items = 0;
        }
    }
    rollup_writer_destroy(&writer);
}

/* ---- rank rows, totals ---- */

struct ranked_item {
    uint32_t item;
    struct summary summary;
};

struct ranked {
    struct world_run *run;
    uint32_t category, dimension;
    uint32_t host;                 /* or STORAGE_ALL_HOSTS */
    VEC(struct ranked_item) items; /* ascending */
    struct summary all;
    uint32_t hosts, only_host;
};

static void put_rank(struct ranked *r, enum storage_rank_kind kind, uint32_t number,
                     struct buffer *body)
{
    PUSH(&r->run->ranks, ((struct storage_rank){.category = r->category,
                                                .dimension = r->dimension,
                                                .host = r->host,
                                                .kind = kind,
                                                .number = number,
                                                .body = keep(buffer_slice(body))}));
    buffer_reset(body, body->max);
}

static int compare_entries(const void *a, const void *b)
{
    const struct rank_entry *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/* Of one item, over all hosts. */
static void add_minutes(const struct ranked *r, uint32_t item, struct rank_minutes *m)
{
    struct summary minutes[RANK_MINUTES_PARTS];
    for (uint32_t i = 0; i < RANK_MINUTES_PARTS; i++)
        summary_init(&minutes[i]);
    for (uint32_t i = 0; i < r->run->points.n; i++) {
        const struct run_point *p = &r->run->points.v[i];
        if (p->category == r->category && p->dimension == r->dimension && p->item == item)
            summary_add(&minutes[(p->time_ms - r->run->run.range.from_s * 1000) / 60000],
                        p->time_ms, p->value);
    }
    for (uint32_t i = 0; i < RANK_MINUTES_PARTS; i++) {
        if (minutes[i].count == 0)
            continue;
        m->items[m->count] = item;
        m->minutes[m->count] = (uint8_t)i;
        m->sums[m->count] = summary_total(&minutes[i]);
        m->counts[m->count++] = minutes[i].count;
    }
}

static int compare_items(const void *a, const void *b)
{
    const struct rank_entry *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

/* Spoils the order of entries. */
static void put_minutes(struct ranked *r, struct rank_entry *entries, uint32_t count,
                        struct buffer *body)
{
    struct rank_minutes *m = calloc(1, sizeof(*m));
    for (uint32_t k = 0; k < RANK_MINUTES_ROWS && k * RANK_MINUTES_ENTRIES < count; k++) {
        struct rank_entry *part = entries + k * RANK_MINUTES_ENTRIES;
        uint32_t left = count - k * RANK_MINUTES_ENTRIES;
        uint32_t n = left < RANK_MINUTES_ENTRIES ? left : RANK_MINUTES_ENTRIES;
        qsort(part, n, sizeof(*part), compare_items);
        m->count = 0;
        for (uint32_t i = 0; i < n; i++)
            add_minutes(r, part[i].item, m);
        MUST(rank_minutes_encode(m, body));
        put_rank(r, STORAGE_RANK_MINUTES, k, body);
    }
    free(m);
}

static uint32_t put_top(struct ranked *r, const struct compact_style *style, struct buffer *body)
{
    struct rank_entry *entries = calloc(r->items.n, sizeof(*entries));
    for (uint32_t i = 0; i < r->items.n; i++)
        entries[i] = (struct rank_entry){r->items.v[i].item, summary_total(&r->items.v[i].summary),
                                         r->items.v[i].summary.count};
    qsort(entries, r->items.n, sizeof(*entries), compare_entries);
    uint32_t count = r->items.n < style->top_max ? r->items.n : style->top_max;
    for (uint32_t number = 0; rank_chunk_count(number, count) > 0; number++) {
        MUST(rank_top_encode(&entries[rank_chunk_begin(number)], rank_chunk_count(number, count),
                             body));
        put_rank(r, STORAGE_RANK_TOP, number, body);
    }
    if (r->run->run.resolution_s == 1 && !style->no_minutes && r->host == STORAGE_ALL_HOSTS)
        put_minutes(r, entries, count, body);
    free(entries);
    return count;
}

static void put_pages(struct ranked *r, struct buffer *body)
{
    struct rank_page *page = calloc(1, sizeof(*page));
    for (uint32_t i = 0; i < r->items.n; i++) {
        const struct ranked_item *item = &r->items.v[i];
        page->items[page->count] = item->item;
        page->counts[page->count] = item->summary.count;
        page->sums[page->count] = summary_total(&item->summary);
        page->maxs[page->count++] = item->summary.max;
        if (i + 1 == r->items.n ||
            r->items.v[i + 1].item / RANK_PAGE_ITEMS != item->item / RANK_PAGE_ITEMS) {
            MUST(rank_page_encode(item->item / RANK_PAGE_ITEMS, page, body));
            put_rank(r, STORAGE_RANK_PAGE, item->item / RANK_PAGE_ITEMS, body);
            page->count = 0;
        }
    }
    free(page);
}

static void put_ranks(struct ranked *r, const struct compact_style *style)
{
    struct buffer body, set_bytes;
    struct itemset *set;
    buffer_init(&body, 64 << 20);
    buffer_init(&set_bytes, 64 << 20);
    MUST(itemset_create(&set));
    struct rank_total total = {.items = r->items.n, .hosts = r->hosts, .only_host = r->only_host};
    for (uint32_t i = 0; i < r->items.n; i++) {
        MUST(itemset_add(set, r->items.v[i].item));
        total.negative |= summary_total(&r->items.v[i].summary) < 0;
    }
    total.summary = r->all;
    MUST(itemset_encode(set, &set_bytes));
    total.set = buffer_slice(&set_bytes);
    total.entries = put_top(r, style, &body);
    if (r->host == STORAGE_ALL_HOSTS)
        put_pages(r, &body);
    MUST(rank_total_encode(&total, &body));
    put_rank(r, STORAGE_RANK_TOTAL, 0, &body);
    itemset_destroy(&set);
    buffer_fini(&body);
    buffer_fini(&set_bytes);
}

static void put_total(struct ranked *r, const struct run_point *p, uint32_t host)
{
    uint32_t step_s = r->run->run.resolution_s > 60 ? r->run->run.resolution_s : 60;
    int64_t from_s = p->time_ms / 1000 / step_s * step_s;
    for (uint32_t i = 0; i < r->run->totals.n; i++) {
        struct storage_total *t = &r->run->totals.v[i];
        if (t->category != r->category || t->dimension != r->dimension || t->host != host ||
            t->from_s != from_s)
            continue;
        t->count++;
        t->sum += p->value;
        t->min = fmin(t->min, p->value);
        t->max = fmax(t->max, p->value);
        return;
    }
    PUSH(&r->run->totals, ((struct storage_total){r->category, r->dimension, host, from_s, 1,
                                                  p->value, p->value, p->value}));
}

static void add_item(struct ranked *r, const struct run_point *p)
{
    uint32_t at = r->items.n; /* of one host they come in order */
    while (at > 0 && r->items.v[at - 1].item >= p->item)
        at--;
    if (at == r->items.n || r->items.v[at].item != p->item) {
        PUSH(&r->items, (struct ranked_item){0});
        memmove(&r->items.v[at + 1], &r->items.v[at],
                (r->items.n - 1 - at) * sizeof(r->items.v[0]));
        r->items.v[at].item = p->item;
        summary_init(&r->items.v[at].summary);
    }
    summary_add(&r->items.v[at].summary, p->time_ms, p->value);
    summary_add(&r->all, p->time_ms, p->value);
}

static void rank_group(struct world_run *run, uint32_t from, const struct compact_style *style)
{
    const struct run_point *first = &run->points.v[from];
    struct ranked r = {.run = run,
                       .category = first->category,
                       .dimension = first->dimension,
                       .host = STORAGE_ALL_HOSTS};
    summary_init(&r.all);
    uint32_t host = UINT32_MAX - 1;
    for (uint32_t i = 0; i < run->points.n; i++) {
        const struct run_point *p = &run->points.v[i];
        if (p->category != r.category || p->dimension != r.dimension || isnan(p->value))
            continue;
        add_item(&r, p);
        r.hosts += p->host != host;
        host = r.only_host = p->host;
    }
    for (uint32_t i = 0; i < run->points.n && r.items.n >= style->rank_items_min; i++) {
        const struct run_point *p = &run->points.v[i];
        if (p->category != r.category || p->dimension != r.dimension || isnan(p->value))
            continue;
        put_total(&r, p, p->host);
        put_total(&r, p, STORAGE_ALL_HOSTS);
    }
    if (r.items.n >= style->rank_items_min && r.items.n > 0)
        put_ranks(&r, style);
    VEC_FINI(&r.items);
}

/* Points of one (category, dimension, host). */
static void rank_host(struct world_run *run, uint32_t from, uint32_t to,
                      const struct compact_style *style)
{
    const struct run_point *first = &run->points.v[from];
    struct ranked r = {.run = run,
                       .category = first->category,
                       .dimension = first->dimension,
                       .host = first->host,
                       .hosts = 1};
    summary_init(&r.all);
    for (uint32_t i = from; i < to; i++)
        if (!isnan(run->points.v[i].value))
            add_item(&r, &run->points.v[i]);
    if (r.items.n >= style->own_items_min && r.items.n > 0)
        put_ranks(&r, style);
    VEC_FINI(&r.items);
}

static void write_rows(struct world_run *run, const struct compact_style *style)
{
    for (uint32_t i = 0, end; i < run->points.n; i = end) {
        end = group_end(run, i, false);
        if (run->run.resolution_s == 1)
            pack_group(run, i, end, style->row_items_max);
        else
            roll_group(run, i, end, style->row_items_max);
        if (style->own_items_min > 0 && run->run.resolution_s < 3600)
            rank_host(run, i, end, style);
        const struct run_point *a = &run->points.v[i], *b = i > 0 ? a - 1 : NULL;
        if ((b == NULL || a->category != b->category || a->dimension != b->dimension) &&
            run->run.resolution_s < 3600)
            rank_group(run, i, style);
    }
}

/* ---- making and dropping ---- */

static struct world_run *add_run(struct world *w, int64_t from_s, int64_t to_s,
                                 uint32_t resolution_s)
{
    struct world_run run = {.run = {.id = ++w->run_ids,
                                    .kind = STORAGE_COMPACT,
                                    .state = STORAGE_IN_FORCE,
                                    .resolution_s = resolution_s,
                                    .range = {from_s, to_s}}};
    PUSH(&w->runs, calloc(1, sizeof(run)));
    struct world_run *out = w->runs.v[w->runs.n - 1];
    *out = run;
    return out;
}

void world_compact(struct world *w, int64_t from_s, int64_t to_s, uint64_t upto,
                   const struct compact_style *style)
{
    struct world_run *run = add_run(w, from_s, to_s, 1);
    const struct gather_filter all = {from_s * 1000, to_s * 1000, upto < w->next ? upto : w->next,
                                      false};
    gather(w, run, &all);
    write_rows(run, style);
}

void world_compact_piece(struct world *w, int64_t from_s, int64_t to_s, int64_t from_ms,
                         int64_t to_ms, const struct compact_style *style)
{
    struct world_run *run = add_run(w, from_s, to_s, 1);
    const struct gather_filter fresh = {from_ms, to_ms, w->next, true};
    gather(w, run, &fresh);
    write_rows(run, style);
}

void world_compact_again(struct world *w, int64_t from_s, int64_t to_s,
                         const struct compact_style *style)
{
    /* All its points again, by offset: what the old run has folded is folded anew. */
    for (uint32_t i = 0; i < w->runs.n; i++)
        w->runs.v[i]->left |= w->runs.v[i]->run.resolution_s == 1 &&
                              w->runs.v[i]->run.range.from_s == from_s &&
                              w->runs.v[i]->run.range.to_s == to_s;
    for (uint32_t i = 0; i < w->points.n; i++)
        if (w->points.v[i].time_ms >= from_s * 1000 && w->points.v[i].time_ms < to_s * 1000)
            w->points.v[i].compacted = false;
    world_compact(w, from_s, to_s, w->next, style);
}

void world_downsample(struct world *w, int64_t from_s, int64_t to_s, uint32_t resolution_s,
                      const struct compact_style *style)
{
    struct world_run *run = add_run(w, from_s, to_s, resolution_s);
    for (uint32_t i = 0; i + 1 < w->runs.n; i++) {
        const struct world_run *source = w->runs.v[i];
        if (source->left || source->run.resolution_s != 1 || source->run.range.from_s < from_s ||
            source->run.range.to_s > to_s)
            continue;
        run->run.sources = source->run.id;
        for (uint32_t k = 0; k < source->points.n; k++)
            PUSH(&run->points, source->points.v[k]);
    }
    if (run->points.n > 0)
        qsort(run->points.v, run->points.n, sizeof(run->points.v[0]), compare_points);
    write_rows(run, style);
}

void world_expire(struct world *w, uint32_t resolution_s, int64_t to_s)
{
    for (uint32_t i = 0; i < w->runs.n; i++)
        w->runs.v[i]->left |=
            w->runs.v[i]->run.resolution_s == resolution_s && w->runs.v[i]->run.range.to_s <= to_s;
}

void world_forget_runs(struct world *w)
{
    for (uint32_t i = 0; i < w->runs.n; i++) {
        struct world_run *run = w->runs.v[i];
        for (uint32_t k = 0; k < run->packs.n; k++) {
            free((void *)run->packs.v[k].summaries.p);
            free((void *)run->packs.v[k].vectors.p);
            free((void *)run->packs.v[k].minutes.p);
        }
        for (uint32_t k = 0; k < run->ranks.n; k++)
            free((void *)run->ranks.v[k].body.p);
        VEC_FINI(&run->points);
        VEC_FINI(&run->packs);
        VEC_FINI(&run->ranks);
        VEC_FINI(&run->totals);
        free(run);
    }
    VEC_FINI(&w->runs);
    VEC_FINI(&w->listed_runs);
    for (uint32_t i = 0; i < w->points.n; i++)
        w->points.v[i].compacted = false;
}

/* ---- the storage port ---- */

static struct world *world_of(struct storage_session *s)
{
    return CONTAINER_OF(s, struct world, session);
}

static bool listed(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool group_asked(const struct block_filter *f, uint32_t category, uint32_t dimension,
                        uint32_t host)
{
    return block_filter_has_category(f, category) &&
           listed(f->dimensions, f->dimensions_count, dimension) &&
           (f->hosts == NULL || listed(f->hosts, f->hosts_count, host));
}

/* The catch-all arrival run holds what is in no other. */
static const struct storage_run *snapshot_runs(struct storage_session *s, uint32_t *count_out)
{
    struct world *w = world_of(s);
    w->listed_runs.n = 0;
    PUSH(&w->listed_runs,
         ((struct storage_run){
             .id = 1000000, .kind = STORAGE_ARRIVAL, .state = STORAGE_OPEN, .resolution_s = 1}));
    for (uint32_t i = w->runs.n; i-- > 0;)
        if (!w->runs.v[i]->left)
            PUSH(&w->listed_runs, w->runs.v[i]->run);
    *count_out = w->listed_runs.n;
    return w->listed_runs.v;
}

static struct world_run *find_run(struct world *w, const struct storage_run *run)
{
    for (uint32_t i = 0; i < w->runs.n; i++)
        if (w->runs.v[i]->run.id == run->id) {
            assert(!w->runs.v[i]->left);
            return w->runs.v[i];
        }
    return NULL;
}

static void count_row(struct world *w, size_t bytes)
{
    atomic_fetch_add(&w->guard->rows, 1);
    atomic_fetch_add(&w->guard->bytes, bytes);
}

static int scan_run(struct world *w, const struct world_run *run, const struct block_filter *filter,
                    block_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t from = 0, end; filter->fresh && from < run->points.n && err == 0; from = end) {
        const struct run_point *first = &run->points.v[from];
        end = group_end(run, from, false);
        if (!group_asked(filter, first->category, first->dimension, first->host))
            continue;
        uint32_t n = 0;
        uint32_t *items = calloc(end - from, sizeof(*items));
        int64_t *times = calloc(end - from, sizeof(*times));
        double *values = calloc(end - from, sizeof(*values));
        for (uint32_t i = from; i < end; i++) {
            if (filter->items != NULL &&
                !listed(filter->items, filter->items_count, run->points.v[i].item))
                continue;
            items[n] = run->points.v[i].item;
            times[n] = run->points.v[i].time_ms;
            values[n++] = run->points.v[i].value;
        }
        struct block block = {.category = first->category,
                              .dimension = first->dimension,
                              .host = first->host,
                              .fresh = true,
                              .count = n,
                              .items = items,
                              .times_ms = times,
                              .values = values};
        count_row(w, n * 8);
        err = visit(arg, &block);
        free(items);
        free(times);
        free(values);
    }
    return err;
}

int world_scan_runs(struct world *w, const struct block_filter *filter, block_visit *visit,
                    void *arg)
{
    int err = 0;
    for (uint32_t i = 0; i < w->runs.n && err == 0; i++)
        if (!w->runs.v[i]->left && w->runs.v[i]->run.resolution_s == 1)
            err = scan_run(w, w->runs.v[i], filter, visit, arg);
    return err;
}

static int run_scan(struct storage_session *s, const struct storage_run *run,
                    const struct block_filter *filter, block_visit *visit, void *arg)
{
    struct world *w = world_of(s);
    assert(run->resolution_s == 1);
    if (run->kind == STORAGE_ARRIVAL)
        return world_scan_arrival(w, filter, visit, arg);
    return scan_run(w, find_run(w, run), filter, visit, arg);
}

static int packs_of(struct world *w, const struct storage_run *run,
                    const struct block_filter *filter, enum storage_want want,
                    storage_pack_visit *visit, void *arg)
{
    const struct world_run *r = find_run(w, run);
    int err = 0;
    for (uint32_t i = 0; i < r->packs.n && err == 0; i++) {
        struct storage_pack pack = r->packs.v[i];
        bool holds = filter->items == NULL;
        for (uint32_t k = 0; k < filter->items_count; k++)
            holds |= filter->items[k] >= pack.first_item && filter->items[k] <= pack.last_item;
        if (!group_asked(filter, pack.category, pack.dimension, pack.host) || !holds ||
            pack.max_ms < filter->from_ms || pack.min_ms >= filter->to_ms)
            continue;
        bool either = (want & STORAGE_BY_MINUTE) != 0;
        if ((want & STORAGE_MINUTES) == 0 && !either)
            pack.minutes = slice_make(NULL, 0);
        if ((want & STORAGE_VECTORS) == 0 && (!either || pack.minutes.p != NULL))
            pack.vectors = slice_make(NULL, 0);
        pack.run = run;
        count_row(w, pack.summaries.n + pack.vectors.n + pack.minutes.n);
        err = visit(arg, &pack);
    }
    return err;
}

static int runs_packs(struct storage_session *s, const struct storage_run *const *runs,
                      uint32_t count, const struct block_filter *filter, enum storage_want want,
                      storage_pack_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = packs_of(world_of(s), runs[i], filter, want, visit, arg);
    return err;
}

static int run_ranks(struct storage_session *s, const struct storage_run *run,
                     const struct storage_rank_filter *filter, storage_rank_visit *visit, void *arg)
{
    struct world *w = world_of(s);
    const struct world_run *r = find_run(w, run);
    int err = 0;
    for (uint32_t i = 0; i < r->ranks.n && err == 0; i++) {
        const struct storage_rank *rank = &r->ranks.v[i];
        if (rank->category != filter->category || rank->dimension != filter->dimension ||
            rank->kind != filter->kind ||
            (filter->hosts != NULL ? !listed(filter->hosts, filter->hosts_count, rank->host)
                                   : rank->host != STORAGE_ALL_HOSTS))
            continue;
        if (filter->numbers != NULL ? !listed(filter->numbers, filter->numbers_count, rank->number)
                                    : rank->number < filter->first || rank->number > filter->last)
            continue;
        count_row(w, rank->body.n);
        err = visit(arg, rank);
    }
    return err;
}

static int run_totals(struct storage_session *s, const struct storage_run *run,
                      const struct storage_total_filter *filter, storage_total_visit *visit,
                      void *arg)
{
    struct world *w = world_of(s);
    const struct world_run *r = find_run(w, run);
    int64_t step_s = filter->step_s > 0 ? filter->step_s : filter->to_s - filter->from_s;
    int err = 0;
    for (int64_t from_s = filter->from_s; from_s < filter->to_s && err == 0; from_s += step_s) {
        struct storage_total sum = {.from_s = from_s, .min = NAN, .max = NAN};
        for (uint32_t i = 0; i < r->totals.n; i++) {
            const struct storage_total *t = &r->totals.v[i];
            if (t->category != filter->category || t->dimension != filter->dimension ||
                t->from_s < from_s || t->from_s >= from_s + step_s ||
                (filter->hosts == NULL ? t->host != STORAGE_ALL_HOSTS
                                       : !listed(filter->hosts, filter->hosts_count, t->host)))
                continue;
            sum.count += t->count;
            sum.sum += t->sum;
            sum.min = fmin(sum.min, t->min);
            sum.max = fmax(sum.max, t->max);
        }
        if (sum.count > 0) {
            count_row(w, 40);
            err = visit(arg, &sum);
        }
    }
    return err;
}

struct loose_beats { /* those that no compact run has */
    struct world *w;
    storage_beats_visit *visit;
    void *arg;
};

static int visit_loose(void *arg, const struct beat_block *b)
{
    const struct loose_beats *loose = arg;
    for (uint32_t i = 0; i < loose->w->runs.n; i++) {
        const struct world_run *run = loose->w->runs.v[i];
        if (!run->left && run->run.range.from_s <= b->from_s && run->run.range.to_s > b->from_s)
            return 0;
    }
    const struct storage_beats beats = {
        .host = b->host, .collector = b->collector, .from_s = b->from_s, .bits = b->bits};
    return loose->visit(loose->arg, &beats);
}

/* Of the catch-all: RANGE asks what is there that no other run holds. */
static int run_beats(struct storage_session *s, const struct storage_run *run,
                     const struct beat_filter *filter, storage_beats_visit *visit, void *arg)
{
    struct loose_beats loose = {world_of(s), visit, arg};
    assert(run->kind == STORAGE_ARRIVAL);
    return storage_snapshot_scan_beats(s, filter, visit_loose, &loose);
}

const struct storage_ops world_run_ops = {.snapshot_runs = snapshot_runs,
                                          .run_scan = run_scan,
                                          .runs_packs = runs_packs,
                                          .run_ranks = run_ranks,
                                          .run_totals = run_totals,
                                          .run_beats = run_beats};
