/* What a point costs, in bytes and ns: batches of TS.MADD-like points with names of 48 bytes. Not
 * part of `make test`:  make build/tests/record/bench_record && build/tests/record/bench_record */
#include "base/buffer.h"
#include "base/clock.h"
#include "record/record.h"

#include <stdio.h>
#include <stdlib.h>

enum { METRICS = 64000, SECONDS = 8, BATCH = 1000, NAME_BYTES = 48, ROUNDS = 200 };

enum values { INTEGERS, DECIMALS, DOUBLES };

static char texts[METRICS][NAME_BYTES + 1];

static double value_of(enum values values, uint32_t i)
{
    uint32_t mixed = i * 2654435761u;
    switch (values) {
    case INTEGERS: /* walks: of one or two bytes */
        return (int32_t)(mixed >> 25) - 64;
    case DECIMALS:
        return (mixed >> 20) * 0.01;
    case DOUBLES:
        break;
    }
    return mixed / 3.0;
}

struct shape {
    const char *what;
    int names, seconds;
    bool shuffled;
    enum values values;
};

enum { AT_ONCE = 64 }; /* as ingest is given them */

static void add(struct record_builder *b, const struct record_point *points, uint32_t n)
{
    uint32_t added;
    if (record_builder_add(b, false, POLICY_LAST, points, n, &added) != 0)
        abort();
}

static void fill(struct record_builder *b, const struct shape *shape, int round)
{
    struct record_point points[AT_ONCE];
    uint32_t n = 0;
    record_builder_reset(b);
    int first = round * BATCH % (METRICS - shape->names);
    for (int s = 0; s < shape->seconds; s++) {
        for (int i = 0; i < shape->names; i++) {
            int m = first + (shape->shuffled ? (i * 367 + s * 131) % shape->names : i);
            points[n++] = (struct record_point){SLICE_LIT("db1"), slice_make(texts[m], NAME_BYTES),
                                                1424444400000 + s * 1000,
                                                value_of(shape->values, (uint32_t)m)};
            if (n == AT_ONCE) {
                add(b, points, n);
                n = 0;
            }
        }
    }
    add(b, points, n);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof(v[0]), by_size);
    return v[ROUNDS / 2];
}

static void measure(const struct shape *shape)
{
    static double fill_ns[ROUNDS], finish_ns[ROUNDS], read_ns[ROUNDS];
    struct record_builder *b;
    struct record_reader *r;
    struct record record;
    struct slice bytes = {0};
    if (record_builder_create(1000 * 1000, &b) != 0 || record_reader_create(&r) != 0)
        abort();
    for (int round = 0; round < ROUNDS; round++) {
        int64_t t0 = clock_mono_ns();
        fill(b, shape, round);
        int64_t t1 = clock_mono_ns();
        if (record_builder_finish(b, 1, 1, &bytes) != 0)
            abort();
        int64_t t2 = clock_mono_ns();
        if (record_read(r, bytes, &record) != 0)
            abort();
        fill_ns[round] = (double)(t1 - t0);
        finish_ns[round] = (double)(t2 - t1);
        read_ns[round] = (double)(clock_mono_ns() - t2);
    }
    double points = (double)shape->names * shape->seconds;
    printf("%-42s %6.1f bytes, add %5.1f ns, finish %4.1f ns, read %5.1f ns a point\n", shape->what,
           (double)bytes.n / points, median(fill_ns) / points, median(finish_ns) / points,
           median(read_ns) / points);
    record_builder_destroy(&b);
    record_reader_destroy(&r);
}

int main(void)
{
    static const struct shape shapes[] = {
        {"6,400 names once, integers", 6400, 1, false, INTEGERS},
        {"6,400 names once, decimals", 6400, 1, false, DECIMALS},
        {"6,400 names once, random doubles", 6400, 1, false, DOUBLES},
        {"1,000 names, 8 seconds, same order", BATCH, SECONDS, false, INTEGERS},
        {"1,000 names, 8 seconds, shuffled", BATCH, SECONDS, true, INTEGERS},
        {"100 names once (one TS.MADD)", 100, 1, false, INTEGERS},
        {"1 point (one TS.ADD)", 1, 1, false, INTEGERS},
    };
    for (int i = 0; i < METRICS; i++)
        snprintf(texts[i], sizeof(texts[i]), "host.queries.c.%016llx.%-16s",
                 (i + 1) * 0x9e3779b97f4a7c15ull, "time_us_by_user_");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        measure(&shapes[i]);
    return 0;
}
