#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "vector/frame.h"
#include "vector/pack.h"
#include "vector/rollup.h"
#include "vector/support_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double value_of(unsigned shape)
{
    uint64_t r = random_u64();
    switch (shape % 7) {
    case 0:
        return odd_value();
    case 1:
        return (double)(r % 100000) + (r % 97 == 0 ? 1e9 : 0);
    case 2:
        return (double)(int64_t)(r % 2001) - 1000;
    case 3:
        return (double)(r % 1000000) / 1e6;
    case 4:
        return r % 3 == 0 ? (double)NAN : (double)(r % 10);
    case 5:
        return 42;
    default:
        return (double)(r >> 11) * 0x1p-53;
    }
}

/* ---- the model: a row's series as they were given ---- */

enum { MODEL_ITEMS = 200, MODEL_POINTS = PACK_POINTS_MAX };

struct model {
    int64_t from_ms;
    uint32_t items;
    uint32_t item[MODEL_ITEMS];
    uint32_t begin[MODEL_ITEMS + 1]; /* of its points */
    struct summary summary[MODEL_ITEMS];
    int64_t times_ms[MODEL_POINTS];
    double values[MODEL_POINTS];
};

static uint32_t series_length(unsigned round)
{
    if (round % 10 == 0)
        return 1 + random_below(3600);
    return 1 + random_below(round % 3 == 0 ? 2 : 20);
}

/* Fills one row and the model of it. */
static void row_make(struct pack_writer *writer, struct model *m, unsigned round,
                     struct pack_row *out)
{
    static const int64_t steps_ms[] = {1, 1000, 60000};
    m->from_ms = round % 4 == 0 ? 0 : 1424444400000;
    m->items = 0;
    m->begin[0] = 0;
    int64_t step_ms = steps_ms[random_below(3)];
    uint32_t item = random_below(2) != 0 ? 0 : (uint32_t)random_u64() / 2;
    uint32_t items = 1 + random_below(MODEL_ITEMS);
    pack_begin(writer, m->from_ms);
    while (m->items < items && !pack_is_full(writer)) {
        uint32_t i = m->items++;
        uint32_t begin = m->begin[i];
        uint32_t n = series_length(round);
        int64_t at_ms = m->from_ms;
        for (uint32_t k = 0; k < n; k++) {
            at_ms += step_ms * (random_below(5) + (k > 0));
            m->times_ms[begin + k] = at_ms;
            m->values[begin + k] = value_of(round);
        }
        m->item[i] = item;
        m->begin[i + 1] = begin + n;
        item += 1 + (random_below(2) != 0 ? 0 : random_below(1000));
        struct vector_points points = {n, m->times_ms + begin, m->values + begin};
        assert_int_equal(pack_add(writer, m->item[i], &points, &m->summary[i]), 0);
        struct summary expected;
        summary_init(&expected);
        for (uint32_t k = 0; k < n; k++)
            summary_add(&expected, points.times_ms[k], points.values[k]);
        assert_int_equal(m->summary[i].count, expected.count);
        assert_int_equal(m->summary[i].last_ms, expected.last_ms);
        double sum = m->summary[i].sum;
        assert_same_double(expected.sum, isnan(sum) ? (double)NAN : sum);
    }
    assert_int_equal(pack_finish(writer, out), 0);
}

static void assert_row(const struct model *m, const struct pack_row *row)
{
    uint32_t points = m->begin[m->items];
    int64_t min_ms = INT64_MAX;
    int64_t max_ms = 0;
    for (uint32_t i = 0; i < points; i++) {
        min_ms = m->times_ms[i] < min_ms ? m->times_ms[i] : min_ms;
        max_ms = m->times_ms[i] > max_ms ? m->times_ms[i] : max_ms;
    }
    assert_int_equal(row->items, m->items);
    assert_int_equal(row->first_item, m->item[0]);
    assert_int_equal(row->last_item, m->item[m->items - 1]);
    assert_int_equal(row->points, points);
    assert_int_equal(row->min_ms, min_ms);
    assert_int_equal(row->max_ms, max_ms);
}

