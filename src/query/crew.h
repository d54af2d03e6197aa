#ifndef QUERY_CREW_H
#define QUERY_CREW_H

#include "query/read.h"

/* One read on several workers: the one that runs it, and idle ones that help with a loop over parts
 * (port/executor.h). Helpers read runs that no longer change, so that they need no share in the
 * snapshot. Thread: a worker. Blocks. */

enum { CREW_MAX = READ_HELPERS_MAX + 1 };

struct crew_member {
    uint32_t number; /* 0: the read's own worker; below CREW_MAX */
    struct storage_session *session;
    struct read_guard *guard;
};

/* Any thread, but each part once. Parts are taken in ascending order. An error ends the loop. */
typedef int crew_work(void *arg, const struct crew_member *member, uint32_t part);

/* Returns the first error, when nobody works any more. */
MUST_USE int crew_run(struct read *read, uint32_t parts, crew_work *work, void *arg);

#endif
