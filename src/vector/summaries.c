#include "vector/summaries.h"

#include "base/error.h"
#include "vector/bits.h"
#include "vector/numbers.h"
#include "vector/patched.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { FLAG_NANS = 1, SUM_SHIFT = 1, FLAGS_MAX = 5 };
enum sum_base { SUM_PLAIN = 0, SUM_OVER_COUNTS = 1, SUM_OVER_MIN = 2 };
enum { MIN, MAX, FIRST, LAST, ENDS };
enum { CAP_MIN = 256 };
/* Where series follow each other, each is on its own scale. */
enum { BLOCK = 1024 };
enum column_form { COLUMN_LEVELS = 0, COLUMN_RISES = 1, COLUMN_DELTAS = 2 };

void summaries_init(struct summaries *s)
{
    *s = (struct summaries){0};
    buffer_init(&s->bytes, SIZE_MAX);
}

void summaries_fini(struct summaries *s)
{
    free(s->count);
    free(s->nans);
    free(s->sum);
    free(s->min);
    free(s->max);
    free(s->first);
    free(s->last);
    free(s->ends);
    free(s->x);
    free(s->steps);
    buffer_fini(&s->bytes);
    summaries_init(s);
}

static bool grow_numbers(uint64_t **column, size_t n)
{
    uint64_t *grown = realloc(*column, n * sizeof(grown[0]));
    if (grown == NULL)
        return false;
    *column = grown;
    return true;
}

static bool grow_doubles(double **column, size_t n)
{
    double *grown = realloc(*column, n * sizeof(grown[0]));
    if (grown == NULL)
        return false;
    *column = grown;
    return true;
}

int summaries_reserve(struct summaries *s, uint32_t n)
{
    if (n <= s->cap)
        return 0;
    size_t cap = s->cap > 0 ? s->cap : CAP_MIN;
    while (cap < n)
        cap *= 2;
    if (!grow_numbers(&s->count, cap) || !grow_numbers(&s->nans, cap) ||
        !grow_doubles(&s->sum, cap) || !grow_doubles(&s->min, cap) || !grow_doubles(&s->max, cap) ||
        !grow_doubles(&s->first, cap) || !grow_doubles(&s->last, cap) ||
        !grow_doubles(&s->ends, ENDS * cap) || !grow_numbers(&s->x, (ENDS + 1) * cap) ||
        !grow_numbers(&s->steps, cap))
        return LT_ENOMEM;
    s->cap = (uint32_t)cap;
    return 0;
}

int summaries_add(struct summaries *s, const struct summary *summary)
{
    int err = summaries_reserve(s, s->n + 1);
    if (err != 0)
        return err;
    uint32_t i = s->n++;
    s->count[i] = summary->count;
    s->nans[i] = summary->nans;
    s->sum[i] = summary_total(summary);
    s->min[i] = summary->min;
    s->max[i] = summary->max;
    s->first[i] = summary->first;
    s->last[i] = summary->last;
    return 0;
}

/* ---- writing ---- */

static void byte_put(uint8_t byte, struct buffer *out)
{
    char c = (char)byte;
    buffer_append(out, &c, 1);
}

static uint64_t bits_of_levels(const uint64_t *x, uint32_t n)
{
    int64_t low = (int64_t)x[0];
    uint64_t bits = 0;
    for (uint32_t i = 1; i < n; i++)
        low = (int64_t)x[i] < low ? (int64_t)x[i] : low;
    for (uint32_t i = 0; i < n; i++)
        bits += bits_width(x[i] - (uint64_t)low);
    return bits;
}

/* What is known of a column's differences. */
struct slope {
    uint64_t bits;
    bool rises; /* always, or stays */
};

static struct slope slope_of(const uint64_t *x, uint32_t n)
{
    struct slope slope = {0, true};
    for (uint32_t i = 1; i < n; i++) {
        uint64_t delta = x[i] - x[i - 1];
        slope.bits += bits_width(zigzag(delta));
        slope.rises = slope.rises && (int64_t)delta >= 0;
    }
    return slope;
}

static enum column_form form_of(const uint64_t *x, uint32_t n)
{
    struct slope slope = slope_of(x, n);
    if (slope.bits >= bits_of_levels(x, n))
        return COLUMN_LEVELS;
    return slope.rises ? COLUMN_RISES : COLUMN_DELTAS;
}

void summaries_put_column(struct summaries *s, const uint64_t *x, uint32_t n, struct buffer *out)
{
    struct buffer *bytes = &s->bytes;
    enum column_form form = form_of(x, n);
    buffer_reset(bytes, SIZE_MAX);
    byte_put((uint8_t)form, bytes);
    uint64_t last = 0;
    for (uint32_t at = 0; at < n; at += BLOCK) {
        uint32_t block = n - at < BLOCK ? n - at : BLOCK;
        uint64_t residuals[BLOCK];
        for (uint32_t i = 0; i < block; i++) {
            uint64_t delta = x[at + i] - last;
            residuals[i] = form == COLUMN_LEVELS  ? x[at + i]
                           : form == COLUMN_RISES ? delta
                                                  : zigzag(delta);
            last = x[at + i];
        }
        patched_put(residuals, block, bytes);
    }
    char head[VARINT_BYTES_MAX];
    char *end = varint_store(head, bytes->len);
    buffer_append(out, head, (size_t)(end - head));
    buffer_append_slice(out, buffer_slice(bytes));
    if (bytes->error != 0)
        out->error = bytes->error;
}