static void assert_summary_at(const struct pack_summaries *s, uint32_t i, unsigned columns,
                              const struct summary *e)
{
    if ((columns & PACK_COUNT) != 0) {
        assert_int_equal(s->count[i], e->count);
        assert_int_equal(s->nans != NULL ? s->nans[i] : 0, e->nans);
    }
    if ((columns & PACK_SUM) != 0)
        assert_same_double(e->count > 0 ? summary_total(e) : 0, s->sum[i]);
    if ((columns & PACK_MIN) != 0)
        assert_same_double(e->min, s->min[i]);
    if ((columns & PACK_MAX) != 0)
        assert_same_double(e->max, s->max[i]);
    if ((columns & PACK_ENDS) != 0) {
        assert_same_double(e->first, s->first[i]);
        assert_same_double(e->last, s->last[i]);
    }
}

static void assert_summaries(const struct model *m, const struct pack_summaries *s,
                             unsigned columns)
{
    assert_int_equal(s->items, m->items);
    assert_memory_equal(s->item, m->item, m->items * sizeof(m->item[0]));
    assert_true((s->count != NULL) == ((columns & PACK_COUNT) != 0));
    assert_true((s->sum != NULL) == ((columns & PACK_SUM) != 0));
    assert_true((s->min != NULL) == ((columns & PACK_MIN) != 0));
    assert_true((s->max != NULL) == ((columns & PACK_MAX) != 0));
    assert_true((s->first != NULL) == ((columns & PACK_ENDS) != 0));
    for (uint32_t i = 0; i < m->items; i++)
        assert_summary_at(s, i, columns, &m->summary[i]);
}

/* Some of the row's items, and some that it has not; ascending. */
static uint32_t wanted_make(const struct model *m, unsigned round, uint32_t *wanted)
{
    uint32_t n = 0;
    if (round % 5 == 0 && m->item[0] > 3)
        wanted[n++] = m->item[0] - 3;
    for (uint32_t i = 0; i < m->items; i++) {
        if (random_below(3) == 0)
            wanted[n++] = m->item[i];
        bool gap = i + 1 == m->items || m->item[i + 1] > m->item[i] + 1;
        if (gap && random_below(3) == 0)
            wanted[n++] = m->item[i] + 1;
    }
    return n;
}

static bool is_wanted(const uint32_t *wanted, uint32_t n, uint32_t item)
{
    for (uint32_t i = 0; i < n; i++)
        if (wanted[i] == item)
            return true;
    return wanted == NULL;
}

static void assert_points(const struct model *m, const struct pack_points *p,
                          const uint32_t *wanted, uint32_t wanted_count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < m->items; i++) {
        if (!is_wanted(wanted, wanted_count, m->item[i]))
            continue;
        for (uint32_t k = m->begin[i]; k < m->begin[i + 1]; k++, at++) {
            assert_in_range(at + 1, 1, p->count);
            assert_int_equal(p->items[at], m->item[i]);
            assert_int_equal(p->times_ms[at], m->times_ms[k]);
            assert_same_double(m->values[k], p->values[at]);
        }
    }
    assert_int_equal(p->count, at);
}

static void test_rows_give_back_summaries_and_points(void **state)
{
    (void)state;
    struct pack_writer *writer;
    struct pack_codec *codec;
    struct model *m = malloc(sizeof(*m));
    assert_non_null(m);
    assert_int_equal(pack_writer_create(&writer), 0);
    assert_int_equal(pack_codec_create(&codec), 0);
    for (unsigned round = 0; round < 600; round++) {
        struct pack_row row;
        struct pack_summaries s;
        struct pack_points p;
        uint32_t wanted[2 * MODEL_ITEMS + 1];
        row_make(writer, m, round, &row);
        assert_row(m, &row);
        unsigned columns = round % 4 == 0 ? PACK_ALL : random_below(PACK_ALL + 1);
        assert_int_equal(pack_open_summaries(codec, row.summaries, columns, &s), 0);
        assert_summaries(m, &s, columns);
        assert_int_equal(
            pack_open_points(codec, m->from_ms, row.summaries, row.vectors, NULL, 0, &p), 0);
        assert_points(m, &p, NULL, 0);
        uint32_t n = wanted_make(m, round, wanted);
        assert_int_equal(
            pack_open_points(codec, m->from_ms, row.summaries, row.vectors, wanted, n, &p), 0);
        assert_points(m, &p, wanted, n);
    }
    pack_writer_destroy(&writer);
    pack_codec_destroy(&codec);
    assert_null(writer);
    assert_null(codec);
    free(m);
}

