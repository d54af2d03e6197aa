#ifndef PORT_STORAGE_H
#define PORT_STORAGE_H

#include "base/attr.h"
#include "base/slice.h"
#include "model/block.h"
#include "port/guard.h"
#include "port/storage_lease.h"
#include "port/storage_ops.h"
#include "port/storage_types.h"

#include <stdint.h>

/* Durable storage of one shard: progress and lease of each partition, each environment's catalog,
 * and its points in tables per time range. Adapter: mysql/, which alone knows SQL.
 * Flushes: storage_flush.h; runs: storage_runs.h; what readers do with a snapshot:
 * storage_reads.h.
 *
 * A session is one connection; it belongs to one thread at a time, and each of its calls may block,
 * up to the storage's timeouts. It connects when first used and again after it was lost; no
 * transaction outlives a lost connection. All calls but those that say so return
 * - LT_EUNAVAILABLE: no server, or the connection broke before anything could have been committed
 * - LT_ERETRY: deadlock or lock wait: the whole transaction is rolled back; do it again
 * - LT_EFULL: the server has no space left; nothing of the transaction is stored
 * - LT_EIO: any other error of the server, logged with its text. */

/* Never connects. Thread: any. */
MUST_USE static inline int storage_session_create(struct storage *storage,
                                                  struct storage_session **out)
{
    return storage->ops->session_create(storage, out);
}
static inline void storage_session_destroy(struct storage_session **session)
{
    if (*session != NULL)
        (*session)->ops->session_destroy(session);
}

/* Creates databases and tables that are missing. Idempotent; safe from several processes at once.
 */
MUST_USE static inline int storage_prepare(struct storage_session *s, uint32_t partitions,
                                           const uint32_t *environments,
                                           uint32_t environments_count)
{
    return s->ops->prepare(s, partitions, environments, environments_count);
}

/* The catalogs of environments and the partition's progress, all of one snapshot. */
MUST_USE static inline int storage_load(struct storage_session *s, uint32_t partition,
                                        const uint32_t *environments, uint32_t environments_count,
                                        const struct storage_loader *loader,
                                        struct storage_progress *out)
{
    return s->ops->load(s, partition, environments, environments_count, loader, out);
}
MUST_USE static inline int storage_progress_read(struct storage_session *s, uint32_t partition,
                                                 struct storage_progress *out)
{
    return s->ops->progress(s, partition, out);
}

/* A read-only view of one moment: its offset `next` and the rows of exactly the offsets below it.
 * guard stops every statement (LT_ECANCELLED, LT_ETIMEOUT) and counts rows and bytes; it must
 * outlive the snapshot. */
MUST_USE static inline int storage_snapshot_begin(struct storage_session *s, uint32_t environment,
                                                  uint32_t partition, struct read_guard *guard,
                                                  uint64_t *next_out)
{
    return s->ops->snapshot_begin(s, environment, partition, guard, next_out);
}
/* All 1-second runs in force that can hold the filter's times, the catch-all's included; newest
 * range first, the catch-all's before them; those of a range by id. */
MUST_USE static inline int storage_snapshot_scan(struct storage_session *s,
                                                 const struct block_filter *filter,
                                                 block_visit *visit, void *arg)
{
    return s->ops->snapshot_scan(s, filter, visit, arg);
}
MUST_USE static inline int storage_snapshot_scan_beats(struct storage_session *s,
                                                       const struct beat_filter *filter,
                                                       beat_visit *visit, void *arg)
{
    return s->ops->snapshot_scan_beats(s, filter, visit, arg);
}
/* The snapshot holds no points from here on: they are gone, but storage does not know it yet. */
static inline void storage_snapshot_clear(struct storage_session *s)
{
    s->ops->snapshot_clear(s);
}
static inline void storage_snapshot_end(struct storage_session *s)
{
    s->ops->snapshot_end(s);
}

/* Ends the statement that runs on another session's connection (KILL QUERY). s is a session of the
 * caller's own. */
static inline int storage_interrupt(struct storage_session *s, uint64_t connection)
{
    return s->ops->interrupt(s, connection);
}

static inline void storage_destroy(struct storage **storage)
{
    if (*storage != NULL)
        (*storage)->ops->destroy(storage);
}

#endif
