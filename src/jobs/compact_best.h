#ifndef JOBS_COMPACT_BEST_H
#define JOBS_COMPACT_BEST_H

#include "base/attr.h"
#include "base/vec.h"
#include "vector/rank.h"

#include <stdbool.h>
#include <stdint.h>

/* The best RANK_TOP_MAX of any number of entries (rank_entry_before). Holds four times as many and
 * throws away the worst three quarters when full, so that an entry costs about one comparison.
 *
 * Thread: one at a time. Never blocks. */
struct best {
    VEC(struct rank_entry) entries;
    bool full; /* entries below `worst` have no chance */
    struct rank_entry worst;
};

void best_init(struct best *b);
void best_fini(struct best *b);
void best_reset(struct best *b);

/* LT_ENOMEM. */
MUST_USE int best_add(struct best *b, uint32_t item, double value, uint64_t count);

/* Sorts what is left; entries.n <= RANK_TOP_MAX. */
void best_finish(struct best *b);

#endif
