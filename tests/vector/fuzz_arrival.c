#include "base/error.h"
#include "vector/arrival.h"
#include "vector/beats.h"
#include "vector/frame.h"
#include "vector/names.h"

#include <stdlib.h>

/* libFuzzer entry: a body as it is, and the same bytes under a good checksum, so that the decoders
 * behind it are reached. What decodes must encode and decode again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: they are large, and the bytes are what varies. */
static struct arrival_codec *codec;
static struct arrival_codec *other;
static struct frame_codec *frame;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (codec == NULL && (arrival_codec_create(&codec) != 0 || arrival_codec_create(&other) != 0 ||
                          frame_codec_create(&frame) != 0))
        abort();
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    struct arrival_points points;
    int err = arrival_decode(codec, slice_make(data, size), &points);
    if (err != 0 && frame_seal(frame, 1, slice_make(data, size), &body) == 0)
        err = arrival_decode(codec, buffer_slice(&body), &points);
    if (err == 0) {
        /* The columns live in the codec that decoded them: another encodes. */
        buffer_reset(&body, SIZE_MAX);
        if (arrival_encode(other, &points, &body) != 0 ||
            arrival_decode(other, buffer_slice(&body), &points) != 0)
            abort();
    }
    struct slice rest = slice_make(data, size);
    uint32_t detail;
    struct slice text;
    while (rest.n > 0 && names_get(&rest, &detail, &text) == 0)
        ;
    uint8_t bits[BEAT_BYTES];
    if (beats_unpack(slice_make(data, size), bits) == 0) {
        uint8_t packed[BEAT_BYTES];
        if (beats_pack(bits, packed) > BEAT_BYTES)
            abort();
    }
    buffer_fini(&body);
    return 0;
}
