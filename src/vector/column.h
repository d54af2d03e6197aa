#ifndef VECTOR_COLUMN_H
#define VECTOR_COLUMN_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A column of unsigned 64-bit numbers x[0 … n), little-endian, all arithmetic modulo 2^64:
 *
 *   | u8 form | u8 width | first × order | base | scale | residuals |
 *
 *   form      bits 0-1 order  0: d = x   1: d[i] = x[i+1] - x[i]   2: differences of those
 *             bit 2 zigzag    d[i] = scale × unzigzag(r[i]), no base; else base + scale × r[i]
 *             bit 3 planes    residuals as bytes, else as bits
 *             bit 4 scaled    else no scale, and it is 1
 *             bits 5-7 zero
 *   width     of a residual: 0-64 bits, or 0-8 bytes in planes
 *   first     varint of zigzag(x[0]), and for order 2 of zigzag(x[1] - x[0])
 *   base      varint of zigzag(base)
 *   scale     varint, not 0
 *   residuals n - order of them: bits (bits.h), or byte 0 of all, byte 1 of all …
 *
 * Order 2 needs n >= 2, order 1 n >= 1. A constant is order 0, a ramp is order 1, each of width 0.
 *
 * After Lemire and Boytsov 2015 (frame of reference, bit packing); planes as in Blosc's shuffle, for
 * an entropy coder after it. The scale is a greatest common divisor: /proc gives memory in KiB and
 * in pages. */
enum column_order { COLUMN_LEVELS = 0, COLUMN_DELTAS = 1, COLUMN_BENDS = 2 };

/* The forms a writer can ask for. */
struct column_form {
    uint8_t order; /* enum column_order */
    bool zigzag;
    bool planes;
    bool scaled; /* look for a scale: a division a number */
};

/* One form of one column, not yet laid out. */
struct column {
    struct column_form form;
    uint8_t width; /* bits */
    uint32_t n;
    uint64_t first[2];
    uint64_t base;
    uint64_t scale;
    const uint64_t *r; /* n - order residuals */
};

/* Works out what x looks like in a form. r: memory for n residuals, which out keeps a pointer to.
 * n must do for the order. */
void column_plan(const uint64_t *x, uint32_t n, struct column_form form, uint64_t *r,
                 struct column *out);

/* The bytes that column_write appends. */
uint64_t column_bytes(const struct column *c);

/* Appends. The caller checks out->error. */
void column_write(const struct column *c, struct buffer *out);

/* Takes a column of n >= 1 off the front of *in. LT_ECORRUPT. Whatever the bytes, x is any numbers:
 * what they may be is the caller's to check. */
MUST_USE int column_read(struct slice *in, uint32_t n, uint64_t *x);

#endif
