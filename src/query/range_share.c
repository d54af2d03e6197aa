#include "query/range_share.h"

#include "query/item_map.h"

#include <math.h>
#include <stdlib.h>

enum {
    TARGETS_MIN = 8,
    TALLIES_MAX = 1 << 17, /* of a member: 12 MB */
};

struct group {                 /* targets of one category, dimension and host */
    struct fold_series series; /* of its first target */
    struct item_map map;
    uint32_t *targets; /* by the map's positions; of a key given twice the first */
};

struct member {
    struct tally **rows; /* by bucket: its tallies, by target; NULL: it has met no point of it */
    struct scratch memory;
};

struct range_share {
    struct range *range;
    struct group *groups; /* ascending */
    uint32_t groups_count;
    bool sums; /* nothing else is asked for than sums and counts */
    struct member members[CREW_MAX];
};

/* ---- made, destroyed ---- */

static bool is_same_group(const struct fold_series *a, const struct fold_series *b)
{
    return a->category == b->category && a->dimension == b->dimension && a->host == b->host;
}

static int make_group(struct range_share *share, uint32_t from, uint32_t end)
{
    const struct range_target *targets = share->range->targets;
    struct scratch *scratch = &share->range->read->scratch;
    struct group *group = &share->groups[share->groups_count++];
    uint32_t *items = scratch_take(scratch, end - from, sizeof(*items));
    group->series = targets[from].series;
    group->targets = scratch_take(scratch, end - from, sizeof(*group->targets));
    if (items == NULL || group->targets == NULL)
        return scratch_error(scratch);
    uint32_t n = 0;
    for (uint32_t i = from; i < end; i++) {
        if (n > 0 && items[n - 1] == targets[i].series.item)
            continue;
        items[n] = targets[i].series.item;
        group->targets[n++] = i;
    }
    return item_map_init(&group->map, items, n, scratch);
}

static int make_groups(struct range_share *share)
{
    const struct range *r = share->range;
    int err = 0;
    share->groups = scratch_take(&r->read->scratch, r->known, sizeof(*share->groups));
    if (share->groups == NULL)
        return scratch_error(&r->read->scratch);
    for (uint32_t i = 0, end; i < r->known && err == 0; i = end) {
        for (end = i;
             end < r->known && is_same_group(&r->targets[end].series, &r->targets[i].series); end++)
            ;
        err = make_group(share, i, end);
    }
    return err;
}

static bool pays(const struct range *r)
{
    bool ordered = false;
    for (uint32_t i = 0; i < r->known; i++)
        ordered |= range_is_ordered(&r->targets[i]);
    return !ordered && r->known >= TARGETS_MIN && r->buckets <= TALLIES_MAX / r->known;
}

int range_share_create(struct range *r, struct range_share **out)
{
    if (!pays(r)) {
        *out = NULL;
        return 0;
    }
    struct range_share *share = calloc(1, sizeof(*share));
    if (share == NULL)
        return LT_ENOMEM;
    share->range = r;
    share->sums = (r->columns & ~(unsigned)PACK_SUM) == 0;
    for (uint32_t i = 0; i < CREW_MAX; i++)
        scratch_init(&share->members[i].memory, r->read->guard);
    int err = make_groups(share);
    if (err != 0)
        range_share_destroy(&share);
    else
        *out = share;
    return err;
}

void range_share_destroy(struct range_share **share_ref)
{
    struct range_share *share = *share_ref;
    if (share == NULL)
        return;
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        struct scratch *memory = &share->members[i].memory;
        scratch_release(memory->guard, memory->bytes);
        scratch_fini(memory);
    }
    free(share);
    *share_ref = NULL;
}

/* ---- a member ---- */

