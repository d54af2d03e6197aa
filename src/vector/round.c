#include "vector/series.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Numbers near the ends of the range stay: there 10^k is no normal number. So do all where the
 * error is so small that n has too few bits left to be sure. */
#define ROUND_MIN   1e-290
#define ROUND_MAX   1e290
#define ROUND_ERROR 1e-12

/* 10^k, for k from 0 on. Up to 10^22 they are doubles, so that a product or a quotient with one is
 * the double next to the decimal, as people and the decimal codec write it. */
static double power_of_10(int k)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return k < (int)(sizeof(exact) / sizeof(exact[0])) ? exact[k] : pow(10, k);
}

static double scaled(double n, int k)
{
    return k < 0 ? n / power_of_10(-k) : n * power_of_10(k);
}

double vector_round(double value, double relative_error)
{
    assert(relative_error >= 0 && relative_error < 1);
    double size = fabs(value);
    if (!(size >= ROUND_MIN && size <= ROUND_MAX) || relative_error < ROUND_ERROR)
        return value;
    double least = ceil(0.5 / relative_error);
    /* The largest k with least x 10^k <= size; log10 may be off by one next to a power. */
    int k = (int)floor(log10(size / least));
    while (scaled(least, k) > size)
        k--;
    while (scaled(least, k + 1) <= size)
        k++;
    double n = nearbyint(scaled(size, -k));
    /* 10 x least x 10^k and least x 10^(k + 1) may be two doubles: one of them has to do. */
    double rounded = n >= 10 * least ? scaled(least, k + 1) : scaled(n, k);
    /* Smaller by an ulp: the product is itself rounded. The difference is exact, as the two lie
     * within a factor of 2 wherever it is small enough to matter. */
    if (fabs(rounded - size) > size * relative_error * (1 - DBL_EPSILON))
        return value;
    return copysign(rounded, value);
}
