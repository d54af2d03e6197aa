#include "query/span.h"
#include "query/topq.h"

#include <math.h>
#include <stdlib.h>

/* TOPQ: rank.
 *
 * rows + rest = total. Where every sum is finite and the total is known without reading the items,
 * the rest is total - rows: bit for bit on integers; else within a rounding of the truth, by
 * compensated sums. Where it is not (the largest of the others cannot be told from the largest of
 * all; infinities; filters), the rest is added up item by item, by a scan of its own or by the one
 * that ranks. The total that is printed is what the printed rows and rest sum up to. */

/* One member's share of a scan. */
struct share {
    struct best best;
    uint64_t items;
    struct cell *totals; /* by column */
    struct buffer label;
};

struct ranker {
    struct topq *topq;
    struct span *span;
    uint32_t columns;
    bool totals; /* of items that pass, while scanning */
    struct share shares[CREW_MAX];
    const struct best_row *skip; /* by category and item: rows, which are not of the rest */
    uint32_t skip_count;
};

/* ---- shares ---- */

static int shares_init(struct ranker *r, uint32_t best_max)
{
    struct scratch *scratch = &r->topq->read->scratch;
    for (uint32_t i = 0; i < CREW_MAX; i++)
        buffer_init(&r->shares[i].label, NAME_BYTES_MAX);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        struct share *s = &r->shares[i];
        s->best.max = best_max;
        s->best.rows = scratch_take(scratch, best_max, sizeof(*s->best.rows));
        s->totals = scratch_take(scratch, r->columns, sizeof(*s->totals));
        if (s->best.rows == NULL || s->totals == NULL)
            return scratch_error(scratch);
    }
    return 0;
}

static void shares_fini(struct ranker *r)
{
    for (uint32_t i = 0; i < CREW_MAX; i++)
        buffer_fini(&r->shares[i].label);
}

/* All into the first one. */
static void shares_merge(struct ranker *r)
{
    struct share *first = &r->shares[0];
    for (uint32_t i = 1; i < CREW_MAX; i++) {
        for (uint32_t k = 0; k < r->shares[i].best.n; k++)
            best_offer(&first->best, &r->shares[i].best.rows[k]);
        first->items += r->shares[i].items;
        for (uint32_t c = 0; c < r->columns; c++)
            cell_merge(&first->totals[c], &r->shares[i].totals[c]);
    }
}

/* ---- ranking by a scan ---- */

static bool has_points(const struct span_window *w, uint32_t columns, uint32_t i)
{
    bool any = false;
    for (uint32_t c = 0; c < columns && !any; c++)
        any = w->counts[(size_t)c * w->stride + i] > 0;
    return any;
}

static void offer_item(struct ranker *r, struct share *share, const struct span_window *w,
                       uint32_t i)
{
    if (w->counts[i] == 0)
        return;
    share->items++;
    struct cell cell = span_window_cell(w, 0, i);
    double value = cell_value(&cell, r->topq->rank);
    if (best_wants(&share->best, value))
        best_offer(&share->best, &(struct best_row){value, w->category, span_window_item(w, i)});
}

/* All of a window: nearly every item is refused by one comparison. */
static void offer_window(struct ranker *r, struct share *share, const struct span_window *w)
{
    enum aggregate rank = r->topq->rank;
    uint64_t items = 0;
    for (uint32_t i = 0; i < w->items; i++) {
        double value = NAN;
        if (w->counts[i] == 0)
            continue;
        items++;
        if (rank == AGGREGATE_SUM || rank == AGGREGATE_AVG)
            value = isfinite(w->sums[i]) ? w->sums[i] + w->losts[i] : w->sums[i];
        if (rank == AGGREGATE_AVG)
            value /= (double)w->counts[i];
        else if (rank == AGGREGATE_MAX)
            value = w->maxs[i];
        else if (rank == AGGREGATE_COUNT)
            value = (double)w->counts[i];
        if (best_wants(&share->best, value))
            best_offer(&share->best,
                       &(struct best_row){value, w->category, span_window_item(w, i)});
    }
    share->items += items;
}

static int rank_window(void *arg, const struct crew_member *member, const struct span_window *w)
{
    struct ranker *r = arg;
    struct share *share = &r->shares[member->number];
    if (!r->topq->filtered) {
        offer_window(r, share, w);
        return 0;
    }
    for (uint32_t i = 0; i < w->items; i++) {
        uint32_t item = span_window_item(w, i);
        if (!topq_may_pass(r->topq, w->category, item) || !has_points(w, r->columns, i))
            continue;
        int passes = topq_passes(r->topq, w->category, item, &share->label);
        if (passes < 0)
            return passes;
        if (passes == 0)
            continue;
        offer_item(r, share, w, i);
        for (uint32_t c = 0; r->totals && c < r->columns; c++) {
            struct cell cell = span_window_cell(w, c, i);
            if (cell.count > 0)
                cell_merge(&share->totals[c], &cell);
        }
    }
    return 0;
}

/* ---- everything else, item by item ---- */

