#ifndef QUERY_SAMPLES_H
#define QUERY_SAMPLES_H

#include "query/match.h"
#include "query/range.h"
#include "query/samples_spec.h"

/* TS.RANGE and its kin, between their files: series and their points (samples.c, samples_scan.c),
 * or buckets (samples_tally.c),
 * rows of them (samples_rows.c), labels and groups (samples_match.c). One thread. */

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
    bool known;           /* it is declared, or has a point anywhere */
    bool ruled;           /* it is a rule's destination */
    int64_t retention_ms; /* what is older than the last point less this is hidden; 0: nothing */
    int64_t last_ms;      /* of its last point, where that matters */
    bool has_last;
    int64_t visible_ms; /* points before are hidden */
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
    struct samples_spec spec; /* from_ms as it has turned out */
    const struct slice *keys; /* given, or of the matches */
    uint32_t keys_count;
    struct matches matches;               /* matched */
    struct samples_series *series;        /* of the targets */
    uint32_t *target_of_key;              /* SAMPLES_NONE: no such host, or no such metric */
    bool tallied;                         /* the targets have tallies, and no points */
    struct rules *rules;                  /* by target; NULL: none is a destination */
    int64_t first_ms;                     /* samples_find_first's */
    int64_t tally_from_ms, tally_last_ms; /* the part of the range that can hold points */
};
enum { SAMPLES_NONE = UINT32_MAX };

/* Of a spec of its own, which the caller fills: points of all times that are there, in place of a
 * request's. samples_over: of `keys_count` series; samples_release in any case. */
struct samples samples_of(struct read *read, uint32_t keys_count);
MUST_USE int samples_over(struct samples *s, const struct fold_series *series);
void samples_release(struct samples *s);

/* has_last and last_ms of each target that has points at full resolution. */
MUST_USE int samples_find_last(struct samples *s);
/* Minutes and hours that are stored are all before; -1: there are none. */
int64_t samples_stored_end(const struct samples *s);
/* No point of any target is before. INT64_MAX: there is none. */
MUST_USE int samples_find_first(struct samples *s, int64_t *out);

/* Where the range begins, and what the series' retention hides. */
MUST_USE int samples_settle(struct samples *s);

/* Points of the range, and what twa needs beside them. */
MUST_USE int samples_collect(struct samples *s);

/* Buckets without points (samples_tally.c), in place of samples_collect, where that is exact;
 * samples_narrow first. */
MUST_USE int samples_narrow(struct samples *s);
bool samples_can_tally(const struct samples *s);
MUST_USE int samples_tally(struct samples *s);
MUST_USE int samples_tallied_rows(struct samples *s, uint32_t target,
                                  const struct aggregator_list *aggregators, uint64_t limit,
                                  struct samples_rows *rows);

/* The answer: rows of each key, or of all. */
MUST_USE int samples_answer(struct samples *s);
/* ... of the series that fit filters, or of their groups. */
MUST_USE int samples_answer_matched(struct samples *s);

/* Rows of a key in time order, cut to the limit only where that spares work; to be freed. */
MUST_USE int samples_rows(struct samples *s, uint32_t key, struct samples_rows *rows);
MUST_USE int samples_rows_push(struct read_guard *guard, struct samples_rows *rows, int64_t time_ms,
                               const double *values);
/* In the order and number asked for, in the answer's own memory. */
MUST_USE int samples_rows_keep(struct samples *s, const struct samples_rows *rows,
                               struct result_sample_rows *out);
void samples_rows_free(struct read_guard *guard, struct samples_rows *rows);

/* Into ascending time; of equal times any order. */
MUST_USE int samples_sort(struct samples *s, struct samples_points *points);

static inline const struct aggregator_list *samples_aggregators(const struct samples_spec *spec,
                                                                uint32_t key)
{
    return &spec->aggregators[spec->aggregators_count > 1 ? key : 0];
}

#endif
