#include "jobs/compact_batch.h"

#include "base/error.h"
#include "jobs/compact_gather.h"

void batch_init(struct batch *b)
{
    *b = (struct batch){0};
}

void batch_fini(struct batch *b)
{
    VEC_FINI(&b->dimensions);
    VEC_FINI(&b->hosts);
}

static bool same_dimension(const struct storage_group *a, const struct storage_group *b)
{
    return a->category == b->category && a->dimension == b->dimension;
}

/* Groups from `first` on that may share a batch: one dimension's, small, so many points at most. */
static uint32_t small_groups(const struct storage_group *groups, uint32_t n, uint32_t first,
                             uint64_t *points_inout)
{
    uint32_t count = 0;
    while (first + count < n && same_dimension(&groups[first], &groups[first + count])) {
        uint64_t points = groups[first + count].points;
        if (points > GATHER_SMALL_POINTS || *points_inout + points > BATCH_POINTS_MAX)
            break;
        *points_inout += points;
        count++;
    }
    return count;
}

int batch_take(struct batch *b, const struct storage_group *groups, uint32_t n, uint32_t first)
{
    b->first = first;
    b->count = 0;
    b->dimensions.n = b->hosts.n = 0;
    bool whole = first == 0 || !same_dimension(&groups[first - 1], &groups[first]);
    uint64_t points = 0;
    for (uint32_t at = first; whole && at < n && groups[at].category == groups[first].category;) {
        uint32_t count = small_groups(groups, n, at, &points);
        if (at + count < n && same_dimension(&groups[at], &groups[at + count]))
            break;
        if (!VEC_PUSH(&b->dimensions, groups[at].dimension))
            return LT_ENOMEM;
        b->count += count;
        at += count;
    }
    if (b->count > 0)
        return 0;
    points = 0;
    b->count = small_groups(groups, n, first, &points);
    if (b->count == 0)
        b->count = 1; /* large: alone */
    if (!VEC_PUSH(&b->dimensions, groups[first].dimension) || !VEC_RESERVE(&b->hosts, b->count))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < b->count; i++)
        b->hosts.v[b->hosts.n++] = groups[first + i].host;
    return 0;
}

struct block_filter batch_filter(const struct batch *b, const struct storage_group *groups)
{
    return (struct block_filter){
        .category = groups[b->first].category,
        .dimensions = b->dimensions.v,
        .dimensions_count = b->dimensions.n,
        .hosts = b->hosts.n > 0 ? b->hosts.v : NULL,
        .hosts_count = b->hosts.n,
    };
}
