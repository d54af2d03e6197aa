#ifndef VECTOR_BEAT_COUNTS_H
#define VECTOR_BEAT_COUNTS_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/frame.h"

#include <stdint.h>

/* How many seconds of each bucket of a coarser run a (host, collector) reported, as a heartbeat row
 * of that run keeps them. A frame (frame.h) of version 1 around, little-endian:
 *
 *   | u16 count | … |          1 <= counts <= BEAT_COUNTS_MAX, the first is the range's first
 * bucket
 *
 * Hosts that are well report every second: zstd makes a day of that a few bytes. */
enum { BEAT_COUNTS_VERSION = 1, BEAT_COUNTS_MAX = 4096 };

/* Appends a body to out. LT_ELIMIT, LT_ENOMEM: out may have failed. */
MUST_USE int beat_counts_encode(struct frame_codec *frame, const uint16_t *counts, uint32_t count,
                                struct buffer *out);

/* out takes BEAT_COUNTS_MAX. LT_EVERSION, LT_ECORRUPT. */
MUST_USE int beat_counts_decode(struct frame_codec *frame, struct slice body, uint16_t *out,
                                uint32_t *count_out);

#endif
