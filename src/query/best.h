#ifndef QUERY_BEST_H
#define QUERY_BEST_H

#include <stdbool.h>
#include <stdint.h>

/* The best N of many, as a heap with the worst on top. In the order of answers: by value
 * descending, then (category, item) ascending; a value that is NaN comes last. Pure. */

struct best_row {
    double value;
    uint32_t category; /* position: ascending with the id */
    uint32_t item;
};

struct best {
    struct best_row *rows; /* max of them: the caller's */
    uint32_t n;
    uint32_t max;
};

bool best_before(const struct best_row *a, const struct best_row *b);

void best_offer(struct best *best, const struct best_row *row);

/* Would it get in? For loops that know most values to be too small. */
static inline bool best_wants(const struct best *best, double value)
{
    return best->n < best->max || (best->max > 0 && !(value < best->rows[0].value));
}

/* Best first. Ends the heap: no offers after this. */
void best_sort(struct best *best);

#endif
