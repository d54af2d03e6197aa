#include "base/buffer.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/logger.h"
#include "base/number.h"
#include "catalog/forget.h"
#include "jobs/choose.h"
#include "jobs/forget_items.h"
#include "jobs/forget_runs.h"
#include "jobs/job.h"

#include <inttypes.h>
#include <stdio.h>

/* Items that were not seen for longer than anything is kept are forgotten
 * (docs/adr/0016-items-are-forgotten.md), in rounds:
 *
 *   idle --doom: marks in the log--> marked --a good while, and all of it stored--> forget --> idle
 *
 * Who is marked is a guess, from the hours in which items were seen. Who is forgotten is not: an
 * item whose mark still stands was named by nothing in the log since; all that came before is in
 * the runs; and of these
 *   - a compact run of a range has it only if the item's last hour says so, because the items of
 * each such run are looked through once, and their hours stored, before the run's id is noted
 *     (`through`);
 *   - all others are searched for it.
 * What the log does not take, or what happens in between, costs a round and nothing else: marks
 * mean nothing by themselves, and forget counts for marks of its own round only. */

static const char note_name[] = "forget";
enum {
    NOTE_BYTES_MAX = 160,
    NOTE_NUMBERS = 5,
    /* Runs leave by the day, an hour after it ended; and what a crash takes of the hours is less.
     */
    MARGIN_MS = 26 * 3600 * 1000,
    ROUND_ITEMS_MAX = 1 << 23, /* more go in the next round, at once */
    HOUR_MS = 3600 * 1000,
};

enum phase { IDLE = 0, MARKING = 1, MARKED = 2 };

struct forget { /* the note, in this order */
    uint64_t phase;
    uint64_t round;    /* the last that was begun: none is used twice */
    uint64_t next;     /* MARKED: behind the last mark in the log */
    uint64_t since_ms; /* when the phase began; IDLE: 0 where another round is due at once */
    uint64_t through;  /* compact runs up to this id say when their items were seen */
};

static int note_read(const struct job_context *context, struct forget *out)
{
    struct buffer text;
    buffer_init(&text, NOTE_BYTES_MAX);
    uint64_t n[NOTE_NUMBERS] = {0};
    int err = storage_note_get(context->session, context->environment, slice_str(note_name), &text);
    struct slice rest = buffer_slice(&text);
    for (unsigned i = 0; err == 0 && i < NOTE_NUMBERS && text.len > 0; i++) {
        size_t end = slice_find(rest, ' ');
        err = number_parse_u64(slice_upto(rest, end), &n[i]) != 0 ? LT_ECORRUPT : 0;
        rest = slice_from(rest, end < rest.n ? end + 1 : end);
    }
    buffer_fini(&text);
    if (err == 0)
        *out = (struct forget){n[0], n[1], n[2], n[3], n[4]};
    return err;
}

static int note_write(struct job_context *context, const struct forget *f)
{
    char text[NOTE_BYTES_MAX];
    snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
             f->phase, f->round, f->next, f->since_ms, f->through);
    return storage_note_put(context->session, &context->fence, context->environment,
                            slice_str(note_name), slice_str(text));
}

static int end_round(struct job_context *context, struct forget *f, bool more)
{
    f->phase = IDLE;
    f->since_ms = more ? 0 : (uint64_t)context->now_ms;
    return note_write(context, f);
}

/* ---- when ---- */

static int64_t longest_ms(const struct job_limits *l)
{
    int64_t longest = l->keep_1s_ms > l->keep_1m_ms ? l->keep_1s_ms : l->keep_1m_ms;
    return longest > l->keep_1h_ms ? longest : l->keep_1h_ms;
}

/* What was seen after it is not looked at. */
static int64_t cutoff_ms(const struct job_context *context)
{
    int64_t ms = context->now_ms - longest_ms(context->limits) - MARGIN_MS;
    return ms < 0 ? 0 : ms;
}

static int64_t due_ms(const struct job_context *context, const struct forget *f)
{
    switch (f->phase) {
    case MARKED:
        return (int64_t)f->since_ms + context->limits->forget_wait_ms;
    case IDLE:
        return f->since_ms == 0 ? context->now_ms
                                : (int64_t)f->since_ms + context->limits->forget_every_ms;
    default:
        return context->now_ms; /* it was interrupted */
    }
}

static int forget_next(const struct job_context *context, const struct storage_run *runs,
                       uint32_t count, struct job_unit *out)
{
    struct forget f;
    struct storage_progress progress = {0};
    int err = note_read(context, &f);
    if (err != 0)
        return err;
    *out =
        (struct job_unit){.range = {0, cutoff_ms(context) / 1000}, .due_ms = due_ms(context, &f)};
    if (out->due_ms > context->now_ms)
        return 0;
    if (context->append == NULL)
        out->waits = "this process cannot append to the log: it takes a role ingest or Kafka";
    else if (f.phase == MARKED)
        err = storage_progress_read(context->session, context->fence.partition, &progress);
    if (f.phase == MARKED && progress.next < f.next)
        out->waits = "what was doomed is not stored yet";
    return err != 0 ? err : 1;
}

/* ---- what is known of runs ---- */

