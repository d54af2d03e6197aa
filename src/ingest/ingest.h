#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include "base/attr.h"
#include "base/option.h"
#include "base/slice.h"
#include "model/kind.h"
#include "port/log.h"
#include "port/status.h"
#include "record/record.h"
#include "tenant/tenant.h"

#include <stdbool.h>
#include <stdint.h>

/* The write path: points of commands -> open batch of their environment -> one record -> the log ->
 * report -> reply. There is no other way to a reply: `done` takes the log's report as its argument.
 * Thread: loop, all of it. Nothing blocks.
 *
 *   bytes:  connection's input  --copied once-->  open batch (columns)  --encoded once-->  record
 *           --the log's copy-->  librdkafka's queue | LMDB
 *
 * Limits: bytes in flight. From pause_bytes on ingest_paused() is true (the listener stops
 * reading); above max_bytes a command is refused with LT_EBUSY. Items of an environment, where this
 * process knows its catalog: above, a point of one that is not there is refused with LT_EFULL. What
 * is acknowledged is never refused later, so that as many more may come as stand between the log
 * and the catalog. */

struct catalog;

struct ingest;

struct ingest_config {
    struct log *log;
    const struct tenant *tenant;
    size_t inflight_bytes_max;     /* LT_EBUSY above; pausing begins at 3/4 of it */
    size_t batch_bytes_max;        /* a batch is closed early at this size */
    size_t command_bytes_max;      /* a command larger than this is LT_ELIMIT */
    uint32_t inflight_records_max; /* a partition; above it batches wait and grow, for 50 ms */
    /* Has the environment all the items that it may have? Asked once a command: a load. And its
     * catalog, with a reference, or NULL: asked only then. Both NULL: nobody here knows. */
    bool (*items_full)(void *arg, uint32_t environment);
    struct catalog *(*catalog)(void *arg, uint32_t environment);
    void *items_arg;
    /* Below which offset has this process applied the partition? PACE_NOBODY: it does not, or
     * cannot at the moment. NULL: it never does. */
    uint64_t (*applied)(void *arg, uint32_t partition);
    void *applied_arg;
    int64_t lag_max_ms;   /* behind by more, batches wait and grow, for 50 ms; 0: they never do */
    int64_t awake_max_ns; /* the longest wait without sleep; 0: none */
};
#define PACE_NOBODY UINT64_MAX

extern const struct option_spec ingest_options[];
extern const size_t ingest_options_count;
/* Fills all but log, tenant, what knows the items and what applies. */
void ingest_config_load(struct ingest_config *config, const struct option_set *options);

/* Who watches series (command/watch.h) is told of what is handed over from then on: points, series,
 * drops; metric empty: a clear. Only while *watched is not 0; points that were decided are not
 * told: decider_submit was. */
typedef void ingest_touch(void *arg, const struct tenant_environment *environment,
                          struct slice host, struct slice metric);
void ingest_on_touch(struct ingest *ingest, const uint32_t *watched, ingest_touch *touch,
                     void *arg);
void ingest_touched(struct ingest *ingest, const struct tenant_environment *environment,
                    struct slice host, struct slice metric);

MUST_USE int ingest_create(const struct ingest_config *config, struct ingest **out);
/* Every waiter must have been answered: destroy the log first. */
void ingest_destroy(struct ingest **ingest);

/* What a command wrote, seen when its report is there. Valid during the call. */
struct ingest_written {
    const struct log_report *report;
    const struct ingest_batch *batch; /* ingest's */
    uint32_t first;
    uint32_t count;
};
/* Point i's time, which the points before *until_out share. */
int64_t ingest_written_time_ms(const struct ingest_written *written, uint32_t i,
                               uint32_t *until_out);

/* Called exactly once for each ingest_end, ingest_each, ingest_rule, ... that returned 0. */
typedef void ingest_done(void *arg, const struct ingest_written *written);

/* One command: begin, points, then end or abort. Until end nothing of it counts; abort undoes it.
 * Commands do not nest. begin: LT_EBUSY. points: LT_ELIMIT (the command is too large), LT_ENOMEM;
 * then abort. LT_EFULL: the one behind the first *taken_out would be a new item, and was not added;
 * the command may go on behind it. Names, times and values are the caller's to check. */
