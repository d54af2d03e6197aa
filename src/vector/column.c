#include "vector/column.h"

#include "base/error.h"
#include "vector/bits.h"

#include <assert.h>

enum {
    FORM_ORDER = 3,
    FORM_ZIGZAG = 4,
    FORM_PLANES = 8,
    FORM_SCALED = 16,
    FORM_ALL = FORM_ORDER | FORM_ZIGZAG | FORM_PLANES | FORM_SCALED
};
enum { COLUMN_HEAD_BYTES_MAX = 2 + 4 * VARINT_BYTES_MAX };

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
    if (c->scale > INT64_MAX) /* 2^63 is more than a signed division takes */
        c->scale = 1;
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

void column_plan(const uint64_t *x, uint32_t n, struct column_form form, uint64_t *r,
                 struct column *out)
{
    assert(n >= 1 && form.order <= COLUMN_BENDS && n >= form.order);
    *out = (struct column){.form = form, .n = n, .scale = 1, .r = r};
    out->first[0] = x[0];
    uint32_t left = n - form.order;
    if (form.order == COLUMN_LEVELS) {
        memcpy(r, x, n * sizeof(x[0]));
    } else if (form.order == COLUMN_DELTAS) {
        for (uint32_t i = 0; i < left; i++)
            r[i] = x[i + 1] - x[i];
    } else {
        out->first[1] = x[1] - x[0];
        for (uint32_t i = 0; i < left; i++)
            r[i] = x[i + 2] - 2 * x[i + 1] + x[i];
    }
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
    for (unsigned i = 0; i < c->form.order; i++)
        bytes += varint_bytes(zigzag(c->first[i]));
    bytes += c->form.zigzag ? 0 : varint_bytes(zigzag(c->base));
    bytes += c->form.scaled ? varint_bytes(c->scale) : 0;
    uint32_t left = c->n - c->form.order;
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
    uint32_t left = c->n - c->form.order;
    char *start = buffer_reserve(out, column_bytes(c) + BITS_SLACK);
    if (start == NULL)
        return;
    char *p = start;
    *p++ = (char)(c->form.order | (c->form.zigzag ? FORM_ZIGZAG : 0) |
                  (c->form.planes ? FORM_PLANES : 0) | (c->form.scaled ? FORM_SCALED : 0));
    *p++ = (char)(c->form.planes ? plane_count(c) : c->width);
    for (unsigned i = 0; i < c->form.order; i++)
        p = varint_store(p, zigzag(c->first[i]));
    if (!c->form.zigzag)
        p = varint_store(p, zigzag(c->base));
    if (c->form.scaled)
        p = varint_store(p, c->scale);
    p = c->form.planes ? planes_write(c, left, p) : bits_write(c, left, p);
    out->len += (size_t)(p - start);
}

/* The two narrowest have loops of their own: they are what most columns are. */
static void planes_read(const char *bytes, unsigned planes, uint64_t *x, uint32_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;
    if (planes == 1) {
        for (uint32_t i = 0; i < n; i++)
            x[i] = p[i];
        return;
    }
    if (planes == 2) {
        for (uint32_t i = 0; i < n; i++)
            x[i] = (uint64_t)p[i] | (uint64_t)p[n + i] << 8;
        return;
    }
    memset(x, 0, n * sizeof(x[0]));
    for (unsigned plane = 0; plane < planes; plane++, p += n)
        for (uint32_t i = 0; i < n; i++)
            x[i] |= (uint64_t)p[i] << (8 * plane);
}

static int head_read(struct slice *in, uint32_t n, struct column *c)
{
    if (in->n < 2)
        return LT_ECORRUPT;
    uint8_t form = (uint8_t)in->p[0];
    *c = (struct column){.width = (uint8_t)in->p[1], .n = n, .scale = 1};
    c->form = (struct column_form){.order = form & FORM_ORDER,
                                   .zigzag = (form & FORM_ZIGZAG) != 0,
                                   .planes = (form & FORM_PLANES) != 0,
                                   .scaled = (form & FORM_SCALED) != 0};
    if (form > FORM_ALL || c->form.order > COLUMN_BENDS || n < c->form.order ||
        c->width > (c->form.planes ? 8 : 64))
        return LT_ECORRUPT;
    *in = slice_from(*in, 2);
    int err = 0;
    for (unsigned i = 0; err == 0 && i < c->form.order; i++) {
        err = varint_load(in, &c->first[i]);
        c->first[i] = unzigzag(c->first[i]);
    }
    if (err == 0 && !c->form.zigzag) {
        err = varint_load(in, &c->base);
        c->base = unzigzag(c->base);
    }
    if (err == 0 && c->form.scaled)
        err = varint_load(in, &c->scale);
    return err == 0 && c->scale == 0 ? LT_ECORRUPT : err;
}

/* From residuals to differences. */
static void unfold(const struct column *c, uint64_t *d, uint32_t n)
{
    if (c->form.zigzag) {
        for (uint32_t i = 0; i < n; i++)
            d[i] = unzigzag(d[i]);
        if (c->scale != 1)
            for (uint32_t i = 0; i < n; i++)
                d[i] *= c->scale;
    } else if (c->scale != 1) {
        for (uint32_t i = 0; i < n; i++)
            d[i] = c->base + d[i] * c->scale;
    } else {
        for (uint32_t i = 0; i < n; i++)
            d[i] += c->base;
    }
}

int column_read(struct slice *in, uint32_t n, uint64_t *x)
{
    struct slice rest = *in;
    struct column c;
    int err = head_read(&rest, n, &c);
    if (err != 0)
        return err;
    uint32_t left = n - c.form.order;
    uint64_t bytes = c.form.planes ? (uint64_t)c.width * left : bits_bytes(left, c.width);
    if (bytes > rest.n)
        return LT_ECORRUPT;
    uint64_t *d = x + c.form.order;
    if (c.form.planes)
        planes_read(rest.p, c.width, d, left);
    else
        bits_unpack(slice_upto(rest, bytes), c.width, d, left);
    unfold(&c, d, left);
    if (c.form.order > 0)
        x[0] = c.first[0];
    if (c.form.order == COLUMN_DELTAS) {
        uint64_t at = x[0];
        for (uint32_t i = 1; i < n; i++)
            x[i] = at += x[i];
    } else if (c.form.order == COLUMN_BENDS) {
        uint64_t at = x[0];
        uint64_t delta = c.first[1];
        x[1] = at += delta;
        for (uint32_t i = 2; i < n; i++)
            x[i] = at += delta += x[i];
    }
    *in = slice_from(rest, bytes);
    return 0;
}
