#include "vector/arrival.h"

#include "base/error.h"
#include "base/number.h"
#include "model/kind.h"
#include "vector/decimal.h"
#include "vector/frame.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { ARRIVAL_VERSION = 1 };
enum { FORM_OFFSET = 0, FORM_DELTA = 1, FORM_BITS = 2 /* added to either */ };
enum { COLUMN_HEADER_BYTES = 10, COLUMNS = 4, WIDTH_MAX = 8 };

#define INTEGER_MAX (INT64_C(1) << 53)

struct arrival_codec {
    struct frame_codec *frame;
    struct buffer raw;
    uint64_t *x; /* one column */
    uint32_t *items;
    int64_t *times_ms;
    double *values;
    uint8_t *policies;
};

static size_t raw_bytes_max(uint32_t count)
{
    return 4 + COLUMNS * (COLUMN_HEADER_BYTES + (size_t)WIDTH_MAX * count);
}

int arrival_codec_create(struct arrival_codec **out)
{
    struct arrival_codec *codec = calloc(1, sizeof(*codec));
    if (codec == NULL)
        return LT_ENOMEM;
    buffer_init(&codec->raw, raw_bytes_max(ARRIVAL_POINTS_MAX));
    codec->x = malloc(ARRIVAL_POINTS_MAX * sizeof(codec->x[0]));
    codec->items = malloc(ARRIVAL_POINTS_MAX * sizeof(codec->items[0]));
    codec->times_ms = malloc(ARRIVAL_POINTS_MAX * sizeof(codec->times_ms[0]));
    codec->values = malloc(ARRIVAL_POINTS_MAX * sizeof(codec->values[0]));
    codec->policies = malloc(ARRIVAL_POINTS_MAX);
    int err = LT_ENOMEM;
    if (codec->x != NULL && codec->items != NULL && codec->times_ms != NULL &&
        codec->values != NULL && codec->policies != NULL)
        err = frame_codec_create(&codec->frame);
    if (err != 0) {
        arrival_codec_destroy(&codec);
        return err;
    }
    *out = codec;
    return 0;
}

void arrival_codec_destroy(struct arrival_codec **codec)
{
    struct arrival_codec *c = *codec;
    if (c == NULL)
        return;
    frame_codec_destroy(&c->frame);
    buffer_fini(&c->raw);
    free(c->x);
    free(c->items);
    free(c->times_ms);
    free(c->values);
    free(c->policies);
    free(c);
    *codec = NULL;
}

static unsigned byte_width(uint64_t x)
{
    return x == 0 ? 0 : (unsigned)(64 - __builtin_clzll(x) + 7) / 8;
}

static uint64_t zigzag(uint64_t delta)
{
    return delta << 1 ^ (uint64_t)((int64_t)delta >> 63);
}

static uint64_t unzigzag(uint64_t z)
{
    return z >> 1 ^ -(z & 1);
}

/* Appends codec->x[0 … count) in the narrower form, as if compared by signed (items, times and
 * integers alike fit). Spoils x. */
static void column_put(struct arrival_codec *codec, uint32_t count, uint8_t form_bits)
{
    uint64_t *x = codec->x;
    int64_t low = (int64_t)x[0];
    int64_t high = low;
    uint64_t deltas = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t s = (int64_t)x[i];
        low = s < low ? s : low;
        high = s > high ? s : high;
        deltas |= i > 0 ? zigzag(x[i] - x[i - 1]) : 0;
    }
    unsigned width = byte_width((uint64_t)high - (uint64_t)low);
    uint64_t base = (uint64_t)low;
    uint8_t form = FORM_OFFSET;
    if (byte_width(deltas) < width) {
        form = FORM_DELTA;
        width = byte_width(deltas);
        base = x[0];
        for (uint32_t i = count - 1; i > 0; i--)
            x[i] = zigzag(x[i] - x[i - 1]);
        x[0] = 0;
    } else {
        for (uint32_t i = 0; i < count; i++)
            x[i] -= base;
    }
    char *p = buffer_reserve(&codec->raw, COLUMN_HEADER_BYTES + (size_t)width * count);
    if (p == NULL)
        return;
    p[0] = (char)(form | form_bits);
    p[1] = (char)width;
    frame_put(p + 2, base, 8);
    p += COLUMN_HEADER_BYTES;
    for (unsigned plane = 0; plane < width; plane++, p += count)
        for (uint32_t i = 0; i < count; i++)
            p[i] = (char)(x[i] >> (8 * plane));
    codec->raw.len += COLUMN_HEADER_BYTES + (size_t)width * count;
}

