#include "query/topq.h"

#include <ctype.h>
#include <math.h>

/* TOPQ: rank, and finish.
 *
 * rows + rest = total. Integers add up exactly, so any way of adding gives this bit for bit. For
 * other values the rest is the compensated sum of the others' exact sums, and the total is the
 * compensated sum of what is printed, rows and rest: so a reader who adds the printed numbers up
 * (with fsum, say) gets the printed total, and all three are within a rounding of the truth. The
 * others: for a WITH column these are all items that pass the filters and have points of it, ranked
 * or not. */

struct candidate {
    double value;
    uint32_t category; /* position: ascending with the id */
    uint32_t item;
    const struct cell *cells;
    uint32_t *slot;
};

struct ranking {
    struct topq *topq;
    struct candidate *heap; /* the worst one on top, until it is sorted */
    uint32_t n;
    uint32_t max;
    uint64_t ranked;   /* items with points of the ranked dimension */
    struct cell *rest; /* by column */
    struct buffer label;
};

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->value != b->value)
        return a->value > b->value;
    if (a->category != b->category)
        return a->category < b->category;
    return a->item < b->item;
}

static void heap_sink(struct candidate *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t worst = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
            if (is_better(&heap[worst], &heap[child]))
                worst = child;
        if (worst == at)
            return;
        struct candidate swap = heap[at];
        heap[at] = heap[worst];
        heap[worst] = swap;
        at = worst;
    }
}

static void offer(struct ranking *r, const struct candidate *c)
{
    if (r->n < r->max) {
        r->heap[r->n++] = *c;
        for (uint32_t at = r->n - 1; at > 0;) {
            uint32_t parent = (at - 1) / 2;
            if (!is_better(&r->heap[parent], &r->heap[at]))
                break;
            struct candidate swap = r->heap[at];
            r->heap[at] = r->heap[parent];
            r->heap[parent] = swap;
            at = parent;
        }
    } else if (r->max > 0 && is_better(c, &r->heap[0])) {
        r->heap[0] = *c;
        heap_sink(r->heap, r->n, 0);
    }
}

/* Best first. */
static void heap_sort(struct ranking *r)
{
    for (uint32_t n = r->n; n > 1; n--) {
        struct candidate worst = r->heap[0];
        r->heap[0] = r->heap[n - 1];
        r->heap[n - 1] = worst;
        heap_sink(r->heap, n - 1, 0);
    }
}

static bool contains_folded(struct slice text, struct slice part)
{
    for (size_t at = 0; at + part.n <= text.n; at++) {
        size_t i = 0;
        while (i < part.n &&
               tolower((unsigned char)text.p[at + i]) == tolower((unsigned char)part.p[i]))
            i++;
        if (i == part.n)
            return true;
    }
    return false;
}

/* The item as it is printed; valid until the next call. */
static struct slice make_label(struct ranking *r, uint32_t category, uint32_t item)
{
    struct topq *t = r->topq;
    const struct topq_category *c = &t->categories[category];
    buffer_reset(&r->label, r->label.max);
    pattern_label(&t->pattern, &c->fit, catalog_item_name(t->catalog, c->info.id, item), &r->label);
    return buffer_slice(&r->label);
}

/* 1, 0 or an error. */
static int passes_filters(struct ranking *r, uint32_t category, uint32_t item)
{
    struct topq *t = r->topq;
    const struct topq_category *c = &t->categories[category];
    struct slice match = t->read->spec->match;
    if (c->fit.fixes_items &&
        !pattern_takes_item(&t->pattern, &c->fit, catalog_item_name(t->catalog, c->info.id, item)))
        return 0;
    if (match.n == 0 || contains_folded(catalog_item_text(t->catalog, c->info.id, item), match))
        return 1;
    bool found = contains_folded(make_label(r, category, item), match);
    return r->label.error != 0 ? r->label.error : found;
}

