#ifndef PORT_STORAGE_RUNS_H
#define PORT_STORAGE_RUNS_H

#include "base/attr.h"
#include "model/block.h"
#include "port/guard.h"
#include "port/storage_ops.h"
#include "port/storage_types.h"

#include <stdint.h>

/* Runs: the part of port/storage.h that jobs, reads and tools share (docs/adr/0008-runs.md).
 *
 * A run is a set of tables of one environment, resolution and range that enters and leaves the
 * manifest as one:
 *
 *   arrival   rows as flushes wrote them, in log order: points, heartbeats
 *   compact   the same points, each once, in reading order: observation rows, rank rows, minute
 *             totals, heartbeats. Never changes once it is in force
 *
 *             create          open: flushes write     close                  publish
 *   arrival   --------------> OPEN -------------------------> CLOSED ---------------------> LEFT ->
 * drop compact   --> BUILDING -- put … -- publish --> IN_FORCE ---- publish of its successor -->
 * LEFT -> drop
 *
 * In force are OPEN, CLOSED and IN_FORCE; together they hold every stored point once. publish moves
 * any number of runs out and others in, in one small transaction that holds the partition's fence,
 * so that a reader's snapshot sees all of it or nothing, and a job that was interrupted at any
 * statement leaves at most a BUILDING run, which nobody reads. A run that has LEFT is dropped after
 * readers that may know it have ended.
 *
 * Run ids grow and are never used twice, and appear in that order: who lists a run has been told of
 * all with smaller ids.
 *
 * Errors as in port/storage.h. Calls with a fence return LT_EFENCED where the epoch is no longer
 * ours; then nothing was changed. All but publish may simply be repeated, also where the outcome is
 * not known, which they call LT_EUNAVAILABLE. */

/* All runs, in every state; by range descending, the catch-all's first, those of a range by id.
 * guard NULL: a session in transaction mode. */
MUST_USE static inline int storage_runs(struct storage_session *s, uint32_t environment,
                                        struct read_guard *guard, storage_run_visit *visit,
                                        void *arg)
{
    return s->ops->runs(s, environment, guard, visit, arg);
}

/* ---- changing them; a session in transaction mode ---- */

/* From here on no flush writes into the range's open arrival runs: the next one opens a new one.
 * *closed_out: how many there were. */
MUST_USE static inline int storage_runs_close(struct storage_session *s,
                                              const struct storage_fence *fence,
                                              uint32_t environment, struct storage_range range,
                                              uint32_t *closed_out)
{
    return s->ops->runs_close(s, fence, environment, range, closed_out);
}

/* Begins a run. *out: BUILDING, with its id. kind, resolution and range are taken from `like`. An
 * arrival run made so is for publish too (a job that rewrites one). Each of its tables is made with
 * the first row that is put; to read it, list it again. */
MUST_USE static inline int storage_run_create(struct storage_session *s,
                                              const struct storage_fence *fence,
                                              uint32_t environment, const struct storage_run *like,
                                              struct storage_run *out)
{
    return s->ops->run_create(s, fence, environment, like, out);
}

/* Rows of a BUILDING run, all from one session. Buffered, up to 20 MiB a table; written in batches,
 * each its own transaction. Slices are copied before the call returns. Any order, each primary key
 * once (sorted is cheapest). run_flush writes the rest. After an error the session forgets what was
 * not written, and the run is good for nothing but drop. */
MUST_USE static inline int storage_run_put_pack(struct storage_session *s, uint32_t environment,
                                                const struct storage_run *run,
                                                const struct storage_pack *pack)
{
    return s->ops->run_put_pack(s, environment, run, pack);
}
MUST_USE static inline int storage_run_put_rank(struct storage_session *s, uint32_t environment,
                                                const struct storage_run *run,
                                                const struct storage_rank *rank)
{
    return s->ops->run_put_rank(s, environment, run, rank);
}
MUST_USE static inline int storage_run_put_total(struct storage_session *s, uint32_t environment,
                                                 const struct storage_run *run,
                                                 const struct storage_total *total)
{
    return s->ops->run_put_total(s, environment, run, total);
}
/* bits at 1 s (also of an arrival run that is being rewritten), counts where coarser. */
MUST_USE static inline int storage_run_put_beats(struct storage_session *s, uint32_t environment,
                                                 const struct storage_run *run,
                                                 const struct storage_beats *beats)
{
    return s->ops->run_put_beats(s, environment, run, beats);
}
/* A row of an arrival run that is being rewritten: block->lo, fresh and the order of calls are
 * kept. */
MUST_USE static inline int storage_run_put_block(struct storage_session *s, uint32_t environment,
                                                 const struct storage_run *run,
                                                 const struct block *block)
{
    return s->ops->run_put_block(s, environment, run, block);
}
MUST_USE static inline int storage_run_flush(struct storage_session *s)
{
    return s->ops->run_flush(s);
}

/* One transaction: the fence holds, each of `out` is in force (and CLOSED, if arrival) and leaves,
 * each of `in` is BUILDING and enters (IN_FORCE, arrival: CLOSED), with the sources and counts that
 * it carries. All their rows were flushed. in_count 0: retention. LT_EDIVERGED: one of them was not
 * so; nothing changed. LT_EOUTCOME: list the runs, then decide. (It may still be in flight: then
 * the fence of what is tried next waits for it, and the states are no longer those that were asked
 * for.)
 */
MUST_USE static inline int storage_runs_publish(struct storage_session *s,
                                                const struct storage_fence *fence,
                                                uint32_t environment, const struct storage_run *in,
                                                uint32_t in_count, const uint64_t *out,
                                                uint32_t out_count)
{
    return s->ops->runs_publish(s, fence, environment, in, in_count, out, out_count);
}

/* BUILDING or LEFT only, else LT_EDIVERGED; one that is gone already is 0. LT_ERETRY: somebody
 * still reads its tables. */
MUST_USE static inline int storage_run_drop(struct storage_session *s,
                                            const struct storage_fence *fence, uint32_t environment,
                                            uint64_t id)
{
    return s->ops->run_drop(s, fence, environment, id);
}

/* A job's own memory: a small text by name in the environment's database; "" if there is none. */
MUST_USE static inline int storage_note_put(struct storage_session *s,
                                            const struct storage_fence *fence, uint32_t environment,
                                            struct slice name, struct slice text)
{
    return s->ops->note_put(s, fence, environment, name, text);
}
MUST_USE static inline int storage_note_get(struct storage_session *s, uint32_t environment,
                                            struct slice name, struct buffer *out)
{
    return s->ops->note_get(s, environment, name, out);
}

/* ---- when items were seen ---- */

/* Replaces pages of hours, in a transaction of its own; a page whose count grew is written whole.
 * LT_EFENCED: the epoch is no longer ours, nothing is written. After any other error none or all of
 * it is stored: repeating is harmless. */
MUST_USE static inline int storage_seen_put(struct storage_session *s,
                                            const struct storage_fence *fence, uint32_t environment,
                                            const struct storage_seen *pages, uint32_t count)
{
    return s->ops->seen_put(s, fence, environment, pages, count);
}

#endif
