#ifndef MODEL_PRECISION_H
#define MODEL_PRECISION_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* How much of a category's values compaction keeps: a relative error in parts of 10^9, within which
 * they may be rounded; 0: all of them. A whole number, because it stands in the log and in tables.
 * Pure. */

#define PRECISION_ONE  1000000000U
#define PRECISION_MAX  100000000U /* 0.1: beyond, a value has less than one digit */
#define PRECISION_KEEP UINT32_MAX /* of a declaration: as it is; of a new category 0 */

/* What precision_parse takes, for people. */
#define PRECISION_EXPECTED                                                                         \
    "a relative error from 0.000000001 to 0.1, or 0 for values as they are: 0.001 keeps three "    \
    "digits"

/* "0.001": what is finer than a part is cut off. LT_EINVALID: it is none, or out of bounds. */
MUST_USE int precision_parse(struct slice text, uint32_t *out);

/* As vector_round takes it; 0.001 gives the double 0.001. */
static inline double precision_error(uint32_t precision)
{
    return (double)precision / PRECISION_ONE;
}

#endif
