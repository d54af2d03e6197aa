#include "query/samples.h"

#include "catalog/declared.h"

#include <stdlib.h>

/* TS.RANGE and its kin: keys to series, series to points, points to rows. */

static int compare_targets(const void *a, const void *b)
{
    return range_compare_series(&((const struct range_target *)a)->series,
                                &((const struct range_target *)b)->series);
}

/* Targets of the keys' series, each once. */
static int plan(struct samples *s)
{
    const struct query_spec *spec = s->read->spec;
    struct scratch *scratch = &s->read->scratch;
    struct range *r = &s->range;
    struct fold_series *found = scratch_take(scratch, spec->keys_count, sizeof(*found));
    r->targets = scratch_take(scratch, spec->keys_count, sizeof(*r->targets));
    s->series = scratch_take(scratch, spec->keys_count, sizeof(*s->series));
    s->target_of_key = scratch_take(scratch, spec->keys_count, sizeof(*s->target_of_key));
    if (found == NULL || r->targets == NULL || s->series == NULL || s->target_of_key == NULL)
        return scratch->error;
    uint32_t all = 0;
    for (uint32_t i = 0; i < spec->keys_count; i++) {
        bool known = read_find_series(s->read, spec->keys[i], &found[i]);
        s->target_of_key[i] = known ? 0 : SAMPLES_NONE;
        if (known)
            r->targets[all++] = (struct range_target){.series = found[i], .known = true};
    }
    qsort(r->targets, all, sizeof(*r->targets), compare_targets);
    for (uint32_t i = 0; i < all; i++)
        if (r->known == 0 || compare_targets(&r->targets[r->known - 1], &r->targets[i]) != 0)
            r->targets[r->known++] = r->targets[i];
    r->count = r->known;
    for (uint32_t i = 0; i < spec->keys_count; i++)
        if (s->target_of_key[i] != SAMPLES_NONE)
            s->target_of_key[i] = range_find(r, &found[i]);
    return 0;
}

/* A key whose series is not declared and has no point at all is not there. */
static int find_known(struct samples *s)
{
    int found = 0;
    for (uint32_t i = 0; i < s->range.known && found >= 0; i++) {
        struct samples_series *series = &s->series[i];
        struct fold_series *names = &s->range.targets[i].series;
        struct catalog_declared declared;
        if (!series->known && read_declared(s->read, names, &declared)) {
            series->known = true;
        } else if (!series->known) {
            found = read_has_points(s->read, names);
            series->known = found > 0;
        }
    }
    return found < 0 ? found : 0;
}

int samples_read(struct read *read)
{
    struct samples s = {.range = {.read = read, .catalog = read_catalog(read)},
                        .read = read,
                        .spec = read->spec->samples};
    int err = plan(&s);
    if (err == 0)
        err = samples_collect(&s);
    if (err == 0)
        err = find_known(&s);
    if (err == 0)
        err = samples_answer(&s);
    for (uint32_t i = 0; s.series != NULL && i < s.range.known; i++)
        SCRATCH_FREE(read->guard, &s.series[i].points);
    return err;
}
