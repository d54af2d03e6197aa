#ifndef QUERY_COVER_H
#define QUERY_COVER_H

#include "port/storage_types.h"
#include "query/scratch.h"

#include <stdbool.h>
#include <stdint.h>

/* Which resolution serves which hours of RANGE. Pure.
 *
 * A coarser run may serve an hour if the step is at least 10 of its buckets, and if it holds all
 * that is known of the hour: no arrival run of the hour is in force, no 1-second run with an id
 * above the coarser run's sources, and the caller knows of no other points there (head, catch-all).
 * Of several the coarsest serves. Else the hour's compact 1-second runs do by minute (minutes.h),
 * under the same conditions: no arrival run, no other points, a step of 10 minutes or more. Any
 * number of them: each holds points that the others do not; minutes that the range's bounds cut are
 * read by second all the same. Else 1-second data does. An hour of a
 * day before the oldest 1-second run has expired: it is served by the finest coarser run that there
 * is, whatever the step: better lumpy than silent. */

struct cover_part {
    int64_t from_ms, to_ms;        /* [from, to) */
    const struct storage_run *run; /* coarser; NULL: 1-second data, and the head */
    bool minutes;                  /* run NULL: of compact runs only, by minute */
    bool expired; /* only the coarser run has these hours: what the head and the catch-all have of
                     them comes on top, if it is known to be new */
};

struct cover {
    struct cover_part *parts; /* ascending, without gaps; in the scratch */
    uint32_t count;
    uint32_t resolution_s; /* the coarsest that serves any of it */
};

enum { COVER_HOUR_S = 3600, COVER_STEP_BUCKETS = 10 };

/* Intervals of a fixed length, from an origin on. */
struct cover_steps {
    int64_t step_ms;
    /* TS.*: each bucket must lie wholly in one interval and in the range: the step and the origin
     * are multiples of its length, and what the range's ends cut is read by second. Else a bucket
     * counts where it starts. */
    bool exact;
    int64_t origin_ms;
};

/* Is the run one that a part with minutes reads? */
bool cover_has_minutes(const struct storage_run *run, int64_t from_ms, int64_t to_ms);

/* Can anything but 1-second points serve? */
bool cover_may_help(const struct storage_run *runs, uint32_t count, int64_t from_ms, int64_t to_ms,
                    const struct cover_steps *steps);

/* The start of the oldest day that has runs of the resolution, arrival runs included, INT64_MAX
 * where there are none: days expire as a whole (ADR 0013). An hour from then on without a run has
 * never had points, or has them in the head; what is older goes to the catch-all run. */
int64_t cover_oldest(const struct storage_run *runs, uint32_t count, uint32_t resolution_s);

/* runs: in force; they must outlive the cover. dirty_s: starts of hours in which head or catch-all
 * have points, ascending. The scratch's error. */
MUST_USE int cover_plan(const struct storage_run *runs, uint32_t count, const int64_t *dirty_s,
                        uint32_t dirty_count, int64_t from_ms, int64_t to_ms,
                        const struct cover_steps *steps, struct scratch *scratch,
                        struct cover *out);

#endif
