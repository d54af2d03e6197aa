#ifndef AGGREGATION_AGGREGATOR_H
#define AGGREGATION_AGGREGATOR_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The aggregators of TS.* (src/query's RANGE has words of its own). Pure; any thread. Rules of the
 * log name them by number (model/rule.h): the order never changes, new ones come last. */

#define AGGREGATORS(X)                                                                             \
    X(AVG, "avg")                                                                                  \
    X(SUM, "sum")                                                                                  \
    X(MIN, "min")                                                                                  \
    X(MAX, "max")                                                                                  \
    X(RANGE, "range")                                                                              \
    X(COUNT, "count")                                                                              \
    X(FIRST, "first")                                                                              \
    X(LAST, "last")                                                                                \
    X(STD_P, "std.p")                                                                              \
    X(STD_S, "std.s")                                                                              \
    X(VAR_P, "var.p")                                                                              \
    X(VAR_S, "var.s")                                                                              \
    X(TWA, "twa")                                                                                  \
    X(COUNTNAN, "countnan")                                                                        \
    X(COUNTALL, "countall")

enum aggregator {
#define AGGREGATOR_ENUM(name, text) AGGREGATOR_##name,
    AGGREGATORS(AGGREGATOR_ENUM)
#undef AGGREGATOR_ENUM
        AGGREGATOR_KINDS
};
#define AGGREGATOR_EXPECTED                                                                        \
    "avg, sum, min, max, range, count, first, last, std.p, std.s, var.p, var.s, twa, countnan or " \
    "countall"
#define REDUCER_EXPECTED                                                                           \
    "avg, sum, min, max, range, count, std.p, std.s, var.p, var.s, countnan or countall"

/* In lower case, as replies name it. */
const char *aggregator_text(enum aggregator aggregator);
/* In any case. LT_EPARSE. */
MUST_USE int aggregator_parse(struct slice text, enum aggregator *out);

/* All but first, last and twa can also reduce several series to one. */
bool aggregator_reduces(enum aggregator aggregator);

/* Does it look at this value? countnan looks at NaN alone, countall at both, all others at numbers.
 */
bool aggregator_takes(enum aggregator aggregator, double value);

/* In the order asked for; one may stand there twice. */
enum { AGGREGATORS_MAX = 32 };
struct aggregator_list {
    uint8_t v[AGGREGATORS_MAX]; /* enum aggregator */
    uint32_t n;
    uint32_t set; /* bit 1 << aggregator of each */
};

/* "min,max,avg". LT_EPARSE: one is unknown, or missing; LT_ELIMIT: more than AGGREGATORS_MAX. */
MUST_USE int aggregator_list_parse(struct slice text, struct aggregator_list *out);

static inline bool aggregator_list_has(const struct aggregator_list *list, enum aggregator which)
{
    return (list->set >> which & 1) != 0;
}

#endif
