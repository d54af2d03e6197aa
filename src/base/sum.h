#ifndef BASE_SUM_H
#define BASE_SUM_H

#include <math.h>

/* A compensated sum (Neumaier 1974): what each addition rounds away is kept aside. Integers add up
 * bit for bit in any order while the sum stays within 2^53; other values come out within one
 * rounding of the true sum, so that the order in which blocks arrive shows in no digit that people
 * look at. */
struct sum {
    double value;
    double lost;
};

static inline void sum_add(struct sum *s, double x)
{
    double t = s->value + x;
    s->lost += fabs(s->value) >= fabs(x) ? (s->value - t) + x : (x - t) + s->value;
    s->value = t;
}

/* Past the largest double the part kept aside is not a number, and means nothing. */
static inline double sum_total(const struct sum *s)
{
    return isfinite(s->value) ? s->value + s->lost : s->value;
}

static inline void sum_merge(struct sum *s, const struct sum *other)
{
    sum_add(s, other->value);
    if (isfinite(other->value))
        sum_add(s, other->lost);
}

#endif
