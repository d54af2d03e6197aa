#ifndef PORT_STORAGE_READS_H
#define PORT_STORAGE_READS_H

#include "base/attr.h"
#include "model/block.h"
#include "port/guard.h"
#include "port/storage_ops.h"
#include "port/storage_types.h"

#include <stdint.h>

/* Reading runs (port/storage_runs.h), within an open snapshot (storage_snapshot_begin), or after
 * storage_reader_begin, which opens none: for runs that no longer change (CLOSED, IN_FORCE) both
 * give the same, so that several sessions can share one read. The guard stops every statement and
 * counts rows and bytes. All return LT_EUNAVAILABLE where neither is open. */

MUST_USE static inline int storage_reader_begin(struct storage_session *s, uint32_t environment,
                                                struct read_guard *guard)
{
    return s->ops->reader_begin(s, environment, guard);
}
static inline void storage_reader_end(struct storage_session *s)
{
    s->ops->reader_end(s);
}

/* The runs in force in the open snapshot, by range descending, the catch-all's first. Lives until
 * the snapshot's end. */
static inline const struct storage_run *storage_snapshot_runs(struct storage_session *s,
                                                              uint32_t *count_out)
{
    return s->ops->snapshot_runs(s, count_out);
}

/* What (category, dimension, host) a run has points of, ascending. */
MUST_USE static inline int storage_run_groups(struct storage_session *s,
                                              const struct storage_run *run,
                                              storage_group_visit *visit, void *arg)
{
    return s->ops->run_groups(s, run, visit, arg);
}

/* One arrival run's rows, or one 1-second compact run's points, as blocks: within (category,
 * dimension, host) in log order, fresh or not as the filter says. Compact runs: fresh only, lo 0.
 */
MUST_USE static inline int storage_run_scan(struct storage_session *s,
                                            const struct storage_run *run,
                                            const struct block_filter *filter, block_visit *visit,
                                            void *arg)
{
    return s->ops->run_scan(s, run, filter, visit, arg);
}
/* Observation rows as they are, run after run as they are listed, of each by (category, dimension,
 * host, first item, part): those that can hold one of filter->items at one of its times;
 * filter->fresh is of no matter, and of more than 1,000 hosts rows of others between them may come
 * too. want: the bodies. Many runs cost little more than one, but for what they hold. What few
 * items (16, times hosts, times dimensions) of named hosts cost does not depend on what a run
 * holds. */
MUST_USE static inline int storage_runs_packs(struct storage_session *s,
                                              const struct storage_run *const *runs, uint32_t count,
                                              const struct block_filter *filter,
                                              enum storage_want want, storage_pack_visit *visit,
                                              void *arg)
{
    return s->ops->runs_packs(s, runs, count, filter, want, visit, arg);
}
MUST_USE static inline int storage_run_packs(struct storage_session *s,
                                             const struct storage_run *run,
                                             const struct block_filter *filter,
                                             enum storage_want want, storage_pack_visit *visit,
                                             void *arg)
{
    return storage_runs_packs(s, &run, 1, filter, want, visit, arg);
}
/* Rank rows, by (host, number). filter->hosts and numbers in any count. */
MUST_USE static inline int storage_run_ranks(struct storage_session *s,
                                             const struct storage_run *run,
                                             const struct storage_rank_filter *filter,
                                             storage_rank_visit *visit, void *arg)
{
    return s->ops->run_ranks(s, run, filter, visit, arg);
}
/* Totals summed by the database over hosts, and over equal steps from from_s on; ascending. host is
 * STORAGE_ALL_HOSTS; steps without rows are left out; sum NaN: of one of them it was not finite, or
 * it is not; -0 comes back as 0. */
MUST_USE static inline int storage_run_totals(struct storage_session *s,
                                              const struct storage_run *run,
                                              const struct storage_total_filter *filter,
                                              storage_total_visit *visit, void *arg)
{
    return s->ops->run_totals(s, run, filter, visit, arg);
}
/* A run's heartbeats, by (collector, host, from_s). At 1 s bits, rows as they stand (an arrival run
 * may hold an hour several times; their union is meant); coarser: seconds that reported, by bucket.
 * filter NULL: all of them, as jobs read them. */
MUST_USE static inline int storage_run_beats(struct storage_session *s,
                                             const struct storage_run *run,
                                             const struct beat_filter *filter,
                                             storage_beats_visit *visit, void *arg)
{
    return s->ops->run_beats(s, run, filter, visit, arg);
}

/* Tables as the database counts them, for STATUS and people. */
MUST_USE static inline int storage_tables(struct storage_session *s, uint32_t environment,
                                          struct read_guard *guard, storage_table_visit *visit,
                                          void *arg)
{
    return s->ops->tables(s, environment, guard, visit, arg);
}

#endif
