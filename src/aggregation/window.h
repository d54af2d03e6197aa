#ifndef AGGREGATION_WINDOW_H
#define AGGREGATION_WINDOW_H

#include "aggregation/stats.h"
#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

/* A series' points in time order to a row a bucket, as TS.RANGE's AGGREGATION does. Pure; any
 * thread. Times are Unix milliseconds, 0 ... 2^63-1.
 *
 * Bucket n is [align + n x bucket, + bucket). One that begins before time 0 is reported as 0. A
 * bucket is reported if a point in it is taken by one of the aggregators (aggregator_takes): so
 * NaN alone makes a row for counts of NaN only. EMPTY also reports the buckets between those. */

enum window_stamp { WINDOW_START, WINDOW_MID, WINDOW_END };

struct window_rule {
    struct aggregator_list aggregators;
    int64_t bucket_ms; /* >= 1 */
    int64_t align_ms;  /* >= 0 */
    enum window_stamp stamp;
    bool empty;
    int64_t from_ms, last_ms; /* the range asked for, both included: twa ends there */
};

/* Points in ascending time, each once. */
struct window_points {
    const int64_t *times_ms;
    const double *values;
    size_t count;
};

/* values: one for each aggregator, in order; valid during the call. Other than 0 ends the walk. */
typedef int window_emit(void *arg, int64_t time_ms, const double *values);

/* points: those within the range. What twa needs beside them are the numbers next to the range:
 * before, after: of one point or none, which is not NaN.
 *
 * twa, the time-weighted average: the mean of the straight lines from point to point, over that
 * part of the bucket that lies within the range and between the first and the last of these points;
 * the value at that moment where the part is a single one. With EMPTY, twa also reports buckets of
 * the range from `before` on, and up to `after`, in which there is no point at all. */
MUST_USE int window_run(const struct window_rule *rule, const struct window_points *points,
                        const struct window_points *before, const struct window_points *after,
                        window_emit *emit, void *arg);

/* The start of the bucket that holds a time; may be negative, not below -bucket_ms. */
int64_t window_bucket(const struct window_rule *rule, int64_t time_ms);
/* What is reported as the time of the bucket that begins at start. */
int64_t window_stamp_ms(const struct window_rule *rule, int64_t start_ms);

#endif
