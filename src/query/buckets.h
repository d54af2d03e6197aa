#ifndef QUERY_BUCKETS_H
#define QUERY_BUCKETS_H

#include "base/sum.h"
#include "query/query.h"
#include "vector/summary.h"

/* RANGE's buckets as pure functions: points and heartbeats in, values and states out. */

/* What a bucket knows of its points. */
struct tally {
    struct sum sum; /* of the values; of the increases where a counter's rate is asked for */
    uint64_t count; /* points that are numbers */
    uint32_t beats; /* seconds in which the collector reported */
    bool nan;       /* it has a point that is no number */
    double min, max;
    double first, last;
    int64_t first_ms, last_ms;
    int64_t covered_ms; /* counter rate: the time that the increases are of */
};

/* Any order of points. */
static inline void tally_add(struct tally *t, int64_t time_ms, double value)
{
    if (isnan(value)) {
        t->nan = true;
        return;
    }
    if (t->count == 0) {
        t->min = t->max = t->first = t->last = value;
        t->first_ms = t->last_ms = time_ms;
    }
    t->min = value < t->min ? value : t->min;
    t->max = value > t->max ? value : t->max;
    if (time_ms < t->first_ms) {
        t->first_ms = time_ms;
        t->first = value;
    }
    if (time_ms >= t->last_ms) {
        t->last_ms = time_ms;
        t->last = value;
    }
    sum_add(&t->sum, value);
    t->count++;
}

/* The same where nobody asks for more than sum and count. */
static inline void tally_add_sum(struct tally *t, double value)
{
    if (isnan(value)) {
        t->nan = true;
        return;
    }
    sum_add(&t->sum, value);
    t->count++;
}

/* What another tally knows of other points of the same bucket. Not of heartbeats or increases. */
void tally_join(struct tally *t, const struct tally *other);

/* The points of one bucket of a coarser run, which begins at start_ms. Any order, but not mixed
 * with points of the same bucket. */
void tally_merge(struct tally *t, int64_t start_ms, const struct summary *summary);

/* The increase from `before` to a counter's point; a lower value means that it restarted from 0. */
void tally_add_increase(struct tally *t, double before, double now, int64_t elapsed_ms);

struct buckets_rule {
    enum aggregate aggregate;
    enum kind kind;
    enum fill fill;
    int64_t from_ms, to_ms, step_ms;
};

/* Thread: any. out[i] starts at from + i x step, the last one may be cut off by to.
 *
 * value          it has a point that is a number (counter rate: and one before it)
 * zero           delta, a heartbeat and no point: 0 by every aggregate
 * absent         a heartbeat or a point, but no value
 * not_collected  neither
 *
 * rate of a delta: sum / seconds with a heartbeat. A bucket of points without any heartbeat, as
 * TS.ADD leaves them, was measured all the time as far as anybody knows: then / the bucket's
 * length. rate of a counter: increases / the time between the points that they are of, which spans
 * what was not collected.
 *
 * fill zero: 0 for absent and not_collected. fill last: the value before. The state stays what it
 * is. */
void buckets_finish(const struct buckets_rule *rule, const struct tally *tallies, uint32_t count,
                    struct result_bucket *out);

#endif
