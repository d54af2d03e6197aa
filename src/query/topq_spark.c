#include "query/span.h"
#include "query/topq.h"

#include "base/ascending.h"
#include "port/storage_reads.h"
#include "vector/pack.h"
#include "vector/rank_minutes.h"
#include "vector/rollup.h"

#include <math.h>
#include <stdlib.h>

/* SPARKLINE: the rows' values in equal parts of the range. Rows of runs come from what the best of
 * each run have by minute, else from observation rows, by item; what all items together have, from
 * sums by minute; memory, as ever, point by point. So
 * parts that can be made of whole minutes are cut there: those of a whole number of minutes, and
 * those of 10 minutes or more. A minute counts in the part that holds its start. */

enum {
    MINUTE_MS = 60 * 1000,
    PART_COARSE_MS = 10 * MINUTE_MS,
    ENTRIES_PER_ITEM = 8, /* of the best of a run, so many times as many are read as are wanted */
};

/* What one member adds up: [row x parts + part], everything else after the last row. */
struct spark_share {
    struct cell *cells;
    struct pack_codec *packs;
    struct rollup_codec *rollups;
    struct rank_minutes *minutes; /* made when it is first needed */
};

struct spark {
    struct topq *topq;
    struct span *span;
    uint32_t parts;
    bool minutes;
    uint32_t rows;
    uint32_t *order; /* rows by category and item */
    const struct best_row *best;
    struct spark_share shares[CREW_MAX];
    uint32_t category;   /* in hand */
    uint32_t *items;     /* the category's rows' items, ascending */
    uint32_t items_from; /* position in order */
    uint32_t items_count;
    uint8_t *passes; /* by item of the category: 0 not known, 1 does not count, 2 does */
    uint32_t passes_count;
    struct buffer label;
};

/* A run in a member's hands. */
struct spark_run {
    struct spark *spark;
    struct spark_share *share;
    const struct storage_run *run;
    int64_t from_ms, to_ms; /* what counts: all points, or buckets that start there */
    uint32_t part;          /* the only one, or parts: it has several */
    bool takes_away;        /* the rest holds the rows' values too */
    uint32_t *items;        /* with takes_away: what is to be read of observation rows, ascending */
    uint32_t items_count;
    bool *found; /* by position in the spark's items */
};

/* ---- parts ---- */

static uint32_t part_of(const struct spark *s, int64_t time_ms)
{
    int64_t from_ms = s->span->plan.from_ms;
    if (s->minutes)
        time_ms -= time_ms % MINUTE_MS;
    if (time_ms < from_ms)
        time_ms = from_ms;
    __int128 part = (__int128)(time_ms - from_ms) * s->parts;
    return (uint32_t)(part / (s->span->plan.to_ms - from_ms));
}

/* The only part of [from, to), or parts: it has several. */
static uint32_t only_part(const struct spark *s, int64_t from_ms, int64_t to_ms)
{
    uint32_t first = part_of(s, from_ms);
    return first == part_of(s, to_ms - 1) ? first : s->parts;
}

static bool cut_at_minutes(int64_t length_ms, uint32_t parts)
{
    int64_t part_ms = length_ms / parts;
    return part_ms >= PART_COARSE_MS || (length_ms % parts == 0 && part_ms % MINUTE_MS == 0);
}

/* The item's position among those of rows; items_count: it is none. */
static uint32_t position_of(const struct spark *s, uint32_t item)
{
    uint32_t at = ascending_find(s->items, s->items_count, item);
    return at < s->items_count && s->items[at] == item ? at : s->items_count;
}

/* The slot of a row's item, or that of everything else. */
static uint32_t slot_of(const struct spark *s, uint32_t item)
{
    uint32_t at = position_of(s, item);
    return at < s->items_count ? s->order[s->items_from + at] : s->rows;
}

static struct cell *cell_at(const struct spark *s, const struct spark_share *share, uint32_t slot,
                            uint32_t part)
{
    return &share->cells[(size_t)slot * s->parts + part];
}

/* 1, 0 or an error. */
static int item_counts(struct spark *s, uint32_t item)
{
    if (!s->topq->filtered)
        return 1;
    bool known = item < s->passes_count;
    if (known && s->passes[item] != 0)
        return s->passes[item] - 1;
    int passes = topq_passes(s->topq, s->category, item, &s->label);
    if (passes >= 0 && known)
        s->passes[item] = (uint8_t)(passes + 1);
    return passes;
}

