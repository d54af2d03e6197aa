#ifndef VECTOR_ARRIVAL_H
#define VECTOR_ARRIVAL_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* The body of an arrival row: points of one (category, dimension, host) in log order. A frame
 * (frame.h) of version 1 around, little-endian:
 *
 *   | u32 count | items | times_ms | values | policies |          1 <= count <= ARRIVAL_POINTS_MAX
 *
 * each of the four a column of unsigned 64-bit numbers x:
 *
 *   | u8 form | u8 width | u64 base | plane 0 | … | plane width-1 |      plane: count bytes
 *
 *   r[i]   byte i of plane 0, 1 … is byte 0, 1 … (low to high) of a residual of `width` <= 8 bytes
 *   form 0 x[i] = base + r[i]
 *   form 1 x[i] = x[i-1] + zigzag(r[i]), x[-1] = base                    all modulo 2^64
 *
 * A constant column is form 0 and width 0. Planes keep like bytes together, which is what makes
 * zstd's fastest level pay. What x stands for:
 *
 *   items     the id, <= 2^32-1
 *   times_ms  two's complement
 *   values    form 0, 1: an integer within +-2^53, two's complement
 *             form 2, 3: the bits of the double, coded as form 0, 1
 *   policies  enum policy
 *
 * Values are integers where every one of the row is, and none is -0.
 * Lossless for every double, but that all NaNs become one. */
enum {
    ARRIVAL_POINTS_MAX = 1 << 16,
    ARRIVAL_POINT_BYTES = 64, /* what a codec has in memory for each point of a row, at most */
};

struct arrival_points {
    uint32_t count;
    const uint32_t *items;
    const int64_t *times_ms;
    const double *values;
    const uint8_t *policies; /* NULL: all POLICY_LAST */
};

/* Working memory, reused from row to row: about 4 MB at most. One thread at a time. */
struct arrival_codec;

MUST_USE int arrival_codec_create(struct arrival_codec **out);
void arrival_codec_destroy(struct arrival_codec **codec);

/* Appends a body to out. LT_ELIMIT, LT_ENOMEM: out may have failed. count must be within its
 * limits. */
MUST_USE int arrival_encode(struct arrival_codec *codec, const struct arrival_points *points,
                            struct buffer *out);

/* The columns live in the codec, until its next call. LT_EVERSION, LT_ECORRUPT. */
MUST_USE int arrival_decode(struct arrival_codec *codec, struct slice body,
                            struct arrival_points *out);

#endif
