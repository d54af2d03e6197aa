#include "query/buckets.h"

#include <math.h>

void tally_join(struct tally *t, const struct tally *other)
{
    t->nan |= other->nan;
    if (other->count == 0)
        return;
    if (t->count == 0 || other->min < t->min)
        t->min = other->min;
    if (t->count == 0 || other->max > t->max)
        t->max = other->max;
    if (t->count == 0 || other->first_ms < t->first_ms) {
        t->first_ms = other->first_ms;
        t->first = other->first;
    }
    if (t->count == 0 || other->last_ms >= t->last_ms) {
        t->last_ms = other->last_ms;
        t->last = other->last;
    }
    sum_merge(&t->sum, &other->sum);
    t->count += other->count;
}

void tally_merge(struct tally *t, int64_t start_ms, const struct summary *summary)
{
    t->nan |= summary->nans > 0;
    if (summary->count == 0)
        return;
    if (t->count == 0 || summary->min < t->min)
        t->min = summary->min;
    if (t->count == 0 || summary->max > t->max)
        t->max = summary->max;
    if (t->count == 0 || start_ms < t->first_ms) {
        t->first_ms = start_ms;
        t->first = summary->first;
    }
    if (t->count == 0 || start_ms >= t->last_ms) {
        t->last_ms = start_ms;
        t->last = summary->last;
    }
    sum_add(&t->sum, summary->sum);
    sum_add(&t->sum, summary->lost);
    t->count += summary->count;
}

void tally_add_increase(struct tally *t, double before, double now, int64_t elapsed_ms)
{
    sum_add(&t->sum, now >= before ? now - before : now);
    t->covered_ms += elapsed_ms;
    t->count++;
}

static double rate_of(const struct tally *t, const struct buckets_rule *rule, int64_t bucket_ms)
{
    double ms = (double)bucket_ms;
    if (rule->kind == KIND_COUNTER)
        ms = (double)t->covered_ms;
    else if (t->beats > 0)
        ms = (double)t->beats * 1000;
    return sum_total(&t->sum) * 1000 / ms;
}

static double value_of(const struct tally *t, const struct buckets_rule *rule, int64_t bucket_ms)
{
    switch (rule->aggregate) {
    case AGGREGATE_AVG:
        return sum_total(&t->sum) / (double)t->count;
    case AGGREGATE_SUM:
        return sum_total(&t->sum);
    case AGGREGATE_MIN:
        return t->min;
    case AGGREGATE_MAX:
        return t->max;
    case AGGREGATE_COUNT:
        return (double)t->count;
    case AGGREGATE_FIRST:
        return t->first;
    case AGGREGATE_LAST:
        return t->last;
    case AGGREGATE_RATE:
        break;
    }
    return rate_of(t, rule, bucket_ms);
}

static enum bucket_state state_of(const struct tally *t, enum kind kind)
{
    if (t->count > 0)
        return BUCKET_VALUE;
    if (t->nan)
        return BUCKET_ABSENT;
    if (t->beats == 0)
        return BUCKET_NOT_COLLECTED;
    return kind == KIND_DELTA ? BUCKET_ZERO : BUCKET_ABSENT;
}

void buckets_finish(const struct buckets_rule *rule, const struct tally *tallies, uint32_t count,
                    struct result_bucket *out)
{
    double before = NAN;
    for (uint32_t i = 0; i < count; i++) {
        const struct tally *t = &tallies[i];
        int64_t start_ms = rule->from_ms + (int64_t)i * rule->step_ms;
        int64_t left_ms = rule->to_ms - start_ms;
        double value = rule->fill == FILL_ZERO ? 0 : rule->fill == FILL_LAST ? before : NAN;
        enum bucket_state state = state_of(t, rule->kind);
        if (state == BUCKET_VALUE)
            value = value_of(t, rule, left_ms < rule->step_ms ? left_ms : rule->step_ms);
        else if (state == BUCKET_ZERO)
            value = 0;
        out[i] = (struct result_bucket){.time_ms = start_ms, .value = value, .state = state};
        before = value;
    }
}
