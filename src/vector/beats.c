#include "vector/beats.h"

#include "base/error.h"

#include <string.h>

size_t beats_pack(const uint8_t *bits, uint8_t *out)
{
    size_t n = 0;
    for (uint32_t second = 0; second < BEAT_SECONDS; second++) {
        if ((bits[second / 8] >> (second % 8) & 1) == 0)
            continue;
        if (n + 2 >= BEAT_BYTES) {
            memcpy(out, bits, BEAT_BYTES);
            return BEAT_BYTES;
        }
        out[n++] = (uint8_t)second;
        out[n++] = (uint8_t)(second >> 8);
    }
    return n;
}

int beats_unpack(struct slice packed, uint8_t *bits)
{
    if (packed.n == BEAT_BYTES) {
        memcpy(bits, packed.p, BEAT_BYTES);
        return 0;
    }
    if (packed.n > BEAT_BYTES || packed.n % 2 != 0)
        return LT_ECORRUPT;
    memset(bits, 0, BEAT_BYTES);
    const uint8_t *p = (const uint8_t *)packed.p;
    for (size_t i = 0; i < packed.n; i += 2) {
        uint32_t second = (uint32_t)p[i] | (uint32_t)p[i + 1] << 8;
        if (second >= BEAT_SECONDS)
            return LT_ECORRUPT;
        bits[second / 8] |= (uint8_t)(1 << (second % 8));
    }
    return 0;
}