/* ---- memory ---- */

static bool select_block(void *arg, const struct block *block)
{
    const struct spark *s = arg;
    return block->dimension == s->topq->columns[0] &&
           (s->topq->hosts == NULL || span_wants_host(s->topq, block->host));
}

/* Where a point goes; NULL with 0: nowhere. */
static int find_cell(struct spark *s, uint32_t item, int64_t time_ms, struct cell **out)
{
    *out = NULL;
    uint32_t slot = slot_of(s, item);
    int counts = slot < s->rows ? 1 : item_counts(s, item);
    if (counts <= 0)
        return counts;
    *out = cell_at(s, &s->shares[0], slot, part_of(s, time_ms));
    return 0;
}

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct cell *cell = NULL;
    int err = isnan(value) ? 0 : find_cell(arg, series->item, time_ms, &cell);
    if (cell != NULL)
        cell_add(cell, value);
    return err;
}

static int retract_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct cell *cell = NULL;
    int err = isnan(value) ? 0 : find_cell(arg, series->item, time_ms, &cell);
    if (cell != NULL)
        cell_retract(cell, value);
    return err;
}

/* Are there sums by minute (or one part) for what this run has? */
static bool by_totals(const struct spark *s, uint32_t run)
{
    const struct span_list *list = span_list_at(s->span, s->category, run, 0);
    const struct span_whole *whole = &s->span->plan.whole.v[run];
    if (list->state == SPAN_FOLDED || !list->has_totals || s->topq->filtered ||
        s->topq->rank == AGGREGATE_MAX)
        return false;
    return s->minutes || only_part(s, whole->from_ms, whole->to_ms) < s->parts;
}

/* Its points come with the rest of the memory. */
static bool by_points(const struct spark *s, uint32_t run)
{
    return s->span->plan.whole.v[run].run->resolution_s == 1 && !by_totals(s, run);
}

static int fold_memory(struct spark *s)
{
    const struct span_plan *plan = &s->span->plan;
    struct block_filter filter = {.category = s->topq->categories[s->category].info.id,
                                  .dimensions = s->topq->columns,
                                  .dimensions_count = 1,
                                  .hosts = s->topq->hosts,
                                  .hosts_count = s->topq->hosts_count,
                                  .from_ms = plan->from_ms,
                                  .to_ms = plan->to_ms};
    const struct fold_sink sink = {.select = select_block,
                                   .add = add_point,
                                   .retract = s->topq->rank == AGGREGATE_MAX ? NULL : retract_point,
                                   .arg = s};
    struct fold_hidden *hidden = calloc(plan->hidden.n + 1, sizeof(*hidden));
    if (hidden == NULL)
        return LT_ENOMEM;
    uint32_t n = 0;
    for (uint32_t r = 0; r < plan->whole.n; r++)
        for (uint32_t i = plan->whole.v[r].hidden_from;
             i < plan->whole.v[r].hidden_to && !by_points(s, r); i++)
            hidden[n++] = (struct fold_hidden){.run = plan->hidden.v[i]};
    int err = fold_run_hiding(&s->topq->read->source, &filter, &sink, hidden, n);
    free(hidden);
    /* span_open has unhidden what cannot be hidden, by the same rule. */
    return err == FOLD_TOUCHED ? LT_ERETRY : err;
}

/* ---- runs ---- */

/* Adds what an item has in a part; and takes it from the rest, where that holds everything. */
static void add_cell(const struct spark_run *r, uint32_t item, uint32_t part,
                     const struct cell *cell)
{
    const struct spark *s = r->spark;
    uint32_t slot = slot_of(s, item);
    cell_merge(cell_at(s, r->share, slot, part), cell);
    if (r->takes_away)
        cell_subtract(cell_at(s, r->share, s->rows, part), cell);
}

static int add_total(void *arg, const struct storage_total *total)
{
    const struct spark_run *r = arg;
    const struct spark *s = r->spark;
    const struct cell cell = {.sum = {total->sum, 0}, .max = total->max, .count = total->count};
    uint32_t part = r->part < s->parts ? r->part : part_of(s, total->from_s * 1000);
    cell_merge(cell_at(s, r->share, s->rows, part), &cell);
    return 0;
}

