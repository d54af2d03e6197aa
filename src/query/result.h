#ifndef QUERY_RESULT_H
#define QUERY_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "model/kind.h"
#include "model/settings.h"
#include "query/result_keys.h"

/* What reads answer, before anybody makes it a protocol's reply. Owned by the receiver; all memory
 * in one arena; free with query_result_free. Times are Unix ms. */

enum bucket_state {
    BUCKET_VALUE,         /* computed from points */
    BUCKET_ZERO,          /* delta, the collector reported, no point: a measured zero */
    BUCKET_ABSENT,        /* the collector reported, but this series has no point */
    BUCKET_NOT_COLLECTED, /* nothing reported */
};
const char *bucket_state_text(enum bucket_state state); /* value zero absent not_collected */

struct result_bucket {
    int64_t time_ms;
    double value; /* NaN: none (after FILL) */
    enum bucket_state state;
};

struct result_series {
    struct slice key;
    bool known; /* false: no such series; all buckets not collected or absent */
    enum kind kind;
    const char *aggregate;
    const struct result_bucket *buckets;
    uint32_t buckets_count;
};

struct result_range {
    struct result_source source;
    int64_t from_ms, to_ms, step_ms;
    int64_t resolution_ms; /* of the data that was read: 1000 */
    const struct result_series *series;
    uint32_t series_count;
};

struct result_row {
    struct slice item; /* the components that the pattern's * matched, joined by '.' */
    struct slice text; /* what the item is known by, or "" */
    struct slice category;
    double value;
    const double *with;      /* a value for each WITH dimension */
    const double *sparkline; /* sums in equal parts of the range */
    double compared; /* the value in the range of COMPARE; NaN: no points, or not asked for */
};

struct result_topq {
    struct result_source source;
    int64_t from_ms, to_ms; /* the bounds used: see span_plan.h */
    bool compares;
    int64_t compare_from_ms, compare_to_ms;
    struct slice dimension;
    const char *rank;
    const char *plan; /* threshold, scan, summaries or fold: query/README.md */
    const struct slice *with;
    uint32_t with_count;
    uint32_t sparkline_count;
    const struct result_row *rows;
    uint32_t rows_count;
    struct result_row rest; /* item "" */
    uint64_t rest_items;
    struct result_row total; /* item "" */
    uint64_t total_items;
    bool shares; /* rank is sum or count: value / total means something */
};

struct result_points {
    struct result_source source;
    bool known; /* false: no such series */
    const int64_t *times_ms;
    const double *values;
    uint32_t count;
    /* POINTS: rows that its rule computes in the range, also those on which own points stand. */
    uint32_t computed;
    int64_t computed_first_ms, computed_last_ms; /* of these */
};

struct result_sample_rows {
    const int64_t *times_ms;
    const double *values; /* columns for each time, NaN: none */
    uint32_t columns;
    uint32_t count;
};

struct result_sample_series {
    struct slice key; /* of a group: label=value */
    bool known;       /* false: no such series */
    struct result_sample_rows rows;
    const struct label *labels; /* those asked for; value.p NULL: it has none */
    uint32_t labels_count;
    const struct slice *sources; /* of a group: its series' keys */
    uint32_t sources_count;
};

struct result_samples {
    struct result_source source;
    const struct result_sample_series *series; /* of each key, as asked for; matched: by key */
    uint32_t series_count;
    int64_t from_ms;                  /* where the range began */
    uint64_t found;                   /* points of the first series in it, limit or not */
    struct result_sample_rows joined; /* in place of the series' own rows */
};

struct result_mget_row {
    struct slice key;
    const struct label *labels; /* value.p NULL: the series has no such label */
    uint32_t labels_count;
    bool found; /* it has a point */
    int64_t time_ms;
    double value;
};

struct result_mget {
    struct result_source source;
    const struct result_mget_row *rows; /* by key, ascending */
    uint32_t count;
};

struct result_list {
    struct result_source source;
    /* Of a page; none where they were only counted. INDEX, LABELS: all, ascending. */
    const struct slice *keys;
    uint32_t count;
    uint64_t cursor; /* of the next page; 0: this was the last */
    uint64_t series; /* how many there are in all */
};

/* A category in use, or a declared pattern that nothing has matched yet (items 0). */
struct result_category {
    struct slice name;
    enum kind kind;
    uint32_t precision; /* model/precision.h */
    uint32_t items;
};

struct result_categories {
    struct result_source source;
    const struct result_category *categories;
    uint32_t count;
};

union query_result {
    struct result_range range;
    struct result_topq topq;
    struct result_categories categories;
    struct result_keys keys;
    struct result_list list;
    struct result_info info;
    struct result_samples samples;
    struct result_mget mget;
    struct result_points points; /* POINTS; LAST: count is 0 or 1 */
};

void query_result_free(union query_result **result);

#endif
