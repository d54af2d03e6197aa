/* What a vector costs, in bytes a point and ns. Not part of `make test`:
 * make build/tests/vector/bench_series && build/tests/vector/bench_series [FILE]
 *
 * FILE: points that an agent sent (record_agent.py writes it): `SECOND METRIC VALUE`, times
 * ascending. Printed is what their vectors take, an hour a series, by the metric's second
 * component; EACH=PATH lists every vector. */
#include "base/clock.h"
#include "vector/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    RANGE_MS = 3600000,
    SECONDS = 3600,
    ROUNDS = 301,
    SPARSE_A_ROUND = 300,
    SPARSE = ROUNDS * SPARSE_A_ROUND
};
#define FROM_MS INT64_C(1795273200000)

static unsigned seed = 7;
static double uniform(void)
{
    return (rand_r(&seed) + 0.5) / ((double)RAND_MAX + 1);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t times_ms[SECONDS];
static double values[SECONDS];

/* The rounds of one measurement, each short enough that few are interrupted; the median is told. */
struct timing {
    double ns[ROUNDS];
};

static double median(struct timing *t)
{
    qsort(t->ns, ROUNDS, sizeof(t->ns[0]), by_value);
    return t->ns[ROUNDS / 2];
}

static void dense_measure(const char *what, double (*next)(uint32_t i))
{
    struct vector_codec *codec;
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    if (vector_codec_create(&codec) != 0)
        abort();
    for (uint32_t i = 0; i < SECONDS; i++) {
        times_ms[i] = FROM_MS + i * INT64_C(1000);
        values[i] = next(i);
    }
    struct vector_points points = {SECONDS, times_ms, values}, back;
    struct timing encode, decode;
    for (unsigned round = 0; round < ROUNDS; round++) {
        buffer_reset(&out, SIZE_MAX);
        int64_t t0 = clock_mono_ns();
        if (vector_encode(codec, FROM_MS, &points, &out) != 0)
            abort();
        int64_t t1 = clock_mono_ns();
        struct slice in = buffer_slice(&out);
        if (vector_decode(codec, FROM_MS, &in, &back) != 0 || back.count != SECONDS)
            abort();
        encode.ns[round] = (double)(t1 - t0);
        decode.ns[round] = (double)(clock_mono_ns() - t1);
    }
    printf("dense  %-22s %6.3f bytes a point, encode %6.1f us, decode %5.2f us\n", what,
           (double)out.len / SECONDS, median(&encode) / 1e3, median(&decode) / 1e3);
    vector_codec_destroy(&codec);
    buffer_fini(&out);
}

static double constant(uint32_t i)
{
    return 42 + (double)(i & 0);
}
static double mostly_zero(uint32_t i)
{
    return i % 60 == 17 ? floor(uniform() * 100) : 0;
}
static double small_deltas(uint32_t i)
{
    return floor(-20 * log(uniform())) + (double)(i & 0);
}
static double two_byte_deltas(uint32_t i)
{
    return floor(-4000 * log(uniform())) + (double)(i & 0);
}
static double load_average(uint32_t i)
{
    static double load = 2;
    if (i % 5 == 0)
        load += (floor(uniform() * 4) - load) * 0.08;
    return round(load * 100) / 100;
}
static double memory_walk(uint32_t i)
{
    static double pages = 1 << 20;
    pages += floor(uniform() * 200) - 100;
    return pages * 4096 + (double)(i & 0);
}
static double double_walk(uint32_t i)
{
    static double x = 100;
    return x += log(uniform()) * (uniform() - 0.5) + (double)(i & 0);
}

/* Sparse series in blocks as rows have them: raw vectors, and what zstd makes of 16 KiB of them. */
static void sparse_measure(const char *what, uint32_t count, double scale, double spread_ms)
{
    struct vector_codec *codec;
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    int64_t *t = malloc(SPARSE * count * sizeof(*t));
    double *v = malloc(SPARSE * count * sizeof(*v));
    if (vector_codec_create(&codec) != 0 || t == NULL || v == NULL)
        abort();
    for (size_t s = 0; s < SPARSE; s++) {
        double start = uniform() * (RANGE_MS - spread_ms);
        for (uint32_t i = 0; i < count; i++) {
            t[s * count + i] = FROM_MS + (int64_t)((start + uniform() * spread_ms) / 1000) * 1000;
            v[s * count + i] = floor(exp(log(scale) * uniform()));
        }
        qsort(&t[s * count], count, sizeof(*t), ascending);
        for (uint32_t i = 1; i < count; i++)
            if (t[s * count + i] <= t[s * count + i - 1])
                t[s * count + i] = t[s * count + i - 1] + 1000;
    }
    struct timing encode, decode;
    struct vector_points back;
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t start = out.len;
        int64_t t0 = clock_mono_ns();
        for (size_t s = round * SPARSE_A_ROUND; s < (round + 1) * SPARSE_A_ROUND; s++) {
            struct vector_points points = {count, &t[s * count], &v[s * count]};
            if (vector_encode(codec, FROM_MS, &points, &out) != 0)
                abort();
        }
        int64_t t1 = clock_mono_ns();
        struct slice in = slice_from(buffer_slice(&out), start);
        while (in.n > 0)
            if (vector_decode(codec, FROM_MS, &in, &back) != 0 || back.count != count)
                abort();
        encode.ns[round] = (double)(t1 - t0) / SPARSE_A_ROUND;
        decode.ns[round] = (double)(clock_mono_ns() - t1) / SPARSE_A_ROUND;
    }
    size_t packed = 0;
    char row[32768];
    for (size_t at = 0; at < out.len; at += 16384) {
        size_t n = out.len - at < 16384 ? out.len - at : 16384;
        packed += ZSTD_compress(row, sizeof(row), out.data + at, n, 3);
    }
    printf(
        "sparse %2u points, %-18s %5.2f bytes a point, %5.2f after zstd, encode %4.0f ns, decode "
        "%4.0f ns\n",
        count, what, (double)out.len / SPARSE / count, (double)packed / SPARSE / count,
        median(&encode), median(&decode));
    free(t);
    free(v);
    vector_codec_destroy(&codec);
    buffer_fini(&out);
}

