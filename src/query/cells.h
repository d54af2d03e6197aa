#ifndef QUERY_CELLS_H
#define QUERY_CELLS_H

#include "base/number.h"
#include "query/query.h"
#include "query/scratch.h"
#include "base/sum.h"

#include <stdint.h>

/* What the items of one category have in memory, a cell for each column (dimension), in pages of
 * items: a range sees few of the items that a category ever had, and items that were new together
 * are active together. One thread at a time, but for cells_page_take; any number may read. */

enum { CELLS_PAGE_SHIFT = 6, CELLS_PAGE_ITEMS = 1 << CELLS_PAGE_SHIFT };

/* What an item has of one column. Cells are added up; points that were taken back (retracted) make
 * sum and count differences, so that count may be below 0, modulo 2^64, until all parts are in. max
 * cannot be taken back. */
struct cell {
    struct sum sum;
    double max;     /* of points that were added; meaningless while there are none */
    uint64_t count; /* points that are numbers */
};

/* Without branches: which item comes next, and whether its value is its largest, nobody can guess.
 */
static inline void cell_add(struct cell *cell, double value)
{
    static const uint64_t least = UINT64_C(0xfff0000000000000); /* -infinity's bits */
    uint64_t has_max = -(uint64_t)(cell->count != 0);
    uint64_t bits = (number_f64_to_bits(cell->max) & has_max) | (least & ~has_max);
    double max = number_f64_from_bits(bits);
    cell->max = value > max ? value : max;
    sum_add(&cell->sum, value);
    cell->count++;
}
void cell_retract(struct cell *cell, double value);
void cell_merge(struct cell *cell, const struct cell *other);
/* Takes away what was merged before, or comes later; max stays. */
void cell_subtract(struct cell *cell, const struct cell *other);
/* All is in: what the sum of no points has left is rounding. */
void cell_settle(struct cell *cell);
/* sum and count of nothing are 0, max and avg NaN. */
double cell_value(const struct cell *cell, enum aggregate aggregate);
static inline bool cell_is_empty(const struct cell *cell)
{
    return cell->count == 0 && cell->sum.value == 0 && cell->sum.lost == 0;
}

struct cells {
    struct scratch *scratch; /* theirs; dies with them */
    uint32_t columns;
    uint32_t items_hint;
    struct cell **pages; /* item % CELLS_PAGE_ITEMS x columns + column; NULL: nothing there */
    uint32_t pages_count;
};

/* items: how many there are about; more may come. */
void cells_init(struct cells *cells, struct scratch *scratch, uint32_t columns, uint32_t items);

/* An item's cells, or NULL: scratch_error says why. */
struct cell *cells_take(struct cells *cells, uint32_t item);

/* Makes room for as many items as were said, so that pages can be taken by several threads, each
 * its own ones, with memory of its own. False: scratch_error says why. */
MUST_USE bool cells_reserve(struct cells *cells);
/* page < pages_count. NULL: scratch_error says why. */
struct cell *cells_page_take(struct cells *cells, uint32_t page, struct scratch *scratch);

/* An item's cells, or NULL: it has none. */
static inline const struct cell *cells_find(const struct cells *cells, uint32_t item)
{
    uint32_t at = item / CELLS_PAGE_ITEMS;
    if (at >= cells->pages_count || cells->pages[at] == NULL)
        return NULL;
    return &cells->pages[at][(size_t)(item % CELLS_PAGE_ITEMS) * cells->columns];
}

/* Of one column. */
struct cells_total {
    struct cell cell;
    bool any;    /* some cell is not empty */
    bool finite; /* all sums are */
};
struct cells_total cells_total(const struct cells *cells, uint32_t column);

#endif
