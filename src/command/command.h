#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include "base/attr.h"
#include "base/option.h"
#include "base/slice.h"
#include "catalog/catalog.h"
#include "ingest/ingest.h"
#include "jobs/jobs.h"
#include "model/declares.h"
#include "port/head.h"
#include "port/status.h"
#include "query/query.h"
#include "resp/resp.h"
#include "tenant/tenant.h"

#include <stdint.h>

/* A command: its specification (generated from redis-compat/commands/), its handler, and one call
 * of it. Thread: loop.
 *
 * A handler replies in one of two ways, and always exactly once:
 *   at once    composes one reply into call->reply
 *   later      slot = call_defer(call), keeps the slot, and when the outcome is there composes one
 * reply into slot_reply(slot) and calls slot_send(slot). Replies leave in the order of the
 *              commands, whatever the order of their outcomes.
 * A client may hang up meanwhile: its slots stay valid, and what is written to them goes nowhere.
 */

struct session;
struct slot;
struct decide; /* command/decide.h */
struct store;

/* What handlers may use. Made by main/. Any pointer to a part that this process' roles leave out is
 * NULL, and the table refuses the commands of that role before their handlers run. */
struct command_deps {
    const struct option_set *options;
    const struct tenant *tenant;
    struct ingest *ingest; /* role ingest */
    struct decide *decide; /* roles ingest, store and query: writes that depend on state */
    struct store *store;   /* role query or store */
    struct query *query;   /* role query */
    struct head *head;     /* role query or store */
    struct jobs *jobs;     /* role jobs */
    /* What is declared, as far as this process has applied the log. declares: a load, mostly.
     * catalog: with a reference, or NULL while it is not loaded. Both NULL: nobody here knows. */
    enum declares (*declares)(void *arg, uint32_t environment);
    struct catalog *(*catalog)(void *arg, uint32_t environment);
    void *catalog_arg;
    bool madd_needs_keys; /* option madd-creates is no */
    const struct status_provider *providers;
    uint32_t providers_count;
    int64_t started_wall_ms;
    const char *version;
};

enum command_flag {
    COMMAND_WRITE = 1 << 0,
    COMMAND_READONLY = 1 << 1,
    COMMAND_ADMIN = 1 << 2,
    COMMAND_FAST = 1 << 3,
    COMMAND_NO_AUTH = 1 << 4,     /* allowed before authentication */
    COMMAND_NO_MULTI = 1 << 5,    /* refused inside MULTI */
    COMMAND_ROLE_INGEST = 1 << 6, /* refused where the process has not the role */
    COMMAND_ROLE_QUERY = 1 << 7,
    COMMAND_MULTI_NOW = 1 << 8, /* runs at once inside MULTI: EXEC, DISCARD, QUIT */
    COMMAND_ROLE_JOBS = 1 << 9,
};

struct command_spec; /* command/table.h */

struct command_call {
    struct session *session;
    const struct command_spec *spec;
    const struct command_deps *deps;
    const struct tenant_environment *environment;
    struct slice *argv; /* argv[0]: the name; valid until the handler returns */
    uint32_t argc;      /* checked against the specification's arity */
    struct resp_writer reply;
    bool deferred; /* the reply is a slot's */
};

typedef void command_handler(struct command_call *call);

/* The reply comes later. NULL when out of memory: then the error reply is composed already; just
 * return. */
MUST_USE struct slot *call_defer(struct command_call *call);

/* As call_defer, and the session runs no further command until slot_send: reads use it, so that
 * they follow the client's earlier writes and see none of its later ones. */
MUST_USE struct slot *call_defer_blocking(struct command_call *call);

/* What a client that pipelines has sent behind this command may be run together with it: where the
 * same command follows with as many arguments, there as a whole. call_peek shows its arguments,
 * with each call those of one further, or NULL, and how many bytes there are up to its end.
 * call_take says how many of them, from the first one on, the slot of this command answers too,
 * each with a reply of its own, in order: all errors or none. Those not taken run as if they had
 * not been shown. After call_peek the call's argv is gone; the bytes that its slices pointed to are
 * not. */
const struct slice *call_peek(struct command_call *call, size_t *bytes_out);
void call_take(struct command_call *call, struct slot *slot, uint32_t count, size_t bytes);

/* The client hung up or was killed while its blocking slot was open: on_gone is called once, so
 * that the request can be ended; slot_send is still owed. */
void slot_on_gone(struct slot *slot, void (*on_gone)(void *arg), void *arg);

struct resp_writer slot_reply(struct slot *slot);
void slot_send(struct slot *slot);

/* The highest offset + 1 that this client must see: its own earlier writes' and, on this process,
 * everyone's. */
uint64_t call_after(const struct command_call *call);
uint64_t session_id(const struct session *session);
/* Does EXEC run the command? Then it must not wait for what others do. */
bool session_in_transaction(const struct session *session);
/* Behind WATCH: the epoch by which its writes have to be decided; else 0. */
uint64_t session_decided_epoch(const struct session *session);
/* True while earlier writes of this client still wait for their reports: call_after is not final
 * then. A read that finds this so asks to be run again when they are there:
 * call_again_after_writes, then returns at once without replying. */
bool session_writes_pending(const struct session *session);
void call_again_after_writes(struct command_call *call);
/* The same for a write that finds DECLARES_SOON: it runs again when that is over. */
void call_again_when_declared(struct command_call *call);

#endif
