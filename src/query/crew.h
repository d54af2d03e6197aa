#ifndef QUERY_CREW_H
#define QUERY_CREW_H

#include "port/executor.h"
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
/* The same for work that needs no session: members' is NULL, but for that of the read's own worker.
 */
MUST_USE int crew_run_here(struct read *read, uint32_t parts, crew_work *work, void *arg);

/* The second in two steps, so that the read's own worker does something else until it joins in: the
 * helpers have begun by themselves. Caller-owned; every begin has its end. One at a time for a
 * read, as the others. */
struct crew {
    struct executor_assist assist;
    struct read *read;
    crew_work *work;
    void *arg;
    uint32_t parts;
    bool sessions; /* helpers bring theirs */
    bool shared;
    _Atomic uint32_t next;
    _Atomic uint32_t members;
    _Atomic int error; /* the first one: whoever is to join in may ask already */
};
void crew_begin(struct crew *crew, struct read *read, uint32_t parts, crew_work *work, void *arg);
MUST_USE int crew_end(struct crew *crew);
/* In its place: parts that nobody has begun are left out. */
void crew_stop(struct crew *crew);

#endif
