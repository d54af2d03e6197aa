#ifndef RECORD_FORMAT_H
#define RECORD_FORMAT_H

#include <stdint.h>

/* What writer and reader of a record share; docs/adr/0003-record-format.md says why it is so.
 *
 *   hosts, metrics   [bin, bin, ...]
 *   runs             [way, host, time, count,  way, host, time, count, ...]
 *                      way:  policy | 16 if observed;  host: index into hosts
 *                      time: ms, less the time of the run before (of the first: as it is)
 *   metric_index     bin: a varint a point, see below
 *   values           bin: an IEEE 754 double a point, little-endian
 *
 * Names mostly follow each other in the order of their first appearance, so what stands for a point
 * is the distance from the place behind the point before: zigzag(index - (index before + 1)),
 * nearly always the one byte 0. */

enum {
    RECORD_VERSION = 1,
    RECORD_HEAD_FIELDS = 4, /* version, what, environment, append_ms */
    RECORD_POINTS_FIELDS = 9,
    RECORD_RULE_FIELDS = 6,
    RECORD_TEXT_FIELDS = 6,
    RECORD_NOOP_FIELDS = 4,

    RUN_FIELDS = 4,
    RUN_OBSERVED = 16,
    RUN_POLICY_MASK = 15,

    /* Upper bounds in bytes. */
    RECORD_FIXED_BYTES_MAX = 64, /* a record's fields, its columns' contents aside */
    RUN_BYTES_MAX = 1 + 5 + 9 + 5,
    VARINT_BYTES_MAX = 5, /* a zigzagged difference of two u32 has 33 bits */
    VALUE_BYTES = 8,
    NAME_HEAD_BYTES_MAX = 3,
};

static inline uint64_t zigzag(int64_t x)
{
    return ((uint64_t)x << 1) ^ (uint64_t)(x >> 63);
}

static inline int64_t unzigzag(uint64_t x)
{
    return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

#endif
