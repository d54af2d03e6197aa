#include "jobs/compact_gather.h"

#include "base/error.h"
#include "model/kind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLAB_BYTES = 1 << 20,
    CHUNK_BYTES_MIN = 256, /* most groups of a server have a few points an hour */
    CHUNK_BYTES_MAX = 4096,
};

struct gather_slab {
    struct gather_slab *next;
    char data[];
};

/* ---- memory ---- */

static unsigned class_of(size_t bytes)
{
    unsigned class = 0;
    while ((size_t)CHUNK_BYTES_MIN << class < bytes)
        class ++;
    return class;
}

static void slabs_free(struct gather_slab **list)
{
    while (*list != NULL) {
        struct gather_slab *next = (*list)->next;
        free(*list);
        *list = next;
    }
}

static void slabs_reset(struct gather *g)
{
    while (g->slabs != NULL) {
        struct gather_slab *slab = g->slabs;
        g->slabs = slab->next;
        slab->next = g->spare;
        g->spare = slab;
    }
    g->slab_at = g->slab_end = NULL;
    memset(g->free, 0, sizeof(g->free));
}

static bool is_over(const struct gather *g, size_t more)
{
    return g->bytes + g->part_max + more > g->bytes_max;
}

/* Any memory is better than none here: whether it is too much was asked before. */
static int slab_add(struct gather *g)
{
    struct gather_slab *slab = g->spare;
    if (slab != NULL)
        g->spare = slab->next;
    else
        slab = malloc(SLAB_BYTES);
    if (slab == NULL)
        return LT_ENOMEM;
    slab->next = g->slabs;
    g->slabs = slab;
    g->slab_at = slab->data;
    g->slab_end = (char *)slab + SLAB_BYTES;
    g->bytes += SLAB_BYTES;
    return 0;
}

static struct gather_chunk *free_pop(struct gather *g, unsigned class)
{
    struct gather_chunk *chunk = g->free[class];
    if (chunk != NULL)
        g->free[class] = chunk->next;
    return chunk;
}

/* One of just this size. */
static struct gather_chunk *chunk_new(struct gather *g, size_t bytes)
{
    struct gather_chunk *chunk = free_pop(g, class_of(bytes));
    if (chunk == NULL && (size_t)(g->slab_end - g->slab_at) >= bytes) {
        chunk = (struct gather_chunk *)(void *)g->slab_at;
        chunk->bytes = bytes;
        g->slab_at += bytes;
    }
    return chunk;
}

/* One of any size, the larger first: parts that were given up left what they had. */
static struct gather_chunk *chunk_any(struct gather *g)
{
    struct gather_chunk *chunk = NULL;
    for (unsigned class = ARRAY_LEN(g->free); class > 0 && chunk == NULL; class --)
        chunk = free_pop(g, class - 1);
    return chunk;
}

static void list_drop(struct gather *g, struct gather_list *list)
{
    while (list->head != NULL) {
        struct gather_chunk *chunk = list->head;
        unsigned class = class_of(chunk->bytes);
        list->head = chunk->next;
        chunk->next = g->free[class];
        g->free[class] = chunk;
    }
    *list = (struct gather_list){0};
}

/* Gives up the highest part; false where the one at `at`, which needs memory, is the only one. */
static bool part_give_up(struct gather *g, uint32_t at)
{
    uint32_t victim = g->parts.n;
    while (victim > at + 1 && g->parts.v[victim - 1].bytes == 0)
        victim--;
    uint32_t others = 0;
    while (others < at && g->parts.v[others].bytes == 0)
        others++;
    victim--;
    if (!g->paged || (victim == at && others == at))
        return false;
    struct gather_part *part = &g->parts.v[victim];
    list_drop(g, &part->points);
    list_drop(g, &part->later);
    if (part->bytes > 0)
        g->bytes -= g->part_bytes;
    g->parts.n = victim;
    g->end_part = g->first_part + victim;
    if (part->bytes == g->part_max) {
        g->part_max = 0;
        for (uint32_t i = 0; i < victim; i++)
            if (g->parts.v[i].bytes > g->part_max)
                g->part_max = g->parts.v[i].bytes;
    }
    return true;
}

/* A chunk for the list of the part at `at`. *out stays NULL where that part was given up. */
static int chunk_take(struct gather *g, uint32_t at, size_t bytes, struct gather_chunk **out)
{
    struct gather_chunk *chunk = chunk_new(g, bytes);
    while (chunk == NULL && is_over(g, SLAB_BYTES)) {
        chunk = chunk_any(g);
        if (chunk != NULL)
            break;
        if (!part_give_up(g, at))
            break;
        if (at >= g->parts.n)
            return 0;
    }
    if (chunk == NULL) {
        int err = slab_add(g);
        if (err != 0)
            return err;
        chunk = chunk_new(g, bytes);
    }
    *out = chunk;
    return 0;
}

/* Room for one more element. *taken_out: false where the part was given up. */
static int list_grow(struct gather *g, uint32_t at, bool later, size_t size, bool *taken_out)
{
    struct gather_list *list = later ? &g->parts.v[at].later : &g->parts.v[at].points;
    size_t bytes = list->tail == NULL ? CHUNK_BYTES_MIN : list->tail->bytes * 2;
    struct gather_chunk *chunk = NULL;
    int err = chunk_take(g, at, bytes < CHUNK_BYTES_MAX ? bytes : CHUNK_BYTES_MAX, &chunk);
    *taken_out = chunk != NULL;
    if (chunk == NULL)
        return err;
    struct gather_part *part = &g->parts.v[at];
    if (part->bytes == 0)
        g->bytes += g->part_bytes;
    part->bytes += later ? 2 * chunk->bytes : chunk->bytes;
    if (part->bytes > g->part_max)
        g->part_max = part->bytes;
    chunk->next = NULL;
    if (list->tail != NULL) {
        list->tail->next = chunk;
        list->tail->end = list->at;
    } else {
        list->head = chunk;
    }
    list->tail = chunk;
    list->at = (char *)(chunk + 1);
    list->end = list->at + (chunk->bytes - sizeof(*chunk)) / size * size;
    return 0;
}