static void test_a_row_is_full_by_bytes_items_or_points(void **state)
{
    (void)state;
    enum { N = PACK_PART_POINTS_MAX };
    struct pack_writer *writer;
    struct pack_codec *codec;
    struct pack_row row;
    struct pack_points p;
    int64_t *times_ms = malloc(N * sizeof(times_ms[0]));
    double *values = malloc(N * sizeof(values[0]));
    assert_non_null(times_ms);
    assert_non_null(values);
    assert_int_equal(pack_writer_create(&writer), 0);
    assert_int_equal(pack_codec_create(&codec), 0);
    static const uint32_t lengths[] = {1, 7, N, 40};
    for (unsigned shape = 0; shape < 4; shape++) {
        uint32_t item = 0;
        for (uint32_t i = 0; i < N; i++)
            times_ms[i] = 1000 * i;
        pack_begin(writer, 0);
        while (!pack_is_full(writer)) {
            /* Constants take next to nothing; noise takes eight bytes each. */
            for (uint32_t i = 0; i < lengths[shape]; i++)
                values[i] = shape % 2 == 1 ? (double)(random_u64() >> 11) * 0x1p-53 : 7;
            struct vector_points points = {lengths[shape], times_ms, values};
            if (shape == 2 && item == 0)
                points.count = N - 1;
            assert_int_equal(pack_add(writer, item++, &points, NULL), 0);
        }
        assert_int_equal(pack_finish(writer, &row), 0);
        assert_in_range(row.summaries.n + row.vectors.n, 1, 80 << 10);
        assert_int_equal(pack_open_points(codec, 0, row.summaries, row.vectors, NULL, 0, &p), 0);
        assert_int_equal(p.count, row.points);
        if (shape == 0)
            assert_int_equal(row.items, PACK_ITEMS);
        if (shape == 1)
            assert_in_range(row.vectors.n, 12000, 16330); /* one page of InnoDB */
        if (shape == 3)
            assert_in_range(row.points, PACK_BYTES / 9, PACK_BYTES / 7);
        if (shape == 2)
            assert_int_equal(row.points, PACK_POINTS_MAX - 1);
    }
    pack_begin(writer, 0);
    assert_int_equal(pack_finish(writer, &row), 0);
    assert_int_equal(row.items, 0);
    pack_writer_destroy(&writer);
    pack_codec_destroy(&codec);
    free(times_ms);
    free(values);
}

/* ---- coarser rows ---- */

enum { BUCKETS = 4000 };

struct coarse {
    int64_t from_ms, step_ms;
    uint32_t items;
    uint32_t item[MODEL_ITEMS];
    uint32_t begin[MODEL_ITEMS + 1]; /* of its buckets */
    struct summary summary[MODEL_ITEMS];
    struct rollup_bucket buckets[BUCKETS];
};

static void bucket_fill(struct rollup_bucket *b, uint32_t number, unsigned round)
{
    b->number = number;
    summary_init(&b->summary);
    for (uint32_t k = 1 + random_below(round % 3 == 0 ? 2 : 60); k > 0; k--)
        summary_add(&b->summary, random_below(60000), value_of(round));
}

static void coarse_make(struct rollup_writer *writer, struct coarse *c, unsigned round,
                        struct pack_row *out)
{
    c->from_ms = round % 3 == 0 ? 0 : 1424390400000;
    c->step_ms = round % 2 == 0 ? 60000 : 3600000;
    c->items = 0;
    c->begin[0] = 0;
    uint32_t items = 1 + random_below(MODEL_ITEMS);
    uint32_t item = random_below(2) != 0 ? 0 : (uint32_t)random_u64() / 2;
    rollup_begin(writer, c->from_ms, c->step_ms);
    while (c->items < items && c->begin[c->items] + 1440 <= BUCKETS) {
        uint32_t i = c->items++;
        uint32_t n = 1 + random_below(round % 10 == 0 ? 1440 : 20);
        uint32_t number = random_below(10);
        for (uint32_t k = 0; k < n; k++, number += 1 + random_below(round % 4 == 0 ? 1 : 5))
            bucket_fill(&c->buckets[c->begin[i] + k], number, round);
        c->item[i] = item;
        c->begin[i + 1] = c->begin[i] + n;
        item += 1 + random_below(3);
        assert_int_equal(
            rollup_add(writer, c->item[i], &c->buckets[c->begin[i]], n, &c->summary[i]), 0);
    }
    assert_int_equal(rollup_finish(writer, out), 0);
}

