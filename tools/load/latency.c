#include "load/latency.h"

static unsigned bucket_of(int64_t ns)
{
    uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
    if (us < LATENCY_STEPS)
        return (unsigned)us;
    unsigned power = 63 - (unsigned)__builtin_clzll(us);
    unsigned bucket = (power - 5) * LATENCY_STEPS + (unsigned)(us >> (power - 6)) - LATENCY_STEPS;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The first microsecond that is above the bucket. */
static uint64_t bucket_end_us(unsigned bucket)
{
    if (bucket < LATENCY_STEPS)
        return bucket + 1;
    unsigned power = bucket / LATENCY_STEPS + 5;
    return (uint64_t)(bucket % LATENCY_STEPS + LATENCY_STEPS + 1) << (power - 6);
}

void latency_add(struct latency *l, int64_t ns)
{
    l->count++;
    l->sum_ns += (double)ns;
    if (ns > l->max_ns)
        l->max_ns = ns;
    l->buckets[bucket_of(ns)]++;
}

double latency_percentile_ms(const struct latency *l, double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (seen > 0 && (double)seen >= (double)l->count * share) {
            double bound = (double)bucket_end_us(i) / 1e3, max = latency_max_ms(l);
            return bound < max ? bound : max;
        }
    }
    return latency_max_ms(l);
}

double latency_mean_ms(const struct latency *l)
{
    return l->count == 0 ? 0 : l->sum_ns / (double)l->count / 1e6;
}

double latency_max_ms(const struct latency *l)
{
    return (double)l->max_ns / 1e6;
}
