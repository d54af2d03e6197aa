#ifndef COMMAND_CLAIMS_H
#define COMMAND_CLAIMS_H

#include "base/slice.h"
#include "store/store.h"
#include "tenant/tenant.h"

#include <stdbool.h>
#include <stdint.h>

/* Series that a command of many records works on. Two such commands must not meet on one series: in
 * this process they wait for each other, and elsewhere they are refused, because the partition has
 * one owner; what an owner that was replaced still sends carries its epoch, and does not count
 * (docs/adr/0022-decided-points.md). Thread: loop. */

struct claim {
    const struct tenant_environment *environment;
    struct slice keys[2]; /* as name_join_key gives them; the caller's until it lets go */
    /* Once. 0: the series are held. LT_EFENCED: another process owns them. LT_ETIMEOUT: another
     * claim holds one of them, or this process has only just become their owner. LT_ECLOSED,
     * LT_EUNAVAILABLE. */
    void (*granted)(struct claim *claim, int err);
    uint64_t epoch; /* out: for all records */
    /* internal */
    struct claim *next;
    int64_t due_mono_ms;
    bool held;
};

struct claims {
    struct store *store;
    int64_t deadline_ms;
    struct claim *first; /* oldest first */
};

/* What an error says of a command whose claim does not count any more. */
#define CLAIM_LOST "NOTOWNER another process has become the partition's owner"

/* granted may be called within. */
void claims_take(struct claims *claims, struct claim *claim);
/* One that is held. Others are granted at the end of the loop's turn. */
void claims_let_go(struct claims *claims, struct claim *claim);

/* At the end of each loop turn. */
void claims_turn(struct claims *claims);
/* Refuses those that wait: LT_ECLOSED. */
void claims_stop(struct claims *claims);

#endif
