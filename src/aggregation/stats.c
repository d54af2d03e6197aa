#include "aggregation/stats.h"

#include <assert.h>
#include <math.h>

void stats_add(struct stats *s, double value, bool spread)
{
    if (isnan(value)) {
        s->nans++;
        return;
    }
    if (s->count == 0 || value < s->min)
        s->min = value;
    if (s->count == 0 || value > s->max)
        s->max = value;
    if (s->count == 0)
        s->first = value;
    s->last = value;
    sum_add(&s->sum, value);
    s->count++;
    if (spread) {
        double off = value - s->mean;
        s->mean += off / (double)s->count;
        s->squares += off * (value - s->mean);
    }
}

void stats_merge(struct stats *s, const struct stats *later)
{
    s->nans += later->nans;
    if (later->count == 0)
        return;
    if (s->count == 0 || later->min < s->min)
        s->min = later->min;
    if (s->count == 0 || later->max > s->max)
        s->max = later->max;
    if (s->count == 0)
        s->first = later->first;
    s->last = later->last;
    sum_merge(&s->sum, &later->sum);
    s->count += later->count;
}

/* Of one value there is no sample variance; the reference says 0, and so do we. */
static double variance(const struct stats *s, bool sample)
{
    if (s->count == 1)
        return 0;
    return s->squares / (double)(s->count - sample);
}

double stats_value(const struct stats *s, enum aggregator aggregator)
{
    switch (aggregator) {
    case AGGREGATOR_COUNT:
        return (double)s->count;
    case AGGREGATOR_COUNTNAN:
        return (double)s->nans;
    case AGGREGATOR_COUNTALL:
        return (double)(s->count + s->nans);
    case AGGREGATOR_SUM:
        return sum_total(&s->sum);
    default:
        break;
    }
    if (s->count == 0)
        return (double)NAN;
    switch (aggregator) {
    case AGGREGATOR_AVG:
        return sum_total(&s->sum) / (double)s->count;
    case AGGREGATOR_MIN:
        return s->min;
    case AGGREGATOR_MAX:
        return s->max;
    case AGGREGATOR_RANGE:
        return s->max - s->min;
    case AGGREGATOR_FIRST:
        return s->first;
    case AGGREGATOR_LAST:
        return s->last;
    case AGGREGATOR_VAR_P:
        return variance(s, false);
    case AGGREGATOR_VAR_S:
        return variance(s, true);
    case AGGREGATOR_STD_P:
        return sqrt(variance(s, false));
    case AGGREGATOR_STD_S:
        return sqrt(variance(s, true));
    default:
        break;
    }
    assert(aggregator != AGGREGATOR_TWA);
    return (double)NAN;
}

double stats_reduced(const struct stats *s, enum aggregator reducer)
{
    if (s->count == 0 && reducer == AGGREGATOR_SUM)
        return (double)NAN;
    return stats_value(s, reducer);
}
