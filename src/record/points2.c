/* Points as they are written now. */
#include "record/points.h"

#include "base/error.h"
#include "model/name.h"
#include "record/format.h"
#include "base/hex.h"
#include "record/value.h"

enum { BLOCK_BYTES = 32 }; /* texts are copied so; what is copied from has as much behind it */

/* ---- templates ---- */

/* A piece of text, put behind the first *at bytes of the image. */
static bool read_text(struct unpack *in, char *image, uint32_t *at)
{
    struct slice text;
    if (!unpack_bytes(in, &text) || text.n > NAME_BYTES_MAX - *at)
        return false;
    if (text.n > 0)
        memcpy(image + *at, text.p, text.n);
    *at += (uint32_t)text.n;
    return true;
}

/* [shared, text] or [shared, text, digits, text, ...]. The image is text with room for the digits;
 * *first is where the first text of the template before is, and how long. */
static int read_template(struct record_reader *r, struct unpack *in, struct slice *first)
{
    uint32_t elements, at;
    if (!unpack_array(in, &elements) || elements < 2 || elements % 2 != 0 ||
        elements / 2 - 1 > POINTS_HOLES_MAX || !unpack_u32(in, &at) || at > first->n)
        return LT_EPARSE;
    struct points_template t = {.image_at = r->images.n, .holes = (uint8_t)(elements / 2 - 1)};
    char *image = r->images.v + r->images.n;
    if (at > 0)
        memcpy(image, first->p, at);
    if (!read_text(in, image, &at))
        return LT_EPARSE;
    *first = slice_make(image, at);
    for (uint32_t i = 0; i < t.holes; i++) {
        uint32_t digits;
        if (!unpack_u32(in, &digits) || digits == 0 || digits > NAME_BYTES_MAX - at)
            return LT_EPARSE;
        t.hole[i] = (struct points_hole){(uint16_t)at, (uint16_t)digits};
        t.digit_bytes = (uint16_t)(t.digit_bytes + hex_bytes(digits));
        memset(image + at, 0, digits);
        at += digits;
        if (!read_text(in, image, &at))
            return LT_EPARSE;
    }
    t.name_bytes = (uint16_t)at;
    memset(image + at, 0, BLOCK_BYTES);
    r->images.n += at;
    r->templates.v[r->templates.n++] = t;
    return 0;
}

static int read_templates(struct record_reader *r, struct unpack *in)
{
    enum { TEMPLATE_BYTES_MIN = 4 };
    uint32_t count;
    if (!unpack_array(in, &count) || count > unpack_rest(in) / TEMPLATE_BYTES_MIN)
        return LT_EPARSE;
    struct slice first = {NULL, 0};
    r->templates.n = 0;
    r->images.n = 0;
    if (!VEC_RESERVE(&r->templates, count))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        size_t before = r->templates.n > 0 ? r->templates.v[i - 1].image_at : 0;
        if (!VEC_RESERVE(&r->images, NAME_BYTES_MAX + BLOCK_BYTES))
            return LT_ENOMEM;
        first.p = r->images.v + before; /* it may have moved */
        int err = read_template(r, in, &first);
        if (err == 0 && r->images.n > RECORD_TEXTS_BYTES_MAX)
            err = LT_EPARSE;
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- names ---- */

/* How many names there are, and how much text: each name's shape is left in its slice's length. */
static int read_shapes(struct record_reader *r, struct slice bytes, size_t *text_bytes_out)
{
    r->metrics.n = 0;
    if (bytes.n > UINT32_MAX || !VEC_RESERVE(&r->metrics, bytes.n))
        return LT_ENOMEM;
    struct varint_input in = points_varints(bytes);
    size_t text_bytes = 0;
    while (in.at < in.end) {
        uint64_t shape;
        if (LIKELY(*in.at < 0x80))
            shape = *in.at++;
        else if (!varint_read(&in, &shape))
            return LT_EPARSE;
        if (shape >> 1 >= r->templates.n)
            return LT_EPARSE;
        const struct points_template *t = &r->templates.v[shape >> 1];
        text_bytes += t->holes > 0 ? t->name_bytes : 0;
        r->metrics.v[r->metrics.n++] = (struct slice){.n = (size_t)shape};
    }
    *text_bytes_out = text_bytes;
    return text_bytes <= RECORD_TEXTS_BYTES_MAX ? 0 : LT_EPARSE;
}

/* Copies whole blocks: to has room for them. */
static void copy_blocks(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK_BYTES)
        memcpy(to + i, from + i, BLOCK_BYTES);
}

static void put_together(const struct record_reader *r, const struct points_template *t,
                         const char *digits, char *to)
{
    copy_blocks(to, r->images.v + t->image_at, t->name_bytes);
    for (uint32_t i = 0; i < t->holes; i++) {
        hex_unpack(to + t->hole[i].at, digits, t->hole[i].digits);
        digits += hex_bytes(t->hole[i].digits);
    }
}

