#include "query/span.h"

#include "base/ascending.h"
#include "port/storage_reads.h"
#include "query/bins.h"
#include "vector/pack.h"
#include "vector/rollup.h"

#include <math.h>
#include <stdlib.h>

/* Of span_open's steps: what was planned does not do. */
enum { REPLAN_HOURS = 100, REPLAN_POINTS = 101 };

struct filler {
    struct span *span;
    uint32_t category; /* position */
    struct bins *bins;
    struct pack_codec *packs;
    struct rollup_codec *rollups;
    const struct span_edge *edge;
    uint32_t column; /* of the row in hand */
};

static struct read *read_of(const struct span *span)
{
    return span->topq->read;
}

static uint32_t column_of(const struct topq *t, uint32_t dimension)
{
    uint32_t column = 0;
    while (column < t->columns_count && t->columns[column] != dimension)
        column++;
    return column;
}

bool span_wants_host(const struct topq *t, uint32_t host)
{
    return t->hosts == NULL || ascending_has(t->hosts, t->hosts_count, host);
}

static struct block_filter make_filter(const struct span *span, uint32_t category)
{
    const struct topq *t = span->topq;
    return (struct block_filter){.category = t->categories[category].info.id,
                                 .dimensions = t->columns,
                                 .dimensions_count = span->columns,
                                 .hosts = t->hosts,
                                 .hosts_count = t->hosts_count,
                                 .from_ms = span->plan.from_ms,
                                 .to_ms = span->plan.to_ms};
}

static struct cell *take_cell(const struct filler *f, uint32_t item, uint32_t column)
{
    struct cell *cells = cells_take(&f->span->categories[f->category].cells, item);
    return cells != NULL ? &cells[column] : NULL;
}

/* ---- points ---- */

static bool select_block(void *arg, const struct block *block)
{
    const struct filler *f = arg;
    return column_of(f->span->topq, block->dimension) < f->span->columns &&
           span_wants_host(f->span->topq, block->host);
}

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    const struct filler *f = arg;
    if (isnan(value))
        return 0;
    struct cell *cell = take_cell(f, series->item, column_of(f->span->topq, series->dimension));
    if (cell == NULL)
        return scratch_error(&f->span->scratch);
    cell_add(cell, value);
    return 0;
}

static int take_points(void *arg, const struct crew_member *member, const struct block *block)
{
    const struct filler *f = arg;
    return bins_add(f->bins, member, column_of(f->span->topq, block->dimension), block->items,
                    block->values, block->count);
}

static int retract_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    const struct filler *f = arg;
    if (isnan(value))
        return 0;
    if (!isfinite(value))
        return REPLAN_POINTS; /* infinity minus infinity */
    struct cell *cell = take_cell(f, series->item, column_of(f->span->topq, series->dimension));
    if (cell == NULL)
        return scratch_error(&f->span->scratch);
    cell_retract(cell, value);
    return 0;
}

static bool is_folded(const struct span *span, uint32_t category, uint32_t run)
{
    return span_list_at(span, category, run, 0)->state == SPAN_FOLDED;
}

/* Hides no more the runs that were touched. REPLAN_HOURS: one of them is not in the plan by itself.
 */
static int unhide_touched(const struct filler *f, const struct fold_hidden *hidden, uint32_t count)
{
    struct span *span = f->span;
    for (uint32_t h = 0; h < count; h++) {
        if (!hidden[h].touched)
            continue;
        for (uint32_t r = 0; r < span->plan.whole.n; r++) {
            const struct span_whole *whole = &span->plan.whole.v[r];
            if (whole->run == hidden[h].run)
                for (uint32_t c = 0; c < span->columns; c++)
                    span_list_at(span, f->category, r, c)->state = SPAN_FOLDED;
            else
                for (uint32_t i = whole->hidden_from; i < whole->hidden_to; i++)
                    if (span->plan.hidden.v[i] == hidden[h].run)
                        return REPLAN_HOURS;
        }
    }
    return 0;
}

