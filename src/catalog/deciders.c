#include "catalog/deciders.h"

#include "base/error.h"

#include <stdlib.h>

enum { KEYS_A_WORD = 4, WORDS_MIN = 64, WORDS_MAX = 1 << 28 };

void deciders_fini(struct deciders *d)
{
    for (uint32_t i = 0; i < d->all.n; i++)
        free(d->all.v[i]);
    VEC_FINI(&d->all);
}

bool deciders_full(const struct deciders *d)
{
    const struct deciders_filter *f = atomic_load_explicit(&d->filter, memory_order_relaxed);
    return f == NULL || f->used >= f->room;
}

int deciders_renew(struct deciders *d, uint32_t keys, struct deciders_filter **out)
{
    uint32_t words = WORDS_MIN;
    while (words < WORDS_MAX && words < (uint64_t)keys * 2 / KEYS_A_WORD)
        words *= 2;
    struct deciders_filter *f = calloc(1, sizeof(*f) + words * sizeof(f->words[0]));
    if (f == NULL || !VEC_PUSH(&d->all, f)) {
        free(f);
        return LT_ENOMEM;
    }
    f->mask = words - 1;
    f->room = words == WORDS_MAX ? UINT32_MAX : words * KEYS_A_WORD;
    *out = f;
    return 0;
}

void deciders_publish(struct deciders *d, struct deciders_filter *filter)
{
    atomic_store_explicit(&d->filter, filter, memory_order_release);
}

void deciders_put(struct deciders_filter *f, uint64_t hash)
{
    atomic_fetch_or_explicit(&f->words[hash >> 32 & f->mask], deciders_bits(hash),
                             memory_order_release);
    f->used++;
}
