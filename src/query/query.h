#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "base/attr.h"
#include "base/option.h"
#include "base/slice.h"
#include "model/kind.h"
#include "port/executor.h"
#include "port/guard.h"
#include "port/head.h"
#include "port/status.h"
#include "query/result.h"
#include "query/samples_spec.h"
#include "tenant/tenant.h"

#include <stdint.h>

/* The read path: a request waits for its offset, runs on a worker over head and storage, and comes
 * back to the loop as a result. Thread: loop, but for what the workers run inside. Nothing here
 * blocks the loop.
 *
 *   submit -> WAITING (head behind the offset asked for) -> QUEUED -> RUNNING -> done(result)
 *                 |                                           '- BLOCKED -'           |
 *                 '------------ kill, deadline, hang-up: done(error) -----------------'
 *
 * BLOCKED (samples_spec.h, points_min): read, but too little yet; it holds no worker, counts
 * neither against the deadline nor against requests_max, and is read again when the head has gone
 * on, at most once in 20 ms.
 *
 * A request that is ended while it runs is answered at once; it stays in REQUESTS as "stopping"
 * until its worker has let go, which takes as long as the statement's interruption: milliseconds,
 * or the storage's timeout where the server is frozen. */

struct query;

struct query_config {
    struct head *head;
    struct executor *executor; /* its context: a storage_session */
    struct executor *control;  /* one thread, same kind of context: for storage_interrupt */
    int64_t deadline_ms;       /* of a request */
    size_t memory_bytes_max;   /* of a request */
    uint32_t requests_max;     /* in flight; above: LT_EBUSY */
};

extern const struct option_spec query_options[];
extern const size_t query_options_count;
/* Fills all but head and executors. */
void query_config_load(struct query_config *config, const struct option_set *options);
/* As a status_provider's write; arg is the struct query. */
void query_status(void *arg, struct status_sink *sink);

MUST_USE int query_create(const struct query_config *config, struct query **out);

/* Kills what is in flight and refuses what comes (LT_ECLOSED). Before the executors are destroyed.
 */
void query_stop(struct query *query);

/* The executors must have been destroyed, so that no worker still runs one of its requests. */
void query_destroy(struct query **query);

/* Ends requests whose deadline has passed, and goes on interrupting the statements of those that
 * were ended. To be called every 50 ms or so. */
void query_tick(struct query *query, int64_t now_mono_ms);

enum query_what {
    QUERY_RANGE,
    QUERY_TOPQ,
    QUERY_POINTS,
    QUERY_LAST,
    QUERY_CATEGORIES,
    QUERY_EXISTS,
    QUERY_LIST,
    QUERY_DECLARED, /* which of the keys are declared: needs the head alone, no storage */
    QUERY_INFO,
    QUERY_SAMPLES,
    QUERY_INDEX,  /* the keys that fit filters */
    QUERY_LABELS, /* labels, or values of `label`, of those that fit */
    QUERY_MGET,   /* their last points */
};

enum aggregate {
    AGGREGATE_AVG,
    AGGREGATE_SUM,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_COUNT,
    AGGREGATE_FIRST,
    AGGREGATE_LAST,
    AGGREGATE_RATE,
};
const char *aggregate_text(enum aggregate aggregate);
MUST_USE int aggregate_parse(struct slice text, enum aggregate *out);

/* Which rows of a rule's destination POINTS are: of other series all are their own. */
enum query_points { QUERY_POINTS_ALL, QUERY_POINTS_OWN, QUERY_POINTS_COMPUTED };

enum fill { FILL_NONE, FILL_ZERO, FILL_LAST };

/* Everything is copied by submit. */
struct query_spec {
    enum query_what what;
    const struct tenant_environment *environment;
    uint64_t after; /* the head must have applied all offsets below this */
    int64_t from_ms,
        to_ms; /* [from, to); POINTS and LAST: to_ms is exclusive too (the caller adds 1) */
    const char *command; /* a literal for REQUESTS: "TOPQ" */
    uint64_t client;     /* connection id, for REQUESTS */

    /* RANGE, EXISTS, DECLARED, SAMPLES: host/metric names; POINTS, LAST, INFO: one */
    const struct slice *keys;
    const struct samples_spec *samples; /* SAMPLES */
    uint32_t keys_count;
    int64_t step_ms; /* RANGE */
    enum aggregate aggregate;
    bool aggregate_given; /* else by kind: gauge avg, delta sum, counter rate */
    enum fill fill;

    /* INDEX, LABELS, MGET: terms that filter_parse (model/filter.h) has taken. None: all series. */
    const struct slice *filters;
    uint32_t filters_count;
    bool with_labels;             /* MGET: all that were declared, */
    const struct slice *selected; /* ... or these */
    uint32_t selected_count;
    struct slice label; /* LABELS: empty: names */

    uint64_t limit;  /* TOPQ: rows, at most 2^31; POINTS: the first n points, 0: all; LIST: how many
                      * keys to look at, at least; 0: only count them all */
    uint64_t cursor; /* LIST: 0, or where the page before ended */
    enum query_points points;  /* POINTS */
    bool latest;               /* LAST, MGET: of rules' destinations the open bucket, too */
    bool wraps;                /* LIST: go on at the beginning where nothing follows the cursor */
    bool matches;              /* LIST: only keys that fit `match`, a pattern (glob.h) */
    struct slice pattern;      /* TOPQ: with the dimension as last component */
    enum aggregate rank;       /* TOPQ: sum count max avg */
    const struct slice *hosts; /* none: all */
    uint32_t hosts_count;
    const struct slice *with; /* dimensions */
    uint32_t with_count;
    uint32_t sparkline;                     /* points of it, 0: none */
    int64_t compare_from_ms, compare_to_ms; /* [from, to); equal: no COMPARE */
    struct slice match; /* empty: none. A substring, ASCII case folded, of item or text; rest and
                         * total are then of the matching items only */
};

/* Can any category and dimension have this? 0, or LT_EINVALID with *why_out a phrase for the
 * client. */
MUST_USE int query_check_pattern(struct slice pattern, const char **why_out);

/* status 0: result is one of result.h by spec.what, the callee's to keep until query_result_free.
 * Else a negative error; why is a text for the client. Called once. */
struct query_answer {
    int status;
    const char *why;
    union query_result *result;
};
typedef void query_done(void *arg, const struct query_answer *answer);

/* LT_EBUSY: too many in flight. id_out names it in REQUESTS. done is never called within this call.
 */
MUST_USE int query_submit(struct query *query, const struct query_spec *spec, query_done *done,
                          void *arg, uint64_t *id_out);

/* In any phase. done comes (LT_ECANCELLED) within this call. LT_ENOTFOUND: there is none, or it was
 * answered. */
MUST_USE int query_kill(struct query *query, uint64_t id);

/* For REQUESTS, oldest first. */
struct query_request {
    uint64_t id;
    uint64_t client;
    const char *command;
    const char *phase; /* waiting, queued, running, blocked, stopping */
    int64_t age_ms;
    uint64_t rows, bytes; /* read from storage */
    size_t memory_bytes;
    const char *statement; /* what runs on the database, or "" */
};
void query_each(struct query *query, void (*visit)(void *arg, const struct query_request *request),
                void *arg);

struct query_stats {
    uint64_t done, failed, killed, timed_out, refused;
    uint32_t in_flight;
    uint64_t rows, bytes;
};
struct query_stats query_stats(const struct query *query);

#endif
