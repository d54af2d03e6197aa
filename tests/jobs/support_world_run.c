#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/support_world.h"

#include "jobs/compact_write.h"
#include "vector/pack.h"
#include "vector/rank.h"
#include "vector/rank_minutes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A compact run's rows against the world: vectors, summaries, ranks, totals, heartbeats. */

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

struct check {
    const struct world *world;
    struct rig *rig;
    const struct storage_run *run;
    unsigned hour;
    uint32_t category, dimension;
    struct pack_codec *codec;
    uint64_t series, points;
    bool seen[WORLD_HOSTS][WORLD_ITEMS];
};

static int64_t time_at(const struct check *c, uint32_t time)
{
    return (rig_hour0_s + (int64_t)c->hour * 3600) * 1000 + (int64_t)time * 217001;
}

static struct summary summary_of(const struct check *c, uint32_t host, uint32_t item)
{
    struct summary s;
    summary_init(&s);
    const struct world_series *series = &c->world->series[c->category][c->dimension][host][item];
    for (uint32_t t = 0; t < WORLD_TIMES; t++)
        if (series->cells[c->hour][t].present)
            summary_add(&s, time_at(c, t), series->cells[c->hour][t].value);
    return s;
}

/* ---- observation rows ---- */

static void check_points(struct check *c, const struct storage_pack *pack)
{
    struct pack_points points;
    assert_int_equal(pack_open_points(c->codec, c->run->range.from_s * 1000, pack->summaries,
                                      pack->vectors, NULL, 0, &points),
                     0);
    assert_int_equal(points.count, pack->points);
    uint32_t i = 0;
    for (uint32_t item = pack->first_item; item <= pack->last_item; item++) {
        const struct world_series *series =
            &c->world->series[c->category][c->dimension][pack->host][item];
        for (uint32_t t = 0; t < WORLD_TIMES; t++) {
            const struct world_cell *cell = &series->cells[c->hour][t];
            if (!cell->present)
                continue;
            assert_true(i < points.count);
            assert_int_equal(points.items[i], item);
            assert_int_equal(points.times_ms[i], time_at(c, t));
            assert_true(isnan(cell->value)
                            ? isnan(points.values[i])
                            : memcmp(&points.values[i], &cell->value, sizeof(double)) == 0);
            i++;
        }
    }
    assert_int_equal(i, points.count);
    c->points += i;
}

static int check_pack(void *arg, const struct storage_pack *pack)
{
    struct check *c = arg;
    struct pack_summaries s;
    assert_int_equal(pack->dimension, c->dimension);
    assert_int_equal(pack_open_summaries(c->codec, pack->summaries, PACK_ALL, &s), 0);
    assert_int_equal(s.items, pack->items);
    assert_int_equal(s.item[0], pack->first_item);
    assert_int_equal(s.item[s.items - 1], pack->last_item);
    for (uint32_t i = 0; i < s.items; i++) {
        struct summary expected = summary_of(c, pack->host, s.item[i]);
        assert_int_equal(s.count[i], expected.count);
        assert_int_equal(s.nans != NULL ? s.nans[i] : 0, expected.nans);
        assert_true(s.sum[i] == summary_total(&expected));
        assert_true(same(s.min[i], expected.min) && same(s.max[i], expected.max));
        assert_true(same(s.first[i], expected.first) && same(s.last[i], expected.last));
        assert_false(c->seen[pack->host][s.item[i]]);
        c->seen[pack->host][s.item[i]] = true;
    }
    c->series += s.items;
    check_points(c, pack);
    return 0;
}

static void check_packs(struct check *c)
{
    const struct block_filter filter = {.category = c->category,
                                        .dimensions = &c->dimension,
                                        .dimensions_count = 1,
                                        .to_ms = INT64_MAX};
    memset(c->seen, 0, sizeof(c->seen));
    assert_int_equal(storage_run_packs(c->rig->reader, c->run, &filter,
                                       STORAGE_SUMMARIES | STORAGE_VECTORS, check_pack, c),
                     0);
    for (uint32_t h = 0; h < WORLD_HOSTS; h++)
        for (uint32_t i = 0; i < WORLD_ITEMS; i++) {
            struct summary expected = summary_of(c, h, i);
            assert_int_equal(c->seen[h][i], expected.count + expected.nans > 0);
        }
}

/* ---- rank rows ---- */

struct item_sum {
    uint64_t count;
    double sum, max;
};

static uint32_t sums_of(const struct check *c, struct item_sum *out)
{
    uint32_t items = 0;
    for (uint32_t i = 0; i < WORLD_ITEMS; i++) {
        out[i] = (struct item_sum){0};
        for (uint32_t h = 0; h < WORLD_HOSTS; h++) {
            struct summary s = summary_of(c, h, i);
            if (s.count == 0)
                continue;
            out[i].max = out[i].count == 0 || s.max > out[i].max ? s.max : out[i].max;
            out[i].count += s.count;
            out[i].sum += summary_total(&s);
        }
        items += out[i].count > 0;
    }
    return items;
}

