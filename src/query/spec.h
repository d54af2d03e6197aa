#ifndef QUERY_SPEC_H
#define QUERY_SPEC_H

#include "base/arena.h"
#include "query/query.h"

/* A copy of spec whose texts live in arena; the environment and the command's name are the
 * caller's, for good. LT_ENOMEM. */
MUST_USE int spec_copy(struct arena *arena, const struct query_spec *spec, struct query_spec *out);

#endif
