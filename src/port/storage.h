#ifndef PORT_STORAGE_H
#define PORT_STORAGE_H

#include "base/attr.h"
#include "base/slice.h"
#include "model/block.h"
#include "port/guard.h"
#include "port/storage_ops.h"
#include "port/storage_types.h"

#include <stdint.h>

/* Durable storage of one shard: progress and lease of each partition, each environment's catalog,
 * and its points in tables per time range. Adapter: mysql/, which alone knows SQL.
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

/* Takes a partition whose lease has run out by the database's clock, or is `owner`'s own, and
 * raises the epoch. LT_EHELD: another owner has it. */
MUST_USE static inline int storage_lease_take(struct storage_session *s, uint32_t partition,
                                              struct slice owner, int ttl_ms,
                                              struct storage_progress *out)
{
    return s->ops->lease_take(s, partition, owner, ttl_ms, out);
}
/* LT_EFENCED: the epoch is no longer ours. */
MUST_USE static inline int storage_lease_renew(struct storage_session *s, uint32_t partition,
                                               uint64_t epoch, int ttl_ms)
{
    return s->ops->lease_renew(s, partition, epoch, ttl_ms);
}
/* Lets another owner take over at once. LT_EFENCED is no error here. */
static inline int storage_lease_release(struct storage_session *s, uint32_t partition,
                                        uint64_t epoch)
{
    return s->ops->lease_release(s, partition, epoch);
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

/* Opens an arrival run (port/storage_runs.h) for each range that has none, for a flush to write
 * into. Idempotent; safe from several processes at once. Commits by itself: never between
 * flush_begin and flush_commit. */
MUST_USE static inline int storage_tables_ensure(struct storage_session *s, uint32_t environment,
                                                 const struct storage_range *ranges, uint32_t count)
{
    return s->ops->tables_ensure(s, environment, ranges, count);
}

/* One flush is one transaction: begin, any number of puts, commit. begin moves the progress row by
 * compare-and-set (lo and epoch must match) before anything is written, so that a second owner
 * waits on the row or fails. After any error the transaction is rolled back and the caller starts
 * over with begin. begin: LT_EFENCED (another epoch), LT_EDIVERGED (our epoch, but next is not lo).
 * commit: LT_EOUTCOME where the connection broke while COMMIT was on its way: read the progress,
 * then decide. */
MUST_USE static inline int storage_flush_begin(struct storage_session *s,
                                               const struct storage_flush *flush)
{
    return s->ops->flush_begin(s, flush);
}
/* Names in ascending id within (what, scope); the adapter packs them. */
MUST_USE static inline int storage_flush_name(struct storage_session *s, uint32_t environment,
                                              const struct storage_name *name)
{
    return s->ops->flush_name(s, environment, name);
}
MUST_USE static inline int storage_flush_text(struct storage_session *s, uint32_t environment,
                                              const struct storage_item_text *text)
{
    return s->ops->flush_text(s, environment, text);
}
/* In the order in which they came, after the names and texts of the same flush. Forgetting reads
 * and writes the rows around: 16 pages of 4096 names for each STORAGE_FORGET_SPAN ids. */
MUST_USE static inline int storage_flush_doom(struct storage_session *s, uint32_t environment,
                                              const struct storage_doom *doom)
{
    return s->ops->flush_doom(s, environment, doom);
}
/* In the order in which they came. */
MUST_USE static inline int storage_flush_series(struct storage_session *s, uint32_t environment,
                                                const struct storage_series *series)
{
    return s->ops->flush_series(s, environment, series);
}
MUST_USE static inline int storage_flush_watermark(struct storage_session *s, uint32_t environment,
                                                   const struct storage_watermark *watermark)
{
    return s->ops->flush_watermark(s, environment, watermark);
}
/* Block and beat: LT_EAGAIN where the range's run was closed since tables_ensure (a job takes it):
 * rolled back; ensure, begin and put again, at once.
 *
 * block->lo must be flush.lo. Blocks of equal (range, category, dimension, host, fresh) are stored,
 * and handed out by scans, in the order of the calls. Any count; the adapter cuts rows to size. */
MUST_USE static inline int storage_flush_block(struct storage_session *s, uint32_t environment,
                                               struct storage_range range,
                                               const struct block *block)
{
    return s->ops->flush_block(s, environment, range, block);
}
MUST_USE static inline int storage_flush_beat(struct storage_session *s, uint32_t environment,
                                              struct storage_range range,
                                              const struct beat_block *beat)
{
    return s->ops->flush_beat(s, environment, range, beat);
}
MUST_USE static inline int storage_flush_commit(struct storage_session *s)
{
    return s->ops->flush_commit(s);
}
static inline void storage_flush_abort(struct storage_session *s)
{
    s->ops->flush_abort(s);
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
