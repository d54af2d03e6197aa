#ifndef VECTOR_BEATS_H
#define VECTOR_BEATS_H

#include "base/attr.h"
#include "base/slice.h"
#include "model/block.h"

#include <stddef.h>
#include <stdint.h>

/* The seconds of an hour, as a heartbeat row keeps them. Few or many tells the length:
 *
 *   BEAT_BYTES bytes     second i is bits[i / 8] >> (i % 8) & 1
 *   2 n < BEAT_BYTES     n seconds, each | u16 second |, little-endian, ascending
 */

/* Packs a bitmap; out takes BEAT_BYTES. Returns the length. */
size_t beats_pack(const uint8_t *bits, uint8_t *out);

/* Clears and fills bits (BEAT_BYTES). LT_ECORRUPT. */
MUST_USE int beats_unpack(struct slice packed, uint8_t *bits);

#endif
