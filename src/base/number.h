#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Text to number and back. Thread: any. No allocation, no locale. Parsers take the whole slice or
 * nothing: 0 or LT_EPARSE. */

/* Decimal, an optional '-', no '+', no blanks. */
MUST_USE int number_parse_i64(struct slice s, int64_t *out);
MUST_USE int number_parse_u64(struct slice s, uint64_t *out);

/* Decimal with optional fraction and exponent, correctly rounded. "nan" and "-nan" in any case are
 * NaN. Refused: inf, '+1', hex, blanks, and what overflows to infinity. */
MUST_USE int number_parse_f64(struct slice s, double *out);

/* The shortest text that parses back to the same double; "nan" for NaN, "-0" for -0. Integers up to
 * 2^53 have no exponent. out takes at least NUMBER_F64_BYTES_MAX; returns the length, terminated.
 */
enum { NUMBER_F64_BYTES_MAX = 32, NUMBER_I64_BYTES_MAX = 24 };
size_t number_format_f64(double x, char *out);
size_t number_format_i64(int64_t x, char *out);

/* A double's bits, IEEE 754, and back. */
static inline uint64_t number_f64_to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline double number_f64_from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* The same bits: unlike ==, it tells -0 from 0, and a NaN is the same as itself. */
static inline bool number_same_f64(double a, double b)
{
    return number_f64_to_bits(a) == number_f64_to_bits(b);
}

#endif
