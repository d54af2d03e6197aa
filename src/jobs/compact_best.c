#include "jobs/compact_best.h"

#include "base/error.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 4 * RANK_TOP_MAX };

static int compare(const void *a, const void *b)
{
    if (rank_entry_before(a, b))
        return -1;
    return rank_entry_before(b, a) ? 1 : 0;
}

void best_init(struct best *b)
{
    *b = (struct best){0};
}

void best_fini(struct best *b)
{
    VEC_FINI(&b->entries);
}

void best_reset(struct best *b)
{
    b->entries.n = 0;
    b->full = false;
}

void best_finish(struct best *b)
{
    if (b->entries.n == 0)
        return;
    qsort(b->entries.v, b->entries.n, sizeof(b->entries.v[0]), compare);
    if (b->entries.n < RANK_TOP_MAX)
        return;
    b->entries.n = RANK_TOP_MAX;
    b->full = true;
    b->worst = b->entries.v[RANK_TOP_MAX - 1];
}

int best_add(struct best *b, uint32_t item, double value, uint64_t count)
{
    const struct rank_entry entry = {item, value, count};
    if (b->full && !rank_entry_before(&entry, &b->worst))
        return 0;
    if (b->entries.n == ENTRIES_MAX)
        best_finish(b);
    return VEC_PUSH(&b->entries, entry) ? 0 : LT_ENOMEM;
}