/* The ends as integers to s->x, one column after the other. Returns their form. */
static uint8_t ends_scan(struct summaries *s)
{
    uint32_t n = s->n;
    const double *const from[ENDS] = {s->min, s->max, s->first, s->last};
    for (unsigned k = 0; k < ENDS; k++)
        for (uint32_t i = 0; i < n; i++)
            s->ends[k * (size_t)n + i] = s->count[i] > 0 ? from[k][i] : 0;
    return numbers_scan(s->ends, ENDS * n, s->x, NULL);
}

/* From the four to min and differences. */
static void ends_fold(uint64_t *x, uint32_t n)
{
    uint64_t *min = x, *max = x + n, *first = x + 2 * (size_t)n, *last = x + 3 * (size_t)n;
    for (uint32_t i = 0; i < n; i++) {
        last[i] = max[i] - last[i];
        first[i] -= min[i];
        max[i] -= min[i];
    }
}

/* Takes from the sums what the ends tell of them, if that pays. min: as ends_scan left it. */
static enum sum_base sum_fold(struct summaries *s, uint8_t ends_form, uint8_t sum_form, uint64_t *x,
                              const uint64_t *min)
{
    unsigned exponent = sum_form % NUMBERS_NEAR;
    if (exponent != ends_form)
        return SUM_PLAIN;
    enum sum_base base = ends_form == NUMBERS_ORDERED ? SUM_OVER_MIN : SUM_OVER_COUNTS;
    uint64_t plain = 0;
    uint64_t over = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t less = base == SUM_OVER_MIN ? min[i] : s->count[i] * min[i];
        plain += bits_width(zigzag(x[i]));
        over += bits_width(zigzag(x[i] - less));
    }
    /* Readers of sums alone pay for it with two more columns. */
    if (over > plain - plain / 8)
        return SUM_PLAIN;
    for (uint32_t i = 0; i < s->n; i++)
        x[i] -= base == SUM_OVER_MIN ? min[i] : s->count[i] * min[i];
    return base;
}

void summaries_write(struct summaries *s, struct buffer *out)
{
    uint32_t n = s->n;
    assert(n >= 1);
    uint64_t nans = 0;
    for (uint32_t i = 0; i < n; i++)
        nans |= s->nans[i];
    uint8_t ends_form = ends_scan(s);
    uint64_t *sum = s->x + ENDS * (size_t)n;
    uint8_t sum_form = numbers_scan(s->sum, n, sum, s->steps);
    enum sum_base base = sum_fold(s, ends_form, sum_form, sum, s->x);
    byte_put((uint8_t)((nans != 0 ? FLAG_NANS : 0) | base << SUM_SHIFT), out);
    summaries_put_column(s, s->count, n, out);
    if (nans != 0)
        summaries_put_column(s, s->nans, n, out);
    byte_put(ends_form, out);
    ends_fold(s->x, n);
    for (unsigned k = 0; k < ENDS; k++)
        summaries_put_column(s, s->x + k * (size_t)n, n, out);
    byte_put(sum_form, out);
    summaries_put_column(s, sum, n, out);
    if (numbers_form_is_near(sum_form))
        summaries_put_column(s, s->steps, n, out);
}

/* ---- reading ---- */

static int byte_take(struct slice *in, uint8_t *out)
{
    if (in->n < 1)
        return LT_ECORRUPT;
    *out = (uint8_t)in->p[0];
    *in = slice_from(*in, 1);
    return 0;
}

static int column_take(struct slice *in, struct slice *column_out)
{
    uint64_t bytes;
    int err = varint_load(in, &bytes);
    if (err != 0)
        return err;
    if (bytes > in->n)
        return LT_ECORRUPT;
    *column_out = slice_upto(*in, bytes);
    *in = slice_from(*in, bytes);
    return 0;
}

static int column_get(struct slice column, uint32_t n, uint64_t *x)
{
    uint8_t form;
    int err = byte_take(&column, &form);
    if (err == 0 && form > COLUMN_DELTAS)
        err = LT_ECORRUPT;
    for (uint32_t at = 0; err == 0 && at < n; at += BLOCK)
        err = patched_get(&column, n - at < BLOCK ? n - at : BLOCK, x + at);
    if (err != 0)
        return err;
    uint64_t last = 0;
    for (uint32_t i = 0; form == COLUMN_RISES && i < n; i++)
        x[i] = last += x[i];
    for (uint32_t i = 0; form == COLUMN_DELTAS && i < n; i++)
        x[i] = last += unzigzag(x[i]);
    return column.n != 0 ? LT_ECORRUPT : 0;
}

