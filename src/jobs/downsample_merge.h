#ifndef JOBS_DOWNSAMPLE_MERGE_H
#define JOBS_DOWNSAMPLE_MERGE_H

#include "base/attr.h"
#include "base/vec.h"
#include "vector/rollup.h"

#include <stddef.h>
#include <stdint.h>

/* The buckets of a day, hour after hour as they are read, become series: each with all its buckets.
 *
 *   parts     one a run that was read, each ascending by (group, item, bucket):
 *             [g0 i0 b0, g0 i0 b1, g0 i7 b0, …] [g0 i0 b60, g0 i3 b61, …] …
 *   merge     the least (group, item) of all parts; its buckets from part to part
 *
 * A bucket that stands in several parts (late points beside what was downsampled before) is one.
 * About 100 bytes an entry. Thread: one at a time. Never blocks. */

enum { MERGE_PARTS_MAX = 1024 }; /* a day has 24 hours, each with few runs, and the day before it */

struct merge_entry {
    uint32_t group; /* position in the batch */
    uint32_t item;
    struct rollup_bucket bucket;
};
enum { MERGE_ENTRY_BYTES = sizeof(struct merge_entry) };

struct merge_part {
    size_t at, end; /* of entries */
};

struct merge {
    struct merge_entry *entries;
    size_t count, cap;
    struct merge_part *parts; /* once merging: a heap by (group, item, part) */
    uint32_t parts_count, parts_cap;
    VEC(struct rollup_bucket) buckets; /* of the series in hand */
};

void merge_init(struct merge *m);
void merge_fini(struct merge *m);
/* Forgets all entries; keeps their memory. */
void merge_reset(struct merge *m);

/* What is added from here on is of one part. LT_ENOMEM, LT_ELIMIT. */
MUST_USE int merge_part_begin(struct merge *m);
/* Ascending within a part; a bucket may come again at once, and is then one. LT_ENOMEM;
 * LT_ECORRUPT: not ascending. */
MUST_USE int merge_add(struct merge *m, uint32_t group, uint32_t item, uint32_t number,
                       const struct summary *summary);

/* After the last add. */
void merge_start(struct merge *m);
struct merge_series {
    uint32_t group, item;
    const struct rollup_bucket *buckets; /* ascending; until the next call */
    uint32_t count;
};
/* 1: *out is the next series. 0: that was all. LT_ENOMEM. */
MUST_USE int merge_next(struct merge *m, struct merge_series *out);

/* Buckets `factor` times as long: number n becomes n / factor. out takes count. Returns how many.
 */
uint32_t merge_coarser(const struct rollup_bucket *buckets, uint32_t count, uint32_t factor,
                       struct rollup_bucket *out);

#endif
