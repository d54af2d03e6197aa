#ifndef AGGREGATION_STATS_H
#define AGGREGATION_STATS_H

#include "aggregation/aggregator.h"
#include "base/sum.h"

#include <stdint.h>

/* What a bucket knows of its points: enough for every aggregator but twa, which needs its
 * neighbours (window.h). Caller-owned, pure; all zero: no points yet. Points come in time order. */
struct stats {
    uint64_t count; /* numbers; all below but nans is of these */
    uint64_t nans;
    struct sum sum;
    double min, max, first, last;
    double mean, squares; /* Welford 1962: of the values, and of their distances from the mean */
};

/* `spread`: mean and squares are wanted, which cost a division a point. */
void stats_add(struct stats *s, double value, bool spread);

/* Points of which only a summary is known, all later than those of s. Not where spread is wanted.
 */
void stats_merge(struct stats *s, const struct stats *later);

/* The aggregator's value; of a bucket without a point that it takes what EMPTY says: 0 of sum and
 * counts, else NaN (of last too: what it carries over is not the bucket's). Not twa. */
double stats_value(const struct stats *s, enum aggregator aggregator);

/* The same of values of several series at one time. Where the reducer takes none of them: counts
 * are 0, all others NaN, for there is nothing to sum. */
double stats_reduced(const struct stats *s, enum aggregator reducer);

static inline bool stats_want_spread(uint32_t set)
{
    return (set & (1U << AGGREGATOR_STD_P | 1U << AGGREGATOR_STD_S | 1U << AGGREGATOR_VAR_P |
                   1U << AGGREGATOR_VAR_S)) != 0;
}

#endif