int summaries_get_column(struct slice *in, uint32_t n, uint64_t *x)
{
    struct slice column;
    int err = column_take(in, &column);
    return err != 0 ? err : column_get(column, n, x);
}

/* What stands behind the counts, found but not read. */
struct layout {
    enum sum_base sum_base;
    uint8_t ends_form;
    uint8_t sum_form;
    struct slice ends[ENDS];
    struct slice sum;
    struct slice steps;
};

static int layout_take(struct summaries *s, struct slice *in, uint32_t n, struct layout *out)
{
    uint8_t flags;
    int err = byte_take(in, &flags);
    if (err == 0 && flags > FLAGS_MAX)
        err = LT_ECORRUPT;
    if (err == 0)
        err = summaries_get_column(in, n, s->count);
    if (err != 0)
        return err;
    out->sum_base = (enum sum_base)(flags >> SUM_SHIFT);
    if ((flags & FLAG_NANS) != 0)
        err = summaries_get_column(in, n, s->nans);
    else
        memset(s->nans, 0, n * sizeof(s->nans[0]));
    if (err == 0)
        err = byte_take(in, &out->ends_form);
    for (unsigned k = 0; err == 0 && k < ENDS; k++)
        err = column_take(in, &out->ends[k]);
    if (err == 0)
        err = byte_take(in, &out->sum_form);
    if (err == 0)
        err = column_take(in, &out->sum);
    if (err == 0 && numbers_form_is_near(out->sum_form))
        err = column_take(in, &out->steps);
    return err;
}

static int sum_read(struct summaries *s, const struct layout *l, uint32_t n)
{
    uint64_t *x = s->x + ENDS * (size_t)n;
    int err = column_get(l->sum, n, x);
    if (err == 0 && numbers_form_is_near(l->sum_form))
        err = column_get(l->steps, n, s->steps);
    if (err != 0)
        return err;
    if (l->sum_base == SUM_OVER_MIN)
        for (uint32_t i = 0; i < n; i++)
            x[i] += s->x[i];
    if (l->sum_base == SUM_OVER_COUNTS)
        for (uint32_t i = 0; i < n; i++)
            x[i] += s->count[i] * s->x[i];
    return numbers_restore(l->sum_form, x, s->steps, n, s->sum);
}

/* first = min + what stands there, last = max - that. */
static int first_and_last_read(struct summaries *s, const struct layout *l, uint32_t n)
{
    const uint64_t *min = s->x, *max = s->x + n;
    uint64_t *first = s->x + 2 * (size_t)n, *last = s->x + 3 * (size_t)n;
    int err = column_get(l->ends[FIRST], n, first);
    if (err == 0)
        err = column_get(l->ends[LAST], n, last);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < n; i++) {
        first[i] += min[i];
        last[i] = max[i] - last[i];
    }
    err = numbers_restore(l->ends_form, first, NULL, n, s->first);
    return err != 0 ? err : numbers_restore(l->ends_form, last, NULL, n, s->last);
}

/* Where there are no numbers there are no ends. */
static void ends_clear(struct summaries *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (s->count[i] == 0)
            s->min[i] = s->max[i] = s->first[i] = s->last[i] = (double)NAN;
}

int summaries_read(struct summaries *s, struct slice *in, uint32_t n, unsigned columns)
{
    struct layout l;
    struct slice rest = *in;
    int err = summaries_reserve(s, n);
    if (err == 0)
        err = layout_take(s, &rest, n, &l);
    if (err != 0)
        return err;
    if (numbers_form_is_near(l.ends_form))
        return LT_ECORRUPT;
    bool max = (columns & (SUMMARIES_MAX | SUMMARIES_ENDS)) != 0;
    bool min = max || (columns & SUMMARIES_MIN) != 0 ||
               ((columns & SUMMARIES_SUM) != 0 && l.sum_base != SUM_PLAIN);
    if (min)
        err = column_get(l.ends[MIN], n, s->x);
    if (err == 0 && max)
        err = column_get(l.ends[MAX], n, s->x + n);
    for (uint32_t i = 0; err == 0 && max && i < n; i++)
        s->x[n + i] += s->x[i];
    if (err == 0 && (columns & SUMMARIES_SUM) != 0)
        err = sum_read(s, &l, n);
    if (err == 0 && (columns & SUMMARIES_MIN) != 0)
        err = numbers_restore(l.ends_form, s->x, NULL, n, s->min);
    if (err == 0 && (columns & SUMMARIES_MAX) != 0)
        err = numbers_restore(l.ends_form, s->x + n, NULL, n, s->max);
    if (err == 0 && (columns & SUMMARIES_ENDS) != 0)
        err = first_and_last_read(s, &l, n);
    if (err != 0)
        return err;
    ends_clear(s, n);
    s->n = n;
    *in = rest;
    return 0;
}
