#include "vector/frame.h"

#include "base/error.h"
#include "base/hash.h"

#include <stdlib.h>
#include <zstd.h>

enum { CODEC_RAW = 0, CODEC_ZSTD = 1 };
enum { ZSTD_LEVEL = 1 };

struct frame_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    char *raw; /* of the last body opened */
    size_t raw_cap;
};

int frame_codec_create(struct frame_codec **out)
{
    struct frame_codec *codec = calloc(1, sizeof(*codec));
    if (codec == NULL)
        return LT_ENOMEM;
    codec->compress = ZSTD_createCCtx();
    codec->decompress = ZSTD_createDCtx();
    if (codec->compress == NULL || codec->decompress == NULL) {
        frame_codec_destroy(&codec);
        return LT_ENOMEM;
    }
    *out = codec;
    return 0;
}

void frame_codec_destroy(struct frame_codec **codec)
{
    if (*codec == NULL)
        return;
    ZSTD_freeCCtx((*codec)->compress);
    ZSTD_freeDCtx((*codec)->decompress);
    free((*codec)->raw);
    free(*codec);
    *codec = NULL;
}

/* The header of a body whose payload, n bytes, stands behind it. */
static void header_put(char *p, uint8_t version, uint8_t how, size_t raw_bytes, size_t n)
{
    p[4] = (char)version;
    p[5] = (char)how;
    frame_put(p + 6, 0, 2);
    frame_put(p + 8, raw_bytes, 4);
    frame_put(p, hash_bytes(slice_make(p + 4, FRAME_HEADER_BYTES - 4 + n)), 4);
}

/* Compressed where that saves at least `less` bytes. */
static int seal(struct frame_codec *codec, uint8_t version, struct slice raw, size_t less,
                struct buffer *out)
{
    if (raw.n > UINT32_MAX)
        return LT_ELIMIT;
    size_t bound = ZSTD_compressBound(raw.n); /* never less than raw.n */
    char *p = buffer_reserve(out, FRAME_HEADER_BYTES + bound);
    if (p == NULL)
        return out->error;
    size_t n =
        ZSTD_compressCCtx(codec->compress, p + FRAME_HEADER_BYTES, bound, raw.p, raw.n, ZSTD_LEVEL);
    uint8_t how = CODEC_ZSTD;
    if (ZSTD_isError(n) || n + less > raw.n) {
        how = CODEC_RAW;
        n = raw.n;
        memcpy(p + FRAME_HEADER_BYTES, raw.p, n);
    }
    header_put(p, version, how, raw.n, n);
    out->len += FRAME_HEADER_BYTES + n;
    return 0;
}

int frame_seal(struct frame_codec *codec, uint8_t version, struct slice raw, struct buffer *out)
{
    return seal(codec, version, raw, 1, out);
}

int frame_seal_if(struct frame_codec *codec, uint8_t version, struct slice raw, unsigned share,
                  struct buffer *out)
{
    return seal(codec, version, raw, 1 + raw.n / share, out);
}

size_t frame_begin(struct buffer *out)
{
    static const char header[FRAME_HEADER_BYTES];
    size_t start = out->len;
    buffer_append(out, header, sizeof(header));
    return start;
}

int frame_end(uint8_t version, size_t start, struct buffer *out)
{
    if (out->error != 0)
        return out->error;
    size_t n = out->len - start - FRAME_HEADER_BYTES;
    if (n > UINT32_MAX)
        return LT_ELIMIT;
    header_put(out->data + start, version, CODEC_RAW, n, n);
    return 0;
}

static int frame_inflate(struct frame_codec *codec, struct slice payload, size_t raw_bytes)
{
    if (codec->raw_cap < raw_bytes) {
        char *grown = realloc(codec->raw, raw_bytes);
        if (grown == NULL)
            return LT_ENOMEM;
        codec->raw = grown;
        codec->raw_cap = raw_bytes;
    }
    size_t n = ZSTD_decompressDCtx(codec->decompress, codec->raw, raw_bytes, payload.p, payload.n);
    return ZSTD_isError(n) || n != raw_bytes ? LT_ECORRUPT : 0;
}

/* Everything but what a compressed payload holds. */
static int header_check(uint8_t version, struct slice body, size_t raw_bytes_max)
{
    if (body.n < FRAME_HEADER_BYTES)
        return LT_ECORRUPT;
    if (frame_get(body.p, 4) != (hash_bytes(slice_from(body, 4)) & UINT32_MAX))
        return LT_ECORRUPT;
    if ((uint8_t)body.p[4] != version)
        return LT_EVERSION;
    size_t raw_bytes = frame_get(body.p + 8, 4);
    if (frame_get(body.p + 6, 2) != 0 || raw_bytes == 0 || raw_bytes > raw_bytes_max)
        return LT_ECORRUPT;
    if ((uint8_t)body.p[5] > CODEC_ZSTD)
        return LT_ECORRUPT;
    return body.p[5] == CODEC_RAW && body.n - FRAME_HEADER_BYTES != raw_bytes ? LT_ECORRUPT : 0;
}

int frame_open_raw(uint8_t version, struct slice body, struct slice *raw_out)
{
    int err = header_check(version, body, UINT32_MAX);
    if (err != 0)
        return err;
    if (body.p[5] != CODEC_RAW)
        return LT_ECORRUPT;
    *raw_out = slice_from(body, FRAME_HEADER_BYTES);
    return 0;
}

int frame_open(struct frame_codec *codec, uint8_t version, struct slice body, size_t raw_bytes_max,
               struct slice *raw_out)
{
    int err = header_check(version, body, raw_bytes_max);
    if (err != 0)
        return err;
    struct slice payload = slice_from(body, FRAME_HEADER_BYTES);
    if (body.p[5] == CODEC_RAW) {
        *raw_out = payload;
        return 0;
    }
    size_t raw_bytes = frame_get(body.p + 8, 4);
    err = frame_inflate(codec, payload, raw_bytes);
    if (err == 0)
        *raw_out = slice_make(codec->raw, raw_bytes);
    return err;
}
