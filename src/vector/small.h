#ifndef VECTOR_SMALL_H
#define VECTOR_SMALL_H

#include "base/attr.h"
#include "base/slice.h"
#include "vector/bits.h"
#include "vector/series.h"

#include <stdint.h>

/* A small vector: up to 16 points whose values are decimals of few places, as three bytes and bits
 * (bits.h). series.h says where it stands.
 *
 *   | u8 a | u8 b | u8 c | varint base | bits |
 *
 *   a     bits 0-1 shape: 0      bits 2-3 unit of time: 1 ms, 1 s, 1 min, 1 h
 *         bits 4-7 count - 1
 *   b     bits 0-4 width of a gap: 0-31 bits       bits 5-7 exponent: 0-7
 *   c     bits 0-2 form, of the integers x[i] = value × 10^exponent:
 *                  0 plain  x[i] = r[i]            1 zigzag x[i] = unzigzag(r[i])
 *                  2 offset x[i] = base + r[i]     3 shift  x[i] = r[i] << base (0-63)
 *                  4 rise   x[i] = x[i-1] + r[i]   5 walk   x[i] = x[i-1] + unzigzag(r[i])
 *         bits 3-7 width of r: 0-27 bits, or 28, 29, 30, 31 for 32, 40, 48, 54
 *   base  zigzag; only in forms 2 to 5; in 4 and 5 it is x[0]
 *   bits  the first time in units after the range's start: 22, 12, 11 or 10 bits, by unit; that is
 *         what an hour, a day of minutes and a month of hours need; count - 1 gaps, each less 1;
 *         then r: count of them, count - 1 in forms 4 and 5
 */
enum { SMALL_POINTS_MAX = 16, SMALL_SHAPE = 0 };

/* With a writer's slack. 3 + 10 + 22 + 15 × 31 + 16 × 54 bits. */
enum { SMALL_BYTES_MAX = 3 + VARINT_BYTES_MAX + 169 + BITS_SLACK };

/* Writes one, if the points have such a form. Returns its bytes, or 0. */
size_t small_encode(int64_t from_ms, const struct vector_points *points, char *out);

/* Takes one off the front of *in. times_ms and values take SMALL_POINTS_MAX each. LT_ECORRUPT. */
MUST_USE int small_decode(struct slice *in, int64_t from_ms, int64_t *times_ms, double *values,
                          uint32_t *count_out);

MUST_USE int small_skip(struct slice *in);
MUST_USE int small_count(struct slice in, uint32_t *count_out);

#endif
