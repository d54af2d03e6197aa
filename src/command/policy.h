#ifndef COMMAND_POLICY_H
#define COMMAND_POLICY_H

#include "base/attr.h"
#include "command/command.h"
#include "command/decide.h"
#include "model/settings.h"
#include "record/record.h"

#include <stdbool.h>

/* In which way a point of TS.ADD or TS.MADD is written: as its series says, where one is declared.
 * Points of OBSERVE are LAST, whatever is declared. Thread: loop. */

/* What is known of the declarations that decide about writes. All zero: there are none, and all
 * points are LAST. */
struct policy_known {
    struct catalog *catalog; /* with a reference, where there are some */
    bool unknown;            /* here: the log's order tells, POLICY_DECLARED */
};

/* A load where there are none. False, with may_wait alone: they are being loaded, and the command
 * will run again; just return. policy_end in any other case. */
MUST_USE bool policy_begin(struct command_call *call, bool may_wait, struct policy_known *out);
void policy_end(struct policy_known *known);

struct policy_way {
    enum policy policy;
    bool blocks;
    bool given;   /* by the command: ON_DUPLICATE */
    bool decides; /* it takes the owner of the partition */
};

/* What the declaration says, and ON_DUPLICATE in its place. */
struct policy_way policy_way(const struct policy_known *known, const struct record_point *point,
                             enum duplicate on_duplicate);
/* Of a value; settings: NULL: of a series that is not declared. */
struct policy_way policy_way_of(const struct settings *settings, enum duplicate on_duplicate,
                                double value);

/* May such a point be sent again, and nothing changes? */
bool policy_is_harmless(enum policy policy);

/* The question to the owner. epoch: session_decided_epoch. */
struct decide_ask policy_ask(struct policy_way way, const struct record_point *point, bool relative,
                             uint64_t epoch);

#endif
