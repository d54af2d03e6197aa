#include "generate/workload.h"

#include "base/hash.h"

#include <math.h>

enum { SALT_NAME = 1, SALT_HOST, SALT_LEVEL, SALT_POINT, SALT_GAUGE };

static uint64_t mix(const struct workload *w, uint64_t salt, uint64_t a, uint64_t b)
{
    return hash_u64(hash_u64(hash_u64(w->seed + (salt << 56)) + a) + b);
}

/* (0, 1) */
static double unit(uint64_t x)
{
    return ((double)(x >> 11) + 0.5) * 0x1p-53;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

void workload_init(struct workload *w)
{
    /* Any step without a common factor visits every rank once; near the golden section it leaves no
     * pattern between neighbours. */
    uint32_t step = (uint32_t)((double)w->active * 0.6180339887);
    if (step == 0)
        step = 1;
    while (gcd(step, w->active) != 1)
        step++;
    w->rank_step = step;
}

static uint32_t churned(const struct workload *w)
{
    return (uint32_t)((uint64_t)w->active * w->churn_percent / 100);
}

uint32_t workload_items(const struct workload *w, uint32_t hour)
{
    return w->active + hour * churned(w);
}

uint32_t workload_item(const struct workload *w, uint32_t hour, uint32_t slot)
{
    uint32_t changing = churned(w);
    uint32_t stable = w->active - changing;
    return slot < stable ? slot : slot + hour * changing;
}

uint32_t workload_rank(const struct workload *w, uint32_t slot)
{
    return (uint32_t)(((uint64_t)slot * w->rank_step + w->seed) % w->active);
}

uint32_t workload_host(const struct workload *w, uint32_t item, uint32_t copy)
{
    return (uint32_t)((mix(w, SALT_HOST, item, 0) + copy) % w->hosts);
}

void workload_item_name(const struct workload *w, uint32_t item, char out[17])
{
    /* hash_u64 is a bijection: two items never share a name. */
    uint64_t x = hash_u64(hash_u64(w->seed + ((uint64_t)SALT_NAME << 56)) + item + 1);
    for (int i = 0; i < 16; i++)
        out[i] = "0123456789abcdef"[x >> (60 - 4 * i) & 15];
    out[16] = '\0';
}

double workload_level(const struct workload *w, uint32_t hour, uint32_t slot)
{
    uint32_t rank = workload_rank(w, slot);
    uint64_t x = mix(w, SALT_LEVEL, workload_item(w, hour, slot), hour);
    double gauss = sqrt(-2 * log(unit(x))) * cos(6.283185307179586 * unit(hash_u64(x)));
    return w->scale * pow((double)rank + 1, -w->zipf) * exp(w->noise * gauss);
}

void workload_point(const struct workload *w, uint32_t hour, uint32_t item, uint32_t copy,
                    uint32_t number, double level, struct workload_point *out)
{
    uint64_t x = mix(w, SALT_POINT, (uint64_t)hour << 32 | item, (uint64_t)copy << 32 | number);
    uint32_t from = (uint32_t)((uint64_t)3600 * number / w->points);
    uint32_t to = (uint32_t)((uint64_t)3600 * (number + 1) / w->points);
    out->second = from + (uint32_t)((x >> 32) % (to - from));
    out->executions = 1 + (int64_t)((x & 0xff) * (x >> 8 & 0xff) * 5 >> 16);
    out->time_us = 1 + (int64_t)(level * (0.5 + (double)(x >> 16 & 0xffff) * 0x1p-16));
    out->error = (x >> 20 & 0x3ff) == 0;
}

double workload_gauge(const struct workload *w, uint32_t host, uint32_t gauge, int64_t second)
{
    uint64_t who = (uint64_t)host << 32 | gauge;
    /* It keeps a value for 5 seconds to 21 minutes, by gauge. */
    int64_t hold = 5 << (mix(w, SALT_GAUGE, who, 0) % 9);
    uint64_t x = mix(w, SALT_GAUGE, who, (uint64_t)(second / hold) + 1);
    return (double)(x % 1000) + (gauge % 3 == 0 ? (double)(x >> 32 & 0xff) / 256 : 0);
}
