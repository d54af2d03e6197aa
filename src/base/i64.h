#ifndef BASE_I64_H
#define BASE_I64_H

#include <stdint.h>

/* Arithmetic on times that may be as far away as INT64_MAX. Pure. */

static inline int64_t i64_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t i64_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a + b, or INT64_MAX where that is more; b >= 0. */
static inline int64_t i64_add_capped(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

#endif
