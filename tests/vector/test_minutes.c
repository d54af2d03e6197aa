/* minutes.h: what a dense row's third body holds is what its points say, and no reader can tell
 * which of the two it was made from. */

#include "vector/minutes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "vector/support_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_S = 3600, FROM_S = 1424444400, CASES = 300, ITEMS_MAX = 12 };

struct hour {
    struct pack_writer *writer;
    struct minutes_codec *codec;
    struct pack_row row;
    uint32_t items;
    int64_t times_ms[HOUR_S];
    double values[HOUR_S];
};

static void hour_open(struct hour *h)
{
    memset(h, 0, sizeof(*h));
    assert_int_equal(pack_writer_create(&h->writer), 0);
    assert_int_equal(minutes_codec_create(&h->codec), 0);
}

static void hour_close(struct hour *h)
{
    pack_writer_destroy(&h->writer);
    minutes_codec_destroy(&h->codec);
}

static double value_of(unsigned shape)
{
    uint64_t r = random_u64();
    switch (shape % 5) {
    case 0:
        return (double)(r % 100000);
    case 1:
        return (double)(int64_t)(r % 2001) / 100 - 10;
    case 2:
        return (double)(r >> 11) * 0x1p-53;
    case 3:
        return r % 5 == 0 ? (double)NAN : (double)(r % 10);
    default:
        return odd_value();
    }
}

/* A series of every so-many-th second, with holes. */
static void add_series(struct hour *h, uint32_t item, uint32_t every_s, unsigned shape)
{
    struct vector_points points = {0, h->times_ms, h->values};
    bool hole = random_below(4) == 0;
    for (uint32_t s = random_below(every_s); s < HOUR_S; s += every_s) {
        if (hole && s / 60 % 7 == 3)
            continue;
        h->times_ms[points.count] = (FROM_S + (int64_t)s) * 1000 + random_below(1000);
        h->values[points.count++] = value_of(shape);
    }
    assert_int_equal(pack_add(h->writer, item, &points, NULL), 0);
}

/* Each bucket of each item, as numbers to be compared. */
struct seen {
    uint32_t n;
    unsigned columns;
    struct {
        uint32_t item;
        uint64_t number, count, nans;
        double sum, min, max, first, last;
    } v[ITEMS_MAX * 60];
};

static int see_columns(void *arg, uint32_t item, const struct rollup_columns *c)
{
    struct seen *seen = arg;
    assert_true((c->sum != NULL) == ((seen->columns & PACK_SUM) != 0));
    assert_true((c->min != NULL) == ((seen->columns & PACK_MIN) != 0));
    assert_true((c->max != NULL) == ((seen->columns & PACK_MAX) != 0));
    assert_true((c->last != NULL) == ((seen->columns & PACK_ENDS) != 0));
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t at = seen->n++;
        seen->v[at].item = item;
        seen->v[at].number = c->number[i];
        seen->v[at].count = c->count[i];
        seen->v[at].nans = c->nans[i];
        seen->v[at].sum = c->sum != NULL ? c->sum[i] : 0;
        seen->v[at].min = c->min != NULL ? c->min[i] : 0;
        seen->v[at].max = c->max != NULL ? c->max[i] : 0;
        seen->v[at].first = c->first != NULL ? c->first[i] : 0;
        seen->v[at].last = c->last != NULL ? c->last[i] : 0;
    }
    return 0;
}

static int see_bucket(void *arg, uint32_t item, const struct rollup_bucket *b)
{
    const struct summary *s = &b->summary;
    const uint64_t number = b->number;
    double sum = summary_total(s);
    const struct rollup_columns c = {.n = 1,
                                     .number = &number,
                                     .count = &s->count,
                                     .nans = &s->nans,
                                     .sum = &sum,
                                     .min = &s->min,
                                     .max = &s->max,
                                     .first = &s->first,
                                     .last = &s->last};
    return see_columns(arg, item, &c);
}

static struct seen *see(struct hour *h, bool stored, unsigned columns, const uint32_t *items,
                        uint32_t items_count)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    assert_non_null(seen);
    seen->columns = columns;
    struct slice minutes = stored ? h->row.minutes : (struct slice){0};
    struct slice vectors = stored ? (struct slice){0} : h->row.vectors; /* not looked at */
    assert_int_equal(minutes_open_columns(h->codec, FROM_S * INT64_C(1000), h->row.summaries,
                                          vectors, minutes, items, items_count, columns,
                                          see_columns, seen),
                     0);
    return seen;
}

/* There is one NaN. */
static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : same_double(a, b);
}

static void assert_same(const struct seen *a, const struct seen *b)
{
    assert_int_equal(a->n, b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        assert_int_equal(a->v[i].item, b->v[i].item);
        assert_int_equal(a->v[i].number, b->v[i].number);
        assert_int_equal(a->v[i].count, b->v[i].count);
        assert_int_equal(a->v[i].nans, b->v[i].nans);
        assert_true(same(a->v[i].sum, b->v[i].sum));
        assert_true(same(a->v[i].min, b->v[i].min));
        assert_true(same(a->v[i].max, b->v[i].max));
        assert_true(same(a->v[i].first, b->v[i].first));
        assert_true(same(a->v[i].last, b->v[i].last));
    }
}

