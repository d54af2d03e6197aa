#include "query/cells.h"

#include <math.h>

void cell_retract(struct cell *cell, double value)
{
    sum_add(&cell->sum, -value);
    cell->count--;
}

void cell_merge(struct cell *cell, const struct cell *other)
{
    if (cell->count == 0 || (other->count != 0 && other->max > cell->max))
        cell->max = other->max;
    sum_merge(&cell->sum, &other->sum);
    cell->count += other->count;
}

void cell_subtract(struct cell *cell, const struct cell *other)
{
    sum_merge(&cell->sum, &(struct sum){-other->sum.value, -other->sum.lost});
    cell->count -= other->count;
}

void cell_settle(struct cell *cell)
{
    if (cell->count == 0)
        cell->sum = (struct sum){0};
}

double cell_value(const struct cell *cell, enum aggregate aggregate)
{
    switch (aggregate) {
    case AGGREGATE_COUNT:
        return (double)cell->count;
    case AGGREGATE_MAX:
        return cell->count > 0 ? cell->max : NAN;
    case AGGREGATE_AVG:
        return cell->count > 0 ? sum_total(&cell->sum) / (double)cell->count : NAN;
    default:
        return cell->count > 0 ? sum_total(&cell->sum) : 0;
    }
}

void cells_init(struct cells *cells, struct scratch *scratch, uint32_t columns, uint32_t items)
{
    *cells = (struct cells){.scratch = scratch, .columns = columns, .items_hint = items};
}

static uint32_t pages_hinted(const struct cells *cells)
{
    return cells->items_hint / CELLS_PAGE_ITEMS + 1;
}

static bool grow(struct cells *cells, uint32_t at)
{
    uint32_t count = pages_hinted(cells);
    if (count <= at)
        count = at + at / 2 + 1;
    struct cell **pages = scratch_take(cells->scratch, count, sizeof(struct cell *));
    if (pages == NULL)
        return false;
    if (cells->pages_count > 0)
        memcpy(pages, cells->pages, cells->pages_count * sizeof(struct cell *));
    cells->pages = pages;
    cells->pages_count = count;
    return true;
}

bool cells_reserve(struct cells *cells)
{
    return cells->pages_count > 0 || grow(cells, pages_hinted(cells) - 1);
}

struct cell *cells_page_take(struct cells *cells, uint32_t page, struct scratch *scratch)
{
    if (cells->pages[page] == NULL)
        cells->pages[page] =
            scratch_take(scratch, (uint64_t)CELLS_PAGE_ITEMS * cells->columns, sizeof(struct cell));
    return cells->pages[page];
}

struct cell *cells_take(struct cells *cells, uint32_t item)
{
    uint32_t at = item / CELLS_PAGE_ITEMS;
    if (at >= cells->pages_count && !grow(cells, at))
        return NULL;
    struct cell *page = cells_page_take(cells, at, cells->scratch);
    return page == NULL ? NULL : &page[(size_t)(item % CELLS_PAGE_ITEMS) * cells->columns];
}

struct cells_total cells_total(const struct cells *cells, uint32_t column)
{
    struct cells_total total = {.finite = true};
    for (uint32_t p = 0; p < cells->pages_count; p++) {
        if (cells->pages[p] == NULL)
            continue;
        for (uint32_t i = 0; i < CELLS_PAGE_ITEMS; i++) {
            const struct cell *cell = &cells->pages[p][(size_t)i * cells->columns + column];
            if (cell_is_empty(cell))
                continue;
            cell_merge(&total.cell, cell);
            total.any = true;
            total.finite &= isfinite(sum_total(&cell->sum));
        }
    }
    total.finite &= isfinite(sum_total(&total.cell.sum));
    return total;
}
