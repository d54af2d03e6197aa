#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/support_day.h"

#include "jobs/compact_write.h"
#include "vector/rank.h"
#include "vector/rollup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MAX = 1440 };

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* ---- runs ---- */

struct found {
    uint32_t resolution_s;
    unsigned count;
    struct storage_run run;
};

static int find_run(void *arg, const struct storage_run *run)
{
    struct found *found = arg;
    struct storage_range day = day_range();
    if (run->kind != STORAGE_COMPACT || run->state != STORAGE_IN_FORCE ||
        run->resolution_s != found->resolution_s || run->range.from_s < day.from_s ||
        run->range.to_s > day.to_s)
        return 0;
    found->run = *run;
    found->count++;
    return 0;
}

const struct storage_run *day_run(struct rig *rig, uint32_t resolution_s)
{
    static struct found found;
    found = (struct found){.resolution_s = resolution_s};
    assert_int_equal(storage_runs(rig->flush, RIG_ENVIRONMENT, NULL, find_run, &found), 0);
    return found.count == 1 ? &found.run : NULL;
}

unsigned day_seconds(struct rig *rig)
{
    struct found found = {.resolution_s = 1};
    assert_int_equal(storage_runs(rig->flush, RIG_ENVIRONMENT, NULL, find_run, &found), 0);
    return found.count;
}

/* ---- what there should be ---- */

struct check {
    const struct world *world;
    struct rig *rig;
    const struct storage_run *run;
    struct rollup_codec *codec;
    uint32_t category, dimension, host;
    uint64_t points;
    uint64_t buckets; /* seen */
    struct summary expected[BUCKETS_MAX];
    bool have_item;
    uint32_t item;
};

static uint32_t bucket_of(const struct check *c, unsigned hour, uint32_t time)
{
    int64_t s = rig_hour0_s + (int64_t)hour * 3600 + (int64_t)time * 217001 / 1000;
    return (uint32_t)((s - day_range().from_s) / c->run->resolution_s);
}

/* Adds one series' points. */
static void expect_series(struct check *c, uint32_t host, uint32_t item)
{
    const struct world_series *series = &c->world->series[c->category][c->dimension][host][item];
    for (unsigned hour = 0; hour < WORLD_HOURS; hour++)
        for (uint32_t t = 0; t < WORLD_TIMES; t++)
            if (series->cells[hour][t].present)
                summary_add(&c->expected[bucket_of(c, hour, t)],
                            (int64_t)hour * 3600000 + (int64_t)t * 217001,
                            series->cells[hour][t].value);
}

static void expect_nothing(struct check *c)
{
    for (uint32_t i = 0; i < BUCKETS_MAX; i++)
        summary_init(&c->expected[i]);
}

static uint64_t expected_buckets(struct check *c)
{
    uint64_t count = 0;
    for (uint32_t h = 0; h < WORLD_HOSTS; h++)
        for (uint32_t i = 0; i < WORLD_ITEMS; i++) {
            expect_nothing(c);
            expect_series(c, h, i);
            for (uint32_t b = 0; b < BUCKETS_MAX; b++)
                count += c->expected[b].count + c->expected[b].nans > 0;
        }
    return count;
}

/* ---- rows ---- */

static int check_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    struct check *c = arg;
    if (!c->have_item || c->item != item) {
        expect_nothing(c);
        expect_series(c, c->host, item);
        c->have_item = true;
        c->item = item;
    }
    const struct summary *x = &bucket->summary, *y = &c->expected[bucket->number];
    assert_true(x->count + x->nans > 0);
    assert_int_equal(x->count, y->count);
    assert_int_equal(x->nans, y->nans);
    assert_true(summary_total(x) == summary_total(y));
    assert_true(same(x->min, y->min) && same(x->max, y->max));
    assert_true(same(x->first, y->first) && same(x->last, y->last));
    c->points += x->count + x->nans;
    c->buckets++;
    return 0;
}

static int check_row(void *arg, const struct storage_pack *row)
{
    struct check *c = arg;
    c->host = row->host;
    c->have_item = false;
    int64_t step_ms = (int64_t)c->run->resolution_s * 1000;
    assert_int_equal(rollup_open(c->codec, day_range().from_s * 1000, step_ms, row->summaries,
                                 row->vectors, NULL, 0, check_bucket, c),
                     0);
    return 0;
}

static void check_rows(struct check *c)
{
    const struct block_filter filter = {.category = c->category,
                                        .dimensions = &c->dimension,
                                        .dimensions_count = 1,
                                        .to_ms = INT64_MAX};
    c->buckets = 0;
    assert_int_equal(storage_run_packs(c->rig->reader, c->run, &filter,
                                       STORAGE_SUMMARIES | STORAGE_VECTORS, check_row, c),
                     0);
    assert_int_equal(c->buckets, expected_buckets(c));
}

/* ---- ranks ---- */

struct item_sums {
    struct summary sums[WORLD_ITEMS];
    uint32_t items, rows;
};

static int check_page(void *arg, const struct storage_rank *rank)
{
    struct item_sums *s = arg;
    struct rank_page page;
    assert_int_equal(
        rank_page_decode(rank->number, rank->body, RANK_SUMS | RANK_COUNTS | RANK_MAXS, &page), 0);
    assert_int_equal(page.count, s->items);
    for (uint32_t i = 0; i < page.count; i++) {
        const struct summary *x = &s->sums[page.items[i]];
        assert_int_equal(page.counts[i], x->count);
        assert_true(page.sums[i] == summary_total(x) && page.maxs[i] == x->max);
    }
    s->rows++;
    return 0;
}

