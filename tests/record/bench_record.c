/* What a point costs, in bytes and ns: batches of TS.MADD-like points with names of 48 bytes. Not
 * part of `make test`:  make build/tests/record/bench_record && build/tests/record/bench_record */
#include "base/buffer.h"
#include "base/clock.h"
#include "record/record.h"

#include <stdio.h>
#include <stdlib.h>

enum { METRICS = 1000, SECONDS = 8, NAME_BYTES = 48, ROUNDS = 200 };

static char texts[METRICS][NAME_BYTES + 1];

static void fill(struct record_builder *b, int names, int seconds, bool shuffled)
{
    record_builder_reset(b);
    for (int s = 0; s < seconds; s++) {
        for (int i = 0; i < names; i++) {
            int m = shuffled ? (i * 367 + s * 131) % names : i;
            if (record_builder_point(b, false, SLICE_LIT("db1"), slice_make(texts[m], NAME_BYTES),
                                     1424444400000 + s * 1000, i * 0.25, POLICY_LAST) != 0)
                abort();
        }
    }
}

static void measure(const char *what, int names, int seconds, bool shuffled)
{
    struct record_builder *b;
    struct record_reader *r;
    struct record record;
    struct slice bytes = {0};
    if (record_builder_create(1000 * 1000, &b) != 0 || record_reader_create(&r) != 0)
        abort();
    int64_t fill_ns = 0, finish_ns = 0, read_ns = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t t0 = clock_mono_ns();
        fill(b, names, seconds, shuffled);
        int64_t t1 = clock_mono_ns();
        if (record_builder_finish(b, 1, 1, &bytes) != 0)
            abort();
        int64_t t2 = clock_mono_ns();
        if (record_read(r, bytes, &record) != 0)
            abort();
        fill_ns += t1 - t0;
        finish_ns += t2 - t1;
        read_ns += clock_mono_ns() - t2;
    }
    double points = (double)names * seconds;
    printf("%-42s %6.1f bytes, add %5.1f ns, finish %4.1f ns, read %5.1f ns a point\n", what,
           (double)bytes.n / points, (double)fill_ns / ROUNDS / points,
           (double)finish_ns / ROUNDS / points, (double)read_ns / ROUNDS / points);
    record_builder_destroy(&b);
    record_reader_destroy(&r);
}

int main(void)
{
    for (int i = 0; i < METRICS; i++)
        snprintf(texts[i], sizeof(texts[i]), "host.queries.c.%016x.%-16s", i * 2654435761u,
                 "time_us_by_user_");
    measure("1,000 names once", METRICS, 1, false);
    measure("1,000 names, 8 seconds, same order", METRICS, SECONDS, false);
    measure("1,000 names, 8 seconds, shuffled", METRICS, SECONDS, true);
    measure("100 names once (one TS.MADD)", 100, 1, false);
    measure("1 point (one TS.ADD)", 1, 1, false);
    return 0;
}