static int make_names(struct record_reader *r, struct slice digits, size_t text_bytes)
{
    r->texts.n = 0;
    if (!VEC_RESERVE(&r->texts, text_bytes + BLOCK_BYTES))
        return LT_ENOMEM;
    char *to = r->texts.v;
    const char *from = digits.p, *end = digits.p + digits.n, *before = NULL;
    size_t before_bytes = 0;
    for (uint32_t i = 0; i < r->metrics.n; i++) {
        struct slice *name = &r->metrics.v[i];
        const struct points_template *t = &r->templates.v[name->n >> 1];
        bool repeats = (name->n & 1) != 0;
        if (repeats && (t->digit_bytes == 0 || t->digit_bytes != before_bytes))
            return LT_EPARSE;
        if (!repeats) {
            if ((size_t)(end - from) < t->digit_bytes)
                return LT_EPARSE;
            before = from;
            from += t->digit_bytes;
        }
        before_bytes = t->digit_bytes;
        if (t->holes == 0) {
            *name = slice_make(r->images.v + t->image_at, t->name_bytes);
            continue;
        }
        put_together(r, t, before, to);
        *name = slice_make(to, t->name_bytes);
        to += t->name_bytes;
    }
    return from == end ? 0 : LT_EPARSE;
}

/* ---- points ---- */

static int read_runs(struct record_reader *r, struct slice bytes, enum record_what what,
                     uint64_t *points_out)
{
    enum { RUN_BYTES_MIN = 2 };
    const uint64_t way_max =
        RUN_POLICY_MASK | RUN_OBSERVED | (what != RECORD_POINTS ? RUN_DECIDED : 0);
    r->runs.n = 0;
    if (!VEC_RESERVE(&r->runs, bytes.n / RUN_BYTES_MIN))
        return LT_ENOMEM;
    struct varint_input in = points_varints(bytes);
    uint64_t points = 0;
    uint64_t way = 0, host = 0;
    int64_t time_ms = 0;
    while (in.at < in.end) {
        uint64_t head, distance, delta;
        if (!varint_read(&in, &head))
            return LT_EPARSE;
        if ((head & RUN_WAY_DIFFERS) != 0 && (!varint_read(&in, &way) || way > way_max))
            return LT_EPARSE;
        if ((head & RUN_HOST_DIFFERS) != 0) {
            if (!varint_read(&in, &distance))
                return LT_EPARSE;
            host += 1 + (uint64_t)unzigzag(distance); /* absurd ones wrap, out of range */
        }
        if (!varint_read(&in, &delta))
            return LT_EPARSE;
        struct points_run_fields fields = {way, what == RECORD_UNDECIDED, host,
                                           head >> RUN_COUNT_SHIFT, unzigzag(delta)};
        struct record_run *run = &r->runs.v[r->runs.n++];
        if (!points_make_run(fields, r->hosts.n, time_ms, &points, run))
            return LT_EPARSE;
        time_ms = run->time_ms;
    }
    *points_out = points;
    return points > 0 ? 0 : LT_EPARSE;
}

/* Names that follow each other, from next on. False: there are not as many. */
static bool take_following(struct record_reader *r, uint64_t next, uint64_t count)
{
    if (next > r->metrics.n || count > r->metrics.n - next)
        return false;
    uint32_t *to = r->metric_index.v + r->metric_index.n;
    for (uint32_t i = 0; i < (uint32_t)count; i++)
        to[i] = (uint32_t)next + i;
    r->metric_index.n += (uint32_t)count;
    return true;
}

static int read_metric_index(struct record_reader *r, struct slice bytes, uint64_t points)
{
    r->metric_index.n = 0;
    if (!VEC_RESERVE(&r->metric_index, points))
        return LT_ENOMEM;
    struct varint_input in = points_varints(bytes);
    uint64_t next = 0;
    while (in.at < in.end) {
        uint64_t following, distance;
        if (!varint_read(&in, &following) || !varint_read(&in, &distance))
            return LT_EPARSE;
        if (following >= points - r->metric_index.n || !take_following(r, next, following))
            return LT_EPARSE;
        next += following + (uint64_t)unzigzag(distance);
        if (!take_following(r, next, 1))
            return LT_EPARSE;
        next++;
    }
    return take_following(r, next, points - r->metric_index.n) ? 0 : LT_EPARSE;
}

static int read_values(struct record_reader *r, struct slice bytes, uint64_t points)
{
    r->values.n = 0;
    if (!VEC_RESERVE(&r->values, points))
        return LT_ENOMEM;
    struct varint_input in = points_varints(bytes);
    for (uint64_t i = 0; i < points; i++)
        if (!value_read(&in, &r->values.v[i]))
            return LT_EPARSE;
    r->values.n = (uint32_t)points;
    return in.at == in.end ? 0 : LT_EPARSE;
}

int points2_read(struct record_reader *r, struct unpack *in, enum record_what what,
                 uint64_t *points_out)
{
    struct slice shapes, digits, runs, index, values;
    size_t text_bytes = 0;
    uint64_t points = 0;
    int err = points_read_names(in, true, &r->hosts);
    if (err == 0)
        err = read_templates(r, in);
    if (err == 0 &&
        (!unpack_bytes(in, &shapes) || !unpack_bytes(in, &digits) || !unpack_bytes(in, &runs) ||
         !unpack_bytes(in, &index) || !unpack_bytes(in, &values)))
        err = LT_EPARSE;
    if (err == 0)
        err = read_shapes(r, shapes, &text_bytes);
    if (err == 0)
        err = make_names(r, digits, text_bytes);
    if (err == 0)
        err = read_runs(r, runs, what, &points);
    if (err == 0 && points > values.n) /* a value has a byte at least */
        err = LT_EPARSE;
    if (err == 0)
        err = read_metric_index(r, index, points);
    if (err == 0)
        err = read_values(r, values, points);
    *points_out = points;
    return err;
}
