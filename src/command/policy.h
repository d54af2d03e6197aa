#ifndef COMMAND_POLICY_H
#define COMMAND_POLICY_H

#include "base/attr.h"
#include "command/command.h"
#include "model/settings.h"
#include "record/record.h"

#include <stdbool.h>

/* Which policy a point of TS.ADD or TS.MADD gets: its series', where one is declared. Points of
 * OBSERVE are LAST, whatever is declared. Thread: loop. */

/* The environment's declarations, with a reference, where some of them decide about writes; else
 * NULL: all points are LAST. A load where there are none. */
struct catalog *policy_begin(const struct command_call *call);

/* What the declaration says; DUPLICATE_DEFAULT: nothing. catalog may be NULL. */
enum duplicate policy_declared(struct catalog *catalog, const struct record_point *point);

/* False: it takes the owner of the partition to decide (BLOCK). */
MUST_USE bool policy_of(enum duplicate duplicate, enum policy *out);

#endif
