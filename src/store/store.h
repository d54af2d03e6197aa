#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/attr.h"
#include "base/option.h"
#include "port/head.h"
#include "port/log.h"
#include "port/status.h"
#include "model/declares.h"
#include "model/settings.h"
#include "port/storage.h"
#include "store/newest.h"
#include "tenant/tenant.h"

#include <stdbool.h>
#include <stdint.h>

/* The store: log -> head -> tables, exactly once (DESIGN section 4).
 *
 * Each partition has two threads of its own:
 *   tail   reads the log, numbers the names, appends to the head's open segment, seals it when it
 * is due owner  holds the lease, loads the catalog, flushes sealed segments one transaction each;
 * on anything it does not understand it drops head and catalog and starts again from what is stored
 *
 *   log --records--> tail --columns--> open segment --sealed--> owner --rows--> storage
 *                                           '------ views -----> readers (port/head.h), any thread
 *
 * Limits: above head_bytes_max the tail stops fetching, and writers are not refused. */

struct store;

struct store_config {
    struct log *log;
    struct storage *storage;
    const struct tenant *tenant;
    const char *node; /* this process' name in leases */
    bool flushes;     /* role store: take leases and flush; else only follow (role query) */
    int64_t flush_interval_ms;
    size_t flush_bytes; /* a segment is sealed at this size */
    size_t head_bytes_max;
    size_t novelty_bytes_max;
    int64_t lease_ms;
    int64_t retention_ms; /* of 1-second data: older points go to the catch-all table */
    uint64_t items_max;   /* of an environment; 0: no limit. Told by store_items_full, no more */
    int64_t log_keep_ms;  /* trim the log behind what is stored; 0: the log does it by itself */
    bool appends;         /* may this process append to the log? Who may not decides nothing */
};
enum { STORE_NODE_BYTES_MAX = 256 }; /* of a node's name, with its end */

extern const struct option_spec store_options[];
extern const size_t store_options_count;

MUST_USE int store_create(const struct store_config *config, struct store **out);

/* Starts the threads. Thread: loop. */
MUST_USE int store_start(struct store *store);

/* Flushes what the head holds, for up to timeout_ms, gives the leases back and ends the threads.
 * False: one still waits for storage, and nothing may be destroyed that it uses; store_destroy
 * would wait for it. Thread: loop; blocks. Views may still be pinned; they must be gone before
 * store_destroy. */
MUST_USE bool store_stop(struct store *store, int64_t timeout_ms);
void store_destroy(struct store **store);

struct head *store_head(struct store *store);

/* For jobs. True while this process owns the partition, with the epoch that proves it: storage
 * checks it again, with every change. Thread: any. */
bool store_fence(struct store *store, uint32_t partition, uint64_t *epoch_out);
/* A reference to an environment's catalog, or NULL while it is not loaded. Thread: any. */
struct catalog *store_catalog(struct store *store, uint32_t environment);

/* Has the environment items_max items, as far as the log was applied here? Thread: any; one load.
 */
bool store_items_full(const struct store *store, uint32_t environment);

/* Has it declared series whose settings decide about writes (catalog/declared.h), as of all that
 * the log held when it was loaded, and further? DECLARES_SOON for STORE_SOON_MS at most, from the
 * start or from when a catalog was lost. Thread: any; one load where the answer is known. */
enum { STORE_SOON_MS = 5000 };
enum declares store_declares(struct store *store, uint32_t environment);

/* How far the log is applied here: all records below. False: nothing is being applied, because
 * nothing is loaded, or the head is full and waits for storage. Thread: any; two loads. */
bool store_applied(const struct store *store, uint32_t partition, uint64_t *applied_out);

/* ---- for who decides writes that depend on a series' state: docs/adr/0022-decided-points.md.
 * Thread: loop. ---- */

/* Announces the epochs of partitions that this process owns by now. To be called every 50 ms or so.
 */
void store_tick(struct store *store);

struct store_look {
    uint64_t epoch;             /* decided points carry it */
    struct newest_point newest; /* with all records below `after`, and maybe later ones */
    struct settings settings;   /* the series', as far as they decide about writes */
};
/* The newest point of a series. LT_EAGAIN: not yet, records below `after` or the own epoch are not
 * applied yet, or the partition is being loaded. LT_ENOTFOUND: it has to be read: store_watch, then
 * a read, then store_learn, then once more. LT_EFENCED: another process owns the partition, or the
 * lease has run out. LT_EUNAVAILABLE: nobody here can decide, see STATUS. */
MUST_USE int store_look(struct store *store, const struct tenant_environment *environment,
                        struct slice host, struct slice metric, uint64_t after,
                        struct store_look *out);
/* LT_ENOTFOUND: there is no such series by now: look again. LT_ENOMEM. */
MUST_USE int store_watch(struct store *store, const struct tenant_environment *environment,
                         struct slice host, struct slice metric, struct newest_watch *out);
/* What a read found that had applied exactly the records below `applied`. */
void store_learn(struct store *store, const struct tenant_environment *environment,
                 const struct newest_watch *watch, uint64_t applied,
                 const struct newest_point *newest);

/* The epoch of the partition's owner, which this process is and may decide by; errors as
 * store_look.
 */
MUST_USE int store_epoch(struct store *store, uint32_t partition, uint64_t after,
                         uint64_t *epoch_out);

/* A series as it stands: while two tokens are the same, no record of points that was applied here
 * between them touched it. LT_EAGAIN: nothing is loaded. LT_ENOMEM. */
struct store_token {
    bool there;
    uint64_t generation, touched;
};
MUST_USE int store_token(struct store *store, const struct tenant_environment *environment,
                         struct slice host, struct slice metric, struct store_token *out);

/* What became of a point that was decided with that epoch, and appended at offset? 0: it counts.
 * LT_EAGAIN: the record is not applied here yet. LT_EFENCED: it does not count. LT_EOUTCOME: not to
 * be found out. */
MUST_USE int store_outcome(struct store *store, uint32_t partition, uint64_t epoch,
                           uint64_t offset);

/* Who owns the partition, as far as this process knows: its own name, or that of another; "": not
 * known. */
void store_owner(struct store *store, uint32_t partition, char out[STORE_NODE_BYTES_MAX]);

/* For STATUS: a section for each partition. */
uint32_t store_providers(struct store *store, struct status_provider *out, uint32_t max);

#endif
