#ifndef VECTOR_RANK_H
#define VECTOR_RANK_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/itemset.h"
#include "vector/summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* The bodies of rank rows (docs/adr/0010-rank-rows.md): what the items of one (category, dimension)
 * sum up to in one range, for one host or for all hosts together.
 *
 *   total   one row: the summary over all items, how many there are, and which (itemset.h)
 *   top     the best items by sum, best first, in chunks that grow: what sorted access reads
 *   page    all items with id / RANK_PAGE_ITEMS = number: what random access and scans read.
 *           Only for all hosts together: a host's own are its observation rows' summaries
 *
 * All are versioned, checksummed and lossless. Not compressed by zstd where a reader of thousands
 * would wait for it. */

enum {
    RANK_PAGE_ITEMS = 1024,
    RANK_TOP_MAX = 1 << 14,  /* entries in all chunks of one list */
    RANK_CHUNK_FIRST = 128,  /* chunk 0 has so many entries; each next one twice as many, … */
    RANK_CHUNK_MAX = 1 << 12 /* … up to this */
};

/* Where chunk `number` begins in a list, at most RANK_TOP_MAX; and how many of a list's `entries`
 * it has, 0 past its end. */
uint32_t rank_chunk_begin(uint32_t number);
uint32_t rank_chunk_count(uint32_t number, uint32_t entries);

struct rank_total {
    uint64_t items;         /* with at least one point that is a number */
    struct summary summary; /* over all of them; first, last and their times are not kept */
    uint32_t entries;       /* of the list; less than items: it was cut at RANK_TOP_MAX */
    uint32_t hosts;         /* all hosts: how many had points; a host: 1 */
    uint32_t only_host;     /* all hosts: the one, where hosts is 1 */
    bool negative;          /* some item's sum is below 0 */
    struct slice set;       /* which items, as itemset_merge reads them; borrowed */
};
/* LT_ENOMEM, LT_ELIMIT (out's). */
MUST_USE int rank_total_encode(const struct rank_total *total, struct buffer *out);
/* LT_EVERSION, LT_ECORRUPT; the set's bytes are checked when it is merged. */
MUST_USE int rank_total_decode(struct slice body, struct rank_total *out);

struct rank_entry {
    uint32_t item;
    double value; /* summary_total of its sum */
    uint64_t
        count; /* points that are numbers: with the value, all that a reader of sums asks for */
};

/* Does a stand before b? By value descending, then item ascending: the order of answers. NaN, the
 * sum of infinities of both signs, is last. */
static inline bool rank_entry_before(const struct rank_entry *a, const struct rank_entry *b)
{
    if (isnan(a->value) || isnan(b->value))
        return isnan(a->value) == isnan(b->value) ? a->item < b->item : isnan(b->value);
    return a->value != b->value ? a->value > b->value : a->item < b->item;
}

/* 1 … RANK_CHUNK_MAX entries, in that order. LT_ENOMEM, LT_ELIMIT (out's). */
MUST_USE int rank_top_encode(const struct rank_entry *entries, uint32_t count, struct buffer *out);
/* out takes RANK_CHUNK_MAX, and is spoilt on failure. LT_EVERSION, LT_ECORRUPT (wrong order, too),
 * LT_ENOMEM. */
MUST_USE int rank_top_decode(struct slice body, struct rank_entry *out, uint32_t *count_out);

struct rank_page { /* columns of count entries, items ascending */
    uint32_t count;
    uint32_t items[RANK_PAGE_ITEMS];
    uint64_t counts[RANK_PAGE_ITEMS];
    double sums[RANK_PAGE_ITEMS];
    double maxs[RANK_PAGE_ITEMS];
};
/* number: items are number * RANK_PAGE_ITEMS …, all within; 1 … RANK_PAGE_ITEMS of them. LT_ENOMEM,
 * LT_ELIMIT (out's). */
MUST_USE int rank_page_encode(uint32_t number, const struct rank_page *page, struct buffer *out);
enum rank_columns { RANK_SUMS = 1, RANK_COUNTS = 2, RANK_MAXS = 4 };
/* Fills items and the columns asked for; on failure out is spoilt. LT_EVERSION, LT_ECORRUPT. About
 * a nanosecond an entry and column. */
MUST_USE int rank_page_decode(uint32_t number, struct slice body, unsigned columns,
                              struct rank_page *out);

#endif
