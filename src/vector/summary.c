#include "vector/summary.h"

#include "vector/series.h"

#include <assert.h>

void summary_init(struct summary *s)
{
    double nan = (double)NAN;
    *s = (struct summary){.min = nan, .max = nan, .first = nan, .last = nan};
}

static void first_take(struct summary *s, int64_t time_ms, double value)
{
    if (s->count == 0 || time_ms < s->first_ms || (time_ms == s->first_ms && value > s->first)) {
        s->first_ms = time_ms;
        s->first = value;
    }
}

static void last_take(struct summary *s, int64_t time_ms, double value)
{
    if (s->count == 0 || time_ms > s->last_ms || (time_ms == s->last_ms && value > s->last)) {
        s->last_ms = time_ms;
        s->last = value;
    }
}

void summary_add(struct summary *s, int64_t time_ms, double value)
{
    if (isnan(value)) {
        s->nans++;
        return;
    }
    struct sum sum = {s->sum, s->lost};
    sum_add(&sum, value);
    s->sum = sum.value;
    s->lost = sum.lost;
    s->min = s->count == 0 || value < s->min ? value : s->min;
    s->max = s->count == 0 || value > s->max ? value : s->max;
    first_take(s, time_ms, value);
    last_take(s, time_ms, value);
    s->count++;
}

void summary_merge(struct summary *s, const struct summary *other)
{
    s->nans += other->nans;
    if (other->count == 0)
        return;
    struct sum sum = {s->sum, s->lost};
    sum_merge(&sum, &(struct sum){other->sum, other->lost});
    s->sum = sum.value;
    s->lost = sum.lost;
    s->min = s->count == 0 || other->min < s->min ? other->min : s->min;
    s->max = s->count == 0 || other->max > s->max ? other->max : s->max;
    first_take(s, other->first_ms, other->first);
    last_take(s, other->last_ms, other->last);
    s->count += other->count;
}

double summary_total(const struct summary *s)
{
    return sum_total(&(struct sum){s->sum, s->lost});
}

int summary_buckets(const struct vector_points *points, int64_t step_ms, summary_visit *visit,
                    void *arg)
{
    assert(step_ms >= 1);
    struct summary summary;
    uint32_t i = 0;
    while (i < points->count) {
        int64_t start_ms = points->times_ms[i] - points->times_ms[i] % step_ms;
        summary_init(&summary);
        /* Compared as a difference: the last bucket may end past the end of time. */
        for (; i < points->count && points->times_ms[i] - start_ms < step_ms; i++)
            summary_add(&summary, points->times_ms[i], points->values[i]);
        int err = visit(arg, start_ms, &summary);
        if (err != 0)
            return err;
    }
    return 0;
}
