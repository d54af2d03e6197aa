#include "vector/bits.h"

#include <assert.h>

/* Any width, and near the end, where a whole word may not be read. */
static uint64_t bits_get_wide(struct slice bits, uint64_t bit, unsigned width)
{
    size_t at = bit / 8;
    unsigned shift = bit % 8;
    char word[16] = {0};
    size_t bytes = (shift + width + 7) / 8;
    memcpy(word, bits.p + at, bytes);
    uint64_t x = bits_load(word) >> shift;
    if (shift + width > 64)
        x |= bits_load(word + 8) << (64 - shift);
    return x & bits_mask(width);
}

void bits_unpack(struct slice bits, unsigned width, uint64_t *x, uint32_t n)
{
    assert(width <= 64 && bits_bytes(n, width) <= bits.n);
    if (width == 0) {
        memset(x, 0, n * sizeof(x[0]));
        return;
    }
    uint32_t i = 0;
    uint64_t bit = 0;
    uint64_t mask = bits_mask(width);
    if (width <= 56)
        for (; i < n && bit / 8 + 8 <= bits.n; i++, bit += width)
            x[i] = bits_get(bits.p, bit, mask);
    for (; i < n; i++, bit += width)
        x[i] = bits_get_wide(bits, bit, width);
}
