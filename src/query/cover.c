#include "query/cover.h"

#include "base/i64.h"

#include <stdlib.h>

enum { DAY_S = 86400, MINUTE_S = 60, MINUTE_MS = 60000 };

struct hour {
    const struct storage_run *coarse[2]; /* a minute, an hour a bucket; NULL: none */
    uint64_t newest;                     /* id of its newest 1-second compact run, 0: none */
    bool arrival;
    bool dirty;
};

static bool is_coarser(const struct storage_run *run)
{
    return run->resolution_s > 1;
}

static bool overlaps(const struct storage_run *run, int64_t from_ms, int64_t to_ms)
{
    return run->range.from_s < to_ms / 1000 + (to_ms % 1000 != 0) &&
           run->range.to_s > from_ms / 1000;
}

static bool fits_step(uint32_t resolution_s, const struct cover_steps *steps)
{
    int64_t bucket_ms = resolution_s * INT64_C(1000);
    if (steps->exact)
        return steps->step_ms % bucket_ms == 0 && steps->origin_ms % bucket_ms == 0;
    return steps->step_ms / 1000 >= (int64_t)resolution_s * COVER_STEP_BUCKETS;
}

bool cover_has_minutes(const struct storage_run *run, int64_t from_ms, int64_t to_ms)
{
    return run->resolution_s == 1 && run->kind == STORAGE_COMPACT &&
           !storage_is_catch_all(run->range) && overlaps(run, from_ms, to_ms);
}

bool cover_may_help(const struct storage_run *runs, uint32_t count, int64_t from_ms, int64_t to_ms,
                    const struct cover_steps *steps)
{
    for (uint32_t i = 0; i < count; i++)
        if ((is_coarser(&runs[i]) && overlaps(&runs[i], from_ms, to_ms)) ||
            (fits_step(MINUTE_S, steps) && cover_has_minutes(&runs[i], from_ms, to_ms)))
            return true;
    return false;
}

/* ---- what is known of each hour ---- */

struct plan {
    int64_t seconds_from_s; /* 1-second runs begin here; INT64_MAX: there are none */
    struct hour *hours;
    int64_t first_s; /* start of hours[0] */
    uint32_t count;
};

static void mark_run(struct plan *p, const struct storage_run *run)
{
    int64_t end_s = p->first_s + (int64_t)p->count * COVER_HOUR_S;
    int64_t from_s = run->range.from_s > p->first_s ? run->range.from_s : p->first_s;
    int64_t to_s = run->range.to_s < end_s ? run->range.to_s : end_s;
    for (int64_t s = from_s; s < to_s; s += COVER_HOUR_S) {
        struct hour *hour = &p->hours[(s - p->first_s) / COVER_HOUR_S];
        if (is_coarser(run))
            hour->coarse[run->resolution_s == 60 ? 0 : 1] = run;
        else if (run->kind == STORAGE_ARRIVAL)
            hour->arrival = true;
        else
            hour->newest = run->id > hour->newest ? run->id : hour->newest;
    }
}

int64_t cover_oldest(const struct storage_run *runs, uint32_t count, uint32_t resolution_s)
{
    int64_t from_s = INT64_MAX;
    for (uint32_t i = 0; i < count; i++)
        if (runs[i].resolution_s == resolution_s && !storage_is_catch_all(runs[i].range) &&
            runs[i].range.from_s < from_s)
            from_s = runs[i].range.from_s;
    return from_s == INT64_MAX ? from_s : from_s - from_s % DAY_S;
}

/* Hours outside of the runs have nothing but 1-second data: they need no marks. */
static void clip(const struct storage_run *runs, uint32_t count, int64_t *from_s, int64_t *to_s)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint32_t i = 0; i < count; i++) {
        if (storage_is_catch_all(runs[i].range))
            continue;
        first = runs[i].range.from_s < first ? runs[i].range.from_s : first;
        last = runs[i].range.to_s > last ? runs[i].range.to_s : last;
    }
    *from_s = *from_s > first ? *from_s : first;
    *to_s = *to_s < last ? *to_s : last;
}

/* ---- who serves it ---- */

static bool is_whole(const struct hour *hour, const struct storage_run *run)
{
    return !hour->arrival && !hour->dirty && hour->newest <= run->sources;
}

static struct cover_part choose(const struct hour *hour, const struct cover_steps *steps,
                                bool expired)
{
    for (int i = 1; i >= 0; i--) {
        const struct storage_run *run = hour->coarse[i];
        if (run != NULL && fits_step(run->resolution_s, steps) && is_whole(hour, run))
            return (struct cover_part){.run = run};
    }
    const struct storage_run *finest = hour->coarse[hour->coarse[0] != NULL ? 0 : 1];
    if (finest != NULL && expired && (!steps->exact || fits_step(finest->resolution_s, steps)))
        return (struct cover_part){.run = finest, .expired = true};
    bool minutes = hour->newest > 0 && !hour->arrival && !hour->dirty;
    return (struct cover_part){.minutes = minutes && fits_step(MINUTE_S, steps)};
}

