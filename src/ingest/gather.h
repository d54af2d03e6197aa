#ifndef INGEST_GATHER_H
#define INGEST_GATHER_H

#include <stdbool.h>
#include <stdint.h>

/* The next record waits for the clients that were just answered. Pure; times are the caller's, of
 * one monotonic clock.
 *
 * With one record at a time, clients that wait for each reply fall into groups: one is in the log's
 * hands while others are answered, send, and gather. A record costs the log the same however little
 * it holds, so many small groups are dear: of a disk that syncs each, and of cores that the broker
 * shares. Or they are what keeps both sides at work: where cores idle, a log that waits for company
 * is time lost. Which of it holds is measured: trial.h.
 *
 * A record either leaves with whoever has come when the one before it is reported; or it is held
 * until as many have come as that report answered, for half of what it took at most. */

enum {
    GATHER_PART = 2, /* of the report's time: the longest wait */
    GATHER_NS_MAX = 20 * 1000 * 1000,
};

struct gather {       /* all zero: nobody is waited for */
    int64_t until_ns; /* 0: nobody is waited for */
    uint32_t expected;
    uint32_t arrived;
};

/* A record of so many commands was answered, took_ns after it was handed to the log. Is the next
 * one held? */
void gather_report(struct gather *g, bool holds, uint32_t commands, int64_t took_ns,
                   int64_t now_ns);

/* A command came. */
void gather_command(struct gather *g);

/* A record leaves, for whatever reason: nobody is waited for any more. */
void gather_end(struct gather *g);

/* Should the record still be held? Until g->until_ns at the latest. */
bool gather_waits(struct gather *g, int64_t now_ns);

#endif
