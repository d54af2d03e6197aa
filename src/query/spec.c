#include "query/spec.h"

#include "base/error.h"

#include <stddef.h>

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

static void *copy_array(struct arena *arena, const void *array, size_t count, size_t size)
{
    void *copy = arena_alloc(arena, count * size + 1, _Alignof(max_align_t));
    if (copy != NULL && count > 0)
        memcpy(copy, array, count * size);
    return copy;
}

/* What stands behind the specification of samples. */
static int copy_samples(struct arena *arena, const struct samples_spec **samples)
{
    if (*samples == NULL)
        return 0;
    struct samples_spec *copy = copy_array(arena, *samples, 1, sizeof(*copy));
    if (copy == NULL)
        return LT_ENOMEM;
    copy->times_ms = copy_array(arena, copy->times_ms, copy->times_count, sizeof(int64_t));
    copy->aggregators = copy_array(arena, copy->aggregators, copy->aggregators_count,
                                   sizeof(struct aggregator_list));
    copy->group = arena_copy(arena, copy->group);
    *samples = copy;
    return copy->group.p == NULL || copy->times_ms == NULL || copy->aggregators == NULL ? LT_ENOMEM
                                                                                        : 0;
}

int spec_copy(struct arena *arena, const struct query_spec *spec, struct query_spec *out)
{
    *out = *spec;
    out->pattern = arena_copy(arena, spec->pattern);
    out->match = arena_copy(arena, spec->match);
    out->label = arena_copy(arena, spec->label);
    if (out->label.p == NULL || out->pattern.p == NULL || out->match.p == NULL ||
        copy_slices(arena, &out->keys, spec->keys_count) != 0 ||
        copy_slices(arena, &out->filters, spec->filters_count) != 0 ||
        copy_slices(arena, &out->selected, spec->selected_count) != 0 ||
        copy_slices(arena, &out->hosts, spec->hosts_count) != 0 ||
        copy_slices(arena, &out->with, spec->with_count) != 0 ||
        copy_samples(arena, &out->samples) != 0)
        return LT_ENOMEM;
    return 0;
}
