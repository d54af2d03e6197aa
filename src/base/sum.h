#ifndef BASE_SUM_H
#define BASE_SUM_H

#include <math.h>

/* A compensated sum (Neumaier 1974): what each addition rounds away is kept aside. Integers add up
 * bit for bit in any order while the sum stays within 2^53; other values come out within one
 * rounding of the true sum, so that the order in which blocks arrive, or in which workers merge
 * what they have, shows in no digit that people look at.
 *
 * What is rounded away is found without asking which of the two is larger (Knuth's TwoSum; The Art
 * of Computer Programming, volume 2, 4.2.2, theorem B): the same number, but no branch, which is
 * guessed wrong half the time where millions of sums are added to in no order. */
struct sum {
    double value;
    double lost;
};

static inline void sum_add(struct sum *s, double x)
{
    double t = s->value + x;
    double added = t - s->value;
    s->lost += (s->value - (t - added)) + (x - added);
    s->value = t;
}

/* Past the largest double, or next to it, the part kept aside is not a number, and means nothing.
 */
static inline double sum_total(const struct sum *s)
{
    return isfinite(s->value) && isfinite(s->lost) ? s->value + s->lost : s->value;
}

static inline void sum_merge(struct sum *s, const struct sum *other)
{
    sum_add(s, other->value);
    if (isfinite(other->value))
        sum_add(s, other->lost);
}

#endif
