#ifndef MODEL_FILTER_H
#define MODEL_FILTER_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Which series are meant by their labels, in RedisTimeSeries' language: all terms must hold.
 *
 *   l=v  l=(a,b)     the series has label l, and its value is v, or one of them
 *   l!=v l!=(a,b)    it has not: it has another value, or no such label
 *   l=               it has no label l
 *   l!=              it has one
 *
 * The label ends at the first '='. Blanks are part of names and values; quotes around a value are
 * not, and what stands in them may hold ( ) and ,. Names and values are case-sensitive. At least
 * one term must be of the first kind. Pure. */

struct filter_term {
    struct slice label;
    bool negated;
    const struct slice *values; /* none: "l=" or, negated, "l!=" */
    uint32_t count;
};

struct filter {
    struct filter_term *terms;
    uint32_t count;
};

enum { FILTER_VALUES_MAX = 4096 }; /* of all terms */

/* Copies nothing but what has to be put together: the texts must live as long. LT_EINVALID:
 * *why_out is an error for the client, in the reference's first words. LT_ENOMEM. */
MUST_USE int filter_parse(struct arena *arena, const struct slice *texts, uint32_t count,
                          struct filter *out, const char **why_out);

/* value NULL: the series has no such label. */
bool filter_term_fits(const struct filter_term *term, const struct slice *value);

/* A term that only series with this label can fit. */
static inline bool filter_term_asks(const struct filter_term *term)
{
    return term->negated ? term->count == 0 : term->count > 0;
}

/* The labels that every series has, by its name: host metric category item dimension (DESIGN
 * section 2). One that is empty is not there. A label that a client declared wins over them. */
enum implied {
    IMPLIED_HOST,
    IMPLIED_METRIC,
    IMPLIED_CATEGORY,
    IMPLIED_ITEM,
    IMPLIED_DIMENSION,
    IMPLIED_NONE, /* no such label */
};
enum { IMPLIED_COUNT = IMPLIED_NONE };
enum implied implied_find(struct slice label);

#endif
