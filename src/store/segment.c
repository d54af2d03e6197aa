#include "store/segment.h"

#include "base/ascending.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_POINTS_MIN = 4, CHUNK_POINTS_MAX = 4096 };

struct segment_chunk {
    struct segment_chunk *_Atomic next;
    uint32_t cap;
    _Atomic uint32_t count; /* published with release after the columns */
    int64_t *times_ms;
    double *values;
    uint32_t *ordinals;
    uint32_t *items;
    uint8_t *policies; /* NULL in fresh groups: there is nothing to fold with */
};

int segment_create(uint64_t lo, struct catalog *const *catalogs, uint32_t catalogs_count,
                   struct segment **out)
{
    struct segment *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return LT_ENOMEM;
    s->catalogs = calloc(catalogs_count, sizeof(s->catalogs[0]));
    if (s->catalogs == NULL) {
        free(s);
        return LT_ENOMEM;
    }
    atomic_store(&s->refs, 1);
    s->lo = lo;
    atomic_store(&s->hi, lo);
    atomic_store(&s->clears, SEGMENT_CLEARS_NONE);
    s->opened_mono_ms = clock_mono_ms();
    arena_init(&s->arena);
    s->catalogs_count = catalogs_count;
    for (uint32_t i = 0; i < catalogs_count; i++) {
        s->catalogs[i].catalog = catalog_ref(catalogs[i]);
        s->catalogs[i].from = s->catalogs[i].to = catalog_mark(catalogs[i]);
    }
    *out = s;
    return 0;
}

struct segment *segment_ref(struct segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void segment_unref(struct segment **segment)
{
    struct segment *s = *segment;
    *segment = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < s->catalogs_count; i++)
        catalog_unref(&s->catalogs[i].catalog);
    free(s->catalogs);
    hash_index_fini(&s->group_index);
    VEC_FINI(&s->group_list);
    VEC_FINI(&s->watermarks);
    arena_fini(&s->arena);
    free(s);
}

/* ---- writer ---- */

static uint64_t group_hash(const struct segment_group *g)
{
    uint64_t h = hash_u64((uint64_t)g->category << 32 | g->dimension);
    h = hash_u64(h + ((uint64_t)g->host << 1 | g->fresh));
    return hash_u64(h + ((uint64_t)g->hour_s << 12) + g->environment);
}

static bool group_eq(const void *context, const void *key, uint32_t position)
{
    const struct segment_group *g = ((const struct segment *)context)->group_list.v[position];
    const struct segment_group *k = key;
    return g->category == k->category && g->dimension == k->dimension && g->host == k->host &&
           g->hour_s == k->hour_s && g->fresh == k->fresh && g->environment == k->environment;
}

static void update_bytes(struct segment *s)
{
    size_t bytes = sizeof(*s) + s->arena.bytes + hash_index_bytes(&s->group_index) +
                   s->group_list.cap * sizeof(s->group_list.v[0]);
    atomic_store_explicit(&s->bytes, bytes, memory_order_relaxed);
}

struct segment_group *segment_group(struct segment *s, uint32_t environment, uint32_t category,
                                    uint32_t dimension, uint32_t host, int64_t hour_s, bool fresh)
{
    struct segment_group key = {.environment = environment,
                                .category = category,
                                .dimension = dimension,
                                .host = host,
                                .hour_s = hour_s,
                                .fresh = fresh};
    uint64_t hash = group_hash(&key);
    uint32_t position = hash_index_find(&s->group_index, hash, group_eq, s, &key);
    if (position != HASH_NONE)
        return s->group_list.v[position];
    struct segment_group *g = arena_alloc(&s->arena, sizeof(*g), _Alignof(struct segment_group));
    if (g == NULL || !VEC_RESERVE(&s->group_list, 1) ||
        hash_index_add(&s->group_index, hash, s->group_list.n) != 0)
        return NULL;
    *g = key;
    s->group_list.v[s->group_list.n++] = g;
    if (s->last_group == NULL)
        atomic_store_explicit(&s->groups, g, memory_order_release);
    else
        atomic_store_explicit(&s->last_group->next, g, memory_order_release);
    s->last_group = g;
    update_bytes(s);
    return g;
}