/* ---- what an agent sent ---- */

struct series {
    char metric[200];
    uint32_t count;
    int64_t times_ms[SECONDS];
    double values[SECONDS];
};

enum { SERIES_MAX = 20000, GROUPS_MAX = 20 };
static struct series *all[SERIES_MAX];
static uint32_t series_count;

struct group {
    char name[40];
    uint64_t series, points, bytes;
};

static struct group *group_of(struct group *groups, const char *metric)
{
    char name[40] = "";
    const char *dot = strchr(metric, '.');
    (void)sscanf(dot == NULL ? metric : dot + 1, "%39[^.]", name);
    struct group *g = groups;
    while (g->name[0] != '\0' && strcmp(g->name, name) != 0 && g < groups + GROUPS_MAX - 1)
        g++;
    strcpy(g->name, name);
    return g;
}

static void series_flush(struct vector_codec *codec, int64_t from_ms, struct group *groups,
                         FILE *each)
{
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    for (uint32_t i = 0; i < series_count; i++) {
        struct series *s = all[i];
        buffer_reset(&out, SIZE_MAX);
        struct vector_points points = {s->count, s->times_ms, s->values};
        if (vector_encode(codec, from_ms, &points, &out) != 0)
            abort();
        struct group *g = group_of(groups, s->metric);
        g->series++;
        g->points += s->count;
        g->bytes += out.len;
        if (each != NULL)
            fprintf(each, "%7.3f %5u %6zu %s\n", (double)out.len / s->count, s->count, out.len,
                    s->metric);
        free(s);
    }
    series_count = 0;
    buffer_fini(&out);
}

static struct series *series_of(const char *metric)
{
    uint32_t i = 0;
    while (i < series_count && strcmp(all[i]->metric, metric) != 0)
        i++;
    if (i == series_count) {
        if (i == SERIES_MAX || (all[i] = calloc(1, sizeof(struct series))) == NULL)
            abort();
        strcpy(all[i]->metric, metric);
        series_count++;
    }
    return all[i];
}

static int file_measure(const char *path)
{
    FILE *in = fopen(path, "r");
    struct vector_codec *codec;
    if (in == NULL || vector_codec_create(&codec) != 0) {
        perror(path);
        return 1;
    }
    struct group groups[GROUPS_MAX] = {0};
    FILE *each = getenv("EACH") != NULL ? fopen(getenv("EACH"), "w") : NULL;
    int64_t from_ms = 0;
    long long second;
    char metric[200];
    double value;
    while (fscanf(in, "%lld %199s %lf", &second, metric, &value) == 3) {
        int64_t time_ms = second * INT64_C(1000);
        if (time_ms - from_ms >= RANGE_MS) {
            series_flush(codec, from_ms, groups, each);
            from_ms = time_ms - time_ms % RANGE_MS;
        }
        struct series *s = series_of(metric);
        if (s->count < SECONDS && (s->count == 0 || s->times_ms[s->count - 1] < time_ms)) {
            s->times_ms[s->count] = time_ms;
            s->values[s->count++] = value;
        }
    }
    fclose(in);
    series_flush(codec, from_ms, groups, each);
    if (each != NULL)
        fclose(each);
    struct group sum = {.name = "all"};
    for (struct group *g = groups; g < groups + GROUPS_MAX && g->name[0] != '\0'; g++) {
        printf("%-10s %6llu vectors %9llu points %6.3f bytes a point\n", g->name,
               (unsigned long long)g->series, (unsigned long long)g->points,
               (double)g->bytes / (double)g->points);
        sum.series += g->series, sum.points += g->points, sum.bytes += g->bytes;
    }
    printf("%-10s %6llu vectors %9llu points %6.3f bytes a point\n", sum.name,
           (unsigned long long)sum.series, (unsigned long long)sum.points,
           (double)sum.bytes / (double)sum.points);
    vector_codec_destroy(&codec);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return file_measure(argv[1]);
    dense_measure("constant", constant);
    dense_measure("mostly zero", mostly_zero);
    dense_measure("small deltas", small_deltas);
    dense_measure("deltas of two bytes", two_byte_deltas);
    dense_measure("load average", load_average);
    dense_measure("memory, a walk", memory_walk);
    dense_measure("doubles, a walk", double_walk);
    sparse_measure("1 … 10", 6, 10, RANGE_MS);
    sparse_measure("1 … 1000", 6, 1000, RANGE_MS);
    sparse_measure("1 … 1000", 10, 1000, RANGE_MS);
    sparse_measure("1 … 1e6", 10, 1e6, RANGE_MS);
    sparse_measure("1 … 1000, a minute", 12, 1000, 60000);
    return 0;
}
