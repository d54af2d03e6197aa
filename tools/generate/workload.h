#ifndef GENERATE_WORKLOAD_H
#define GENERATE_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

/* What a fleet of database hosts would have measured: a pure function of the seed, so that a test
 * or a benchmark can ask for any part of it again, in any order, and check an answer without
 * keeping the data.
 *
 *   slot     0 … active-1: an item that is active in an hour. Its rank by cost, 0 the dearest, is a
 *            permutation of the slots, so that ids say nothing about cost
 *   item     the slot's item in that hour: churn replaces a share of the slots' items every hour
 *   value    scale / (rank + 1)^zipf, times a noise of its hour, times a noise of its point */

struct workload {
    uint64_t seed;
    uint32_t active;        /* items an hour */
    uint32_t churn_percent; /* of the slots get another item each hour */
    uint32_t hosts;
    uint32_t hosts_per_item;
    uint32_t points; /* an hour, of each item on each of its hosts */
    double zipf;
    double noise;       /* sigma of the log of an hour's factor */
    double scale;       /* the dearest item's value at one point, about */
    uint32_t rank_step; /* by workload_init */
};

/* Chooses the permutation. */
void workload_init(struct workload *w);

/* Items of hours 0 … hour together. */
uint32_t workload_items(const struct workload *w, uint32_t hour);
uint32_t workload_item(const struct workload *w, uint32_t hour, uint32_t slot);
uint32_t workload_rank(const struct workload *w, uint32_t slot);
uint32_t workload_host(const struct workload *w, uint32_t item, uint32_t copy);

/* "1374c6821ead6f47": 16 hex digits and a NUL. */
void workload_item_name(const struct workload *w, uint32_t item, char out[17]);

/* The item's own factor in an hour, which its points share. */
double workload_level(const struct workload *w, uint32_t hour, uint32_t slot);

struct workload_point {
    uint32_t second; /* within the hour; ascending with the number */
    int64_t time_us;
    int64_t executions;
    bool error; /* one of the executions failed */
};
/* number: 0 … points - 1. level: from workload_level. */
void workload_point(const struct workload *w, uint32_t hour, uint32_t item, uint32_t copy,
                    uint32_t number, double level, struct workload_point *out);

/* A dense gauge's value at a second since the epoch: mostly still, now and then a step. */
double workload_gauge(const struct workload *w, uint32_t host, uint32_t gauge, int64_t second);

#endif
