#ifndef QUERY_SAMPLES_SPEC_H
#define QUERY_SAMPLES_SPEC_H

#include "aggregation/window.h"

#include <stdbool.h>
#include <stdint.h>

/* What TS.RANGE and its kin ask for, of each of the keys of a query_spec. Everything is copied by
 * query_submit. */
struct samples_spec {
    int64_t from_ms, last_ms; /* both included; last_ms may come before from_ms: nothing, then */
    bool reverse;             /* latest first; first and last follow time all the same */
    uint64_t limit;           /* rows of each key (JOINED: in all), 0: all */

    /* Which points count at all: aggregators see no others. */
    const int64_t *times_ms; /* ascending, each once; count 0: any time */
    uint32_t times_count;
    bool by_value; /* within [min, max]; NaN is not */
    double min, max;

    /* A row a bucket in place of a row a point. One list for all keys, or one for each. */
    const struct aggregator_list *aggregators;
    uint32_t aggregators_count; /* 0: points as they are */
    int64_t bucket_ms, align_ms;
    enum window_stamp stamp;
    bool empty;

    bool joined; /* one table: a row has every key's values of a time, NaN where it has none */
};

#endif
