#ifndef VECTOR_SUMMARY_H
#define VECTOR_SUMMARY_H

#include "base/sum.h"

#include <stdint.h>

struct vector_points;

/* Of points that are numbers (infinities are); those that are NaN are only counted. Caller-owned;
 * pure. What reads and downsampling use in place of the points. */
struct summary {
    uint64_t count;
    uint64_t nans;
    double sum, lost; /* compensated (base/sum.h): the total is of both */
    double min, max;  /* these four are NaN, and the times 0, while count is 0 */
    double first, last;
    int64_t first_ms, last_ms; /* where two are of one time, the greater is first, and last */
};

void summary_init(struct summary *s);

/* In any order of time. */
void summary_add(struct summary *s, int64_t time_ms, double value);

/* In any order, and grouped in any way: equal but for the rounding of the sum, which is exact on
 * integers within 2^53. */
void summary_merge(struct summary *s, const struct summary *other);

double summary_total(const struct summary *s);

/* Bucket start_ms is [start_ms, start_ms + step_ms), start_ms a multiple of step_ms. Valid during
 * the call; other than 0 ends the walk. */
typedef int summary_visit(void *arg, int64_t start_ms, const struct summary *summary);

/* Visits each bucket that has points, in order of time. step_ms >= 1. Returns what the last visit
 * returned, or 0. */
int summary_buckets(const struct vector_points *points, int64_t step_ms, summary_visit *visit,
                    void *arg);

#endif
