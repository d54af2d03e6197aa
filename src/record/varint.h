#ifndef RECORD_VARINT_H
#define RECORD_VARINT_H

#include "base/attr.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* LEB128: seven bits a byte, the lowest first; all but the last have the top bit set. Those of up
 * to eight bytes are moved as one word, without a branch on their length: lengths differ from value
 * to value, and a mispredicted branch costs more than all of this. Pure. */

enum { VARINT_ROOM = 10 }; /* what varint_write may touch, and the longest varint */

/* How many bytes x takes. */
static inline uint32_t varint_bytes(uint64_t x)
{
    return (uint32_t)(70 - __builtin_clzll(x | 1)) / 7;
}

/* Writes x; up to VARINT_ROOM bytes are overwritten. Returns how many count. */
static inline uint32_t varint_write(char *out, uint64_t x)
{
    if (LIKELY(x >> 14 == 0)) { /* mostly */
        uint32_t more = x >> 7 != 0;
        out[0] = (char)(x | more << 7);
        out[1] = (char)(x >> 7);
        return 1 + more;
    }
    if (LIKELY(x >> 28 == 0)) {
        uint32_t n = varint_bytes(x);
        uint32_t y = (uint32_t)((x & 0x3fff) | (x & 0x0fffc000) << 2);
        y = (y & 0x007f007f) | (y & 0x3f803f80) << 1;
        y |= 0x80808080 & ((UINT32_C(1) << (8 * (n - 1))) - 1);
        y = htole32(y);
        memcpy(out, &y, sizeof(y));
        return n;
    }
    if (LIKELY(x >> 56 == 0)) {
        uint32_t n = varint_bytes(x);
        x = (x & 0x000000000fffffff) | (x & 0x00fffffff0000000) << 4;
        x = (x & 0x00003fff00003fff) | (x & 0x0fffc0000fffc000) << 2;
        x = (x & 0x007f007f007f007f) | (x & 0x3f803f803f803f80) << 1;
        x |= 0x8080808080808080 & ((UINT64_C(1) << (8 * (n - 1))) - 1);
        x = htole64(x);
        memcpy(out, &x, sizeof(x));
        return n;
    }
    uint32_t n = 0;
    for (; x >= 0x80; x >>= 7)
        out[n++] = (char)(x | 0x80);
    out[n++] = (char)x;
    return n;
}

struct varint_input {
    const unsigned char *at;
    const unsigned char *end;
};

/* The rare cases: the last bytes of the input, and more than eight bytes. */
MUST_USE bool varint_read_slowly(struct varint_input *in, uint64_t *x_out);

/* False where the input ends within, or it has more than 64 bits; in->at has no meaning then. */
MUST_USE static inline bool varint_read(struct varint_input *in, uint64_t *x_out)
{
    if (LIKELY(in->end - in->at >= 2 && (in->at[0] & in->at[1]) < 0x80)) { /* mostly */
        uint64_t low = in->at[0], high = in->at[1];
        uint64_t more = low >> 7;
        *x_out = (low & 0x7f) | (high << 7 & (0 - more));
        in->at += 1 + more;
        return true;
    }
    if (LIKELY(in->end - in->at >= 8)) {
        uint64_t word;
        memcpy(&word, in->at, sizeof(word));
        word = le64toh(word);
        uint64_t last = ~word & 0x8080808080808080;
        if (LIKELY(last != 0)) {
            in->at += __builtin_ctzll(last) / 8 + 1;
            word &= (last ^ (last - 1)) & 0x7f7f7f7f7f7f7f7f;
            word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
            word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
            *x_out = (word & 0x000000000fffffff) | (word & 0x0fffffff00000000) >> 4;
            return true;
        }
    }
    return varint_read_slowly(in, x_out);
}

/* Differences of either sign as small numbers: 0, -1, 1, -2, ... */
static inline uint64_t zigzag(int64_t x)
{
    return ((uint64_t)x << 1) ^ (uint64_t)(x >> 63);
}

static inline int64_t unzigzag(uint64_t x)
{
    return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

#endif
