#ifndef TESTS_PORT_SUPPORT_CONFORMANCE_H
#define TESTS_PORT_SUPPORT_CONFORMANCE_H

#include "base/slice.h"
#include "base/vec.h"
#include "port/log.h"

#include <stdbool.h>
#include <stdint.h>

/* The log port's contract, as tests that know no adapter. An adapter's test program fills a harness
 * and calls conformance_run; a hook that is NULL skips its test, with a printed reason. */

enum { HARNESS_PARTITIONS = 3 };

struct harness {
    const char *name;
    void *context;
    /* New, empty storage. */
    void (*fresh)(struct harness *h);
    /* Opens it; ready for appends. The one before it has been destroyed. */
    struct log *(*open)(struct harness *h);
    void (*clean)(struct harness *h);
    bool trims;
    bool credits_per_partition;
    /* Damages, in the closed log, the stored copy of the record (unique bytes). */
    void (*corrupt)(struct harness *h, struct slice record);
};

/* Number of failed tests. */
int conformance_run(struct harness *h);

/* ---- for an adapter's own tests ---- */

struct kept {
    uint32_t partition;
    uint64_t offset;
    uint64_t hash; /* of the record */
};

/* Counts reports; checks that each partition's come once each, and in the order of the appends. */
struct ledger {
    struct log *log;
    uint64_t appended[HARNESS_PARTITIONS], reported[HARNESS_PARTITIONS];
    uint64_t stored, failed, unknown, pending;
    uint64_t last_offset[HARNESS_PARTITIONS]; /* of what was stored */
    char reason[256];                         /* the last one */
    int64_t slowest_ms;                       /* from append to report */
    VEC(struct kept) kept;                    /* what was reported as stored */
};

/* Appends; the status of log_append. */
int ledger_append(struct ledger *l, uint32_t partition, struct slice record);
/* Polls event_fd and dispatches until nothing is pending, or the time is up. True: nothing is. */
bool ledger_settle(struct ledger *l, int timeout_ms);
/* Polls once, for up to timeout_ms. */
void ledger_turn(struct ledger *l, int timeout_ms);
/* Reads everything back, of a log that only this ledger has written: what was stored is there,
 * unaltered, at its offset; what else is there was at most called unknown. */
void ledger_verify(struct ledger *l);
/* Destroys the log, frees. */
void ledger_close(struct ledger *l);
/* Appends `count` records "<prefix><i>" to a partition and expects all to be stored. */
void ledger_store(struct ledger *l, uint32_t partition, const char *prefix, int count);
/* Reads [from, from + count) and expects "<prefix><first + i>". */
void expect_records(struct log *log, uint32_t partition, uint64_t from, const char *prefix,
                    int first, int count);

#endif
