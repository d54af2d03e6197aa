#include "jobs/compact_odd.h"

#include "base/error.h"

struct rewrite {
    struct job_context *context;
    struct storage_range range;
    struct storage_run run;
    uint64_t rows;
    VEC(uint32_t) items;
    VEC(int64_t) times_ms;
    VEC(double) values;
    VEC(uint8_t) policies;
};

static bool is_kept(const struct rewrite *r, int64_t time_ms)
{
    return time_ms < r->range.from_s * 1000 || time_ms >= r->range.to_s * 1000;
}

static int put_block(void *arg, const struct block *block)
{
    struct rewrite *r = arg;
    r->items.n = r->times_ms.n = r->values.n = r->policies.n = 0;
    if (!VEC_RESERVE(&r->items, block->count) || !VEC_RESERVE(&r->times_ms, block->count) ||
        !VEC_RESERVE(&r->values, block->count) || !VEC_RESERVE(&r->policies, block->count))
        return LT_ENOMEM;
    uint32_t n = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        if (!is_kept(r, block->times_ms[i]))
            continue;
        r->items.v[n] = block->items[i];
        r->times_ms.v[n] = block->times_ms[i];
        r->values.v[n] = block->values[i];
        if (block->policies != NULL)
            r->policies.v[n] = block->policies[i];
        n++;
    }
    if (n == 0)
        return 0;
    struct block kept = *block;
    kept.count = n;
    kept.items = r->items.v;
    kept.times_ms = r->times_ms.v;
    kept.values = r->values.v;
    kept.policies = block->policies != NULL ? r->policies.v : NULL;
    r->run.points += n;
    r->rows++;
    struct job_context *c = r->context;
    int err = storage_run_put_block(c->session, c->environment, &r->run, &kept);
    return err != 0 ? err : job_pace(c, (uint64_t)n * sizeof(double));
}

static int put_beats(void *arg, const struct storage_beats *beats)
{
    struct rewrite *r = arg;
    if (!is_kept(r, beats->from_s * 1000))
        return 0;
    r->rows++;
    return storage_run_put_beats(r->context->session, r->context->environment, &r->run, beats);
}

static int rewrite_one(struct rewrite *r, const struct storage_run *run)
{
    int err = compact_run_scan(r->context, run, 0, INT64_MAX, put_block, r);
    return err != 0 ? err : storage_run_beats(r->context->reader, run, NULL, put_beats, r);
}

int compact_odd_rewrite(struct job_context *context, const struct compact_inputs *in,
                        struct storage_range range, struct storage_run *run_out, bool *kept_out)
{
    struct rewrite r = {.context = context, .range = range};
    const struct storage_run like = {.kind = STORAGE_ARRIVAL, .resolution_s = 1};
    int err =
        storage_run_create(context->session, &context->fence, context->environment, &like, &r.run);
    for (uint32_t i = 0; i < in->inputs.n && err == 0; i++)
        if (in->inputs.v[i].odd) {
            r.run.sources = in->inputs.v[i].run.id;
            err = rewrite_one(&r, &in->inputs.v[i].run);
        }
    if (err == 0)
        err = storage_run_flush(context->session);
    if (err == 0 && r.rows == 0)
        err = storage_run_drop(context->session, &context->fence, context->environment, r.run.id);
    if (err == 0) {
        *run_out = r.run;
        *kept_out = r.rows > 0;
    }
    VEC_FINI(&r.items);
    VEC_FINI(&r.times_ms);
    VEC_FINI(&r.values);
    VEC_FINI(&r.policies);
    return err;
}
