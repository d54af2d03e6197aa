#include "command/render.h"

#include "base/number.h"
#include "command/draw.h"
#include "command/timespec.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* RENDER_TABLE: for people at redis-cli. */

static void put_span(struct buffer *out, int64_t from_ms, int64_t to_ms)
{
    char from[TIMESPEC_BYTES_MAX], to[TIMESPEC_BYTES_MAX];
    timespec_format(from_ms / 1000, from);
    timespec_format(to_ms / 1000, to);
    buffer_printf(out, "%s to %s", from, to);
}

static void put_incomplete(struct buffer *out, const struct result_source *source)
{
    if (!source->complete)
        buffer_printf(out, "INCOMPLETE: %s\n", source->why);
}

/* ---- TOPQ ---- */

enum {
    CELL_BYTES_MAX = 96,
    ITEM_WIDTH_MAX = 48,
    TEXT_WIDTH_MAX = 60,
};

struct columns {
    const struct result_topq *topq;
    size_t item;
    size_t *numbers; /* width of value, share, compared (if asked for), with ... */
    uint32_t numbers_count;
    uint32_t fixed; /* of these, what stands before with */
    bool texts;
};

static struct slice rest_name(const struct result_topq *topq, char *out)
{
    int n = snprintf(out, CELL_BYTES_MAX, "everything else (%" PRIu64 " item%s)", topq->rest_items,
                     topq->rest_items == 1 ? "" : "s");
    return slice_make(out, (size_t)n);
}

/* Number column `column` of a row, as text. */
static struct slice number_cell(const struct columns *c, const struct result_row *row,
                                uint32_t column, char *out)
{
    size_t n;
    const struct result_topq *topq = c->topq;
    double share = row->value / topq->total.value * 100;
    if (column == 0)
        n = draw_number(row->value, out);
    else if (column >= c->fixed)
        n = draw_number(row->with[column - c->fixed], out);
    else if (column == 2)
        n = draw_number(row->compared, out);
    else if (!topq->shares || !isfinite(share))
        n = (size_t)snprintf(out, CELL_BYTES_MAX, "-");
    else
        n = (size_t)snprintf(out, CELL_BYTES_MAX, "%.1f%%", share);
    return slice_make(out, n);
}

static struct slice number_title(const struct columns *c, uint32_t column)
{
    if (column >= c->fixed)
        return c->topq->with[column - c->fixed];
    return column == 0   ? c->topq->dimension
           : column == 1 ? SLICE_LIT("share")
                         : SLICE_LIT("compared");
}

static void widen(size_t *width, struct slice text)
{
    size_t n = draw_width(text);
    if (n > *width)
        *width = n;
}

static void measure_row(struct columns *c, const struct result_row *row)
{
    char cell[CELL_BYTES_MAX];
    for (uint32_t i = 0; i < c->numbers_count; i++)
        widen(&c->numbers[i], number_cell(c, row, i, cell));
}

static void measure(struct columns *c)
{
    const struct result_topq *topq = c->topq;
    char cell[CELL_BYTES_MAX];
    for (uint32_t i = 0; i < c->numbers_count; i++)
        widen(&c->numbers[i], number_title(c, i));
    for (uint32_t i = 0; i < topq->rows_count; i++) {
        widen(&c->item, topq->rows[i].item);
        c->texts |= topq->rows[i].text.n > 0;
        measure_row(c, &topq->rows[i]);
    }
    if (c->item > ITEM_WIDTH_MAX)
        c->item = ITEM_WIDTH_MAX;
    measure_row(c, &topq->rest);
    measure_row(c, &topq->total);
    widen(&c->item, rest_name(topq, cell));
}

static void put_row(struct buffer *out, const struct columns *c, struct slice rank,
                    struct slice item, const struct result_row *row)
{
    char cell[CELL_BYTES_MAX];
    draw_right(out, rank, 5);
    buffer_append_str(out, "  ");
    draw_left(out, item, c->item);
    for (uint32_t i = 0; i < c->numbers_count; i++) {
        buffer_append_str(out, "  ");
        draw_right(out, number_cell(c, row, i, cell), c->numbers[i]);
    }
    if (c->topq->sparkline_count > 0) {
        buffer_append_str(out, "  ");
        draw_sparkline(out, row->sparkline, c->topq->sparkline_count);
    }
    if (c->texts && row->text.n > 0) {
        buffer_append_str(out, "  ");
        draw_left(out, row->text, TEXT_WIDTH_MAX);
    }
    buffer_append_str(out, "\n");
}

