#ifndef TESTS_INGEST_MEMLOG_H
#define TESTS_INGEST_MEMLOG_H

#include "port/log.h"

#include <stdbool.h>
#include <stddef.h>

/* The log port in memory, for tests of what stands above it: appends wait until the test decides
 * what becomes of them; what is stored can be looked at. */

struct memlog_record {
    uint32_t partition;
    uint64_t offset;
    struct slice bytes; /* malloc'd */
};

struct memlog {
    struct log log;
    int refuse; /* what append returns, 0: it takes records */
    struct memlog_append *first, **end;
    size_t waiting_bytes;
    uint32_t waiting;
    struct memlog_record *stored; /* in order */
    uint32_t stored_count;
    uint64_t next[2]; /* a partition */
};

void memlog_init(struct memlog *m);
void memlog_fini(struct memlog *m);

/* Reports on the oldest append that waits. stored_too: an UNKNOWN one is in the log nevertheless.
 */
void memlog_decide(struct memlog *m, enum log_outcome outcome, bool stored_too);

#endif
