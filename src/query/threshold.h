#ifndef QUERY_THRESHOLD_H
#define QUERY_THRESHOLD_H

#include "base/attr.h"
#include "query/best.h"
#include "vector/rank.h"

#include <stddef.h>
#include <stdint.h>

/* The exact best N items by the sum of their values in many lists, each list sorted, without
 * reading the lists to their ends: the combined algorithm of Fagin, Lotem and Naor, "Optimal
 * aggregation algorithms for middleware" (2001), section 8.2.
 *
 * A list belongs to one category; its entries come best first. An item that a list does not hold
 * counts as 0 there, and values may be negative. So with c_i the value of the entry read last in
 * list i, an item that was not seen yet sums up to at most
 *
 *     sum of max(0, c_i)     over the lists of its category that were not read to their end,
 *                            if any c_i >= 0
 *     max c_i                otherwise: it stands in at least one of them
 *
 * and an item that was seen in some lists to at most what it has there plus max(0, c_i) of each
 * other one. Items are looked up (random access, all lists at once) only while that bound lets them
 * in. Pure but for its callbacks; one thread. */

enum threshold_end {
    THRESHOLD_MORE, /* the list goes on */
    THRESHOLD_END,  /* it does not: what was not in it is 0 in it */
    THRESHOLD_CUT,  /* it cannot be read further, but other items may have its last value or less */
};

struct threshold_chunk { /* entries live until the list is read again */
    const struct rank_entry *entries;
    uint32_t count; /* may be 0; with THRESHOLD_CUT only if an earlier one was not */
    enum threshold_end end;
};

struct threshold {
    uint32_t lists;
    const uint32_t *categories; /* of each list: positions, ascending */
    /* Of each list: who stands in it exists, so that an item whose value in each list of the
     * category is known needs no lookup. Lists of differences are not so. NULL: none is. */
    const bool *certain;
    size_t entries_max; /* read by sorted access; a budget, not exact */
    size_t lookups_max; /* items */
    /* Sorted access: the next chunk of each of these lists. */
    int (*read)(void *arg, const uint32_t *lists, uint32_t count, struct threshold_chunk *out);
    /* Random access: what the items, ascending, sum up to over all lists of the category. NaN: it
     * has no points, and is no candidate. */
    int (*lookup)(void *arg, uint32_t category, const uint32_t *items, uint32_t count, double *out);
    void *arg;
};

enum { THRESHOLD_GIVES_UP = 1 }; /* the budget is spent: a scan is cheaper */

/* Fills best, sorted. 0, THRESHOLD_GIVES_UP, LT_ENOMEM, or what a callback returned. */
MUST_USE int threshold_run(const struct threshold *config, struct best *best);

#endif
