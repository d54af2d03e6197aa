#include "store/partition.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "port/storage_flush.h"

/* One sealed segment -> one transaction. Everything is taken from the segment and the catalog,
 * which do not change, so that a flush can be repeated from its start as often as it takes. */

enum { DAY_MS = 86400 * 1000, TRIES_MAX = 10 };

struct flush {
    struct storage_session *session;
    const struct segment *segment;
    uint32_t environment;
    struct storage_range range;
    uint64_t points;
};

/* Odd clocks must not make a million tables. */
static struct storage_range range_of(const struct store_config *config, int64_t hour_s,
                                     int64_t now_ms)
{
    int64_t oldest_s = (now_ms - config->retention_ms) / 1000;
    int64_t newest_s = (now_ms + DAY_MS) / 1000;
    if (hour_s < oldest_s || hour_s > newest_s)
        return (struct storage_range){0, 0};
    return (struct storage_range){hour_s, hour_s + BEAT_SECONDS};
}

static bool has_range(const struct storage_range *ranges, uint32_t count, struct storage_range r)
{
    for (uint32_t i = 0; i < count; i++)
        if (ranges[i].from_s == r.from_s)
            return true;
    return false;
}

static int ensure_tables(struct flush *f, const struct store_config *config, int64_t now_ms)
{
    VEC(struct storage_range) ranges = {0};
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < f->segment->group_list.n; i++) {
        const struct segment_group *g = f->segment->group_list.v[i];
        if (g->environment != f->environment)
            continue;
        struct storage_range range = range_of(config, g->hour_s, now_ms);
        if (!has_range(ranges.v, ranges.n, range) && !VEC_PUSH(&ranges, range))
            err = LT_ENOMEM;
    }
    if (err == 0 && ranges.n > 0)
        err = storage_tables_ensure(f->session, f->environment, ranges.v, ranges.n);
    VEC_FINI(&ranges);
    return err;
}

static int put_name(void *arg, const struct storage_name *name)
{
    struct flush *f = arg;
    return storage_flush_name(f->session, f->environment, name);
}

static int put_text(void *arg, const struct storage_item_text *text)
{
    struct flush *f = arg;
    return storage_flush_text(f->session, f->environment, text);
}

static int put_doom(void *arg, const struct storage_doom *doom)
{
    struct flush *f = arg;
    failpoint("flush.doom");
    return storage_flush_doom(f->session, f->environment, doom);
}

static int put_series(void *arg, const struct storage_series *series)
{
    struct flush *f = arg;
    return storage_flush_series(f->session, f->environment, series);
}

static int put_block(void *arg, const struct block *block)
{
    struct flush *f = arg;
    f->points += block->count;
    return storage_flush_block(f->session, f->environment, f->range, block);
}

static int put_group(struct flush *f, const struct segment_group *g)
{
    if (g->category != SEGMENT_BEATS)
        return segment_group_blocks(f->segment, g, put_block, f);
    uint8_t bits[BEAT_BYTES];
    segment_group_beats(g, bits);
    struct beat_block beat = {g->host, g->dimension, (uint32_t)g->hour_s, bits};
    return storage_flush_beat(f->session, f->environment, f->range, &beat);
}

static int put_environment(struct flush *f, const struct segment_catalog *names,
                           const struct store_config *config, int64_t now_ms)
{
    const struct catalog_changes changes = {put_name, put_text, put_doom, put_series, f};
    int err = catalog_changes(names->catalog, names->from, names->to, &changes);
    for (uint32_t i = 0; err == 0 && i < f->segment->watermarks.n; i++) {
        const struct segment_watermark *w = &f->segment->watermarks.v[i];
        struct storage_watermark out = {w->host, w->collector, w->max_ms};
        if (w->environment == f->environment)
            err = storage_flush_watermark(f->session, f->environment, &out);
    }
    if (err == 0 && atomic_load(&f->segment->clears) == f->environment) {
        failpoint("flush.clear");
        err = storage_flush_clear(f->session, f->environment);
    }
    for (uint32_t i = 0; err == 0 && i < f->segment->group_list.n; i++) {
        const struct segment_group *g = f->segment->group_list.v[i];
        if (g->environment != f->environment)
            continue;
        f->range = range_of(config, g->hour_s, now_ms);
        err = put_group(f, g);
    }
    return err;
}

static int flush_try(struct flush *f, const struct store_config *config, int64_t now_ms,
                     const struct storage_flush *begin)
{
    const struct segment *segment = f->segment;
    int err = 0;
    f->points = 0;
    for (uint32_t i = 0; err == 0 && i < segment->catalogs_count; i++) {
        f->environment = catalog_environment(segment->catalogs[i].catalog);
        err = ensure_tables(f, config, now_ms);
    }
    if (err == 0)
        err = storage_flush_begin(f->session, begin);
    if (err != 0)
        return err;
    for (uint32_t i = 0; err == 0 && i < segment->catalogs_count; i++) {
        f->environment = catalog_environment(segment->catalogs[i].catalog);
        err = put_environment(f, &segment->catalogs[i], config, now_ms);
    }
    if (err != 0) {
        storage_flush_abort(f->session);
        return err;
    }
    return storage_flush_commit(f->session);
}

int flush_segment(struct partition *p, struct storage_session *session,
                  const struct segment *segment, uint64_t epoch)
{
    struct flush f = {.session = session, .segment = segment};
    int64_t now_ms = clock_wall_ms(); /* one moment decides the tables of the whole flush */
    struct storage_flush begin = {p->number,         epoch,
                                  segment->lo,       atomic_load(&segment->hi),
                                  segment->checksum, segment->log_epoch};
    int err = LT_EAGAIN;
    /* A job has closed a run between ensure and begin: nothing is wrong, and the next try finds
       another one. */
    for (unsigned tries = 0; err == LT_EAGAIN && tries < TRIES_MAX; tries++)
        err = flush_try(&f, &p->store->config, now_ms, &begin);
    if (err == 0)
        atomic_fetch_add(&p->stats.flushed_points, f.points);
    return err;
}
