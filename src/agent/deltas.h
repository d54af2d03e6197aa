#ifndef AGENT_DELTAS_H
#define AGENT_DELTAS_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* From readings of many counters to what happened between two readings of each. Pure.
 * Caller-owned; one thread at a time.
 *
 * It holds the last two rounds of readings, so a counter that is gone is forgotten by itself and
 * memory is bounded by DELTAS_MAX counters a round (those beyond are never known). Counters are
 * named by a 64-bit hash of their name: that two of 100,000 share one happens to one agent in
 * four billion. */
enum { DELTAS_MAX = 100000 };

struct deltas_round {
    struct hash_index index;
    VEC(uint64_t) keys;
    VEC(uint64_t) values;
};

struct deltas {
    struct deltas_round now;
    struct deltas_round before;
    uint32_t known; /* counters of this round that stood in the one before */
    bool primed;    /* there was a round before this one */
};

enum delta_result {
    DELTA_OK,
    DELTA_NEW,   /* not in the round before: this reading is its baseline */
    DELTA_RESET, /* it went backwards, or is no sane count: a baseline again */
};

void deltas_init(struct deltas *d);
void deltas_fini(struct deltas *d);

/* Opens a round of readings. */
void deltas_begin(struct deltas *d);

/* Adds a reading. *delta_out is set for DELTA_OK; 0 otherwise. A counter belongs in a round once.
 */
enum delta_result deltas_read(struct deltas *d, uint64_t key, uint64_t value, uint64_t *delta_out);

/* How many counters of the round before were not read in this one. */
uint32_t deltas_missing(const struct deltas *d);

/* The next round is a baseline: the source restarted, or was not read for a while. */
void deltas_forget(struct deltas *d);

#endif
