#ifndef QUERY_SAMPLES_H
#define QUERY_SAMPLES_H

#include "query/range.h"
#include "query/samples_spec.h"

/* TS.RANGE and its kin, between their files: series and their points (samples.c, samples_scan.c),
 * rows of them (samples_rows.c). One thread. */

struct samples_point {
    int64_t time_ms;
    double value;
};

struct samples_points {
    struct samples_point *v;
    uint32_t n, cap;
};

/* What is known of a target of the range, by its position there. */
struct samples_series {
    struct samples_points points; /* those that count, ascending once samples_collect is done */
    struct samples_point before, after; /* the numbers next to the range, for twa */
    bool has_before, has_after;
    bool known; /* it has a point, anywhere */
};

struct samples_rows {
    struct {
        int64_t *v;
        uint32_t n, cap;
    } times;
    struct {
        double *v;
        uint32_t n, cap;
    } values; /* columns for each time */
    uint32_t columns;
};

struct samples {
    struct range range; /* its targets: the keys' series, those that are known each once */
    struct read *read;
    const struct samples_spec *spec;
    struct samples_series *series; /* of the targets */
    uint32_t *target_of_key;       /* SAMPLES_NONE: no such host, or no such metric */
};
enum { SAMPLES_NONE = UINT32_MAX };

/* Points of the range, and what twa needs beside them. */
MUST_USE int samples_collect(struct samples *s);

/* The answer: rows of each key, or of all. */
MUST_USE int samples_answer(struct samples *s);

static inline const struct aggregator_list *samples_aggregators(const struct samples_spec *spec,
                                                                uint32_t key)
{
    return &spec->aggregators[spec->aggregators_count > 1 ? key : 0];
}

#endif
