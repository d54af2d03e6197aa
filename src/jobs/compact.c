#include "base/error.h"
#include "base/logger.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "jobs/choose.h"
#include "jobs/compact_batch.h"
#include "jobs/compact_beats.h"
#include "jobs/compact_fold.h"
#include "jobs/compact_gather.h"
#include "jobs/compact_inputs.h"
#include "jobs/compact_keep.h"
#include "jobs/compact_minutes.h"
#include "jobs/compact_tally.h"
#include "jobs/compact_write.h"
#include "jobs/job.h"

#include <inttypes.h>
#include <stdlib.h>

/* Compaction (docs/adr/0008-runs.md): a range's closed arrival runs, and the compact runs that were
 * made of earlier ones, become one new compact run. Of a range that is still open: the fresh points
 * of its arrival runs become one more (docs/adr/0014-pieces.md).
 *
 *   inputs   which runs, closed; which groups (compact_inputs.h)
 *   keep     what stays arrival rows: the catch-all's other points, a piece's that are not fresh
 *            (compact_keep.h)
 *   batch    groups that are read together (compact_batch.h), in passes where memory says so:
 *     gather   log order -> parts of some items (compact_gather.h)
 *     fold     a part -> series, each (series, time) once (compact_fold.h)
 *     write    series -> observation rows (compact_write.h)
 *     tally    series -> what their (category, dimension) adds up to (compact_tally.h), written
 *              when its last host is done
 *   minutes  of the best items, from the new run's own rows (compact_minutes.h)
 *   beats    the union of all heartbeats (compact_beats.h)
 *   publish  all of it is in force, at once, or nothing */

enum {
    /* Of the limit: what has no share of its own, most of it buffers of two database sessions and
       the rank lists. */
    RESERVE_BYTES = 128 << 20,
    GATHER_BYTES_MIN = 32 << 20,
    PUBLISH_TRIES = 5,
};

struct compact {
    struct job_context *context;
    struct storage_range range;
    struct compact_inputs in;
    struct storage_run run;  /* the new one */
    struct storage_run kept; /* what stays arrival rows */
    bool has_kept;
    struct batch batch;
    struct gather gather;
    struct folder folder;
    struct tally tally;
    struct run_writer writer;
    double error;        /* that values of the group in hand may be rounded by; 0: none */
    VEC(double) rounded; /* the values of a series */
    const struct storage_group *tallied; /* the group that was added last */
    bool odd;                            /* the input being read is odd */
    uint64_t odd_seen;
};

/* ---- one batch ---- */

static int gather_visit(void *arg, const struct block *block)
{
    struct compact *c = arg;
    uint64_t before = c->gather.seen;
    int err = gather_add(&c->gather, block);
    c->odd_seen += c->odd ? c->gather.seen - before : 0;
    return err;
}

static int scan_input(struct compact *c, const struct compact_input *input, uint32_t first_part)
{
    struct block_filter filter = batch_filter(&c->batch, c->in.groups.v);
    filter.from_ms = c->range.from_s * 1000;
    filter.to_ms = c->range.to_s * 1000;
    if (first_part > 0) {
        filter.item_first = first_part << GATHER_PART_ITEMS_LOG2;
        filter.item_last = UINT32_MAX;
    }
    c->odd = input->odd;
    filter.fresh = true;
    int err = storage_run_scan(c->context->reader, &input->run, &filter, gather_visit, c);
    filter.fresh = false;
    if (err == 0 && input->run.kind == STORAGE_ARRIVAL && !c->in.piece)
        err = storage_run_scan(c->context->reader, &input->run, &filter, gather_visit, c);
    return err;
}

/* Runs never change once they are closed, so what their groups count is what has to come. */
static int check_seen(const struct compact *c)
{
    uint64_t expected = 0;
    for (uint32_t i = 0; i < c->batch.count; i++)
        expected += c->in.expected.v[c->batch.first + i];
    uint64_t seen = c->gather.seen - c->odd_seen;
    if (seen == expected)
        return 0;
    const struct storage_group *group = &c->in.groups.v[c->batch.first];
    log_error("compact",
              "environment %" PRIu32 ", range %" PRId64 " to %" PRId64 ", category %" PRIu32
              ", dimension %" PRIu32 ", host %" PRIu32 " and %" PRIu32 " more: %" PRIu64
              " points were read, the runs have %" PRIu64,
              c->context->environment, c->range.from_s, c->range.to_s, group->category,
              group->dimension, group->host, c->batch.count - 1, seen, expected);
    return LT_ECORRUPT;
}