struct seen {
    const struct coarse *c;
    uint32_t at; /* of the buckets, the next that is wanted */
    const uint32_t *wanted;
    uint32_t wanted_count;
    uint32_t item; /* the one that `at` belongs to */
    uint32_t stop_at;
};

static void seen_skip(struct seen *s)
{
    while (s->item < s->c->items && (s->at == s->c->begin[s->item + 1] ||
                                     !is_wanted(s->wanted, s->wanted_count, s->c->item[s->item])))
        s->at = s->c->begin[++s->item];
}

static int bucket_seen(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    struct seen *s = arg;
    const struct coarse *c = s->c;
    seen_skip(s);
    assert_in_range(s->item + 1, 1, c->items);
    const struct rollup_bucket *e = &c->buckets[s->at];
    const struct summary *a = &bucket->summary;
    int64_t start_ms = e->summary.count > 0 ? c->from_ms + e->number * c->step_ms : 0;
    assert_int_equal(item, c->item[s->item]);
    assert_int_equal(bucket->number, e->number);
    assert_int_equal(a->count, e->summary.count);
    assert_int_equal(a->nans, e->summary.nans);
    assert_same_double(e->summary.count > 0 ? summary_total(&e->summary) : 0, a->sum);
    assert_same_double(0, a->lost);
    assert_same_double(e->summary.min, a->min);
    assert_same_double(e->summary.max, a->max);
    assert_same_double(e->summary.first, a->first);
    assert_same_double(e->summary.last, a->last);
    assert_int_equal(a->first_ms, start_ms);
    assert_int_equal(a->last_ms, start_ms);
    return s->at++ == s->stop_at ? 77 : 0;
}

/* What a series' buckets add up to, worked out bucket by bucket. */
static void assert_whole(const struct coarse *c, uint32_t i, const struct pack_summaries *s)
{
    struct summary e;
    summary_init(&e);
    for (uint32_t k = c->begin[i]; k < c->begin[i + 1]; k++) {
        const struct summary *one = &c->buckets[k].summary;
        bool is_first = e.count == 0 && one->count > 0;
        struct summary placed = *one;
        placed.first_ms = placed.last_ms = k;
        summary_merge(&e, &placed);
        if (is_first)
            assert_same_double(one->first, e.first);
    }
    assert_summary_at(s, i, PACK_ALL, &e);
    assert_int_equal(c->summary[i].count, e.count);
    assert_same_double(e.last, c->summary[i].last);
}

static void assert_coarse(struct rollup_codec *codec, struct pack_codec *plain,
                          const struct coarse *c, const struct pack_row *row)
{
    struct pack_summaries s;
    assert_int_equal(pack_open_summaries(plain, row->summaries, PACK_ALL, &s), 0);
    assert_int_equal(s.items, c->items);
    int64_t min_ms = INT64_MAX;
    int64_t max_ms = 0;
    for (uint32_t i = 0; i < c->items; i++) {
        int64_t first_ms = c->from_ms + c->buckets[c->begin[i]].number * c->step_ms;
        int64_t last_ms = c->from_ms + c->buckets[c->begin[i + 1] - 1].number * c->step_ms;
        assert_int_equal(s.item[i], c->item[i]);
        assert_whole(c, i, &s);
        min_ms = first_ms < min_ms ? first_ms : min_ms;
        max_ms = last_ms > max_ms ? last_ms : max_ms;
    }
    assert_int_equal(row->items, c->items);
    assert_int_equal(row->min_ms, min_ms);
    assert_int_equal(row->max_ms, max_ms + c->step_ms - 1);
    struct seen seen = {.c = c, .stop_at = UINT32_MAX};
    assert_int_equal(rollup_open(codec, c->from_ms, c->step_ms, row->summaries, row->vectors, NULL,
                                 0, bucket_seen, &seen),
                     0);
    assert_int_equal(seen.at, c->begin[c->items]);
}

