#include "vector/series.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Numbers near the ends of the range stay: there 10^n and relative errors are not what they seem.
 */
#define ROUND_MIN 1e-290
#define ROUND_MAX 1e290

/* value with `digits` significant digits, its first one standing for 10^magnitude. */
static double round_to_digits(double value, int magnitude, int digits)
{
    int places = digits - 1 - magnitude; /* after the point */
    if (places == 0)
        return nearbyint(value);
    /* 10^22 is the last that is a double; a product or quotient of two is off by an ulp or so,
     * which the caller's check sees. */
    double unit = pow(10, abs(places));
    return places > 0 ? nearbyint(value * unit) / unit : nearbyint(value / unit) * unit;
}

double vector_round(double value, double relative_error)
{
    assert(relative_error >= 0 && relative_error < 1);
    double size = fabs(value);
    if (!(size >= ROUND_MIN && size <= ROUND_MAX) || relative_error == 0)
        return value;
    int magnitude = (int)floor(log10(size));
    /* Smaller by an ulp: the product is itself rounded. The difference of the two is exact, as they
     * lie within a factor of 2 wherever it is small enough to matter. */
    double error_max = size * relative_error * (1 - DBL_EPSILON);
    for (int digits = 1; digits <= DBL_DIG; digits++) {
        double rounded = round_to_digits(value, magnitude, digits);
        if (fabs(rounded - value) <= error_max && signbit(rounded) == signbit(value))
            return rounded;
    }
    return value;
}