static struct segment_chunk *chunk_create(struct segment *s, uint32_t cap, bool policies)
{
    size_t columns = (size_t)cap * (sizeof(int64_t) + sizeof(double) + 2 * sizeof(uint32_t));
    char *p = arena_alloc(&s->arena, sizeof(struct segment_chunk) + columns + (policies ? cap : 0),
                          _Alignof(struct segment_chunk));
    if (p == NULL)
        return NULL;
    struct segment_chunk *c = (struct segment_chunk *)p;
    memset(c, 0, sizeof(*c));
    c->cap = cap;
    c->times_ms = (int64_t *)(p + sizeof(*c));
    c->values = (double *)(c->times_ms + cap);
    c->ordinals = (uint32_t *)(c->values + cap);
    c->items = c->ordinals + cap;
    c->policies = policies ? (uint8_t *)(c->items + cap) : NULL;
    update_bytes(s);
    return c;
}

/* Chunks double, so that a group of one point is small and a group of a million is few chunks. */
static struct segment_chunk *group_tail(struct segment *s, struct segment_group *g)
{
    struct segment_chunk *last = g->last;
    if (last != NULL && atomic_load_explicit(&last->count, memory_order_relaxed) < last->cap)
        return last;
    uint32_t cap = last == NULL ? CHUNK_POINTS_MIN : last->cap * 2;
    if (cap > CHUNK_POINTS_MAX)
        cap = CHUNK_POINTS_MAX;
    struct segment_chunk *c = chunk_create(s, cap, !g->fresh);
    if (c == NULL)
        return NULL;
    if (last == NULL)
        atomic_store_explicit(&g->first, c, memory_order_release);
    else
        atomic_store_explicit(&last->next, c, memory_order_release);
    g->last = c;
    return c;
}

int segment_append(struct segment *s, struct segment_group *g, uint64_t offset, uint32_t item,
                   int64_t time_ms, double value, enum policy policy)
{
    struct segment_chunk *c = group_tail(s, g);
    if (c == NULL)
        return LT_ENOMEM;
    uint32_t at = atomic_load_explicit(&c->count, memory_order_relaxed);
    c->ordinals[at] = (uint32_t)(offset - s->lo);
    c->items[at] = item;
    c->times_ms[at] = time_ms;
    c->values[at] = value;
    if (c->policies != NULL)
        c->policies[at] = (uint8_t)policy;
    atomic_store_explicit(&c->count, at + 1, memory_order_release);
    s->points++;
    return 0;
}

void segment_publish(struct segment *s, uint64_t offset, uint64_t checksum)
{
    s->checksum = checksum;
    atomic_store_explicit(&s->hi, offset + 1, memory_order_release);
}

void segment_seal(struct segment *s)
{
    for (uint32_t i = 0; i < s->catalogs_count; i++)
        s->catalogs[i].to = catalog_mark(s->catalogs[i].catalog);
}

/* ---- readers ---- */

struct cut { /* a chunk's positions that belong to offsets [from, to) */
    uint32_t first, end;
};

static struct cut chunk_cut(const struct segment *s, const struct segment_chunk *c, uint64_t from,
                            uint64_t to)
{
    uint32_t count = atomic_load_explicit(&c->count, memory_order_acquire);
    struct cut cut = {0, count};
    if (from > s->lo)
        cut.first = ascending_find(c->ordinals, count, from - s->lo);
    if (count > 0 && c->ordinals[count - 1] >= to - s->lo)
        cut.end = ascending_find(c->ordinals, count, to - s->lo);
    return cut;
}

static int visit_chunk(const struct segment *s, const struct segment_group *g,
                       const struct segment_chunk *c, struct cut cut, block_visit *visit, void *arg)
{
    if (cut.first >= cut.end)
        return 0;
    struct block block = {
        .category = g->category,
        .dimension = g->dimension,
        .host = g->host,
        .fresh = g->fresh,
        .lo = s->lo,
        .count = cut.end - cut.first,
        .items = c->items + cut.first,
        .times_ms = c->times_ms + cut.first,
        .values = c->values + cut.first,
        .policies = c->policies == NULL ? NULL : c->policies + cut.first,
        .stays = true, /* the view holds the segment */
    };
    return visit(arg, &block);
}

static bool contains(const uint32_t *sorted, uint32_t count, uint32_t want)
{
    uint32_t at = ascending_find(sorted, count, want);
    return at < count && sorted[at] == want;
}

