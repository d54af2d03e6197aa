#ifndef QUERY_RULES_H
#define QUERY_RULES_H

#include "model/rule.h"
#include "query/fold.h"
#include "query/read.h"
#include "query/samples.h"

#include <stdbool.h>
#include <stdint.h>

/* The rows of compaction rules' destinations (docs/adr/0024-rules-are-computed.md): computed from
 * the points of their sources, or the stored minutes and hours where these answer, each time they
 * are read. A bucket has a row once the source has a point in a later one; LATEST shows the one
 * before that, too. A row's time is its bucket's start, or 0 where that is before. What the
 * source's retention hides counts all the same. Thread: a worker. Blocks. */

struct rules_row {
    struct fold_series source;
    struct rule rule;  /* its source's text is in the scratch */
    uint32_t series;   /* position in what rules_find was given */
    bool has_newest;   /* the source has a point, and this is its last one; */
    bool newest_bound; /* ... or none is later: its seconds have left */
    int64_t newest_ms;
    struct samples_points points; /* rules_compute's */
};

struct rules {
    struct read *read;
    struct rules_row *v; /* by series, ascending */
    uint32_t count;
    bool settled;          /* newest of all is known, and of the sources: */
    int64_t first_ms;      /* no point is before, */
    int64_t stored_end_ms; /* ... and this is samples_stored_end's */
};

/* Those of the series that are destinations. rules_free in any case. */
MUST_USE int rules_find(struct read *read, const struct fold_series *series, uint32_t count,
                        struct rules *out);
void rules_free(struct rules *rules);

/* The rows of times in [from, last] of each, ascending, into its points. */
MUST_USE int rules_compute(struct rules *rules, int64_t from_ms, int64_t last_ms, bool latest);
/* The last row of each that has one: points has it, or none. */
MUST_USE int rules_compute_last(struct rules *rules, bool latest);

/* Those of a series, or NULL. */
struct rules_row *rules_of(const struct rules *rules, uint32_t series);

/* Puts computed rows among a series' own points, both ascending; at one time its own stands. */
MUST_USE int rules_merge_points(struct read_guard *guard, const struct samples_points *computed,
                                struct samples_points *own);

#endif
