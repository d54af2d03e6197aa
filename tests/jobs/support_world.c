#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/support_world.h"

#include "base/vec.h"
#include "model/kind.h"
#include "port/storage_flush.h"
#include "support_random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t world_random(uint32_t below)
{
    return random_below(below);
}

static int64_t time_of(uint32_t hour, uint32_t time)
{
    return (rig_hour0_s + (int64_t)hour * 3600) * 1000 + (int64_t)time * 217001;
}

struct world_point {
    uint32_t category, dimension, host, item, hour, time;
    bool fresh;
    uint64_t lo;
    uint64_t order;
    double value;
    uint8_t policy;
};

static uint64_t key_of(const struct world_point *p)
{
    uint64_t key = p->category;
    key = key * WORLD_DIMENSIONS + p->dimension;
    key = key * WORLD_HOSTS + p->host;
    key = key * WORLD_ITEMS + p->item;
    key = key * WORLD_HOURS + p->hour;
    return key * WORLD_TIMES + p->time;
}

/* ---- writing ---- */

static double random_value(void)
{
    switch (world_random(12)) {
    case 0:
        return -0.0;
    case 1:
        return (double)NAN;
    case 2:
        return 4503599627370.0;
    default:
        return (double)world_random(2000) - 500;
    }
}

static unsigned random_hour(unsigned hours)
{
    unsigned hour;
    do
        hour = world_random(WORLD_HOURS);
    while ((hours >> hour & 1) == 0);
    return hour;
}

static struct world_point random_point(struct world *world, unsigned hours)
{
    struct world_point p = {
        .category = world_random(WORLD_CATEGORIES),
        .dimension = world_random(WORLD_DIMENSIONS),
        .host = world_random(WORLD_HOSTS),
        .hour = random_hour(hours),
        .time = world_random(WORLD_TIMES),
        .value = random_value(),
        .policy = (uint8_t)(world_random(3) == 0 ? world_random(POLICY_STORED_COUNT) : POLICY_LAST),
    };
    p.item = world_random(p.category == 0 ? WORLD_ITEMS : WORLD_FEW_ITEMS);
    struct world_series *series = &world->series[p.category][p.dimension][p.host][p.item];
    while (world_random(2) == 0 && p.time + 1 < WORLD_TIMES &&
           time_of(p.hour, p.time) <= series->newest_ms)
        p.time++;
    int64_t time_ms = time_of(p.hour, p.time);
    p.fresh = time_ms > series->newest_ms;
    series->newest_ms = p.fresh ? time_ms : series->newest_ms;
    struct world_cell *cell = &series->cells[p.hour][p.time];
    policy_step((enum policy)p.policy, p.value, &cell->present, &cell->value);
    return p;
}

static int point_block_order(const void *a, const void *b)
{
    const struct world_point *x = a, *y = b;
    uint32_t kx[] = {x->hour, x->category, x->dimension, x->host, x->fresh};
    uint32_t ky[] = {y->hour, y->category, y->dimension, y->host, y->fresh};
    for (unsigned i = 0; i < 5; i++)
        if (kx[i] != ky[i])
            return kx[i] < ky[i] ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static bool same_block(const struct world_point *a, const struct world_point *b)
{
    return a->hour == b->hour && a->category == b->category && a->dimension == b->dimension &&
           a->host == b->host && a->fresh == b->fresh;
}

static void put_block(struct rig *rig, const struct world_point *p, uint32_t n, uint64_t lo,
                      bool odd)
{
    uint32_t items[256];
    int64_t times_ms[256];
    double values[256];
    uint8_t policies[256];
    assert_true(n <= 256);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = p[i].item;
        times_ms[i] = time_of(p[i].hour, p[i].time);
        values[i] = p[i].value;
        policies[i] = p[i].policy;
    }
    const struct block block = {
        .category = p->category,
        .dimension = p->dimension,
        .host = p->host,
        .fresh = p->fresh,
        .lo = lo,
        .count = n,
        .items = items,
        .times_ms = times_ms,
        .values = values,
        .policies = policies,
    };
    struct storage_range range = odd ? (struct storage_range){0, 0} : rig_hour(p->hour);
    assert_int_equal(storage_flush_block(rig->flush, RIG_ENVIRONMENT, range, &block), 0);
}