static int fold_points(struct filler *f)
{
    struct span *span = f->span;
    const struct span_plan *plan = &span->plan;
    struct block_filter filter = make_filter(span, f->category);
    const struct fold_sink sink = {.select = select_block,
                                   .add = add_point,
                                   .take = take_points,
                                   .read = read_of(span),
                                   .retract =
                                       span->topq->rank == AGGREGATE_MAX ? NULL : retract_point,
                                   .arg = f};
    struct fold_hidden *hidden = calloc(plan->hidden.n + 1, sizeof(*hidden));
    int err = hidden == NULL ? LT_ENOMEM : FOLD_TOUCHED;
    while (err == FOLD_TOUCHED) {
        uint32_t n = 0;
        for (uint32_t r = 0; r < plan->whole.n; r++)
            for (uint32_t i = plan->whole.v[r].hidden_from;
                 i < plan->whole.v[r].hidden_to && !is_folded(span, f->category, r); i++)
                hidden[n++] = (struct fold_hidden){.run = plan->hidden.v[i]};
        err = fold_run_hiding(&read_of(span)->source, &filter, &sink, hidden, n);
        if (err == FOLD_TOUCHED) {
            int status = unhide_touched(f, hidden, n);
            if (status != 0) {
                free(hidden);
                return status;
            }
        }
    }
    free(hidden);
    return err;
}

static int fill_points(struct filler *f)
{
    struct span *span = f->span;
    int err = bins_create(&span->categories[f->category].cells, span->shares, &f->bins);
    if (err == 0)
        err = fold_points(f);
    if (err == 0)
        err = bins_drain(f->bins, read_of(span));
    bins_destroy(&f->bins);
    return err;
}

/* ---- summaries ---- */

static int sum_row(void *arg, const struct storage_pack *pack)
{
    struct filler *f = arg;
    const struct topq *t = f->span->topq;
    struct pack_summaries rows;
    uint32_t column = column_of(t, pack->dimension);
    if (column >= f->span->columns || !span_wants_host(t, pack->host))
        return 0;
    bool by_max = t->rank == AGGREGATE_MAX;
    int err = pack_open_summaries(f->packs, pack->summaries,
                                  PACK_COUNT | PACK_SUM | (by_max ? PACK_MAX : 0), &rows);
    for (uint32_t i = 0; i < rows.items && err == 0; i++) {
        if (rows.count[i] == 0)
            continue;
        struct cell *cell = take_cell(f, rows.item[i], column);
        if (cell == NULL)
            return scratch_error(&f->span->scratch);
        cell_merge(cell, &(struct cell){.sum = {rows.sum[i], 0},
                                        .max = by_max ? rows.max[i] : 0,
                                        .count = rows.count[i]});
    }
    return err;
}

/* Of the columns whose list is in that state. */
static int fill_summaries(struct filler *f, uint32_t run, enum span_state state)
{
    struct span *span = f->span;
    uint32_t *dimensions = scratch_take(&span->scratch, span->columns, sizeof(*dimensions));
    if (dimensions == NULL)
        return scratch_error(&span->scratch);
    struct block_filter filter = make_filter(span, f->category);
    filter.dimensions = dimensions;
    filter.dimensions_count = 0;
    for (uint32_t c = 0; c < span->columns; c++)
        if (span_list_at(span, f->category, run, c)->state == state)
            dimensions[filter.dimensions_count++] = span->topq->columns[c];
    if (filter.dimensions_count == 0)
        return 0;
    span->summed++;
    return storage_run_packs(read_of(span)->source.session, span->plan.whole.v[run].run, &filter,
                             STORAGE_SUMMARIES, sum_row, f);
}