/* Of minutes: all hosts together. Returns whether there are any. */
static bool check_ranks(struct check *c)
{
    static struct item_sums s;
    s.items = s.rows = 0;
    for (uint32_t i = 0; i < WORLD_ITEMS; i++) {
        expect_nothing(c);
        for (uint32_t h = 0; h < WORLD_HOSTS; h++)
            expect_series(c, h, i);
        summary_init(&s.sums[i]);
        for (uint32_t b = 0; b < BUCKETS_MAX; b++)
            summary_merge(&s.sums[i], &c->expected[b]);
        s.items += s.sums[i].count > 0;
    }
    const struct storage_rank_filter filter = {.category = c->category,
                                               .dimension = c->dimension,
                                               .kind = STORAGE_RANK_PAGE,
                                               .last = UINT32_MAX};
    assert_int_equal(storage_run_ranks(c->rig->reader, c->run, &filter, check_page, &s), 0);
    bool ranked = s.items >= WRITE_RANKED_ITEMS;
    assert_int_equal(s.rows, ranked && c->run->resolution_s == 60 ? 1 : 0);
    return ranked;
}

/* ---- totals ---- */

static int check_total(void *arg, const struct storage_total *total)
{
    struct check *c = arg;
    int64_t number = (total->from_s - day_range().from_s) / c->run->resolution_s;
    const struct summary *expected = &c->expected[number];
    assert_int_equal(total->count, expected->count);
    assert_true(total->sum == summary_total(expected));
    assert_true(total->min == expected->min && total->max == expected->max);
    c->buckets++;
    return 0;
}

static void check_totals(struct check *c, const uint32_t *host, bool ranked)
{
    struct storage_range day = day_range();
    const struct storage_total_filter filter = {.category = c->category,
                                                .dimension = c->dimension,
                                                .hosts = host,
                                                .hosts_count = host != NULL,
                                                .from_s = day.from_s,
                                                .to_s = day.to_s,
                                                .step_s = 60}; /* no finer than it should be */
    expect_nothing(c);
    for (uint32_t h = 0; h < WORLD_HOSTS; h++)
        for (uint32_t i = 0; i < WORLD_ITEMS && (host == NULL || *host == h); i++)
            expect_series(c, h, i);
    uint64_t expected = 0;
    for (uint32_t b = 0; b < BUCKETS_MAX && ranked; b++)
        expected += c->expected[b].count > 0;
    c->buckets = 0;
    assert_int_equal(storage_run_totals(c->rig->reader, c->run, &filter, check_total, c), 0);
    assert_int_equal(c->buckets, expected);
}

/* ---- heartbeats ---- */

static unsigned seconds_of(const struct check *c, uint32_t collector, uint32_t host,
                           uint32_t bucket)
{
    unsigned seconds = 0;
    for (unsigned hour = 0; hour < WORLD_HOURS; hour++)
        for (uint32_t s = 0; s < BEAT_SECONDS; s++) {
            const uint8_t *bits = c->world->beats[hour][collector][host];
            int64_t at = rig_hour0_s + (int64_t)hour * 3600 + s - day_range().from_s;
            seconds += at / c->run->resolution_s == bucket && (bits[s / 8] >> (s % 8) & 1) != 0;
        }
    return seconds;
}

static int check_beat(void *arg, const struct storage_beats *beats)
{
    struct check *c = arg;
    assert_int_equal(beats->from_s, day_range().from_s);
    assert_int_equal(beats->counts_count, 86400 / c->run->resolution_s);
    uint32_t first = bucket_of(c, 0, 0), last = bucket_of(c, WORLD_HOURS, 0);
    for (uint32_t b = 0; b < beats->counts_count; b++) {
        if (b < first || b >= last)
            assert_int_equal(beats->counts[b], 0);
        else if (b % 7 == 0 || c->run->resolution_s == 3600) /* it is slow */
            assert_int_equal(beats->counts[b], seconds_of(c, beats->collector, beats->host, b));
    }
    c->buckets++;
    return 0;
}

static void check_beats(struct check *c)
{
    static const uint8_t none[BEAT_BYTES];
    uint64_t expected = 0;
    for (uint32_t i = 0; i < WORLD_COLLECTORS; i++)
        for (uint32_t h = 0; h < WORLD_HOSTS; h++) {
            bool any = false;
            for (unsigned hour = 0; hour < WORLD_HOURS; hour++)
                any = any || memcmp(c->world->beats[hour][i][h], none, BEAT_BYTES) != 0;
            expected += any;
        }
    c->buckets = 0;
    assert_int_equal(storage_run_beats(c->rig->reader, c->run, NULL, check_beat, c), 0);
    assert_int_equal(c->buckets, expected);
}

/* ---- all of it ---- */

static void check_run(const struct world *world, struct rig *rig, uint32_t resolution_s)
{
    struct check *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->world = world;
    c->rig = rig;
    c->run = day_run(rig, resolution_s);
    assert_non_null(c->run);
    assert_int_equal(rollup_codec_create(&c->codec), 0);
    assert_int_equal(storage_reader_begin(rig->reader, RIG_ENVIRONMENT, &rig->guard), 0);
    for (c->category = 0; c->category < WORLD_CATEGORIES; c->category++)
        for (c->dimension = 0; c->dimension < WORLD_DIMENSIONS; c->dimension++) {
            check_rows(c);
            bool ranked = check_ranks(c);
            check_totals(c, NULL, ranked);
            for (uint32_t h = 0; h < WORLD_HOSTS; h++)
                check_totals(c, &h, ranked);
        }
    assert_int_equal(c->run->points, c->points);
    check_beats(c);
    storage_reader_end(rig->reader);
    rollup_codec_destroy(&c->codec);
    free(c);
}

void day_check(const struct world *world, struct rig *rig)
{
    check_run(world, rig, 60);
    check_run(world, rig, 3600);
}
