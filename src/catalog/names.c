#include "catalog/names.h"

#include "base/error.h"

struct wanted {
    struct slice text;
    uint32_t from;
};

void names_fini(struct names *names)
{
    VEC_FINI(&names->texts);
    hash_index_fini(&names->index);
}

static bool names_eq(const void *context, const void *key, uint32_t position)
{
    const struct names *names = context;
    const struct wanted *wanted = key;
    return position >= wanted->from && slice_eq(names->texts.v[position], wanted->text);
}

uint32_t names_find_from(const struct names *names, struct slice text, uint32_t from)
{
    struct wanted wanted = {text, from};
    return hash_index_find(&names->index, hash_bytes(text), names_eq, names, &wanted);
}

uint32_t names_find(const struct names *names, struct slice text)
{
    return names_find_from(names, text, 0);
}

int names_add(struct names *names, struct arena *arena, struct slice text, uint32_t *id_out)
{
    struct slice copy = arena_copy(arena, text);
    if (copy.p == NULL || !VEC_RESERVE(&names->texts, 1))
        return LT_ENOMEM;
    int err = hash_index_add(&names->index, hash_bytes(text), names->texts.n);
    if (err != 0)
        return err;
    names->texts.v[names->texts.n++] = copy;
    *id_out = names->texts.n - 1;
    return 0;
}

size_t names_bytes(const struct names *names)
{
    return names->texts.cap * sizeof(names->texts.v[0]) + hash_index_bytes(&names->index);
}