void gather_init(struct gather *g)
{
    *g = (struct gather){0};
}

void gather_fini(struct gather *g)
{
    slabs_free(&g->slabs);
    slabs_free(&g->spare);
    VEC_FINI(&g->parts);
}

/* ---- a pass ---- */

static int parts_reserve(struct gather *g, uint32_t count)
{
    if (count <= g->parts.n)
        return 0;
    if (!VEC_RESERVE(&g->parts, count - g->parts.n))
        return LT_ENOMEM;
    memset(g->parts.v + g->parts.n, 0, (count - g->parts.n) * sizeof(g->parts.v[0]));
    g->parts.n = count;
    return 0;
}

int gather_begin(struct gather *g, struct storage_range range, const struct storage_group *groups,
                 uint32_t count, uint32_t first_part, size_t bytes_max, size_t part_bytes)
{
    assert(count > 0 && (range.to_s - range.from_s) * 1000 <= UINT32_MAX);
    slabs_reset(g);
    size_t kept = 0;
    for (struct gather_slab **slab = &g->spare; *slab != NULL; slab = &(*slab)->next) {
        kept += SLAB_BYTES;
        if (kept > bytes_max) {
            slabs_free(slab);
            break;
        }
    }
    g->from_ms = range.from_s * 1000;
    g->to_ms = range.to_s * 1000;
    g->groups = groups;
    g->groups_count = count;
    g->last = 0;
    g->paged = count == 1 && groups[0].points > GATHER_SMALL_POINTS;
    g->first_part = first_part;
    g->end_part = UINT32_MAX;
    g->parts.n = 0;
    g->seen = 0;
    g->bytes_max = bytes_max;
    g->bytes = 0;
    g->part_bytes = g->paged ? part_bytes : 0;
    g->part_max = 0;
    return g->paged ? 0 : parts_reserve(g, count);
}

/* ---- points ---- */

static int group_cmp(const struct storage_group *group, const struct block *block)
{
    if (group->dimension != block->dimension)
        return group->dimension < block->dimension ? -1 : 1;
    return group->host == block->host ? 0 : group->host < block->host ? -1 : 1;
}

static bool find_group(struct gather *g, const struct block *block)
{
    if (block->category != g->groups[0].category)
        return false;
    if (group_cmp(&g->groups[g->last], block) == 0)
        return true;
    uint32_t lo = 0, hi = g->groups_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = group_cmp(&g->groups[mid], block);
        if (order == 0) {
            g->last = mid;
            return true;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* The part of an item; *wanted_out false: of another pass. */
static int find_part(struct gather *g, uint32_t item, uint32_t *at_out, bool *wanted_out)
{
    if (!g->paged) {
        *at_out = g->last;
        *wanted_out = true;
        return 0;
    }
    uint32_t part = item >> GATHER_PART_ITEMS_LOG2;
    *at_out = part - g->first_part;
    *wanted_out = part >= g->first_part && part < g->end_part;
    return *wanted_out ? parts_reserve(g, *at_out + 1) : 0;
}

static int add_point(struct gather *g, uint32_t at, const struct block *block, uint32_t i)
{
    struct gather_list *list = &g->parts.v[at].points;
    if (UNLIKELY(list->at == list->end)) {
        bool taken;
        int err = list_grow(g, at, false, sizeof(struct gather_point), &taken);
        if (err != 0 || !taken)
            return err;
        list = &g->parts.v[at].points;
    }
    *(struct gather_point *)(void *)list->at = (struct gather_point){
        .item = block->items[i],
        .time = (uint32_t)(block->times_ms[i] - g->from_ms),
        .value = block->values[i],
    };
    list->at += sizeof(struct gather_point);
    return 0;
}

static int add_later(struct gather *g, uint32_t at, const struct block *block, uint32_t i)
{
    struct gather_list *list = &g->parts.v[at].later;
    if (list->at == list->end) {
        bool taken;
        int err = list_grow(g, at, true, sizeof(struct gather_later), &taken);
        if (err != 0 || !taken)
            return err;
        list = &g->parts.v[at].later;
    }
    *(struct gather_later *)(void *)list->at = (struct gather_later){
        .item = block->items[i],
        .time = (uint32_t)(block->times_ms[i] - g->from_ms),
        .lo = block->lo,
        .value = block->values[i],
        .policy = block->policies != NULL ? block->policies[i] : POLICY_LAST,
    };
    list->at += sizeof(struct gather_later);
    return 0;
}

int gather_add(struct gather *g, const struct block *block)
{
    if (!find_group(g, block))
        return 0;
    int err = 0;
    for (uint32_t i = 0; i < block->count && err == 0; i++) {
        if (block->times_ms[i] < g->from_ms || block->times_ms[i] >= g->to_ms)
            continue;
        g->seen++;
        uint32_t at;
        bool wanted;
        err = find_part(g, block->items[i], &at, &wanted);
        if (err != 0 || !wanted)
            continue;
        /* The first of a (series, time) is taken as it is, but for one that says: nothing. */
        bool fresh =
            block->fresh && (block->policies == NULL || LIKELY(block->policies[i] != POLICY_ERASE));
        err = fresh ? add_point(g, at, block, i) : add_later(g, at, block, i);
    }
    return err;
}
