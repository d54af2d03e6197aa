#include "query/span.h"
#include "query/topq.h"

#include <math.h>

/* TOPQ: finish. */

struct filling {
    struct topq *topq;
    const struct topq_answer *answer;
    struct result_topq *out;
    uint32_t rows;
    uint32_t columns; /* cells of a row */
    struct buffer label, text;
};

static struct scratch *memory_of(const struct filling *f)
{
    return &f->topq->read->answer->memory;
}

/* Row f->rows is everything else. */
static int fill_values(const struct filling *f, uint32_t row, struct result_row *out)
{
    const struct query_spec *spec = f->topq->read->spec;
    const struct topq_answer *a = f->answer;
    const struct cell *cells = &a->ranking->cells[(size_t)row * f->columns];
    double *with = scratch_take(memory_of(f), spec->with_count, sizeof(*with));
    double *parts = scratch_take(memory_of(f), spec->sparkline, sizeof(*parts));
    if (with == NULL || parts == NULL)
        return memory_of(f)->error;
    for (uint32_t i = 0; i < spec->with_count; i++)
        with[i] = cell_value(&cells[f->topq->with[i]], spec->rank);
    for (uint32_t i = 0; i < spec->sparkline && a->parts != NULL; i++)
        parts[i] = cell_value(&a->parts[(size_t)row * spec->sparkline + i], spec->rank);
    out->value = cell_value(&cells[0], spec->rank);
    out->compared = a->compared != NULL ? cell_value(&a->compared[row], spec->rank) : (double)NAN;
    if (a->compared != NULL && a->compared[row].count == 0 && row < f->rows)
        out->compared = (double)NAN; /* no points: not 0 */
    out->with = with;
    out->sparkline = parts;
    return 0;
}

static int fill_text(struct filling *f, const struct best_row *best, struct result_row *out)
{
    struct topq *t = f->topq;
    buffer_reset(&f->text, SIZE_MAX);
    catalog_item_text(t->catalog, t->categories[best->category].info.id, best->item, &f->text);
    out->text = scratch_copy(memory_of(f), buffer_slice(&f->text));
    return f->text.error;
}

static int fill_row(struct filling *f, uint32_t row, struct result_row *out)
{
    struct topq *t = f->topq;
    const struct best_row *best = &f->answer->ranking->best.rows[row];
    const struct catalog_category *category = &t->categories[best->category].info;
    int err = topq_label(t, best->category, best->item, &f->label);
    if (err == 0)
        err = fill_text(f, best, out);
    if (err != 0)
        return err;
    out->item = scratch_copy(memory_of(f), buffer_slice(&f->label));
    out->category = scratch_copy(memory_of(f), category->name);
    if (out->item.p == NULL || out->text.p == NULL || out->category.p == NULL)
        return memory_of(f)->error;
    return fill_values(f, row, out);
}

static int fill_rows(struct filling *f)
{
    struct result_row *rows = scratch_take(memory_of(f), f->rows, sizeof(*rows));
    if (rows == NULL)
        return memory_of(f)->error;
    int err = 0;
    for (uint32_t i = 0; i < f->rows && err == 0; i++)
        err = fill_row(f, i, &rows[i]);
    if (err == 0)
        err = fill_values(f, f->rows, &f->out->rest);
    f->out->rows = rows;
    f->out->rows_count = f->rows;
    f->out->total_items = f->answer->ranking->items;
    f->out->rest_items = f->out->total_items - f->rows;
    return err;
}

/* What the printed values of a column, rows and rest, sum up to: so a reader who adds them up (with
 * fsum, say) gets the printed total. */
static double total_of(const struct filling *f, const struct cell *cells, size_t stride,
                       enum aggregate rank)
{
    struct cell all = {0};
    struct sum sum = {0};
    for (uint32_t i = 0; i <= f->rows; i++) {
        const struct cell *cell = &cells[i * stride];
        if (cell->count > 0)
            cell_merge(&all, cell);
        sum_add(&sum, cell_value(cell, rank));
    }
    return rank == AGGREGATE_SUM ? sum_total(&sum) : cell_value(&all, rank);
}

static int fill_total(struct filling *f)
{
    const struct query_spec *spec = f->topq->read->spec;
    const struct topq_answer *a = f->answer;
    struct result_row *out = &f->out->total;
    double *with = scratch_take(memory_of(f), spec->with_count, sizeof(*with));
    double *parts = scratch_take(memory_of(f), spec->sparkline, sizeof(*parts));
    if (with == NULL || parts == NULL)
        return memory_of(f)->error;
    out->value = total_of(f, a->ranking->cells, f->columns, spec->rank);
    for (uint32_t i = 0; i < spec->with_count; i++)
        with[i] = total_of(f, &a->ranking->cells[f->topq->with[i]], f->columns, spec->rank);
    for (uint32_t i = 0; i < spec->sparkline && a->parts != NULL; i++)
        parts[i] = total_of(f, &a->parts[i], spec->sparkline, spec->rank);
    out->compared = a->compared != NULL ? total_of(f, a->compared, 1, spec->rank) : (double)NAN;
    out->with = with;
    out->sparkline = parts;
    return 0;
}

static int fill_names(struct filling *f)
{
    struct topq *t = f->topq;
    const struct query_spec *spec = t->read->spec;
    struct result_topq *out = f->out;
    struct slice *with = scratch_take(memory_of(f), spec->with_count, sizeof(*with));
    out->dimension = scratch_copy(memory_of(f), t->pattern.dimension);
    if (with == NULL || out->dimension.p == NULL)
        return memory_of(f)->error;
    for (uint32_t i = 0; i < spec->with_count; i++) {
        with[i] = scratch_copy(memory_of(f), spec->with[i]);
        if (with[i].p == NULL)
            return memory_of(f)->error;
    }
    out->with = with;
    out->with_count = spec->with_count;
    out->from_ms = f->answer->span->plan.from_ms;
    out->to_ms = f->answer->span->plan.to_ms;
    if (f->answer->compared_span != NULL) {
        out->compares = true;
        out->compare_from_ms = f->answer->compared_span->plan.from_ms;
        out->compare_to_ms = f->answer->compared_span->plan.to_ms;
    }
    out->rank = aggregate_text(spec->rank);
    out->plan = f->answer->ranking->plan;
    out->sparkline_count = spec->sparkline;
    out->shares = spec->rank == AGGREGATE_SUM || spec->rank == AGGREGATE_COUNT;
    return 0;
}

int topq_fill(struct topq *t, const struct topq_answer *answer)
{
    struct filling f = {.topq = t,
                        .answer = answer,
                        .out = &t->read->answer->result.topq,
                        .rows = answer->ranking->best.n,
                        .columns = t->columns_count};
    buffer_init(&f.label, NAME_BYTES_MAX);
    buffer_init(&f.text, SIZE_MAX);
    int err = fill_names(&f);
    if (err == 0)
        err = fill_rows(&f);
    if (err == 0)
        err = fill_total(&f);
    buffer_fini(&f.label);
    buffer_fini(&f.text);
    return err;
}
