#include "inspect/inspect.h"
#include "vector/minutes.h"

#include <inttypes.h>
#include <stdio.h>

/* A row's minutes against its points. */

struct minute {
    uint32_t item;
    struct rollup_bucket bucket;
};

struct minutes {
    VEC(struct minute) list;
};

static int keep(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    struct minutes *m = arg;
    const struct minute minute = {item, *bucket};
    return VEC_PUSH(&m->list, minute) ? 0 : LT_ENOMEM;
}

static bool is_same(const struct minute *a, const struct minute *b)
{
    const struct summary *x = &a->bucket.summary, *y = &b->bucket.summary;
    return a->item == b->item && a->bucket.number == b->bucket.number && x->count == y->count &&
           x->nans == y->nans && verify_same(summary_total(x), summary_total(y)) &&
           verify_same(x->min, y->min) && verify_same(x->max, y->max) &&
           verify_same(x->first, y->first) && verify_same(x->last, y->last);
}

static void compare(const struct minutes *stored, const struct minutes *made, char *wrong,
                    size_t bytes)
{
    if (stored->list.n != made->list.n) {
        (void)snprintf(wrong, bytes, "%" PRIu32 " minutes are stored, its points are in %" PRIu32,
                       stored->list.n, made->list.n);
        return;
    }
    for (uint32_t i = 0; i < made->list.n; i++) {
        const struct minute *a = &stored->list.v[i], *b = &made->list.v[i];
        if (is_same(a, b))
            continue;
        const struct summary *x = &a->bucket.summary, *y = &b->bucket.summary;
        (void)snprintf(wrong, bytes,
                       "item %" PRIu32 ", minute %" PRIu32 ": count %" PRIu64
                       ", sum %.17g, min, max, first, last %g %g %g %g; its points %" PRIu32
                       ", %" PRIu32 ": %" PRIu64 ", %.17g, %g %g %g %g",
                       a->item, a->bucket.number, x->count, summary_total(x), x->min, x->max,
                       x->first, x->last, b->item, b->bucket.number, y->count, summary_total(y),
                       y->min, y->max, y->first, y->last);
        return;
    }
}

int verify_minutes(struct inspect *in, const struct storage_run *run,
                   const struct storage_pack *pack, char *wrong, size_t bytes)
{
    struct minutes stored = {0}, made = {0};
    int64_t from_ms = run->range.from_s * 1000;
    wrong[0] = '\0';
    if (pack->minutes.p == NULL)
        return 0;
    int err = rollup_open(in->rollup, from_ms, MINUTES_STEP_MS, pack->summaries, pack->minutes,
                          NULL, 0, keep, &stored);
    if (err == 0)
        err = minutes_open(in->minutes, from_ms, pack->summaries, pack->vectors, (struct slice){0},
                           NULL, 0, keep, &made);
    if (err == 0)
        compare(&stored, &made, wrong, bytes);
    VEC_FINI(&stored.list);
    VEC_FINI(&made.list);
    return err;
}