/* An hour in which there is nothing costs nothing, if it goes with the one before it. */
static bool joins_minutes(const struct cover *out, const struct hour *hour,
                          const struct cover_part *part)
{
    return out->count > 0 && out->parts[out->count - 1].minutes && part->run == NULL &&
           hour->newest == 0 && !hour->arrival && !hour->dirty;
}

/* Appends [from, to), joined to the part before where the same run serves both. */
static void push(struct cover *out, struct cover_part part, int64_t from_ms, int64_t to_ms)
{
    if (from_ms >= to_ms)
        return;
    uint32_t resolution_s = part.run != NULL ? part.run->resolution_s : part.minutes ? MINUTE_S : 1;
    if (resolution_s > out->resolution_s)
        out->resolution_s = resolution_s;
    struct cover_part *last = out->count > 0 ? &out->parts[out->count - 1] : NULL;
    if (last != NULL && last->run == part.run && last->minutes == part.minutes &&
        last->expired == part.expired) {
        last->to_ms = to_ms;
        return;
    }
    part.from_ms = from_ms;
    part.to_ms = to_ms;
    out->parts[out->count++] = part;
}

/* A minute that the range's bounds cut is read by second: so what a range adds up to does not
 * depend on what has been compacted. Where it must be exact, so is a coarser run's bucket. */
static void push_hour(struct cover *out, struct cover_part part, int64_t from_ms, int64_t to_ms,
                      const struct cover_steps *steps)
{
    const struct cover_part fine = {0};
    bool cuts = part.minutes || (part.run != NULL && steps->exact);
    if (!cuts) {
        push(out, part, from_ms, to_ms);
        return;
    }
    int64_t unit_ms = part.run != NULL ? part.run->resolution_s * INT64_C(1000) : MINUTE_MS;
    int64_t up_ms = i64_min((from_ms + unit_ms - 1) / unit_ms * unit_ms, to_ms);
    int64_t down_ms = i64_max(to_ms / unit_ms * unit_ms, up_ms);
    push(out, fine, from_ms, up_ms);
    push(out, part, up_ms, down_ms);
    push(out, fine, down_ms, to_ms);
}

int cover_plan(const struct storage_run *runs, uint32_t count, const int64_t *dirty_s,
               uint32_t dirty_count, int64_t from_ms, int64_t to_ms,
               const struct cover_steps *steps, struct scratch *scratch, struct cover *out)
{
    struct plan p = {.seconds_from_s = cover_oldest(runs, count, 1)};
    int64_t from_s = from_ms / 1000 / COVER_HOUR_S * COVER_HOUR_S;
    int64_t to_s = (to_ms - 1) / 1000 / COVER_HOUR_S * COVER_HOUR_S + COVER_HOUR_S;
    clip(runs, count, &from_s, &to_s);
    p.first_s = from_s;
    p.count = to_s > from_s ? (uint32_t)((to_s - from_s + COVER_HOUR_S - 1) / COVER_HOUR_S) : 0;
    p.hours = scratch_take(scratch, p.count, sizeof(*p.hours));
    out->parts = scratch_take(scratch, 3 * (uint64_t)p.count + 4, sizeof(*out->parts));
    if (p.hours == NULL || out->parts == NULL)
        return scratch_error(scratch);
    for (uint32_t i = 0; i < count; i++)
        if (!storage_is_catch_all(runs[i].range))
            mark_run(&p, &runs[i]);
    for (uint32_t i = 0; i < dirty_count; i++)
        if (dirty_s[i] >= p.first_s && (dirty_s[i] - p.first_s) / COVER_HOUR_S < p.count)
            p.hours[(dirty_s[i] - p.first_s) / COVER_HOUR_S].dirty = true;

    const struct cover_part fine = {0};
    out->count = 0;
    out->resolution_s = 1;
    int64_t at_ms = from_ms;
    for (uint32_t i = 0; i < p.count; i++) {
        int64_t hour_ms = (p.first_s + (int64_t)i * COVER_HOUR_S) * 1000;
        int64_t begin_ms = i64_max(hour_ms, from_ms);
        int64_t end_ms = i64_min(hour_ms + COVER_HOUR_S * 1000, to_ms);
        push(out, fine, at_ms, begin_ms);
        struct cover_part part = choose(&p.hours[i], steps, hour_ms / 1000 < p.seconds_from_s);
        part.minutes |= joins_minutes(out, &p.hours[i], &part);
        push_hour(out, part, begin_ms, end_ms, steps);
        at_ms = i64_max(at_ms, end_ms);
    }
    push(out, fine, at_ms, to_ms);
    return 0;
}
