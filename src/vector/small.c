#include "vector/small.h"

#include "base/error.h"
#include "vector/decimal.h"
#include "vector/unit.h"

enum { FORM_PLAIN, FORM_ZIGZAG, FORM_OFFSET, FORM_SHIFT, FORM_RISE, FORM_WALK, FORM_COUNT };
enum { GAP_WIDTH_MAX = 31, EXPONENT_MAX = 7, HEAD_BYTES = 3, VALUE_WIDTH_MAX = 54 };

static const uint8_t start_widths[] = {22, 12, 11, 10};
static const uint8_t value_widths[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                       11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                       22, 23, 24, 25, 26, 27, 32, 40, 48, 54};

static unsigned width_code(unsigned width)
{
    unsigned code = width <= 27 ? width : 28;
    while (value_widths[code] < width)
        code++;
    return code;
}

/* What a form needs: which residuals, and how many bits in all. */
struct values_plan {
    unsigned form;
    unsigned code; /* of the width */
    unsigned bits;
    int64_t base;
};

/* Takes a form if it is the smallest yet. Integers within +-2^53 have differences, and zigzags of
 * those, which are wider than the widest. */
static void consider(struct values_plan *plan, unsigned form, uint64_t widest, uint32_t n,
                     int64_t base)
{
    if (bits_width(widest) > VALUE_WIDTH_MAX)
        return;
    unsigned code = width_code(bits_width(widest));
    unsigned base_bytes = form < FORM_OFFSET ? 0 : varint_bytes(zigzag((uint64_t)base));
    unsigned bits = n * value_widths[code] + 8 * base_bytes;
    if (bits < plan->bits)
        *plan = (struct values_plan){form, code, bits, base};
}

/* The larger of what zigzag makes of the two ends, which is that of all between. */
static uint64_t zigzag_widest(int64_t low, int64_t high)
{
    uint64_t a = zigzag((uint64_t)low);
    uint64_t b = zigzag((uint64_t)high);
    return a > b ? a : b;
}

/* bits is UINT32_MAX where none does. */
static struct values_plan values_plan(const int64_t *x, uint32_t n)
{
    int64_t low = x[0], high = x[0];
    int64_t fall = 0, rise = 0;
    uint64_t any = (uint64_t)x[0];
    for (uint32_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        any |= (uint64_t)x[i];
        int64_t delta = x[i] - x[i - 1];
        fall = delta < fall ? delta : fall;
        rise = delta > rise ? delta : rise;
    }
    struct values_plan plan = {.bits = UINT32_MAX};
    if (low >= 0)
        consider(&plan, FORM_PLAIN, (uint64_t)high, n, 0);
    else
        consider(&plan, FORM_ZIGZAG, zigzag_widest(low, high), n, 0);
    consider(&plan, FORM_OFFSET, (uint64_t)(high - low), n, low);
    if (low >= 0 && high > 0) { /* memory comes in pages */
        int shift = __builtin_ctzll(any);
        consider(&plan, FORM_SHIFT, (uint64_t)high >> shift, n, shift);
    }
    if (fall >= 0)
        consider(&plan, FORM_RISE, (uint64_t)rise, n - 1, x[0]);
    else
        consider(&plan, FORM_WALK, zigzag_widest(fall, rise), n - 1, x[0]);
    return plan;
}

static void values_put(struct bits_writer *w, struct values_plan plan, const int64_t *x, uint32_t n)
{
    unsigned width = value_widths[plan.code];
    for (uint32_t i = plan.form >= FORM_RISE; i < n; i++) {
        uint64_t r;
        switch (plan.form) {
        case FORM_PLAIN:
            r = (uint64_t)x[i];
            break;
        case FORM_ZIGZAG:
            r = zigzag((uint64_t)x[i]);
            break;
        case FORM_OFFSET:
            r = (uint64_t)(x[i] - plan.base);
            break;
        case FORM_SHIFT:
            r = (uint64_t)x[i] >> plan.base;
            break;
        case FORM_RISE:
            r = (uint64_t)(x[i] - x[i - 1]);
            break;
        default:
            r = zigzag((uint64_t)(x[i] - x[i - 1]));
        }
        bits_put(w, r, width);
    }
}

size_t small_encode(int64_t from_ms, const struct vector_points *points, char *out)
{
    uint32_t n = points->count;
    if (n == 0 || n > SMALL_POINTS_MAX)
        return 0;
    int64_t x[SMALL_POINTS_MAX];
    int exponent = decimal_scan(points->values, n, EXPONENT_MAX, x);
    if (exponent < 0)
        return 0;
    uint64_t at[SMALL_POINTS_MAX];
    unsigned unit = unit_find(from_ms, points, at);
    uint64_t gaps = 0;
    for (uint32_t i = 1; i < n; i++)
        gaps |= at[i] - at[i - 1] - 1;
    unsigned gap_width = bits_width(gaps);
    if (bits_width(at[0]) > start_widths[unit] || gap_width > GAP_WIDTH_MAX)
        return 0;
    struct values_plan plan = values_plan(x, n);
    if (plan.bits == UINT32_MAX)
        return 0;
    out[0] = (char)(SMALL_SHAPE | unit << 2 | (n - 1) << 4);
    out[1] = (char)(gap_width | (unsigned)exponent << 5);
    out[2] = (char)(plan.form | plan.code << 3);
    struct bits_writer w = {.at = out + HEAD_BYTES};
    if (plan.form >= FORM_OFFSET)
        w.at = varint_store(w.at, zigzag((uint64_t)plan.base));
    bits_put(&w, at[0], start_widths[unit]);
    for (uint32_t i = 1; i < n; i++)
        bits_put(&w, at[i] - at[i - 1] - 1, gap_width);
    values_put(&w, plan, x, n);
    return (size_t)(bits_finish(&w) - out);
}