static int compare_rows(const void *a, const void *b)
{
    const struct best_row *x = a, *y = b;
    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/* The first of skip that is not before the item. */
static uint32_t find_skip(const struct ranker *r, uint32_t category, uint32_t item)
{
    const struct best_row key = {.category = category, .item = item};
    uint32_t lo = 0, hi = r->skip_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (compare_rows(&r->skip[mid], &key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int rest_window(void *arg, const struct crew_member *member, const struct span_window *w)
{
    struct ranker *r = arg;
    struct share *share = &r->shares[member->number];
    uint32_t skip = w->items > 0 ? find_skip(r, w->category, span_window_item(w, 0)) : 0;
    for (uint32_t i = 0; i < w->items; i++) {
        uint32_t item = span_window_item(w, i);
        while (skip < r->skip_count && r->skip[skip].category == w->category &&
               r->skip[skip].item < item)
            skip++;
        if (skip < r->skip_count && r->skip[skip].category == w->category &&
            r->skip[skip].item == item)
            continue;
        if (!has_points(w, r->columns, i))
            continue;
        int passes = r->topq->filtered ? topq_passes(r->topq, w->category, item, &share->label) : 1;
        if (passes < 0)
            return passes;
        for (uint32_t c = 0; passes == 1 && c < r->columns; c++) {
            struct cell cell = span_window_cell(w, c, i);
            if (cell.count > 0)
                cell_merge(&share->totals[c], &cell);
        }
    }
    return 0;
}

static int sort_rows(struct topq *t, const struct best *rows, struct best_row **out)
{
    *out = scratch_take(&t->read->scratch, rows->n, sizeof(**out));
    if (*out == NULL)
        return scratch_error(&t->read->scratch);
    if (rows->n > 0)
        memcpy(*out, rows->rows, rows->n * sizeof(**out));
    qsort(*out, rows->n, sizeof(**out), compare_rows);
    return 0;
}

static int add_up_rest(struct topq *t, struct span *span, const struct best *rows,
                       struct cell *rest)
{
    struct ranker r = {.topq = t, .span = span, .columns = span->columns};
    struct best_row *sorted = NULL;
    int err = shares_init(&r, 0);
    if (err == 0)
        err = sort_rows(t, rows, &sorted);
    r.skip = sorted;
    r.skip_count = rows->n;
    if (err == 0)
        err = span_scan(span, span->columns, rest_window, &r);
    if (err == 0) {
        shares_merge(&r);
        memcpy(rest, r.shares[0].totals, span->columns * sizeof(*rest));
    }
    shares_fini(&r);
    return err;
}

/* ---- rows and rest ---- */

/* Rows at order[0 … count) are of one category: their cells, by column. */
static int look_up_category(struct span *span, const struct best *rows, const uint32_t *order,
                            uint32_t count, uint32_t *items, struct cell *found, struct cell *cells)
{
    uint32_t category = rows->rows[order[0]].category;
    int err = 0;
    for (uint32_t i = 0; i < count; i++)
        items[i] = rows->rows[order[i]].item;
    for (uint32_t c = 0; c < span->columns && err == 0; c++) {
        err = span_look_up(span, category, c, items, count, found);
        for (uint32_t i = 0; i < count && err == 0; i++)
            cells[(size_t)order[i] * span->columns + c] = found[i];
    }
    return err;
}

static int compare_order(const void *a, const void *b, void *arg)
{
    const struct best_row *rows = arg;
    return compare_rows(&rows[*(const uint32_t *)a], &rows[*(const uint32_t *)b]);
}

/* cells: row x columns + column. */
static int look_up_rows(struct topq *t, struct span *span, const struct best *rows,
                        struct cell *cells)
{
    struct scratch *scratch = &t->read->scratch;
    uint32_t *order = scratch_take(scratch, rows->n, sizeof(*order));
    uint32_t *items = scratch_take(scratch, rows->n, sizeof(*items));
    struct cell *found = scratch_take(scratch, rows->n, sizeof(*found));
    if (order == NULL || items == NULL || found == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < rows->n; i++)
        order[i] = i;
    qsort_r(order, rows->n, sizeof(*order), compare_order, rows->rows);
    int err = 0;
    for (uint32_t from = 0, end; from < rows->n && err == 0; from = end) {
        for (end = from;
             end < rows->n && rows->rows[order[end]].category == rows->rows[order[from]].category;
             end++)
            ;
        err = look_up_category(span, rows, &order[from], end - from, items, found, cells);
    }
    return err;
}

/* rest = total - rows, where the totals are finite. */
static bool subtract_rows(const struct span *span, const struct cells_total *totals,
                          const struct best *rows, struct cell *cells)
{
    struct cell *rest = &cells[(size_t)rows->n * span->columns];
    for (uint32_t c = 0; c < span->columns; c++) {
        if (!totals[c].finite)
            return false;
        rest[c] = totals[c].cell;
        for (uint32_t i = 0; i < rows->n; i++)
            cell_subtract(&rest[c], &cells[(size_t)i * span->columns + c]);
        cell_settle(&rest[c]);
    }
    return true;
}

/* totals: NULL where they are not known. */
static int make_cells(struct topq *t, struct span *span, const struct best *rows,
                      const struct cells_total *totals, struct cell **out)
{
    struct scratch *scratch = &t->read->scratch;
    struct cell *cells =
        scratch_take(scratch, ((uint64_t)rows->n + 1) * span->columns, sizeof(struct cell));
    if (cells == NULL)
        return scratch_error(scratch);
    *out = cells;
    int err = look_up_rows(t, span, rows, cells);
    if (err == 0 && (totals == NULL || !subtract_rows(span, totals, rows, cells)))
        err = add_up_rest(t, span, rows, &cells[(size_t)rows->n * span->columns]);
    return err;
}

/* Of all items, where the rest may be taken from them; else NULL. Memory alone is added up again
 * instead: that costs little, and is right to the last digit. */
static int read_totals(struct topq *t, struct span *span, struct cells_total **out)
{
    *out = NULL;
    if (t->filtered || t->rank == AGGREGATE_MAX || span->lists == 0)
        return 0;
    *out = scratch_take(&t->read->scratch, span->columns, sizeof(**out));
    if (*out == NULL)
        return scratch_error(&t->read->scratch);
    for (uint32_t c = 0; c < span->columns; c++)
        (*out)[c] = span_total(span, c);
    return 0;
}

int topq_look_up(struct topq *t, struct span *span, const struct best *rows,
                 struct cell **cells_out)
{
    struct cells_total *totals;
    int err = read_totals(t, span, &totals);
    return err != 0 ? err : make_cells(t, span, rows, totals, cells_out);
}

/* ---- plans ---- */

/* 0, THRESHOLD_GIVES_UP or an error. */
static int rank_by_threshold(struct topq *t, struct span *span, const struct cells_total *totals,
                             struct topq_ranking *out)
{
    if (t->rank != AGGREGATE_SUM || totals == NULL || !totals[0].finite)
        return THRESHOLD_GIVES_UP;
    int err = span_threshold(span, &out->best);
    if (err == 0)
        err = span_count_items(span, &out->items);
    return err != 0 ? err : make_cells(t, span, &out->best, totals, &out->cells);
}

/* The best max of a scan; the one after them tells the largest of the rest. */
static void keep_best(struct share *share, struct topq_ranking *out, struct cell *next)
{
    best_sort(&share->best);
    uint32_t n = share->best.n < out->best.max ? share->best.n : out->best.max;
    if (n > 0)
        memcpy(out->best.rows, share->best.rows, n * sizeof(*out->best.rows));
    if (share->best.n > n)
        *next = (struct cell){.max = share->best.rows[n].value, .count = 1};
    out->best.n = n;
    out->items = share->items;
}

static int rank_by_scan(struct topq *t, struct span *span, struct cells_total *totals,
                        struct topq_ranking *out)
{
    /* Other columns are read only where the scan is to know their totals. */
    bool filtered_totals = t->filtered && span->lists > 0 && t->rank != AGGREGATE_MAX;
    struct ranker r = {.topq = t,
                       .span = span,
                       .columns = filtered_totals ? span->columns : 1,
                       .totals = filtered_totals};
    struct cell next = {0};
    int err = shares_init(&r, out->best.max + 1);
    if (err == 0)
        err = span_scan(span, r.columns, rank_window, &r);
    if (err == 0) {
        shares_merge(&r);
        keep_best(&r.shares[0], out, &next);
    }
    if (err == 0 && filtered_totals) {
        totals = scratch_take(&t->read->scratch, span->columns, sizeof(*totals));
        err = totals == NULL ? scratch_error(&t->read->scratch) : 0;
        for (uint32_t c = 0; c < span->columns && err == 0; c++)
            totals[c] =
                (struct cells_total){.cell = r.shares[0].totals[c],
                                     .finite = isfinite(sum_total(&r.shares[0].totals[c].sum))};
    }
    shares_fini(&r);
    if (err != 0)
        return err;
    bool next_is_rest = t->rank == AGGREGATE_MAX && span->columns == 1 && span->lists > 0;
    if (!next_is_rest)
        return make_cells(t, span, &out->best, totals, &out->cells);
    struct cells_total none = {.finite = true};
    err = make_cells(t, span, &out->best, &none, &out->cells);
    if (err == 0)
        out->cells[out->best.n] = next;
    return err;
}

static const char *scan_plan(const struct span *span)
{
    return span->lists > 0 ? "scan" : span->summed > 0 ? "summaries" : "fold";
}

int topq_rank(struct topq *t, struct span *span, struct topq_ranking *out)
{
    struct cells_total *totals;
    out->best.max = (uint32_t)t->read->spec->limit;
    out->best.rows = scratch_take(&t->read->scratch, out->best.max, sizeof(*out->best.rows));
    if (out->best.rows == NULL)
        return scratch_error(&t->read->scratch);
    int err = read_totals(t, span, &totals);
    if (err == 0)
        err = rank_by_threshold(t, span, totals, out);
    out->plan = "threshold";
    if (err != THRESHOLD_GIVES_UP)
        return err;
    err = span_sum_own(span);
    out->plan = scan_plan(span);
    return err != 0 ? err : rank_by_scan(t, span, totals, out);
}
