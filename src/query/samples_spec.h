#ifndef QUERY_SAMPLES_SPEC_H
#define QUERY_SAMPLES_SPEC_H

#include "aggregation/window.h"

#include <stdbool.h>
#include <stdint.h>

/* What TS.RANGE and its kin ask for, of each of the keys of a query_spec. Everything is copied by
 * query_submit. */
enum samples_cursor {
    SAMPLES_FROM, /* from_ms says where the range begins; else the one series' own points do: */
    SAMPLES_FROM_LAST,  /* with its last point */
    SAMPLES_AFTER_LAST, /* after it */
};

struct samples_spec {
    enum samples_cursor cursor;
    int64_t from_ms, last_ms; /* both included; last_ms may come before from_ms: nothing, then */
    bool reverse;             /* latest first; first and last follow time all the same */
    bool latest;              /* of rules' destinations the open bucket, too */
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

    /* TS.READ BLOCK: answers when there are this many points, limit or not, when block_ms have
     * passed (0: never), or when the series is there no more. */
    uint64_t points_min; /* 0: at once */
    int64_t block_ms;

    /* TS.MRANGE: of the series that fit the query_spec's filters, in place of keys. */
    bool matched;
    bool exclude_empty;      /* series without rows are left out */
    bool grouped;            /* one for all series that have the same value of this label, */
    struct slice group;      /* ... whose values at a time the reducer makes one; no series */
    enum aggregator reducer; /* ... without the label */

    bool joined; /* one table: a row has every key's values of a time, NaN where it has none */
};

#endif