static int gather_pass(struct compact *c, uint32_t first_part)
{
    size_t taken = RESERVE_BYTES + c->tally.bytes;
    size_t limit = c->context->limits->memory_bytes_max;
    size_t room = limit > taken + GATHER_BYTES_MIN ? limit - taken : GATHER_BYTES_MIN;
    int err = gather_begin(&c->gather, c->range, &c->in.groups.v[c->batch.first], c->batch.count,
                           first_part, room, TALLY_PAGE_BYTES);
    c->odd_seen = 0;
    for (uint32_t i = 0; i < c->in.inputs.n && err == 0; i++)
        err = scan_input(c, &c->in.inputs.v[i], first_part);
    if (err == 0 && first_part == 0)
        err = check_seen(c);
    return err;
}

/* Before anything is derived from them: what stands in vectors, summaries, ranks and totals is the
 * same. A value that was rounded by an earlier pass stays (vector_round). */
static int round_values(struct compact *c, struct vector_points *points)
{
    c->rounded.n = 0;
    if (!VEC_RESERVE(&c->rounded, points->count))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < points->count; i++)
        c->rounded.v[i] = vector_round(points->values[i], c->error);
    points->values = c->rounded.v;
    return 0;
}

static int series_visit(void *arg, uint32_t item, const struct vector_points *series)
{
    struct compact *c = arg;
    struct vector_points points = *series;
    struct summary summary;
    int err = c->error > 0 ? round_values(c, &points) : 0;
    if (err == 0)
        err = run_writer_series(&c->writer, item, &points, &summary);
    return err != 0 ? err : tally_add_points(&c->tally, item, &points, &summary);
}

static int fold_parts(struct compact *c, const struct gather_part *parts, uint32_t count)
{
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        if (parts[i].bytes == 0)
            continue;
        err = folder_run(&c->folder, c->range.from_s * 1000, &parts[i], series_visit, c);
        if (err == 0)
            err = read_guard_check(c->context->guard);
    }
    return err;
}

/* The (category, dimension) in hand is complete. */
static int tally_write(struct compact *c)
{
    int err = c->tallied != NULL ? run_writer_tally(&c->writer, &c->tally) : 0;
    tally_reset(&c->tally);
    c->tallied = NULL;
    return err;
}

static int read_error(struct compact *c, uint32_t category)
{
    struct job_context *x = c->context;
    c->error = 0;
    if (x->catalog == NULL || c->in.piece) /* pieces are exact: an hour is rounded once, whole */
        return 0;
    struct catalog *catalog = x->catalog(x->catalog_arg, x->environment);
    if (catalog == NULL)
        return LT_ERETRY; /* it is just being loaded */
    struct catalog_category info;
    if (catalog_category_at(catalog, category, &info))
        c->error = precision_error(info.precision);
    catalog_unref(&catalog);
    return 0;
}

static int group_begin(struct compact *c, const struct storage_group *group)
{
    int err = 0;
    if (c->tallied != NULL &&
        (c->tallied->category != group->category || c->tallied->dimension != group->dimension))
        err = tally_write(c);
    if (err == 0)
        err = read_error(c, group->category);
    if (err != 0)
        return err;
    c->tallied = group;
    run_writer_group(&c->writer, group);
    return tally_host_begin(&c->tally, group->host, group->points >= WRITE_RANKED_HOST_ITEMS);
}

static int group_end(struct compact *c)
{
    int err = run_writer_group_end(&c->writer);
    tally_host_end(&c->tally);
    return err != 0 ? err : run_writer_host(&c->writer, &c->tally);
}

/* One large group, pass after pass. */
static int batch_large(struct compact *c)
{
    int err = group_begin(c, &c->in.groups.v[c->batch.first]);
    uint32_t part = 0;
    do {
        if (err == 0)
            err = gather_pass(c, part);
        if (err == 0)
            err = fold_parts(c, c->gather.parts.v, c->gather.parts.n);
        part = gather_next_part(&c->gather);
    } while (err == 0 && part > 0);
    return err != 0 ? err : group_end(c);
}

static int batch_small(struct compact *c)
{
    int err = gather_pass(c, 0);
    for (uint32_t i = 0; i < c->batch.count && err == 0; i++) {
        err = group_begin(c, &c->in.groups.v[c->batch.first + i]);
        if (err == 0)
            err = fold_parts(c, &c->gather.parts.v[i], 1);
        if (err == 0)
            err = group_end(c);
    }
    return err;
}