MUST_USE int ingest_begin(struct ingest *ingest, const struct tenant_environment *environment);
/* Points of one command: the more at once, the better. taken_out is always set. */
enum { INGEST_POINTS_AT_ONCE = 64 };
MUST_USE int ingest_points(struct ingest *ingest, bool observed, enum policy policy,
                           const struct record_point *points, uint32_t count, uint32_t *taken_out);
MUST_USE static inline int ingest_point(struct ingest *ingest, bool observed, struct slice host,
                                        struct slice metric, int64_t time_ms, double value,
                                        enum policy policy)
{
    struct record_point point = {host, metric, time_ms, value};
    uint32_t taken;
    return ingest_points(ingest, observed, policy, &point, 1, &taken);
}
MUST_USE int ingest_end(struct ingest *ingest, ingest_done *done, void *arg);
void ingest_abort(struct ingest *ingest);

/* Commands of one point each, which need no begin and cannot be undone: those that go into one
 * batch, from the first on, and at least one of them. `done` is told of these *taken_out together.
 * Else why the first one is refused, and nothing changed: LT_EBUSY, LT_EFULL, LT_ENOMEM. */
MUST_USE int ingest_each(struct ingest *ingest, const struct tenant_environment *environment,
                         enum policy policy, const struct record_point *points, uint32_t count,
                         uint32_t *taken_out, ingest_done *done, void *arg);

/* As ingest_begin, for points that the owner of a partition decided
 * (docs/adr/0022-decided-points.md): they count only while `epoch` is the highest that the log
 * announced. They go into the open batch, behind what came before; a batch has one epoch. */
MUST_USE int ingest_begin_decided(struct ingest *ingest,
                                  const struct tenant_environment *environment, uint64_t epoch);
/* The number of the batch, which becomes one record, that the command in hand goes into; never 0.
 * It may change with each ingest_points. */
uint64_t ingest_batch_number(const struct ingest *ingest);

/* What was handed over by now: the highest number given to a batch. And: are all of the partition's
 * up to that one answered? */
uint64_t ingest_handed(const struct ingest *ingest);
bool ingest_settled(const struct ingest *ingest, uint32_t partition, uint64_t number);

/* What control.h writes its records with. check: LT_EBUSY; LT_EFULL: `stem`, if it is not empty,
 * would be a new item. append: behind all points that were handed over before. */
MUST_USE int ingest_control_check(struct ingest *ingest,
                                  const struct tenant_environment *environment, struct slice stem);
MUST_USE int ingest_control_append(struct ingest *ingest,
                                   const struct tenant_environment *environment,
                                   struct slice record, ingest_done *done, void *arg);

/* At the end of each loop turn, and at least every 50 ms: closes the open batches that are due and
 * hands them to the log. */
void ingest_turn_end(struct ingest *ingest);
/* When a turn is due at the latest, of clock_mono_ns, because a batch waits for clients that were
 * just answered; 0: no sooner than those 50 ms. Ask after ingest_turn_end. */
int64_t ingest_wake_ns(const struct ingest *ingest);
/* Until when the loop had better look for work than sleep, of clock_mono_ns: a report is expected,
 * or a client that was just answered, and being woken has shown to cost more than looking
 * (trial.h). Twice the last report's time ahead, within awake_max_ns. In the past, or 0: no longer.
 * Ask after ingest_turn_end. */
int64_t ingest_awake_until_ns(const struct ingest *ingest);

bool ingest_paused(const struct ingest *ingest);

/* The highest offset + 1 acknowledged by this process: a read that arrives now waits for it. */
uint64_t ingest_acked(const struct ingest *ingest, uint32_t partition);

struct ingest_stats {
    uint64_t points_acked, points_failed, points_unknown;
    uint64_t records_acked, records_failed, records_unknown;
    uint64_t bytes_acked; /* of records */
    uint64_t busy;        /* commands refused */
    uint64_t full;        /* points and texts refused, of items that are too many */
    uint64_t paced;       /* batches that waited for the consumer */
    uint64_t gathered;    /* … for clients that were just answered */
    uint64_t awake;       /* records whose report the loop awaited without sleeping */
    size_t inflight_bytes;
    uint32_t inflight_records;
    int64_t last_ack_wall_ms;
    int64_t last_failure_wall_ms;
};
struct ingest_stats ingest_stats(const struct ingest *ingest);

/* As a status_provider's write; arg is the struct ingest. */
void ingest_status(void *arg, struct status_sink *sink);

/* Nothing is open or in flight: TERM may go on. */
bool ingest_idle(const struct ingest *ingest);

#endif
