#ifndef COMMAND_MADD_H
#define COMMAND_MADD_H

#include "base/attr.h"
#include "command/command.h"

#include <stdbool.h>
#include <stdint.h>

/* What TS.MADD of new series (write.c) and the one that needs them to be there (madd_careful.c)
 * share. Thread: loop. */

/* TS.MADD answers point by point. Where all points are good, and that is the hot path, the reply
 * needs nothing but the batch; where some are bad, their errors are kept here until the report
 * comes. */
struct mixed {
    struct slot *slot;
    bool relative;
    uint32_t count;
    const char *errors[]; /* NULL: that point is written */
};

struct madd {
    struct mixed *mixed; /* made at the first bad point */
    uint32_t written;
    bool relative;
    struct catalog *declared;       /* policy_begin */
    const struct result_key *there; /* of each point; NULL: all may be written */
};

/* Hands the good points over, between ingest_begin and its end; the others' errors are in
 * madd->mixed. 0, or why the command as a whole is refused. */
MUST_USE int madd_points(struct command_call *call, struct madd *madd);
/* Makes madd->mixed where there is none. False: out of memory. */
MUST_USE bool madd_mix(struct command_call *call, struct madd *madd);
/* An ingest_done whose arg is a struct mixed, with its slot: replies, and frees it. */
void madd_mixed_done(void *arg, const struct ingest_written *written);
/* Where no point was good. */
void madd_all_bad(struct resp_writer w, const struct mixed *mixed);

/* TS.MADD with --madd-creates no. */
void madd_careful(struct command_call *call);

#endif
