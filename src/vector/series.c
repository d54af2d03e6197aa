#include "vector/series.h"

#include "base/error.h"
#include "vector/bits.h"
#include "vector/column.h"
#include "vector/decimal.h"
#include "vector/small.h"
#include "vector/unit.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

enum { SHAPE_BITS = 3, SHAPE_LONG = 1 };
enum { TIMES_STEPS = 0, TIMES_BITMAP = 1, TIMES_COLUMN = 2, TIMES_COUNT };
enum { HEAD_TIMES_SHIFT = 2, HEAD_UNIT_SHIFT = 4, HEAD_ZSTD = 1 << 6, HEAD_SPARE = 1 << 7 };
enum { VALUES_ORDERED = DECIMAL_EXPONENT_MAX + 1 };
enum { LONG_HEAD_BYTES_MAX = 1 + 2 * VARINT_BYTES_MAX };

struct vector_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    struct buffer times;  /* the body's first part */
    struct buffer body;   /* one way to write it */
    struct buffer packed; /* that, compressed; and what was decompressed */
    struct buffer best;   /* the smallest yet */
    bool best_zstd;
    uint32_t cap; /* of each of these */
    int64_t *times_ms;
    double *values;
    uint64_t *x; /* a column */
    uint64_t *r; /* its residuals */
};

static int grow(void **p, size_t bytes)
{
    void *grown = realloc(*p, bytes);
    if (grown == NULL)
        return LT_ENOMEM;
    *p = grown;
    return 0;
}

static int codec_reserve(struct vector_codec *c, uint32_t n)
{
    if (n <= c->cap)
        return 0;
    uint32_t cap = c->cap == 0 ? SMALL_POINTS_MAX : c->cap;
    while (cap < n)
        cap *= 2;
    if (grow((void **)&c->times_ms, cap * sizeof(c->times_ms[0])) != 0 ||
        grow((void **)&c->values, cap * sizeof(c->values[0])) != 0 ||
        grow((void **)&c->x, cap * sizeof(c->x[0])) != 0 ||
        grow((void **)&c->r, cap * sizeof(c->r[0])) != 0)
        return LT_ENOMEM;
    c->cap = cap;
    return 0;
}

int vector_codec_create(struct vector_codec **out)
{
    struct vector_codec *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    buffer_init(&c->times, SIZE_MAX);
    buffer_init(&c->body, SIZE_MAX);
    buffer_init(&c->packed, SIZE_MAX);
    buffer_init(&c->best, SIZE_MAX);
    c->compress = ZSTD_createCCtx();
    c->decompress = ZSTD_createDCtx();
    if (c->compress == NULL || c->decompress == NULL || codec_reserve(c, SMALL_POINTS_MAX) != 0) {
        vector_codec_destroy(&c);
        return LT_ENOMEM;
    }
    *out = c;
    return 0;
}

void vector_codec_destroy(struct vector_codec **codec)
{
    struct vector_codec *c = *codec;
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->compress);
    ZSTD_freeDCtx(c->decompress);
    buffer_fini(&c->times);
    buffer_fini(&c->body);
    buffer_fini(&c->packed);
    buffer_fini(&c->best);
    free(c->times_ms);
    free(c->values);
    free(c->x);
    free(c->r);
    free(c);
    *codec = NULL;
}

/* ---- writing ---- */

static void swap(struct buffer *a, struct buffer *b)
{
    struct buffer held = *a;
    *a = *b;
    *b = held;
}

/* Keeps c->body as the best, if it is, as it is or compressed. Spoils it. */
static int trial_offer(struct vector_codec *c, bool zstd)
{
    if (c->body.error != 0)
        return c->body.error;
    size_t smallest = c->best.len == 0 ? SIZE_MAX : c->best.len;
    if (zstd) {
        buffer_reset(&c->packed, SIZE_MAX);
        size_t bound = ZSTD_compressBound(c->body.len);
        char *p = buffer_reserve(&c->packed, bound);
        if (p == NULL)
            return c->packed.error;
        size_t n =
            ZSTD_compressCCtx(c->compress, p, bound, c->body.data, c->body.len, VECTOR_ZSTD_LEVEL);
        if (!ZSTD_isError(n) && n < c->body.len && n < smallest) {
            c->packed.len = n;
            swap(&c->packed, &c->best);
            c->best_zstd = true;
            return 0;
        }
    }
    if (c->body.len < smallest) {
        swap(&c->body, &c->best);
        c->best_zstd = false;
    }
    return 0;
}

static void varint_append(struct buffer *out, uint64_t x)
{
    char bytes[VARINT_BYTES_MAX];
    buffer_append(out, bytes, (size_t)(varint_store(bytes, x) - bytes));
}

