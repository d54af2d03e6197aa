#ifndef QUERY_GATHER_H
#define QUERY_GATHER_H

#include "base/vec.h"
#include "query/fold.h"
#include "query/read.h"

#include <stdint.h>

/* Which series have a point. The catalog knows hosts and items, not which of them have met. So the
 * set is gathered: from the items of compact runs' rows (their summaries, never their points), and
 * from the points of arrival runs and the head. A series of which a point was erased since may have
 * none left, and is asked for by itself. Thread: a worker. Blocks. */

struct gathered_series {
    struct fold_series series;
    bool erased;   /* of it, a point was */
    bool declared; /* where the filter asks for those, too */
    uint64_t hash; /* of the series' numbers: the same in every process (docs/adr/0004) */
};

struct gathered {
    VEC(struct gathered_series) entries; /* in no order */
};

enum { GATHER_ITEMS_MAX = 1000000 }; /* of an environment: more are for nobody to gather whole */

/* Ascending; a count of 0 with an array that is not NULL: none. NULL: all. Of categories and
 * dimensions more than these may be gathered. */
struct gather_filter {
    const uint32_t *categories, *dimensions, *hosts, *items;
    uint32_t categories_count, dimensions_count, hosts_count, items_count;
    bool declared; /* those that are declared, too, whether they have points or not */
};

/* Each once. All zero is empty. 0, LT_ELIMIT and what sources say; gather_free in any case. */
MUST_USE int gather_run(struct read *read, const struct gather_filter *filter,
                        struct gathered *out);
void gather_free(struct read *read, struct gathered *gathered);

#endif
