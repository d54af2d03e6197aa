#include "vector/patched.h"

#include "base/error.h"
#include "vector/bits.h"

#include <assert.h>

enum { WIDTH_MAX = 56, WIDTH_ALL = 64, INDEX_BYTES = 2, HEAD_PATCHES = 0x80 };

/* The width that takes the fewest bytes, given how many residuals there are of each width. */
static unsigned best_width(const uint32_t *of_width, uint32_t n, uint32_t *patches_out)
{
    unsigned best = WIDTH_ALL;
    uint64_t best_bytes = (uint64_t)n * 8;
    *patches_out = 0;
    for (unsigned width = 0; width <= WIDTH_MAX; width++) {
        uint64_t bytes = bits_bytes(n, width);
        uint32_t patches = 0;
        for (unsigned above = width + 1; above <= WIDTH_ALL; above++) {
            patches += of_width[above];
            bytes += (uint64_t)of_width[above] * (INDEX_BYTES + (above - width + 6) / 7);
        }
        if (bytes < best_bytes) {
            best_bytes = bytes;
            best = width;
            *patches_out = patches;
        }
    }
    return best;
}

/* x less its (signed) least, which is returned. */
static uint64_t rebase(uint64_t *x, uint32_t n)
{
    int64_t low = (int64_t)x[0];
    for (uint32_t i = 1; i < n; i++)
        low = (int64_t)x[i] < low ? (int64_t)x[i] : low;
    for (uint32_t i = 0; i < n; i++)
        x[i] -= (uint64_t)low;
    return (uint64_t)low;
}

static char *bits_write(const uint64_t *x, uint32_t n, unsigned width, char *p)
{
    if (width == 0)
        return p;
    struct bits_writer w = {.at = p};
    uint64_t mask = bits_mask(width);
    for (uint32_t i = 0; i < n; i++)
        bits_put(&w, x[i] & mask, width);
    return bits_finish(&w);
}

void patched_put(uint64_t *x, uint32_t n, struct buffer *out)
{
    assert(n >= 1 && n <= PATCHED_MAX);
    uint64_t base = rebase(x, n);
    uint32_t of_width[WIDTH_ALL + 1] = {0};
    for (uint32_t i = 0; i < n; i++)
        of_width[bits_width(x[i])]++;
    uint32_t patches;
    unsigned width = best_width(of_width, n, &patches);
    size_t bytes_max = 1 + (size_t)2 * VARINT_BYTES_MAX + bits_bytes(n, width) + BITS_SLACK +
                       (size_t)patches * (INDEX_BYTES + VARINT_BYTES_MAX);
    char *start = buffer_reserve(out, bytes_max);
    if (start == NULL)
        return;
    char *p = start;
    *p++ = (char)(width | (patches > 0 ? HEAD_PATCHES : 0));
    p = varint_store(p, zigzag(base));
    if (patches > 0)
        p = varint_store(p, patches);
    p = bits_write(x, n, width, p);
    for (uint32_t i = 0; patches > 0 && i < n; i++) {
        if (bits_width(x[i]) <= width)
            continue;
        *p++ = (char)i;
        *p++ = (char)(i >> 8);
        p = varint_store(p, x[i] >> width);
    }
    out->len += (size_t)(p - start);
}

static int patches_get(struct slice *in, uint64_t patches, unsigned width, uint32_t n, uint64_t *x)
{
    uint32_t next = 0; /* the least index that may come */
    for (uint64_t i = 0; i < patches; i++) {
        if (in->n < INDEX_BYTES)
            return LT_ECORRUPT;
        uint32_t index = (uint32_t)(uint8_t)in->p[0] | (uint32_t)(uint8_t)in->p[1] << 8;
        *in = slice_from(*in, INDEX_BYTES);
        uint64_t high;
        int err = varint_load(in, &high);
        if (err != 0)
            return err;
        if (index < next || index >= n)
            return LT_ECORRUPT;
        x[index] += high << width;
        next = index + 1;
    }
    return 0;
}

int patched_get(struct slice *in, uint32_t n, uint64_t *x)
{
    struct slice rest = *in;
    if (rest.n < 1)
        return LT_ECORRUPT;
    unsigned head = (uint8_t)rest.p[0];
    unsigned width = head & ~(unsigned)HEAD_PATCHES;
    rest = slice_from(rest, 1);
    uint64_t base;
    uint64_t patches = 0;
    int err = varint_load(&rest, &base);
    if (err == 0 && (head & HEAD_PATCHES) != 0)
        err = varint_load(&rest, &patches);
    if (err != 0)
        return err;
    uint64_t bytes = bits_bytes(n, width);
    if ((width > WIDTH_MAX && head != WIDTH_ALL) || bytes > rest.n || patches > n)
        return LT_ECORRUPT;
    base = unzigzag(base);
    if (width == WIDTH_ALL)
        for (uint32_t i = 0; i < n; i++)
            x[i] = base + bits_load(rest.p + sizeof(x[0]) * i);
    else
        bits_unpack(slice_upto(rest, bytes), width, base, x, n);
    rest = slice_from(rest, bytes);
    if ((err = patches_get(&rest, patches, width, n, x)) != 0)
        return err;
    *in = rest;
    return 0;
}