static int add_totals(const struct spark_run *r, struct storage_session *session)
{
    const struct spark *s = r->spark;
    struct storage_total_filter filter = {.category = s->topq->categories[s->category].info.id,
                                          .dimension = s->topq->columns[0],
                                          .hosts = s->topq->hosts,
                                          .hosts_count = s->topq->hosts_count,
                                          .from_s = r->run->range.from_s,
                                          .to_s = r->run->range.to_s,
                                          .step_s = r->part < s->parts ? 0
                                                    : r->run->resolution_s > 60
                                                        ? r->run->resolution_s
                                                        : 60};
    return storage_run_totals(session, r->run, &filter, add_total, (void *)r);
}

static int add_summaries(struct spark_run *r, const struct storage_pack *pack)
{
    struct pack_summaries rows;
    uint32_t at = 0;
    int err = pack_open_summaries(r->share->packs, pack->summaries,
                                  PACK_COUNT | PACK_SUM | PACK_MAX, &rows);
    for (uint32_t i = 0; err == 0 && i < r->items_count; i++) {
        while (at < rows.items && rows.item[at] < r->items[i])
            at++;
        if (at == rows.items || rows.item[at] != r->items[i] || rows.count[at] == 0)
            continue;
        const struct cell cell = {
            .sum = {rows.sum[at], 0}, .max = rows.max[at], .count = rows.count[at]};
        add_cell(r, rows.item[at], r->part, &cell);
    }
    return err;
}

static int add_points(struct spark_run *r, const struct storage_pack *pack)
{
    const struct spark *s = r->spark;
    struct pack_points points;
    int err = pack_open_points(r->share->packs, r->run->range.from_s * 1000, pack->summaries,
                               pack->vectors, r->items, r->items_count, &points);
    for (uint32_t i = 0; err == 0 && i < points.count; i++) {
        struct cell cell = {0};
        if (isnan(points.values[i]))
            continue;
        cell_add(&cell, points.values[i]);
        add_cell(r, points.items[i], part_of(s, points.times_ms[i]), &cell);
    }
    return err;
}

static int add_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    const struct spark_run *r = arg;
    const struct summary *b = &bucket->summary;
    int64_t start_ms =
        (r->run->range.from_s + (int64_t)bucket->number * r->run->resolution_s) * INT64_C(1000);
    if (b->count == 0 || start_ms < r->from_ms || start_ms >= r->to_ms)
        return 0;
    if (slot_of(r->spark, item) == r->spark->rows) {
        int counts = item_counts(r->spark, item);
        if (counts <= 0)
            return counts;
    }
    const struct cell cell = {.sum = {b->sum, b->lost}, .max = b->max, .count = b->count};
    add_cell(r, item, part_of(r->spark, start_ms), &cell);
    return 0;
}

static int add_pack(void *arg, const struct storage_pack *pack)
{
    struct spark_run *r = arg;
    const struct spark *s = r->spark;
    if (pack->dimension != s->topq->columns[0] || !span_wants_host(s->topq, pack->host))
        return 0;
    if (r->takes_away && r->part < s->parts)
        return add_summaries(r, pack);
    if (r->run->resolution_s == 1)
        return add_points(r, pack);
    return rollup_open(r->share->rollups, r->run->range.from_s * 1000,
                       (int64_t)r->run->resolution_s * 1000, pack->summaries, pack->vectors,
                       r->takes_away ? r->items : NULL, r->items_count, add_bucket, r);
}

/* takes_away: only the rows' items are read. */
static int read_packs(struct spark_run *r, struct storage_session *session, const uint32_t *hosts,
                      uint32_t hosts_count)
{
    const struct spark *s = r->spark;
    struct block_filter filter = {.category = s->topq->categories[s->category].info.id,
                                  .dimensions = s->topq->columns,
                                  .dimensions_count = 1,
                                  .hosts = hosts,
                                  .hosts_count = hosts_count,
                                  .items = r->takes_away ? r->items : NULL,
                                  .items_count = r->takes_away ? r->items_count : 0,
                                  .from_ms = r->from_ms,
                                  .to_ms = r->to_ms};
    bool vectors = !r->takes_away || r->part == s->parts;
    return storage_run_packs(session, r->run, &filter,
                             STORAGE_SUMMARIES | (vectors ? STORAGE_VECTORS : 0), add_pack, r);
}

