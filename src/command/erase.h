#ifndef COMMAND_ERASE_H
#define COMMAND_ERASE_H

#include "command/command.h"
#include "command/inquiry.h"

#include <stdbool.h>
#include <stdint.h>

/* Erases a series' points, copies or moves them to another series, or writes down those that its
 * rule computes (query/rules.h), so that they stay when the rule or its source goes. Reads which
 * there are, and appends an erasing one over each, or the point itself, or both
 * (POLICY_ERASE, model/kind.h). So a deletion is a write like any other: it has its place in the
 * log, is acknowledged by the log's report, and a point that is added later at the same time
 * stands.
 *
 *   read up to ERASE_POINTS_MAX points --> append that many erasing points --> report
 *     ^------------------------- until there are no more -----------------------'
 *
 * What another client adds to the range meanwhile may be erased or not: the two are concurrent.
 * A client that hangs up ends it at its next read. Thread: loop. */

enum erasing_way {
    ERASING_ERASE = 0,
    ERASING_KEEP, /* what is computed, where the series has no point of its own */
    ERASING_COPY,
    ERASING_MOVE, /* a point and its erasure stand in one record; goes on until there is none */
};

struct erasing {
    struct inquiry *inquiry; /* the command's; erasing asks by it until done */
    struct slice key;        /* the caller's until done */
    int64_t from_ms, to_ms;  /* [from, to) of what is left */
    uint64_t epoch;          /* of the claim under which it runs (claims.h), or 0 */
    enum erasing_way way;
    struct slice to; /* COPY, MOVE: the other series; the caller's until done */
    /* Called once. word NULL: they are gone. Else "ERR", "KAFKA failed:" ..., and what happened. */
    void (*done)(struct erasing *e, const char *word, const char *what);
    uint64_t erased; /* or written */
    bool known;      /* there is such a series */
    /* internal */
    bool more;
    uint64_t offset; /* of the record before; 0: none */
    int64_t next_ms; /* after the points that are being erased */
    uint32_t batch;
    uint32_t passes; /* of MOVE */
};

/* All up to `done` are set, the rest is 0. Begins where all that this process took is applied. done
 * may be called within. */
void erasing_start(struct erasing *e);

#endif
