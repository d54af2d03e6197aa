#include "vector/pack.h"

#include "base/error.h"
#include "base/vec.h"
#include "vector/bits.h"
#include "vector/frame.h"
#include "vector/minutes.h"
#include "vector/row.h"
#include "vector/summaries.h"

#include <assert.h>
#include <stdlib.h>

/* Two frames (frame.h), little-endian:
 *
 *   summaries  | varint items - 1 | items | summaries |     row.h
 *   vectors    a vector (series.h) for each item, one after the other */
enum { VECTORS_VERSION = 1 };

/* What a point takes at most in a vector, and a vector besides. */
enum { POINT_BYTES_MAX = 24, VECTOR_BYTES_MAX = 64 };
enum { VECTORS_BYTES_MAX = PACK_POINTS_MAX * POINT_BYTES_MAX + PACK_ITEMS_MAX * VECTOR_BYTES_MAX };

/* ---- writing ---- */

struct pack_writer {
    struct vector_codec *vectors;
    struct frame_codec *frame;
    struct minutes_writer *minutes;
    struct row_writer row;
    struct buffer raw; /* vectors */
    struct buffer body;
    int64_t from_ms;
};

int pack_writer_create(struct pack_writer **out)
{
    struct pack_writer *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return LT_ENOMEM;
    row_writer_init(&w->row);
    buffer_init(&w->raw, VECTORS_BYTES_MAX);
    buffer_init(&w->body, SIZE_MAX);
    int err = vector_codec_create(&w->vectors);
    if (err == 0)
        err = frame_codec_create(&w->frame);
    if (err == 0)
        err = minutes_writer_create(&w->minutes);
    if (err != 0) {
        pack_writer_destroy(&w);
        return err;
    }
    *out = w;
    return 0;
}

void pack_writer_destroy(struct pack_writer **writer)
{
    struct pack_writer *w = *writer;
    if (w == NULL)
        return;
    vector_codec_destroy(&w->vectors);
    frame_codec_destroy(&w->frame);
    minutes_writer_destroy(&w->minutes);
    row_writer_fini(&w->row);
    buffer_fini(&w->raw);
    buffer_fini(&w->body);
    free(w);
    *writer = NULL;
}

void pack_begin(struct pack_writer *writer, int64_t from_ms)
{
    writer->from_ms = from_ms;
    row_begin(&writer->row);
    minutes_begin(writer->minutes, from_ms);
    buffer_reset(&writer->raw, SIZE_MAX);
}

int pack_add(struct pack_writer *writer, uint32_t item, const struct vector_points *points,
             struct summary *summary_out)
{
    uint32_t n = points->count;
    assert(n >= 1 && n <= PACK_PART_POINTS_MAX && !pack_is_full(writer));
    struct summary summary;
    summary_init(&summary);
    for (uint32_t i = 0; i < n; i++)
        summary_add(&summary, points->times_ms[i], points->values[i]);
    int err = vector_encode(writer->vectors, writer->from_ms, points, &writer->raw);
    if (err == 0)
        err = minutes_add(writer->minutes, item, points);
    if (err == 0)
        err = row_add(&writer->row, item, &summary, points->times_ms[0], points->times_ms[n - 1]);
    if (err == 0 && summary_out != NULL)
        *summary_out = summary;
    return err;
}

bool pack_is_full(const struct pack_writer *writer)
{
    const struct pack_row *row = &writer->row.row;
    size_t bytes = writer->raw.len;
    bool sparse = bytes <= (size_t)row->items * PACK_SPARSE_VECTOR_BYTES;
    return row->items >= PACK_ITEMS || row->points >= PACK_POINTS || bytes >= PACK_BYTES ||
           (sparse && bytes >= PACK_SPARSE_BYTES);
}

int pack_finish(struct pack_writer *writer, struct pack_row *out)
{
    struct pack_row row;
    int err = row_finish(&writer->row, writer->frame, &row);
    if (err != 0)
        return err;
    buffer_reset(&writer->body, SIZE_MAX);
    if (row.items > 0)
        err = frame_seal_if(writer->frame, VECTORS_VERSION, buffer_slice(&writer->raw),
                            ROW_ZSTD_SHARE, &writer->body);
    row.vectors = buffer_slice(&writer->body);
    if (err == 0)
        err = minutes_finish(writer->minutes, &row.minutes);
    if (err == 0)
        *out = row;
    return err;
}

/* ---- reading ---- */

struct pack_codec {
    struct vector_codec *vectors;
    struct frame_codec *frame;
    struct row_reader row;
    VEC(uint32_t) items; /* columns of points */
    VEC(int64_t) times_ms;
    VEC(double) values;
};