static void put_titles(struct buffer *out, const struct columns *c)
{
    buffer_append_str(out, " rank  ");
    draw_left(out, SLICE_LIT("item"), c->item);
    for (uint32_t i = 0; i < c->numbers_count; i++) {
        buffer_append_str(out, "  ");
        draw_right(out, number_title(c, i), c->numbers[i]);
    }
    if (c->topq->sparkline_count > 0) {
        buffer_append_str(out, "  ");
        draw_left(out, SLICE_LIT("trend"),
                  c->topq->sparkline_count > 5 ? c->topq->sparkline_count : 5);
    }
    buffer_append_str(out, c->texts ? "  text\n" : "\n");
}

static void put_topq(struct buffer *out, const struct columns *c)
{
    const struct result_topq *topq = c->topq;
    char cell[CELL_BYTES_MAX];
    struct slice none = SLICE_LIT("");
    buffer_printf(out, "%s of %.*s, ", topq->rank, (int)topq->dimension.n, topq->dimension.p);
    put_span(out, topq->from_ms, topq->to_ms);
    if (topq->compares) {
        buffer_append_str(out, ", compared: ");
        put_span(out, topq->compare_from_ms, topq->compare_to_ms);
    }
    buffer_append_str(out, "\n");
    put_incomplete(out, &topq->source);
    put_titles(out, c);
    for (uint32_t i = 0; i < topq->rows_count; i++) {
        size_t n = number_format_i64((int64_t)i + 1, cell);
        struct slice item = topq->rows[i].item;
        put_row(out, c, slice_make(cell, n), item.n > 0 ? item : SLICE_LIT("-"), &topq->rows[i]);
    }
    put_row(out, c, none, rest_name(topq, cell), &topq->rest);
    put_row(out, c, none, SLICE_LIT("total"), &topq->total);
}

void render_topq_table(struct resp_writer w, const struct result_topq *topq)
{
    struct columns c = {.topq = topq, .item = 5, .fixed = topq->compares ? 3 : 2};
    c.numbers_count = c.fixed + topq->with_count;
    c.numbers = calloc(c.numbers_count, sizeof(*c.numbers));
    if (c.numbers == NULL) {
        resp_error(w, SLICE_LIT("ERR out of memory"));
        return;
    }
    struct buffer out;
    buffer_init(&out, DRAW_BYTES_MAX);
    measure(&c);
    put_topq(&out, &c);
    draw_reply(w, &out);
    buffer_fini(&out);
    free(c.numbers);
}

/* ---- RANGE ----
 *
 *   db1/host.cpu.user  gauge  avg of 60 s  min 2  max 97  last 14
 *       97 ┤  ▂█▅
 *          │ ▃███▁
 *        0 ┤▂██████ ▁
 *          ······??        · absent  ? not collected
 */
enum {
    CHART_ROWS = 5,
    CHART_COLUMNS_MAX = 120,
    CHART_LEVELS = 8,     /* a character cell */
    LABEL_WIDTH_MIN = 10, /* so that the charts of most keys stand one below the other */
};

/* Several buckets share a column where there are too many. */
struct chart {
    uint32_t columns;
    double values[CHART_COLUMNS_MAX]; /* NaN: none */
    enum bucket_state states[CHART_COLUMNS_MAX];
    double low, high;      /* of the chart */
    double min, max, last; /* of the series; NaN: no values */
    bool states_to_show;
};

static void chart_column(struct chart *chart, const struct result_series *series, uint32_t column)
{
    uint32_t from = (uint32_t)((uint64_t)column * series->buckets_count / chart->columns);
    uint32_t to = (uint32_t)((uint64_t)(column + 1) * series->buckets_count / chart->columns);
    double sum = 0;
    uint32_t count = 0;
    enum bucket_state state = BUCKET_NOT_COLLECTED;
    for (uint32_t i = from; i < to; i++) {
        const struct result_bucket *b = &series->buckets[i];
        if (b->state < state)
            state = b->state;
        if (isnan(b->value))
            continue;
        sum += b->value;
        count++;
        chart->min = fmin(chart->min, b->value);
        chart->max = fmax(chart->max, b->value);
        chart->last = b->value;
    }
    chart->values[column] = count > 0 ? sum / count : NAN;
    chart->states[column] = state;
    chart->states_to_show |= state == BUCKET_ABSENT || state == BUCKET_NOT_COLLECTED;
}

