#ifndef VECTOR_COLUMN_H
#define VECTOR_COLUMN_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A column of unsigned 64-bit numbers x[0 … n), little-endian, all arithmetic modulo 2^64:
 *
 *   | u8 form | u8 width | varint first | varint base | varint scale | residuals |
 *
 *   form      bit 0 deltas  d[i] = x[i+1] - x[i], n - 1 of them; else d = x, and no first
 *             bit 1 zigzag  d[i] = scale × unzigzag(r[i]), and no base; else base + scale × r[i]
 *             bit 2 planes  residuals as bytes, else as bits
 *             bit 3 scaled  else no scale, and it is 1
 *             bits 4-7 zero
 *   width     of a residual: 0-64 bits, or 0-8 bytes in planes
 *   first     zigzag of x[0]
 *   base      zigzag
 *   scale     not 0
 *   residuals bits (bits.h), or byte 0 of all, byte 1 of all …
 *
 * A constant is width 0, and so is a ramp's deltas.
 *
 * After Lemire and Boytsov 2015 (frame of reference, bit packing); planes as in Blosc's shuffle,
 * for an entropy coder after it. The scale is a greatest common divisor: /proc gives memory in KiB
 * and in pages. */

/* The forms a writer can ask for. */
struct column_form {
    bool deltas;
    bool zigzag;
    bool planes;
    bool scaled; /* look for a scale: a division a number */
};

/* One form of one column, not yet laid out. */
struct column {
    struct column_form form;
    uint8_t width; /* bits */
    uint32_t n;
    uint64_t first;
    uint64_t base;
    uint64_t scale;
    const uint64_t *r; /* n residuals, or n - 1 */
};

/* Works out what x looks like in a form. r: memory for n residuals, which out keeps a pointer to.
 */
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