static void put_beats(struct world *world, struct rig *rig, unsigned hours, bool odd)
{
    unsigned hour = random_hour(hours);
    uint32_t collector = world_random(WORLD_COLLECTORS), host = world_random(WORLD_HOSTS);
    uint8_t bits[BEAT_BYTES] = {0};
    for (unsigned i = 0; i < 5; i++)
        bits[world_random(BEAT_BYTES)] |= (uint8_t)(1 << world_random(8));
    for (unsigned i = 0; i < BEAT_BYTES; i++)
        world->beats[hour][collector][host][i] |= bits[i];
    const struct beat_block beat = {host, collector, (uint32_t)rig_hour(hour).from_s, bits};
    struct storage_range range = odd ? (struct storage_range){0, 0} : rig_hour(hour);
    assert_int_equal(storage_flush_beat(rig->flush, RIG_ENVIRONMENT, range, &beat), 0);
}

void world_flush(struct world *world, struct rig *rig, uint32_t points, unsigned hours, bool odd)
{
    struct storage_range ranges[WORLD_HOURS];
    uint32_t ranges_count = 0;
    for (unsigned h = 0; h < WORLD_HOURS && !odd; h++)
        if ((hours >> h & 1) != 0)
            ranges[ranges_count++] = rig_hour(h);
    if (odd)
        ranges[ranges_count++] = (struct storage_range){0, 0};
    assert_int_equal(storage_tables_ensure(rig->flush, RIG_ENVIRONMENT, ranges, ranges_count), 0);
    struct storage_flush flush = rig_flush(rig);
    assert_int_equal(storage_flush_begin(rig->flush, &flush), 0);
    struct world_point *p = calloc(points, sizeof(*p));
    assert_non_null(p);
    for (uint32_t i = 0; i < points; i++) {
        p[i] = random_point(world, hours);
        p[i].order = i;
    }
    qsort(p, points, sizeof(*p), point_block_order);
    for (uint32_t i = 0, end; i < points; i = end) {
        for (end = i; end < points && same_block(&p[i], &p[end]); end++)
            ;
        put_block(rig, p + i, end - i, flush.lo, odd);
    }
    free(p);
    put_beats(world, rig, hours, odd);
    assert_int_equal(storage_flush_commit(rig->flush), 0);
    rig_flushed(rig, &flush);
}

/* ---- reading, as readers do ---- */

struct collected {
    struct world_point *v;
    uint32_t n, cap;
};

static int collect(void *arg, const struct block *block)
{
    struct collected *all = arg;
    for (uint32_t i = 0; i < block->count; i++) {
        int64_t ms = block->times_ms[i] - rig_hour0_s * 1000;
        struct world_point p = {
            .category = block->category,
            .dimension = block->dimension,
            .host = block->host,
            .item = block->items[i],
            .hour = (uint32_t)(ms / 3600000),
            .time = (uint32_t)(ms % 3600000 / 217001),
            .fresh = block->fresh,
            .lo = block->lo,
            .order = all->n,
            .value = block->values[i],
            .policy = block->policies != NULL ? block->policies[i] : POLICY_LAST,
        };
        assert_true(p.hour < WORLD_HOURS && p.time < WORLD_TIMES &&
                    time_of(p.hour, p.time) == block->times_ms[i]);
        assert_true(VEC_PUSH(all, p));
    }
    return 0;
}

