#ifndef INGEST_TRIAL_H
#define INGEST_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

/* Choices that are measured: which way of doing it answers more commands in a time? Pure; times are
 * the caller's, of one monotonic clock.
 *
 * Some questions have no answer that holds everywhere, because it is made of machines that the
 * server does not see: of the log's disk, the broker's cores, what a virtual machine's host takes
 * for waking a core. But all of it shows in one figure. So periods of some reports each go one way
 * or the other; periods next to each other that differ in one choice are compared, and what they
 * say is smoothed. The better way is kept, and the other one tried again now and then: after 1, 2,
 * 4, ... 16 periods. Where clients do not wait for replies, both ways answer the same; the way that
 * costs something has to gain something, so it is not taken then. */

enum trial_choice {
    TRIAL_HOLD,  /* does the next record wait for who was just answered? gather.h */
    TRIAL_AWAKE, /* does the loop look for work before it sleeps? ingest_awake_until_ns */
    TRIAL_CHOICES,
};

enum {
    TRIAL_SETTLE = 4, /* reports at the beginning of a period that tell of the one before */
    TRIAL_REPORTS_MIN = 16,
    TRIAL_COMMANDS_MIN = 128, /* fewer say more of chance than of the way */
    TRIAL_PERIOD_NS_MIN = 50 * 1000 * 1000,
    TRIAL_IDLE_PARTS = 8, /* of the report's time: a longer time without reports is nobody's */
    TRIAL_DOUBTS = 3,     /* so many comparisons that found nothing stand before the first, */
    TRIAL_SEEN_MAX = 13,  /* and with so many gains are smoothed */
    TRIAL_CALM_MAX = 4,   /* a trial after 2 to this power periods at the latest */
};

struct trial_way {
    bool taken;    /* in this period */
    bool favoured; /* by what was learned */
    bool excluded; /* never tried */
    double gain;   /* of taking it: 0.1 is a tenth more; smoothed */
    uint32_t seen; /* comparisons in it, at most TRIAL_SEEN_MAX */
    uint32_t calm; /* trials since that favoured it or ceased to, at most TRIAL_CALM_MAX */
    uint32_t rest; /* periods until its next trial */
};

struct trial { /* all zero: nothing is taken yet, everything is tried */
    struct trial_way ways[TRIAL_CHOICES];
    /* The period. */
    bool compared; /* it differs from the one before it: in `changed` */
    enum trial_choice changed;
    enum trial_choice turn; /* whose trial is next, where several are due */
    double rate_before;     /* commands a ns of the period before */
    uint32_t reports;
    uint64_t commands;
    int64_t busy_ns;
    int64_t report_ns; /* the last one's time */
};

/* A record of so many commands was answered, took_ns after it was handed to the log. */
void trial_report(struct trial *t, uint32_t commands, int64_t took_ns, int64_t now_ns);

#endif