/* Is value an integer that comes back bit for bit, so neither -0 nor beyond 2^53? */
static bool is_integer(double value)
{
    return value >= (double)-INTEGER_MAX && value <= (double)INTEGER_MAX &&
           decimal_bits((double)(int64_t)value) == decimal_bits(value);
}

static void values_put(struct arrival_codec *codec, const double *values, uint32_t count)
{
    uint32_t integers = 0;
    while (integers < count && is_integer(values[integers]))
        integers++;
    bool exact = integers == count;
    for (uint32_t i = 0; i < count; i++)
        codec->x[i] = exact ? (uint64_t)(int64_t)values[i] : decimal_bits(values[i]);
    column_put(codec, count, exact ? 0 : FORM_BITS);
}

int arrival_encode(struct arrival_codec *codec, const struct arrival_points *points,
                   struct buffer *out)
{
    uint32_t count = points->count;
    assert(count >= 1 && count <= ARRIVAL_POINTS_MAX);
    buffer_reset(&codec->raw, SIZE_MAX);
    char head[4];
    frame_put(head, count, 4);
    buffer_append(&codec->raw, head, sizeof(head));
    for (uint32_t i = 0; i < count; i++)
        codec->x[i] = points->items[i];
    column_put(codec, count, 0);
    for (uint32_t i = 0; i < count; i++)
        codec->x[i] = (uint64_t)points->times_ms[i];
    column_put(codec, count, 0);
    values_put(codec, points->values, count);
    for (uint32_t i = 0; i < count; i++)
        codec->x[i] = points->policies != NULL ? points->policies[i] : POLICY_LAST;
    column_put(codec, count, 0);
    if (codec->raw.error != 0)
        return codec->raw.error;
    return frame_seal(codec->frame, ARRIVAL_VERSION, buffer_slice(&codec->raw), out);
}

/* ---- decode ----
 *
 * Each of these makes one pass over the planes for a width and a form that the compiler knows, so
 * that it can do several points at once (the Makefile has it try: -O3). */

/* In 64 bits only where it has to be: of others twice as many fit a vector. */
static inline __attribute__((always_inline)) uint64_t
residual(const uint8_t *planes, uint32_t count, unsigned width, uint32_t i)
{
    uint32_t low = 0;
    uint64_t high = 0;
    for (unsigned plane = 0; plane < width && plane < 4; plane++)
        low |= (uint32_t)planes[(size_t)plane * count + i] << (8 * plane);
    for (unsigned plane = 4; plane < width; plane++)
        high |= (uint64_t)planes[(size_t)plane * count + i] << (8 * plane);
    return high | low;
}

static inline __attribute__((always_inline)) void join(uint64_t *restrict x, uint32_t count,
                                                       const uint8_t *restrict planes,
                                                       unsigned width, bool is_delta, uint64_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t r = residual(planes, count, width, i);
        if (is_delta)
            x[i] = base += unzigzag(r);
        else
            x[i] = base + r;
    }
}

/* The same for offsets from a base that do not make it pass 2^32. */
static inline __attribute__((always_inline)) void join_u32(uint32_t *restrict x, uint32_t count,
                                                           const uint8_t *restrict planes,
                                                           unsigned width, uint32_t base)
{
    for (uint32_t i = 0; i < count; i++)
        x[i] = base + (uint32_t)residual(planes, count, width, i);
}

