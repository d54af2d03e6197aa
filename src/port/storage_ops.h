#ifndef PORT_STORAGE_OPS_H
#define PORT_STORAGE_OPS_H

#include "base/buffer.h"
#include "base/slice.h"
#include "model/block.h"
#include "port/guard.h"
#include "port/storage_types.h"

#include <stdint.h>

/* What an adapter of port/storage.h fills in; callers use that header's functions, which say what
 * each of these does. */

struct storage;
struct storage_session;

struct storage_ops {
    int (*session_create)(struct storage *storage, struct storage_session **out);
    void (*session_destroy)(struct storage_session **session);
    int (*prepare)(struct storage_session *s, uint32_t partitions, const uint32_t *environments,
                   uint32_t environments_count);
    int (*lease_take)(struct storage_session *s, uint32_t partition, struct slice owner, int ttl_ms,
                      struct storage_progress *out);
    int (*lease_renew)(struct storage_session *s, uint32_t partition, uint64_t epoch, int ttl_ms);
    int (*lease_raise)(struct storage_session *s, uint32_t partition, uint64_t epoch, uint64_t to);
    int (*lease_owner)(struct storage_session *s, uint32_t partition, struct buffer *out);
    int (*lease_release)(struct storage_session *s, uint32_t partition, uint64_t epoch);
    int (*load)(struct storage_session *s, uint32_t partition, const uint32_t *environments,
                uint32_t environments_count, const struct storage_loader *loader,
                struct storage_progress *out);
    int (*progress)(struct storage_session *s, uint32_t partition, struct storage_progress *out);
    int (*tables_ensure)(struct storage_session *s, uint32_t environment,
                         const struct storage_range *ranges, uint32_t count);
    int (*flush_begin)(struct storage_session *s, const struct storage_flush *flush);
    int (*flush_name)(struct storage_session *s, uint32_t environment,
                      const struct storage_name *name);
    int (*flush_text)(struct storage_session *s, uint32_t environment,
                      const struct storage_item_text *text);
    int (*flush_series)(struct storage_session *s, uint32_t environment,
                        const struct storage_series *series);
    int (*flush_doom)(struct storage_session *s, uint32_t environment,
                      const struct storage_doom *doom);
    int (*flush_clear)(struct storage_session *s, uint32_t environment);
    int (*flush_watermark)(struct storage_session *s, uint32_t environment,
                           const struct storage_watermark *watermark);
    int (*flush_block)(struct storage_session *s, uint32_t environment, struct storage_range range,
                       const struct block *block);
    int (*flush_beat)(struct storage_session *s, uint32_t environment, struct storage_range range,
                      const struct beat_block *beat);
    int (*flush_commit)(struct storage_session *s);
    void (*flush_abort)(struct storage_session *s);
    int (*seen_put)(struct storage_session *s, const struct storage_fence *fence,
                    uint32_t environment, const struct storage_seen *pages, uint32_t count);
    int (*snapshot_begin)(struct storage_session *s, uint32_t environment, uint32_t partition,
                          struct read_guard *guard, uint64_t *next_out);
    int (*snapshot_scan)(struct storage_session *s, const struct block_filter *filter,
                         block_visit *visit, void *arg);
    int (*snapshot_scan_beats)(struct storage_session *s, const struct beat_filter *filter,
                               beat_visit *visit, void *arg);
    void (*snapshot_clear)(struct storage_session *s);
    void (*snapshot_end)(struct storage_session *s);

    /* port/storage_runs.h, storage_reads.h */
    int (*runs)(struct storage_session *s, uint32_t environment, struct read_guard *guard,
                storage_run_visit *visit, void *arg);
    int (*runs_close)(struct storage_session *s, const struct storage_fence *fence,
                      uint32_t environment, struct storage_range range, uint32_t *closed_out);
    int (*run_create)(struct storage_session *s, const struct storage_fence *fence,
                      uint32_t environment, const struct storage_run *like,
                      struct storage_run *out);
    int (*run_put_pack)(struct storage_session *s, uint32_t environment,
                        const struct storage_run *run, const struct storage_pack *pack);
    int (*run_put_rank)(struct storage_session *s, uint32_t environment,
                        const struct storage_run *run, const struct storage_rank *rank);
    int (*run_put_total)(struct storage_session *s, uint32_t environment,
                         const struct storage_run *run, const struct storage_total *total);
    int (*run_put_beats)(struct storage_session *s, uint32_t environment,
                         const struct storage_run *run, const struct storage_beats *beats);
    int (*run_put_block)(struct storage_session *s, uint32_t environment,
                         const struct storage_run *run, const struct block *block);
    int (*run_flush)(struct storage_session *s);
    int (*runs_publish)(struct storage_session *s, const struct storage_fence *fence,
                        uint32_t environment, const struct storage_run *in, uint32_t in_count,
                        const uint64_t *out, uint32_t out_count);
    int (*run_drop)(struct storage_session *s, const struct storage_fence *fence,
                    uint32_t environment, uint64_t id);
    int (*note_put)(struct storage_session *s, const struct storage_fence *fence,
                    uint32_t environment, struct slice name, struct slice text);
    int (*note_get)(struct storage_session *s, uint32_t environment, struct slice name,
                    struct buffer *out);
    int (*reader_begin)(struct storage_session *s, uint32_t environment, struct read_guard *guard);
    void (*reader_end)(struct storage_session *s);
    const struct storage_run *(*snapshot_runs)(struct storage_session *s, uint32_t *count_out);
    int (*run_groups)(struct storage_session *s, const struct storage_run *run,
                      storage_group_visit *visit, void *arg);
    int (*run_scan)(struct storage_session *s, const struct storage_run *run,
                    const struct block_filter *filter, block_visit *visit, void *arg);
    int (*runs_packs)(struct storage_session *s, const struct storage_run *const *runs,
                      uint32_t count, const struct block_filter *filter, enum storage_want want,
                      storage_pack_visit *visit, void *arg);
    int (*run_ranks)(struct storage_session *s, const struct storage_run *run,
                     const struct storage_rank_filter *filter, storage_rank_visit *visit,
                     void *arg);
    int (*run_totals)(struct storage_session *s, const struct storage_run *run,
                      const struct storage_total_filter *filter, storage_total_visit *visit,
                      void *arg);
    int (*run_beats)(struct storage_session *s, const struct storage_run *run,
                     const struct beat_filter *filter, storage_beats_visit *visit, void *arg);
    int (*tables)(struct storage_session *s, uint32_t environment, struct read_guard *guard,
                  storage_table_visit *visit, void *arg);

    int (*interrupt)(struct storage_session *s, uint64_t connection);
    void (*destroy)(struct storage **storage);
};

struct storage {
    const struct storage_ops *ops;
};
struct storage_session {
    const struct storage_ops *ops;
};

#endif
