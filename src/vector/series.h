#ifndef VECTOR_SERIES_H
#define VECTOR_SERIES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/summary.h"

#include <stdint.h>

/* A vector: the points of one series in one range, as bytes that know their own end, version and
 * form, so that a row can hold many, one after the other. No checksum: the row's frame has one.
 *
 * Two shapes. Sparse series have a few points an hour, and rows hold many of them: a `small` one
 * (small.h) takes up to 16 whose values are decimals of few places, and has three bytes of header
 * and only bits after it; it is the row that is compressed. All others are `long`: a dense series
 * has thousands of points, and so that looks for the best of several forms, and compresses by
 * itself where that pays:
 *
 *   | u8 head | varint count - 1 | varint bytes | body |              little-endian; 1 <= count
 *
 *   head   bits 0-1 shape: 1 (0 small; 2, 3 other versions)           <= VECTOR_POINTS_MAX
 *          bits 2-3 times: 0 steps, 1 bitmap, 2 column
 *          bits 4-5 unit of time: 1 ms, 1 s, 1 min, 1 h
 *          bit 6    body is one zstd frame, which states its content's size
 *          bit 7    0
 *   bytes  of body
 *   body   | times | u8 values | column |
 *
 *   times  (in units, from the range's start)
 *     steps    | varint start | varint step |        step is absent where count is 1
 *     bitmap   | varint start | varint span - 1 | (span + 7) / 8 bytes |   bit i: start + i;
 *                                                    the first and the last of span are set
 *     column   of deltas (column.h)
 *   values  0-15: the column (signed) holds value × 10^values; 16: the doubles, ordered (decimal.h)
 *
 * Lossless for every double, but that all NaNs become one. */
struct vector_points {
    uint32_t count;
    const int64_t *times_ms; /* 0 … 2^63-1, each above the one before it */
    const double *values;
};

enum { VECTOR_POINTS_MAX = 1 << 20 };

/* Tuned by tests/vector/bench_series.c. Fewer points than this are left to the row's compression.
 */
enum { VECTOR_ZSTD_LEVEL = 3, VECTOR_ZSTD_POINTS_MIN = 128 };

/* Working memory, reused from vector to vector; grows with the largest: 1 MB for an hour of
 * seconds, about 80 MB for VECTOR_POINTS_MAX points. One thread at a time. Never blocks. */
struct vector_codec;

MUST_USE int vector_codec_create(struct vector_codec **out);
void vector_codec_destroy(struct vector_codec **codec);

/* Appends one vector to out. from_ms: the start of the range, to which times are relative; no time
 * is before it. 1 <= count <= VECTOR_POINTS_MAX. LT_ENOMEM, LT_ELIMIT (out's): out is as it was,
 * but may have failed. */
MUST_USE int vector_encode(struct vector_codec *codec, int64_t from_ms,
                           const struct vector_points *points, struct buffer *out);

/* Takes one vector off the front of *in. The columns live in the codec until its next call. from_ms
 * as it was encoded with. LT_EVERSION, LT_ECORRUPT, LT_ENOMEM: *in is as it was. Whatever the
 * bytes, what comes out keeps the promises of struct vector_points; and as a million equal points
 * take 20 bytes, so few bytes may ask for as much memory as the largest vector, never for more. */
MUST_USE int vector_decode(struct vector_codec *codec, int64_t from_ms, struct slice *in,
                           struct vector_points *out);

/* Moves *in past one vector without decoding it. Errors as of vector_decode; a vector that it
 * passes may still be found corrupt there. */
MUST_USE int vector_skip(struct slice *in);

/* The number of points of the vector at the front, without decoding it. Errors as of vector_skip.
 */
MUST_USE int vector_count(struct slice in, uint32_t *count_out);

/* A number within relative_error × |value| of value, and shorter in a vector: n × 10^k with whole n
 * and k, m <= n < 10 m, m = 1 / (2 × relative_error) rounded up. So 0.001 leaves three digits or
 * four. Rounded again, it stays. 0 <= relative_error < 1. Keeps the sign, and integers integers; 0,
 * -0, NaN, infinities, numbers below 1e-290 or above 1e290, and all where the error is below 1e-12
 * are given back. Pure. 40 ns. */
double vector_round(double value, double relative_error);

#endif