static int run_batches(struct compact *c)
{
    int err = 0;
    for (uint32_t at = 0; at < c->in.groups.n && err == 0; at += c->batch.count) {
        err = batch_take(&c->batch, c->in.groups.v, c->in.groups.n, at);
        if (err != 0)
            break;
        bool large = c->batch.count == 1 && c->in.groups.v[at].points > GATHER_SMALL_POINTS;
        err = large ? batch_large(c) : batch_small(c);
    }
    return err != 0 ? err : tally_write(c);
}

/* ---- heartbeats ---- */

struct beat_reader {
    struct beat_union all;
    struct storage_range range;
    bool odd;
};

static int beats_visit(void *arg, const struct storage_beats *beats)
{
    struct beat_reader *r = arg;
    if (r->odd && (beats->from_s < r->range.from_s || beats->from_s >= r->range.to_s))
        return 0;
    return beat_union_add(&r->all, beats);
}

static int run_beats(struct compact *c, uint32_t *hours_out)
{
    struct beat_reader r = {.range = c->range};
    beat_union_init(&r.all);
    int err = 0;
    for (uint32_t i = 0; i < c->in.inputs.n && err == 0; i++) {
        r.odd = c->in.inputs.v[i].odd;
        err = storage_run_beats(c->context->reader, &c->in.inputs.v[i].run, NULL, beats_visit, &r);
    }
    beat_union_sort(&r.all);
    for (uint32_t i = 0; i < r.all.hours.n && err == 0; i++) {
        const struct beat_hour *hour = &r.all.hours.v[i];
        const struct storage_beats beats = {.host = hour->host,
                                            .collector = hour->collector,
                                            .from_s = hour->from_s,
                                            .bits = hour->bits};
        err = run_writer_beats(&c->writer, &beats);
    }
    *hours_out = r.all.hours.n;
    beat_union_fini(&r.all);
    return err;
}

/* ---- publish ---- */

struct published {
    uint64_t in, out;
    bool in_force, out_left;
};

static int published_visit(void *arg, const struct storage_run *run)
{
    struct published *p = arg;
    if (run->id == p->in)
        p->in_force = run->state == STORAGE_IN_FORCE || run->state == STORAGE_CLOSED;
    if (run->id == p->out)
        p->out_left = run->state == STORAGE_LEFT;
    return 0;
}

/* Did it happen? One of the runs tells for all of them. */
static int ask_published(struct compact *c, const struct storage_run *in, uint32_t in_count,
                         bool *done_out)
{
    struct published p = {.in = in_count > 0 ? in[0].id : 0,
                          .out = c->in.inputs.v[0].run.id,
                          .out_left = true}; /* … also where it has been dropped since */
    int err = storage_runs(c->context->session, c->context->environment, NULL, published_visit, &p);
    if (err == 0)
        *done_out = in_count > 0 ? p.in_force : p.out_left;
    return err;
}

static int publish_runs(struct compact *c, const struct storage_run *in, uint32_t in_count,
                        const uint64_t *out, uint32_t out_count)
{
    struct job_context *x = c->context;
    int err = LT_ERETRY;
    for (unsigned i = 0; i < PUBLISH_TRIES; i++) {
        err = storage_runs_publish(x->session, &x->fence, x->environment, in, in_count, out,
                                   out_count);
        /* After a try whose outcome was not known, another one may find it done. */
        if (err != LT_EOUTCOME && err != LT_ERETRY && (err != LT_EDIVERGED || i == 0))
            return err;
        bool done = false;
        int asked = ask_published(c, in, in_count, &done);
        if (asked != 0)
            return asked;
        if (done)
            return 0;
        if (err == LT_EDIVERGED)
            return err;
    }
    return err;
}

/* in: nothing where the range is empty, and always was. */
static int publish(struct compact *c, bool empty)
{
    struct storage_run in[2];
    uint32_t in_count = 0;
    if (!empty)
        in[in_count++] = c->run;
    if (c->has_kept)
        in[in_count++] = c->kept;
    uint64_t *out = malloc(c->in.inputs.n * sizeof(out[0]));
    if (out == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < c->in.inputs.n; i++)
        out[i] = c->in.inputs.v[i].run.id;
    int err = publish_runs(c, in, in_count, out, c->in.inputs.n);
    free(out);
    return err;
}

/* ---- a piece of work ---- */

/* Then a new one takes its place even if it is empty, because all was deleted: a day's coarser runs
 * hold what was there, and only a 1-second run with a greater id tells that they are behind. */
