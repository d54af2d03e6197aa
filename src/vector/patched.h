#ifndef VECTOR_PATCHED_H
#define VECTOR_PATCHED_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* A column of n unsigned 64-bit numbers that is read without zstd; arithmetic modulo 2^64:
 *
 *   | u8 head | varint zigzag(base) | varint patches | bits | patches × (u16 index, varint high) |
 *
 *   x[i] = base + (r[i] of `width` bits) + (high << width, where i is patched)
 *   head   bits 0-6: width, 0-56 or 64     bit 7: there are patches; else no such fields
 *   bits   n × width of them, the lowest first, then zeros up to a byte
 *   index  ascending
 *
 * Most residuals fit the width that makes the whole smallest; the few that are larger, as sums of
 * hot items are, do not widen all the others. After Zukowski and others 2006 ("PFOR").
 *
 * Pure. */
enum { PATCHED_MAX = 1 << 14 };

/* Appends. 1 <= n <= PATCHED_MAX. x is spoilt. The caller checks out->error. */
void patched_put(uint64_t *x, uint32_t n, struct buffer *out);

/* Takes a column off the front of *in. LT_ECORRUPT; else, whatever the bytes, x is any numbers.
 * About a nanosecond a number. */
MUST_USE int patched_get(struct slice *in, uint32_t n, uint64_t *x);

#endif
