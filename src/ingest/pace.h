#ifndef INGEST_PACE_H
#define INGEST_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* How far behind what is acknowledged is the consumer? Follows
 * docs/adr/0018-writers-wait-for-the-consumer.md.
 *
 * Now and then it is noted which offset was acknowledged when; the consumer is behind while it has
 * not passed one that was noted a limit ago. So clocks of others do not matter, and a consumer that
 * was idle is not behind with its first record. Pure: the caller has the clock. Thread: one. */

enum { PACE_MARKS = 32 };

struct pace { /* all zero: nothing was acknowledged */
    struct pace_mark {
        uint64_t next; /* all below it are acknowledged */
        int64_t mono_ms;
    } marks[PACE_MARKS]; /* a ring */
    uint32_t first, count;
};

/* Records below `next` are acknowledged. */
void pace_note(struct pace *pace, uint64_t next, int64_t mono_ms, int64_t limit_ms);

/* Records below `applied` are applied. */
bool pace_is_behind(struct pace *pace, uint64_t applied, int64_t mono_ms, int64_t limit_ms);

#endif
