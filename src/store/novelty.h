#ifndef STORE_NOVELTY_H
#define STORE_NOVELTY_H

#include "base/attr.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

/* Is a point known to be the first of its (series, time)? Only such points may be added up without
 * looking at others (model/block.h: fresh). docs/adr/0005-novelty-by-series-watermark.md.
 *
 * A point is new for sure when it is later than every earlier point of its series. So the newest
 * time of each series seen by this process is kept, 16 bytes a slot; a series that is not in the
 * table is judged by the newest stored time of its (host, collector). Both err to one side only: a
 * late or repeated point, a series after a restart whose collector ran ahead, or two series with
 * one 64-bit hash are called not new, which costs time in reads and never a wrong sum.
 *
 * Thread: one, the consumer. */

struct novelty_floor { /* of one (environment, host, collector) */
    uint32_t environment, host, collector;
    int64_t floor_ms;  /* a series that is not in the table may have points up to here */
    int64_t newest_ms; /* of all points so far */
    int64_t noted_ms;  /* newest_ms when the last segment was sealed: the caller's */
};

struct novelty_slot {
    uint64_t series; /* novelty_series(); 0: free */
    int64_t newest_ms;
};

struct novelty {
    struct novelty_slot *slots; /* linear probing; the hash stands for the series */
    uint32_t cap;
    uint32_t count;
    size_t bytes_max; /* above it the table is emptied: the floors then judge */
    struct hash_index floor_index;
    struct novelty_floor *floors;
    uint32_t floors_count, floors_cap;
};

enum { NOVELTY_NEVER_MS = -1 }; /* times are >= 0 */

void novelty_init(struct novelty *n, size_t bytes_max);
void novelty_fini(struct novelty *n);
size_t novelty_bytes(const struct novelty *n);

/* The floor's position; made on first sight, with NEVER. LT_ENOMEM. */
MUST_USE int novelty_floor(struct novelty *n, uint32_t environment, uint32_t host,
                           uint32_t collector, uint32_t *position_out);

/* What stands for a series here: a hash of its numbers, never 0. */
static inline uint64_t novelty_series(uint32_t environment, uint32_t host, uint32_t category,
                                      uint32_t item, uint32_t dimension)
{
    uint64_t hash = hash_u64((uint64_t)category << 32 | item);
    hash = hash_u64(hash + ((uint64_t)dimension << 32 | host));
    return hash_u64(hash + environment) | 1;
}

/* Where a series' slot is, or the first of the others before it. The table has slots. */
static inline uint32_t novelty_slot_of(const struct novelty *n, uint64_t series)
{
    return (uint32_t)(series >> 7) & (n->cap - 1);
}

/* Begins to fetch what judge will look at: with millions of series, it mostly waits for that. */
static inline void novelty_prefetch(const struct novelty *n, uint64_t series)
{
    if (n->cap > 0)
        __builtin_prefetch(&n->slots[novelty_slot_of(n, series)], 1);
}

/* Judges a point and remembers it. 1: new, 0: not known to be; or LT_ENOMEM. */
MUST_USE int novelty_judge(struct novelty *n, uint32_t floor, uint64_t series, int64_t time_ms);

#endif
