#include "vector/column.h"

#include "base/error.h"
#include "vector/bits.h"

#include <assert.h>

enum { FORM_DELTAS = 1, FORM_ZIGZAG = 2, FORM_PLANES = 4, FORM_SCALED = 8, FORM_ALL = 15 };

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What divides all of x; 1 where they are all 0. */
static uint64_t common_scale(const uint64_t *x, uint32_t n, bool is_signed)
{
    uint64_t scale = 0;
    for (uint32_t i = 0; i < n && scale != 1; i++)
        scale = gcd(is_signed && (int64_t)x[i] < 0 ? -x[i] : x[i], scale);
    return scale == 0 ? 1 : scale;
}

static void plan_zigzag(struct column *c, uint64_t *r, uint32_t n)
{
    uint64_t all = 0;
    if (c->form.scaled)
        c->scale = common_scale(r, n, true);
    if (c->scale != 1)
        for (uint32_t i = 0; i < n; i++)
            r[i] = (uint64_t)((int64_t)r[i] / (int64_t)c->scale);
    for (uint32_t i = 0; i < n; i++)
        all |= r[i] = zigzag(r[i]);
    c->width = (uint8_t)bits_width(all);
}

static void plan_offset(struct column *c, uint64_t *r, uint32_t n)
{
    int64_t low = n > 0 ? (int64_t)r[0] : 0;
    int64_t high = low;
    for (uint32_t i = 1; i < n; i++) {
        int64_t s = (int64_t)r[i];
        low = s < low ? s : low;
        high = s > high ? s : high;
    }
    c->base = (uint64_t)low;
    for (uint32_t i = 0; i < n; i++)
        r[i] -= c->base;
    uint64_t span = (uint64_t)high - c->base;
    if (c->form.scaled)
        c->scale = common_scale(r, n, false);
    if (c->scale != 1)
        for (uint32_t i = 0; i < n; i++)
            r[i] /= c->scale;
    c->width = (uint8_t)bits_width(span / c->scale);
}

static uint32_t residual_count(const struct column *c)
{
    return c->n - c->form.deltas;
}

void column_plan(const uint64_t *x, uint32_t n, struct column_form form, uint64_t *r,
                 struct column *out)
{
    assert(n >= 1);
    *out = (struct column){.form = form, .n = n, .first = x[0], .scale = 1, .r = r};
    uint32_t left = residual_count(out);
    for (uint32_t i = 0; i < left; i++)
        r[i] = form.deltas ? x[i + 1] - x[i] : x[i];
    if (form.zigzag)
        plan_zigzag(out, r, left);
    else
        plan_offset(out, r, left);
    out->form.scaled = out->scale != 1;
}

static unsigned plane_count(const struct column *c)
{
    return (c->width + 7u) / 8;
}

uint64_t column_bytes(const struct column *c)
{
    uint64_t bytes = 2;
    bytes += c->form.deltas ? varint_bytes(zigzag(c->first)) : 0;
    bytes += c->form.zigzag ? 0 : varint_bytes(zigzag(c->base));
    bytes += c->form.scaled ? varint_bytes(c->scale) : 0;
    uint32_t left = residual_count(c);
    return bytes + (c->form.planes ? (uint64_t)plane_count(c) * left : bits_bytes(left, c->width));
}

static char *planes_write(const struct column *c, uint32_t left, char *p)
{
    for (unsigned plane = 0; plane < plane_count(c); plane++)
        for (uint32_t i = 0; i < left; i++)
            *p++ = (char)(c->r[i] >> (8 * plane));
    return p;
}

static char *bits_write(const struct column *c, uint32_t left, char *p)
{
    if (c->width == 0)
        return p;
    struct bits_writer w = {.at = p};
    for (uint32_t i = 0; i < left; i++)
        bits_put(&w, c->r[i], c->width);
    return bits_finish(&w);
}

void column_write(const struct column *c, struct buffer *out)
{
    uint32_t left = residual_count(c);
    char *start = buffer_reserve(out, column_bytes(c) + BITS_SLACK);
    if (start == NULL)
        return;
    char *p = start;
    *p++ = (char)((c->form.deltas ? FORM_DELTAS : 0) | (c->form.zigzag ? FORM_ZIGZAG : 0) |
                  (c->form.planes ? FORM_PLANES : 0) | (c->form.scaled ? FORM_SCALED : 0));
    *p++ = (char)(c->form.planes ? plane_count(c) : c->width);
    if (c->form.deltas)
        p = varint_store(p, zigzag(c->first));
    if (!c->form.zigzag)
        p = varint_store(p, zigzag(c->base));
    if (c->form.scaled)
        p = varint_store(p, c->scale);
    p = c->form.planes ? planes_write(c, left, p) : bits_write(c, left, p);
    out->len += (size_t)(p - start);
}

