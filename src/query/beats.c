#include "query/beats.h"

#include "base/hash.h"
#include "base/vec.h"

#include <stdlib.h>

/* The same hour of a pair comes in several blocks, one a flush: kept once, as the union of their
 * bits. */
struct hour {
    struct beats_pair pair;
    uint32_t from_s;
    uint8_t bits[BEAT_BYTES];
};

struct beats {
    struct read *read;
    const struct beats_pair *pairs;
    uint32_t pairs_count;
    int64_t from_ms, to_ms;
    VEC(struct hour) hours;
    struct hash_index index; /* by pair and hour */
};

int beats_create(struct read *read, const struct beats_pair *pairs, uint32_t count,
                 struct beats **out)
{
    struct beats *beats = scratch_take(&read->scratch, 1, sizeof(*beats));
    struct beats_pair *copy =
        beats == NULL ? NULL : scratch_take(&read->scratch, count, sizeof(*copy));
    if (copy == NULL)
        return scratch_error(&read->scratch);
    if (count > 0)
        memcpy(copy, pairs, count * sizeof(*copy));
    beats->read = read;
    beats->pairs = copy;
    beats->pairs_count = count;
    hash_index_init(&beats->index);
    *out = beats;
    return 0;
}

void beats_destroy(struct beats **beats)
{
    if (*beats == NULL)
        return;
    SCRATCH_FREE((*beats)->read->guard, &(*beats)->hours);
    hash_index_fini(&(*beats)->index);
    *beats = NULL;
}

static bool hour_eq(const void *context, const void *key, uint32_t position)
{
    const struct hour *a = (const struct hour *)context + position;
    const struct beat_block *b = key;
    return a->from_s == b->from_s && a->pair.host == b->host && a->pair.collector == b->collector;
}

int beats_compare(const void *a, const void *b)
{
    const struct beats_pair *x = a, *y = b;
    if (x->collector != y->collector)
        return x->collector < y->collector ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

static int add_hour(void *arg, const struct beat_block *block)
{
    struct beats *beats = arg;
    struct beats_pair pair = {block->host, block->collector};
    if (bsearch(&pair, beats->pairs, beats->pairs_count, sizeof(pair), beats_compare) == NULL)
        return 0;
    uint64_t hash =
        hash_u64(((uint64_t)block->host << 32 | block->from_s) ^ hash_u64(block->collector));
    uint32_t at = hash_index_find(&beats->index, hash, hour_eq, beats->hours.v, block);
    if (at == HASH_NONE) {
        int err = SCRATCH_RESERVE(beats->read->guard, &beats->hours, 1);
        if (err == 0)
            err = hash_index_add(&beats->index, hash, beats->hours.n);
        if (err != 0)
            return err;
        at = beats->hours.n++;
        beats->hours.v[at] = (struct hour){.pair = pair, .from_s = block->from_s};
    }
    for (int i = 0; i < BEAT_BYTES; i++)
        beats->hours.v[at].bits[i] |= block->bits[i];
    return 0;
}

int beats_scan(struct beats *beats, int64_t from_ms, int64_t to_ms)
{
    uint32_t *hosts = scratch_take(&beats->read->scratch, beats->pairs_count, sizeof(*hosts));
    if (hosts == NULL)
        return scratch_error(&beats->read->scratch);
    beats->from_ms = from_ms;
    beats->to_ms = to_ms;
    int err = 0;
    for (uint32_t i = 0, next; i < beats->pairs_count && err == 0; i = next) {
        for (next = i;
             next < beats->pairs_count && beats->pairs[next].collector == beats->pairs[i].collector;
             next++)
            hosts[next - i] = beats->pairs[next].host;
        struct beat_filter filter = {.collector = beats->pairs[i].collector,
                                     .hosts = hosts,
                                     .hosts_count = next - i,
                                     .from_ms = from_ms,
                                     .to_ms = to_ms};
        err = source_scan_beats(&beats->read->source, &filter, add_hour, beats);
    }
    return err;
}

int beats_each(struct beats *beats, struct beats_pair pair,
               void (*visit)(void *arg, int64_t second_ms), void *arg)
{
    for (uint32_t h = 0; h < beats->hours.n; h++) {
        const struct hour *hour = &beats->hours.v[h];
        if (beats_compare(&hour->pair, &pair) != 0)
            continue;
        int err = read_guard_check(beats->read->guard);
        if (err != 0)
            return err;
        for (uint32_t s = 0; s < BEAT_SECONDS; s++) {
            int64_t second_ms = ((int64_t)hour->from_s + s) * 1000;
            if ((hour->bits[s / 8] >> (s % 8) & 1) != 0 && second_ms >= beats->from_ms &&
                second_ms < beats->to_ms)
                visit(arg, second_ms);
        }
    }
    return 0;
}