int pack_codec_create(struct pack_codec **out)
{
    struct pack_codec *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    row_reader_init(&c->row);
    int err = vector_codec_create(&c->vectors);
    if (err == 0)
        err = frame_codec_create(&c->frame);
    if (err != 0) {
        pack_codec_destroy(&c);
        return err;
    }
    *out = c;
    return 0;
}

void pack_codec_destroy(struct pack_codec **codec)
{
    struct pack_codec *c = *codec;
    if (c == NULL)
        return;
    vector_codec_destroy(&c->vectors);
    frame_codec_destroy(&c->frame);
    row_reader_fini(&c->row);
    VEC_FINI(&c->items);
    VEC_FINI(&c->times_ms);
    VEC_FINI(&c->values);
    free(c);
    *codec = NULL;
}

int pack_open_summaries(struct pack_codec *codec, struct slice summaries, unsigned columns,
                        struct pack_summaries *out)
{
    return row_open(&codec->row, codec->frame, summaries, columns, out);
}

/* Room for the points of all items that are wanted. */
static int columns_reserve(struct pack_codec *c, uint64_t points)
{
    if (points > PACK_POINTS_MAX)
        return LT_ECORRUPT;
    c->items.n = c->times_ms.n = c->values.n = 0;
    if (!VEC_RESERVE(&c->items, points) || !VEC_RESERVE(&c->times_ms, points) ||
        !VEC_RESERVE(&c->values, points))
        return LT_ENOMEM;
    return 0;
}

/* The points that entry i says it has; more than a part may have: UINT64_MAX. */
static uint64_t points_of(const struct pack_summaries *s, uint32_t i)
{
    uint64_t nans = s->nans != NULL ? s->nans[i] : 0;
    bool good = s->count[i] <= PACK_PART_POINTS_MAX && nans <= PACK_PART_POINTS_MAX - s->count[i];
    return good ? s->count[i] + nans : UINT64_MAX;
}

/* Decodes one vector, of n points as its summary says, behind the `at` before it. */
static int vector_take(struct pack_codec *c, int64_t from_ms, uint32_t item, uint64_t n,
                       struct slice *in, uint32_t at)
{
    struct vector_points points;
    int err = vector_decode(c->vectors, from_ms, in, &points);
    if (err != 0)
        return err;
    if (points.count != n)
        return LT_ECORRUPT;
    for (uint32_t i = 0; i < points.count; i++)
        c->items.v[at + i] = item;
    memcpy(c->times_ms.v + at, points.times_ms, n * sizeof(points.times_ms[0]));
    memcpy(c->values.v + at, points.values, n * sizeof(points.values[0]));
    return 0;
}

static int vectors_take(struct pack_codec *c, int64_t from_ms, const struct pack_summaries *s,
                        const struct row_wanted *all_wanted, struct slice in, uint32_t points)
{
    struct row_wanted wanted = *all_wanted;
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->items && at < points; i++) {
        uint64_t n = points_of(s, i);
        uint32_t decoded;
        int err = 0;
        if (row_wants(&wanted, s->item[i])) {
            /* Before it is decoded: few bytes may say a million points. */
            err = vector_count(in, &decoded);
            if (err == 0 && decoded != n)
                err = LT_ECORRUPT;
            if (err == 0)
                err = vector_take(c, from_ms, s->item[i], n, &in, at);
            at += (uint32_t)n;
        } else {
            err = vector_skip(&in);
        }
        if (err != 0)
            return err;
    }
    return wanted.items == NULL && in.n != 0 ? LT_ECORRUPT : 0;
}

int pack_open_points(struct pack_codec *codec, int64_t from_ms, struct slice summaries,
                     struct slice vectors, const uint32_t *items, uint32_t items_count,
                     struct pack_points *out)
{
    struct pack_summaries s;
    int err = row_open(&codec->row, codec->frame, summaries, PACK_COUNT, &s);
    if (err != 0)
        return err;
    const struct row_wanted all_wanted = row_wanted_from(items, items_count, s.item[0]);
    struct row_wanted wanted = all_wanted;
    uint64_t points = 0;
    for (uint32_t i = 0; i < s.items; i++) {
        uint64_t n = points_of(&s, i);
        if (n == UINT64_MAX)
            return LT_ECORRUPT;
        points += row_wants(&wanted, s.item[i]) ? n : 0;
    }
    struct slice raw = {0};
    err = columns_reserve(codec, points);
    if (err == 0 && points > 0)
        err = frame_open(codec->frame, VECTORS_VERSION, vectors, VECTORS_BYTES_MAX, &raw);
    if (err == 0 && points > 0)
        err = vectors_take(codec, from_ms, &s, &all_wanted, raw, (uint32_t)points);
    if (err != 0)
        return err;
    *out =
        (struct pack_points){(uint32_t)points, codec->items.v, codec->times_ms.v, codec->values.v};
    return 0;
}