/* From a residual to a difference. Zigzag has no base. */
static inline uint64_t unfold(bool is_zigzag, uint64_t r, uint64_t base, uint64_t scale)
{
    return base + (is_zigzag ? unzigzag(r) : r) * scale;
}

/* One loop for the two narrowest, which is what most columns are; inlined for each case. */
static inline void narrow_read(const struct column *c, unsigned planes, bool is_zigzag,
                               const uint8_t *p, uint64_t *d, uint32_t n)
{
    /* Locals: what is written could be the column, for all that the compiler knows. */
    uint64_t base = c->base;
    uint64_t scale = c->scale;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = planes == 1 ? p[i] : p[i] | (uint64_t)p[n + i] << 8;
        d[i] = unfold(is_zigzag, r, base, scale);
    }
}

static void planes_read(const struct column *c, const uint8_t *p, uint64_t *d, uint32_t n)
{
    bool is_zigzag = c->form.zigzag;
    if (c->width == 1 && is_zigzag) {
        narrow_read(c, 1, true, p, d, n);
    } else if (c->width == 1) {
        narrow_read(c, 1, false, p, d, n);
    } else if (c->width == 2 && is_zigzag) {
        narrow_read(c, 2, true, p, d, n);
    } else if (c->width == 2) {
        narrow_read(c, 2, false, p, d, n);
    } else {
        memset(d, 0, n * sizeof(d[0]));
        for (unsigned plane = 0; plane < c->width; plane++, p += n)
            for (uint32_t i = 0; i < n; i++)
                d[i] |= (uint64_t)p[i] << (8 * plane);
        for (uint32_t i = 0; i < n; i++)
            d[i] = unfold(is_zigzag, d[i], c->base, c->scale);
    }
}

static void bits_read(const struct column *c, struct slice bits, uint64_t *d, uint32_t n)
{
    if (c->width == 0) {
        for (uint32_t i = 0; i < n; i++)
            d[i] = c->base;
        return;
    }
    bits_unpack(bits, c->width, 0, d, n);
    for (uint32_t i = 0; i < n; i++)
        d[i] = unfold(c->form.zigzag, d[i], c->base, c->scale);
}

static int head_read(struct slice *in, uint32_t n, struct column *c)
{
    if (in->n < 2)
        return LT_ECORRUPT;
    uint8_t form = (uint8_t)in->p[0];
    *c = (struct column){.width = (uint8_t)in->p[1], .n = n, .scale = 1};
    c->form = (struct column_form){.deltas = (form & FORM_DELTAS) != 0,
                                   .zigzag = (form & FORM_ZIGZAG) != 0,
                                   .planes = (form & FORM_PLANES) != 0,
                                   .scaled = (form & FORM_SCALED) != 0};
    if (form > FORM_ALL || c->width > (c->form.planes ? 8 : 64))
        return LT_ECORRUPT;
    *in = slice_from(*in, 2);
    int err = 0;
    if (c->form.deltas) {
        err = varint_load(in, &c->first);
        c->first = unzigzag(c->first);
    }
    if (err == 0 && !c->form.zigzag) {
        err = varint_load(in, &c->base);
        c->base = unzigzag(c->base);
    }
    if (err == 0 && c->form.scaled)
        err = varint_load(in, &c->scale);
    return err == 0 && c->scale == 0 ? LT_ECORRUPT : err;
}

int column_read(struct slice *in, uint32_t n, uint64_t *x)
{
    struct slice rest = *in;
    struct column c;
    int err = head_read(&rest, n, &c);
    if (err != 0)
        return err;
    uint32_t left = residual_count(&c);
    uint64_t bytes = c.form.planes ? (uint64_t)c.width * left : bits_bytes(left, c.width);
    if (bytes > rest.n)
        return LT_ECORRUPT;
    uint64_t *d = x + c.form.deltas;
    if (c.form.planes)
        planes_read(&c, (const uint8_t *)rest.p, d, left);
    else
        bits_read(&c, slice_upto(rest, bytes), d, left);
    if (c.form.deltas) {
        uint64_t at = x[0] = c.first;
        for (uint32_t i = 1; i < n; i++)
            x[i] = at += x[i];
    }
    *in = slice_from(rest, bytes);
    return 0;
}
