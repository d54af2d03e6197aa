#include "base/error.h"
#include "jobs/choose.h"
#include "jobs/downsample_read.h"
#include "jobs/downsample_write.h"
#include "jobs/job.h"
#include "jobs/publish.h"

#include <stdlib.h>

/* Downsampling: a day's compact runs become one run of minutes and one of hours, both of the day's
 * range (docs/adr/0008-runs.md), published as one.
 *
 *   sources   which runs (downsample_read.h); all of the day is compact
 *   batch     groups that are read together, in spans of items where memory says so
 *     gather  hour after hour: points -> buckets of a minute
 *     merge   the hours' buckets -> series of the day (downsample_merge.h)
 *     write   series -> rows of minutes, and of hours made of these (downsample_write.h)
 *   beats     seconds that reported, by minute and hour
 *
 * Done again where points came late, in the place of the runs before. */

struct downsample {
    struct day_reader reader;
    struct day_writer writer;
};

static int write_series(struct downsample *d)
{
    struct merge_series series;
    int got;
    while ((got = merge_next(&d->reader.merge, &series)) > 0) {
        const struct storage_group *group =
            &d->reader.groups.v[d->reader.batch.first + series.group];
        int err = day_writer_series(&d->writer, group, &series);
        if (err != 0)
            return err;
    }
    return got;
}

static int write_groups(struct downsample *d)
{
    struct item_spans spans = {0};
    int err = 0;
    for (uint32_t at = 0; err == 0 && at < d->reader.groups.n; at += d->reader.batch.count) {
        err = day_reader_batch(&d->reader, at, &spans);
        for (uint32_t i = 0; err == 0 && i < spans.first.n; i++) {
            err = day_reader_gather(&d->reader, &spans, i);
            if (err == 0)
                err = write_series(d);
        }
    }
    VEC_FINI(&spans.first);
    return err;
}

static int write_beats(struct downsample *d)
{
    int err = day_reader_beats(&d->reader);
    for (uint32_t i = 0; err == 0 && i < d->reader.beats.n; i++)
        err = day_writer_beats(&d->writer, &d->reader.beats.v[i]);
    return err;
}

static int publish(struct downsample *d, struct job_context *context)
{
    const struct storage_run in[] = {d->writer.minutes.run, d->writer.hours.run};
    const struct storage_run *replaced[] = {d->reader.minutes, d->reader.hours};
    uint64_t out[ARRAY_LEN(replaced)];
    uint32_t out_count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(replaced); i++)
        if (replaced[i] != NULL)
            out[out_count++] = replaced[i]->id;
    return job_publish(context, in, ARRAY_LEN(in), out, out_count);
}

static int make_day(struct downsample *d, struct job_context *context, struct storage_range day)
{
    int err = day_reader_groups(&d->reader);
    if (err != 0)
        return err;
    uint64_t points = 0;
    for (uint32_t i = 0; i < d->reader.groups.n; i++)
        points += d->reader.groups.v[i].points;
    atomic_store(&context->progress->points_all, points);
    err = day_writer_init(&d->writer, context, day, d->reader.newest);
    if (err == 0)
        err = write_groups(d);
    if (err == 0)
        err = write_beats(d);
    if (err == 0)
        err = day_writer_finish(&d->writer);
    if (err == 0)
        err = publish(d, context);
    if (err != 0)
        day_writer_drop(&d->writer);
    day_writer_fini(&d->writer);
    return err;
}

int downsample_day(struct job_context *context, struct storage_range range)
{
    struct storage_range day = choose_grain(range.from_s, CHOOSE_DAY_S);
    struct downsample *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return LT_ENOMEM;
    int err = day_reader_init(&d->reader, context, day);
    if (err == 0)
        err = day_reader_sources(&d->reader);
    if (err == 0 && d->reader.sources.n > 0) {
        err = storage_reader_begin(context->reader, context->environment, context->guard);
        if (err == 0) {
            err = make_day(d, context, day);
            storage_reader_end(context->reader);
        }
    }
    day_reader_fini(&d->reader);
    free(d);
    return err;
}

static int downsample_next(const struct job_context *context, const struct storage_run *runs,
                           uint32_t count, struct job_unit *out)
{
    struct choose choose = {runs, count, context->limits, context->now_ms};
    return choose_downsample(&choose, out);
}

static int downsample_run(struct job_context *context, const struct job_unit *unit)
{
    return downsample_day(context, unit->range);
}

const struct job job_downsample = {
    .name = "downsample",
    .help = "makes minutes and hours of a day of seconds that is compact",
    .next = downsample_next,
    .run = downsample_run,
};
