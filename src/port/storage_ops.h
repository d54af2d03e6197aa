#ifndef PORT_STORAGE_OPS_H
#define PORT_STORAGE_OPS_H

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
    int (*flush_watermark)(struct storage_session *s, uint32_t environment,
                           const struct storage_watermark *watermark);
    int (*flush_block)(struct storage_session *s, uint32_t environment, struct storage_range range,
                       const struct block *block);
    int (*flush_beat)(struct storage_session *s, uint32_t environment, struct storage_range range,
                      const struct beat_block *beat);
    int (*flush_commit)(struct storage_session *s);
    void (*flush_abort)(struct storage_session *s);
    int (*snapshot_begin)(struct storage_session *s, uint32_t environment, uint32_t partition,
                          struct read_guard *guard, uint64_t *next_out);
    int (*snapshot_scan)(struct storage_session *s, const struct block_filter *filter,
                         block_visit *visit, void *arg);
    int (*snapshot_scan_beats)(struct storage_session *s, const struct beat_filter *filter,
                               beat_visit *visit, void *arg);
    void (*snapshot_end)(struct storage_session *s);
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
