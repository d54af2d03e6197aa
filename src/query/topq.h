#ifndef QUERY_TOPQ_H
#define QUERY_TOPQ_H

#include "query/best.h"
#include "query/cells.h"
#include "query/pattern.h"
#include "query/read.h"

/* TOPQ between its steps (docs/adr/0010-rank-rows.md):
 *
 *   topq.c         what is asked: columns, hosts, categories; which items count
 *   span.h         a range of time: what of it is ranked (rows of runs), and the rest, in memory
 *   topq_rank.c    the best items, and everything else: by the threshold algorithm over a span's
 *                  lists (span_lists.c), or by a scan of its pages (span_scan.c)
 *   topq_spark.c   the same rows by parts of the range
 *   topq_result.c  the answer
 */

struct topq_category {
    struct catalog_category info;
    struct pattern_category fit;
    uint64_t *bits; /* of each item: may it count? NULL: ask topq_passes alone */
    bool exact;     /* it does */
};

struct topq {
    struct read *read;
    struct catalog *catalog;
    enum aggregate rank;
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
    bool filtered; /* not all items of the categories count: see topq_passes */
};

/* The item as it is printed, in label, which the caller keeps, one for each thread. 0 or an error.
 */
MUST_USE int topq_label(const struct topq *t, uint32_t category, uint32_t item,
                        struct buffer *label);

/* Does the item count: MATCH, components that the pattern spells out? 1, 0 or an error. */
MUST_USE int topq_passes(const struct topq *t, uint32_t category, uint32_t item,
                         struct buffer *label);

/* False: the item does not count, which is known without its name. */
static inline bool topq_may_pass(const struct topq *t, uint32_t category, uint32_t item)
{
    const struct topq_category *c = &t->categories[category];
    return c->bits == NULL || (item < c->info.items && (c->bits[item / 64] >> item % 64 & 1) != 0);
}

/* ---- topq_rank.c ---- */

struct span;

/* Rows and rest, in cells: [row x columns + column], the rest after the last row. */
struct topq_ranking {
    struct best best;
    uint64_t items; /* that have points of the ranked dimension, rows included */
    struct cell *cells;
    const char *plan;
};
MUST_USE int topq_rank(struct topq *t, struct span *span, struct topq_ranking *out);

/* The cells of these rows, and of everything else, in another span, of its columns. */
MUST_USE int topq_look_up(struct topq *t, struct span *span, const struct best *rows,
                          struct cell **cells_out);

/* ---- topq_spark.c ---- */

/* [row x sparkline + part], the rest after the last row: the ranked dimension. */
MUST_USE int topq_spark(struct topq *t, struct span *span, const struct best *rows,
                        struct cell **cells_out);

/* ---- topq_result.c ---- */

struct topq_answer {
    const struct topq_ranking *ranking;
    const struct span *span;
    const struct cell *parts;    /* NULL: no SPARKLINE */
    const struct cell *compared; /* NULL: no COMPARE */
    const struct span *compared_span;
};
MUST_USE int topq_fill(struct topq *t, const struct topq_answer *answer);

#endif
