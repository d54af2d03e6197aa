#ifndef QUERY_TOPQ_H
#define QUERY_TOPQ_H

#include "base/sum.h"
#include "query/pattern.h"
#include "query/read.h"

/* TOPQ between its steps: topq.c plans, scans and adds up; topq_rank.c ranks and makes the result.
 * Whatever else fills the cells (rank rows, vectors), the second half stays as it is.
 *
 * Cells are kept in pages of items, because a range sees few of the items that a category ever had,
 * and items that were new together are active together. */

enum { TOPQ_PAGE_ITEMS = 256 };

/* What an item has of one column (dimension), over the hosts and the range asked for. */
struct cell {
    struct sum sum;
    double max;
    uint64_t count; /* points that are numbers */
};

enum topq_slot { SLOT_NONE, SLOT_REST, SLOT_ROWS }; /* SLOT_ROWS + i: row i */

struct topq_page {
    uint32_t slots[TOPQ_PAGE_ITEMS]; /* enum topq_slot: where the item went */
    struct cell cells[];             /* item % TOPQ_PAGE_ITEMS x columns + column */
};

struct topq_category {
    struct catalog_category info;
    struct pattern_category fit;
    struct topq_page **pages; /* NULL: no point of its items */
    uint32_t pages_count;
};

struct topq {
    struct read *read;
    struct catalog *catalog;
    struct pattern pattern;
    struct topq_category *categories;
    uint32_t categories_count;
    uint32_t
        *columns; /* dimension ids, each once; [0] is the ranked one. CATALOG_NONE: not known */
    uint32_t columns_count;
    uint32_t *with;  /* column of each WITH dimension */
    uint32_t *hosts; /* ascending; NULL: all */
    uint32_t hosts_count;
    bool no_hosts; /* none of the hosts asked for is known */

    struct topq_category *category; /* of the block selected last, and its column */
    uint32_t column;
    struct cell *parts; /* sparklines: slot x sparkline + part */
};

void cell_add(struct cell *cell, double value);
void cell_merge(struct cell *cell, const struct cell *other);
/* sum and count of nothing are 0, max and avg NaN. */
double cell_value(const struct cell *cell, enum aggregate aggregate);

/* Calls visit for each item that has points. visit returns 0 to go on. */
typedef int topq_visit(struct topq *t, uint32_t category, uint32_t item, uint32_t *slot,
                       const struct cell *cells, void *arg);
MUST_USE int topq_each(struct topq *t, topq_visit *visit, void *arg);

/* Adds up the ranked dimension's points of the items that have a slot, by parts of the range. */
MUST_USE int topq_scan_parts(struct topq *t, uint32_t slots);

/* Ranks what the cells hold and fills the answer. */
MUST_USE int topq_rank(struct topq *t);

#endif
