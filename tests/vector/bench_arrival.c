/* What a point of an arrival row costs, in bytes and ns. Not part of `make test`:
 * make build/tests/vector/bench_arrival && build/tests/vector/bench_arrival */
#include "base/clock.h"
#include "vector/arrival.h"

#include <stdio.h>
#include <stdlib.h>

enum { POINTS_MAX = 32768, POINTS_A_RUN = 1 << 22 };

static uint32_t items[POINTS_MAX];
static int64_t times_ms[POINTS_MAX];
static double values[POINTS_MAX];

enum shape { SPARSE_INTEGERS, DENSE_INTEGERS, RANDOM_DOUBLES };

static void fill(enum shape shape)
{
    unsigned seed = 7;
    for (uint32_t i = 0; i < POINTS_MAX; i++) {
        items[i] = shape == DENSE_INTEGERS ? 0 : (uint32_t)rand_r(&seed) % 1000000;
        times_ms[i] = 1424444400000 + (shape == DENSE_INTEGERS ? i * 1000 : i / 3000 * 1000);
        values[i] = rand_r(&seed) % 1000;
        if (shape == DENSE_INTEGERS)
            values[i] = 5;
        if (shape == RANDOM_DOUBLES)
            values[i] = rand_r(&seed) / 1e9 * rand_r(&seed);
    }
}

static void measure(const char *what, enum shape shape, uint32_t points)
{
    struct arrival_codec *codec;
    struct buffer body;
    fill(shape);
    buffer_init(&body, 1 << 24);
    if (arrival_codec_create(&codec) != 0)
        abort();
    struct arrival_points in = {points, items, times_ms, values, NULL}, out;
    uint32_t rounds = POINTS_A_RUN / points;
    int64_t encode_ns = 0, decode_ns = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        buffer_reset(&body, 1 << 24);
        int64_t t0 = clock_mono_ns();
        if (arrival_encode(codec, &in, &body) != 0)
            abort();
        int64_t t1 = clock_mono_ns();
        if (arrival_decode(codec, buffer_slice(&body), &out) != 0 || out.count != points)
            abort();
        decode_ns += clock_mono_ns() - t1;
        encode_ns += t1 - t0;
    }
    double n = (double)rounds * points;
    printf("%-16s rows of %5u: %5.2f bytes a point, encode %4.0f ns, decode %4.0f ns\n", what,
           points, (double)body.len / points, (double)encode_ns / n, (double)decode_ns / n);
    arrival_codec_destroy(&codec);
    buffer_fini(&body);
}

int main(void)
{
    static const uint32_t sizes[] = {20, 1000, POINTS_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        measure("sparse integers", SPARSE_INTEGERS, sizes[i]);
        measure("dense integers", DENSE_INTEGERS, sizes[i]);
        measure("random doubles", RANDOM_DOUBLES, sizes[i]);
    }
    return 0;
}
