#include "jobs/compact_beats.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void beat_union_init(struct beat_union *u)
{
    *u = (struct beat_union){0};
    hash_index_init(&u->index);
}

void beat_union_fini(struct beat_union *u)
{
    VEC_FINI(&u->hours);
    hash_index_fini(&u->index);
}

static bool hour_eq(const void *context, const void *key, uint32_t position)
{
    const struct beat_hour *hour = (const struct beat_hour *)context + position;
    const struct storage_beats *beats = key;
    return hour->collector == beats->collector && hour->host == beats->host &&
           hour->from_s == beats->from_s;
}

int beat_union_add(struct beat_union *u, const struct storage_beats *beats)
{
    uint64_t hash = hash_u64(((uint64_t)beats->collector << 32 | beats->host) ^
                             hash_u64((uint64_t)beats->from_s));
    uint32_t at = hash_index_find(&u->index, hash, hour_eq, u->hours.v, beats);
    if (at == HASH_NONE) {
        if (!VEC_RESERVE(&u->hours, 1))
            return LT_ENOMEM;
        int err = hash_index_add(&u->index, hash, u->hours.n);
        if (err != 0)
            return err;
        at = u->hours.n++;
        u->hours.v[at] = (struct beat_hour){beats->collector, beats->host, beats->from_s, {0}};
    }
    for (unsigned i = 0; i < BEAT_BYTES; i++)
        u->hours.v[at].bits[i] |= beats->bits[i];
    return 0;
}

static int order(const void *a, const void *b)
{
    const struct beat_hour *x = a, *y = b;
    if (x->collector != y->collector)
        return x->collector < y->collector ? -1 : 1;
    if (x->host != y->host)
        return x->host < y->host ? -1 : 1;
    return x->from_s == y->from_s ? 0 : x->from_s < y->from_s ? -1 : 1;
}

void beat_union_sort(struct beat_union *u)
{
    if (u->hours.n > 0)
        qsort(u->hours.v, u->hours.n, sizeof(u->hours.v[0]), order);
    hash_index_reset(&u->index);
}