static void bitmap_append(struct buffer *out, const uint64_t *x, uint32_t n)
{
    uint64_t span = x[n - 1] - x[0] + 1;
    varint_append(out, x[0]);
    varint_append(out, span - 1);
    size_t bytes = (span + 7) / 8;
    char *p = buffer_reserve(out, bytes);
    if (p == NULL)
        return;
    memset(p, 0, bytes);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bit = x[i] - x[0];
        p[bit / 8] = (char)((uint8_t)p[bit / 8] | 1u << bit % 8);
    }
    out->len += bytes;
}

static uint64_t bitmap_bytes(const uint64_t *x, uint32_t n)
{
    uint64_t span = x[n - 1] - x[0] + 1;
    return varint_bytes(x[0]) + varint_bytes(span - 1) + span / 8 + 1;
}

static bool is_regular(const uint64_t *x, uint32_t n)
{
    for (uint32_t i = 2; i < n; i++)
        if (x[i] - x[i - 1] != x[1] - x[0])
            return false;
    return true;
}

/* Fills c->times from c->x, the times in units. Returns TIMES_*. */
static unsigned times_write(struct vector_codec *c, uint32_t n)
{
    const uint64_t *x = c->x;
    buffer_reset(&c->times, SIZE_MAX);
    if (is_regular(x, n)) {
        varint_append(&c->times, x[0]);
        if (n > 1)
            varint_append(&c->times, x[1] - x[0]);
        return TIMES_STEPS;
    }
    struct column column;
    column_plan(x, n, (struct column_form){.deltas = true}, c->r, &column);
    if (bitmap_bytes(x, n) <= column_bytes(&column)) {
        bitmap_append(&c->times, x, n);
        return TIMES_BITMAP;
    }
    column.form.planes = n >= VECTOR_ZSTD_POINTS_MIN;
    column_write(&column, &c->times);
    return TIMES_COLUMN;
}

/* Offers a body whose values are in that form. */
static int values_offer(struct vector_codec *c, uint8_t values, const struct column *column,
                        bool zstd)
{
    buffer_reset(&c->body, SIZE_MAX);
    buffer_append_slice(&c->body, buffer_slice(&c->times));
    buffer_append(&c->body, &values, 1);
    column_write(column, &c->body);
    return trial_offer(c, zstd);
}

/* Up to this width, bits are worth compressing too: a byte of theirs is several numbers, and zstd
 * spends no less than a bit on a byte. */
enum { ZSTD_WIDTH_MAX = 4 };

/* What the values of a vector may look like. Which is best depends on what repeats and on how the
 * upper bytes behave, which only the compressor knows, so each is tried. On what an agent sends
 * (bench_series FILE) these compressed planes and bits come within 0.2 % of all that columns can
 * do; differences of differences never won. */
static const struct {
    struct column_form form;
    bool zstd_planes;
} value_forms[] = {
    {{.deltas = false, .zigzag = false}, true},
    {{.deltas = false, .zigzag = true}, false},
    {{.deltas = true, .zigzag = false}, false},
    {{.deltas = true, .zigzag = true}, true},
};

/* Tries all forms of c->x, the values. */
static int forms_offer(struct vector_codec *c, uint32_t n, uint8_t values)
{
    bool zstd = n >= VECTOR_ZSTD_POINTS_MIN;
    for (size_t i = 0; i < ARRAY_LEN(value_forms); i++) {
        struct column_form form = value_forms[i].form;
        form.scaled = zstd;
        struct column column;
        column_plan(c->x, n, form, c->r, &column);
        uint64_t bytes = c->times.len + 1 + column_bytes(&column);
        bool narrow = zstd && column.width <= ZSTD_WIDTH_MAX;
        int err = 0;
        if (narrow || c->best.len == 0 || bytes < c->best.len)
            err = values_offer(c, values, &column, narrow);
        column.form.planes = true;
        if (err == 0 && zstd && value_forms[i].zstd_planes)
            err = values_offer(c, values, &column, true);
        if (err != 0)
            return err;
    }
    return 0;
}

