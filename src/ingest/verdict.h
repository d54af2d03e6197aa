#ifndef INGEST_VERDICT_H
#define INGEST_VERDICT_H

#include "base/attr.h"
#include "model/kind.h"

#include <stdbool.h>
#include <stdint.h>

/* What becomes of a point whose write depends on what its series holds: TS.INCRBY, BLOCK, IGNORE,
 * retention and NaN under MIN, MAX and SUM, as RedisTimeSeries decides them. Pure. The machine
 * around it is ingest/decider.h.
 */

struct verdict_rules {    /* of the series; all zero: none, and duplicates are folded by LAST */
    enum policy policy;   /* for a time that the series has */
    bool said;            /* the declaration says so: IGNORE works where it says LAST */
    bool blocks;          /* such a point is refused instead */
    bool ignores;         /* a newer point that differs little is dropped: */
    int64_t ignore_ms;    /* ... by at most this, */
    double ignore_value;  /* ... and by at most this */
    int64_t retention_ms; /* a point that is older than the newest by more is refused; 0: none */
};

struct verdict_newest { /* the series' newest point */
    bool any;
    int64_t time_ms;
    double value;
};

enum verdict_what {
    VERDICT_ADD,   /* the value at the time */
    VERDICT_COUNT, /* the newest value and this one, at the time */
};

struct verdict_command {
    enum verdict_what what;
    bool relative;   /* the time is the server's: a count never goes below the newest */
    bool has_policy; /* the command's, which stands in place of the series': */
    bool blocks;
    enum policy policy;
    int64_t time_ms;
    double value;
};

enum verdict_kind {
    VERDICT_STORE,     /* time_ms, value and policy */
    VERDICT_IGNORE,    /* time_ms: the newest point's, and nothing is stored */
    VERDICT_DUPLICATE, /* refused: the series has this time */
    VERDICT_OLD,       /* refused: before the retention */
    VERDICT_BACKWARDS, /* refused: a count before the newest point */
    VERDICT_INFINITE,  /* refused: the sum is no number any more */
    VERDICT_NAN,       /* refused: MIN, MAX, SUM or a count of a number and a NaN */
    VERDICT_LOOK,      /* it matters whether the series has a point at time_ms */
};

struct verdict {
    enum verdict_kind kind;
    int64_t time_ms;
    double value;
    enum policy policy;
};

enum verdict_has { VERDICT_UNKNOWN, VERDICT_HAS_NOT, VERDICT_HAS_NUMBER, VERDICT_HAS_NAN };

/* A NaN where a number stands is refused by MIN, MAX and SUM; a number where a NaN stands is not,
 * and takes its place: knowing would cost each such write its owner. */
static inline bool verdict_asks_for_nan(enum policy policy, double value)
{
    return value != value && (policy == POLICY_MIN || policy == POLICY_MAX || policy == POLICY_SUM);
}

/* has: does the series have a point at the command's time? Asked for only where it is older than
 * the newest. */
struct verdict verdict_of(const struct verdict_rules *rules, const struct verdict_newest *newest,
                          const struct verdict_command *command, enum verdict_has has);

/* What the newest point is once the verdict's is stored. */
void verdict_apply(struct verdict_newest *newest, const struct verdict *verdict);

#endif
