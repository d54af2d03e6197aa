#include "vector/numbers.h"

#include "base/error.h"
#include "vector/decimal.h"

/* More would be no sum's rounding but a number with more digits. */
enum { STEPS_MAX = 8 };

/* Beyond it x + 0.5 rounds. */
#define NEAR_MAX 0x1p51

static const double scales[NUMBERS_EXPONENT_MAX + 1] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                                        1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

/* Values as near decimals, as many as are: returns how many. */
static uint32_t near_take(const double *values, uint32_t n, int exponent, uint64_t *x,
                          uint64_t *steps)
{
    double scale = scales[exponent];
    uint32_t i = 0;
    for (; i < n; i++) {
        double scaled = values[i] * scale;
        if (!(fabs(scaled) <= NEAR_MAX))
            break;
        int64_t m = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
        x[i] = (uint64_t)m;
        steps[i] = decimal_ordered(values[i]) - decimal_ordered((double)m / scale);
        if (steps[i] + STEPS_MAX > 2 * STEPS_MAX)
            break;
    }
    return i;
}

static uint8_t ordered_take(const double *values, uint32_t n, uint64_t *x)
{
    for (uint32_t i = 0; i < n; i++)
        x[i] = decimal_ordered(values[i]);
    return NUMBERS_ORDERED;
}

uint8_t numbers_scan(const double *values, uint32_t n, uint64_t *x, uint64_t *steps)
{
    int exponent = decimal_scan(values, n, NUMBERS_EXPONENT_MAX, (int64_t *)x);
    if (exponent >= 0)
        return (uint8_t)exponent;
    if (steps == NULL)
        return ordered_take(values, n, x);
    for (exponent = 0; exponent <= NUMBERS_EXPONENT_MAX; exponent++)
        if (near_take(values, n, exponent, x, steps) == n)
            return (uint8_t)(NUMBERS_NEAR + exponent);
    return ordered_take(values, n, x);
}

int numbers_restore(uint8_t form, const uint64_t *x, const uint64_t *steps, uint32_t n, double *out)
{
    if (form == NUMBERS_ORDERED) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = decimal_unordered(x[i]);
        return 0;
    }
    bool is_near = numbers_form_is_near(form);
    int exponent = is_near ? form - NUMBERS_NEAR : form;
    if (exponent > NUMBERS_EXPONENT_MAX)
        return LT_ECORRUPT;
    decimal_values((const int64_t *)x, n, exponent, out);
    /* Nine of ten are where their decimal is: the branch is cheaper than the steps. */
    for (uint32_t i = 0; is_near && i < n; i++)
        if (steps[i] != 0)
            out[i] = decimal_unordered(decimal_ordered(out[i]) + steps[i]);
    return 0;
}