static bool replaces_a_run(const struct compact *c)
{
    for (uint32_t i = 0; i < c->in.inputs.n; i++)
        if (c->in.inputs.v[i].run.kind == STORAGE_COMPACT)
            return true;
    return false;
}

static int build(struct compact *c, bool *empty_out)
{
    struct job_context *x = c->context;
    int err = run_writer_init(&c->writer, x, &c->run);
    if (err == 0)
        err = run_batches(c);
    if (err == 0)
        err = compact_minutes(x, &c->writer);
    uint32_t hours = 0;
    if (err == 0)
        err = run_beats(c, &hours);
    if (err == 0)
        err = run_writer_finish(&c->writer);
    *empty_out = c->run.points == 0 && hours == 0 && !replaces_a_run(c);
    run_writer_fini(&c->writer);
    return err;
}

static void progress_begin(struct compact *c)
{
    uint64_t points = 0;
    for (uint32_t i = 0; i < c->in.groups.n; i++)
        points += c->in.groups.v[i].points;
    atomic_store(&c->context->progress->points_done, 0);
    atomic_store(&c->context->progress->points_all, points);
}

static int rewrite(struct compact *c)
{
    struct job_context *x = c->context;
    int err = compact_inputs_groups(&c->in, x);
    if (err != 0)
        return err;
    progress_begin(c);
    if (c->in.odd_count > 0)
        err = compact_keep_odd(x, &c->in, c->range, &c->kept, &c->has_kept);
    if (err == 0 && c->in.piece && c->in.late > 0)
        err = compact_keep_late(x, &c->in, c->range, &c->kept, &c->has_kept);
    if (err != 0)
        return err;
    const struct storage_run like = {.kind = STORAGE_COMPACT, .resolution_s = 1, .range = c->range};
    err = storage_run_create(x->session, &x->fence, x->environment, &like, &c->run);
    if (err != 0)
        return err;
    c->run.sources = c->in.newest;
    bool empty;
    err = build(c, &empty);
    if (err == 0)
        err = publish(c, empty);
    /* Not in force: what it takes on the disk is given back now, where that is possible. */
    if (err != 0 || empty) {
        int dropped = storage_run_drop(x->session, &x->fence, x->environment, c->run.id);
        err = err != 0 ? err : dropped;
    }
    return err;
}

static int take_and_rewrite(struct compact *c, bool piece)
{
    int err = compact_inputs_take(&c->in, c->context, c->range, piece);
    return err == 0 && c->in.inputs.n > 0 ? rewrite(c) : err;
}

static int compact_runs(struct job_context *context, struct storage_range range, bool piece)
{
    if (range.from_s < 0 || range.to_s <= range.from_s ||
        range.to_s - range.from_s > UINT32_MAX / 1000)
        return LT_EINVALID;
    struct compact c = {.context = context, .range = range};
    compact_inputs_init(&c.in);
    batch_init(&c.batch);
    gather_init(&c.gather);
    folder_init(&c.folder);
    tally_init(&c.tally, range.from_s * 1000, range.to_s * 1000);
    int err = compact_inputs_list(&c.in, context);
    if (err == 0)
        err = storage_reader_begin(context->reader, context->environment, context->guard);
    if (err == 0) {
        err = take_and_rewrite(&c, piece);
        storage_reader_end(context->reader);
    }
    tally_fini(&c.tally);
    folder_fini(&c.folder);
    VEC_FINI(&c.rounded);
    gather_fini(&c.gather);
    batch_fini(&c.batch);
    compact_inputs_fini(&c.in);
    return err;
}

int compact_range(struct job_context *context, struct storage_range range)
{
    return compact_runs(context, range, false);
}

int compact_piece(struct job_context *context, struct storage_range range)
{
    return compact_runs(context, range, true);
}

/* ---- the job ---- */

static int compact_next(const struct job_context *context, const struct storage_run *runs,
                        uint32_t count, struct job_unit *out)
{
    struct choose choose = {runs, count, context->limits, context->now_ms};
    return choose_compact(&choose, out);
}

static int compact_run_unit(struct job_context *context, const struct job_unit *unit)
{
    return compact_runs(context, unit->range, unit->open);
}

const struct job job_compact = {
    .name = "compact",
    .help =
        "makes rows for reading of the rows for writing, when an hour has ended, and of much that "
        "came within one",
    .next = compact_next,
    .run = compact_run_unit,
};
