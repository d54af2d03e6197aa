#ifndef VECTOR_RANK_MINUTES_H
#define VECTOR_RANK_MINUTES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* What the best items of a list (vector/rank.h) have, minute by minute: a body for
 * RANK_MINUTES_ENTRIES of them, from number * RANK_MINUTES_ENTRIES on, so that a sparkline of the
 * best costs a row a range, and not one for each item (docs/adr/0010-rank-rows.md). Versioned,
 * checksummed and lossless; not compressed. */
enum {
    RANK_MINUTES_ENTRIES = 256,
    RANK_MINUTES_ROWS = 4, /* of a list; its other entries have none */
    RANK_MINUTES_PARTS = 60,
    RANK_MINUTES_MAX = RANK_MINUTES_ENTRIES * RANK_MINUTES_PARTS
};

struct rank_minutes { /* columns; by item, then minute, each once */
    uint32_t count;
    uint32_t items[RANK_MINUTES_MAX];  /* RANK_MINUTES_ENTRIES different ones at most */
    uint8_t minutes[RANK_MINUTES_MAX]; /* since the range's start, below RANK_MINUTES_PARTS */
    double sums[RANK_MINUTES_MAX];
    uint64_t counts[RANK_MINUTES_MAX]; /* points that are numbers: not 0 */
};

/* 1 … RANK_MINUTES_MAX entries. LT_ENOMEM, LT_ELIMIT (out's). */
MUST_USE int rank_minutes_encode(const struct rank_minutes *minutes, struct buffer *out);
/* out is spoilt on failure. LT_EVERSION, LT_ECORRUPT (wrong order, too), LT_ENOMEM. */
MUST_USE int rank_minutes_decode(struct slice body, struct rank_minutes *out);

#endif
