#include "base/error.h"
#include "vector/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* libFuzzer entry. Byte 0 chooses: a row of vectors as they are; a long one whose body is the rest,
 * compressed, so that what stands behind zstd is reached; or points, to encode and get back. What
 * decodes must encode and decode again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once, as they are what a program keeps. */
static struct vector_codec *codec;
static struct vector_codec *other;

static void points_check(int64_t from_ms, const struct vector_points *points)
{
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    struct vector_points back;
    /* The columns live in the codec that decoded them: another encodes. */
    if (vector_encode(other, from_ms, points, &out) != 0)
        abort();
    struct slice in = buffer_slice(&out);
    struct slice skipped = in;
    if (vector_decode(other, from_ms, &in, &back) != 0 || in.n != 0 || vector_skip(&skipped) != 0 ||
        skipped.n != 0 || back.count != points->count)
        abort();
    for (uint32_t i = 0; i < back.count; i++)
        if (back.times_ms[i] != points->times_ms[i] ||
            (memcmp(&back.values[i], &points->values[i], sizeof(double)) != 0 &&
             !(isnan(back.values[i]) && isnan(points->values[i]))))
            abort();
    buffer_fini(&out);
}

static void row_check(int64_t from_ms, struct slice row)
{
    struct vector_points points;
    struct slice skipped = row;
    for (unsigned i = 0; i < 16 && row.n > 0; i++) {
        if (vector_decode(codec, from_ms, &row, &points) != 0)
            return;
        if (vector_skip(&skipped) != 0 || skipped.p != row.p)
            abort();
        for (uint32_t p = 1; p < points.count; p++)
            if (points.times_ms[p] <= points.times_ms[p - 1])
                abort();
        if (points.times_ms[0] < from_ms)
            abort();
        if (points.count <= 10000)
            points_check(from_ms, &points);
    }
}

static void packed_check(uint8_t head, uint8_t count, struct slice body)
{
    char bytes[8192];
    size_t n = ZSTD_compress(bytes + 5, sizeof(bytes) - 5, body.p, body.n, 1);
    if (ZSTD_isError(n) || n >= 1 << 14)
        return;
    bytes[0] = (char)((head & 0x3c) | 0x41);
    bytes[1] = (char)(count | 0x80);
    bytes[2] = 1;
    bytes[3] = (char)(n | 0x80);
    bytes[4] = (char)(n >> 7);
    row_check(0, slice_make(bytes, 5 + n));
}

enum { POINTS_MAX = 300 };

/* | u8 gap | the value's low bytes, `width` of them | … ; the bytes above stay as they were */
static void values_check(uint8_t how, struct slice rest)
{
    int64_t times_ms[POINTS_MAX];
    double values[POINTS_MAX];
    uint32_t n = 0;
    int64_t at = 0;
    size_t width = 1 + how % 8;
    uint64_t bits = 0;
    for (; n < POINTS_MAX && rest.n >= 1 + width; n++) {
        int64_t gap = (uint8_t)rest.p[0];
        at += (how & 0x10) != 0 ? 1000 * (1 + gap) : 1 + gap;
        memcpy(&bits, rest.p + 1, width);
        memcpy(&values[n], &bits, sizeof(bits));
        if ((how & 0x20) != 0)
            values[n] = (double)(int64_t)bits;
        if ((how & 0x40) != 0)
            values[n] = (double)(int32_t)bits / 1000;
        times_ms[n] = at;
        rest = slice_from(rest, 1 + width);
    }
    if (n > 0)
        points_check(0, &(struct vector_points){n, times_ms, values});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (codec == NULL && (vector_codec_create(&codec) != 0 || vector_codec_create(&other) != 0))
        abort();
    if (size < 4)
        return 0;
    struct slice rest = slice_make(data + 3, size - 3);
    switch (data[0] % 3) {
    case 0:
        row_check(data[1] % 2 == 0 ? 0 : INT64_MAX - 100000, rest);
        break;
    case 1:
        packed_check(data[1], data[2], rest);
        break;
    default:
        values_check(data[1], rest);
    }
    return 0;
}
