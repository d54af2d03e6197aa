#include "agent/deltas.h"

static void round_init(struct deltas_round *r)
{
    *r = (struct deltas_round){0};
    hash_index_init(&r->index);
}

static void round_fini(struct deltas_round *r)
{
    hash_index_fini(&r->index);
    VEC_FINI(&r->keys);
    VEC_FINI(&r->values);
}

static void round_reset(struct deltas_round *r)
{
    hash_index_reset(&r->index);
    r->keys.n = 0;
    r->values.n = 0;
}

static bool key_eq(const void *context, const void *key, uint32_t position)
{
    return ((const struct deltas_round *)context)->keys.v[position] == *(const uint64_t *)key;
}

static void round_add(struct deltas_round *r, uint64_t key, uint64_t value)
{
    if (r->keys.n >= DELTAS_MAX || !VEC_RESERVE(&r->keys, 1) || !VEC_RESERVE(&r->values, 1))
        return; /* stays unknown: reported as a baseline each time, never as a wrong delta */
    if (hash_index_add(&r->index, key, r->keys.n) != 0)
        return;
    r->keys.v[r->keys.n++] = key;
    r->values.v[r->values.n++] = value;
}

void deltas_init(struct deltas *d)
{
    *d = (struct deltas){0};
    round_init(&d->now);
    round_init(&d->before);
}

void deltas_fini(struct deltas *d)
{
    round_fini(&d->now);
    round_fini(&d->before);
}

void deltas_begin(struct deltas *d)
{
    struct deltas_round oldest = d->before;
    d->before = d->now;
    d->now = oldest;
    round_reset(&d->now);
    d->known = 0;
    d->primed = d->before.keys.n > 0;
}

enum delta_result deltas_read(struct deltas *d, uint64_t key, uint64_t value, uint64_t *delta_out)
{
    *delta_out = 0;
    /* A count past 2^63 is one that was decremented below zero (some of MySQL's are). */
    if (value > INT64_MAX)
        return DELTA_RESET;
    uint32_t at = hash_index_find(&d->before.index, key, key_eq, &d->before, &key);
    round_add(&d->now, key, value);
    if (at == HASH_NONE)
        return DELTA_NEW;
    d->known++;
    if (value < d->before.values.v[at])
        return DELTA_RESET;
    *delta_out = value - d->before.values.v[at];
    return DELTA_OK;
}

uint32_t deltas_missing(const struct deltas *d)
{
    return d->before.keys.n - d->known;
}

void deltas_forget(struct deltas *d)
{
    round_reset(&d->now);
    round_reset(&d->before);
    d->primed = false;
    d->known = 0;
}
