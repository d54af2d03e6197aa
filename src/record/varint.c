#include "record/varint.h"

bool varint_read_slowly(struct varint_input *in, uint64_t *x_out)
{
    uint64_t x = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        uint64_t byte = *in->at++;
        /* The tenth byte holds the 64th bit and no more. */
        if (shift == 63 && byte > 1)
            return false;
        x |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *x_out = x;
            return true;
        }
    }
    return false;
}
