#ifndef COMMAND_WATCH_H
#define COMMAND_WATCH_H

#include "base/attr.h"
#include "command/command.h"
#include "command/transaction.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* WATCH: EXEC runs nothing where a watched series was written to, erased or emptied since
 * (docs/adr/0025-watch.md). Thread: loop.
 *
 *   WATCH  from now on a write that this process takes changes the series' watches. The reply waits
 *          until all that it took before is applied: what is read next has all of it.
 *   EXEC   unchanged, also by what others wrote, as far as it is applied, and the partition owned
 *          without a break? Then its writes go to the decider at once, in one turn of the loop.
 *
 * Limits: WATCHES_MAX in all. */

struct session;
struct sessions;
enum { WATCHES_MAX = 65536, WATCH_BUCKETS = 1024 };

struct watches {
    struct watch *buckets[WATCH_BUCKETS];
    uint32_t count;
    uint32_t waiting; /* sessions whose WATCH is not answered yet */
};

struct watch {
    struct watch *next;          /* of the session */
    struct watch *above, *below; /* in the bucket */
    const struct tenant_environment *environment;
    uint64_t hash;
    struct slice host, metric; /* behind the struct */
    bool changed;
    bool seen; /* token is set */
    struct store_token token;
};

/* Of the session's environment. NULL: out of memory. */
struct watch *watch_add(struct session *session, struct slice host, struct slice metric);
void watch_forget(struct session *session);
uint32_t watch_count(const struct session *session);

/* A write of this process is handed over: of a series, or of all of the environment's (metric
 * empty).
 */
void watches_touch(void *sessions, const struct tenant_environment *environment, struct slice host,
                   struct slice metric);
/* At the end of each loop turn. */
void watches_look(struct sessions *all);

/* For EXEC: may it run? Composes the reply where it may not. The transaction's writes then carry
 * the epoch. What was watched is forgotten either way. */
MUST_USE bool watch_permits(struct command_call *call, struct transaction *transaction);

#endif
