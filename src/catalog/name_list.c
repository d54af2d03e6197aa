#include "catalog/name_list.h"

#include "base/error.h"

struct wanted {
    struct slice text;
    uint32_t from;
};

void name_list_fini(struct name_list *names)
{
    VEC_FINI(&names->texts);
    hash_index_fini(&names->index);
}

static bool name_list_eq(const void *context, const void *key, uint32_t position)
{
    const struct name_list *names = context;
    const struct wanted *wanted = key;
    return position >= wanted->from && slice_eq(names->texts.v[position], wanted->text);
}

uint32_t name_list_find_from(const struct name_list *names, struct slice text, uint32_t from)
{
    struct wanted wanted = {text, from};
    return hash_index_find(&names->index, hash_bytes(text), name_list_eq, names, &wanted);
}

uint32_t name_list_find(const struct name_list *names, struct slice text)
{
    return name_list_find_from(names, text, 0);
}

int name_list_add(struct name_list *names, struct arena *arena, struct slice text, uint32_t *id_out)
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
