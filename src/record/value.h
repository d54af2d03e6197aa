#ifndef RECORD_VALUE_H
#define RECORD_VALUE_H

#include "base/attr.h"
#include "base/number.h"
#include "record/varint.h"

#include <math.h>
#include <stddef.h>

/* A point's value in a record of version 2: a varint, whose low bits say what the rest is.
 *
 *   ......0       an integer of up to 53 bits:  zigzag(k) << 1
 *   ...nnn1       a decimal, k / 10^n, n 1..6:  zigzag(k) << 4 | n << 1 | 1;  |k| <= 2^53
 *   00000001      anything else: eight bytes follow, IEEE 754, little-endian
 *
 * Lossless to the bit: -0 and NaN are "anything else". A decimal is divided once, so that the
 * nearest double comes back, the one that its text means (Clinger 1990). Pure. */

enum { VALUE_ROOM = 16, VALUE_BYTES_MAX = 9, VALUE_PLACES_MAX = 6 };

/* Writes what is no small integer; out as in value_write. */
uint32_t value_write_other(char *out, double value);

/* Up to VALUE_ROOM bytes are overwritten; returns how many count, at most VALUE_BYTES_MAX. */
static inline uint32_t value_write(char *out, double value)
{
    if (LIKELY(fabs(value) <= 0x1p53)) { /* not NaN */
        int64_t k = (int64_t)value;
        double back = (double)k;
        if (LIKELY(number_same_f64(back, value))) /* -0 is no integer */
            return varint_write(out, zigzag(k) << 1);
    }
    return value_write_other(out, value);
}

/* Reads what is no integer: head was the varint. */
MUST_USE bool value_read_other(struct varint_input *in, uint64_t head, double *value_out);

/* False where the input ends within, or it is none of these, or an infinity. */
MUST_USE static inline bool value_read(struct varint_input *in, double *value_out)
{
    uint64_t head;
    if (UNLIKELY(!varint_read(in, &head)))
        return false;
    if (UNLIKELY((head & 1) != 0))
        return value_read_other(in, head, value_out);
    int64_t k = unzigzag(head >> 1);
    *value_out = (double)k;
    return k <= INT64_C(1) << 53 && k >= -(INT64_C(1) << 53);
}

#endif
