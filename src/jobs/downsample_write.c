#include "jobs/downsample_write.h"

#include "base/error.h"

#include <string.h>

enum { MINUTES_OF_AN_HOUR = 60, HOUR_S = 3600, MINUTE_S = 60 };

static int coarse_init(struct coarse_run *c, struct job_context *x, struct storage_range day,
                       uint32_t resolution_s, uint64_t sources)
{
    const struct storage_run like = {
        .kind = STORAGE_COMPACT, .resolution_s = resolution_s, .range = day};
    int err = storage_run_create(x->session, &x->fence, x->environment, &like, &c->run);
    c->run.sources = sources;
    if (err == 0)
        err = run_writer_init(&c->writer, x, &c->run);
    return err != 0 ? err : rollup_writer_create(&c->rollup);
}

int day_writer_init(struct day_writer *w, struct job_context *context, struct storage_range day,
                    uint64_t sources)
{
    *w = (struct day_writer){.context = context, .day = day};
    tally_init(&w->tally, day.from_s * 1000, day.to_s * 1000);
    int err = coarse_init(&w->minutes, context, day, 60, sources);
    return err != 0 ? err : coarse_init(&w->hours, context, day, 3600, sources);
}

void day_writer_fini(struct day_writer *w)
{
    struct coarse_run *both[] = {&w->minutes, &w->hours};
    for (unsigned i = 0; i < ARRAY_LEN(both); i++) {
        rollup_writer_destroy(&both[i]->rollup);
        run_writer_fini(&both[i]->writer);
    }
    tally_fini(&w->tally);
}

void day_writer_drop(struct day_writer *w)
{
    struct job_context *x = w->context;
    uint64_t ids[] = {w->minutes.run.id, w->hours.run.id};
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
        if (ids[i] != 0) /* where this fails, expire does it later */
            (void)!storage_run_drop(x->session, &x->fence, x->environment, ids[i]);
}

/* ---- rows ---- */

static int row_finish(struct coarse_run *c)
{
    struct pack_row row;
    c->begun = false;
    int err = rollup_finish(c->rollup, &row);
    return err != 0 ? err : run_writer_row(&c->writer, 0, &row);
}

static int row_add(struct coarse_run *c, uint32_t item, const struct rollup_bucket *buckets,
                   uint32_t count, struct summary *summary_out)
{
    int err = c->begun && rollup_is_full(c->rollup) ? row_finish(c) : 0;
    if (err != 0)
        return err;
    if (!c->begun)
        rollup_begin(c->rollup, c->run.range.from_s * 1000, (int64_t)c->run.resolution_s * 1000);
    c->begun = true;
    c->run.series++;
    return rollup_add(c->rollup, item, buckets, count, summary_out);
}

/* ---- groups ---- */

static int group_end(struct day_writer *w)
{
    int err = w->minutes.begun ? row_finish(&w->minutes) : 0;
    if (err == 0 && w->hours.begun)
        err = row_finish(&w->hours);
    tally_host_end(&w->tally);
    return err != 0 ? err : run_writer_host(&w->minutes.writer, &w->tally);
}

static int dimension_end(struct day_writer *w)
{
    int err = run_writer_tally(&w->minutes.writer, &w->tally);
    if (err == 0)
        err = run_writer_totals(&w->hours.writer, &w->tally, MINUTES_OF_AN_HOUR);
    tally_reset(&w->tally);
    return err;
}

static int group_begin(struct day_writer *w, const struct storage_group *group)
{
    run_writer_group(&w->minutes.writer, group);
    run_writer_group(&w->hours.writer, group);
    w->group = group;
    return tally_host_begin(&w->tally, group->host, group->points >= WRITE_RANKED_HOST_ITEMS);
}

static int switch_group(struct day_writer *w, const struct storage_group *group)
{
    const struct storage_group *last = w->group;
    if (last == group)
        return 0;
    int err = last != NULL ? group_end(w) : 0;
    if (err == 0 && last != NULL &&
        (group == NULL || last->category != group->category || last->dimension != group->dimension))
        err = dimension_end(w);
    return err != 0 || group == NULL ? err : group_begin(w, group);
}

int day_writer_series(struct day_writer *w, const struct storage_group *group,
                      const struct merge_series *s)
{
    struct summary summary;
    int err = switch_group(w, group);
    if (err == 0)
        err = row_add(&w->minutes, s->item, s->buckets, s->count, &summary);
    if (err == 0)
        err = tally_add_buckets(&w->tally, s->item, s->buckets, s->count, &summary);
    if (err != 0)
        return err;
    uint32_t hours = merge_coarser(s->buckets, s->count, MINUTES_OF_AN_HOUR, w->hour_buckets);
    return row_add(&w->hours, s->item, w->hour_buckets, hours, &summary);
}

/* ---- heartbeats ---- */

int day_writer_beats(struct day_writer *w, const struct day_beats *beats)
{
    uint16_t minutes[DAY_MINUTES], hours[DAY_HOURS] = {0};
    for (uint32_t i = 0; i < DAY_MINUTES; i++) {
        /* More only where an hour, or what came late, was added to it. */
        uint16_t seconds = beats->minutes[i];
        uint16_t *hour = &hours[i / MINUTES_OF_AN_HOUR];
        *hour = (uint16_t)(*hour + seconds > HOUR_S ? HOUR_S : *hour + seconds);
        minutes[i] = seconds > MINUTE_S ? MINUTE_S : seconds;
    }
    struct storage_beats row = {.host = beats->host,
                                .collector = beats->collector,
                                .from_s = w->day.from_s,
                                .counts = minutes,
                                .counts_count = DAY_MINUTES};
    int err = run_writer_beats(&w->minutes.writer, &row);
    row.counts = hours;
    row.counts_count = DAY_HOURS;
    return err != 0 ? err : run_writer_beats(&w->hours.writer, &row);
}

int day_writer_finish(struct day_writer *w)
{
    int err = switch_group(w, NULL);
    return err != 0 ? err : run_writer_finish(&w->minutes.writer);
}
