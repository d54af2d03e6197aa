#include "jobs/compact_inputs.h"

#include "base/error.h"
#include "base/logger.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct storage_range catch_all = {0, 0};

void compact_inputs_init(struct compact_inputs *in)
{
    *in = (struct compact_inputs){0};
}

void compact_inputs_fini(struct compact_inputs *in)
{
    VEC_FINI(&in->listed);
    VEC_FINI(&in->inputs);
    VEC_FINI(&in->groups);
    VEC_FINI(&in->expected);
}

/* ---- runs ---- */

static int add_run(void *arg, const struct storage_run *run)
{
    struct compact_inputs *in = arg;
    return VEC_PUSH(&in->listed, *run) ? 0 : LT_ENOMEM;
}

static int list(struct compact_inputs *in, struct job_context *context)
{
    in->listed.n = 0;
    return storage_runs(context->session, context->environment, NULL, add_run, in);
}

int compact_inputs_list(struct compact_inputs *in, struct job_context *context)
{
    int err = list(in, context);
    for (uint32_t i = 0; i < in->listed.n && err == 0; i++) {
        const struct storage_run *run = &in->listed.v[i];
        if (run->state != STORAGE_BUILDING)
            continue;
        /* One owner works at a time, and the fence says that it is this one: nobody builds it. */
        log_info("compact", "environment %" PRIu32 ": run %" PRIu64 " was never finished: dropped",
                 context->environment, run->id);
        err = storage_run_drop(context->session, &context->fence, context->environment, run->id);
    }
    return err;
}

/* 1-second runs of the range. */
static bool is_of(const struct storage_run *run, struct storage_range range)
{
    return run->resolution_s == 1 && compact_same_range(run->range, range);
}

static bool is_arrival(const struct storage_run *run)
{
    return run->kind == STORAGE_ARRIVAL &&
           (run->state == STORAGE_OPEN || run->state == STORAGE_CLOSED);
}

/* ---- the catch-all ---- */

static int group_add(void *arg, const struct storage_group *group)
{
    struct compact_inputs *in = arg;
    return VEC_PUSH(&in->groups, *group) ? 0 : LT_ENOMEM;
}

int compact_run_scan(struct job_context *context, const struct storage_run *run, int64_t from_ms,
                     int64_t to_ms, bool late_only, block_visit *visit, void *arg)
{
    struct compact_inputs in;
    compact_inputs_init(&in);
    VEC(uint32_t) dimensions = {0};
    int err = storage_run_groups(context->reader, run, group_add, &in);
    for (uint32_t i = 0, end; i < in.groups.n && err == 0; i = end) {
        struct block_filter filter = {
            .category = in.groups.v[i].category, .from_ms = from_ms, .to_ms = to_ms};
        dimensions.n = 0;
        for (end = i; end < in.groups.n && in.groups.v[end].category == filter.category; end++) {
            uint32_t dimension = in.groups.v[end].dimension;
            if (dimensions.n > 0 && dimensions.v[dimensions.n - 1] == dimension)
                continue;
            if (!VEC_PUSH(&dimensions, dimension))
                err = LT_ENOMEM;
        }
        filter.dimensions = dimensions.v;
        filter.dimensions_count = dimensions.n;
        filter.fresh = true;
        if (err == 0 && !late_only)
            err = storage_run_scan(context->reader, run, &filter, visit, arg);
        filter.fresh = false;
        if (err == 0)
            err = storage_run_scan(context->reader, run, &filter, visit, arg);
    }
    VEC_FINI(&dimensions);
    compact_inputs_fini(&in);
    return err;
}

enum { FOUND = 1 };

static int find_point(void *arg, const struct block *block)
{
    const struct storage_range *range = arg;
    for (uint32_t i = 0; i < block->count; i++)
        if (block->times_ms[i] >= range->from_s * 1000 && block->times_ms[i] < range->to_s * 1000)
            return FOUND;
    return 0;
}

int compact_run_holds(struct job_context *context, const struct storage_run *run,
                      struct storage_range range, bool *out)
{
    int err = compact_run_scan(context, run, range.from_s * 1000, range.to_s * 1000, false,
                               find_point, &range);
    *out = err == FOUND;
    return err == FOUND ? 0 : err;
}

/* The catch-all is closed only where that is of use: each close leaves a run behind. And before the
 * range, because its points of a range are older than those that went to the range itself. */