struct ranks {
    unsigned rows;
    const struct check *check;
    struct item_sum sums[WORLD_ITEMS];
    uint32_t items;
};

static int check_total(void *arg, const struct storage_rank *rank)
{
    struct ranks *r = arg;
    struct rank_total total;
    struct summary all;
    summary_init(&all);
    assert_int_equal(rank_total_decode(rank->body, &total), 0);
    assert_int_equal(rank->number, 0);
    assert_int_equal(total.items, r->items);
    assert_int_equal(total.entries, r->items);
    uint64_t count = 0;
    double sum = 0;
    bool negative = false;
    struct itemset *set;
    assert_int_equal(itemset_create(&set), 0);
    assert_int_equal(itemset_merge(set, total.set), 0);
    assert_int_equal(itemset_count(set), r->items);
    for (uint32_t i = 0; i < WORLD_ITEMS; i++) {
        count += r->sums[i].count;
        sum += r->sums[i].sum;
        negative = negative || r->sums[i].sum < 0;
        assert_int_equal(itemset_has(set, i), r->sums[i].count > 0);
    }
    itemset_destroy(&set);
    assert_int_equal(total.summary.count, count);
    assert_true(summary_total(&total.summary) == sum);
    assert_int_equal(total.negative, negative);
    r->rows++;
    return 0;
}

static int check_page(void *arg, const struct storage_rank *rank)
{
    struct ranks *r = arg;
    struct rank_page page;
    assert_int_equal(
        rank_page_decode(rank->number, rank->body, RANK_SUMS | RANK_COUNTS | RANK_MAXS, &page), 0);
    assert_int_equal(rank->number, 0);
    assert_int_equal(page.count, r->items);
    for (uint32_t i = 0; i < page.count; i++) {
        const struct item_sum *x = &r->sums[page.items[i]];
        assert_true(x->count == page.counts[i] && x->sum == page.sums[i] && x->max == page.maxs[i]);
    }
    r->rows++;
    return 0;
}

static int check_top(void *arg, const struct storage_rank *rank)
{
    struct ranks *r = arg;
    struct rank_entry *entries = calloc(RANK_CHUNK_MAX, sizeof(*entries));
    uint32_t count;
    assert_non_null(entries);
    assert_int_equal(rank_top_decode(rank->body, entries, &count), 0);
    assert_int_equal(count, r->items); /* at most 100: one chunk */
    for (uint32_t i = 0; i < count; i++) {
        assert_true(entries[i].value == r->sums[entries[i].item].sum);
        assert_true(entries[i].count == r->sums[entries[i].item].count);
        assert_true(
            i == 0 || entries[i - 1].value > entries[i].value ||
            (entries[i - 1].value == entries[i].value && entries[i - 1].item < entries[i].item));
    }
    free(entries);
    r->rows++;
    return 0;
}

/* Every item is among the best here: all their points, by item and minute. */
static int check_best_minutes(void *arg, const struct storage_rank *rank)
{
    struct ranks *r = arg;
    const struct check *c = r->check;
    struct rank_minutes *m = malloc(sizeof(*m));
    uint32_t at = 0;
    assert_non_null(m);
    assert_int_equal(rank_minutes_decode(rank->body, m), 0);
    for (uint32_t item = 0; item < WORLD_ITEMS; item++) {
        struct summary minutes[RANK_MINUTES_PARTS];
        for (uint32_t i = 0; i < RANK_MINUTES_PARTS; i++)
            summary_init(&minutes[i]);
        for (uint32_t h = 0; h < WORLD_HOSTS; h++)
            for (uint32_t t = 0; t < WORLD_TIMES; t++) {
                const struct world_cell *cell =
                    &c->world->series[c->category][c->dimension][h][item].cells[c->hour][t];
                if (cell->present)
                    summary_add(&minutes[(time_at(c, t) - time_at(c, 0)) / 60000], time_at(c, t),
                                cell->value);
            }
        for (uint32_t i = 0; i < RANK_MINUTES_PARTS; i++) {
            if (minutes[i].count == 0)
                continue;
            assert_true(at < m->count && m->items[at] == item && m->minutes[at] == i);
            assert_int_equal(m->counts[at], minutes[i].count);
            assert_true(m->sums[at] == summary_total(&minutes[i]));
            at++;
        }
    }
    assert_int_equal(at, m->count);
    free(m);
    r->rows++;
    return 0;
}

