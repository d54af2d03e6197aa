#ifndef TESTS_QUERY_SUPPORT_WORLD_H
#define TESTS_QUERY_SUPPORT_WORLD_H

#include "base/vec.h"
#include "catalog/catalog.h"
#include "port/storage.h"
#include "port/storage_types.h"
#include "query/query.h"

#include <pthread.h>

/* A head and a storage over plain arrays of points, cut at `next`. What offsets below it hold,
 * storage hands out as blocks; the rest the head does. Points are marked fresh at random, within
 * what model/block.h allows. */

struct world_point {
    uint64_t offset;
    struct catalog_series series;
    uint32_t host;
    int64_t time_ms;
    double value;
    uint8_t policy;
    bool fresh;
    bool compacted; /* in a compact run, not in arrival rows: support_runs.h */
};

struct world_beat {
    uint64_t offset;
    uint32_t host, collector;
    uint32_t second;
};

struct world {
    struct head head;
    struct storage_session session;
    struct catalog *catalog;
    struct tenant_environment environment;
    VEC(struct world_point) points; /* by offset */
    VEC(struct world_beat) beats;
    VEC(struct world_run *) runs;
    VEC(struct storage_run) listed_runs; /* what the snapshot handed out */
    uint64_t run_ids;
    uint64_t next;          /* storage's */
    uint64_t lo, applied;   /* the head's */
    bool halted;            /* ... which says so; world_apply ends the waits that end by it */
    uint64_t flush_records; /* a flush is this many records; a segment, a prime's more */
    uint32_t seed;

    int pin_error, begin_error, scan_error; /* what the next calls return instead */
    int begin_errors_left;                  /* that often; -1: always */
    uint64_t jumps_to; /* nonzero: storage flushes up to here between pin and snapshot */
    struct head_wait *waits;

    /* A scan stops in the middle until this is cleared (or the guard says so), as a slow statement
     * does. */
    _Atomic bool stuck;
    bool deaf; /* ... and only an interrupt ends it */
    _Atomic bool interrupted;
    _Atomic uint32_t interrupts;
    _Atomic bool in_scan;
    struct read_guard *guard;
    uint32_t pins, snapshots; /* open now */
};

void world_init(struct world *w, uint32_t seed);
void world_fini(struct world *w);
uint32_t world_random(struct world *w, uint32_t below);

/* Arrival rows. */
int world_scan_arrival(struct world *w, const struct block_filter *filter, block_visit *visit,
                       void *arg);

/* As one record each. */
void world_point(struct world *w, const char *host, const char *metric, int64_t time_ms,
                 double value, uint8_t policy);
void world_beat(struct world *w, const char *host, const char *collector, uint32_t second);

/* All offsets are given: marks points fresh, and cuts. */
void world_seal(struct world *w, uint64_t next);

/* The head has applied more: waits that are over are called. */
void world_apply(struct world *w, uint64_t applied);

/* Runs jobs when told to. Whoever asks for helpers gets as many threads as may come. */
struct inline_executor {
    struct executor executor;
    struct executor_job *first, **last;
    void *context;
    int refuse; /* what submit returns, if not 0 */
    pthread_t helpers[8];
    uint32_t helpers_count;
};
void inline_init(struct inline_executor *e, void *context);
bool inline_run(struct inline_executor *e, bool ran);

/* A real thread, whose completions are collected by threaded_pump. */
struct threaded_executor {
    struct executor executor;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct executor_job *queue, *running, *finished;
    void *context;
    bool stop;
};
void threaded_init(struct threaded_executor *e, void *context);
void threaded_fini(struct threaded_executor *e);
bool threaded_pump(struct threaded_executor *e);

#endif