static int long_encode(struct vector_codec *c, int64_t from_ms, const struct vector_points *points,
                       struct buffer *out)
{
    uint32_t n = points->count;
    int err = codec_reserve(c, n);
    if (err != 0)
        return err;
    unsigned unit = unit_find(from_ms, points, c->x);
    unsigned kind = times_write(c, n);
    if (c->times.error != 0)
        return c->times.error;
    int exponent = decimal_scan(points->values, n, DECIMAL_EXPONENT_MAX, (int64_t *)c->x);
    if (exponent < 0)
        for (uint32_t i = 0; i < n; i++)
            c->x[i] = decimal_ordered(points->values[i]);
    buffer_reset(&c->best, SIZE_MAX);
    c->best_zstd = false;
    err = forms_offer(c, n, exponent < 0 ? VALUES_ORDERED : (uint8_t)exponent);
    if (err != 0)
        return err;
    char *start = buffer_reserve(out, LONG_HEAD_BYTES_MAX + c->best.len);
    if (start == NULL)
        return out->error;
    char *p = start;
    *p++ = (char)(SHAPE_LONG | kind << HEAD_TIMES_SHIFT | unit << HEAD_UNIT_SHIFT |
                  (c->best_zstd ? HEAD_ZSTD : 0));
    p = varint_store(p, n - 1);
    p = varint_store(p, c->best.len);
    memcpy(p, c->best.data, c->best.len);
    out->len += (size_t)(p - start) + c->best.len;
    return 0;
}

int vector_encode(struct vector_codec *c, int64_t from_ms, const struct vector_points *points,
                  struct buffer *out)
{
    uint32_t n = points->count;
    assert(n >= 1 && n <= VECTOR_POINTS_MAX && from_ms >= 0);
    if (n <= SMALL_POINTS_MAX) {
        char *p = buffer_reserve(out, SMALL_BYTES_MAX);
        if (p == NULL)
            return out->error;
        size_t bytes = small_encode(from_ms, points, p);
        out->len += bytes;
        if (bytes != 0)
            return 0;
    }
    return long_encode(c, from_ms, points, out);
}

/* ---- reading ---- */

struct long_head {
    uint8_t head;
    uint32_t n;
    struct slice body;
};

/* Takes a long vector off the front of *in. */
static int long_read(struct slice *in, struct long_head *out)
{
    struct slice rest = slice_from(*in, 1);
    uint64_t last;
    uint64_t bytes;
    int err = varint_load(&rest, &last);
    if (err == 0)
        err = varint_load(&rest, &bytes);
    if (err != 0)
        return err;
    uint8_t head = (uint8_t)in->p[0];
    if (last >= VECTOR_POINTS_MAX || bytes > rest.n || (head & HEAD_SPARE) != 0 ||
        (head >> HEAD_TIMES_SHIFT & 3) >= TIMES_COUNT)
        return LT_ECORRUPT;
    *out = (struct long_head){head, (uint32_t)last + 1, slice_upto(rest, bytes)};
    *in = slice_from(rest, bytes);
    return 0;
}

static int shape_of(struct slice in)
{
    if (in.n == 0)
        return LT_ECORRUPT;
    int shape = (uint8_t)in.p[0] & SHAPE_BITS;
    return shape <= SHAPE_LONG ? shape : LT_EVERSION;
}

int vector_skip(struct slice *in)
{
    int shape = shape_of(*in);
    if (shape < 0)
        return shape;
    struct long_head head;
    return shape == SMALL_SHAPE ? small_skip(in) : long_read(in, &head);
}

int vector_count(struct slice in, uint32_t *count_out)
{
    int shape = shape_of(in);
    if (shape < 0)
        return shape;
    if (shape == SMALL_SHAPE)
        return small_count(in, count_out);
    struct long_head head;
    int err = long_read(&in, &head);
    if (err == 0)
        *count_out = head.n;
    return err;
}

static int body_inflate(struct vector_codec *c, uint32_t n, struct slice *body)
{
    /* What n points can take: times as a column or a bitmap that is no larger, and values. */
    uint64_t bytes_max = 128 + 2 * sizeof(uint64_t) * (uint64_t)n;
    unsigned long long bytes = ZSTD_getFrameContentSize(body->p, body->n);
    if (bytes == ZSTD_CONTENTSIZE_UNKNOWN || bytes == ZSTD_CONTENTSIZE_ERROR || bytes > bytes_max)
        return LT_ECORRUPT;
    buffer_reset(&c->packed, SIZE_MAX);
    char *p = buffer_reserve(&c->packed, bytes);
    if (p == NULL)
        return c->packed.error;
    size_t got = ZSTD_decompressDCtx(c->decompress, p, bytes, body->p, body->n);
    if (ZSTD_isError(got) || got != bytes)
        return LT_ECORRUPT;
    *body = slice_make(p, bytes);
    return 0;
}