static int fold_order(const void *a, const void *b)
{
    const struct world_point *x = a, *y = b;
    if (key_of(x) != key_of(y))
        return key_of(x) < key_of(y) ? -1 : 1;
    if (x->fresh != y->fresh)
        return x->fresh ? -1 : 1;
    if (x->lo != y->lo)
        return x->lo < y->lo ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static const struct world_cell *cell_of(const struct world *world, const struct world_point *p)
{
    return &world->series[p->category][p->dimension][p->host][p->item].cells[p->hour][p->time];
}

static uint64_t present_points(const struct world *world)
{
    const struct world_series *series = &world->series[0][0][0][0];
    uint64_t n = 0;
    for (uint32_t i = 0; i < sizeof(world->series) / sizeof(*series); i++)
        for (uint32_t h = 0; h < WORLD_HOURS; h++)
            for (uint32_t t = 0; t < WORLD_TIMES; t++)
                n += series[i].cells[h][t].present;
    return n;
}

static void check_folded(const struct world *world, struct collected *all)
{
    uint64_t present = 0;
    if (all->n > 0)
        qsort(all->v, all->n, sizeof(all->v[0]), fold_order);
    for (uint32_t i = 0, end; i < all->n; i = end) {
        struct world_cell cell = {0};
        for (end = i; end < all->n && key_of(&all->v[i]) == key_of(&all->v[end]); end++) {
            assert_true(end == i || !all->v[end].fresh);
            policy_step((enum policy)all->v[end].policy, all->v[end].value, &cell.present,
                        &cell.value);
        }
        const struct world_cell *expected = cell_of(world, &all->v[i]);
        assert_int_equal(cell.present, expected->present);
        assert_true(!cell.present || same_double(cell.value, expected->value));
        present += cell.present;
    }
    assert_int_equal(present, present_points(world));
}

static int collect_beats(void *arg, const struct beat_block *block)
{
    uint8_t(*beats)[WORLD_HOSTS][BEAT_BYTES] = arg;
    uint32_t hour = (block->from_s - (uint32_t)rig_hour0_s) / 3600;
    for (unsigned i = 0; i < BEAT_BYTES; i++)
        beats[hour][block->host][i] |= block->bits[i];
    return 0;
}

static void check_beats(const struct world *world, struct rig *rig)
{
    for (uint32_t c = 0; c < WORLD_COLLECTORS; c++) {
        static uint8_t beats[WORLD_HOURS][WORLD_HOSTS][BEAT_BYTES];
        memset(beats, 0, sizeof(beats));
        const struct beat_filter filter = {.collector = c, .to_ms = INT64_MAX};
        assert_int_equal(storage_snapshot_scan_beats(rig->flush, &filter, collect_beats, beats), 0);
        for (uint32_t h = 0; h < WORLD_HOURS; h++)
            assert_memory_equal(beats[h], world->beats[h][c], sizeof(beats[h]));
    }
}

/* What the manifest says of each run's points is so. */
static int count_points(void *arg, const struct block *block)
{
    struct storage_run *counted = arg;
    for (uint32_t i = 0; i < block->count; i++)
        storage_run_count(counted, 1, block->fresh, block->times_ms[i], block->times_ms[i]);
    return 0;
}

static void check_counts(struct rig *rig, const uint32_t *dimensions)
{
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(rig->flush, &count);
    for (uint32_t r = 0; r < count; r++) {
        struct storage_run counted = {0};
        if (runs[r].resolution_s != 1)
            continue;
        for (uint32_t i = 0; i < 2 * WORLD_CATEGORIES; i++) {
            const struct block_filter filter = {.category = i / 2,
                                                .dimensions = dimensions,
                                                .dimensions_count = WORLD_DIMENSIONS,
                                                .to_ms = INT64_MAX,
                                                .fresh = i % 2 == 0};
            assert_int_equal(
                storage_run_scan(rig->flush, &runs[r], &filter, count_points, &counted), 0);
        }
        assert_int_equal(runs[r].points, counted.points);
        assert_int_equal(runs[r].fresh, counted.fresh);
        assert_true(runs[r].points == 0 ||
                    (runs[r].min_ms == counted.min_ms && runs[r].max_ms == counted.max_ms));
    }
}

void world_check(const struct world *world, struct rig *rig)
{
    static const uint32_t dimensions[WORLD_DIMENSIONS] = {0, 1};
    struct read_guard guard = {.deadline_mono_ms = INT64_MAX, .memory_bytes_max = SIZE_MAX};
    struct collected all = {0};
    uint64_t next;
    assert_int_equal(
        storage_snapshot_begin(rig->flush, RIG_ENVIRONMENT, RIG_PARTITION, &guard, &next), 0);
    assert_int_equal(next, rig->progress.next);
    for (uint32_t c = 0; c < WORLD_CATEGORIES; c++)
        for (unsigned fresh = 0; fresh < 2; fresh++) {
            const struct block_filter filter = {
                .category = c,
                .dimensions = dimensions,
                .dimensions_count = WORLD_DIMENSIONS,
                .to_ms = INT64_MAX,
                .fresh = fresh,
            };
            assert_int_equal(storage_snapshot_scan(rig->flush, &filter, collect, &all), 0);
        }
    check_folded(world, &all);
    check_beats(world, rig);
    check_counts(rig, dimensions);
    storage_snapshot_end(rig->flush);
    VEC_FINI(&all);
}
