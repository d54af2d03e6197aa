#ifndef VECTOR_BITS_H
#define VECTOR_BITS_H

#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Numbers of any number of bits, one after the other, the lowest bit first; and varints. For the
 * formats in this folder. Pure. */

static inline unsigned bits_width(uint64_t x)
{
    return x == 0 ? 0 : 64 - (unsigned)__builtin_clzll(x);
}

static inline uint64_t bits_mask(unsigned width)
{
    return width == 0 ? 0 : UINT64_MAX >> (64 - width);
}

/* Small numbers of either sign to small unsigned ones: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
static inline uint64_t zigzag(uint64_t x)
{
    return x << 1 ^ (uint64_t)((int64_t)x >> 63);
}

static inline uint64_t unzigzag(uint64_t z)
{
    return z >> 1 ^ -(z & 1);
}

static inline uint64_t bits_load(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    return le64toh(x);
}

static inline void bits_store(char *p, uint64_t x)
{
    x = htole64(x);
    memcpy(p, &x, sizeof(x));
}

/* Writes whole words: the memory must have BITS_SLACK bytes more than the bits need. */
enum { BITS_SLACK = 16 };

struct bits_writer {
    char *at;
    uint64_t word;
    unsigned used; /* bits of word; < 64 */
};

/* x must have no bit above width. */
static inline void bits_put(struct bits_writer *w, uint64_t x, unsigned width)
{
    w->word |= x << w->used;
    w->used += width;
    if (w->used >= 64) {
        bits_store(w->at, w->word);
        w->at += 8;
        w->used -= 64;
        /* A shift by 64 is not defined. */
        w->word = w->used == 0 ? 0 : x >> (width - w->used);
    }
}

/* The end of what was written. */
static inline char *bits_finish(struct bits_writer *w)
{
    bits_store(w->at, w->word);
    return w->at + (w->used + 7) / 8;
}

/* The number of `width` <= 56 bits at `bit`; eight bytes from there must be readable. */
static inline uint64_t bits_get(const char *p, size_t bit, uint64_t mask)
{
    return bits_load(p + bit / 8) >> bit % 8 & mask;
}

/* n numbers of `width` <= 64 bits from `bits`, which must hold them, each with base added; reads
 * nothing beyond. Half a nanosecond a number, up to 56 bits. */
void bits_unpack(struct slice bits, unsigned width, uint64_t base, uint64_t *x, uint32_t n);

static inline uint64_t bits_bytes(uint64_t n, unsigned width)
{
    return (n * width + 7) / 8;
}

/* | 7 bits a byte, low ones first; the high bit says that more follow | */
enum { VARINT_BYTES_MAX = 10 };

static inline char *varint_store(char *p, uint64_t x)
{
    for (; x >= 0x80; x >>= 7)
        *p++ = (char)(x | 0x80);
    *p++ = (char)x;
    return p;
}

static inline unsigned varint_bytes(uint64_t x)
{
    return x == 0 ? 1 : (bits_width(x) + 6) / 7;
}

/* Takes one off the front of *in. LT_ECORRUPT: cut, or beyond 64 bits. */
MUST_USE static inline int varint_load(struct slice *in, uint64_t *out)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && i < in->n; i++) {
        uint8_t byte = (uint8_t)in->p[i];
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            return LT_ECORRUPT;
        x |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *in = slice_from(*in, i + 1);
            *out = x;
            return 0;
        }
    }
    return LT_ECORRUPT;
}

#endif
