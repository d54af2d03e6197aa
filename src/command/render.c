#include "command/render.h"

#include "base/number.h"

#include <math.h>

/* RENDER_NESTED and RENDER_FLAT. Times are Unix seconds, as RANGE and TOPQ are asked. A value that
 * does not exist is null. */

static void put_value(struct resp_writer w, double x)
{
    if (isnan(x))
        resp_null(w);
    else
        resp_double(w, x);
}

static void put_values(struct resp_writer w, const double *values, uint32_t count)
{
    resp_array(w, count);
    for (uint32_t i = 0; i < count; i++)
        put_value(w, values[i]);
}

/* What both results say about what they rest on. */
enum { SOURCE_PAIRS = 6 };
static void put_source(struct resp_writer w, const struct result_source *source)
{
    resp_bulk_str(w, "complete");
    resp_bool(w, source->complete);
    resp_pair_bulk(w, "why", slice_str(source->why));
    resp_bulk_str(w, "complete_until_ms");
    if (source->complete_until_ms > 0)
        resp_integer(w, source->complete_until_ms);
    else
        resp_null(w); /* nothing was appended since this process began */
    resp_pair_integer(w, "offset", (int64_t)source->offset);
    resp_pair_integer(w, "rows_read", (int64_t)source->rows);
    resp_pair_integer(w, "bytes_read", (int64_t)source->bytes);
}

/* ---- RANGE ---- */

static void put_series(struct resp_writer w, const struct result_series *series)
{
    resp_map(w, 5);
    resp_pair_bulk(w, "key", series->key);
    resp_bulk_str(w, "known");
    resp_bool(w, series->known);
    resp_pair_bulk(w, "kind", slice_str(kind_text(series->kind)));
    resp_pair_bulk(w, "aggregate", slice_str(series->aggregate));
    resp_bulk_str(w, "buckets");
    resp_array(w, series->buckets_count);
    for (uint32_t i = 0; i < series->buckets_count; i++) {
        const struct result_bucket *b = &series->buckets[i];
        resp_array(w, 3);
        resp_integer(w, b->time_ms / 1000);
        put_value(w, b->value);
        resp_bulk_str(w, bucket_state_text(b->state));
    }
}

static void range_nested(struct resp_writer w, const struct result_range *range)
{
    resp_map(w, 5 + SOURCE_PAIRS);
    resp_pair_integer(w, "from", range->from_ms / 1000);
    resp_pair_integer(w, "to", range->to_ms / 1000);
    resp_pair_integer(w, "step", range->step_ms / 1000);
    resp_pair_integer(w, "resolution", range->resolution_ms / 1000);
    put_source(w, &range->source);
    resp_bulk_str(w, "series");
    resp_array(w, range->series_count);
    for (uint32_t i = 0; i < range->series_count; i++)
        put_series(w, &range->series[i]);
}

/* time, a value a key, complete */
static void range_flat(struct resp_writer w, const struct result_range *range)
{
    uint32_t rows = range->series_count > 0 ? range->series[0].buckets_count : 0;
    resp_array(w, 1 + rows);
    resp_array(w, range->series_count + 2);
    resp_bulk_str(w, "time");
    for (uint32_t k = 0; k < range->series_count; k++)
        resp_bulk(w, range->series[k].key);
    resp_bulk_str(w, "complete");
    for (uint32_t i = 0; i < rows; i++) {
        resp_array(w, range->series_count + 2);
        resp_integer(w, range->series[0].buckets[i].time_ms / 1000);
        for (uint32_t k = 0; k < range->series_count; k++)
            put_value(w, range->series[k].buckets[i].value);
        resp_integer(w, range->source.complete);
    }
}

void render_range(struct resp_writer w, const struct result_range *range, enum render_format format)
{
    switch (format) {
    case RENDER_NESTED:
        range_nested(w, range);
        break;
    case RENDER_FLAT:
        range_flat(w, range);
        break;
    case RENDER_TABLE:
        render_range_table(w, range);
        break;
    }
}

/* ---- TOPQ ---- */

static double share_of(const struct result_topq *topq, double value)
{
    return topq->shares && topq->total.value != 0 ? value / topq->total.value : NAN;
}

/* value, share, with, sparkline; and compare, where it was asked for */
enum { VALUE_PAIRS = 4 };
static uint32_t compare_pairs(const struct result_topq *topq)
{
    return topq->compares ? 1 : 0;
}
static void put_row_values(struct resp_writer w, const struct result_topq *topq,
                           const struct result_row *row)
{
    resp_bulk_str(w, "value");
    put_value(w, row->value);
    resp_bulk_str(w, "share");
    put_value(w, share_of(topq, row->value));
    resp_bulk_str(w, "with");
    resp_map(w, topq->with_count);
    for (uint32_t i = 0; i < topq->with_count; i++) {
        resp_bulk(w, topq->with[i]);
        put_value(w, row->with[i]);
    }
    resp_bulk_str(w, "sparkline");
    put_values(w, row->sparkline, topq->sparkline_count);
    if (topq->compares) {
        resp_bulk_str(w, "compare");
        put_value(w, row->compared);
    }
}

