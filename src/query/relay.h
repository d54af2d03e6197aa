#ifndef QUERY_RELAY_H
#define QUERY_RELAY_H

#include "base/attr.h"
#include "model/block.h"
#include "query/crew.h"

/* The blocks of a scan, visited by several workers while the scan goes on:
 *
 *   read's own worker   scan ... batch full, scan ...      batch full, joins in, scan ...
 *   helpers                       `- open bodies, visit ...      `- ...
 *
 * Sealed blocks (model/block.h) are copied into the batch and opened by whoever visits them; of
 * blocks that stay only their columns' places are kept. All others are visited at once, by the
 * read's own worker. Two batches: one fills while the other is worked on. Their bytes, and what
 * opening takes, are charged to the guard.
 *
 * Thread: the read's own worker. Blocks while both batches are full. */

struct relay;

/* A block that is not sealed. Any thread, a member's one after the other. Which member gets which
 * block is not known, nor is their order. */
typedef int relay_visit(void *arg, const struct crew_member *member, const struct block *block);

MUST_USE int relay_create(struct read *read, relay_visit *visit, void *arg, struct relay **out);
/* When nobody works any more; what was not visited then is dropped. */
void relay_destroy(struct relay **relay);

/* The first error of any member, from now on; LT_ELIMIT, LT_ENOMEM. */
MUST_USE int relay_block(struct relay *relay, const struct block *block);

/* The block as it is when opened; its columns live until the next call. For blocks that are not to
 * be relayed. */
MUST_USE int relay_open(struct relay *relay, const struct block *block, struct block *out);

/* Returns when all have been visited, or the first error. */
MUST_USE int relay_finish(struct relay *relay);

#endif