/* Steps need no column: they are added up as what comes out. */
static int steps_read(struct slice *body, uint32_t n, int64_t from_ms, uint64_t unit,
                      int64_t *times_ms)
{
    uint64_t start;
    uint64_t step = 1;
    int err = varint_load(body, &start);
    if (err == 0 && n > 1)
        err = varint_load(body, &step);
    if (err != 0)
        return err;
    uint64_t last;
    if (step == 0 || __builtin_mul_overflow(step, (uint64_t)n - 1, &last) ||
        __builtin_add_overflow(start, last, &last) || last > (INT64_MAX - (uint64_t)from_ms) / unit)
        return LT_ECORRUPT;
    /* Added up without a sign, as the one after the last may be past the end of time. */
    uint64_t time_ms = (uint64_t)from_ms + start * unit;
    for (uint32_t i = 0; i < n; i++, time_ms += step * unit)
        times_ms[i] = (int64_t)time_ms;
    return 0;
}

static int bitmap_read(struct slice *body, uint32_t n, uint64_t *x)
{
    uint64_t start;
    uint64_t last;
    int err = varint_load(body, &start);
    if (err == 0)
        err = varint_load(body, &last);
    if (err != 0)
        return err;
    if (last / 8 >= body->n || start > UINT64_MAX - last)
        return LT_ECORRUPT;
    uint32_t found = 0;
    for (uint64_t byte = 0; byte <= last / 8; byte++) {
        unsigned bits = (uint8_t)body->p[byte];
        if (found + (uint32_t)__builtin_popcount(bits) > n)
            return LT_ECORRUPT;
        for (; bits != 0; bits &= bits - 1)
            x[found++] = start + byte * 8 + (unsigned)__builtin_ctz(bits);
    }
    if (found != n || x[0] != start || x[n - 1] != start + last)
        return LT_ECORRUPT;
    *body = slice_from(*body, last / 8 + 1);
    return 0;
}

/* A column of times must rise. */
static int times_column_read(struct slice *body, uint32_t n, uint64_t *x)
{
    int err = column_read(body, n, x);
    if (err != 0)
        return err;
    bool bad = false;
    for (uint32_t i = 1; i < n; i++)
        bad |= x[i] <= x[i - 1];
    return bad ? LT_ECORRUPT : 0;
}

/* Fills c->times_ms. */
static int times_read(struct vector_codec *c, int64_t from_ms, const struct long_head *h,
                      struct slice *body)
{
    uint64_t *x = c->x;
    uint32_t n = h->n;
    uint64_t ms = unit_ms(h->head >> HEAD_UNIT_SHIFT & 3);
    unsigned kind = h->head >> HEAD_TIMES_SHIFT & 3;
    if (kind == TIMES_STEPS)
        return steps_read(body, n, from_ms, ms, c->times_ms);
    int err = kind == TIMES_BITMAP ? bitmap_read(body, n, x) : times_column_read(body, n, x);
    if (err != 0)
        return err;
    if (x[n - 1] > (INT64_MAX - (uint64_t)from_ms) / ms)
        return LT_ECORRUPT;
    for (uint32_t i = 0; i < n; i++)
        c->times_ms[i] = from_ms + (int64_t)(x[i] * ms);
    return 0;
}

static int values_read(struct vector_codec *c, uint32_t n, struct slice *body)
{
    if (body->n == 0)
        return LT_ECORRUPT;
    uint8_t values = (uint8_t)body->p[0];
    *body = slice_from(*body, 1);
    if (values > VALUES_ORDERED)
        return LT_ECORRUPT;
    int err = column_read(body, n, c->x);
    if (err != 0)
        return err;
    if (values == VALUES_ORDERED)
        for (uint32_t i = 0; i < n; i++)
            c->values[i] = decimal_unordered(c->x[i]);
    else
        decimal_values((const int64_t *)c->x, n, values, c->values);
    return 0;
}

static int long_decode(struct vector_codec *c, int64_t from_ms, struct slice *in,
                       uint32_t *count_out)
{
    struct long_head h;
    struct slice rest = *in;
    int err = long_read(&rest, &h);
    if (err == 0 && (h.head & HEAD_ZSTD) != 0)
        err = body_inflate(c, h.n, &h.body);
    if (err == 0)
        err = codec_reserve(c, h.n);
    if (err == 0)
        err = times_read(c, from_ms, &h, &h.body);
    if (err == 0)
        err = values_read(c, h.n, &h.body);
    if (err != 0)
        return err;
    if (h.body.n != 0)
        return LT_ECORRUPT;
    *count_out = h.n;
    *in = rest;
    return 0;
}

int vector_decode(struct vector_codec *c, int64_t from_ms, struct slice *in,
                  struct vector_points *out)
{
    assert(from_ms >= 0);
    int shape = shape_of(*in);
    if (shape < 0)
        return shape;
    uint32_t count;
    int err = shape == SMALL_SHAPE ? small_decode(in, from_ms, c->times_ms, c->values, &count)
                                   : long_decode(c, from_ms, in, &count);
    if (err == 0)
        *out = (struct vector_points){count, c->times_ms, c->values};
    return err;
}