static void chart_make(struct chart *chart, const struct result_series *series)
{
    *chart = (struct chart){.min = NAN, .max = NAN, .last = NAN};
    chart->columns =
        series->buckets_count < CHART_COLUMNS_MAX ? series->buckets_count : CHART_COLUMNS_MAX;
    for (uint32_t i = 0; i < chart->columns; i++)
        chart_column(chart, series, i);
    chart->low = chart->high = NAN;
    for (uint32_t i = 0; i < chart->columns; i++) {
        chart->low = fmin(chart->low, chart->values[i]);
        chart->high = fmax(chart->high, chart->values[i]);
    }
    /* From 0, unless that would hide how a high level moves. */
    if (chart->low > 0 && chart->low < chart->high / 2)
        chart->low = 0;
    if (chart->low == chart->high)
        chart->low = chart->high > 0 ? 0 : chart->high - 1;
}

static int level_of(const struct chart *chart, uint32_t column, int row_from_bottom)
{
    double value = chart->values[column];
    if (isnan(value))
        return 0;
    double full = (value - chart->low) / (chart->high - chart->low) * (CHART_ROWS * CHART_LEVELS);
    /* What is there is seen: the smallest value still has a line. */
    int level = (full < 1 ? 1 : (int)lround(full)) - row_from_bottom * CHART_LEVELS;
    return level < 0 ? 0 : level > CHART_LEVELS ? CHART_LEVELS : level;
}

static size_t label_width(const struct chart *chart)
{
    char text[DRAW_NUMBER_BYTES_MAX];
    size_t low = draw_number(chart->low, text), high = draw_number(chart->high, text);
    size_t widest = low > high ? low : high;
    return widest > LABEL_WIDTH_MIN ? widest : LABEL_WIDTH_MIN;
}

static void put_chart(struct buffer *out, const struct chart *chart)
{
    char text[DRAW_NUMBER_BYTES_MAX];
    for (int row = CHART_ROWS - 1; row >= 0; row--) {
        struct slice label = SLICE_LIT("");
        if (row == CHART_ROWS - 1 || row == 0)
            label = slice_make(text, draw_number(row == 0 ? chart->low : chart->high, text));
        draw_right(out, label, label_width(chart));
        buffer_append_str(out, label.n > 0 ? " ┤" : " │");
        for (uint32_t i = 0; i < chart->columns; i++)
            buffer_append_str(out, draw_block(level_of(chart, i, row)));
        buffer_append_str(out, "\n");
    }
}

static void put_states(struct buffer *out, const struct chart *chart)
{
    draw_right(out, SLICE_LIT(""), label_width(chart) + 2);
    for (uint32_t i = 0; i < chart->columns; i++)
        buffer_append_str(out, chart->states[i] == BUCKET_ABSENT          ? "·"
                               : chart->states[i] == BUCKET_NOT_COLLECTED ? "?"
                                                                          : " ");
    buffer_append_str(out, "  (· absent  ? not collected)\n");
}

static void put_number(struct buffer *out, const char *name, double x)
{
    char text[DRAW_NUMBER_BYTES_MAX];
    size_t n = draw_number(x, text);
    buffer_printf(out, "  %s %.*s", name, (int)n, text);
}

static void put_range_series(struct buffer *out, const struct result_range *range,
                             const struct result_series *series)
{
    struct chart chart;
    chart_make(&chart, series);
    draw_left(out, series->key, draw_width(series->key));
    if (!series->known) {
        buffer_append_str(out, "  no such series\n");
        return;
    }
    buffer_printf(out, "  %s, %s of %" PRId64 " s", kind_text(series->kind), series->aggregate,
                  range->step_ms / 1000);
    if (isnan(chart.max)) {
        buffer_append_str(out, "  no values\n");
    } else {
        put_number(out, "min", chart.min);
        put_number(out, "max", chart.max);
        put_number(out, "last", chart.last);
        buffer_append_str(out, "\n");
        put_chart(out, &chart);
    }
    if (chart.states_to_show)
        put_states(out, &chart);
}

void render_range_table(struct resp_writer w, const struct result_range *range)
{
    struct buffer out;
    buffer_init(&out, DRAW_BYTES_MAX);
    put_span(&out, range->from_ms, range->to_ms);
    buffer_append_str(&out, "\n");
    put_incomplete(&out, &range->source);
    for (uint32_t i = 0; i < range->series_count; i++)
        put_range_series(&out, range, &range->series[i]);
    draw_reply(w, &out);
    buffer_fini(&out);
}
