#ifndef VECTOR_PACK_H
#define VECTOR_PACK_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/series.h"
#include "vector/summary.h"

#include <stdbool.h>
#include <stdint.h>

/* Many series of one (category, dimension, host) in one range, in item order, as the two bodies of
 * an observation row (docs/adr/0009-observation-rows.md):
 *
 *   summaries   a column of each: item, count, sum, min, max, first, last. A bulk read opens this
 *               body alone; the other stays on pages that it never touches
 *   vectors     their points (series.h), one after the other
 *
 * and, where there are many a minute, a third: minutes (minutes.h).
 *
 * An item whose points do not fit one row goes on in the next (part 1, 2, …), each with the summary
 * of its own part. One thread at a time. */

enum {
    /* A row is full with any of these. As a constant's hour takes ten bytes, points count too. */
    /* Of vectors, before they are compressed as one. With a last sparse series and the frame's
     * head they still fit three InnoDB pages of 16,330 bytes; 600 bytes more would take four. */
    PACK_BYTES = 48600,
    /* Rows of sparse series fill one such page: TS.RANGE reads a row an hour for a few points of
     * it, and passing over the others is most of what it does. Larger series would leave much of
     * the page empty: those take three. */
    PACK_SPARSE_BYTES = 16000,
    PACK_SPARSE_VECTOR_BYTES = 128, /* on average */
    /* Very sparse ones still are not looked for among too many. */
    PACK_ITEMS = 1 << 11,
    PACK_POINTS = 1 << 14,

    PACK_ITEMS_MAX = 1 << 13, /* what a reader takes */

    PACK_PART_POINTS_MAX = 1 << 14, /* of one item in one row */
    PACK_POINTS_MAX = PACK_POINTS + PACK_PART_POINTS_MAX
};

/* ---- writing ---- */

struct pack_writer;

MUST_USE int pack_writer_create(struct pack_writer **out);
void pack_writer_destroy(struct pack_writer **writer);

/* Starts a row. Times are stored relative to from_ms, the range's start. */
void pack_begin(struct pack_writer *writer, int64_t from_ms);

/* Adds one series: 1 … PACK_PART_POINTS_MAX points, ascending strictly in time and none before
 * from_ms; items ascend strictly. The row is not full. summary_out may be NULL. LT_ENOMEM,
 * LT_ELIMIT: the row is lost, begin again. */
MUST_USE int pack_add(struct pack_writer *writer, uint32_t item, const struct vector_points *points,
                      struct summary *summary_out);

/* The row is as large as it should get: finish it, and begin another before the next add. */
bool pack_is_full(const struct pack_writer *writer);

struct pack_row {
    uint32_t first_item;
    uint32_t last_item;
    uint32_t items;  /* 0: nothing was added */
    uint64_t points; /* NaN ones too */
    int64_t min_ms;
    int64_t max_ms;
    struct slice summaries; /* live until the next begin */
    struct slice vectors;
    struct slice minutes; /* minutes.h; p NULL: the row has none */
};
/* LT_ENOMEM, LT_ELIMIT. */
MUST_USE int pack_finish(struct pack_writer *writer, struct pack_row *out);

/* ---- reading ---- */

struct pack_codec;

MUST_USE int pack_codec_create(struct pack_codec **out);
void pack_codec_destroy(struct pack_codec **codec);

/* Columns of `items` entries; they live in the codec until its next open. sum is summary_total, 0
 * where count is 0; min, max, first and last are NaN there. */
struct pack_summaries {
    uint32_t items;
    const uint32_t *item; /* ascending */
    const uint64_t *count;
    const uint64_t *nans; /* NULL: none has any */
    const double *sum;
    const double *min;
    const double *max;
    const double *first;
    const double *last;
};
enum pack_columns { /* what a reader needs; the others are NULL and cost nothing */
                    PACK_COUNT = 1,
                    PACK_SUM = 2,
                    PACK_MIN = 4,
                    PACK_MAX = 8,
                    PACK_ENDS = 16, /* first, last */
                    PACK_ALL = 31,
};
/* LT_EVERSION, LT_ECORRUPT, LT_ENOMEM. Takes memory for PACK_ITEMS_MAX entries at most. */
MUST_USE int pack_open_summaries(struct pack_codec *codec, struct slice summaries, unsigned columns,
                                 struct pack_summaries *out);

/* All points of the row's items that are wanted, as the columns of a block: items ascending, a
 * series' times ascending. items: ascending, NULL: all. Vectors of items that are not wanted are
 * skipped, not decoded; the row need not have all that are wanted. The columns live in the codec
 * until its next call. LT_EVERSION, LT_ECORRUPT (the bodies do not belong together, too),
 * LT_ENOMEM. Takes memory for PACK_POINTS_MAX points at most. */
struct pack_points {
    uint32_t count; /* 0: none of them is in the row */
    const uint32_t *items;
    const int64_t *times_ms;
    const double *values;
};
MUST_USE int pack_open_points(struct pack_codec *codec, int64_t from_ms, struct slice summaries,
                              struct slice vectors, const uint32_t *items, uint32_t items_count,
                              struct pack_points *out);

#endif
