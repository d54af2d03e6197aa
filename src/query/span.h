#ifndef QUERY_SPAN_H
#define QUERY_SPAN_H

#include "query/cells.h"
#include "query/crew.h"
#include "query/fold.h"
#include "query/span_plan.h"
#include "query/threshold.h"
#include "query/topq.h"
#include "vector/itemset.h"

#include <pthread.h>

/* A range of time as TOPQ reads it: each point of it is either in a list or in memory.
 *
 *   list     a run that the range covers whole, as its rank rows show it: total, best items, pages
 *   memory   cells: what no list has (the head, arrival rows, hours at the edges, groups that are
 * too small to have rank rows, the hosts asked for), and differences to lists, where points that
 * these have were written again
 *
 * Which items have how much is the sum of both. Filled once, then read only, by any thread. */

enum span_state {
    SPAN_NONE,    /* it holds nothing of this */
    SPAN_LIST,    /* the only one that is no memory */
    SPAN_SUMMED,  /* in memory, from its observation rows' summaries */
    SPAN_SUMMING, /* on the way there */
    SPAN_FOLDED,  /* in memory, point by point */
};

/* The best items of a list that have been read so far, best first. */
struct span_top {
    VEC(struct rank_entry) entries;
    uint32_t chunks;
};

/* A run's part of one (category, column). */
struct span_list {
    enum span_state state;
    bool has_totals;    /* there are sums by minute, and they are finite */
    uint32_t host;      /* whose list it is; STORAGE_ALL_HOSTS: of all together */
    uint32_t only_host; /* that has points of it; CATALOG_NONE: several have */
    struct cell total;  /* SPAN_LIST; finite */
    uint64_t items;
    uint32_t entries; /* of the list of the best ones */
    struct span_top top;
};

struct span_category {
    struct cells cells;
    struct span_list *lists; /* whole run x columns + column */
    struct itemset *items;   /* of column 0 in lists */
};

struct span {
    struct topq *topq;
    uint32_t columns; /* the first so many of the topq's */
    struct span_plan plan;
    struct span_category *categories;
    struct scratch scratch;          /* cells, and ... */
    struct scratch shares[CREW_MAX]; /* ... those that a member has filled */
    pthread_mutex_t lock;            /* item sets, while helpers fill them */
    uint32_t lists;                  /* how many SPAN_LIST there are */
    uint32_t own;                    /* of these, of the one host that was asked for */
    uint32_t summed;
};

/* Reads what is to be in memory, and totals of the rest. On failure there is nothing to close. */
MUST_USE int span_open(struct topq *t, int64_t from_ms, int64_t to_ms, uint32_t columns,
                       struct span **out);
void span_close(struct span **span);

static inline struct span_list *span_list_at(const struct span *span, uint32_t category,
                                             uint32_t run, uint32_t column)
{
    return &span->categories[category].lists[(size_t)run * span->columns + column];
}

/* Is the host one of those asked for? */
bool span_wants_host(const struct topq *t, uint32_t host);

/* A host's own lists have no pages: what they have goes to memory, before all items are scanned. */
MUST_USE int span_sum_own(struct span *span);

/* Of all items of all categories. finite: no sum on the way was not, so that rows may be taken away
 * from it. */
struct cells_total span_total(const struct span *span, uint32_t column);

/* ---- span_lists.c: totals, and sorted access ---- */

/* Fills lists: SPAN_LIST where the run has rank rows that hold what is asked for; SPAN_SUMMED or
 * SPAN_NONE where not. */
MUST_USE int span_read_totals(struct span *span, uint32_t category);

/* The best by sum of column 0. 0, THRESHOLD_GIVES_UP or an error. All sums must be finite. */
MUST_USE int span_threshold(struct span *span, struct best *best);

/* How many items have points of column 0. */
MUST_USE int span_count_items(struct span *span, uint64_t *out);

/* ---- span_look_up.c: random access ---- */

/* Reads on until the first so many chunks of a list are in its top, if it has so many. */
MUST_USE int span_read_top(struct span *span, const struct crew_member *member, uint32_t category,
                           uint32_t run, uint32_t column, uint32_t chunks);
void span_drop_top(struct span *span, struct span_list *list);

/* An item's cell over lists and memory; items ascending, cells: count of them. */
MUST_USE int span_look_up(struct span *span, uint32_t category, uint32_t column,
                          const uint32_t *items, uint32_t count, struct cell *cells);

/* The same of one run's list of column 0 alone: SPAN_LIST. Thread: any, one a run. */
MUST_USE int span_look_up_run(struct span *span, const struct crew_member *member,
                              uint32_t category, uint32_t run, const uint32_t *items,
                              uint32_t count, struct cell *cells);

/* ---- span_scan.c: all items, a window of ascending ids at a time ---- */

struct span_window { /* arrays: column x stride + i; where the count is 0, the others mean nothing
                      */
    uint32_t category;
    uint32_t items;
    const uint32_t *ids; /* of each; NULL: first, first + 1, … */
    uint32_t first;
    uint32_t stride;
    double *sums, *losts;
    double *maxs; /* NULL unless ranked by max */
    uint64_t *counts;
};
static inline uint32_t span_window_item(const struct span_window *w, uint32_t i)
{
    return w->ids != NULL ? w->ids[i] : w->first + i;
}
static inline struct cell span_window_cell(const struct span_window *w, uint32_t column, uint32_t i)
{
    size_t at = (size_t)column * w->stride + i;
    return (struct cell){.sum = {w->sums[at], w->losts[at]},
                         .max = w->maxs != NULL ? w->maxs[at] : 0,
                         .count = w->counts[at]};
}

/* Several threads, a member's windows one after the other. Only the first `columns` are filled. */
typedef int span_visit(void *arg, const struct crew_member *member, const struct span_window *w);
MUST_USE int span_scan(struct span *span, uint32_t columns, span_visit *visit, void *arg);

#endif
