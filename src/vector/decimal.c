#include "vector/decimal.h"

#include "base/number.h"

#include <assert.h>

/* 10^0 … 10^22 are doubles; these are all that is asked for. */
static const double pow10[DECIMAL_EXPONENT_MAX + 1] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* Beyond it not every integer is a double; and beyond half of it x + 0.5 rounds. */
#define INTEGER_MAX 0x1p53
#define ROUNDED_MAX 0x1p51

/* Is value m / 10^exponent, to the bit? */
static bool decimal_of(double value, int exponent, int64_t *m_out)
{
    double scaled = value * pow10[exponent];
    if (exponent == 0) {
        if (!(fabs(scaled) <= INTEGER_MAX))
            return false;
        *m_out = (int64_t)scaled;
        return number_same_f64((double)*m_out, value);
    }
    if (!(fabs(scaled) <= ROUNDED_MAX))
        return false;
    *m_out = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    return number_same_f64((double)*m_out / pow10[exponent], value);
}

int decimal_scan(const double *values, uint32_t n, int exponent_max, int64_t *m_out)
{
    assert(exponent_max <= DECIMAL_EXPONENT_MAX);
    int exponent = 0;
    uint32_t again = 0; /* those before it were taken with a smaller exponent */
    for (uint32_t i = 0; i < n; i++) {
        while (!decimal_of(values[i], exponent, &m_out[i])) {
            if (exponent == exponent_max)
                return -1;
            exponent++;
            again = i;
        }
    }
    for (uint32_t i = 0; i < again; i++)
        if (!decimal_of(values[i], exponent, &m_out[i]))
            return -1;
    return exponent;
}

void decimal_values(const int64_t *m, uint32_t n, int exponent, double *out)
{
    assert(exponent >= 0 && exponent <= DECIMAL_EXPONENT_MAX);
    for (uint32_t i = 0; i < n; i++)
        out[i] = (double)m[i];
    if (exponent == 0)
        return;
    double unit = pow10[exponent];
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) /* a fixed number, that compilers divide two by two */
        for (uint32_t j = 0; j < 8; j++)
            out[i + j] /= unit;
    for (; i < n; i++)
        out[i] /= unit;
}
