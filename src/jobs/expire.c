#include "base/buffer.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/number.h"
#include "base/vec.h"
#include "jobs/choose.h"
#include "jobs/expired.h"

#include <inttypes.h>
#include <stdio.h>

/* Retention: whole runs leave, a day of one resolution in one transaction; their tables go by DROP
 * TABLE once no reader can know them any more. */

static const char note_name[] = "expired.1s";
enum { NOTE_BYTES_MAX = 64 };

int expired_until(struct job_context *context, int64_t *out)
{
    struct buffer text;
    buffer_init(&text, NOTE_BYTES_MAX);
    int64_t until_s = INT64_MIN;
    int err = storage_note_get(context->session, context->environment, slice_str(note_name), &text);
    if (err == 0 && text.len > 0)
        err = number_parse_i64(buffer_slice(&text), &until_s);
    buffer_fini(&text);
    if (err == 0)
        *out = until_s;
    return err;
}

/* Written first: a crash between the two leaves runs that are in the coarser ones, and that
 * downsample knows to be so (expired.h). */
static int note_expired(struct job_context *context, int64_t until_s)
{
    int64_t now_s;
    int err = expired_until(context, &now_s);
    if (err != 0 || now_s >= until_s)
        return err;
    char text[NOTE_BYTES_MAX];
    snprintf(text, sizeof(text), "%" PRId64, until_s);
    err = storage_note_put(context->session, &context->fence, context->environment,
                           slice_str(note_name), slice_str(text));
    failpoint("expire.noted");
    return err;
}

struct leaving {
    VEC(struct storage_run) runs;
    VEC(uint64_t) ids;
};

static int keep_run(void *arg, const struct storage_run *run)
{
    struct leaving *l = arg;
    return VEC_PUSH(&l->runs, *run) ? 0 : LT_ENOMEM;
}

/* As the runs are now: the piece was chosen a moment ago. */
static int day_leave(struct job_context *context, struct leaving *l, struct storage_range range)
{
    int err = storage_runs(context->session, context->environment, NULL, keep_run, l);
    if (err != 0)
        return err;
    struct choose choose = {l->runs.v, l->runs.n, context->limits, context->now_ms};
    struct choose_day day = choose_day(l->runs.v, l->runs.n, range);
    uint32_t resolution_s = choose_leaving(&choose, &day);
    for (uint32_t i = 0; i < l->runs.n; i++) {
        const struct storage_run *r = &l->runs.v[i];
        if (choose_is_compact(r, resolution_s) && choose_is_within(r, range) &&
            !VEC_PUSH(&l->ids, r->id))
            return LT_ENOMEM;
    }
    if (l->ids.n == 0)
        return 0;
    err = resolution_s == 1 ? note_expired(context, range.to_s) : 0;
    if (err != 0)
        return err;
    err = storage_runs_publish(context->session, &context->fence, context->environment, NULL, 0,
                               l->ids.v, l->ids.n);
    failpoint("expire.left");
    return err;
}

static int expire_next(const struct job_context *context, const struct storage_run *runs,
                       uint32_t count, struct job_unit *out)
{
    struct choose choose = {runs, count, context->limits, context->now_ms};
    return choose_expire(&choose, out);
}

static int expire_run(struct job_context *context, const struct job_unit *unit)
{
    if (unit->run != 0)
        return storage_run_drop(context->session, &context->fence, context->environment, unit->run);
    struct leaving l = {0};
    int err = day_leave(context, &l, unit->range);
    VEC_FINI(&l.runs);
    VEC_FINI(&l.ids);
    return err;
}

const struct job job_expire = {
    .name = "expire",
    .help = "drops what is past its retention, and what jobs have replaced",
    .next = expire_next,
    .run = expire_run,
};
