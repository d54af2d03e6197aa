#ifndef MODEL_BLOCK_H
#define MODEL_BLOCK_H

#include "base/ascending.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Points of one (category, dimension, host), in log order, as columns. The one shape in which
 * points leave the head and MySQL alike, so that readers have a single path. Borrowed: valid during
 * the call that hands it over.
 *
 * fresh: each point is the first ever of its (series, time), and no later offset in fresh blocks
 * has the same (series, time): such points may be added up as they are. In blocks that are not
 * fresh a point may repeat a (series, time) seen before; all points of such an item have to be
 * folded by policy, in log order: a fresh point first, then by lo, then by the order of hand-over
 * and position. */
struct block {
    uint32_t category;
    uint32_t dimension;
    uint32_t host;
    bool fresh;
    uint64_t lo; /* first offset of the flush or head segment that they came with: log order */
    uint32_t count;
    const uint32_t *items;
    const int64_t *times_ms;
    const double *values;
    const uint8_t *policies; /* enum policy; NULL: all LAST */
    /* Sealed, where body.p is not NULL: count is 0, and there are no columns, but the row's body as
     * it is stored (vector/arrival.h), for the reader to open where and when it likes. */
    struct slice body;
    bool stays; /* the columns live until the head's view is unpinned */
};

/* Which points a reader wants. Sources use it to leave out what cannot matter and may hand over
 * more: the reader checks items and times itself. Borrowed. */
struct block_filter {
    uint32_t category;
    /* ascending, two or more: these in place of `category`. For scans of points and packs, where
     * the categories' items, dimensions and hosts are the same few: a statement for all of them. */
    const uint32_t *categories;
    uint32_t categories_count;
    const uint32_t *dimensions;
    uint32_t dimensions_count;
    const uint32_t *hosts; /* ascending; NULL: all */
    uint32_t hosts_count;
    const uint32_t *items; /* ascending; NULL: all */
    uint32_t items_count;
    /* A span of items, as jobs read a large group piece by piece: both inclusive; item_last 0:
     * none. Together with items both hold. */
    uint32_t item_first, item_last;
    int64_t from_ms; /* inclusive */
    int64_t to_ms;   /* exclusive; INT64_MAX: no end */
    bool fresh;      /* only fresh blocks, or only the others: a source is asked for each in turn */
    bool sealed;     /* blocks may come sealed; else none does */
};

/* Seconds in which a (host, collector) reported. Borrowed. */
struct beat_block {
    uint32_t host;
    uint32_t collector;
    uint32_t from_s;     /* the hour's first second */
    const uint8_t *bits; /* 450 bytes: second i is bits[i / 8] >> (i % 8) & 1 */
};

struct beat_filter {
    uint32_t collector;
    const uint32_t *hosts; /* ascending; NULL: all */
    uint32_t hosts_count;
    int64_t from_ms;
    int64_t to_ms;
};
enum { BEAT_SECONDS = 3600, BEAT_BYTES = 450 };

static inline bool block_filter_has_category(const struct block_filter *filter, uint32_t category)
{
    if (filter->categories == NULL)
        return filter->category == category;
    return ascending_has(filter->categories, filter->categories_count, category);
}

/* The last time before to_ms. A point may stand at INT64_MAX, so that as an end means none. */
static inline int64_t block_last_ms(int64_t to_ms)
{
    return to_ms == INT64_MAX ? to_ms : to_ms - 1;
}

/* Return 0 to go on; anything else stops the scan, which returns it. */
typedef int block_visit(void *arg, const struct block *block);
typedef int beat_visit(void *arg, const struct beat_block *block);

#endif
