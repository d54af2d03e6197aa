#ifndef STORE_NEWEST_H
#define STORE_NEWEST_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/vec.h"
#include "model/kind.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The newest point of the series that are written depending on it
 * (docs/adr/0022-decided-points.md), as far as the log is applied. A cache: what is not in it is
 * read from head and storage.
 *
 * The consumer keeps it true; who decides (the loop) looks. A series comes in when a decided point
 * of it is applied that is new for sure, or when the loop asks for it:
 *
 *   loop:     newest_watch -> a read that has applied all below *after_out -> newest_learn
 *   consumer: newest_begin, newest_apply for each point ... of each record
 *
 * What is applied between watch and learn is either in that read, or newest_learn sees that it is
 * not, and the loop asks again. Thread: consumer and loop, as said. The lock is held for one
 * look-up at a time. */

struct newest_key {
    uint32_t environment, host, category, item, dimension;
};

struct newest_point {
    bool any; /* false: the series has no point */
    int64_t time_ms;
    double value;
};

enum {
    NEWEST_MAX = 1 << 18, /* series; above, one that came early goes for each that comes */
    NEWEST_FILTER_BITS = 1 << 21,
    NEWEST_FILTER_WORDS = NEWEST_FILTER_BITS / 64,
};

struct newest_entry {
    struct newest_key key;
    bool known;
    struct newest_point point;
    uint64_t hash;
    uint64_t touched; /* records below may have touched it, those from here on have not */
};

struct newest {
    pthread_mutex_t lock;
    struct hash_index index;
    VEC(struct newest_entry) entries;
    uint32_t victim; /* the next one to go */
    uint64_t generation;
    _Atomic uint32_t count;
    _Atomic uint32_t evicted;         /* since the filter was made */
    _Atomic uint64_t begun;           /* the consumer began the records below */
    _Atomic uint64_t *_Atomic filter; /* by hash: may be there; made with the first entry */
};

MUST_USE int newest_init(struct newest *n);
void newest_fini(struct newest *n);

/* Forgets everything: what comes next was loaded anew. No consumer runs. */
void newest_reset(struct newest *n);

/* ---- consumer ---- */

/* The record at offset comes. True: something is watched. */
bool newest_begin(struct newest *n, uint64_t offset);

/* May the series with this hash be watched? Without the lock. */
static inline bool newest_wants(const struct newest *n, uint64_t hash)
{
    const _Atomic uint64_t *filter = atomic_load(&n->filter);
    uint64_t bit = (hash >> 20) % NEWEST_FILTER_BITS;
    return filter != NULL && (atomic_load(&filter[bit / 64]) >> bit % 64 & 1) != 0;
}

struct newest_change {
    uint64_t offset;
    int64_t time_ms;
    double value;
    enum policy policy;
    bool enters; /* it is the newest point for sure: the series comes in */
};
void newest_apply(struct newest *n, const struct newest_key *key, uint64_t hash,
                  const struct newest_change *change);

/* All series of the environment lose their points, by the record at offset. */
void newest_clear(struct newest *n, uint32_t environment, uint64_t offset);

/* ---- loop ---- */

/* False: not known, ask. */
MUST_USE bool newest_find(struct newest *n, const struct newest_key *key, uint64_t hash,
                          struct newest_point *out);

struct newest_watch {
    struct newest_key key;
    uint64_t hash;
    uint64_t generation;
    uint64_t after; /* the read must have applied all records below */
};
/* LT_ENOMEM. */
MUST_USE int newest_watch(struct newest *n, const struct newest_key *key, uint64_t hash,
                          struct newest_watch *out);
/* What the read found, which had applied exactly the records below `applied`. */
void newest_learn(struct newest *n, const struct newest_watch *watch, uint64_t applied,
                  const struct newest_point *point);

#endif