static bool check_ranks(struct check *c)
{
    static struct ranks r;
    r = (struct ranks){.check = c};
    r.items = sums_of(c, r.sums);
    static storage_rank_visit *const visits[] = {[STORAGE_RANK_TOTAL] = check_total,
                                                 [STORAGE_RANK_TOP] = check_top,
                                                 [STORAGE_RANK_PAGE] = check_page,
                                                 [STORAGE_RANK_MINUTES] = check_best_minutes};
    for (unsigned kind = STORAGE_RANK_TOTAL; kind <= STORAGE_RANK_MINUTES; kind++) {
        const struct storage_rank_filter filter = {.category = c->category,
                                                   .dimension = c->dimension,
                                                   .kind = (enum storage_rank_kind)kind,
                                                   .last = UINT32_MAX};
        assert_int_equal(storage_run_ranks(c->rig->reader, c->run, &filter, visits[kind], &r), 0);
    }
    assert_int_equal(r.rows, r.items >= WRITE_RANKED_ITEMS ? 4 : 0);
    return r.rows > 0;
}

/* ---- minute totals ---- */

struct minutes {
    struct summary expected[60];
    int64_t from_s;
    uint64_t left; /* expected rows not seen yet */
};

static int check_minute(void *arg, const struct storage_total *total)
{
    struct minutes *m = arg;
    const struct summary *expected = &m->expected[(total->from_s - m->from_s) / 60];
    assert_int_equal(total->count, expected->count);
    assert_true(total->sum == summary_total(expected));
    assert_true(total->min == expected->min && total->max == expected->max);
    m->left--;
    return 0;
}

static void check_minutes(struct check *c, bool ranked, const uint32_t *host)
{
    static struct minutes m;
    m = (struct minutes){.from_s = c->run->range.from_s};
    for (unsigned i = 0; i < 60; i++)
        summary_init(&m.expected[i]);
    for (uint32_t h = 0; h < WORLD_HOSTS; h++)
        for (uint32_t i = 0; i < WORLD_ITEMS && (host == NULL || *host == h); i++)
            for (uint32_t t = 0; t < WORLD_TIMES; t++) {
                const struct world_cell *cell =
                    &c->world->series[c->category][c->dimension][h][i].cells[c->hour][t];
                if (cell->present)
                    summary_add(&m.expected[(time_at(c, t) / 1000 - m.from_s) / 60], 0,
                                cell->value);
            }
    for (unsigned i = 0; i < 60 && ranked; i++)
        m.left += m.expected[i].count > 0;
    const struct storage_total_filter filter = {.category = c->category,
                                                .dimension = c->dimension,
                                                .hosts = host,
                                                .hosts_count = host != NULL,
                                                .from_s = c->run->range.from_s,
                                                .to_s = c->run->range.to_s,
                                                .step_s = 60};
    assert_int_equal(storage_run_totals(c->rig->reader, c->run, &filter, check_minute, &m), 0);
    assert_int_equal(m.left, 0);
}

/* ---- heartbeats ---- */

static int check_hour(void *arg, const struct storage_beats *beats)
{
    struct check *c = arg;
    assert_int_equal(beats->from_s, c->run->range.from_s);
    assert_memory_equal(beats->bits, c->world->beats[c->hour][beats->collector][beats->host],
                        BEAT_BYTES);
    c->points++; /* here: rows */
    return 0;
}

static void check_beats(struct check *c)
{
    static const uint8_t none[BEAT_BYTES];
    uint64_t expected = 0;
    for (uint32_t i = 0; i < WORLD_COLLECTORS; i++)
        for (uint32_t h = 0; h < WORLD_HOSTS; h++)
            expected += memcmp(c->world->beats[c->hour][i][h], none, BEAT_BYTES) != 0;
    c->points = 0;
    assert_int_equal(storage_run_beats(c->rig->reader, c->run, NULL, check_hour, c), 0);
    assert_int_equal(c->points, expected);
}

void world_check_run(const struct world *world, struct rig *rig, unsigned hour)
{
    struct check c = {.world = world, .rig = rig, .hour = hour};
    c.run = rig_only_run(rig, rig_hour(hour));
    assert_non_null(c.run);
    assert_int_equal(c.run->kind, STORAGE_COMPACT);
    assert_int_equal(pack_codec_create(&c.codec), 0);
    assert_int_equal(storage_reader_begin(rig->reader, RIG_ENVIRONMENT, &rig->guard), 0);
    for (c.category = 0; c.category < WORLD_CATEGORIES; c.category++)
        for (c.dimension = 0; c.dimension < WORLD_DIMENSIONS; c.dimension++) {
            check_packs(&c);
            bool ranked = check_ranks(&c);
            check_minutes(&c, ranked, NULL);
            for (uint32_t h = 0; h < WORLD_HOSTS; h++)
                check_minutes(&c, ranked, &h);
        }
    assert_int_equal(c.run->series, c.series);
    assert_int_equal(c.run->points, c.points);
    check_beats(&c);
    storage_reader_end(rig->reader);
    pack_codec_destroy(&c.codec);
}
