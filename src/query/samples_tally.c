#include "query/samples.h"

#include <math.h>

/* Buckets by RANGE's machinery: from summaries where these answer exactly, else from points as they
 * come, in any order; no point is kept. For aggregators that need neither neighbours nor spread, of
 * all points there are. */

enum { TALLIES_MAX = 1 << 20 }; /* buckets of all series; beyond, points are collected */

static uint32_t set_of(const struct samples_spec *spec)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < spec->aggregators_count; i++)
        set |= spec->aggregators[i].set;
    return set;
}

static bool shows_all(const struct samples *s)
{
    bool all = s->spec.times_count == 0 && !s->spec.by_value;
    for (uint32_t i = 0; i < s->range.known; i++)
        all &= s->series[i].visible_ms <= s->spec.from_ms;
    return all;
}

static struct window_rule rule_of(const struct samples_spec *spec)
{
    return (struct window_rule){
        .bucket_ms = spec->bucket_ms, .align_ms = spec->align_ms, .stamp = spec->stamp};
}

/* For any range of time. */
static bool may_tally(const struct samples *s)
{
    const struct samples_spec *spec = &s->spec;
    const uint32_t exact = 1U << AGGREGATOR_AVG | 1U << AGGREGATOR_SUM | 1U << AGGREGATOR_MIN |
                           1U << AGGREGATOR_MAX | 1U << AGGREGATOR_RANGE | 1U << AGGREGATOR_COUNT |
                           1U << AGGREGATOR_FIRST | 1U << AGGREGATOR_LAST;
    return spec->aggregators_count > 0 && (set_of(spec) & ~exact) == 0 && s->range.known > 0 &&
           s->rules == NULL && spec->from_ms <= spec->last_ms && shows_all(s);
}

/* Buckets of the range, all series'. */
static bool is_wide(const struct samples *s, int64_t from_ms, int64_t last_ms)
{
    struct window_rule rule = rule_of(&s->spec);
    return last_ms == INT64_MAX || (last_ms - window_bucket(&rule, from_ms)) / s->spec.bucket_ms >=
                                       TALLIES_MAX / s->range.known;
}

/* `- +`, and whoever asks for more than there can be: a bucket for each second since 1970 would be
 * too many, and the points of years too. */
int samples_narrow(struct samples *s)
{
    int64_t first_ms, last_ms = -1, stored_end_ms = samples_stored_end(s);
    s->tally_from_ms = s->spec.from_ms;
    s->tally_last_ms = s->spec.last_ms;
    if (!may_tally(s) || !is_wide(s, s->spec.from_ms, s->spec.last_ms))
        return 0;
    int err = samples_find_first(s, &first_ms);
    if (err == 0)
        err = samples_find_last(s);
    for (uint32_t i = 0; i < s->range.known && err == 0; i++) {
        const struct samples_series *series = &s->series[i];
        int64_t ms = series->has_last ? series->last_ms : stored_end_ms;
        last_ms = ms > last_ms ? ms : last_ms;
    }
    if (first_ms > s->tally_from_ms)
        s->tally_from_ms = first_ms;
    if (last_ms < s->tally_last_ms)
        s->tally_last_ms = last_ms;
    return err;
}

bool samples_can_tally(const struct samples *s)
{
    return may_tally(s) && s->tally_from_ms <= s->tally_last_ms &&
           !is_wide(s, s->tally_from_ms, s->tally_last_ms);
}

static unsigned columns_of(uint32_t set)
{
    unsigned columns = 0;
    if ((set & (1U << AGGREGATOR_AVG | 1U << AGGREGATOR_SUM)) != 0)
        columns |= PACK_SUM;
    if ((set & (1U << AGGREGATOR_MIN | 1U << AGGREGATOR_RANGE)) != 0)
        columns |= PACK_MIN;
    if ((set & (1U << AGGREGATOR_MAX | 1U << AGGREGATOR_RANGE)) != 0)
        columns |= PACK_MAX;
    if ((set & (1U << AGGREGATOR_FIRST | 1U << AGGREGATOR_LAST)) != 0)
        columns |= PACK_ENDS;
    return columns;
}