/* Items whose last hour is below may go: nothing that is in force, and compact, can hold them. */
static uint32_t before_h(const struct job_context *context, const struct forget_runs *runs)
{
    uint32_t hour = (uint32_t)(cutoff_ms(context) / HOUR_MS);
    uint32_t oldest = forget_runs_oldest_h(runs);
    return hour < oldest ? hour : oldest;
}

/* The hours of compact runs that were not looked through yet, then their ids: in this order. */
static int look_through(struct job_context *context, struct catalog *catalog,
                        const struct forget_runs *runs, struct forget *f)
{
    uint64_t through = f->through;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < runs->runs.n; i++) {
        const struct storage_run *run = &runs->runs.v[i];
        if (run->id <= f->through)
            continue;
        err = forget_runs_note_seen(context, catalog, run);
        through = run->id;
    }
    if (err == 0 && through > f->through) {
        err = job_seen.run(context, &(struct job_unit){0});
        f->through = through;
        if (err == 0)
            err = note_write(context, f);
    }
    return err;
}

/* ---- the pieces ---- */

struct piece {
    struct job_context *context;
    struct catalog *catalog;
    struct forget f;
    struct forget_runs runs;
    struct forget_items items;
};

/* Fills items; `doomed`: only those that are marked. now_h: as forget_items_unseen. */
static int unseen(struct piece *p, bool doomed, uint32_t now_h)
{
    forget_items_fini(&p->items);
    return forget_items_unseen(&p->items, p->catalog, before_h(p->context, &p->runs), now_h, doomed,
                               ROUND_ITEMS_MAX);
}

/* An item without an hour is one that a crash took it from, if a run tells; else it has no points
 * yet, and its time begins now. */
static int guess(struct piece *p)
{
    int err = unseen(p, false, 0);
    if (err != 0 || p->items.count + p->items.never == 0)
        return err;
    err = look_through(p->context, p->catalog, &p->runs, &p->f);
    return err != 0 ? err : unseen(p, false, (uint32_t)(p->context->now_ms / HOUR_MS));
}

static int mark(struct piece *p)
{
    struct job_context *c = p->context;
    int err = guess(p);
    if (err != 0 || p->items.count == 0)
        return err != 0 ? err : end_round(c, &p->f, false);
    uint64_t seen = catalog_round(p->catalog);
    p->f.phase = MARKING;
    p->f.round = (p->f.round > seen ? p->f.round : seen) + 1;
    err = note_write(c, &p->f); /* first, so that the number is used up whatever happens */
    atomic_store(&c->progress->points_all, p->items.count);
    if (err == 0)
        err = forget_items_append(&p->items, c, RECORD_DOOM, p->f.round, false, &p->f.next);
    if (err != 0)
        return err;
    failpoint("forget.marked");
    log_info("forget",
             "environment %" PRIu32 ": %" PRIu64 " items were not seen for long: doomed, "
             "round %" PRIu64,
             c->environment, p->items.count, p->f.round);
    p->f.phase = MARKED;
    p->f.since_ms = (uint64_t)c->now_ms;
    return note_write(c, &p->f);
}

/* All that is below `next` is stored, and applied here, as this process flushed it. */
static int sweep(struct piece *p)
{
    struct job_context *c = p->context;
    if (catalog_round(p->catalog) != p->f.round)
        return end_round(c, &p->f, true); /* somebody else's marks: begin again */
    int err = look_through(c, p->catalog, &p->runs, &p->f);
    if (err == 0)
        err = unseen(p, true, 0);
    uint64_t doomed = p->items.count;
    if (err == 0)
        err = forget_runs_spare(&p->runs, c, &p->items);
    if (err != 0)
        return err;
    failpoint("forget.chosen");
    atomic_store(&c->progress->points_all, p->items.count);
    uint64_t next = 0;
    err = forget_items_append(&p->items, c, RECORD_FORGET, p->f.round, true, &next);
    if (err != 0)
        return err;
    if (doomed > 0)
        log_info("forget",
                 "environment %" PRIu32 ": %" PRIu64 " items forgotten, %" PRIu64
                 " spared, round %" PRIu64,
                 c->environment, p->items.count, doomed - p->items.count, p->f.round);
    failpoint("forget.done");
    return end_round(c, &p->f, doomed >= ROUND_ITEMS_MAX && p->items.count > 0);
}

static int forget_run(struct job_context *context, const struct job_unit *unit)
{
    struct piece p = {.context = context};
    p.catalog = context->catalog(context->catalog_arg, context->environment);
    if (p.catalog == NULL)
        return LT_EAGAIN; /* it is just being loaded */
    int err = note_read(context, &p.f);
    if (err == 0)
        err = forget_runs_list(&p.runs, context);
    if (err == 0)
        err = storage_reader_begin(context->reader, context->environment, context->guard);
    if (err == 0) {
        err = p.f.phase == MARKED ? sweep(&p) : mark(&p);
        storage_reader_end(context->reader);
    }
    forget_items_fini(&p.items);
    forget_runs_fini(&p.runs);
    catalog_unref(&p.catalog);
    return err;
}

const struct job job_forget = {
    .name = "forget",
    .help = "forgets items that were not seen for longer than anything is kept",
    .next = forget_next,
    .run = forget_run,
};
