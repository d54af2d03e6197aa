#include "query/samples.h"

#include "catalog/declared.h"
#include "query/rules.h"

#include <stdlib.h>

/* TS.RANGE and its kin: keys to series, series to points, points to rows. */

static int compare_targets(const void *a, const void *b)
{
    return range_compare_series(&((const struct range_target *)a)->series,
                                &((const struct range_target *)b)->series);
}

static void note_declared(struct samples *s)
{
    for (uint32_t i = 0; i < s->range.known; i++) {
        struct catalog_declared declared;
        if (!read_declared(s->read, &s->range.targets[i].series, &declared))
            continue;
        s->series[i].known = true;
        s->series[i].retention_ms = declared.settings.retention_ms;
        s->series[i].ruled = (declared.settings.given & SETTINGS_RULE) != 0;
    }
}

static int note_rules(struct samples *s)
{
    struct scratch *scratch = &s->read->scratch;
    bool any = false;
    for (uint32_t i = 0; i < s->range.known; i++)
        any |= s->series[i].ruled;
    if (!any)
        return 0;
    struct rules *rules = scratch_take(scratch, 1, sizeof(*rules));
    struct fold_series *series = scratch_take(scratch, s->range.known, sizeof(*series));
    if (rules == NULL || series == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < s->range.known; i++)
        series[i] = s->range.targets[i].series;
    s->rules = rules;
    return rules_find(s->read, series, s->range.known, rules);
}

/* The keys' series; unknown ones have no target. */
static void find_keys(struct samples *s, struct fold_series *found)
{
    for (uint32_t i = 0; i < s->keys_count; i++)
        s->target_of_key[i] = read_find_series(s->read, s->keys[i], &found[i]) ? 0 : SAMPLES_NONE;
}

static int find_matches(struct samples *s)
{
    const struct query_spec *spec = s->read->spec;
    struct scratch *scratch = &s->read->scratch;
    int err = match_read(s->read, spec->filters, spec->filters_count, &s->read->answer->memory,
                         &s->matches);
    if (err != 0)
        return err;
    struct slice *keys = scratch_take(scratch, s->matches.count, sizeof(*keys));
    if (keys == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < s->matches.count; i++)
        keys[i] = s->matches.v[i].key;
    s->keys = keys;
    s->keys_count = s->matches.count;
    return 0;
}

/* Targets of the series, each once. */
static void make_targets(struct samples *s, const struct fold_series *found)
{
    struct range *r = &s->range;
    uint32_t all = 0;
    for (uint32_t i = 0; i < s->keys_count; i++)
        if (s->target_of_key[i] != SAMPLES_NONE)
            r->targets[all++] = (struct range_target){.series = found[i], .known = true};
    qsort(r->targets, all, sizeof(*r->targets), compare_targets);
    for (uint32_t i = 0; i < all; i++)
        if (r->known == 0 || compare_targets(&r->targets[r->known - 1], &r->targets[i]) != 0)
            r->targets[r->known++] = r->targets[i];
    r->count = r->known;
    for (uint32_t i = 0; i < s->keys_count; i++)
        if (s->target_of_key[i] != SAMPLES_NONE)
            s->target_of_key[i] = range_find(r, &found[i]);
}

static int take_targets(struct samples *s)
{
    struct scratch *scratch = &s->read->scratch;
    s->range.targets = scratch_take(scratch, s->keys_count, sizeof(*s->range.targets));
    s->target_of_key = scratch_take(scratch, s->keys_count, sizeof(*s->target_of_key));
    s->series = scratch_take(scratch, s->keys_count, sizeof(*s->series));
    return s->range.targets == NULL || s->target_of_key == NULL || s->series == NULL
               ? scratch_error(scratch)
               : 0;
}

static int plan(struct samples *s)
{
    struct scratch *scratch = &s->read->scratch;
    int err = s->spec.matched ? find_matches(s) : 0;
    struct fold_series *found = NULL;
    if (err == 0)
        err = take_targets(s);
    if (err == 0) {
        found = scratch_take(scratch, s->keys_count, sizeof(*found));
        err = found == NULL ? scratch_error(scratch) : 0;
    }
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < s->matches.count; i++)
        found[i] = s->matches.v[i].series;
    if (!s->spec.matched)
        find_keys(s, found);
    make_targets(s, found);
    note_declared(s);
    return note_rules(s);
}

struct samples samples_of(struct read *read, uint32_t keys_count)
{
    return (struct samples){.range = {.read = read, .catalog = read_catalog(read)},
                            .read = read,
                            .keys_count = keys_count};
}

int samples_over(struct samples *s, const struct fold_series *series)
{
    int err = take_targets(s);
    if (err == 0)
        make_targets(s, series);
    return err;
}

void samples_release(struct samples *s)
{
    for (uint32_t i = 0; s->series != NULL && i < s->range.known; i++)
        SCRATCH_FREE(s->read->guard, &s->series[i].points);
    if (s->rules != NULL)
        rules_free(s->rules);
}

/* A key whose series is not declared and has no point at all is not there. */
static int find_known(struct samples *s)
{
    int found = 0;
    for (uint32_t i = 0; i < s->range.known && found >= 0; i++) {
        struct samples_series *series = &s->series[i];
        if (!series->known) {
            found = read_has_points(s->read, &s->range.targets[i].series);
            series->known = found > 0;
        }
    }
    return found < 0 ? found : 0;
}

int samples_read(struct read *read)
{
    struct samples s = samples_of(read, read->spec->keys_count);
    s.spec = *read->spec->samples;
    s.keys = read->spec->keys;
    int err = plan(&s);
    if (err == 0)
        err = samples_settle(&s);
    if (err == 0)
        err = samples_narrow(&s);
    if (err == 0)
        err = samples_can_tally(&s) ? samples_tally(&s) : samples_collect(&s);
    if (err == 0 && !s.spec.matched)
        err = find_known(&s);
    if (err == 0)
        err = s.spec.matched ? samples_answer_matched(&s) : samples_answer(&s);
    samples_release(&s);
    return err;
}
