#ifndef QUERY_ITEM_MAP_H
#define QUERY_ITEM_MAP_H

#include "base/attr.h"
#include "query/scratch.h"

#include <stdint.h>

/* Which of some thousand wanted items is this one? Asked for each of millions of points, where a
 * binary search takes most of the time.
 *
 *   item - first:  | page, the rest | 8 bits |
 *   pages          one entry a page: where its places begin; 0: nobody is wanted there
 *   places         256 a page: position among the wanted items + 1, or 0
 *
 * Memory, charged to the scratch and borrowed from it: 1 KiB for each wanted item at most, and 4
 * bytes for each 256 items between the first and the last. Pure; any thread once it is made. */

enum { ITEM_MAP_SHIFT = 8, ITEM_MAP_PAGE = 1 << ITEM_MAP_SHIFT };
#define ITEM_MAP_NONE UINT32_MAX

struct item_map {
    uint32_t first, last;
    const uint32_t *pages, *places;
};

/* items: ascending, each once, one or more. LT_ELIMIT, LT_ENOMEM. */
MUST_USE int item_map_init(struct item_map *m, const uint32_t *items, uint32_t count,
                           struct scratch *scratch);

/* The item's position, or ITEM_MAP_NONE. */
static inline uint32_t item_map_find(const struct item_map *m, uint32_t item)
{
    uint32_t at = item - m->first;
    if (at > m->last - m->first)
        return ITEM_MAP_NONE;
    return m->places[m->pages[at >> ITEM_MAP_SHIFT] + at % ITEM_MAP_PAGE] - 1;
}

#endif
