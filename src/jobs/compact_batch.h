#ifndef JOBS_COMPACT_BATCH_H
#define JOBS_COMPACT_BATCH_H

#include "base/attr.h"
#include "base/vec.h"
#include "model/block.h"
#include "port/storage_types.h"

#include <stdbool.h>
#include <stdint.h>

/* Groups that are read together, so that a thousand hosts with a few series each do not cost a
 * thousand statements. What a batch asks for is exactly its groups: whole dimensions of a category;
 * or consecutive hosts of one; or a single group with many points, which is read by itself. Pure.
 */

enum { BATCH_POINTS_MAX = 1 << 22 }; /* of groups that share one: 64 MiB while gathered */

struct batch {
    uint32_t first, count; /* of groups */
    VEC(uint32_t) dimensions;
    VEC(uint32_t) hosts; /* none: all of the dimensions' */
};

void batch_init(struct batch *b);
void batch_fini(struct batch *b);

/* The batch that begins at groups[first]; first < n; groups ascend. LT_ENOMEM. */
MUST_USE int batch_take(struct batch *b, const struct storage_group *groups, uint32_t n,
                        uint32_t first);

/* What to ask for, but for times and freshness. Borrows from the batch. */
struct block_filter batch_filter(const struct batch *b, const struct storage_group *groups);

#endif