/* And for such of up to 4 bytes whose sums with base are integers that a double holds: 2^52 + r has
 * r in its low bits. */
static inline __attribute__((always_inline)) void join_double(double *restrict x, uint32_t count,
                                                              const uint8_t *restrict planes,
                                                              unsigned width, double base)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits = UINT64_C(0x4330000000000000) | residual(planes, count, width, i);
        x[i] = base + (number_f64_from_bits(bits) - 0x1p52);
    }
}

struct column { /* as it stands in the body */
    bool is_delta;
    bool is_bits;
    unsigned width;
    uint64_t base;
    const uint8_t *planes;
};

/* Takes one column off the front of *raw. */
static int column_open(uint32_t count, struct slice *raw, struct column *out)
{
    if (raw->n < COLUMN_HEADER_BYTES)
        return LT_ECORRUPT;
    uint8_t form = (uint8_t)raw->p[0];
    unsigned width = (uint8_t)raw->p[1];
    if (form > (FORM_DELTA | FORM_BITS) || width > WIDTH_MAX ||
        raw->n - COLUMN_HEADER_BYTES < (size_t)width * count)
        return LT_ECORRUPT;
    *out = (struct column){
        .is_delta = (form & FORM_DELTA) != 0,
        .is_bits = (form & FORM_BITS) != 0,
        .width = width,
        .base = frame_get(raw->p + 2, 8),
        .planes = (const uint8_t *)raw->p + COLUMN_HEADER_BYTES,
    };
    *raw = slice_from(*raw, COLUMN_HEADER_BYTES + (size_t)width * count);
    return 0;
}

enum { NARROW_WIDTH_MAX = 4 };

static void column_join(uint64_t *x, uint32_t count, const struct column *c)
{
#define JOIN(w)                                                                                    \
    case w:                                                                                        \
        if (c->is_delta)                                                                           \
            join(x, count, c->planes, w, true, c->base);                                           \
        else                                                                                       \
            join(x, count, c->planes, w, false, c->base);                                          \
        break
    switch (c->width) {
        JOIN(0);
        JOIN(1);
        JOIN(2);
        JOIN(3);
        JOIN(4);
    default: /* bits of doubles: rarely less than 8 */
        join(x, count, c->planes, c->width, c->is_delta, c->base);
    }
#undef JOIN
}

static void column_join_u32(uint32_t *x, uint32_t count, const struct column *c)
{
    uint32_t base = (uint32_t)c->base;
    switch (c->width) {
    case 0:
        join_u32(x, count, c->planes, 0, base);
        break;
    case 1:
        join_u32(x, count, c->planes, 1, base);
        break;
    case 2:
        join_u32(x, count, c->planes, 2, base);
        break;
    case 3:
        join_u32(x, count, c->planes, 3, base);
        break;
    default:
        join_u32(x, count, c->planes, NARROW_WIDTH_MAX, base);
    }
}

static void column_join_double(double *x, uint32_t count, const struct column *c)
{
    double base = (double)(int64_t)c->base;
    switch (c->width) {
    case 0:
        join_double(x, count, c->planes, 0, base);
        break;
    case 1:
        join_double(x, count, c->planes, 1, base);
        break;
    case 2:
        join_double(x, count, c->planes, 2, base);
        break;
    case 3:
        join_double(x, count, c->planes, 3, base);
        break;
    default:
        join_double(x, count, c->planes, NARROW_WIDTH_MAX, base);
    }
}

