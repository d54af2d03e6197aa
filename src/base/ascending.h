#ifndef BASE_ASCENDING_H
#define BASE_ASCENDING_H

#include <stdbool.h>
#include <stdint.h>

/* Arrays of numbers that ascend. Pure. */

/* The position of the first that is not below x; count: there is none. */
static inline uint32_t ascending_find(const uint32_t *v, uint32_t count, uint64_t x)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (v[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline bool ascending_has(const uint32_t *v, uint32_t count, uint32_t x)
{
    uint32_t at = ascending_find(v, count, x);
    return at < count && v[at] == x;
}

#endif
