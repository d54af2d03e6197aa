#include "vector/minutes.h"

#include "base/error.h"
#include "base/vec.h"

#include <stdlib.h>

/* A row's average is known at its end only; a row of thousands of sparse series is given up long
 * before that. */
enum { ITEMS_BEFORE_GIVING_UP = 16 };

struct minutes_writer {
    struct rollup_writer *rollup;
    VEC(struct rollup_bucket) series; /* the one that is being added */
    int64_t from_ms;
    uint64_t items, points, buckets; /* of the row */
    bool none;
};

int minutes_writer_create(struct minutes_writer **out)
{
    struct minutes_writer *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return LT_ENOMEM;
    int err = rollup_writer_create(&w->rollup);
    if (err != 0) {
        minutes_writer_destroy(&w);
        return err;
    }
    *out = w;
    return 0;
}

void minutes_writer_destroy(struct minutes_writer **writer)
{
    struct minutes_writer *w = *writer;
    if (w == NULL)
        return;
    rollup_writer_destroy(&w->rollup);
    VEC_FINI(&w->series);
    free(w);
    *writer = NULL;
}

void minutes_begin(struct minutes_writer *writer, int64_t from_ms)
{
    rollup_begin(writer->rollup, from_ms, MINUTES_STEP_MS);
    writer->from_ms = from_ms;
    writer->items = writer->points = writer->buckets = 0;
    writer->none = from_ms % MINUTES_STEP_MS != 0;
}

static int keep_bucket(void *arg, int64_t start_ms, const struct summary *summary)
{
    struct minutes_writer *w = arg;
    const struct rollup_bucket bucket = {(uint32_t)((start_ms - w->from_ms) / MINUTES_STEP_MS),
                                         *summary};
    return VEC_PUSH(&w->series, bucket) ? 0 : LT_ENOMEM;
}

static bool is_dense(const struct minutes_writer *w)
{
    return w->points >= w->buckets * MINUTES_POINTS_MIN;
}

int minutes_add(struct minutes_writer *writer, uint32_t item, const struct vector_points *points)
{
    if (writer->none)
        return 0;
    writer->series.n = 0;
    int err = summary_buckets(points, MINUTES_STEP_MS, keep_bucket, writer);
    if (err != 0)
        return err;
    writer->items++;
    writer->points += points->count;
    writer->buckets += writer->series.n;
    writer->none = rollup_is_full(writer->rollup) || writer->series.n > ROLLUP_PART_BUCKETS_MAX ||
                   (writer->items >= ITEMS_BEFORE_GIVING_UP && !is_dense(writer));
    return writer->none
               ? 0
               : rollup_add(writer->rollup, item, writer->series.v, writer->series.n, NULL);
}

int minutes_finish(struct minutes_writer *writer, struct slice *out)
{
    if (!writer->none && writer->items > 0 && is_dense(writer))
        return rollup_finish_buckets(writer->rollup, out);
    *out = (struct slice){0};
    return 0;
}

/* ---- reading ---- */

struct minutes_codec {
    struct pack_codec *pack;
    struct rollup_codec *rollup;
    struct summaries made; /* of one item's points */
    VEC(uint64_t) numbers;
};

int minutes_codec_create(struct minutes_codec **out)
{
    struct minutes_codec *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    summaries_init(&c->made);
    int err = pack_codec_create(&c->pack);
    if (err == 0)
        err = rollup_codec_create(&c->rollup);
    if (err != 0) {
        minutes_codec_destroy(&c);
        return err;
    }
    *out = c;
    return 0;
}

void minutes_codec_destroy(struct minutes_codec **codec)
{
    struct minutes_codec *c = *codec;
    if (c == NULL)
        return;
    pack_codec_destroy(&c->pack);
    rollup_codec_destroy(&c->rollup);
    summaries_fini(&c->made);
    VEC_FINI(&c->numbers);
    free(c);
    *codec = NULL;
}

/* Calls visit for the minutes of each series of the points, with the item in hand in *item. */
static int each_series(const struct pack_points *points, uint32_t *item, summary_visit *visit,
                       int (*done)(void *arg), void *arg)
{
    int err = 0;
    for (uint32_t at = 0, end; err == 0 && at < points->count; at = end) {
        *item = points->items[at];
        for (end = at; end < points->count && points->items[end] == *item; end++)
            ;
        const struct vector_points series = {end - at, points->times_ms + at, points->values + at};
        err = summary_buckets(&series, MINUTES_STEP_MS, visit, arg);
        if (err == 0 && done != NULL)
            err = done(arg);
    }
    return err;
}

struct made { /* of points */
    rollup_visit *visit;
    void *arg;
    int64_t from_ms;
    uint32_t item;
};

static int visit_made(void *arg, int64_t start_ms, const struct summary *summary)
{
    const struct made *m = arg;
    const struct rollup_bucket bucket = {(uint32_t)((start_ms - m->from_ms) / MINUTES_STEP_MS),
                                         *summary};
    return m->visit(m->arg, m->item, &bucket);
}

int minutes_open(struct minutes_codec *codec, int64_t from_ms, struct slice summaries,
                 struct slice vectors, struct slice minutes, const uint32_t *items,
                 uint32_t items_count, rollup_visit *visit, void *arg)
{
    if (minutes.p != NULL)
        return rollup_open(codec->rollup, from_ms, MINUTES_STEP_MS, summaries, minutes, items,
                           items_count, visit, arg);
    struct made made = {.visit = visit, .arg = arg, .from_ms = from_ms};
    struct pack_points points;
    int err =
        pack_open_points(codec->pack, from_ms, summaries, vectors, items, items_count, &points);
    return err != 0 ? err : each_series(&points, &made.item, visit_made, NULL, &made);
}

struct made_columns {
    struct minutes_codec *codec;
    rollup_columns_visit *visit;
    void *arg;
    unsigned columns;
    int64_t from_ms;
    uint32_t item;
};

static int keep_made(void *arg, int64_t start_ms, const struct summary *summary)
{
    const struct made_columns *m = arg;
    uint64_t number = (uint64_t)((start_ms - m->from_ms) / MINUTES_STEP_MS);
    return VEC_PUSH(&m->codec->numbers, number) ? summaries_add(&m->codec->made, summary)
                                                : LT_ENOMEM;
}

static int visit_columns(void *arg)
{
    const struct made_columns *m = arg;
    struct minutes_codec *codec = m->codec;
    const struct rollup_columns columns =
        rollup_columns_of(&codec->made, codec->numbers.v, 0, codec->numbers.n, m->columns);
    codec->made.n = codec->numbers.n = 0;
    return m->visit(m->arg, m->item, &columns);
}

int minutes_open_columns(struct minutes_codec *codec, int64_t from_ms, struct slice summaries,
                         struct slice vectors, struct slice minutes, const uint32_t *items,
                         uint32_t items_count, unsigned columns, rollup_columns_visit *visit,
                         void *arg)
{
    if (minutes.p != NULL)
        return rollup_open_columns(codec->rollup, from_ms, MINUTES_STEP_MS, summaries, minutes,
                                   items, items_count, columns, visit, arg);
    struct made_columns made = {
        .codec = codec, .visit = visit, .arg = arg, .columns = columns, .from_ms = from_ms};
    struct pack_points points;
    codec->made.n = codec->numbers.n = 0;
    int err =
        pack_open_points(codec->pack, from_ms, summaries, vectors, items, items_count, &points);
    return err != 0 ? err : each_series(&points, &made.item, keep_made, visit_columns, &made);
}
