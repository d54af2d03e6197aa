#ifndef INGEST_GATHER_H
#define INGEST_GATHER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the next record should wait for the clients that were just answered. Pure; times are the
 * caller's, of one monotonic clock.
 *
 * With one record at a time, clients that wait for each reply fall into two halves: one is in the
 * log's hands while the other gathers. On a fast log that is best, as both sides work. Where a
 * report takes milliseconds (a disk that syncs each record), each half pays a whole report for
 * half of the commands. So after a slow report the next record is held until as many commands came
 * as were answered, for a quarter of what the report took at most. Where that time passes in vain
 * (clients that come once a second), the next reports are not followed by a wait: 2, 4, … 64 of
 * them. */

enum {
    GATHER_REPORT_NS_MIN = 2 * 1000 * 1000, /* a faster log is never held */
    GATHER_PART = 4,                        /* of the report's time, at most */
    GATHER_NS_MAX = 20 * 1000 * 1000,
    GATHER_MISSES_MAX = 6, /* a wait is tried after 2 to this power reports at the latest */
};

struct gather {       /* all zero: nobody is waited for */
    int64_t until_ns; /* 0: nobody is waited for */
    uint32_t expected;
    uint32_t arrived;
    uint32_t misses; /* waits in vain, in a row */
    uint32_t skip;   /* reports that no wait follows */
};

/* A record of so many commands was answered, took_ns after it was handed to the log. */
void gather_report(struct gather *g, uint32_t commands, int64_t took_ns, int64_t now_ns);

/* A command came. */
void gather_command(struct gather *g);

/* A record leaves, for whatever reason: nobody is waited for any more. */
void gather_end(struct gather *g);

/* Should the record still be held? Until g->until_ns at the latest. */
bool gather_waits(struct gather *g, int64_t now_ns);

#endif
