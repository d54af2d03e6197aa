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

/* Eight numbers take `width` whole bytes. With the width known to the compiler, every offset, shift
 * and mask is a constant: three times as fast as when they are worked out. */
enum { EIGHT_WIDTH_MAX = 56 };

#define ONE(width, i)                                                                              \
    x[i] = base + (bits_load(p + (i) * (width) / 8) >> (i) * (width) % 8 & bits_mask(width))

#define EIGHT(width)                                                                               \
    static void eight_##width(const char *p, uint64_t base, uint64_t *x, uint32_t eights)          \
    {                                                                                              \
        for (; eights > 0; eights--, p += (width), x += 8) {                                       \
            ONE(width, 0), ONE(width, 1), ONE(width, 2), ONE(width, 3);                            \
            ONE(width, 4), ONE(width, 5), ONE(width, 6), ONE(width, 7);                            \
        }                                                                                          \
    }

/* It would change its mind with every run. */
/* clang-format off */
#define EACH_WIDTH(X)                                                                              \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)    \
    X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)      \
    X(32) X(33) X(34) X(35) X(36) X(37) X(38) X(39) X(40) X(41) X(42) X(43) X(44) X(45) X(46)      \
    X(47) X(48) X(49) X(50) X(51) X(52) X(53) X(54) X(55) X(56)
/* clang-format on */

EACH_WIDTH(EIGHT)

typedef void eight_unpack(const char *p, uint64_t base, uint64_t *x, uint32_t eights);

#define EIGHT_NAME(width) eight_##width,
static eight_unpack *const eight_of[EIGHT_WIDTH_MAX + 1] = {EACH_WIDTH(EIGHT_NAME)};

/* How many eights may be read by whole words: the last number's word ends within the bits. */
static uint32_t eights_within(size_t bytes, unsigned width, uint32_t n)
{
    size_t last = 7u * width / 8 + sizeof(uint64_t);
    if (width == 0 || bytes < last)
        return 0;
    size_t within = 1 + (bytes - last) / width;
    return within < n / 8 ? (uint32_t)within : n / 8;
}

void bits_unpack(struct slice bits, unsigned width, uint64_t base, uint64_t *x, uint32_t n)
{
    assert(width <= 64 && bits_bytes(n, width) <= bits.n);
    uint32_t i = 0;
    if (width <= EIGHT_WIDTH_MAX) {
        uint32_t eights = eights_within(bits.n, width, n);
        eight_of[width](bits.p, base, x, eights);
        i = 8 * eights;
    }
    uint64_t bit = (uint64_t)i * width;
    uint64_t mask = bits_mask(width);
    for (; width <= EIGHT_WIDTH_MAX && i < n && bit / 8 + sizeof(mask) <= bits.n; i++, bit += width)
        x[i] = base + bits_get(bits.p, bit, mask);
    for (; i < n; i++, bit += width)
        x[i] = base + (width == 0 ? 0 : bits_get_wide(bits, bit, width));
}