struct small_head {
    uint32_t n;
    unsigned unit, gap_width, exponent, form, width;
    int64_t base;
    uint64_t bits; /* of what follows the base */
};

/* Takes the header and the base off the front, and sees that the bits are there. */
static int head_read(struct slice *in, struct small_head *h)
{
    if (in->n < HEAD_BYTES)
        return LT_ECORRUPT;
    uint8_t a = (uint8_t)in->p[0], b = (uint8_t)in->p[1], c = (uint8_t)in->p[2];
    *h = (struct small_head){.n = (a >> 4) + 1u,
                             .unit = a >> 2 & 3,
                             .gap_width = b & 31,
                             .exponent = b >> 5,
                             .form = c & 7,
                             .width = value_widths[c >> 3]};
    if (h->form >= FORM_COUNT)
        return LT_ECORRUPT;
    *in = slice_from(*in, HEAD_BYTES);
    if (h->form >= FORM_OFFSET) {
        uint64_t base;
        int err = varint_load(in, &base);
        if (err != 0)
            return err;
        h->base = (int64_t)unzigzag(base);
        if (h->form == FORM_SHIFT && (h->base < 0 || h->base > 63))
            return LT_ECORRUPT;
    }
    h->bits = start_widths[h->unit] + (h->n - 1) * h->gap_width +
              (h->n - (h->form >= FORM_RISE)) * h->width;
    return (h->bits + 7) / 8 > in->n ? LT_ECORRUPT : 0;
}

int small_skip(struct slice *in)
{
    struct slice rest = *in;
    struct small_head h;
    int err = head_read(&rest, &h);
    if (err == 0)
        *in = slice_from(rest, (h.bits + 7) / 8);
    return err;
}

int small_count(struct slice in, uint32_t *count_out)
{
    struct small_head h;
    int err = head_read(&in, &h);
    if (err == 0)
        *count_out = h.n;
    return err;
}

/* To m, modulo 2^64. */
static void values_get(const struct small_head *h, const char *p, size_t bit, int64_t *m)
{
    uint64_t mask = bits_mask(h->width);
    uint64_t at = (uint64_t)h->base;
    switch (h->form) {
    case FORM_PLAIN:
    case FORM_OFFSET:
        for (uint32_t i = 0; i < h->n; i++, bit += h->width)
            m[i] = (int64_t)(at + bits_get(p, bit, mask));
        break;
    case FORM_ZIGZAG:
        for (uint32_t i = 0; i < h->n; i++, bit += h->width)
            m[i] = (int64_t)unzigzag(bits_get(p, bit, mask));
        break;
    case FORM_SHIFT:
        for (uint32_t i = 0; i < h->n; i++, bit += h->width)
            m[i] = (int64_t)(bits_get(p, bit, mask) << h->base);
        break;
    case FORM_RISE:
        m[0] = h->base;
        for (uint32_t i = 1; i < h->n; i++, bit += h->width)
            m[i] = (int64_t)(at += bits_get(p, bit, mask));
        break;
    default:
        m[0] = h->base;
        for (uint32_t i = 1; i < h->n; i++, bit += h->width)
            m[i] = (int64_t)(at += unzigzag(bits_get(p, bit, mask)));
    }
}

int small_decode(struct slice *in, int64_t from_ms, int64_t *times_ms, double *values,
                 uint32_t *count_out)
{
    struct slice rest = *in;
    struct small_head h;
    int err = head_read(&rest, &h);
    if (err != 0)
        return err;
    size_t bytes = (h.bits + 7) / 8;
    /* Whole words are read: near the end of *in from a copy. */
    char copy[SMALL_BYTES_MAX];
    const char *p = rest.p;
    if (rest.n < bytes + 8) {
        p = memcpy(copy, rest.p, bytes);
        memset(copy + bytes, 0, 8);
    }
    size_t bit = start_widths[h.unit];
    uint64_t at = bits_get(p, 0, bits_mask(start_widths[h.unit]));
    uint64_t mask = bits_mask(h.gap_width);
    uint64_t ms = unit_ms(h.unit);
    uint64_t time_ms = (uint64_t)from_ms + at * ms;
    times_ms[0] = (int64_t)time_ms;
    for (uint32_t i = 1; i < h.n; i++, bit += h.gap_width) {
        time_ms += (bits_get(p, bit, mask) + 1) * ms;
        times_ms[i] = (int64_t)time_ms;
    }
    if (time_ms > INT64_MAX) /* at most 2^58 beyond from_ms: it does not come round */
        return LT_ECORRUPT;
    int64_t m[SMALL_POINTS_MAX];
    values_get(&h, p, bit, m);
    decimal_values(m, h.n, (int)h.exponent, values);
    *count_out = h.n;
    *in = slice_from(rest, bytes);
    return 0;
}