static int visit_rank(struct topq *t, uint32_t category, uint32_t item, uint32_t *slot,
                      const struct cell *cells, void *arg)
{
    struct ranking *r = arg;
    int passes = passes_filters(r, category, item);
    if (passes <= 0)
        return passes;
    *slot = SLOT_REST;
    if (cells[0].count == 0)
        return 0;
    r->ranked++;
    struct candidate c = {.value = cell_value(&cells[0], t->read->spec->rank),
                          .category = category,
                          .item = item,
                          .cells = cells,
                          .slot = slot};
    offer(r, &c);
    return 0;
}

static int visit_rest(struct topq *t, uint32_t category, uint32_t item, uint32_t *slot,
                      const struct cell *cells, void *arg)
{
    struct ranking *r = arg;
    if (*slot == SLOT_REST)
        for (uint32_t c = 0; c < t->columns_count; c++)
            cell_merge(&r->rest[c], &cells[c]);
    return 0;
}

/* ---- finish ---- */

static int fill_values(struct ranking *r, const struct cell *cells, struct result_row *row)
{
    struct topq *t = r->topq;
    enum aggregate rank = t->read->spec->rank;
    struct scratch *memory = &t->read->answer->memory;
    double *with = scratch_take(memory, t->read->spec->with_count, sizeof(*with));
    if (with == NULL)
        return memory->error;
    for (uint32_t i = 0; i < t->read->spec->with_count; i++)
        with[i] = cell_value(&cells[t->with[i]], rank);
    row->value = cell_value(&cells[0], rank);
    row->with = with;
    return 0;
}

static int fill_sparkline(struct ranking *r, uint32_t slot, struct result_row *row)
{
    struct topq *t = r->topq;
    uint32_t count = t->read->spec->sparkline;
    struct scratch *memory = &t->read->answer->memory;
    double *parts = scratch_take(memory, count, sizeof(*parts));
    if (parts == NULL)
        return memory->error;
    for (uint32_t i = 0; i < count; i++)
        parts[i] = cell_value(&t->parts[(uint64_t)slot * count + i], t->read->spec->rank);
    row->sparkline = parts;
    return 0;
}

static int fill_row(struct ranking *r, const struct candidate *c, struct result_row *row)
{
    struct topq *t = r->topq;
    struct scratch *memory = &t->read->answer->memory;
    const struct catalog_category *category = &t->categories[c->category].info;
    struct slice label = make_label(r, c->category, c->item);
    if (r->label.error != 0)
        return r->label.error;
    row->item = scratch_copy(memory, label);
    row->text = scratch_copy(memory, catalog_item_text(t->catalog, category->id, c->item));
    row->category = scratch_copy(memory, category->name);
    if (row->item.p == NULL || row->text.p == NULL || row->category.p == NULL)
        return memory->error;
    int err = fill_values(r, c->cells, row);
    return err != 0 ? err : fill_sparkline(r, *c->slot, row);
}

static int fill_rows(struct ranking *r, struct result_topq *out)
{
    struct scratch *memory = &r->topq->read->answer->memory;
    struct result_row *rows = scratch_take(memory, r->n, sizeof(*rows));
    if (rows == NULL)
        return memory->error;
    int err = 0;
    for (uint32_t i = 0; i < r->n && err == 0; i++)
        err = fill_row(r, &r->heap[i], &rows[i]);
    if (err == 0)
        err = fill_values(r, r->rest, &out->rest);
    if (err == 0)
        err = fill_sparkline(r, SLOT_REST, &out->rest);
    out->rows = rows;
    out->rows_count = r->n;
    out->rest_items = r->ranked - r->n;
    out->total_items = r->ranked;
    return err;
}

/* cells[0 … rows]: a column's cells of the rows, then of the rest; printed: the values given for
 * them. */
static double total_of(const struct cell *const *cells, const double *printed, uint32_t count,
                       enum aggregate rank)
{
    struct cell all = {0};
    struct sum sum = {0};
    for (uint32_t i = 0; i < count; i++) {
        cell_merge(&all, cells[i]);
        sum_add(&sum, printed[i]);
    }
    return rank == AGGREGATE_SUM ? sum_total(&sum) : cell_value(&all, rank);
}

