#include "query/item_map.h"

int item_map_init(struct item_map *m, const uint32_t *items, uint32_t count,
                  struct scratch *scratch)
{
    uint32_t first = items[0], last = items[count - 1], used = 1; /* page 0 is empty */
    uint32_t pages_count = ((last - first) >> ITEM_MAP_SHIFT) + 1;
    for (uint32_t i = 0; i < count; i++)
        used += i == 0 ||
                (items[i] - first) >> ITEM_MAP_SHIFT != (items[i - 1] - first) >> ITEM_MAP_SHIFT;
    uint32_t *pages = scratch_take(scratch, pages_count, sizeof(*pages));
    uint32_t *places = scratch_take(scratch, (uint64_t)used * ITEM_MAP_PAGE, sizeof(*places));
    if (pages == NULL || places == NULL)
        return scratch_error(scratch);
    used = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *page = &pages[(items[i] - first) >> ITEM_MAP_SHIFT];
        if (*page == 0)
            *page = used++ * ITEM_MAP_PAGE;
        places[*page + (items[i] - first) % ITEM_MAP_PAGE] = i + 1;
    }
    *m = (struct item_map){.first = first, .last = last, .pages = pages, .places = places};
    return 0;
}