static void test_buckets_come_back(void **state)
{
    (void)state;
    struct rollup_writer *writer;
    struct rollup_codec *codec;
    struct pack_codec *plain;
    struct coarse *c = malloc(sizeof(*c));
    assert_non_null(c);
    assert_int_equal(rollup_writer_create(&writer), 0);
    assert_int_equal(rollup_codec_create(&codec), 0);
    assert_int_equal(pack_codec_create(&plain), 0);
    for (unsigned round = 0; round < 400; round++) {
        struct pack_row row;
        coarse_make(writer, c, round, &row);
        assert_coarse(codec, plain, c, &row);
        uint32_t wanted[2] = {c->item[c->items / 2], UINT32_MAX};
        struct seen some = {.c = c, .wanted = wanted, .wanted_count = 2, .stop_at = UINT32_MAX};
        assert_int_equal(rollup_open(codec, c->from_ms, c->step_ms, row.summaries, row.vectors,
                                     wanted, 2, bucket_seen, &some),
                         0);
        assert_int_equal(some.at, c->begin[c->items / 2 + 1]);
        struct seen until = {.c = c, .stop_at = random_below(c->begin[c->items])};
        assert_int_equal(rollup_open(codec, c->from_ms, c->step_ms, row.summaries, row.vectors,
                                     NULL, 0, bucket_seen, &until),
                         77);
        assert_int_equal(until.at, until.stop_at + 1);
    }
    rollup_writer_destroy(&writer);
    rollup_codec_destroy(&codec);
    pack_codec_destroy(&plain);
    free(c);
}

static void test_a_coarse_row_is_full_by_buckets(void **state)
{
    (void)state;
    struct rollup_writer *writer;
    struct rollup_codec *codec;
    struct pack_row row;
    static struct coarse c;
    assert_int_equal(rollup_writer_create(&writer), 0);
    assert_int_equal(rollup_codec_create(&codec), 0);
    struct rollup_bucket *many = malloc(ROLLUP_PART_BUCKETS_MAX * sizeof(many[0]));
    assert_non_null(many);
    for (uint32_t i = 0; i < ROLLUP_PART_BUCKETS_MAX; i++)
        bucket_fill(&many[i], i, 0);
    rollup_begin(writer, 0, 1000);
    assert_int_equal(rollup_add(writer, 4, many, ROLLUP_BUCKETS - 1, NULL), 0);
    assert_false(rollup_is_full(writer));
    assert_int_equal(rollup_add(writer, 5, many, ROLLUP_PART_BUCKETS_MAX, NULL), 0);
    assert_true(rollup_is_full(writer));
    assert_int_equal(rollup_finish(writer, &row), 0);
    static const uint32_t none[1] = {6};
    struct seen seen = {.c = &c, .stop_at = UINT32_MAX};
    assert_int_equal(
        rollup_open(codec, 0, 1000, row.summaries, row.vectors, none, 1, bucket_seen, &seen), 0);
    rollup_begin(writer, 0, 1000);
    assert_int_equal(rollup_finish(writer, &row), 0);
    assert_int_equal(row.items, 0);
    free(many);
    rollup_writer_destroy(&writer);
    rollup_codec_destroy(&codec);
}

/* ---- golden bytes: they stand in tables and must stay readable ---- */

static const uint8_t golden_summaries[] = {
    0xcc, 0x0d, 0x24, 0x0e, 0x01, 0x00, 0x00, 0x00, 0x39, 0x00, 0x00, 0x00, 0x03, 0x05,
    0x00, 0x04, 0x14, 0x10, 0x94, 0x03, 0x05, 0x02, 0x03, 0x00, 0x46, 0x02, 0x04, 0x00,
    0x01, 0x00, 0x04, 0x00, 0x05, 0x00, 0x03, 0x02, 0x22, 0x00, 0x09, 0x00, 0x84, 0x00,
    0x01, 0x09, 0x0f, 0x02, 0x00, 0x7c, 0x05, 0x00, 0x03, 0x00, 0x04, 0x00, 0x03, 0x00,
    0x00, 0x00, 0x00, 0x09, 0x00, 0x84, 0x00, 0x01, 0x0d, 0x0f, 0x02, 0x00, 0x7c,
};
static const uint8_t golden_vectors[] = {
    0xcc, 0xe6, 0x23, 0x2f, 0x01, 0x00, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x00, 0x24, 0x0c, 0x20,
    0x05, 0x30, 0x00, 0x05, 0x7e, 0xc3, 0x24, 0x0c, 0x02, 0x0a, 0x05, 0x30, 0x00, 0x05, 0x0e,
    0x19, 0x02, 0x22, 0x01, 0x0c, 0x0a, 0x08, 0x00, 0x20, 0xe0, 0x10, 0x02, 0x40, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0xf0, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe0, 0x7f, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x80, 0x3e, 0x81, 0x04, 0x00, 0x08, 0x05, 0x10,
};
static const uint8_t golden_buckets[] = {
    0xe0, 0x7e, 0xa3, 0xe3, 0x01, 0x00, 0x00, 0x00, 0x32, 0x00, 0x00, 0x00, 0x03, 0x04, 0x00, 0x01,
    0x02, 0x01, 0x07, 0x00, 0x80, 0x06, 0x01, 0x01, 0x00, 0x2c, 0x02, 0x04, 0x00, 0x01, 0x02, 0x05,
    0x00, 0x05, 0x00, 0x04, 0x0a, 0xc0, 0x01, 0x06, 0x00, 0x07, 0x00, 0x5f, 0x80, 0x17, 0x03, 0x00,
    0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x07, 0x00, 0x5f, 0x80, 0x17,
};
static const uint8_t golden_near[] = {
    0x80, 0x9f, 0x1f, 0x0f, 0x01, 0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00,
    0x02, 0x02, 0x03, 0x00, 0x00, 0x04, 0x01, 0x03, 0x00, 0x00, 0x02, 0x03, 0x00, 0x00, 0x02, 0x03,
    0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x21, 0x03, 0x00, 0x00, 0x02, 0x03, 0x00, 0x00, 0x02,
};

