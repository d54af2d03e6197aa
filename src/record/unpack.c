#include "record/unpack.h"

/* msgpack's first bytes. */
enum {
    POSITIVE_FIXINT_MAX = 0x7f,
    FIXARRAY = 0x90,
    FIXARRAY_MASK = 0xf0,
    BIN8 = 0xc4, /* bin16, bin32 follow */
    BIN32 = 0xc6,
    UINT8 = 0xcc, /* uint16, 32, 64 follow */
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT64 = 0xd3,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    NEGATIVE_FIXINT_MIN = 0xe0,
};

static bool take_byte(struct unpack *in, unsigned *byte)
{
    if (in->at == in->end)
        return false;
    *byte = *in->at++;
    return true;
}

/* n bytes, big-endian. */
static bool take_uint(struct unpack *in, unsigned n, uint64_t *x)
{
    if (unpack_rest(in) < n)
        return false;
    uint64_t value = 0;
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | *in->at++;
    *x = value;
    return true;
}

bool unpack_array(struct unpack *in, uint32_t *count)
{
    unsigned first;
    uint64_t n;
    if (!take_byte(in, &first))
        return false;
    if ((first & FIXARRAY_MASK) == FIXARRAY)
        n = first & ~(unsigned)FIXARRAY_MASK;
    else if ((first != ARRAY16 && first != ARRAY32) || !take_uint(in, first == ARRAY16 ? 2 : 4, &n))
        return false;
    *count = (uint32_t)n;
    return true;
}

bool unpack_int(struct unpack *in, int64_t *x)
{
    unsigned first;
    uint64_t value;
    if (!take_byte(in, &first))
        return false;
    if (first <= POSITIVE_FIXINT_MAX) {
        *x = (int64_t)first;
        return true;
    }
    if (first >= NEGATIVE_FIXINT_MIN) {
        *x = (int64_t)first - 256;
        return true;
    }
    if (first >= UINT8 && first <= UINT64) {
        if (!take_uint(in, 1u << (first - UINT8), &value) || value > INT64_MAX)
            return false;
        *x = (int64_t)value;
        return true;
    }
    if (first < INT8 || first > INT64 || !take_uint(in, 1u << (first - INT8), &value))
        return false;
    unsigned unused_bits = 64 - (8u << (first - INT8));
    *x = (int64_t)(value << unused_bits) >> unused_bits; /* extends the sign */
    return true;
}

bool unpack_u32(struct unpack *in, uint32_t *x)
{
    int64_t value;
    if (!unpack_int(in, &value) || value < 0 || value > UINT32_MAX)
        return false;
    *x = (uint32_t)value;
    return true;
}

bool unpack_bytes(struct unpack *in, struct slice *bytes)
{
    unsigned first;
    uint64_t n;
    if (!take_byte(in, &first) || first < BIN8 || first > BIN32)
        return false;
    if (!take_uint(in, 1u << (first - BIN8), &n) || n > unpack_rest(in))
        return false;
    *bytes = slice_make(in->at, n);
    in->at += n;
    return true;
}
