#ifndef QUERY_SOURCE_H
#define QUERY_SOURCE_H

#include "base/attr.h"
#include "model/block.h"
#include "port/guard.h"
#include "port/head.h"
#include "port/storage.h"

#include <pthread.h>
#include <stdint.h>

/* The cut (DESIGN section 4): one view of the head and one storage snapshot, as a single sequence
 * of blocks that holds each point of one moment exactly once.
 *
 *   offsets   0 ............. next ................ applied
 *             [ rows of the snapshot )[ the view's points )
 *
 * The view is pinned first, so that what is flushed between the two steps is in both, and is cut
 * from the view by `next`. Thread: a worker. Blocks. */
struct source {
    struct head *head;
    struct head_view *view;
    struct head_bounds bounds;
    struct storage_session *session; /* NULL: the head alone */
    struct read_guard *guard;
    pthread_mutex_t *connection_lock;
    uint64_t next;
    uint64_t order_floor; /* while blocks are handed over: see source_order */
};

struct source_config {
    struct head *head;
    struct storage_session *session; /* NULL: answer from the head alone */
    struct read_guard *guard;
    pthread_mutex_t *connection_lock; /* held while the snapshot's connection may be interrupted */
    uint32_t environment;
    uint32_t partition;
};

/* LT_EAGAIN: the snapshot is ahead of the view (another process flushed), whose catalog may then
 * lack names: open again when the head has applied source->next. On failure there is nothing to
 * close. */
MUST_USE int source_open(struct source *source, const struct source_config *config);
void source_close(struct source *source);

/* True: offsets between the snapshot and the oldest one in the head are in neither. */
bool source_has_gap(const struct source *source);

/* Stops with LT_ECANCELLED or LT_ETIMEOUT by the guard, which is checked for every block. */
MUST_USE int source_scan(struct source *source, const struct block_filter *filter,
                         block_visit *visit, void *arg);
/* The same without some of the snapshot's runs. */
MUST_USE int source_scan_except(struct source *source, const struct block_filter *filter,
                                const struct storage_run *const *except, uint32_t except_count,
                                block_visit *visit, void *arg);
/* One of the snapshot's runs alone, of 1 second. */
MUST_USE int source_scan_run(struct source *source, const struct storage_run *run,
                             const struct block_filter *filter, block_visit *visit, void *arg);
MUST_USE int source_scan_beats(struct source *source, const struct beat_filter *filter,
                               beat_visit *visit, void *arg);

/* The block's place in log order, during its visit. A segment of the head may begin below `next`,
 * where this process did not do the flush; what the view supplies of it is later than every row all
 * the same. */
static inline uint64_t source_order(const struct source *source, const struct block *block)
{
    return block->lo > source->order_floor ? block->lo : source->order_floor;
}

#endif
