#include "record/value.h"

enum { RAW = 1, PLACES_SHIFT = 1, PLACES_MASK = 7, DECIMAL_SHIFT = 4 };

static const double powers[VALUE_PLACES_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

/* The decimal of so many places that means this double; 0: there is none that pays. */
static uint64_t decimal_of(double value, uint64_t places)
{
    double scaled = value * powers[places];
    if (!(fabs(scaled) < 0x1p53))
        return 0;
    int64_t k = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double back = (double)k / powers[places];
    if (!number_same_f64(back, value))
        return 0;
    /* Both divisions are the nearest double of one and the same fraction. */
    for (; places > 1 && k % 10 == 0; places--)
        k /= 10;
    return zigzag(k) << DECIMAL_SHIFT | places << PLACES_SHIFT | 1;
}

uint32_t value_write_other(char *out, double value)
{
    enum { PLACES_MOSTLY = 3 };
    uint64_t decimal = decimal_of(value, PLACES_MOSTLY);
    if (decimal == 0)
        decimal = decimal_of(value, VALUE_PLACES_MAX);
    if (decimal != 0 && varint_bytes(decimal) < VALUE_BYTES_MAX)
        return varint_write(out, decimal);
    uint64_t bits = htole64(number_f64_to_bits(value));
    out[0] = RAW;
    memcpy(out + 1, &bits, sizeof(bits));
    return VALUE_BYTES_MAX;
}

bool value_read_other(struct varint_input *in, uint64_t head, double *value_out)
{
    uint64_t places = head >> PLACES_SHIFT & PLACES_MASK;
    int64_t k = unzigzag(head >> DECIMAL_SHIFT);
    if (places > VALUE_PLACES_MAX)
        return false;
    if (places > 0) {
        *value_out = (double)k / powers[places];
        return k <= INT64_C(1) << 53 && k >= -(INT64_C(1) << 53);
    }
    uint64_t bits;
    if (head != RAW || in->end - in->at < (ptrdiff_t)sizeof(bits))
        return false;
    memcpy(&bits, in->at, sizeof(bits));
    in->at += sizeof(bits);
    *value_out = number_f64_from_bits(le64toh(bits));
    return !isinf(*value_out);
}
