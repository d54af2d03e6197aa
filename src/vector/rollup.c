#include "vector/rollup.h"

#include "base/error.h"
#include "vector/bits.h"
#include "vector/frame.h"
#include "vector/row.h"
#include "vector/summaries.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Two frames (frame.h), little-endian. The first as in pack.c; the second:
 *
 *   | varint buckets | counts | numbers | summaries |       summaries.h, its columns too
 *
 *   buckets  of all items together, at most ROLLUP_BUCKETS_MAX
 *   counts   of each item's buckets, at least 1
 *   numbers  of each item's first bucket, then what each is above the one before it
 *   summaries of all buckets */
enum { BUCKETS_VERSION = 1 };
/* Each bucket's columns at their widest, and the columns' heads. */
enum { BUCKET_BYTES_MAX = 10 * 9, HEADS_BYTES_MAX = 64 << 10 };
enum { BUCKETS_BYTES_MAX = ROLLUP_BUCKETS_MAX * BUCKET_BYTES_MAX + HEADS_BYTES_MAX };

/* ---- writing ---- */

struct rollup_writer {
    struct frame_codec *frame;
    struct row_writer row;
    VEC(uint64_t) counts;
    VEC(uint64_t) numbers;
    struct summaries summaries;
    struct buffer raw; /* buckets */
    struct buffer body;
    int64_t from_ms;
    int64_t step_ms;
};

int rollup_writer_create(struct rollup_writer **out)
{
    struct rollup_writer *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return LT_ENOMEM;
    row_writer_init(&w->row);
    summaries_init(&w->summaries);
    buffer_init(&w->raw, BUCKETS_BYTES_MAX);
    buffer_init(&w->body, SIZE_MAX);
    int err = frame_codec_create(&w->frame);
    if (err != 0) {
        rollup_writer_destroy(&w);
        return err;
    }
    *out = w;
    return 0;
}

void rollup_writer_destroy(struct rollup_writer **writer)
{
    struct rollup_writer *w = *writer;
    if (w == NULL)
        return;
    frame_codec_destroy(&w->frame);
    row_writer_fini(&w->row);
    VEC_FINI(&w->counts);
    VEC_FINI(&w->numbers);
    summaries_fini(&w->summaries);
    buffer_fini(&w->raw);
    buffer_fini(&w->body);
    free(w);
    *writer = NULL;
}

void rollup_begin(struct rollup_writer *writer, int64_t from_ms, int64_t step_ms)
{
    writer->from_ms = from_ms;
    writer->step_ms = step_ms;
    writer->counts.n = 0;
    writer->numbers.n = 0;
    writer->summaries.n = 0;
    row_begin(&writer->row);
}

int rollup_add(struct rollup_writer *writer, uint32_t item, const struct rollup_bucket *buckets,
               uint32_t count, struct summary *summary_out)
{
    assert(count >= 1 && count <= ROLLUP_PART_BUCKETS_MAX && !rollup_is_full(writer));
    if (!VEC_RESERVE(&writer->numbers, count) || !VEC_PUSH(&writer->counts, count))
        return LT_ENOMEM;
    struct summary all;
    summary_init(&all);
    for (uint32_t i = 0; i < count; i++) {
        const struct summary *one = &buckets[i].summary;
        assert(one->count + one->nans > 0 && (i == 0 || buckets[i].number > buckets[i - 1].number));
        int err = summaries_add(&writer->summaries, one);
        if (err != 0)
            return err;
        /* The order of time is that of the numbers, whatever times the summaries have. */
        struct summary placed = *one;
        placed.first_ms = placed.last_ms = buckets[i].number;
        summary_merge(&all, &placed);
        uint32_t last = i > 0 ? buckets[i - 1].number : 0;
        writer->numbers.v[writer->numbers.n++] = buckets[i].number - last;
    }
    int64_t first_ms = writer->from_ms + buckets[0].number * writer->step_ms;
    int64_t last_ms = writer->from_ms + buckets[count - 1].number * writer->step_ms;
    all.first_ms = all.count > 0 ? writer->from_ms + all.first_ms * writer->step_ms : 0;
    all.last_ms = all.count > 0 ? writer->from_ms + all.last_ms * writer->step_ms : 0;
    int err = row_add(&writer->row, item, &all, first_ms, last_ms + writer->step_ms - 1);
    if (err == 0 && summary_out != NULL)
        *summary_out = all;
    return err;
}

