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

/* The environment's declarations, with a reference, where some of them decide about writes; else
 * NULL: all points are LAST. A load where there are none. */
struct catalog *policy_begin(const struct command_call *call);

struct policy_way {
    enum policy policy;
    bool blocks;
    bool given;   /* by the command: ON_DUPLICATE */
    bool decides; /* it takes the owner of the partition */
};

/* What the declaration says, and ON_DUPLICATE in its place. catalog may be NULL. */
struct policy_way policy_way(struct catalog *catalog, const struct record_point *point,
                             enum duplicate on_duplicate);
/* settings: NULL: of a series that is not declared. */
struct policy_way policy_way_of(const struct settings *settings, enum duplicate on_duplicate);

/* The question to the owner. */
struct decide_ask policy_ask(struct policy_way way, const struct record_point *point,
                             bool relative);

#endif
