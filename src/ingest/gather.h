#ifndef INGEST_GATHER_H
#define INGEST_GATHER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the next record should wait for the clients that were just answered. Pure; times are the
 * caller's, of one monotonic clock.
 *
 * With one record at a time, clients that wait for each reply fall into groups: one is in the log's
 * hands while others are answered, send, and gather. A record costs the log the same however little
 * it holds, so many small groups are dear: of a disk that syncs each, and of cores that the broker
 * shares. Or they are what keeps both sides at work: where cores idle, a log that waits for company
 * is time lost. Which of it holds changes with the log, the machine and the load, and shows in one
 * figure: how many commands are answered in a time.
 *
 * So that is measured. Periods of some reports each go one of two ways: a record leaves with
 * whoever has come when the one before it is reported; or it is held until as many have come as
 * that report answered, for half of what it took at most. The way that answers more is kept, and
 * the other one is tried again now and then: after 1, 2, 4, … 16 periods. Holding has to be a
 * twentieth faster, smoothed over some trials, so that clients that do not wait for replies, which
 * make both ways equal, are not held. */

enum {
    GATHER_PART = 2, /* of the report's time: the longest wait */
    GATHER_NS_MAX = 20 * 1000 * 1000,
    GATHER_SETTLE = 4, /* reports at the beginning of a period that tell of the one before */
    GATHER_REPORTS_MIN = 16,
    GATHER_PERIOD_NS_MIN = 50 * 1000 * 1000,
    GATHER_IDLE_PARTS = 8, /* of the report's time: a longer time without reports is nobody's */
    GATHER_CALM_MAX = 4,   /* a trial after 2 to this power periods at the latest */
};

struct gather {       /* all zero: nobody is waited for */
    int64_t until_ns; /* 0: nobody is waited for */
    uint32_t expected;
    uint32_t arrived;
    /* The period. */
    bool holds;
    bool changed; /* the one before it went the other way */
    uint32_t reports;
    uint64_t commands;
    int64_t busy_ns;
    int64_t report_ns; /* the last one's time */
    /* What was learned. */
    double rate[2]; /* commands a ns, of the last period without and with holding; 0: none yet */
    double gain;    /* of holding: 0.1 is a tenth more; smoothed */
    bool favours;   /* holding */
    uint32_t calm;  /* trials since that changed, at most GATHER_CALM_MAX */
    uint32_t rest;  /* periods until the next trial */
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
