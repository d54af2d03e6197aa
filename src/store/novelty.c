#include "store/novelty.h"

#include "base/error.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 1024, SLOT_BYTES = 16 };

void novelty_init(struct novelty *n, size_t bytes_max)
{
    *n = (struct novelty){.bytes_max = bytes_max};
    hash_index_init(&n->floor_index);
}

void novelty_fini(struct novelty *n)
{
    free(n->series);
    free(n->newest_ms);
    free(n->floors);
    hash_index_fini(&n->floor_index);
    *n = (struct novelty){0};
}

size_t novelty_bytes(const struct novelty *n)
{
    return (size_t)n->cap * SLOT_BYTES + n->floors_cap * sizeof(n->floors[0]) +
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

/* Linear probing; the hash stands for the series. */
static uint32_t slot_of(const struct novelty *n, uint64_t hash)
{
    uint32_t mask = n->cap - 1;
    uint32_t i = (uint32_t)(hash >> 7) & mask;
    while (n->series[i] != 0 && n->series[i] != hash)
        i = (i + 1) & mask;
    return i;
}

static int resize(struct novelty *n, uint32_t cap)
{
    struct novelty bigger = {.cap = cap};
    bigger.series = calloc(cap, sizeof(bigger.series[0]));
    bigger.newest_ms = malloc((size_t)cap * sizeof(bigger.newest_ms[0]));
    if (bigger.series == NULL || bigger.newest_ms == NULL) {
        free(bigger.series);
        free(bigger.newest_ms);
        return LT_ENOMEM;
    }
    for (uint32_t i = 0; i < n->cap; i++) {
        if (n->series[i] == 0)
            continue;
        uint32_t at = slot_of(&bigger, n->series[i]);
        bigger.series[at] = n->series[i];
        bigger.newest_ms[at] = n->newest_ms[i];
    }
    free(n->series);
    free(n->newest_ms);
    n->series = bigger.series;
    n->newest_ms = bigger.newest_ms;
    n->cap = cap;
    return 0;
}

/* Over budget: what the table knew one by one is from now on known by its upper bound. */
static void forget_series(struct novelty *n)
{
    for (uint32_t i = 0; i < n->floors_count; i++)
        n->floors[i].floor_ms = n->floors[i].newest_ms;
    memset(n->series, 0, (size_t)n->cap * sizeof(n->series[0]));
    n->count = 0;
}

static int make_room(struct novelty *n)
{
    if ((uint64_t)(n->count + 1) * 10 <= (uint64_t)n->cap * 7)
        return 0;
    uint32_t cap = n->cap == 0 ? SLOTS_MIN : n->cap * 2;
    bool within = cap > n->cap && (size_t)cap * SLOT_BYTES <= n->bytes_max;
    if ((within || n->cap == 0) && resize(n, cap) == 0)
        return 0;
    if (n->cap == 0)
        return LT_ENOMEM;
    forget_series(n);
    return 0;
}

int novelty_judge(struct novelty *n, uint32_t floor, uint32_t environment, uint32_t host,
                  uint32_t category, uint32_t item, uint32_t dimension, int64_t time_ms)
{
    int err = make_room(n);
    if (err != 0)
        return err;
    uint64_t hash = hash_u64((uint64_t)category << 32 | item);
    hash = hash_u64(hash + ((uint64_t)dimension << 32 | host));
    hash = hash_u64(hash + environment) | 1;
    struct novelty_floor *f = &n->floors[floor];
    if (time_ms > f->newest_ms)
        f->newest_ms = time_ms;
    uint32_t at = slot_of(n, hash);
    int64_t newest_ms = f->floor_ms;
    if (n->series[at] == 0) {
        n->series[at] = hash;
        n->count++;
    } else {
        newest_ms = n->newest_ms[at];
    }
    bool is_new = time_ms > newest_ms;
    n->newest_ms[at] = is_new ? time_ms : newest_ms;
    return is_new;
}