static void put_ranked_row(struct resp_writer w, const struct result_topq *topq, uint32_t i)
{
    const struct result_row *row = &topq->rows[i];
    resp_map(w, 4 + VALUE_PAIRS + compare_pairs(topq));
    resp_pair_integer(w, "rank", i + 1);
    resp_pair_bulk(w, "item", row->item);
    resp_pair_bulk(w, "text", row->text);
    resp_pair_bulk(w, "category", row->category);
    put_row_values(w, topq, row);
}

static void put_sum_row(struct resp_writer w, const char *name, const struct result_topq *topq,
                        uint64_t items, const struct result_row *row)
{
    resp_bulk_str(w, name);
    resp_map(w, 1 + VALUE_PAIRS + compare_pairs(topq));
    resp_pair_integer(w, "items", (int64_t)items);
    put_row_values(w, topq, row);
}

static void topq_nested(struct resp_writer w, const struct result_topq *topq)
{
    resp_map(w, 8 + 2 * compare_pairs(topq) + SOURCE_PAIRS);
    resp_pair_integer(w, "from", topq->from_ms / 1000);
    resp_pair_integer(w, "to", topq->to_ms / 1000);
    if (topq->compares) {
        resp_pair_integer(w, "compare_from", topq->compare_from_ms / 1000);
        resp_pair_integer(w, "compare_to", topq->compare_to_ms / 1000);
    }
    resp_pair_bulk(w, "dimension", topq->dimension);
    resp_pair_bulk(w, "rank_by", slice_str(topq->rank));
    resp_pair_bulk(w, "plan", slice_str(topq->plan));
    put_source(w, &topq->source);
    resp_bulk_str(w, "rows");
    resp_array(w, topq->rows_count);
    for (uint32_t i = 0; i < topq->rows_count; i++)
        put_ranked_row(w, topq, i);
    put_sum_row(w, "rest", topq, topq->rest_items, &topq->rest);
    put_sum_row(w, "total", topq, topq->total_items, &topq->total);
}

/* row, rank, item, text, category, items, <dimension>, share, [compare,] <with> ..., part_1 ...,
 * complete */
static void put_flat_header(struct resp_writer w, const struct result_topq *topq)
{
    static const char *const names[] = {"row", "rank", "item", "text", "category", "items"};
    char part[32];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        resp_bulk_str(w, names[i]);
    resp_bulk(w, topq->dimension);
    resp_bulk_str(w, "share");
    if (topq->compares)
        resp_bulk_str(w, "compare");
    for (uint32_t i = 0; i < topq->with_count; i++)
        resp_bulk(w, topq->with[i]);
    for (uint32_t i = 0; i < topq->sparkline_count; i++) {
        struct slice name = SLICE_LIT("part_");
        memcpy(part, name.p, name.n);
        size_t n = number_format_i64((int64_t)i + 1, part + name.n);
        resp_bulk(w, slice_make(part, name.n + n));
    }
    resp_bulk_str(w, "complete");
}

static void put_flat_row(struct resp_writer w, const struct result_topq *topq, const char *name,
                         uint32_t rank, uint64_t items, const struct result_row *row)
{
    resp_bulk_str(w, name);
    if (rank > 0)
        resp_integer(w, rank);
    else
        resp_null(w);
    resp_bulk(w, row->item);
    resp_bulk(w, row->text);
    resp_bulk(w, row->category);
    resp_integer(w, (int64_t)items);
    put_value(w, row->value);
    put_value(w, share_of(topq, row->value));
    if (topq->compares)
        put_value(w, row->compared);
    for (uint32_t i = 0; i < topq->with_count; i++)
        put_value(w, row->with[i]);
    for (uint32_t i = 0; i < topq->sparkline_count; i++)
        put_value(w, row->sparkline[i]);
    resp_integer(w, topq->source.complete);
}

static void topq_flat(struct resp_writer w, const struct result_topq *topq)
{
    uint32_t columns = 9 + compare_pairs(topq) + topq->with_count + topq->sparkline_count;
    resp_array(w, topq->rows_count + 3);
    resp_array(w, columns);
    put_flat_header(w, topq);
    for (uint32_t i = 0; i < topq->rows_count; i++) {
        resp_array(w, columns);
        put_flat_row(w, topq, "item", i + 1, 1, &topq->rows[i]);
    }
    resp_array(w, columns);
    put_flat_row(w, topq, "rest", 0, topq->rest_items, &topq->rest);
    resp_array(w, columns);
    put_flat_row(w, topq, "total", 0, topq->total_items, &topq->total);
}

void render_topq(struct resp_writer w, const struct result_topq *topq, enum render_format format)
{
    switch (format) {
    case RENDER_NESTED:
        topq_nested(w, topq);
        break;
    case RENDER_FLAT:
        topq_flat(w, topq);
        break;
    case RENDER_TABLE:
        render_topq_table(w, topq);
        break;
    }
}

void render_labels(struct resp_writer w, const struct label *labels, uint32_t count, uint32_t more)
{
    resp_entries(w, count + more);
    for (uint32_t i = 0; i < count; i++) {
        resp_entry(w, labels[i].name, 1);
        if (labels[i].value.p == NULL)
            resp_null(w);
        else
            resp_bulk(w, labels[i].value);
    }
}