static int values_get(struct arrival_codec *codec, uint32_t count, struct slice *raw)
{
    struct column column;
    int err = column_open(count, raw, &column);
    if (err != 0)
        return err;
    if (!column.is_bits && !column.is_delta && column.width <= NARROW_WIDTH_MAX &&
        column.base + INTEGER_MAX / 2 <= (uint64_t)INTEGER_MAX) {
        column_join_double(codec->values, count, &column);
        return 0;
    }
    column_join(codec->x, count, &column);
    const uint64_t *x = codec->x;
    if (column.is_bits) {
        memcpy(codec->values, x, count * sizeof(codec->values[0]));
        return 0;
    }
    bool over = false;
    for (uint32_t i = 0; i < count; i++) {
        over |= x[i] + INTEGER_MAX > 2 * (uint64_t)INTEGER_MAX;
        codec->values[i] = (double)(int64_t)x[i];
    }
    return over ? LT_ECORRUPT : 0;
}

static int items_get(struct arrival_codec *codec, uint32_t count, struct slice *raw)
{
    struct column column;
    int err = column_open(count, raw, &column);
    if (err != 0 || column.is_bits)
        return err != 0 ? err : LT_ECORRUPT;
    if (!column.is_delta && column.width < NARROW_WIDTH_MAX && column.base <= UINT32_MAX >> 1) {
        column_join_u32(codec->items, count, &column);
        return 0;
    }
    column_join(codec->x, count, &column);
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++) {
        all |= codec->x[i];
        codec->items[i] = (uint32_t)codec->x[i];
    }
    return all > UINT32_MAX ? LT_ECORRUPT : 0;
}

static int times_get(struct arrival_codec *codec, uint32_t count, struct slice *raw)
{
    struct column column;
    int err = column_open(count, raw, &column);
    if (err != 0 || column.is_bits)
        return err != 0 ? err : LT_ECORRUPT;
    /* A signed type may stand in for its unsigned one. */
    column_join((uint64_t *)codec->times_ms, count, &column);
    return 0;
}

/* *all_last_out: then there is no need to look at them. Nearly always so, and the column is
 * constant. */
static int policies_get(struct arrival_codec *codec, uint32_t count, struct slice *raw,
                        bool *all_last_out)
{
    struct column column;
    int err = column_open(count, raw, &column);
    if (err != 0)
        return err;
    *all_last_out = column.width == 0 && column.base == POLICY_LAST;
    if (*all_last_out)
        return column.is_bits ? LT_ECORRUPT : 0;
    column_join(codec->x, count, &column);
    uint64_t different = 0;
    bool over = column.is_bits;
    for (uint32_t i = 0; i < count; i++) {
        over |= codec->x[i] >= POLICY_STORED_COUNT;
        different |= codec->x[i] ^ POLICY_LAST;
        codec->policies[i] = (uint8_t)codec->x[i];
    }
    *all_last_out = different == 0;
    return over ? LT_ECORRUPT : 0;
}

int arrival_decode(struct arrival_codec *codec, struct slice body, struct arrival_points *out)
{
    struct slice raw;
    int err =
        frame_open(codec->frame, ARRIVAL_VERSION, body, raw_bytes_max(ARRIVAL_POINTS_MAX), &raw);
    if (err != 0)
        return err;
    uint64_t count64 = raw.n >= 4 ? frame_get(raw.p, 4) : 0;
    if (count64 == 0 || count64 > ARRIVAL_POINTS_MAX)
        return LT_ECORRUPT;
    uint32_t count = (uint32_t)count64;
    raw = slice_from(raw, 4);
    bool all_last;
    if ((err = items_get(codec, count, &raw)) != 0 || (err = times_get(codec, count, &raw)) != 0 ||
        (err = values_get(codec, count, &raw)) != 0 ||
        (err = policies_get(codec, count, &raw, &all_last)) != 0)
        return err;
    if (raw.n != 0)
        return LT_ECORRUPT;
    *out = (struct arrival_points){
        .count = count,
        .items = codec->items,
        .times_ms = codec->times_ms,
        .values = codec->values,
        .policies = all_last ? NULL : codec->policies,
    };
    return 0;
}
