#ifndef RECORD_PACK_H
#define RECORD_PACK_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* Writes msgpack elements into a buffer, which keeps the error. Each takes the shortest form. */
void pack_array(struct buffer *out, uint32_t count);
void pack_uint(struct buffer *out, uint64_t x);
void pack_int(struct buffer *out, int64_t x);
void pack_bytes_header(struct buffer *out, uint32_t n); /* of a bin whose n bytes follow */
void pack_bytes(struct buffer *out, struct slice bytes);

/* How many bytes pack_bytes puts before n bytes. */
static inline uint32_t pack_bytes_head(uint32_t n)
{
    return n < 256 ? 2 : n < 65536 ? 3 : 5;
}

#endif
