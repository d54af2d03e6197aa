#include "query/best.h"

#include <math.h>

bool best_before(const struct best_row *a, const struct best_row *b)
{
    if (isnan(a->value) != isnan(b->value))
        return isnan(b->value);
    if (a->value != b->value && !isnan(a->value))
        return a->value > b->value;
    if (a->category != b->category)
        return a->category < b->category;
    return a->item < b->item;
}

static void swap(struct best_row *a, struct best_row *b)
{
    struct best_row t = *a;
    *a = *b;
    *b = t;
}

static void sink(struct best_row *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t worst = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
            if (best_before(&heap[worst], &heap[child]))
                worst = child;
        if (worst == at)
            return;
        swap(&heap[at], &heap[worst]);
        at = worst;
    }
}

void best_offer(struct best *best, const struct best_row *row)
{
    struct best_row *heap = best->rows;
    if (best->n < best->max) {
        uint32_t at = best->n++;
        heap[at] = *row;
        for (; at > 0 && best_before(&heap[(at - 1) / 2], &heap[at]); at = (at - 1) / 2)
            swap(&heap[(at - 1) / 2], &heap[at]);
    } else if (best->max > 0 && best_before(row, &heap[0])) {
        heap[0] = *row;
        sink(heap, best->n, 0);
    }
}

void best_sort(struct best *best)
{
    for (uint32_t n = best->n; n > 1; n--) {
        swap(&best->rows[0], &best->rows[n - 1]);
        sink(best->rows, n - 1, 0);
    }
}
