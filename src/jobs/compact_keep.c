#include "jobs/compact_keep.h"

#include "base/error.h"

struct keep {
    struct job_context *context;
    struct storage_range left_out;
    struct storage_run run;
    uint64_t rows;
    VEC(uint32_t) items;
    VEC(int64_t) times_ms;
    VEC(double) values;
    VEC(uint8_t) policies;
};

static bool is_kept(const struct keep *k, int64_t time_ms)
{
    return time_ms < k->left_out.from_s * 1000 || time_ms >= k->left_out.to_s * 1000;
}

static int put_block(void *arg, const struct block *block)
{
    struct keep *k = arg;
    k->items.n = k->times_ms.n = k->values.n = k->policies.n = 0;
    if (!VEC_RESERVE(&k->items, block->count) || !VEC_RESERVE(&k->times_ms, block->count) ||
        !VEC_RESERVE(&k->values, block->count) || !VEC_RESERVE(&k->policies, block->count))
        return LT_ENOMEM;
    uint32_t n = 0;
    int64_t min_ms = INT64_MAX, max_ms = INT64_MIN;
    for (uint32_t i = 0; i < block->count; i++) {
        if (!is_kept(k, block->times_ms[i]))
            continue;
        k->items.v[n] = block->items[i];
        k->times_ms.v[n] = block->times_ms[i];
        min_ms = block->times_ms[i] < min_ms ? block->times_ms[i] : min_ms;
        max_ms = block->times_ms[i] > max_ms ? block->times_ms[i] : max_ms;
        k->values.v[n] = block->values[i];
        if (block->policies != NULL)
            k->policies.v[n] = block->policies[i];
        n++;
    }
    if (n == 0)
        return 0;
    struct block kept = *block;
    kept.count = n;
    kept.items = k->items.v;
    kept.times_ms = k->times_ms.v;
    kept.values = k->values.v;
    kept.policies = block->policies != NULL ? k->policies.v : NULL;
    storage_run_count(&k->run, n, block->fresh, min_ms, max_ms);
    k->rows++;
    struct job_context *c = k->context;
    int err = storage_run_put_block(c->session, c->environment, &k->run, &kept);
    return err != 0 ? err : job_pace(c, (uint64_t)n * sizeof(double));
}

static int put_beats(void *arg, const struct storage_beats *beats)
{
    struct keep *k = arg;
    if (!is_kept(k, beats->from_s * 1000))
        return 0;
    k->rows++;
    return storage_run_put_beats(k->context->session, k->context->environment, &k->run, beats);
}

static int keep_begin(struct keep *k, struct job_context *context, struct storage_range range)
{
    *k = (struct keep){.context = context};
    const struct storage_run like = {.kind = STORAGE_ARRIVAL, .resolution_s = 1, .range = range};
    return storage_run_create(context->session, &context->fence, context->environment, &like,
                              &k->run);
}

static int keep_end(struct keep *k, int err, struct storage_run *run_out, bool *kept_out)
{
    struct job_context *c = k->context;
    if (err == 0)
        err = storage_run_flush(c->session);
    if (err == 0 && k->rows == 0)
        err = storage_run_drop(c->session, &c->fence, c->environment, k->run.id);
    if (err == 0) {
        *run_out = k->run;
        *kept_out = k->rows > 0;
    }
    VEC_FINI(&k->items);
    VEC_FINI(&k->times_ms);
    VEC_FINI(&k->values);
    VEC_FINI(&k->policies);
    return err;
}

int compact_keep_odd(struct job_context *context, const struct compact_inputs *in,
                     struct storage_range range, struct storage_run *run_out, bool *kept_out)
{
    struct keep k;
    const struct storage_range catch_all = {0};
    int err = keep_begin(&k, context, catch_all);
    k.left_out = range;
    for (uint32_t i = 0; i < in->inputs.n && err == 0; i++) {
        const struct storage_run *run = &in->inputs.v[i].run;
        if (!in->inputs.v[i].odd)
            continue;
        k.run.sources = run->id;
        err = compact_run_scan(context, run, 0, INT64_MAX, false, put_block, &k);
        if (err == 0)
            err = storage_run_beats(context->reader, run, NULL, put_beats, &k);
    }
    return keep_end(&k, err, run_out, kept_out);
}

/* Heartbeats go with the piece. */
int compact_keep_late(struct job_context *context, const struct compact_inputs *in,
                      struct storage_range range, struct storage_run *run_out, bool *kept_out)
{
    struct keep k;
    int err = keep_begin(&k, context, range);
    for (uint32_t i = 0; i < in->inputs.n && err == 0; i++) {
        k.run.sources = in->inputs.v[i].run.id;
        err = compact_run_scan(context, &in->inputs.v[i].run, 0, INT64_MAX, true, put_block, &k);
    }
    return keep_end(&k, err, run_out, kept_out);
}