bool rollup_is_full(const struct rollup_writer *writer)
{
    return writer->row.row.items >= PACK_ITEMS || writer->numbers.n >= ROLLUP_BUCKETS;
}

int rollup_finish_buckets(struct rollup_writer *writer, struct slice *out)
{
    struct buffer *raw = &writer->raw;
    uint32_t items = writer->row.row.items;
    int err = 0;
    buffer_reset(raw, SIZE_MAX);
    buffer_reset(&writer->body, SIZE_MAX);
    if (items > 0) {
        char head[VARINT_BYTES_MAX];
        char *end = varint_store(head, writer->numbers.n);
        buffer_append(raw, head, (size_t)(end - head));
        summaries_put_column(&writer->summaries, writer->counts.v, items, raw);
        summaries_put_column(&writer->summaries, writer->numbers.v, writer->numbers.n, raw);
        summaries_write(&writer->summaries, raw);
        err = raw->error;
        if (err == 0)
            err = frame_seal_if(writer->frame, BUCKETS_VERSION, buffer_slice(raw), ROW_ZSTD_SHARE,
                                &writer->body);
    }
    if (err == 0)
        *out = buffer_slice(&writer->body);
    return err;
}

int rollup_finish(struct rollup_writer *writer, struct pack_row *out)
{
    struct pack_row row;
    int err = row_finish(&writer->row, writer->frame, &row);
    if (err == 0)
        err = rollup_finish_buckets(writer, &row.vectors);
    if (err == 0)
        *out = row;
    return err;
}

/* ---- reading ---- */

struct rollup_codec {
    struct frame_codec *frame;
    struct row_reader row;
    struct summaries summaries;
    VEC(uint64_t) counts;
    VEC(uint64_t) numbers;
};

int rollup_codec_create(struct rollup_codec **out)
{
    struct rollup_codec *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    row_reader_init(&c->row);
    summaries_init(&c->summaries);
    int err = frame_codec_create(&c->frame);
    if (err != 0) {
        rollup_codec_destroy(&c);
        return err;
    }
    *out = c;
    return 0;
}

void rollup_codec_destroy(struct rollup_codec **codec)
{
    struct rollup_codec *c = *codec;
    if (c == NULL)
        return;
    frame_codec_destroy(&c->frame);
    row_reader_fini(&c->row);
    summaries_fini(&c->summaries);
    VEC_FINI(&c->counts);
    VEC_FINI(&c->numbers);
    free(c);
    *codec = NULL;
}

/* All of a row's buckets into the codec. */
static int buckets_read(struct rollup_codec *c, struct slice body, uint32_t items, unsigned columns)
{
    struct slice in;
    uint64_t buckets;
    int err = frame_open(c->frame, BUCKETS_VERSION, body, BUCKETS_BYTES_MAX, &in);
    if (err == 0)
        err = varint_load(&in, &buckets);
    if (err != 0)
        return err;
    if (buckets < items || buckets > ROLLUP_BUCKETS_MAX)
        return LT_ECORRUPT;
    uint32_t n = (uint32_t)buckets;
    c->counts.n = c->numbers.n = 0;
    if (!VEC_RESERVE(&c->counts, items) || !VEC_RESERVE(&c->numbers, n))
        return LT_ENOMEM;
    err = summaries_get_column(&in, items, c->counts.v);
    if (err == 0)
        err = summaries_get_column(&in, n, c->numbers.v);
    if (err == 0)
        err = summaries_read(&c->summaries, &in, n, columns);
    if (err != 0)
        return err;
    uint64_t total = 0;
    for (uint32_t i = 0; i < items; i++) {
        if (c->counts.v[i] == 0 || c->counts.v[i] > n)
            return LT_ECORRUPT;
        total += c->counts.v[i];
    }
    c->counts.n = items;
    c->numbers.n = n;
    return total != n || in.n != 0 ? LT_ECORRUPT : 0;
}