static const struct group *find_group(const struct range_share *share, const struct block *block)
{
    const struct fold_series wanted = {block->category, block->dimension, block->host, 0};
    uint32_t lo = 0, hi = share->groups_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct fold_series *series = &share->groups[mid].series;
        if (is_same_group(series, &wanted))
            return &share->groups[mid];
        if (range_compare_series(series, &wanted) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static struct tally *take_row(const struct range *r, struct member *m, uint32_t bucket)
{
    if (m->rows == NULL)
        m->rows = scratch_take(&m->memory, r->buckets, sizeof(struct tally *));
    if (m->rows != NULL && m->rows[bucket] == NULL)
        m->rows[bucket] = scratch_take(&m->memory, r->known, sizeof(struct tally));
    return m->rows == NULL ? NULL : m->rows[bucket];
}

/* Points from `at` on that are of the bucket [from, to). Returns where it ends. */
static uint32_t add_sums(struct tally *row, const struct group *group, const struct block *b,
                         uint32_t at, int64_t from_ms, int64_t to_ms)
{
    for (; at < b->count && b->times_ms[at] >= from_ms && b->times_ms[at] < to_ms; at++) {
        uint32_t place = item_map_find(&group->map, b->items[at]);
        if (place != ITEM_MAP_NONE)
            tally_add_sum(&row[group->targets[place]], b->values[at]);
    }
    return at;
}

static uint32_t add_points(struct tally *row, const struct group *group, const struct block *b,
                           uint32_t at, int64_t from_ms, int64_t to_ms)
{
    for (; at < b->count && b->times_ms[at] >= from_ms && b->times_ms[at] < to_ms; at++) {
        uint32_t place = item_map_find(&group->map, b->items[at]);
        if (place != ITEM_MAP_NONE)
            tally_add(&row[group->targets[place]], b->times_ms[at], b->values[at]);
    }
    return at;
}

/* A compact row: item after item, each with its whole hour. Nobody else adds to the targets' own
 * tallies meanwhile, and those stand together by target. */
static bool is_by_item(const struct block *block)
{
    return block->count > 1 && block->items[0] == block->items[1];
}

static int add_by_item(struct range *r, const struct group *group, const struct block *block)
{
    struct fold_series series = group->series;
    int err = 0;
    for (uint32_t i = 0, end; i < block->count && err == 0; i = end) {
        for (end = i; end < block->count && block->items[end] == block->items[i]; end++)
            ;
        series.item = block->items[i];
        if (item_map_find(&group->map, series.item) != ITEM_MAP_NONE)
            err = range_add_many(r, &series, block->times_ms + i, block->values + i, end - i);
    }
    return err;
}

int range_share_take(void *arg, const struct crew_member *member, const struct block *block)
{
    struct range *r = arg;
    struct range_share *share = r->share;
    struct member *m = &share->members[member->number];
    const struct group *group = find_group(share, block);
    if (group == NULL)
        return 0;
    if (member->number == 0 && is_by_item(block))
        return add_by_item(r, group, block);
    for (uint32_t i = 0; i < block->count;) {
        int64_t bucket = (block->times_ms[i] - r->steps.origin_ms) / r->steps.step_ms;
        int64_t start_ms = r->steps.origin_ms + bucket * r->steps.step_ms;
        int64_t from_ms = start_ms > r->from_ms ? start_ms : r->from_ms;
        bool is_last = (uint64_t)r->to_ms - (uint64_t)start_ms <= (uint64_t)r->steps.step_ms;
        int64_t to_ms = is_last ? r->to_ms : start_ms + r->steps.step_ms;
        if (block->times_ms[i] < from_ms || block->times_ms[i] >= to_ms) {
            i++; /* outside of the range */
            continue;
        }
        struct tally *row = take_row(r, m, (uint32_t)bucket);
        if (row == NULL)
            return scratch_error(&m->memory);
        i = share->sums ? add_sums(row, group, block, i, from_ms, to_ms)
                        : add_points(row, group, block, i, from_ms, to_ms);
    }
    return 0;
}

/* ---- join ---- */

/* A key may be given twice: its targets follow each other. */
static void join_tally(const struct range *r, uint32_t target, uint32_t bucket,
                       const struct tally *tally)
{
    const struct fold_series *series = &r->targets[target].series;
    for (uint32_t i = target;
         i < r->known && range_compare_series(&r->targets[i].series, series) == 0; i++)
        tally_join(&r->targets[i].tallies[bucket], tally);
}

void range_share_join(struct range *r)
{
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        const struct member *m = &r->share->members[i];
        for (uint32_t b = 0; m->rows != NULL && b < r->buckets; b++)
            for (uint32_t t = 0; m->rows[b] != NULL && t < r->known; t++)
                if (m->rows[b][t].count > 0 || m->rows[b][t].nan)
                    join_tally(r, t, b, &m->rows[b][t]);
    }
}
