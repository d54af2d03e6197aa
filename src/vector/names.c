#include "vector/names.h"

#include "base/error.h"

static void varint_put(struct buffer *raw, uint32_t x)
{
    char bytes[5];
    size_t n = 0;
    for (; x >= 0x80; x >>= 7)
        bytes[n++] = (char)(x | 0x80);
    bytes[n++] = (char)x;
    buffer_append(raw, bytes, n);
}

static int varint_get(struct slice *raw, uint32_t *out)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < 5 && i < raw->n; i++) {
        uint8_t byte = (uint8_t)raw->p[i];
        x |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            if (x > UINT32_MAX)
                return LT_ECORRUPT;
            *raw = slice_from(*raw, i + 1);
            *out = (uint32_t)x;
            return 0;
        }
    }
    return LT_ECORRUPT;
}

void names_put(struct buffer *raw, uint32_t detail, struct slice text)
{
    varint_put(raw, detail);
    varint_put(raw, (uint32_t)text.n);
    buffer_append_slice(raw, text);
}

int names_get(struct slice *raw, uint32_t *detail_out, struct slice *text_out)
{
    struct slice rest = *raw;
    uint32_t detail;
    uint32_t bytes;
    int err = varint_get(&rest, &detail);
    if (err == 0)
        err = varint_get(&rest, &bytes);
    if (err != 0)
        return err;
    if (bytes > rest.n)
        return LT_ECORRUPT;
    *detail_out = detail;
    *text_out = slice_upto(rest, bytes);
    *raw = slice_from(rest, bytes);
    return 0;
}

void names_put_run(struct buffer *raw, uint32_t holes, uint32_t names)
{
    varint_put(raw, holes);
    varint_put(raw, names);
}

int names_get_run(struct slice *raw, uint32_t *holes_out, uint32_t *names_out)
{
    struct slice rest = *raw;
    uint32_t holes, names;
    int err = varint_get(&rest, &holes);
    if (err == 0)
        err = varint_get(&rest, &names);
    if (err != 0)
        return err;
    *holes_out = holes;
    *names_out = names;
    *raw = rest;
    return 0;
}
