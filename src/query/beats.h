#ifndef QUERY_BEATS_H
#define QUERY_BEATS_H

#include "query/read.h"

/* The seconds in which (host, collector) reported, for a read's pairs. Thread: a worker. */

struct beats_pair {
    uint32_t host;
    uint32_t collector;
};

struct beats; /* in the read's scratch memory, but for its hours */

/* By collector, then host: for qsort and bsearch. */
int beats_compare(const void *a, const void *b);

/* pairs: ascending, each once. Copied. */
MUST_USE int beats_create(struct read *read, const struct beats_pair *pairs, uint32_t count,
                          struct beats **out);
void beats_destroy(struct beats **beats);

/* Reads [from, to). */
MUST_USE int beats_scan(struct beats *beats, int64_t from_ms, int64_t to_ms);

/* Calls visit for each second of a pair that starts in the range scanned; once each, in no order.
 */
MUST_USE int beats_each(struct beats *beats, struct beats_pair pair,
                        void (*visit)(void *arg, int64_t second_ms), void *arg);

#endif
