#ifndef TESTS_VECTOR_SUPPORT_VALUES_H
#define TESTS_VECTOR_SUPPORT_VALUES_H

#include "base/slice.h"
#include "base/vec.h"
#include "support_random.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What the tests of codecs share. A test includes cmocka.h before this. */

/* Any double: often one where codecs stumble, now and then NaN. */
static inline double odd_value(void)
{
    static const double odd[] = {0.0,
                                 -0.0,
                                 0.1,
                                 1e308,
                                 -1e308,
                                 1.7976931348623157e308,
                                 -1.7976931348623157e308,
                                 5e-324,
                                 -5e-324,
                                 2.2250738585072014e-308,
                                 0x1p53 - 1,
                                 0x1p53,
                                 -0x1p53,
                                 0x1p53 + 2,
                                 0x1p63,
                                 (double)INFINITY,
                                 -(double)INFINITY};
    uint64_t bits = random_u64();
    double value;
    memcpy(&value, &bits, sizeof(value));
    if (bits % 3 == 0)
        return odd[random_below(ARRAY_LEN(odd))];
    return bits % 17 == 0 ? (double)NAN : value;
}

/* To the bit, but that all NaNs are to come back as one. */
static inline bool same_double(double expected, double actual)
{
    uint64_t want = 0x7ff8000000000000ULL, got;
    if (!isnan(expected))
        memcpy(&want, &expected, sizeof(want));
    memcpy(&got, &actual, sizeof(got));
    return want == got;
}

static inline void assert_same_double(double expected, double actual)
{
    if (!same_double(expected, actual))
        fail_msg("%.17g is not %.17g", actual, expected);
}

/* Bytes that stand in tables: prints what they are now where they differ. */
static inline void assert_golden(const char *what, struct slice body, const uint8_t *golden,
                                 size_t n)
{
    if (body.n == n && memcmp(body.p, golden, n) == 0)
        return;
    for (size_t i = 0; i < body.n; i++)
        print_message("0x%02x,", (uint8_t)body.p[i]);
    fail_msg("%s is not what it was: %zu bytes", what, body.n);
}

#endif
