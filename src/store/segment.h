#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/hash.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "model/block.h"
#include "model/kind.h"
#include "port/storage_types.h"

#include <stdatomic.h>
#include <stdint.h>

/* A piece of the head: the points of offsets [lo, hi), in columns, grouped by what one row will
 * hold.
 *
 *   segment -> group (environment, category, dimension, host, hour, fresh) -> chunk -> chunk -> ...
 *                chunk: | times i64 | values f64 | ordinals u32 | items u32 | policies u8 |
 *
 * One writer (the consumer) appends; readers on any thread scan at the same time and take no lock:
 * groups and chunks are lists that only grow, and a chunk's count is published after its columns.
 * What a reader may see is cut by ordinal = offset - lo, which never falls within a group.
 * Reference counted: a segment and all its memory go with the last view or list that holds it. */

struct segment_chunk;

/* As category: heartbeats. The dimension is then the collector, the item the second within the
 * hour. */
enum { SEGMENT_BEATS = UINT32_MAX };
enum { SEGMENT_CLEARS_NONE = UINT32_MAX };

struct segment_group {
    uint32_t environment;
    uint32_t category;
    uint32_t dimension;
    uint32_t host;
    int64_t hour_s; /* the hour's first second */
    bool fresh;
    struct segment_group *_Atomic next;
    struct segment_chunk *_Atomic first;
    struct segment_chunk *last; /* the writer's */
};

struct segment_watermark {
    uint32_t environment, host, collector;
    int64_t max_ms;
};

struct segment_catalog { /* what one environment's catalog had when the segment opened and closed */
    struct catalog *catalog;
    struct catalog_mark from, to;
};

struct segment {
    _Atomic uint32_t refs;
    uint64_t lo;
    /* SEGMENT_CLEARS_NONE, or the environment that its only record clears: what stands before, in
     * the head or stored, is gone. */
    _Atomic uint32_t clears;
    _Atomic uint64_t hi; /* offsets below it are complete; final once sealed */
    int64_t opened_mono_ms;
    uint64_t checksum;                  /* of record hi - 1 */
    struct storage_log_epoch log_epoch; /* the highest of its records. The writer's */
    uint64_t points;                    /* the writer's */
    struct arena arena;
    struct segment_group *_Atomic groups;
    struct segment_group *last_group;
    struct hash_index group_index; /* the writer's */
    VEC(struct segment_group *) group_list;
    VEC(struct segment_watermark) watermarks; /* the writer's until sealed */
    struct segment_catalog *catalogs;
    uint32_t catalogs_count;
    _Atomic size_t bytes;
};

/* catalogs: borrowed; the segment takes references. */
MUST_USE int segment_create(uint64_t lo, struct catalog *const *catalogs, uint32_t catalogs_count,
                            struct segment **out);
struct segment *segment_ref(struct segment *segment);
void segment_unref(struct segment **segment);

/* Writer. The group of a key, made on first sight. NULL: out of memory. */
MUST_USE struct segment_group *segment_group(struct segment *segment, uint32_t environment,
                                             uint32_t category, uint32_t dimension, uint32_t host,
                                             int64_t hour_s, bool fresh);

/* Writer. Appends one point of the record at `offset`. LT_ENOMEM. */
MUST_USE int segment_append(struct segment *segment, struct segment_group *group, uint64_t offset,
                            uint32_t item, int64_t time_ms, double value, enum policy policy);

/* Writer. The record at `offset` is in as a whole. */
void segment_publish(struct segment *segment, uint64_t offset, uint64_t checksum);

/* Writer. There will be no more appends. */
void segment_seal(struct segment *segment);

/* Any thread. Blocks of the points with offsets in [from, to). */
MUST_USE int segment_scan(struct segment *segment, uint32_t environment, uint64_t from, uint64_t to,
                          const struct block_filter *filter, block_visit *visit, void *arg);
MUST_USE int segment_scan_beats(struct segment *segment, uint32_t environment, uint64_t from,
                                uint64_t to, const struct beat_filter *filter, beat_visit *visit,
                                void *arg);

/* Any thread, on a sealed segment: a group's chunks as blocks, in order; a beat group's as one
 * bitmap. */
MUST_USE int segment_group_blocks(const struct segment *segment, const struct segment_group *group,
                                  block_visit *visit, void *arg);
void segment_group_beats(const struct segment_group *group, uint8_t bits[BEAT_BYTES]);

static inline int64_t segment_hour_of(int64_t time_ms)
{
    return time_ms / 3600000 * 3600;
}

#endif