/* ---- a run's best, by minute ---- */

static int add_minutes(void *arg, const struct storage_rank *rank)
{
    struct spark_run *r = arg;
    const struct spark *s = r->spark;
    const struct rank_minutes *m = r->share->minutes;
    int err = rank_minutes_decode(rank->body, r->share->minutes);
    for (uint32_t i = 0; err == 0 && i < m->count; i++) {
        uint32_t at = position_of(s, m->items[i]);
        if (at == s->items_count)
            continue;
        const struct cell cell = {.sum = {m->sums[i], 0}, .count = m->counts[i]};
        r->found[at] = true;
        int64_t minute_ms = r->run->range.from_s * 1000 + m->minutes[i] * (int64_t)MINUTE_MS;
        add_cell(r, m->items[i], r->part < s->parts ? r->part : part_of(s, minute_ms), &cell);
    }
    return err;
}

static int read_minutes(struct spark_run *r, struct storage_session *session)
{
    const struct spark *s = r->spark;
    uint64_t rows = ((uint64_t)s->items_count * ENTRIES_PER_ITEM - 1) / RANK_MINUTES_ENTRIES + 1;
    if (r->share->minutes == NULL)
        r->share->minutes = malloc(sizeof(*r->share->minutes));
    if (r->share->minutes == NULL)
        return LT_ENOMEM;
    const struct storage_rank_filter filter = {
        .category = s->topq->categories[s->category].info.id,
        .dimension = s->topq->columns[0],
        .kind = STORAGE_RANK_MINUTES,
        .last = rows < RANK_MINUTES_ROWS ? (uint32_t)rows - 1 : RANK_MINUTES_ROWS - 1};
    return storage_run_ranks(session, r->run, &filter, add_minutes, r);
}

/* Leaves those items that were not found, and that the run has. */
static int keep_missing(struct spark_run *r, const struct crew_member *member, uint32_t run)
{
    const struct spark *s = r->spark;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->items_count; i++)
        if (!r->found[i])
            r->items[n++] = s->items[i];
    r->items_count = 0;
    struct cell *cells = calloc(n + 1, sizeof(*cells));
    if (cells == NULL)
        return LT_ENOMEM;
    int err = n == 0 ? 0 : span_look_up_run(s->span, member, s->category, run, r->items, n, cells);
    for (uint32_t i = 0; i < n && err == 0; i++)
        if (cells[i].count > 0)
            r->items[r->items_count++] = r->items[i];
    free(cells);
    return err;
}

/* The rows' items: total and all, without the others. */
static int spark_items(struct spark_run *r, const struct crew_member *member, uint32_t run)
{
    const struct spark *s = r->spark;
    const struct span_list *list = span_list_at(s->span, s->category, run, 0);
    bool listed = list->state == SPAN_LIST;
    bool one_host = listed && list->only_host != CATALOG_NONE;
    r->items = calloc(s->items_count, sizeof(*r->items));
    r->found = calloc(s->items_count, sizeof(*r->found));
    int err = r->items == NULL || r->found == NULL ? LT_ENOMEM : 0;
    if (err == 0) {
        memcpy(r->items, s->items, s->items_count * sizeof(*r->items));
        r->items_count = s->items_count;
    }
    if (err == 0 && listed && list->host == STORAGE_ALL_HOSTS && r->run->resolution_s == 1)
        err = read_minutes(r, member->session);
    if (err == 0 && listed)
        err = keep_missing(r, member, run);
    if (err == 0 && r->items_count > 0)
        err = read_packs(r, member->session, one_host ? &list->only_host : s->topq->hosts,
                         one_host ? 1 : s->topq->hosts_count);
    free(r->items);
    free(r->found);
    return err;
}

static int spark_run(void *arg, const struct crew_member *member, uint32_t run)
{
    struct spark *s = arg;
    const struct span_whole *whole = &s->span->plan.whole.v[run];
    struct spark_run r = {.spark = s,
                          .share = &s->shares[member->number],
                          .run = whole->run,
                          .from_ms = whole->from_ms,
                          .to_ms = whole->to_ms,
                          .part = only_part(s, whole->from_ms, whole->to_ms),
                          .takes_away = by_totals(s, run)};
    if (by_points(s, run) ||
        (span_list_at(s->span, s->category, run, 0)->state == SPAN_NONE && r.takes_away))
        return 0;
    if (!r.takes_away)
        return read_packs(&r, member->session, s->topq->hosts, s->topq->hosts_count);
    int err = add_totals(&r, member->session);
    return err != 0 || s->items_count == 0 ? err : spark_items(&r, member, run);
}

