#ifndef VECTOR_FRAME_H
#define VECTOR_FRAME_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* The envelope of every stored body. Little-endian:
 *
 *   | u32 checksum | u8 version | u8 codec | u16 zero | u32 raw_bytes | payload |
 *
 * checksum: the low 32 bits of hash_bytes of all that follows it. version: of the payload, whose
 * format the caller owns. codec: 0 payload is raw, 1 payload is one zstd frame. raw_bytes: of the
 * raw payload. */
enum { FRAME_HEADER_BYTES = 12 };

/* Compression state and the memory to decompress into, reused from body to body. One thread at a
 * time. */
struct frame_codec;

MUST_USE int frame_codec_create(struct frame_codec **out);
void frame_codec_destroy(struct frame_codec **codec);

/* Appends one body to out: compressed (zstd level 1) where that is smaller.
 * LT_ELIMIT, LT_ENOMEM: out is as it was, but failed. */
MUST_USE int frame_seal(struct frame_codec *codec, uint8_t version, struct slice raw,
                        struct buffer *out);

/* The same, but compressed only where that saves raw.n / `share`, as every reader pays for it. */
MUST_USE int frame_seal_if(struct frame_codec *codec, uint8_t version, struct slice raw,
                           unsigned share, struct buffer *out);

/* *raw_out points into body or codec, until the next call. LT_EVERSION: not `version`. LT_ECORRUPT:
 * anything else that does not hold, or more than raw_bytes_max; never reads or takes memory beyond
 * those. */
MUST_USE int frame_open(struct frame_codec *codec, uint8_t version, struct slice body,
                        size_t raw_bytes_max, struct slice *raw_out);

/* A body that is never compressed, for those who read thousands, made in place: begin, append the
 * payload, end. begin returns where the body starts. LT_ELIMIT, LT_ENOMEM: out failed on the way.
 */
size_t frame_begin(struct buffer *out);
MUST_USE int frame_end(uint8_t version, size_t start, struct buffer *out);

/* As frame_open, but takes only what is not compressed: no codec, no memory. */
MUST_USE int frame_open_raw(uint8_t version, struct slice body, struct slice *raw_out);

/* Little-endian numbers at an address, for the formats in this folder. */
static inline void frame_put(char *p, uint64_t x, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (char)(x >> (8 * i));
}
static inline uint64_t frame_get(const char *p, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++)
        x |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return x;
}

#endif
