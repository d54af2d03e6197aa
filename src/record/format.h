#ifndef RECORD_FORMAT_H
#define RECORD_FORMAT_H

#include <stdint.h>

/* What writer and readers of a record share; docs/adr/0003-record-format.md and
 * 0015-points-2.md say why it is so.
 *
 * Version 1, which is read and no longer written:
 *
 *   hosts, metrics   [bin, bin, ...]
 *   runs             [way, host, time, count,  way, host, time, count, ...]
 *   metric_index     bin: a varint a point: zigzag(index - (index before + 1))
 *   values           bin: an IEEE 754 double a point, little-endian
 *
 * Version 2:
 *
 *   hosts            [bin, bin, ...]
 *   templates        [[shared, text], [shared, text, digits, text], [shared, text, digits, text,
 *                      digits, text], ...]: texts are bin, the first one is put behind the first
 *                      `shared` bytes of the first text of the template before
 *   shapes           bin: a varint a name: template << 1 | repeats
 *   digits           bin: for each name that does not repeat the digits of the one before, its
 *                      template's digits as bytes, each run of them by itself
 *   runs             bin, varints: count << 2 | host_differs << 1 | way_differs,
 *                      [way,] [zigzag(host - (host before + 1)),] zigzag(time - time before)
 *   metric_index     bin, varints: how many points have the name behind the one of the point
 *                      before, then zigzag(index - (index before + 1)) of the next point, and so
 *                      on; the points that are left have such names, too
 *   values           bin: value.h, one a point
 *
 * Doom and forget:
 *
 *   items            bin, varints, two for each run of consecutive ids, in rising order: how many
 *                      ids are left out before it, and how many it has, less one
 *
 * Series:
 *
 *   settings         bin: model/settings.h
 *
 *   way: policy | 16 if observed | 32 if decided (in a decided or an undecided record, which are as
 *   points of version 2 with the epoch before hosts). Policy 15, as declared, in an undecided
 * record alone.  Before the first run: way 0, host 0, time 0. */

enum {
    RECORD_VERSION = 1, /* of what holds no points */
    RECORD_POINTS_VERSION = 2,
    RECORD_RULE_VERSION = 2, /* of one that says a precision */
    RECORD_ITEMS_VERSION = 2,
    RECORD_SERIES_VERSION = 2,         /* and of drop; */
    RECORD_SERIES_DECIDED_VERSION = 3, /* ... with the epoch as one more field, the last */
    RECORD_CLEAR_VERSION = 2,
    RECORD_HEAD_FIELDS = 4, /* version, what, environment, append_ms */
    RECORD_POINTS_1_FIELDS = 9,
    RECORD_POINTS_FIELDS = 11,
    RECORD_RULE_FIELDS = 6,
    RECORD_PRECISION_FIELDS = 7,
    RECORD_TEXT_FIELDS = 6,
    RECORD_NOOP_FIELDS = 4,
    RECORD_ITEMS_FIELDS = 7,
    RECORD_SERIES_FIELDS = 8,
    RECORD_DROP_FIELDS = 6,
    RECORD_CLEAR_FIELDS = 4,
    RECORD_EPOCH_FIELDS = 5,
    RECORD_DECIDED_FIELDS = 12,

    RUN_1_FIELDS = 4,
    RUN_OBSERVED = 16,
    RUN_DECIDED = 32,
    RUN_POLICY_MASK = 15,
    RUN_WAY_DIFFERS = 1,
    RUN_HOST_DIFFERS = 2,
    RUN_COUNT_SHIFT = 2,

    /* Upper bounds in bytes. */
    RECORD_FIXED_BYTES_MAX = 64, /* a record's fields, its columns' contents aside */
    NAME_HEAD_BYTES_MAX = 3,
    INDEX_BYTES_MAX = 5 + 5, /* how many follow each other, a distance */
    POINT_BYTES_MAX = 192,   /* all that a point may add, its names aside */
    /* The names of a record, put together again: what a reader's memory may be asked for by few
     * bytes of a record. A record of a megabyte has a tenth of that. */
    RECORD_TEXTS_BYTES_MAX = 16 << 20,
};

#endif
