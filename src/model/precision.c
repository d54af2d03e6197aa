#include "model/precision.h"

#include "base/error.h"
#include "base/number.h"

int precision_parse(struct slice text, uint32_t *out)
{
    double error;
    if (number_parse_f64(text, &error) != 0 || !(error >= 0 && error <= 0.1))
        return LT_EINVALID;
    /* A product that is a whole number but for its own rounding is meant to be one. */
    uint32_t precision = (uint32_t)(error * PRECISION_ONE * (1 + 1e-12));
    if (precision == 0 && error > 0)
        return LT_EINVALID;
    *out = precision;
    return 0;
}
