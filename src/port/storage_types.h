#ifndef PORT_STORAGE_TYPES_H
#define PORT_STORAGE_TYPES_H

#include "base/slice.h"
#include "port/storage_names.h"
#include "port/storage_run.h"

#include <stdint.h>

/* What storage (port/storage.h) takes and hands out. */

/* What a record of the log announced (docs/adr/0021-decided-points.md). */
struct storage_log_epoch {
    uint64_t epoch; /* 0: none */
    uint64_t offset;
};

struct storage_progress {
    uint64_t next;     /* the first offset that is not stored */
    uint64_t checksum; /* hash_bytes of record next - 1; 0 while next is 0 */
    uint64_t epoch;
    struct storage_log_epoch log_epoch; /* the highest that is below next. Of a load only */
};

struct storage_flush { /* offsets [lo, hi) of a partition */
    uint32_t partition;
    uint64_t epoch;
    uint64_t lo;
    uint64_t hi;
    uint64_t checksum;                  /* of record hi - 1 */
    struct storage_log_epoch log_epoch; /* the highest of these offsets */
};

/* ---- runs: port/storage_runs.h ---- */

/* Who may change a partition's environments: the epoch must be the one stored. */
struct storage_fence {
    uint32_t partition;
    uint64_t epoch;
};

enum { STORAGE_ALL_HOSTS = UINT32_MAX };

struct storage_pack { /* an observation row: vector/pack.h, rollup.h, minutes.h */
    uint32_t category, dimension, host;
    uint32_t first_item, part, last_item;
    uint32_t items;
    uint64_t points;
    int64_t min_ms, max_ms;
    struct slice summaries, vectors, minutes; /* p NULL: not asked for, or no minutes */
    const struct storage_run *run;            /* as read: of those asked for */
};
enum storage_want {
    STORAGE_SUMMARIES = 1,
    STORAGE_VECTORS = 2,
    STORAGE_MINUTES = 4,
    STORAGE_BY_MINUTE = 8, /* minutes, or else vectors: what minutes_open takes */
};
typedef int storage_pack_visit(void *arg, const struct storage_pack *pack);

enum storage_rank_kind {
    STORAGE_RANK_TOTAL = 1,
    STORAGE_RANK_TOP = 2,
    STORAGE_RANK_PAGE = 3,
    STORAGE_RANK_MINUTES = 4,
};
struct storage_rank { /* vector/rank.h, rank_minutes.h */
    uint32_t category, dimension;
    uint32_t host; /* or STORAGE_ALL_HOSTS */
    enum storage_rank_kind kind;
    uint32_t number; /* of the chunk, page or row; 0 for totals */
    struct slice body;
};
struct storage_rank_filter { /* borrowed */
    uint32_t category, dimension;
    const uint32_t *hosts; /* ascending; may hold STORAGE_ALL_HOSTS. NULL: that alone */
    uint32_t hosts_count;
    enum storage_rank_kind kind;
    const uint32_t *numbers; /* ascending; NULL: from first to last */
    uint32_t numbers_count;
    uint32_t first, last; /* inclusive */
};
typedef int storage_rank_visit(void *arg, const struct storage_rank *rank);

struct storage_total { /* of a (category, dimension), host or all hosts, and minute (or hour) */
    uint32_t category, dimension;
    uint32_t host; /* or STORAGE_ALL_HOSTS */
    int64_t from_s;
    uint64_t count;
    double sum, min, max; /* min, max NaN: none */
};
struct storage_total_filter { /* borrowed */
    uint32_t category, dimension;
    const uint32_t *hosts; /* NULL: all of them, from the rows for all hosts together */
    uint32_t hosts_count;
    int64_t from_s, to_s; /* [from, to) */
    int64_t step_s;       /* 0: one sum of it all */
};
typedef int storage_total_visit(void *arg, const struct storage_total *total);

struct storage_beats { /* one (host, collector) and, at 1 s, hour (bits, BEAT_BYTES), else range */
    uint32_t host, collector;
    int64_t from_s;
    const uint8_t *bits;    /* resolution 1 */
    const uint16_t *counts; /* coarser: seconds that reported, a bucket each */
    uint32_t counts_count;
};
typedef int storage_beats_visit(void *arg, const struct storage_beats *beats);

struct storage_group {
    uint32_t category, dimension, host;
    uint64_t rows, points;
    uint64_t fresh; /* of the points, how many are in fresh rows */
};
typedef int storage_group_visit(void *arg, const struct storage_group *group);

struct storage_table {
    struct slice name;
    uint64_t run;                           /* 0: none */
    uint64_t rows, data_bytes, index_bytes; /* as the database estimates them */
};
typedef int storage_table_visit(void *arg, const struct storage_table *table);

#endif