static void test_bytes_of_observation_rows_are_pinned(void **state)
{
    (void)state;
    struct pack_writer *writer;
    struct pack_codec *codec;
    struct pack_row row;
    assert_int_equal(pack_writer_create(&writer), 0);
    assert_int_equal(pack_codec_create(&codec), 0);
    static const int64_t times_ms[] = {5000, 9000, 3599000};
    static const double values[][3] = {{7, 3, 12}, {5, 5, 5}, {(double)NAN, 1, 2000}, {1, 1, 1}};
    pack_begin(writer, 0);
    for (uint32_t i = 0; i < 4; i++) {
        struct vector_points points = {i == 3 ? 1 : 3, times_ms, values[i]};
        assert_int_equal(pack_add(writer, 10 + i * i, &points, NULL), 0);
    }
    assert_int_equal(pack_finish(writer, &row), 0);
    assert_golden("summaries", row.summaries, golden_summaries, sizeof(golden_summaries));
    assert_golden("vectors", row.vectors, golden_vectors, sizeof(golden_vectors));
    struct pack_points p;
    assert_int_equal(pack_open_points(codec, 0, row.summaries, row.vectors, NULL, 0, &p), 0);
    assert_int_equal(p.count, 10);

    static const double near[] = {0.1, 0.2};
    pack_begin(writer, 0);
    assert_int_equal(pack_add(writer, 1, &(struct vector_points){2, times_ms, near}, NULL), 0);
    assert_int_equal(pack_finish(writer, &row), 0);
    assert_golden("near", row.summaries, golden_near, sizeof(golden_near));
    pack_writer_destroy(&writer);
    pack_codec_destroy(&codec);

    struct rollup_writer *coarse;
    assert_int_equal(rollup_writer_create(&coarse), 0);
    rollup_begin(coarse, 0, 60000);
    for (uint32_t i = 0; i < 2; i++) {
        struct rollup_bucket buckets[2] = {{.number = 3}, {.number = 50}};
        summary_init(&buckets[0].summary);
        summary_init(&buckets[1].summary);
        summary_add(&buckets[0].summary, 1, 5 + i);
        summary_add(&buckets[0].summary, 2, 100);
        summary_add(&buckets[1].summary, 9, 17);
        assert_int_equal(rollup_add(coarse, 300 + i, buckets, 2 - i, NULL), 0);
    }
    assert_int_equal(rollup_finish(coarse, &row), 0);
    assert_golden("buckets", row.vectors, golden_buckets, sizeof(golden_buckets));
    rollup_writer_destroy(&coarse);
}

/* ---- spoilt bytes ---- */

static int bucket_checked(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    uint64_t *last = arg;
    uint64_t key = (uint64_t)item << 32 | bucket->number;
    assert_true(*last == UINT64_MAX || key > *last);
    *last = key;
    return 0;
}

