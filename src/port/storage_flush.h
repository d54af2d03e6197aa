#ifndef PORT_STORAGE_FLUSH_H
#define PORT_STORAGE_FLUSH_H

#include "base/attr.h"
#include "model/block.h"
#include "port/storage_ops.h"
#include "port/storage_types.h"

#include <stdint.h>

/* Flushes: the part of port/storage.h by which a partition's owner stores a segment. Errors as
 * there. */

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
/* All runs of the environment leave, in whatever state, and none that is made of them can enter any
 * more. The flush puts none of its points. */
MUST_USE static inline int storage_flush_clear(struct storage_session *s, uint32_t environment)
{
    return s->ops->flush_clear(s, environment);
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

#endif