static int close_runs(struct compact_inputs *in, struct job_context *context,
                      struct storage_range range)
{
    bool odd = false, open = false;
    int err = 0;
    for (uint32_t i = 0; i < in->listed.n && err == 0; i++) {
        const struct storage_run *run = &in->listed.v[i];
        if (run->state != STORAGE_OPEN)
            continue;
        if (is_of(run, range))
            open = true;
        else if (is_of(run, catch_all) && !odd && !in->piece)
            err = compact_run_holds(context, run, range, &odd);
    }
    uint32_t closed;
    if (err == 0 && odd)
        err = storage_runs_close(context->session, &context->fence, context->environment, catch_all,
                                 &closed);
    if (err == 0 && open)
        err = storage_runs_close(context->session, &context->fence, context->environment, range,
                                 &closed);
    return err == 0 && (odd || open) ? list(in, context) : err;
}

static int input_order(const void *a, const void *b)
{
    const struct compact_input *x = a, *y = b;
    if (x->run.kind != y->run.kind)
        return x->run.kind == STORAGE_COMPACT ? -1 : 1;
    return x->run.id < y->run.id ? -1 : 1;
}

/* Written by flushes, and by no job since. */
static bool is_written(const struct storage_run *run)
{
    return is_arrival(run) && run->sources == 0;
}

int compact_inputs_take(struct compact_inputs *in, struct job_context *context,
                        struct storage_range range, bool piece)
{
    in->piece = piece;
    int err = close_runs(in, context, range);
    for (uint32_t i = 0; i < in->listed.n && err == 0; i++) {
        const struct storage_run *run = &in->listed.v[i];
        if (run->state != STORAGE_CLOSED && run->state != STORAGE_IN_FORCE)
            continue;
        bool wanted = is_of(run, range) && (!piece || is_written(run));
        bool odd = !wanted && !piece && is_of(run, catch_all) && is_arrival(run);
        if (odd)
            err = compact_run_holds(context, run, range, &odd);
        if (err != 0 || (!wanted && !odd))
            continue;
        if (!VEC_PUSH(&in->inputs, ((struct compact_input){*run, odd})))
            err = LT_ENOMEM;
        in->newest = run->id > in->newest ? run->id : in->newest;
        in->odd_count += odd;
        in->late += run->points - run->fresh;
    }
    if (err == 0 && in->inputs.n > 0)
        qsort(in->inputs.v, in->inputs.n, sizeof(in->inputs.v[0]), input_order);
    return err;
}

/* ---- groups ---- */

struct counted_group {
    struct storage_group group;
    uint64_t expected;
};

static int group_order(const void *a, const void *b)
{
    const struct storage_group *x = &((const struct counted_group *)a)->group;
    const struct storage_group *y = &((const struct counted_group *)b)->group;
    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    if (x->dimension != y->dimension)
        return x->dimension < y->dimension ? -1 : 1;
    return x->host == y->host ? 0 : x->host < y->host ? -1 : 1;
}

/* One of each, ascending. */
static int groups_merge(struct compact_inputs *in, struct counted_group *all, uint32_t n)
{
    if (n > 0)
        qsort(all, n, sizeof(all[0]), group_order);
    in->groups.n = in->expected.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool same = i > 0 && group_order(&all[i - 1], &all[i]) == 0;
        if (!same && (!VEC_PUSH(&in->groups, all[i].group) || !VEC_PUSH(&in->expected, 0)))
            return LT_ENOMEM;
        if (same)
            in->groups.v[in->groups.n - 1].points += all[i].group.points;
        in->expected.v[in->expected.n - 1] += all[i].expected;
    }
    return 0;
}

int compact_inputs_groups(struct compact_inputs *in, struct job_context *context)
{
    VEC(struct counted_group) all = {0};
    int err = 0;
    for (uint32_t i = 0; i < in->inputs.n && err == 0; i++) {
        const struct compact_input *input = &in->inputs.v[i];
        in->groups.n = 0;
        err = storage_run_groups(context->reader, &input->run, group_add, in);
        if (err == 0 && !VEC_RESERVE(&all, in->groups.n))
            err = LT_ENOMEM;
        for (uint32_t g = 0; g < in->groups.n && err == 0; g++) {
            struct storage_group group = in->groups.v[g];
            if (in->piece)
                group.points = group.fresh;
            if (group.points > 0)
                all.v[all.n++] = (struct counted_group){group, input->odd ? 0 : group.points};
        }
    }
    if (err == 0)
        err = groups_merge(in, all.v, all.n);
    VEC_FINI(&all);
    return err;
}
