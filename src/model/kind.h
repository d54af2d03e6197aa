#ifndef MODEL_KIND_H
#define MODEL_KIND_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The values of these enums stand in records and rows: they are never renumbered. */

/* What a category's values are. */
enum kind {
    KIND_GAUGE = 0, /* a level: the default */
    KIND_DELTA = 1, /* what happened since the last point: sums make sense, zeros may be inferred */
    KIND_COUNTER = 2, /* a total that grows and may restart */
};

/* What happens to a point whose (series, time) exists already. Applied in log order. */
enum policy {
    POLICY_LAST = 0,
    POLICY_FIRST = 1,
    POLICY_MIN = 2,
    POLICY_MAX = 3,
    POLICY_SUM = 4,
    POLICY_ERASE = 5, /* a deletion: what was there before it is gone; its value means nothing */
    POLICY_DECLARED = 15, /* in records alone: what the series declares where the record stands */
};
enum { POLICY_COUNT = 5, POLICY_STORED_COUNT = 6 }; /* ERASE is no client's to ask for */

const char *kind_text(enum kind kind);
const char *policy_text(enum policy policy);

/* Case-insensitive. 0 or LT_EINVALID. */
MUST_USE int kind_parse(struct slice text, enum kind *out);
MUST_USE int policy_parse(struct slice text, enum policy *out);

/* The value after `next` arrives for a point that holds `now`. NaN: MIN, MAX and SUM keep the
 * number; LAST and FIRST treat it as any value. */
double policy_fold(enum policy policy, double now, double next);

/* One step of folding a (series, time) in log order: *present_inout and *value_inout are what it
 * holds before and after. The first to arrive is taken as it is, whatever its policy. */
static inline void policy_step(enum policy policy, double next, bool *present_inout,
                               double *value_inout)
{
    if (policy == POLICY_ERASE) {
        *present_inout = false;
        return;
    }
    *value_inout = *present_inout ? policy_fold(policy, *value_inout, next) : next;
    *present_inout = true;
}

#endif
