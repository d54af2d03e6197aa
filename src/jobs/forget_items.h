#ifndef JOBS_FORGET_ITEMS_H
#define JOBS_FORGET_ITEMS_H

#include "base/attr.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "jobs/job.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

/* Sets of items by category, a bit for each id, while it is looked at which of them may go. One
 * thread. */

struct forget_category {
    uint32_t category;
    uint32_t ids; /* bits are below */
    uint64_t *bits;
};

struct forget_items {
    VEC(struct forget_category) categories; /* ascending; those that have any */
    uint64_t count;
    uint64_t never; /* items that were met and have no hour, and are not in the set */
};

/* All zero is empty. */
void forget_items_fini(struct forget_items *set);

/* The bits of an item's category, or NULL: the set has none of it. */
struct forget_category *forget_items_find(const struct forget_items *set, uint32_t category);
/* Takes an item out. */
void forget_items_spare(struct forget_items *set, uint32_t category, uint32_t item);

/* Adds those that are there and were last seen before hour `before_h`; `doomed`: only those that
 * are marked; up to `max` in all, whole pages. Never seen is no answer: such items are counted, and
 * given the hour now_h where it is not 0. LT_ENOMEM. */
MUST_USE int forget_items_unseen(struct forget_items *set, struct catalog *catalog,
                                 uint32_t before_h, uint32_t now_h, bool doomed, uint64_t max);

/* Appends records of all of them to the log, each of at most RECORD_ITEMS_MAX ids that stand within
 * as many; *next_out: behind the last one. `paced`: waits for storage on the way, so that a flush
 * has little to do. Errors of the append. */
MUST_USE int forget_items_append(const struct forget_items *set, struct job_context *context,
                                 enum record_what what, uint64_t round, bool paced,
                                 uint64_t *next_out);

#endif
