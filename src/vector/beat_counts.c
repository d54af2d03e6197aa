#include "vector/beat_counts.h"

#include "base/error.h"

#include <assert.h>

int beat_counts_encode(struct frame_codec *frame, const uint16_t *counts, uint32_t count,
                       struct buffer *out)
{
    assert(count >= 1 && count <= BEAT_COUNTS_MAX);
    char raw[BEAT_COUNTS_MAX * 2];
    for (uint32_t i = 0; i < count; i++)
        frame_put(raw + i * 2, counts[i], 2);
    return frame_seal(frame, BEAT_COUNTS_VERSION, slice_make(raw, count * 2), out);
}

int beat_counts_decode(struct frame_codec *frame, struct slice body, uint16_t *out,
                       uint32_t *count_out)
{
    struct slice raw;
    int err = frame_open(frame, BEAT_COUNTS_VERSION, body, (size_t)BEAT_COUNTS_MAX * 2, &raw);
    if (err != 0)
        return err;
    if (raw.n == 0 || raw.n % 2 != 0)
        return LT_ECORRUPT;
    for (uint32_t i = 0; i < raw.n / 2; i++)
        out[i] = (uint16_t)frame_get(raw.p + i * 2, 2);
    *count_out = (uint32_t)(raw.n / 2);
    return 0;
}
