#ifndef VECTOR_NUMBERS_H
#define VECTOR_NUMBERS_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* A column of doubles as a column of integers x, lossless but that all NaNs become one. A form says
 * how; the first that holds for all is taken:
 *
 *   0-12     value = x / 10^form (decimal.h)
 *   32-44    so many doubles (`steps`: few, signed) above x / 10^(form - 32). Sums of decimals are
 *            decimals but for their last bits
 *   16       the bits, ordered (decimal.h)
 *
 * Pure. */
enum { NUMBERS_EXPONENT_MAX = 12, NUMBERS_ORDERED = 16, NUMBERS_NEAR = 32 };

/* Returns the form. steps: NULL, where form 32-44 is not wanted. */
uint8_t numbers_scan(const double *values, uint32_t n, uint64_t *x, uint64_t *steps);

static inline bool numbers_form_is_near(uint8_t form)
{
    return form >= NUMBERS_NEAR;
}

/* LT_ECORRUPT: there is no such form. Any x and steps are numbers then. steps is read where the
 * form is near. */
MUST_USE int numbers_restore(uint8_t form, const uint64_t *x, const uint64_t *steps, uint32_t n,
                             double *out);

#endif