/* Whatever decodes keeps the promises of the headers. */
static int points_checked(struct pack_codec *codec, struct slice summaries, struct slice vectors)
{
    struct pack_points p;
    int err = pack_open_points(codec, 0, summaries, vectors, NULL, 0, &p);
    for (uint32_t i = 1; err == 0 && i < p.count; i++)
        assert_true(p.items[i] > p.items[i - 1] ||
                    (p.items[i] == p.items[i - 1] && p.times_ms[i] > p.times_ms[i - 1]));
    return err;
}

static int row_checked(struct pack_codec *codec, struct rollup_codec *coarse, bool is_coarse,
                       struct slice summaries, struct slice vectors)
{
    struct pack_summaries s;
    int err = pack_open_summaries(codec, summaries, PACK_ALL, &s);
    for (uint32_t i = 1; err == 0 && i < s.items; i++)
        assert_true(s.item[i] > s.item[i - 1]);
    uint64_t last = UINT64_MAX;
    int more = !is_coarse ? points_checked(codec, summaries, vectors)
                          : rollup_open(coarse, 0, 60000, summaries, vectors, NULL, 0,
                                        bucket_checked, &last);
    return err != 0 ? err : more;
}

/* The raw payload of a body, however it stands there, under a new header. */
static void body_unframe(struct frame_codec *frame, struct slice body, struct buffer *raw)
{
    struct slice payload;
    assert_int_equal(frame_open(frame, 1, body, 1 << 26, &payload), 0);
    buffer_reset(raw, SIZE_MAX);
    buffer_append_slice(raw, payload);
}

static void body_frame(struct slice raw, struct buffer *body)
{
    buffer_reset(body, SIZE_MAX);
    size_t start = frame_begin(body);
    buffer_append_slice(body, raw);
    assert_int_equal(frame_end(1, start, body), 0);
}

struct spoiler {
    struct pack_codec *codec;
    struct rollup_codec *coarse;
    struct frame_codec *frame;
    struct buffer raw, bad;
    bool is_coarse;
    unsigned good; /* spoilt, and yet it decoded */
};

/* Spoils one of the two bodies: `other` stays as it is. */
static void spoil(struct spoiler *s, struct slice body, struct slice other, bool is_summaries)
{
    for (unsigned i = 0; i < 60; i++) {
        size_t at = random_below(random_below(2) != 0 && body.n > 100 ? 100 : body.n);
        buffer_reset(&s->bad, SIZE_MAX);
        buffer_append_slice(&s->bad, body);
        s->bad.data[at] = (char)(s->bad.data[at] ^ 1 << random_below(8));
        struct slice bad = i % 3 == 0 ? slice_upto(body, at) : buffer_slice(&s->bad);
        assert_int_equal(row_checked(s->codec, s->coarse, s->is_coarse, is_summaries ? bad : other,
                                     is_summaries ? other : bad),
                         LT_ECORRUPT);
    }
    /* Under a good checksum: what the fields themselves hold against it. */
    body_unframe(s->frame, body, &s->raw);
    for (unsigned i = 0; i < 300; i++) {
        struct slice raw = buffer_slice(&s->raw);
        size_t at = random_below(random_below(2) != 0 && raw.n > 60 ? 60 : raw.n);
        s->raw.data[at] = (char)(s->raw.data[at] ^ 1 << i % 8);
        body_frame(i % 5 == 0 && at > 0 ? slice_upto(raw, at) : raw, &s->bad);
        s->raw.data[at] = (char)(s->raw.data[at] ^ 1 << i % 8);
        struct slice bad = buffer_slice(&s->bad);
        int err = row_checked(s->codec, s->coarse, s->is_coarse, is_summaries ? bad : other,
                              is_summaries ? other : bad);
        assert_true(err == 0 || err == LT_ECORRUPT || err == LT_EVERSION);
        assert_true(err != 0 || i % 5 != 0 || at == 0);
        s->good += err == 0;
    }
}

