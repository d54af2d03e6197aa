#ifndef STORE_PARTITION_H
#define STORE_PARTITION_H

#include "base/attr.h"
#include "base/vec.h"
#include "record/record.h"
#include "store/epochs.h"
#include "store/newest.h"
#include "store/novelty.h"
#include "store/segment.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

/* One partition, as its tail, its owner and the readers share it. Internal to store/. */

enum partition_state {
    PARTITION_STARTING,
    PARTITION_UNREACHABLE, /* storage does not answer, and nothing is loaded */
    PARTITION_FOLLOWING,   /* loaded, tailing, not flushing */
    PARTITION_OWNING,      /* loaded, tailing, flushing */
    PARTITION_HALTED,      /* the log does not go on where storage ends: needs a person */
    PARTITION_STOPPED,
};
enum { PARTITION_STATES = PARTITION_STOPPED + 1 };
const char *partition_state_text(enum partition_state state);

/* What a process learns when it loads a partition, and forgets when it loses it. */
struct generation {
    struct catalog **catalogs; /* by position in environments */
    const struct tenant_environment *environments;
    uint32_t environments_count;
    struct novelty novelty; /* the tail's, once it runs */
    struct storage_progress progress;
};

struct partition_stats { /* atomics: written by tail and owner, read by STATUS */
    _Atomic uint64_t records, points, rejected, quarantined, quarantined_offset, forgotten;
    _Atomic uint64_t flushes, flushed_points, flush_retries;
    _Atomic int64_t flush_ms, flush_wall_ms;
    _Atomic uint64_t log_start, log_end;
    _Atomic uint64_t novelty_bytes;
};

struct partition {
    struct store *store;
    uint32_t number;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* sealed, flushed, stop: whoever waits looks again */

    /* Under lock. */
    enum partition_state state;
    char why[256]; /* the last trouble, for STATUS */
    bool loaded;
    uint64_t epoch;                   /* of the lease; 0: this generation has none */
    struct epochs epochs;             /* of the log */
    uint64_t log_epoch_max;           /* seen in the log by any generation */
    char owner[STORE_NODE_BYTES_MAX]; /* who has the lease, while FOLLOWING; "": nobody knows */
    VEC(struct segment *) segments;   /* oldest first; the last one is open */
    struct generation generation;
    bool stopping;
    int64_t stop_mono_ms;

    /* Any thread. */
    _Atomic uint64_t applied;
    _Atomic int64_t applied_ms;
    /* Readers wait until all below it is applied: the log's end as the tail found it, as what
     * stands there was acknowledged, by an earlier process perhaps. UINT64_MAX: not known yet; 0:
     * the log does not answer, or does not go on where storage ends, and what is stored must do. */
    _Atomic uint64_t catch_up;
    _Atomic bool applies;     /* the tail runs, and the head has room */
    _Atomic uint64_t wake_at; /* the loop waits for this offset; UINT64_MAX: for none */
    _Atomic bool tail_stop;
    _Atomic bool seal_now;
    _Atomic bool tail_verified;      /* the log continues what is stored */
    _Atomic int64_t unknown_mono_ms; /* since when nobody here knows what is declared */
    _Atomic int tail_error;          /* why the tail ended by itself, 0: it has not */
    _Atomic int64_t lease_mono_ms;   /* the lease has not run out before */
    struct newest newest;

    struct announcement *announcing; /* the loop's: an epoch on its way into the log */
    uint64_t announced;              /* the loop's: the last epoch that is in the log, ... */
    uint64_t announced_at;           /* ... at this offset */
    int64_t announce_mono_ms;        /* the loop's: not again before */
    struct partition_stats stats;

    pthread_t owner_thread, tail_thread;
    bool owner_running, tail_running; /* the loop's; the owner's */
    struct log_reader *reader;
    struct record_reader *decoder;
};

struct store {
    struct head head; /* first: head_ops get it */
    struct store_config config;
    int event_fd;
    struct head_wait *waits; /* the loop's */
    struct partition *partitions;
    uint32_t partitions_count;
    _Atomic bool *items_full;  /* by position in the tenant's environments */
    _Atomic uint8_t *declares; /* the same: enum declares; SOON where it is not known */
};

/* owner.c. The one way to change the state. */
void partition_set_state(struct partition *p, enum partition_state state, const char *why);
/* Waits until something changed or ms have passed. Any thread but the loop. */
void partition_pause(struct partition *p, int64_t ms);

/* What top -H and perf call the calling thread. */
void partition_name_thread(const struct partition *p, const char *what);

/* head.c */
extern const struct head_ops store_head_ops;
size_t partition_head_bytes(struct partition *p); /* under lock */
void partition_wake_waiters(struct partition *p, uint64_t applied);
void partition_drop_head(struct partition *p);

/* store.c: what store_declares says of the partition's environments: what their catalogs, which are
 * loaded and have all that the log had, declare; or that it is not known. */
void partition_note_declares(struct partition *p, struct catalog *catalog);
void partition_forget_declares(struct partition *p);

/* generation.c: what is loaded. Owner thread. */
enum { GENERATION_ALL = UINT32_MAX };
/* Ids of the environments on a partition, or on all; *ids_out is the caller's to free. */
MUST_USE int generation_environments(const struct tenant *tenant, uint32_t partition,
                                     uint32_t **ids_out, uint32_t *count_out);
/* keep(arg) is called all the time, because a load may take longer than a lease lasts; it must not
 * use session. Its error ends the load. */
MUST_USE int generation_load(struct partition *p, struct storage_session *session,
                             int (*keep)(void *arg), void *arg);
void generation_fini(struct generation *g);

/* tail.c. Owner thread starts and ends it. */
MUST_USE int tail_start(struct partition *p);
void tail_stop(struct partition *p);

/* flush.c. Writes one sealed segment. 0, or LT_EFENCED, LT_EDIVERGED: not ours any more; or what
 * storage says. */
MUST_USE int flush_segment(struct partition *p, struct storage_session *session,
                           const struct segment *segment, uint64_t epoch);

/* announce.c. The partition goes: a report that is still to come finds nothing. Loop. */
void announcement_forget(struct partition *p);

/* trim.c. Forgets records that are stored and old. */
void trim_log(struct partition *p, uint64_t stored);

void *owner_main(void *partition);

#endif
