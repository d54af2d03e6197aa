#ifndef JOBS_COMPACT_BEATS_H
#define JOBS_COMPACT_BEATS_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/vec.h"
#include "model/block.h"
#include "port/storage_types.h"

#include <stdint.h>

/* Heartbeats of one range: the union of what several runs have of each (collector, host, hour).
 *
 * Thread: one at a time. Never blocks. */

struct beat_hour {
    uint32_t collector, host;
    int64_t from_s;
    uint8_t bits[BEAT_BYTES];
};
struct beat_union {
    VEC(struct beat_hour) hours;
    struct hash_index index;
};

void beat_union_init(struct beat_union *u);
void beat_union_fini(struct beat_union *u);

/* beats->bits. LT_ENOMEM. */
MUST_USE int beat_union_add(struct beat_union *u, const struct storage_beats *beats);

/* Orders hours by collector, host, hour: nothing can be added any more. */
void beat_union_sort(struct beat_union *u);

#endif