static int sum_own(struct filler *f, uint32_t run)
{
    struct span *span = f->span;
    for (uint32_t c = 0; c < span->columns; c++) {
        struct span_list *list = span_list_at(span, f->category, run, c);
        if (list->state != SPAN_LIST || list->host == STORAGE_ALL_HOSTS)
            continue;
        list->state = SPAN_SUMMING;
        span_drop_top(span, list);
        span->lists--;
        span->own--;
    }
    int err = fill_summaries(f, run, SPAN_SUMMING);
    for (uint32_t c = 0; c < span->columns; c++) {
        struct span_list *list = span_list_at(span, f->category, run, c);
        if (list->state == SPAN_SUMMING)
            list->state = SPAN_SUMMED;
    }
    return err;
}

int span_sum_own(struct span *span)
{
    struct filler f = {.span = span};
    int err = span->own == 0 ? 0 : pack_codec_create(&f.packs);
    for (uint32_t c = 0; c < span->topq->categories_count && span->own > 0 && err == 0; c++) {
        f.category = c;
        for (uint32_t r = 0; r < span->plan.whole.n && err == 0; r++)
            err = sum_own(&f, r);
    }
    pack_codec_destroy(&f.packs);
    return err;
}

/* ---- buckets ---- */

static int add_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    const struct filler *f = arg;
    const struct storage_run *run = f->edge->run;
    int64_t start_ms =
        (run->range.from_s + (int64_t)bucket->number * run->resolution_s) * INT64_C(1000);
    const struct summary *s = &bucket->summary;
    if (start_ms < f->edge->from_ms || start_ms >= f->edge->to_ms || s->count == 0)
        return 0;
    struct cell *cell = take_cell(f, item, f->column);
    if (cell == NULL)
        return scratch_error(&f->span->scratch);
    cell_merge(cell, &(struct cell){.sum = {s->sum, s->lost}, .max = s->max, .count = s->count});
    return 0;
}

static int add_buckets(void *arg, const struct storage_pack *pack)
{
    struct filler *f = arg;
    const struct storage_run *run = f->edge->run;
    f->column = column_of(f->span->topq, pack->dimension);
    if (f->column >= f->span->columns || !span_wants_host(f->span->topq, pack->host))
        return 0;
    return rollup_open(f->rollups, run->range.from_s * 1000, (int64_t)run->resolution_s * 1000,
                       pack->summaries, pack->vectors, NULL, 0, add_bucket, f);
}

static int fill_edge(struct filler *f, const struct span_edge *edge)
{
    struct block_filter filter = make_filter(f->span, f->category);
    filter.from_ms = edge->from_ms;
    filter.to_ms = edge->to_ms;
    f->edge = edge;
    return storage_run_packs(read_of(f->span)->source.session, edge->run, &filter,
                             STORAGE_SUMMARIES | STORAGE_VECTORS, add_buckets, f);
}

/* ---- open, close ---- */

static int fill_category(struct filler *f)
{
    struct span *span = f->span;
    int err = fill_points(f);
    if (err == 0 && span->plan.whole.n > 0)
        err = span_read_totals(span, f->category);
    for (uint32_t r = 0; r < span->plan.whole.n && err == 0; r++)
        err = fill_summaries(f, r, SPAN_SUMMED);
    for (uint32_t e = 0; e < span->plan.edges.n && err == 0; e++)
        err = fill_edge(f, &span->plan.edges.v[e]);
    return err;
}

static int fill(struct span *span)
{
    struct filler f = {.span = span};
    int err = pack_codec_create(&f.packs);
    if (err == 0)
        err = rollup_codec_create(&f.rollups);
    for (uint32_t c = 0; c < span->topq->categories_count && !span->topq->no_hosts && err == 0;
         c++) {
        f.category = c;
        err = fill_category(&f);
    }
    pack_codec_destroy(&f.packs);
    rollup_codec_destroy(&f.rollups);
    return err;
}

