#ifndef LOAD_LATENCY_H
#define LOAD_LATENCY_H

#include <stdint.h>

/* A histogram of durations: 64 linear steps within each power of two of microseconds, so that a
 * percentile is at most 1.6 % (or 1 us) above what was measured, and never below it. */

enum { LATENCY_STEPS = 64, LATENCY_BUCKETS = 40 * LATENCY_STEPS };

struct latency {
    uint64_t count;
    int64_t max_ns;
    double sum_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, int64_t ns);

/* The smallest bound below which at least this share (0 … 1) of the durations lies; 0 when empty.
 */
double latency_percentile_ms(const struct latency *l, double share);
double latency_mean_ms(const struct latency *l);
double latency_max_ms(const struct latency *l);

#endif
