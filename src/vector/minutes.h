#ifndef VECTOR_MINUTES_H
#define VECTOR_MINUTES_H

#include "base/attr.h"
#include "base/slice.h"
#include "vector/pack.h"
#include "vector/rollup.h"
#include "vector/series.h"

#include <stdint.h>

/* Minutes: the third body of a 1-second observation row, beside summaries and vectors
 * (docs/adr/0009-observation-rows.md). Buckets of 60 s of the row's series, as a row of a day's
 * minutes has them (rollup.h): what reads and jobs want that go by minutes anyway, in a tenth of
 * the bytes, and none of the decoding.
 *
 * They are written where that pays: in rows with many points a minute, where a bucket is small
 * beside the points that it stands for (a fifth, on what an agent sends). So no reader may count on
 * them; this one makes them of the points where they are missing, and shows no difference but that
 * sums it has made itself are not rounded yet, and that first and last have times of their own
 * (summary.h). One thread at a time. */

enum {
    MINUTES_STEP_MS = 60 * 1000,
    MINUTES_POINTS_MIN = 20, /* a bucket, on average of a row */
};

/* ---- writing: for pack.c, which every row goes through ---- */

struct minutes_writer;

MUST_USE int minutes_writer_create(struct minutes_writer **out);
void minutes_writer_destroy(struct minutes_writer **writer);

/* As pack_begin; from_ms is a multiple of MINUTES_STEP_MS, else the row has no minutes. */
void minutes_begin(struct minutes_writer *writer, int64_t from_ms);
/* As pack_add. Costs next to nothing once the row has turned out to be sparse. LT_ENOMEM. */
MUST_USE int minutes_add(struct minutes_writer *writer, uint32_t item,
                         const struct vector_points *points);
/* p is NULL where the row has no minutes; lives until the next begin. LT_ENOMEM, LT_ELIMIT. */
MUST_USE int minutes_finish(struct minutes_writer *writer, struct slice *out);

/* ---- reading ---- */

struct minutes_codec;

MUST_USE int minutes_codec_create(struct minutes_codec **out);
void minutes_codec_destroy(struct minutes_codec **codec);

/* Calls visit for each minute that has points of each wanted item, as rollup_open does; numbers
 * count from from_ms, the range's start. minutes: p NULL: of vectors, which are not looked at
 * otherwise. Errors: those of rollup_open and pack_open_points. */
MUST_USE int minutes_open(struct minutes_codec *codec, int64_t from_ms, struct slice summaries,
                          struct slice vectors, struct slice minutes, const uint32_t *items,
                          uint32_t items_count, rollup_visit *visit, void *arg);
/* The same as columns: see rollup_open_columns. Sums made of points are rounded as stored ones are:
 * there is no difference at all. */
MUST_USE int minutes_open_columns(struct minutes_codec *codec, int64_t from_ms,
                                  struct slice summaries, struct slice vectors,
                                  struct slice minutes, const uint32_t *items, uint32_t items_count,
                                  unsigned columns, rollup_columns_visit *visit, void *arg);

#endif
