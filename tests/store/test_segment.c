#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/segment.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LO = 1000, HOUR_S = 1800 * 3600 };

static struct segment *new_segment(void)
{
    struct catalog *catalog;
    struct segment *s;
    assert_int_equal(catalog_create(1, &catalog), 0);
    assert_int_equal(segment_create(LO, &catalog, 1, &s), 0);
    catalog_unref(&catalog);
    return s;
}

struct point {
    uint64_t offset;
    uint32_t category, dimension, host, item;
    bool fresh;
    double value;
};

/* Record `offset` of a made-up log: always the same points for the same offset. */
static struct point point_of(uint64_t offset, int i)
{
    unsigned seed = (unsigned)(offset * 31 + (unsigned)i);
    return (struct point){.offset = offset,
                          .category = (uint32_t)rand_r(&seed) % 3,
                          .dimension = (uint32_t)rand_r(&seed) % 3,
                          .host = (uint32_t)rand_r(&seed) % 4,
                          .item = (uint32_t)rand_r(&seed) % 1000,
                          .fresh = rand_r(&seed) % 2 == 0,
                          .value = rand_r(&seed) % 100};
}

static int points_of(uint64_t offset)
{
    return (int)(offset % 5);
}

static int64_t time_of(const struct point *p)
{
    return HOUR_S * INT64_C(1000) + p->item;
}

static void append_record(struct segment *s, uint64_t offset)
{
    for (int i = 0; i < points_of(offset); i++) {
        struct point p = point_of(offset, i);
        struct segment_group *g =
            segment_group(s, 1, p.category, p.dimension, p.host, HOUR_S, p.fresh);
        if (g == NULL ||
            segment_append(s, g, offset, p.item, time_of(&p), p.value, POLICY_MAX) != 0)
            abort();
    }
    segment_publish(s, offset, offset);
}

struct sum {
    double value;
    uint64_t count;
};

static int add_block(void *arg, const struct block *b)
{
    struct sum *sum = arg;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->times_ms[i] != HOUR_S * INT64_C(1000) + b->items[i] || b->lo != LO ||
            (b->policies == NULL) != b->fresh)
            abort();
        sum->value += b->values[i];
    }
    sum->count += b->count;
    return 0;
}

static const uint32_t two_dimensions[] = {0, 2};
static const uint32_t two_hosts[] = {1, 3};

static struct block_filter filter_of(uint32_t category, bool hosts, bool fresh)
{
    return (struct block_filter){.category = category,
                                 .dimensions = two_dimensions,
                                 .dimensions_count = 2,
                                 .hosts = hosts ? two_hosts : NULL,
                                 .hosts_count = 2,
                                 .from_ms = HOUR_S * INT64_C(1000),
                                 .to_ms = HOUR_S * INT64_C(1000) + 3600000,
                                 .fresh = fresh};
}

static struct sum model(uint64_t from, uint64_t to, const struct block_filter *f)
{
    struct sum sum = {0, 0};
    for (uint64_t offset = from < LO ? LO : from; offset < to; offset++) {
        for (int i = 0; i < points_of(offset); i++) {
            struct point p = point_of(offset, i);
            if (p.category == f->category && p.dimension != 1 && p.fresh == f->fresh &&
                (f->hosts == NULL || p.host == 1 || p.host == 3)) {
                sum.value += p.value;
                sum.count++;
            }
        }
    }
    return sum;
}

static void expect_scan(struct segment *s, uint64_t from, uint64_t to)
{
    for (int i = 0; i < 12; i++) {
        struct block_filter f = filter_of((uint32_t)i % 3, i / 3 % 2 == 0, i / 6 == 0);
        struct sum want = model(from, to, &f), got = {0, 0};
        if (segment_scan(s, 1, from, to, &f, add_block, &got) != 0)
            abort();
        if (got.count != want.count || got.value != want.value)
            abort();
    }
}

static void test_every_cut_is_exact(void **state)
{
    (void)state;
    struct segment *s = new_segment();
    uint64_t hi = LO + 700;
    for (uint64_t offset = LO; offset < hi; offset++)
        append_record(s, offset);
    expect_scan(s, 0, hi);
    unsigned seed = 1;
    for (int i = 0; i < 100; i++) {
        uint64_t from = LO - 5 + (uint64_t)rand_r(&seed) % 710;
        uint64_t to = LO - 5 + (uint64_t)rand_r(&seed) % 706;
        expect_scan(s, from, to);
    }
    /* another hour, another environment: nothing */
    struct block_filter f = filter_of(0, false, true);
    struct sum got = {0, 0};
    assert_int_equal(segment_scan(s, 2, 0, hi, &f, add_block, &got), 0);
    f.from_ms += 3600000;
    f.to_ms += 3600000;
    assert_int_equal(segment_scan(s, 1, 0, hi, &f, add_block, &got), 0);
    assert_int_equal(got.count, 0);
    segment_unref(&s);
}

struct race {
    struct segment *segment;
    _Atomic uint64_t applied;
};

static void *scan_beside(void *arg)
{
    struct race *race = arg;
    unsigned seed = 7;
    uint64_t to;
    do {
        to = atomic_load(&race->applied);
        uint64_t from = LO + (uint64_t)rand_r(&seed) % (to - LO + 1);
        expect_scan(race->segment, from, to);
    } while (to < LO + 3000);
    return NULL;
}

/* What a view's `applied` cuts off must not show, however far the writer has come meanwhile. */
static void test_readers_beside_the_writer(void **state)
{
    (void)state;
    struct race race = {.segment = new_segment(), .applied = LO};
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, scan_beside, &race), 0);
    for (uint64_t offset = LO; offset < LO + 3000; offset++) {
        append_record(race.segment, offset);
        atomic_store(&race.applied, offset + 1);
    }
    pthread_join(reader, NULL);
    segment_unref(&race.segment);
}

static int keep_bits(void *arg, const struct beat_block *b)
{
    assert_int_equal(b->from_s, HOUR_S);
    memcpy(arg, b->bits, BEAT_BYTES);
    return 0;
}

static void test_beats_are_cut_like_points(void **state)
{
    (void)state;
    struct segment *s = new_segment();
    for (uint32_t i = 0; i < 100; i++) {
        struct segment_group *g = segment_group(s, 1, SEGMENT_BEATS, 4, 2, HOUR_S, true);
        assert_int_equal(segment_append(s, g, LO + i, i * 36, 0, 1, POLICY_LAST), 0);
        segment_publish(s, LO + i, 0);
    }
    uint8_t bits[BEAT_BYTES] = {0};
    struct beat_filter f = {4, NULL, 0, HOUR_S * INT64_C(1000), HOUR_S * INT64_C(1000) + 1};
    assert_int_equal(segment_scan_beats(s, 1, LO + 10, LO + 20, &f, keep_bits, bits), 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(bits[i * 36 / 8] >> (i * 36 % 8) & 1, i >= 10 && i < 20);
    segment_unref(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_is_exact),
        cmocka_unit_test(test_readers_beside_the_writer),
        cmocka_unit_test(test_beats_are_cut_like_points),
    };
    return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
