#ifndef INGEST_DECIDER_H
#define INGEST_DECIDER_H

#include "base/attr.h"
#include "base/slice.h"
#include "ingest/ingest.h"
#include "ingest/verdict.h"
#include "port/log.h"
#include "port/status.h"
#include "tenant/tenant.h"

#include <stdbool.h>
#include <stdint.h>

/* Writes that depend on their series' state, one after the other for each series
 * (docs/adr/0022-decided-points.md). Thread: loop, all of it. Nothing blocks.
 *
 *   submit -> [queue of the series]
 *     WAITING   until all that this process handed to the log before is reported and applied
 *     READING   where the newest point, or an old one, has to be read from head and storage
 *     decide    the whole queue at once: its points go into one record, so that they are stored
 *               together or not at all, and each may rest on the one before
 *     SENT      until the record's report is there
 *     APPLYING  until this process has applied the record, and knows whether it counts
 *   done, each command; what came meanwhile is WAITING
 *
 * A series has an entry while it has commands. Whatever goes around the queue (OBSERVE, other
 * processes) is concurrent to what is in it. */

struct decider;

/* One drained queue's position in the log. */
struct decider_place {
    uint64_t epoch;
    uint64_t batch; /* of ingest: which record the first point went into; 0: none yet */
};

struct decider_series { /* borrowed */
    const struct tenant_environment *environment;
    struct slice host, metric;
};

struct decider_look {
    uint64_t epoch;
    struct verdict_rules rules;
    struct verdict_newest newest;
};

/* A read is over. err: 0, or why not, with a text. applied: it saw the records below. times:
 * ascending, valid during the call. */
struct decider_found {
    int err;
    const char *why;
    const int64_t *times_ms; /* of decider_ops.times */
    const double *values;
    uint32_t count;
};
typedef void decider_read_done(void *arg, const struct decider_found *found);

/* What the decider works with. None of the callbacks comes within the call that asks for it. */
struct decider_ops {
    /* The highest number given to a batch so far; and are all up to it reported? */
    uint64_t (*handed)(void *arg);
    bool (*settled)(void *arg, uint32_t partition, uint64_t handed);
    /* All that was acknowledged here is below. */
    uint64_t (*acked)(void *arg, uint32_t partition);
    /* store_look, with the series' rules. */
    int (*look)(void *arg, const struct decider_series *series, uint64_t after,
                struct decider_look *out);
    /* Makes `look` know the newest point. */
    int (*learn)(void *arg, const struct decider_series *series, decider_read_done *done,
                 void *done_arg);
    /* Which points in [from, to] the series has, from the first on, at most TIMES_MAX; with all
     * records below `after`. */
    int (*times)(void *arg, const struct decider_series *series, uint64_t after, int64_t from_ms,
                 int64_t to_ms, decider_read_done *done, void *done_arg);
    /* Appends one point to the open batch: decided by place->epoch (0: by nobody). LT_EAGAIN: it
     * would go into another record than place->batch, and is not appended; sets place->batch where
     * it is 0. What ingest returns. */
    int (*append)(void *arg, const struct decider_series *series, struct decider_place *place,
                  const struct verdict *point, ingest_done *done, void *done_arg);
    /* store_outcome. */
    int (*outcome)(void *arg, uint32_t partition, uint64_t epoch, uint64_t offset);
    /* Calls decider_turn soon after all records below `applied` are applied. One at a time. */
    void (*wake_at)(void *arg, uint32_t partition, uint64_t applied);
    void *arg;
};
enum { DECIDER_TIMES_MAX = 10000 };

enum decider_end {
    DECIDER_STORED,   /* and counts, at time_ms */
    DECIDER_IGNORED,  /* by IGNORE: nothing is stored; time_ms is the newest point's */
    DECIDER_REFUSED,  /* by `verdict`: nothing is stored */
    DECIDER_NOT_DONE, /* err and why: nothing is stored. LT_EFENCED: another process decides;
                         LT_EBUSY, LT_EFULL, LT_ETIMEOUT, LT_EUNAVAILABLE, ... */
    DECIDER_FAILED,   /* report: the log has not stored it, or nobody knows */
    DECIDER_FENCED,   /* the log has it behind another owner's epoch: it does not count */
    DECIDER_UNSEEN,   /* the log has it; whether it counts is not known */
    DECIDER_GONE,     /* the client hung up before it was decided */
};

struct decider_outcome {
    enum decider_end end;
    const struct tenant_environment *environment;
    int64_t time_ms;
    enum verdict_kind verdict;
    int err;
    const char *why;                 /* "" or a text; valid during the call */
    const struct log_report *report; /* valid during the call */
};
typedef void decider_done(void *arg, const struct decider_outcome *outcome);

struct decider_request {
    struct decider_series series; /* copied */
    struct verdict_command command;
    uint64_t epoch; /* decided by this owner or by nobody: LT_EFENCED; 0: by any */
    bool plain; /* depends on nothing, but came behind one that does: written by who does not own,
                   too */
    bool (*gone)(const void *client); /* has it hung up? */
    const void *client;
    decider_done *done; /* called exactly once, never within decider_submit */
    void *arg;
};

struct decider_config {
    struct decider_ops ops;
    uint32_t partitions;
    int64_t deadline_ms; /* for waiting before a decision, and after it */
    uint32_t queued_max; /* commands in all; above: LT_EBUSY */
};

MUST_USE int decider_create(const struct decider_config *config, struct decider **out);

/* Ends what is not in the log's hands, and refuses what comes (LT_ECLOSED). */
void decider_stop(struct decider *decider);
/* All reports are in by then: destroy the log first. */
void decider_destroy(struct decider **decider);

/* LT_EBUSY, LT_ECLOSED, LT_ENOMEM: done is not called. */
MUST_USE int decider_submit(struct decider *decider, const struct decider_request *request);

/* Does a command of this series wait for its decision? Then a plain write of it goes behind, by
 * submit. */
bool decider_waits(const struct decider *decider, const struct decider_series *series);
/* Has it any that is not answered yet? */
bool decider_has(const struct decider *decider, const struct decider_series *series);
/* Does any? A load. */
bool decider_is_waiting(const struct decider *decider);

/* At the end of each loop turn, before the open batches are closed; and every 50 ms or so. */
void decider_turn(struct decider *decider);
bool decider_idle(const struct decider *decider);

/* As a status_provider's write; arg is the struct decider. */
void decider_status(void *arg, struct status_sink *sink);

#endif
