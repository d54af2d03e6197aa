#ifndef VECTOR_SUMMARIES_H
#define VECTOR_SUMMARIES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/summary.h"

#include <stdint.h>

/* Summaries as columns, for the bodies of observation rows. n of them, little-endian:
 *
 *   | u8 flags | counts | nans | u8 ends | min | max | first | last | u8 sums | sum | steps |
 *
 *   flags   bit 0 there are nans (else no such column)
 *           bits 1-2 sum of: 0 x   1 x - count × min   2 x - min
 *   each column          | varint bytes | u8 form | blocks |     readers pass over what they do
 *           not want; a block: 1024 numbers (the last: what is left) as in patched.h
 *           form: 0 x[i]   1 x[i] - x[i-1], x[-1] = 0   2 zigzag of that
 *   ends    form (numbers.h) of the next four, which stand as min, max - min, first - min and
 *           max - last: 0 where a series has one value, small where it has few
 *   sums    form of the sums; steps only where it is near
 *
 * Sums are summary_total. Where count is 0, sum and the four stand as 0 before the differences. All
 * arithmetic modulo 2^64. Lossless but that all NaNs become one. */
struct summaries {
    uint32_t n;
    uint32_t cap; /* of each column */
    uint64_t *count;
    uint64_t *nans;
    double *sum;
    double *min; /* NaN where count is 0, and so the next three */
    double *max;
    double *first;
    double *last;
    /* Working memory: the four after one another, as doubles and, with sums, as integers; steps. */
    double *ends;
    uint64_t *x;
    uint64_t *steps;
    struct buffer bytes; /* of a column */
};

enum summaries_columns { /* to be read */
                         SUMMARIES_COUNT = 1,
                         SUMMARIES_SUM = 2,
                         SUMMARIES_MIN = 4,
                         SUMMARIES_MAX = 8,
                         SUMMARIES_ENDS = 16,
                         SUMMARIES_ALL = 31
};

void summaries_init(struct summaries *s);
void summaries_fini(struct summaries *s);

/* Makes room for n in all. LT_ENOMEM. */
MUST_USE int summaries_reserve(struct summaries *s, uint32_t n);

/* LT_ENOMEM: nothing changed. */
MUST_USE int summaries_add(struct summaries *s, const struct summary *summary);

/* Appends all n >= 1. The caller checks out->error. */
void summaries_write(struct summaries *s, struct buffer *out);

/* Takes n >= 1 off the front of *in: fills the columns asked for, and count and nans in any case.
 * LT_ECORRUPT, LT_ENOMEM. */
MUST_USE int summaries_read(struct summaries *s, struct slice *in, uint32_t n, unsigned columns);

/* A column of numbers as it stands in there, for the keys beside them. n <= cap. */
void summaries_put_column(struct summaries *s, const uint64_t *x, uint32_t n, struct buffer *out);
MUST_USE int summaries_get_column(struct slice *in, uint32_t n, uint64_t *x);

#endif
