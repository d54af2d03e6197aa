#include "query/spec.h"

#include "base/error.h"

static int copy_slices(struct arena *arena, const struct slice **slices, uint32_t count)
{
    struct slice *copy = arena_alloc(arena, count * sizeof(*copy) + 1, _Alignof(struct slice));
    if (copy == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = arena_copy(arena, (*slices)[i]);
        if (copy[i].p == NULL)
            return LT_ENOMEM;
    }
    *slices = copy;
    return 0;
}

int spec_copy(struct arena *arena, const struct query_spec *spec, struct query_spec *out)
{
    *out = *spec;
    out->pattern = arena_copy(arena, spec->pattern);
    out->match = arena_copy(arena, spec->match);
    if (out->pattern.p == NULL || out->match.p == NULL ||
        copy_slices(arena, &out->keys, spec->keys_count) != 0 ||
        copy_slices(arena, &out->hosts, spec->hosts_count) != 0 ||
        copy_slices(arena, &out->with, spec->with_count) != 0)
        return LT_ENOMEM;
    return 0;
}