static bool has_dimension(const struct block_filter *f, uint32_t dimension)
{
    for (uint32_t i = 0; i < f->dimensions_count; i++)
        if (f->dimensions[i] == dimension)
            return true;
    return false;
}

static bool hour_overlaps(int64_t hour_s, int64_t from_ms, int64_t to_ms)
{
    return hour_s <= to_ms / 1000 && hour_s + BEAT_SECONDS > from_ms / 1000;
}

static bool group_wanted(const struct segment_group *g, const struct block_filter *f)
{
    return block_filter_has_category(f, g->category) && g->fresh == f->fresh &&
           has_dimension(f, g->dimension) && hour_overlaps(g->hour_s, f->from_ms, f->to_ms) &&
           (f->hosts == NULL || contains(f->hosts, f->hosts_count, g->host));
}

int segment_scan(struct segment *s, uint32_t environment, uint64_t from, uint64_t to,
                 const struct block_filter *filter, block_visit *visit, void *arg)
{
    if (to <= s->lo || from >= to)
        return 0;
    struct segment_group *g = atomic_load_explicit(&s->groups, memory_order_acquire);
    for (; g != NULL; g = atomic_load_explicit(&g->next, memory_order_acquire)) {
        if (g->environment != environment || !group_wanted(g, filter))
            continue;
        struct segment_chunk *c = atomic_load_explicit(&g->first, memory_order_acquire);
        for (; c != NULL; c = atomic_load_explicit(&c->next, memory_order_acquire)) {
            int err = visit_chunk(s, g, c, chunk_cut(s, c, from, to), visit, arg);
            if (err != 0)
                return err;
        }
    }
    return 0;
}

int segment_group_blocks(const struct segment *s, const struct segment_group *g, block_visit *visit,
                         void *arg)
{
    struct segment_chunk *c = atomic_load_explicit(&g->first, memory_order_acquire);
    int err = 0;
    for (; err == 0 && c != NULL; c = atomic_load_explicit(&c->next, memory_order_acquire)) {
        uint32_t count = atomic_load_explicit(&c->count, memory_order_acquire);
        err = visit_chunk(s, g, c, (struct cut){0, count}, visit, arg);
    }
    return err;
}

static bool chunk_beats(const struct segment_chunk *c, struct cut cut, uint8_t bits[BEAT_BYTES])
{
    for (uint32_t i = cut.first; i < cut.end; i++)
        bits[c->items[i] / 8] |= (uint8_t)(1u << c->items[i] % 8);
    return cut.first < cut.end;
}

void segment_group_beats(const struct segment_group *g, uint8_t bits[BEAT_BYTES])
{
    memset(bits, 0, BEAT_BYTES);
    struct segment_chunk *c = atomic_load_explicit(&g->first, memory_order_acquire);
    for (; c != NULL; c = atomic_load_explicit(&c->next, memory_order_acquire))
        chunk_beats(c, (struct cut){0, atomic_load(&c->count)}, bits);
}

static bool beats_wanted(const struct segment_group *g, const struct beat_filter *f)
{
    return g->category == SEGMENT_BEATS && g->dimension == f->collector &&
           hour_overlaps(g->hour_s, f->from_ms, f->to_ms) &&
           (f->hosts == NULL || contains(f->hosts, f->hosts_count, g->host));
}

int segment_scan_beats(struct segment *s, uint32_t environment, uint64_t from, uint64_t to,
                       const struct beat_filter *filter, beat_visit *visit, void *arg)
{
    if (to <= s->lo || from >= to)
        return 0;
    struct segment_group *g = atomic_load_explicit(&s->groups, memory_order_acquire);
    for (; g != NULL; g = atomic_load_explicit(&g->next, memory_order_acquire)) {
        if (g->environment != environment || !beats_wanted(g, filter))
            continue;
        uint8_t bits[BEAT_BYTES] = {0};
        bool any = false;
        struct segment_chunk *c = atomic_load_explicit(&g->first, memory_order_acquire);
        for (; c != NULL; c = atomic_load_explicit(&c->next, memory_order_acquire))
            any |= chunk_beats(c, chunk_cut(s, c, from, to), bits);
        struct beat_block block = {g->host, g->dimension, (uint32_t)g->hour_s, bits};
        int err = any ? visit(arg, &block) : 0;
        if (err != 0)
            return err;
    }
    return 0;
}