/* ---- all of it ---- */

static int compare_rows(const void *a, const void *b, void *arg)
{
    const struct best_row *rows = arg;
    const struct best_row *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];
    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static int spark_category(struct spark *s)
{
    const struct span_plan *plan = &s->span->plan;
    s->items_from += s->items_count;
    s->items_count = 0;
    while (s->items_from + s->items_count < s->rows &&
           s->best[s->order[s->items_from + s->items_count]].category == s->category) {
        s->items[s->items_count] = s->best[s->order[s->items_from + s->items_count]].item;
        s->items_count++;
    }
    if (s->topq->filtered) {
        s->passes_count = s->topq->categories[s->category].info.items;
        s->passes = scratch_take(&s->topq->read->scratch, s->passes_count, 1);
        if (s->passes == NULL)
            return scratch_error(&s->topq->read->scratch);
    }
    int err = fold_memory(s);
    /* One at a time where items are asked for their names: what is known of them is shared. */
    for (uint32_t r = 0; s->topq->filtered && r < plan->whole.n && err == 0; r++) {
        const struct crew_member self = {.session = s->topq->read->source.session};
        err = spark_run(s, &self, r);
    }
    if (err == 0 && !s->topq->filtered)
        err = crew_run(s->topq->read, plan->whole.n, spark_run, s);
    for (uint32_t e = 0; e < plan->edges.n && err == 0; e++) {
        struct spark_run r = {.spark = s,
                              .share = &s->shares[0],
                              .run = plan->edges.v[e].run,
                              .part = s->parts,
                              .from_ms = plan->edges.v[e].from_ms,
                              .to_ms = plan->edges.v[e].to_ms};
        err = read_packs(&r, s->topq->read->source.session, s->topq->hosts, s->topq->hosts_count);
    }
    return err;
}

static int spark_init(struct spark *s)
{
    struct scratch *scratch = &s->topq->read->scratch;
    uint64_t cells = ((uint64_t)s->rows + 1) * s->parts;
    s->order = scratch_take(scratch, s->rows, sizeof(*s->order));
    s->items = scratch_take(scratch, s->rows, sizeof(*s->items));
    if (s->order == NULL || s->items == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < s->rows; i++)
        s->order[i] = i;
    qsort_r(s->order, s->rows, sizeof(*s->order), compare_rows, (void *)s->best);
    buffer_init(&s->label, NAME_BYTES_MAX);
    int err = 0;
    for (uint32_t i = 0; i < CREW_MAX && err == 0; i++) {
        s->shares[i].cells = scratch_take(scratch, cells, sizeof(struct cell));
        err = s->shares[i].cells == NULL ? scratch_error(scratch)
                                         : pack_codec_create(&s->shares[i].packs);
        if (err == 0)
            err = rollup_codec_create(&s->shares[i].rollups);
    }
    return err;
}

static void spark_fini(struct spark *s)
{
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        pack_codec_destroy(&s->shares[i].packs);
        rollup_codec_destroy(&s->shares[i].rollups);
        free(s->shares[i].minutes);
    }
    buffer_fini(&s->label);
}

int topq_spark(struct topq *t, struct span *span, const struct best *rows, struct cell **cells_out)
{
    struct spark s = {.topq = t,
                      .span = span,
                      .parts = t->read->spec->sparkline,
                      .rows = rows->n,
                      .best = rows->rows};
    s.minutes = cut_at_minutes(span->plan.to_ms - span->plan.from_ms, s.parts);
    int err = spark_init(&s);
    for (; s.category < t->categories_count && !t->no_hosts && err == 0; s.category++)
        err = spark_category(&s);
    uint64_t cells = ((uint64_t)s.rows + 1) * s.parts;
    for (uint64_t i = 0; i < cells && err == 0; i++) {
        for (uint32_t m = 1; m < CREW_MAX; m++)
            cell_merge(&s.shares[0].cells[i], &s.shares[m].cells[i]);
        cell_settle(&s.shares[0].cells[i]);
    }
    *cells_out = s.shares[0].cells;
    spark_fini(&s);
    return err;
}