static void check_row(struct hour *h)
{
    static const unsigned some[] = {PACK_ALL, PACK_SUM, PACK_MIN, PACK_MAX, PACK_ENDS, 0};
    unsigned columns = some[random_below(6)];
    uint32_t one = random_below(h->items);
    const uint32_t *items = random_below(2) == 0 ? &one : NULL;
    struct seen *stored = see(h, true, columns, items, 1);
    struct seen *made = see(h, false, columns, items, 1);
    assert_true(made->n > 0);
    assert_same(stored, made);
    free(stored);
    free(made);
    stored = see(h, true, PACK_ALL, NULL, 0);
    made = calloc(1, sizeof(*made));
    assert_non_null(made);
    made->columns = PACK_ALL;
    assert_int_equal(minutes_open(h->codec, FROM_S * INT64_C(1000), h->row.summaries,
                                  h->row.vectors, (struct slice){0}, NULL, 0, see_bucket, made),
                     0);
    assert_same(stored, made);
    free(stored);
    free(made);
}

static void test_stored_minutes_are_those_of_the_points(void **state)
{
    (void)state;
    struct hour *h = malloc(sizeof(*h));
    assert_non_null(h);
    hour_open(h);
    for (unsigned round = 0; round < CASES; round++) {
        pack_begin(h->writer, FROM_S * INT64_C(1000));
        uint32_t items = 1 + random_below(round % 3 == 0 ? 1 : 4);
        for (h->items = 0; h->items < items && !pack_is_full(h->writer); h->items++)
            add_series(h, h->items, 1 + random_below(2), round + h->items);
        assert_int_equal(pack_finish(h->writer, &h->row), 0);
        assert_non_null(h->row.minutes.p);
        check_row(h);
    }
    hour_close(h);
    free(h);
}

static void test_only_dense_rows_have_minutes(void **state)
{
    (void)state;
    static const struct {
        uint32_t every_s, items;
        bool minutes;
    } rows[] = {
        {1, 1, true}, {2, 4, true}, {3, 4, true}, {4, 4, false}, {10, 12, false}, {300, 12, false},
    };
    struct hour *h = malloc(sizeof(*h));
    assert_non_null(h);
    hour_open(h);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        pack_begin(h->writer, FROM_S * INT64_C(1000));
        for (uint32_t item = 0; item < rows[i].items && !pack_is_full(h->writer); item++)
            add_series(h, item, rows[i].every_s, 0);
        assert_int_equal(pack_finish(h->writer, &h->row), 0);
        assert_int_equal(h->row.minutes.p != NULL, rows[i].minutes);
        if (rows[i].minutes) /* small beside the points */
            assert_in_range(h->row.minutes.n, 1, h->row.vectors.n / 2);
    }
    pack_begin(h->writer, FROM_S * INT64_C(1000) + 1); /* minutes of their own */
    struct vector_points points = {1, h->times_ms, h->values};
    h->times_ms[0] = FROM_S * INT64_C(1000) + 1;
    assert_int_equal(pack_add(h->writer, 1, &points, NULL), 0);
    assert_int_equal(pack_finish(h->writer, &h->row), 0);
    assert_null(h->row.minutes.p);
    hour_close(h);
    free(h);
}

/* Sparse series first: the row is given up, whatever comes. Dense ones first: they carry a few. */
static void test_a_row_goes_by_its_average(void **state)
{
    (void)state;
    struct hour *h = malloc(sizeof(*h));
    assert_non_null(h);
    hour_open(h);
    for (unsigned dense_first = 0; dense_first < 2; dense_first++) {
        pack_begin(h->writer, FROM_S * INT64_C(1000));
        if (dense_first)
            add_series(h, 0, 1, 0);
        for (uint32_t item = 1; item < 30; item++)
            add_series(h, item, 1800, 0);
        if (!dense_first)
            add_series(h, 30, 1, 0);
        assert_int_equal(pack_finish(h->writer, &h->row), 0);
        assert_int_equal(h->row.minutes.p != NULL, dense_first);
    }
    hour_close(h);
    free(h);
}

static void test_broken_minutes_are_refused(void **state)
{
    (void)state;
    struct hour *h = malloc(sizeof(*h));
    assert_non_null(h);
    hour_open(h);
    pack_begin(h->writer, FROM_S * INT64_C(1000));
    add_series(h, 0, 1, 0);
    assert_int_equal(pack_finish(h->writer, &h->row), 0);
    size_t n = h->row.minutes.n;
    char *broken = malloc(n);
    assert_non_null(broken);
    struct seen *seen = calloc(1, sizeof(*seen));
    assert_non_null(seen);
    for (size_t i = 0; i < n; i++) {
        memcpy(broken, h->row.minutes.p, n);
        broken[i] ^= (char)(1 + random_below(255));
        seen->n = 0;
        seen->columns = PACK_SUM;
        int err =
            minutes_open_columns(h->codec, FROM_S * INT64_C(1000), h->row.summaries, h->row.vectors,
                                 slice_make(broken, n), NULL, 0, PACK_SUM, see_columns, seen);
        assert_true(err == LT_ECORRUPT || err == LT_EVERSION);
    }
    free(seen);
    free(broken);
    hour_close(h);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_minutes_are_those_of_the_points),
        cmocka_unit_test(test_only_dense_rows_have_minutes),
        cmocka_unit_test(test_a_row_goes_by_its_average),
        cmocka_unit_test(test_broken_minutes_are_refused),
    };
    return cmocka_run_group_tests_name("vector: minutes", tests, NULL, NULL);
}
