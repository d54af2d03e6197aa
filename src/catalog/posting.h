#ifndef CATALOG_POSTING_H
#define CATALOG_POSTING_H

#include "base/attr.h"
#include "vector/itemset.h"

#include <stddef.h>
#include <stdint.h>

/* The numbers of the series that have one label. Most labels are of one series (an id) or of many
 * (a region): one number stands in the posting itself, a few in a list, many in a Roaring bitmap.
 * All zero is empty. Part of the catalog, which locks. */
struct posting {
    uint32_t count;
    uint32_t one; /* where count is 1 and there is no set */
    union {
        uint32_t *list; /* ascending; count 2 … POSTING_LIST_MAX, no set */
        struct itemset *set;
    };
    bool is_set; /* for good, once it was many, until it is empty */
};
enum { POSTING_LIST_MAX = 32 };

void posting_fini(struct posting *posting);

/* The number is not in it. LT_ENOMEM: nothing changed. */
MUST_USE int posting_add(struct posting *posting, uint32_t number);
/* The number is in it. */
void posting_remove(struct posting *posting, uint32_t number);

/* LT_ENOMEM. */
MUST_USE int posting_unite(const struct posting *posting, struct itemset *set);
MUST_USE int posting_intersect(const struct posting *posting, struct itemset *set);
MUST_USE int posting_subtract(const struct posting *posting, struct itemset *set);

/* Of memory beside the posting itself, about. O(1). */
size_t posting_bytes(const struct posting *posting);

#endif