static int make_plan(struct span *span, int64_t from_ms, int64_t to_ms, enum span_detail detail)
{
    struct storage_session *session = read_of(span)->source.session;
    uint32_t count = 0;
    const struct storage_run *runs =
        session != NULL ? storage_snapshot_runs(session, &count) : NULL;
    return span_plan_make(&span->plan, runs, count, from_ms, to_ms, detail);
}

static int make_categories(struct span *span)
{
    const struct topq *t = span->topq;
    span->categories = scratch_take(&span->scratch, t->categories_count, sizeof(*span->categories));
    if (span->categories == NULL)
        return scratch_error(&span->scratch);
    int err = 0;
    for (uint32_t c = 0; c < t->categories_count && err == 0; c++) {
        struct span_category *category = &span->categories[c];
        cells_init(&category->cells, &span->scratch, span->columns, t->categories[c].info.items);
        category->lists = scratch_take(&span->scratch, (uint64_t)span->plan.whole.n * span->columns,
                                       sizeof(struct span_list));
        err = category->lists == NULL ? scratch_error(&span->scratch)
                                      : itemset_create(&category->items);
    }
    return err;
}

static int open_planned(struct topq *t, int64_t from_ms, int64_t to_ms, uint32_t columns,
                        enum span_detail detail, struct span **out)
{
    struct span *span = calloc(1, sizeof(*span));
    if (span == NULL)
        return LT_ENOMEM;
    span->topq = t;
    span->columns = columns;
    scratch_init(&span->scratch, t->read->guard);
    for (uint32_t i = 0; i < CREW_MAX; i++)
        scratch_init(&span->shares[i], t->read->guard);
    pthread_mutex_init(&span->lock, NULL);
    int err = make_plan(span, from_ms, to_ms, detail);
    if (err == 0)
        err = make_categories(span);
    if (err == 0)
        err = fill(span);
    if (err != 0)
        span_close(&span);
    else
        *out = span;
    return err;
}

int span_open(struct topq *t, int64_t from_ms, int64_t to_ms, uint32_t columns, struct span **out)
{
    int err = open_planned(t, from_ms, to_ms, columns, SPAN_DAYS, out);
    if (err == REPLAN_HOURS)
        err = open_planned(t, from_ms, to_ms, columns, SPAN_HOURS, out);
    if (err == REPLAN_POINTS)
        err = open_planned(t, from_ms, to_ms, columns, SPAN_POINTS, out);
    return err;
}

void span_close(struct span **span_ref)
{
    struct span *span = *span_ref;
    if (span == NULL)
        return;
    for (uint32_t c = 0; span->categories != NULL && c < span->topq->categories_count; c++) {
        itemset_destroy(&span->categories[c].items);
        uint64_t lists = (uint64_t)span->plan.whole.n * span->columns;
        for (uint64_t i = 0; span->categories[c].lists != NULL && i < lists; i++)
            span_drop_top(span, &span->categories[c].lists[i]);
    }
    span_plan_fini(&span->plan);
    pthread_mutex_destroy(&span->lock);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        scratch_release(span->scratch.guard, span->shares[i].bytes);
        scratch_fini(&span->shares[i]);
    }
    scratch_release(span->scratch.guard, span->scratch.bytes);
    scratch_fini(&span->scratch);
    free(span);
    *span_ref = NULL;
}

struct cells_total span_total(const struct span *span, uint32_t column)
{
    struct cells_total total = {.finite = true};
    for (uint32_t c = 0; c < span->topq->categories_count; c++) {
        struct cells_total memory = cells_total(&span->categories[c].cells, column);
        for (uint32_t r = 0; r < span->plan.whole.n; r++) {
            const struct span_list *list = span_list_at(span, c, r, column);
            if (list->state == SPAN_LIST)
                cell_merge(&total.cell, &list->total);
        }
        cell_merge(&total.cell, &memory.cell);
        total.any |= memory.any;
        total.finite &= memory.finite;
    }
    total.finite &= isfinite(sum_total(&total.cell.sum));
    return total;
}
