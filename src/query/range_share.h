#ifndef QUERY_RANGE_SHARE_H
#define QUERY_RANGE_SHARE_H

#include "query/crew.h"
#include "query/range.h"

/* Points of many series into tallies, by several workers at once: each adds to tallies of its own,
 * which are joined at the end, so that adding takes no lock.
 *
 *   member 0   bucket 0 [tally of target 0, 1, 2 ...]   bucket 1 [...]   only buckets it has met
 *   member 1   bucket 0 [...]                                 `-- joined --> the targets' tallies
 *
 * By bucket first: points come in the order in which they were written, all series of a second
 * together, so what is added to stands side by side and stays in the cache. */

struct range_share;

/* *out is NULL where it would not pay, or would take too much memory: few targets, or very many
 * tallies; or where it is not possible: points of some must come in time order. LT_ELIMIT,
 * LT_ENOMEM. */
MUST_USE int range_share_create(struct range *r, struct range_share **out);
void range_share_destroy(struct range_share **share);

/* A fold_sink's take; arg is the range, which has the share. Any member. */
MUST_USE int range_share_take(void *arg, const struct crew_member *member,
                              const struct block *block);

/* The read's own worker, when nobody adds any more; once. */
void range_share_join(struct range *r);

#endif
