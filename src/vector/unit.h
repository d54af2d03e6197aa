#ifndef VECTOR_UNIT_H
#define VECTOR_UNIT_H

#include "vector/series.h"

#include <assert.h>

/* The units that a vector's times are counted in, by code. */
enum { UNIT_MS = 0, UNIT_SECOND = 1, UNIT_MINUTE = 2, UNIT_HOUR = 3 };

static inline uint64_t unit_ms(unsigned unit)
{
    static const uint32_t ms[] = {1, 1000, 60000, 3600000};
    return ms[unit];
}

/* x / unit; spelt out, as a division by a constant is a multiplication. */
static inline uint64_t unit_count(unsigned unit, uint64_t x)
{
    switch (unit) {
    case UNIT_MS:
        return x;
    case UNIT_SECOND:
        return x / 1000;
    case UNIT_MINUTE:
        return x / 60000;
    default:
        return x / 3600000;
    }
}

/* The largest that all times, relative to from_ms, are whole numbers of; x gets those numbers. */
static inline unsigned unit_find(int64_t from_ms, const struct vector_points *points, uint64_t *x)
{
    unsigned unit = UNIT_HOUR;
    uint32_t again = 0; /* those before it were taken with a larger unit */
    for (uint32_t i = 0; i < points->count; i++) {
        assert(points->times_ms[i] >= (i == 0 ? from_ms : points->times_ms[i - 1] + 1));
        uint64_t offset = (uint64_t)points->times_ms[i] - (uint64_t)from_ms;
        while ((x[i] = unit_count(unit, offset)) * unit_ms(unit) != offset) {
            unit--;
            again = i;
        }
    }
    for (uint32_t i = 0; i < again; i++)
        x[i] = unit_count(unit, (uint64_t)points->times_ms[i] - (uint64_t)from_ms);
    return unit;
}

#endif
