#ifndef LOAD_REPLY_H
#define LOAD_REPLY_H

#include "base/attr.h"
#include "load/traffic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every reply is checked, byte by byte:
 *
 *   TS.MADD   an array of as many integers as points were sent, each the time that was sent
 *   TS.ADD    the time
 *   OBSERVE   partition:offset, where the partition is always the same and a connection's offsets
 *             do not go back
 *
 * A time's good reply is known beforehand, so that the check is a comparison of memory; only what
 * differs is parsed, to tell an error from a wrong answer. One thread. */

enum { REPLY_LINE_BYTES = 96 };

/* What all connections share. */
struct reply_check;

struct reply_counts {
    uint64_t points_acked; /* each with the reply that it should have */
    uint64_t errors;       /* error replies, those within an array included */
    uint64_t wrong;        /* replies, and elements of replies, that no server may give */
    char first_error[REPLY_LINE_BYTES];
    char first_wrong[REPLY_LINE_BYTES];
};

/* One connection's place in its stream of replies. All 0 at first. */
struct reply_reader {
    uint32_t matched; /* bytes of the expected reply that are there already */
    bool parsing;     /* it differs: the rest is parsed */
    bool in_body;     /* of a bulk string */
    uint32_t line_len;
    uint32_t elements_left;
    uint32_t acked;     /* points of this reply */
    uint64_t body_left; /* bytes of a bulk string still to come, its end included */
    bool has_offset;
    int64_t offset; /* of the last receipt */
    char line[REPLY_LINE_BYTES];
};

enum reply_state {
    REPLY_MORE, /* all bytes are taken; the reply goes on */
    REPLY_DONE,
    REPLY_GARBAGE, /* not RESP: nothing that follows can be read */
};

/* LT_ENOMEM. */
MUST_USE int reply_check_create(enum command command, uint32_t points, struct reply_check **out);
void reply_check_destroy(struct reply_check **check);
const struct reply_counts *reply_counts(const struct reply_check *check);

/* Takes bytes of the reply to a command whose points have this time. *taken_out: how many of them
 * are this reply's. *acked_out is set at REPLY_DONE: points that are acknowledged. */
enum reply_state reply_take(struct reply_check *check, struct reply_reader *reader, int64_t time_ms,
                            const char *p, size_t n, size_t *taken_out, uint32_t *acked_out);

#endif
