#ifndef VECTOR_SEEN_H
#define VECTOR_SEEN_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/frame.h"

#include <stdint.h>

/* First and last Unix hour in which items with consecutive ids were seen. A frame (frame.h) of
 * version 1 around
 *
 *   | u16 count | first, 4 planes | span, 4 planes |      little-endian; count 1 … 4096
 *
 * A plane is one byte of each of the count numbers, the lowest bytes first: high bytes hardly
 * change, and zstd makes next to nothing of such a plane. span is last - first modulo 2^32, which
 * is 1 for an item that was never seen (first UINT32_MAX, last 0). */
enum { SEEN_VERSION = 1, SEEN_ITEMS_MAX = 4096 };

/* Appends one body. LT_ENOMEM. */
MUST_USE int seen_encode(struct frame_codec *codec, uint32_t count, const uint32_t *first_h,
                         const uint32_t *last_h, struct buffer *out);

/* LT_ECORRUPT, LT_EVERSION: nothing is written. */
MUST_USE int seen_decode(struct frame_codec *codec, struct slice body,
                         uint32_t first_h_out[SEEN_ITEMS_MAX], uint32_t last_h_out[SEEN_ITEMS_MAX],
                         uint32_t *count_out);

#endif
