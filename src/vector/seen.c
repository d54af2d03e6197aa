#include "vector/seen.h"

#include "base/error.h"

#include <assert.h>

enum { HEADER_BYTES = 2, PLANES = 4 };
enum { RAW_BYTES_MAX = HEADER_BYTES + 2 * PLANES * SEEN_ITEMS_MAX };

int seen_encode(struct frame_codec *codec, uint32_t count, const uint32_t *first_h,
                const uint32_t *last_h, struct buffer *out)
{
    char raw[RAW_BYTES_MAX];
    assert(count > 0 && count <= SEEN_ITEMS_MAX);
    frame_put(raw, count, HEADER_BYTES);
    char *p = raw + HEADER_BYTES;
    for (uint32_t plane = 0; plane < PLANES; plane++)
        for (uint32_t i = 0; i < count; i++)
            *p++ = (char)(first_h[i] >> 8 * plane);
    for (uint32_t plane = 0; plane < PLANES; plane++)
        for (uint32_t i = 0; i < count; i++)
            *p++ = (char)((last_h[i] - first_h[i]) >> 8 * plane);
    return frame_seal(codec, SEEN_VERSION, slice_make(raw, (size_t)(p - raw)), out);
}

static uint32_t number_at(const char *planes, uint32_t count, uint32_t i)
{
    uint32_t x = 0;
    for (uint32_t plane = 0; plane < PLANES; plane++)
        x |= (uint32_t)(uint8_t)planes[(size_t)plane * count + i] << 8 * plane;
    return x;
}

int seen_decode(struct frame_codec *codec, struct slice body, uint32_t first_h_out[SEEN_ITEMS_MAX],
                uint32_t last_h_out[SEEN_ITEMS_MAX], uint32_t *count_out)
{
    struct slice raw;
    int err = frame_open(codec, SEEN_VERSION, body, RAW_BYTES_MAX, &raw);
    if (err != 0)
        return err;
    if (raw.n < HEADER_BYTES)
        return LT_ECORRUPT;
    uint32_t count = (uint32_t)frame_get(raw.p, HEADER_BYTES);
    if (count == 0 || count > SEEN_ITEMS_MAX || raw.n != HEADER_BYTES + 2 * PLANES * (size_t)count)
        return LT_ECORRUPT;
    const char *first = raw.p + HEADER_BYTES, *span = first + (size_t)PLANES * count;
    for (uint32_t i = 0; i < count; i++) {
        first_h_out[i] = number_at(first, count, i);
        last_h_out[i] = first_h_out[i] + number_at(span, count, i);
    }
    *count_out = count;
    return 0;
}
