#include "query/span_plan.h"

#include "base/error.h"
#include "query/cover.h"

enum { SECOND = 1, MINUTE = 60, HOUR = 3600, SECOND_MS = 1000 };

struct planner {
    struct span_plan *plan;
    const struct storage_run *runs;
    uint32_t count;
    int64_t seconds_from_s; /* 1-second runs begin here; INT64_MAX: there are none */
    int64_t minutes_from_s;
    enum span_detail detail;
};

static bool is_ranged(const struct storage_run *run, uint32_t resolution_s)
{
    return run->kind == STORAGE_COMPACT && run->state == STORAGE_IN_FORCE &&
           run->resolution_s == resolution_s && run->range.to_s > run->range.from_s;
}

static bool is_inside(const struct planner *p, struct storage_range range)
{
    return range.from_s * SECOND_MS >= p->plan->from_ms && range.to_s * SECOND_MS <= p->plan->to_ms;
}

/* Of a run of 1 second. */
static bool has_points_inside(const struct planner *p, const struct storage_run *run)
{
    return storage_run_from_ms(run) >= p->plan->from_ms && storage_run_to_ms(run) <= p->plan->to_ms;
}

static bool contains(const struct storage_run *run, const struct storage_run *part)
{
    return part->range.from_s >= run->range.from_s && part->range.to_s <= run->range.to_s;
}

/* Does a day's run hold all that its hours do? */
static bool is_complete(const struct planner *p, const struct storage_run *day)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (is_ranged(&p->runs[i], SECOND) && contains(day, &p->runs[i]) &&
            p->runs[i].id > day->sources)
            return false;
    return true;
}

/* Itself, or the 1-second runs within it, where it is coarser. */
static bool stands_for(const struct storage_run *whole, const struct storage_run *run)
{
    if (whole->resolution_s == SECOND)
        return whole == run;
    return is_ranged(run, SECOND) && contains(whole, run);
}

static int add_whole(struct planner *p, const struct storage_run *run)
{
    struct span_plan *plan = p->plan;
    struct span_whole whole = {.run = run,
                               .from_ms = run->range.from_s * SECOND_MS,
                               .to_ms = run->range.to_s * SECOND_MS,
                               .hidden_from = plan->hidden.n};
    if (run->resolution_s == SECOND) {
        whole.from_ms = storage_run_from_ms(run);
        whole.to_ms = storage_run_to_ms(run);
    }
    for (uint32_t i = 0; i < p->count; i++)
        if (stands_for(run, &p->runs[i]) && !VEC_PUSH(&plan->hidden, &p->runs[i]))
            return LT_ENOMEM;
    whole.hidden_to = plan->hidden.n;
    return VEC_PUSH(&plan->whole, whole) ? 0 : LT_ENOMEM;
}

/* What a coarser run has before `before_s`, where finer data begins. */
static int add_coarse(struct planner *p, const struct storage_run *run, int64_t before_s)
{
    struct span_plan *plan = p->plan;
    struct storage_range range = run->range;
    if (range.to_s > before_s)
        range.to_s = before_s;
    if (range.from_s >= range.to_s)
        return 0;
    if (range.to_s == run->range.to_s && is_inside(p, range))
        return add_whole(p, run);
    struct span_edge edge = {
        .run = run, .from_ms = range.from_s * SECOND_MS, .to_ms = range.to_s * SECOND_MS};
    if (edge.from_ms < plan->from_ms)
        edge.from_ms = plan->from_ms;
    if (edge.to_ms > plan->to_ms)
        edge.to_ms = plan->to_ms;
    if (edge.from_ms >= edge.to_ms)
        return 0;
    return VEC_PUSH(&plan->edges, edge) ? 0 : LT_ENOMEM;
}

static bool is_hidden(const struct planner *p, const struct storage_run *run)
{
    uint32_t i = 0;
    while (i < p->plan->hidden.n && p->plan->hidden.v[i] != run)
        i++;
    return i < p->plan->hidden.n;
}

static int add_run(struct planner *p, const struct storage_run *run)
{
    int64_t coarse_to_s =
        p->seconds_from_s < p->minutes_from_s ? p->seconds_from_s : p->minutes_from_s;
    if (is_ranged(run, MINUTE)) {
        if (p->detail == SPAN_DAYS && is_inside(p, run->range) && is_complete(p, run))
            return add_whole(p, run);
        return add_coarse(p, run, p->seconds_from_s);
    }
    return is_ranged(run, HOUR) ? add_coarse(p, run, coarse_to_s) : 0;
}

static int64_t round_up(int64_t ms, int64_t step_ms)
{
    int64_t over = ms % step_ms;
    return over > 0 ? ms + (step_ms - over) : ms;
}

/* A bound that cuts a coarser run moves to where its next bucket starts. */
static void round_bounds(struct span_plan *plan)
{
    int64_t from_ms = plan->from_ms, to_ms = plan->to_ms;
    for (uint32_t i = 0; i < plan->edges.n; i++) {
        const struct span_edge *edge = &plan->edges.v[i];
        int64_t step_ms = (int64_t)edge->run->resolution_s * SECOND_MS;
        if (edge->from_ms == from_ms)
            plan->from_ms = round_up(from_ms, step_ms);
        if (edge->to_ms == to_ms)
            plan->to_ms = round_up(to_ms, step_ms);
    }
}

int span_plan_make(struct span_plan *plan, const struct storage_run *runs, uint32_t count,
                   int64_t from_ms, int64_t to_ms, enum span_detail detail)
{
    *plan = (struct span_plan){.from_ms = from_ms, .to_ms = to_ms};
    struct planner p = {.plan = plan, .runs = runs, .count = count, .detail = detail};
    p.seconds_from_s = cover_oldest(runs, count, SECOND);
    p.minutes_from_s = cover_oldest(runs, count, MINUTE);
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = add_run(&p, &runs[i]);
    for (uint32_t i = 0; i < count && detail != SPAN_POINTS && err == 0; i++)
        if (is_ranged(&runs[i], SECOND) && has_points_inside(&p, &runs[i]) &&
            !is_hidden(&p, &runs[i]))
            err = add_whole(&p, &runs[i]);
    round_bounds(plan);
    if (err != 0)
        span_plan_fini(plan);
    return err;
}

void span_plan_fini(struct span_plan *plan)
{
    VEC_FINI(&plan->whole);
    VEC_FINI(&plan->hidden);
    VEC_FINI(&plan->edges);
}