struct rollup_columns rollup_columns_of(const struct summaries *s, const uint64_t *numbers,
                                        uint32_t at, uint32_t n, unsigned columns)
{
    struct rollup_columns c = {
        .n = n, .number = numbers + at, .count = s->count + at, .nans = s->nans + at};
    if ((columns & PACK_SUM) != 0)
        c.sum = s->sum + at;
    if ((columns & PACK_MIN) != 0)
        c.min = s->min + at;
    if ((columns & PACK_MAX) != 0)
        c.max = s->max + at;
    if ((columns & PACK_ENDS) != 0) {
        c.first = s->first + at;
        c.last = s->last + at;
    }
    return c;
}

/* Of one item, from `at` on: what is stored are the distances between numbers. */
static int numbers_restore_item(struct rollup_codec *c, int64_t from_ms, int64_t step_ms,
                                uint32_t at, uint32_t count)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t above = c->numbers.v[at + i];
        if ((i > 0 && above == 0) || above > UINT32_MAX || number + above > UINT32_MAX)
            return LT_ECORRUPT;
        number += above;
        c->numbers.v[at + i] = number;
    }
    int64_t start_ms;
    bool over = __builtin_mul_overflow((int64_t)number, step_ms, &start_ms) ||
                __builtin_add_overflow(start_ms, from_ms, &start_ms);
    return over ? LT_ECORRUPT : 0;
}

int rollup_open_columns(struct rollup_codec *codec, int64_t from_ms, int64_t step_ms,
                        struct slice summaries, struct slice buckets, const uint32_t *items,
                        uint32_t items_count, unsigned columns, rollup_columns_visit *visit,
                        void *arg)
{
    struct pack_summaries s;
    int err = row_open(&codec->row, codec->frame, summaries, 0, &s);
    if (err == 0)
        err = buckets_read(codec, buckets, s.items, columns);
    if (err != 0)
        return err;
    struct row_wanted wanted = row_wanted_from(items, items_count, s.item[0]);
    uint32_t at = 0;
    for (uint32_t i = 0; i < s.items && err == 0; i++) {
        uint32_t count = (uint32_t)codec->counts.v[i];
        if (row_wants(&wanted, s.item[i])) {
            err = numbers_restore_item(codec, from_ms, step_ms, at, count);
            const struct rollup_columns c =
                rollup_columns_of(&codec->summaries, codec->numbers.v, at, count, columns);
            if (err == 0)
                err = visit(arg, s.item[i], &c);
        }
        at += count;
    }
    return err;
}

/* ---- bucket by bucket ---- */

struct visit {
    rollup_visit *visit;
    void *arg;
    int64_t from_ms;
    int64_t step_ms;
};

static int item_visit(void *arg, uint32_t item, const struct rollup_columns *c)
{
    const struct visit *v = arg;
    int err = 0;
    for (uint32_t i = 0; i < c->n && err == 0; i++) {
        struct rollup_bucket bucket = {.number = (uint32_t)c->number[i]};
        struct summary *to = &bucket.summary;
        *to = (struct summary){.count = c->count[i],
                               .nans = c->nans[i],
                               .sum = c->sum[i],
                               .min = c->min[i],
                               .max = c->max[i],
                               .first = c->first[i],
                               .last = c->last[i]};
        if (to->count > 0)
            to->first_ms = to->last_ms = v->from_ms + (int64_t)c->number[i] * v->step_ms;
        err = v->visit(v->arg, item, &bucket);
    }
    return err;
}

int rollup_open(struct rollup_codec *codec, int64_t from_ms, int64_t step_ms,
                struct slice summaries, struct slice buckets, const uint32_t *items,
                uint32_t items_count, rollup_visit *visit, void *arg)
{
    struct visit v = {visit, arg, from_ms, step_ms};
    return rollup_open_columns(codec, from_ms, step_ms, summaries, buckets, items, items_count,
                               PACK_ALL, item_visit, &v);
}