static void test_spoilt_rows_are_found(void **state)
{
    (void)state;
    struct pack_writer *writer;
    struct rollup_writer *coarse_writer;
    struct spoiler s = {0};
    buffer_init(&s.raw, SIZE_MAX);
    buffer_init(&s.bad, SIZE_MAX);
    struct model *m = malloc(sizeof(*m));
    struct coarse *c = malloc(sizeof(*c));
    assert_non_null(m);
    assert_non_null(c);
    assert_int_equal(pack_writer_create(&writer), 0);
    assert_int_equal(rollup_writer_create(&coarse_writer), 0);
    assert_int_equal(pack_codec_create(&s.codec), 0);
    assert_int_equal(rollup_codec_create(&s.coarse), 0);
    assert_int_equal(frame_codec_create(&s.frame), 0);
    struct pack_row row;
    for (unsigned round = 0; round < 60; round++) {
        s.is_coarse = round % 2 != 0;
        if (s.is_coarse)
            coarse_make(coarse_writer, c, round / 2, &row);
        else
            row_make(writer, m, round / 2, &row);
        spoil(&s, row.summaries, row.vectors, true);
        spoil(&s, row.vectors, row.summaries, false);
    }
    /* Flipped values are values. */
    assert_true(s.good > 0);
    pack_writer_destroy(&writer);
    rollup_writer_destroy(&coarse_writer);
    pack_codec_destroy(&s.codec);
    rollup_codec_destroy(&s.coarse);
    frame_codec_destroy(&s.frame);
    buffer_fini(&s.raw);
    buffer_fini(&s.bad);
    free(m);
    free(c);
}

/* Rows of one item and of two, kept apart. */
struct pair {
    struct buffer summaries[2];
    struct buffer vectors[2];
};

static void pair_keep(struct pair *pair, unsigned i, const struct pack_row *row)
{
    buffer_init(&pair->summaries[i], SIZE_MAX);
    buffer_init(&pair->vectors[i], SIZE_MAX);
    buffer_append_slice(&pair->summaries[i], row->summaries);
    buffer_append_slice(&pair->vectors[i], row->vectors);
}

static void pair_fini(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        buffer_fini(&pair->summaries[i]);
        buffer_fini(&pair->vectors[i]);
    }
}

static void test_bodies_of_different_rows_do_not_go_together(void **state)
{
    (void)state;
    struct pack_writer *writer;
    struct rollup_writer *coarse_writer;
    struct pack_codec *codec;
    struct rollup_codec *coarse;
    struct pack_row row;
    struct pair fine, rough;
    assert_int_equal(pack_writer_create(&writer), 0);
    assert_int_equal(rollup_writer_create(&coarse_writer), 0);
    assert_int_equal(pack_codec_create(&codec), 0);
    assert_int_equal(rollup_codec_create(&coarse), 0);
    int64_t time_ms = 7;
    double value = 7;
    struct vector_points point = {1, &time_ms, &value};
    struct rollup_bucket bucket;
    bucket_fill(&bucket, 3, 1);
    for (uint32_t i = 0; i < 2; i++) {
        pack_begin(writer, 0);
        rollup_begin(coarse_writer, 0, 60000);
        for (uint32_t item = 0; item <= i; item++) {
            assert_int_equal(pack_add(writer, item, &point, NULL), 0);
            assert_int_equal(rollup_add(coarse_writer, item, &bucket, 1, NULL), 0);
        }
        assert_int_equal(pack_finish(writer, &row), 0);
        pair_keep(&fine, i, &row);
        assert_int_equal(rollup_finish(coarse_writer, &row), 0);
        pair_keep(&rough, i, &row);
    }
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 2; k++) {
            uint64_t last = UINT64_MAX;
            int expected = i == k ? 0 : LT_ECORRUPT;
            assert_int_equal(points_checked(codec, buffer_slice(&fine.summaries[i]),
                                            buffer_slice(&fine.vectors[k])),
                             expected);
            assert_int_equal(rollup_open(coarse, 0, 60000, buffer_slice(&rough.summaries[i]),
                                         buffer_slice(&rough.vectors[k]), NULL, 0, bucket_checked,
                                         &last),
                             expected);
        }
    pair_fini(&fine);
    pair_fini(&rough);
    pack_writer_destroy(&writer);
    rollup_writer_destroy(&coarse_writer);
    pack_codec_destroy(&codec);
    rollup_codec_destroy(&coarse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_give_back_summaries_and_points),
        cmocka_unit_test(test_a_row_is_full_by_bytes_items_or_points),
        cmocka_unit_test(test_buckets_come_back),
        cmocka_unit_test(test_a_coarse_row_is_full_by_buckets),
        cmocka_unit_test(test_bytes_of_observation_rows_are_pinned),
        cmocka_unit_test(test_spoilt_rows_are_found),
        cmocka_unit_test(test_bodies_of_different_rows_do_not_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