/* First and last of a stored bucket have no times of their own: two tables of one hour could not be
 * told apart. So they are read from points. */
static int plan_cover(struct samples *s, uint32_t set)
{
    struct range *r = &s->range;
    if ((set & (1U << AGGREGATOR_FIRST | 1U << AGGREGATOR_LAST)) == 0)
        return range_plan_cover(r);
    r->cover.parts = scratch_take(&s->read->scratch, 1, sizeof(*r->cover.parts));
    if (r->cover.parts == NULL)
        return scratch_error(&s->read->scratch);
    r->cover.parts[0] = (struct cover_part){.from_ms = r->from_ms, .to_ms = r->to_ms};
    r->cover.count = 1;
    return 0;
}

int samples_tally(struct samples *s)
{
    struct range *r = &s->range;
    struct window_rule rule = rule_of(&s->spec);
    uint32_t set = set_of(&s->spec);
    r->from_ms = s->tally_from_ms;
    r->to_ms = s->tally_last_ms + 1;
    r->steps = (struct cover_steps){
        .step_ms = s->spec.bucket_ms, .exact = true, .origin_ms = window_bucket(&rule, r->from_ms)};
    r->buckets = (uint32_t)((s->tally_last_ms - r->steps.origin_ms) / s->spec.bucket_ms) + 1;
    s->tallied = true;
    for (uint32_t i = 0; i < r->known; i++) {
        struct range_target *t = &r->targets[i];
        t->kind = KIND_GAUGE;
        t->aggregate = AGGREGATE_AVG;
        t->columns = columns_of(set);
        t->tallies = scratch_take(&s->read->scratch, r->buckets, sizeof(*t->tallies));
        if (t->tallies == NULL)
            return scratch_error(&s->read->scratch);
    }
    int err = plan_cover(s, set);
    if (err == 0)
        err = range_scan(r);
    for (uint32_t i = 0; i < r->known && err == 0; i++)
        for (uint32_t b = 0; b < r->buckets && !s->series[i].known; b++)
            s->series[i].known = r->targets[i].tallies[b].count > 0;
    range_fini(r);
    return err;
}

/* ---- rows ---- */

static struct stats stats_of(const struct tally *t)
{
    return (struct stats){.count = t->count,
                          .sum = t->sum,
                          .min = t->min,
                          .max = t->max,
                          .first = t->first,
                          .last = t->last};
}

int samples_tallied_rows(struct samples *s, uint32_t target,
                         const struct aggregator_list *aggregators, uint64_t limit,
                         struct samples_rows *rows)
{
    const struct range *r = &s->range;
    const struct tally *tallies = r->targets[target].tallies;
    struct window_rule rule = rule_of(&s->spec);
    double values[AGGREGATORS_MAX], carried = (double)NAN;
    uint32_t begin = 0, end = r->buckets;
    while (begin < end && tallies[begin].count == 0)
        begin++;
    while (end > begin && tallies[end - 1].count == 0)
        end--;
    int err = 0;
    for (uint32_t b = begin; b < end && err == 0 && (limit == 0 || rows->times.n < limit); b++) {
        if (tallies[b].count == 0 && !s->spec.empty)
            continue;
        struct stats stats = stats_of(&tallies[b]);
        for (uint32_t i = 0; i < aggregators->n; i++) {
            enum aggregator which = (enum aggregator)aggregators->v[i];
            values[i] =
                which == AGGREGATOR_LAST && stats.count == 0 ? carried : stats_value(&stats, which);
        }
        carried = stats.count > 0 ? stats.last : carried;
        int64_t start_ms = r->steps.origin_ms + (int64_t)b * r->steps.step_ms;
        err = samples_rows_push(s->read->guard, rows, window_stamp_ms(&rule, start_ms), values);
    }
    return err;
}
