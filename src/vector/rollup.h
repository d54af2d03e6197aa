#ifndef VECTOR_ROLLUP_H
#define VECTOR_ROLLUP_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/pack.h"
#include "vector/summaries.h"
#include "vector/summary.h"

#include <stdbool.h>
#include <stdint.h>

/* Coarser data: many series of one (category, dimension, host) in one range, each as a summary per
 * bucket of `step` seconds that has points. The two bodies of an observation row of a coarser run:
 * summaries as in pack.h (over the whole range), and buckets in the place of vectors: count, sum,
 * min, max, first, last of each. So an average is sum / count at every resolution, and hours are
 * made from minutes as minutes from seconds. One thread at a time. */

enum {
    ROLLUP_BUCKETS = 1 << 12,          /* of all items: the row is full */
    ROLLUP_PART_BUCKETS_MAX = 1 << 16, /* of one item */
    ROLLUP_BUCKETS_MAX = ROLLUP_BUCKETS + ROLLUP_PART_BUCKETS_MAX
};

struct rollup_bucket {
    uint32_t number;        /* (start - from) / step */
    struct summary summary; /* of at least one point, NaN ones too. As read: its total is in sum,
                               and first_ms and last_ms are the bucket's start */
};

struct rollup_writer;

MUST_USE int rollup_writer_create(struct rollup_writer **out);
void rollup_writer_destroy(struct rollup_writer **writer);
/* step_ms >= 1; from_ms + step_ms * (the greatest number + 1) is within int64. */
void rollup_begin(struct rollup_writer *writer, int64_t from_ms, int64_t step_ms);
/* Items ascend strictly, numbers too; 1 … ROLLUP_PART_BUCKETS_MAX buckets. The row is not full.
 * summary_out, of all buckets, may be NULL. LT_ENOMEM: the row is lost, begin again. */
MUST_USE int rollup_add(struct rollup_writer *writer, uint32_t item,
                        const struct rollup_bucket *buckets, uint32_t count,
                        struct summary *summary_out);
/* As pack_is_full. */
bool rollup_is_full(const struct rollup_writer *writer);
/* vectors: the buckets. points: those in all buckets. min_ms: the first bucket's start; max_ms: the
 * last one's last millisecond. The slices live until the next begin. LT_ENOMEM, LT_ELIMIT. */
MUST_USE int rollup_finish(struct rollup_writer *writer, struct pack_row *out);

/* The same, of the buckets alone. */
MUST_USE int rollup_finish_buckets(struct rollup_writer *writer, struct slice *out);

struct rollup_codec;

MUST_USE int rollup_codec_create(struct rollup_codec **out);
void rollup_codec_destroy(struct rollup_codec **codec);

/* Calls visit for each bucket of each wanted item, items ascending, buckets ascending. items: as in
 * pack_open_points. from_ms, step_ms: as it was written with. Returns what visit returns, if not 0;
 * LT_EVERSION, LT_ECORRUPT (maybe after some visits), LT_ENOMEM. Takes memory for
 * ROLLUP_BUCKETS_MAX buckets at most. summaries are read by pack_open_summaries, too. */
typedef int rollup_visit(void *arg, uint32_t item, const struct rollup_bucket *bucket);
MUST_USE int rollup_open(struct rollup_codec *codec, int64_t from_ms, int64_t step_ms,
                         struct slice summaries, struct slice buckets, const uint32_t *items,
                         uint32_t items_count, rollup_visit *visit, void *arg);

/* The same for reads that add up millions of buckets: an item's as columns, which live during the
 * visit. columns: of enum pack_columns; the others are NULL, and cost nothing. Where count is 0,
 * sum is 0, and min, max, first and last are NaN. */
struct rollup_columns {
    uint32_t n; /* entries of each */
    const uint64_t *number;
    const uint64_t *count;
    const uint64_t *nans;
    const double *sum; /* summary_total */
    const double *min, *max;
    const double *first, *last;
};
typedef int rollup_columns_visit(void *arg, uint32_t item, const struct rollup_columns *columns);
MUST_USE int rollup_open_columns(struct rollup_codec *codec, int64_t from_ms, int64_t step_ms,
                                 struct slice summaries, struct slice buckets,
                                 const uint32_t *items, uint32_t items_count, unsigned columns,
                                 rollup_columns_visit *visit, void *arg);
/* Columns of s from `at` on, as a visit has them. */
struct rollup_columns rollup_columns_of(const struct summaries *s, const uint64_t *numbers,
                                        uint32_t at, uint32_t n, unsigned columns);

#endif
