#ifndef VECTOR_DECIMAL_H
#define VECTOR_DECIMAL_H

#include "base/attr.h"
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Doubles as integers, two ways. Pure.
 *
 *   decimal   value = m / 10^exponent, where that division gives back the very bits. What people
 *             and programs print has few digits, so that m is small where the bits look random.
 *             (After Afroozeh, Kuffo and Boncz 2023, "ALP"; dividing where they multiply, since m /
 *             10^e is the double nearest to the decimal, and m × 10^-e is not.)
 *   ordered   the bits, so mapped that greater values have greater (signed) numbers, and near ones
 *             near numbers: differences stay small across 0 and powers of two, where XOR (Pelkonen
 *             and others 2015, "Gorilla") flips many bits. */
enum { DECIMAL_EXPONENT_MAX = 15 };

/* Finds one exponent <= exponent_max for all; m_out gets n integers within +-2^53. Returns it, or
 * -1: not decimal (NaN, infinite, -0, too many digits), and m_out is spoilt. */
MUST_USE int decimal_scan(const double *values, uint32_t n, int exponent_max, int64_t *m_out);

/* m[i] to out[i]; they may be the same memory. Exponent <= DECIMAL_EXPONENT_MAX. */
void decimal_values(const int64_t *m, uint32_t n, int exponent, double *out);

/* All NaNs become the one of these bits. */
#define DECIMAL_NAN_BITS 0x7ff8000000000000ULL

static inline uint64_t decimal_bits(double value)
{
    return isnan(value) ? DECIMAL_NAN_BITS : number_f64_to_bits(value);
}

static inline uint64_t decimal_ordered(double value)
{
    uint64_t bits = decimal_bits(value);
    return bits ^ (uint64_t)((int64_t)bits >> 63) >> 1;
}

static inline double decimal_unordered(uint64_t x)
{
    x ^= (uint64_t)((int64_t)x >> 63) >> 1;
    double value = number_f64_from_bits(x);
    return isnan(value) ? (double)NAN : value;
}

#endif