static int fill_total(struct ranking *r, struct result_topq *out)
{
    struct topq *t = r->topq;
    const struct query_spec *spec = t->read->spec;
    struct scratch *memory = &t->read->answer->memory;
    uint32_t count = r->n + 1;
    const struct cell **cells = scratch_take(&t->read->scratch, count, sizeof(struct cell *));
    double *printed = scratch_take(&t->read->scratch, count, sizeof(*printed));
    double *with = scratch_take(memory, spec->with_count, sizeof(*with));
    double *parts = scratch_take(memory, spec->sparkline, sizeof(*parts));
    if (cells == NULL || printed == NULL)
        return t->read->scratch.error;
    if (with == NULL || parts == NULL)
        return memory->error;

    for (uint32_t k = 0; k < 1 + spec->with_count; k++) {
        uint32_t column = k == 0 ? 0 : t->with[k - 1];
        for (uint32_t i = 0; i < r->n; i++) {
            cells[i] = &r->heap[i].cells[column];
            printed[i] = k == 0 ? out->rows[i].value : out->rows[i].with[k - 1];
        }
        cells[r->n] = &r->rest[column];
        printed[r->n] = k == 0 ? out->rest.value : out->rest.with[k - 1];
        *(k == 0 ? &out->total.value : &with[k - 1]) = total_of(cells, printed, count, spec->rank);
    }
    for (uint32_t part = 0; part < spec->sparkline; part++) {
        for (uint32_t i = 0; i < r->n; i++) {
            cells[i] = &t->parts[(uint64_t)(SLOT_ROWS + i) * spec->sparkline + part];
            printed[i] = out->rows[i].sparkline[part];
        }
        cells[r->n] = &t->parts[(uint64_t)SLOT_REST * spec->sparkline + part];
        printed[r->n] = out->rest.sparkline[part];
        parts[part] = total_of(cells, printed, count, spec->rank);
    }
    out->total.with = with;
    out->total.sparkline = parts;
    return 0;
}

static int fill_names(struct topq *t, struct result_topq *out)
{
    const struct query_spec *spec = t->read->spec;
    struct scratch *memory = &t->read->answer->memory;
    struct slice *with = scratch_take(memory, spec->with_count, sizeof(*with));
    out->dimension = scratch_copy(memory, t->pattern.dimension);
    if (with == NULL || out->dimension.p == NULL)
        return memory->error;
    for (uint32_t i = 0; i < spec->with_count; i++) {
        with[i] = scratch_copy(memory, spec->with[i]);
        if (with[i].p == NULL)
            return memory->error;
    }
    out->with = with;
    out->with_count = spec->with_count;
    out->from_ms = spec->from_ms;
    out->to_ms = spec->to_ms;
    out->rank = aggregate_text(spec->rank);
    out->plan = "scan";
    out->sparkline_count = spec->sparkline;
    out->shares = spec->rank == AGGREGATE_SUM || spec->rank == AGGREGATE_COUNT;
    return 0;
}

static int rank_and_fill(struct ranking *r, struct result_topq *out)
{
    int err = topq_each(r->topq, visit_rank, r);
    if (err != 0)
        return err;
    heap_sort(r);
    for (uint32_t i = 0; i < r->n; i++)
        *r->heap[i].slot = SLOT_ROWS + i;
    err = topq_each(r->topq, visit_rest, r);
    if (err == 0 && r->topq->read->spec->sparkline > 0)
        err = topq_scan_parts(r->topq, SLOT_ROWS + r->n);
    if (err == 0)
        err = fill_names(r->topq, out);
    if (err == 0)
        err = fill_rows(r, out);
    return err != 0 ? err : fill_total(r, out);
}

int topq_rank(struct topq *t)
{
    struct scratch *scratch = &t->read->scratch;
    struct ranking r = {.topq = t, .max = (uint32_t)t->read->spec->limit};
    r.heap = scratch_take(scratch, r.max, sizeof(*r.heap));
    r.rest = scratch_take(scratch, t->columns_count, sizeof(*r.rest));
    if (r.heap == NULL || r.rest == NULL)
        return scratch->error;
    buffer_init(&r.label, NAME_BYTES_MAX);
    int err = rank_and_fill(&r, &t->read->answer->result.topq);
    buffer_fini(&r.label);
    return err;
}
