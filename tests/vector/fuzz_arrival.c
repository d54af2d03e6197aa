#include "base/error.h"
#include "vector/arrival.h"
#include "vector/beats.h"
#include "vector/frame.h"
#include "vector/names.h"

#include <stdlib.h>

/* libFuzzer entry: a body as it is, and the same bytes under a good checksum, so that the decoders
 * behind it are reached. What decodes must encode and decode again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arrival_codec *codec = NULL;
    struct frame_codec *frame = NULL;
    if (size == 0 || arrival_codec_create(&codec) != 0 || frame_codec_create(&frame) != 0)
        goto done;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    struct arrival_points points;
    int err = arrival_decode(codec, slice_make(data, size), &points);
    if (err != 0 && frame_seal(frame, 1, slice_make(data, size), &body) == 0)
        err = arrival_decode(codec, buffer_slice(&body), &points);
    if (err == 0) {
        /* The columns live in the codec that would encode them. */
        struct arrival_codec *other = NULL;
        buffer_reset(&body, SIZE_MAX);
        if (arrival_codec_create(&other) == 0 &&
            (arrival_encode(other, &points, &body) != 0 ||
             arrival_decode(other, buffer_slice(&body), &points) != 0))
            abort();
        arrival_codec_destroy(&other);
    }
    struct slice rest = slice_make(data, size);
    uint32_t detail;
    struct slice text;
    while (rest.n > 0 && names_get(&rest, &detail, &text) == 0)
        ;
    uint8_t bits[BEAT_BYTES];
    (void)!beats_unpack(slice_make(data, size), bits);
    buffer_fini(&body);
done:
    frame_codec_destroy(&frame);
    arrival_codec_destroy(&codec);
    return 0;
}
