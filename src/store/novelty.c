#include "store/novelty.h"

#include "base/error.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SLOTS_MIN = 1024, HUGE_PAGE_BYTES = 2 << 20 };

void novelty_init(struct novelty *n, size_t bytes_max)
{
    *n = (struct novelty){.bytes_max = bytes_max};
    hash_index_init(&n->floor_index);
}

void novelty_fini(struct novelty *n)
{
    free(n->slots);
    free(n->floors);
    hash_index_fini(&n->floor_index);
    *n = (struct novelty){0};
}

size_t novelty_bytes(const struct novelty *n)
{
    return (size_t)n->cap * sizeof(n->slots[0]) + n->floors_cap * sizeof(n->floors[0]) +
           hash_index_bytes(&n->floor_index);
}

static uint64_t floor_hash(uint32_t environment, uint32_t host, uint32_t collector)
{
    return hash_u64(hash_u64((uint64_t)environment << 32 | host) + collector);
}

static bool floor_eq(const void *context, const void *key, uint32_t position)
{
    const struct novelty_floor *f = &((const struct novelty *)context)->floors[position];
    const struct novelty_floor *k = key;
    return f->environment == k->environment && f->host == k->host && f->collector == k->collector;
}

int novelty_floor(struct novelty *n, uint32_t environment, uint32_t host, uint32_t collector,
                  uint32_t *position_out)
{
    struct novelty_floor key = {.environment = environment,
                                .host = host,
                                .collector = collector,
                                .floor_ms = NOVELTY_NEVER_MS,
                                .newest_ms = NOVELTY_NEVER_MS,
                                .noted_ms = NOVELTY_NEVER_MS};
    uint64_t hash = floor_hash(environment, host, collector);
    uint32_t position = hash_index_find(&n->floor_index, hash, floor_eq, n, &key);
    if (position == HASH_NONE) {
        position = n->floors_count;
        if (position == n->floors_cap &&
            !vec_grow((void **)&n->floors, &n->floors_cap, (uint64_t)position + 1, sizeof(key)))
            return LT_ENOMEM;
        int err = hash_index_add(&n->floor_index, hash, position);
        if (err != 0)
            return err;
        n->floors[n->floors_count++] = key;
    }
    *position_out = position;
    return 0;
}

static struct novelty_slot *find_slot(const struct novelty *n, uint64_t series)
{
    uint32_t i = novelty_slot_of(n, series);
    while (n->slots[i].series != 0 && n->slots[i].series != series)
        i = (i + 1) & (n->cap - 1);
    return &n->slots[i];
}

/* All free. A large table is asked for on huge pages: each point goes to another place of it, and
 * with small pages the processor looks up the page first, which is a second wait. */
static struct novelty_slot *slots_create(uint32_t cap)
{
    size_t bytes = (size_t)cap * sizeof(struct novelty_slot);
    if (bytes < HUGE_PAGE_BYTES)
        return calloc(cap, sizeof(struct novelty_slot));
    void *slots = aligned_alloc(HUGE_PAGE_BYTES, bytes);
    if (slots == NULL)
        return NULL;
    (void)madvise(slots, bytes, MADV_HUGEPAGE); /* where there are none, small ones do */
    return memset(slots, 0, bytes);
}

static int resize(struct novelty *n, uint32_t cap)
{
    struct novelty bigger = {.slots = slots_create(cap), .cap = cap};
    if (bigger.slots == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < n->cap; i++)
        if (n->slots[i].series != 0)
            *find_slot(&bigger, n->slots[i].series) = n->slots[i];
    free(n->slots);
    n->slots = bigger.slots;
    n->cap = cap;
    return 0;
}

/* Over budget: what the table knew one by one is from now on known by its upper bound. */
static void forget_series(struct novelty *n)
{
    for (uint32_t i = 0; i < n->floors_count; i++)
        n->floors[i].floor_ms = n->floors[i].newest_ms;
    memset(n->slots, 0, (size_t)n->cap * sizeof(n->slots[0]));
    n->count = 0;
}

static int make_room(struct novelty *n)
{
    if ((uint64_t)(n->count + 1) * 10 <= (uint64_t)n->cap * 7)
        return 0;
    uint32_t cap = n->cap == 0 ? SLOTS_MIN : n->cap * 2;
    bool within = cap > n->cap && (size_t)cap * sizeof(n->slots[0]) <= n->bytes_max;
    if ((within || n->cap == 0) && resize(n, cap) == 0)
        return 0;
    if (n->cap == 0)
        return LT_ENOMEM;
    forget_series(n);
    return 0;
}

int novelty_judge(struct novelty *n, uint32_t floor, uint64_t series, int64_t time_ms)
{
    int err = make_room(n);
    if (err != 0)
        return err;
    struct novelty_floor *f = &n->floors[floor];
    if (time_ms > f->newest_ms)
        f->newest_ms = time_ms;
    struct novelty_slot *slot = find_slot(n, series);
    int64_t newest_ms = slot->newest_ms;
    if (slot->series == 0) {
        slot->series = series;
        n->count++;
        newest_ms = f->floor_ms;
    }
    bool is_new = time_ms > newest_ms;
    slot->newest_ms = is_new ? time_ms : newest_ms;
    return is_new;
}
