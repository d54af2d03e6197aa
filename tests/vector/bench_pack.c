/* What a point costs in observation and rank rows, in bytes and ns: items of 12 points an hour at
 * random seconds, times in us (log-normal) and counts of 1-5. Of this thread's time, as machines
 * are shared. Not part of `make test`: make build/tests/vector/bench_pack &&
 * build/tests/vector/bench_pack */
#include "support_random.h"
#include "vector/pack.h"
#include "vector/rank.h"
#include "vector/rollup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ITEMS = 1000000, POINTS = 12, HOUR_S = 3600 };

enum shape { TIME_US, COUNTS, SECONDS, SHAPES };
static const char *const shape_name[SHAPES] = {"times in us", "counts 1-5", "times in s, 6 digits"};

/* Near enough to a normal deviate: a sum of twelve uniform ones. */
static double random_normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(random_u64() >> 11) * 0x1p-53;
    return sum;
}

/* An item has its own typical time, and each of its points strays from that. */
struct item {
    double typical;
};

static struct item item_make(void)
{
    return (struct item){exp(5 + 1.2 * random_normal())};
}

static double item_value(const struct item *item, enum shape shape)
{
    if (shape == COUNTS)
        return (double)(1 + random_u64() % 5);
    double us = 1 + floor(item->typical * exp(0.5 * random_normal()));
    return shape == TIME_US ? us : us / 1e6;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(bool good)
{
    if (!good)
        abort();
}

/* ---- rank rows ---- */

static void page_fill(uint32_t number, enum shape shape, struct rank_page *page)
{
    page->count = RANK_PAGE_ITEMS;
    for (uint32_t i = 0; i < RANK_PAGE_ITEMS; i++) {
        struct item item = item_make();
        struct summary s;
        summary_init(&s);
        uint32_t points = 1 + (uint32_t)(random_u64() % 20);
        for (uint32_t k = 0; k < points; k++)
            summary_add(&s, k, item_value(&item, shape));
        page->items[i] = number * RANK_PAGE_ITEMS + i;
        page->counts[i] = s.count;
        page->sums[i] = summary_total(&s);
        page->maxs[i] = s.max;
    }
}

static void bench_pages(enum shape shape)
{
    enum { PAGES = 200, ROUNDS = 50 };
    struct rank_page *page = malloc(sizeof(*page));
    struct buffer body;
    size_t *ends = malloc(PAGES * sizeof(ends[0]));
    check(page != NULL && ends != NULL);
    buffer_init(&body, SIZE_MAX);
    int64_t encode_ns = 0;
    for (uint32_t i = 0; i < PAGES; i++) {
        page_fill(i, shape, page);
        int64_t start_ns = cpu_ns();
        check(rank_page_encode(i, page, &body) == 0);
        encode_ns += cpu_ns() - start_ns;
        ends[i] = body.len;
    }
    static const unsigned columns[] = {RANK_SUMS, RANK_SUMS | RANK_COUNTS, 7};
    double decode_ns[ARRAY_LEN(columns)];
    for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
        int64_t start_ns = cpu_ns();
        for (uint32_t i = 0; i < PAGES * ROUNDS; i++) {
            uint32_t at = i % PAGES;
            size_t begin = at == 0 ? 0 : ends[at - 1];
            struct slice one = slice_make(body.data + begin, ends[at] - begin);
            check(rank_page_decode(at, one, columns[c], page) == 0);
        }
        decode_ns[c] = (double)(cpu_ns() - start_ns) / PAGES / ROUNDS / RANK_PAGE_ITEMS;
    }
    printf("rank pages,   %-20s: %5.2f bytes an item, encode %3.0f ns, decode sums %.2f ns, "
           "and counts %.2f, and maxs %.2f\n",
           shape_name[shape], (double)body.len / PAGES / RANK_PAGE_ITEMS,
           (double)encode_ns / PAGES / RANK_PAGE_ITEMS, decode_ns[0], decode_ns[1], decode_ns[2]);
    buffer_fini(&body);
    free(ends);
    free(page);
}

static int entry_order(const void *a, const void *b)
{
    return rank_entry_before(a, b) ? -1 : rank_entry_before(b, a);
}

static void bench_top(enum shape shape)
{
    enum { ROUNDS = 200 };
    struct rank_entry *entries = malloc(ITEMS * sizeof(entries[0]));
    struct buffer body;
    check(entries != NULL);
    buffer_init(&body, SIZE_MAX);
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct item item = item_make();
        double sum = 0;
        for (uint32_t k = 0; k < POINTS; k++)
            sum += item_value(&item, shape);
        entries[i] = (struct rank_entry){i, sum, 12};
    }
    qsort(entries, ITEMS, sizeof(entries[0]), entry_order);
    for (uint32_t number = 0; number < 6; number += 5) {
        uint32_t n = rank_chunk_count(number, ITEMS);
        buffer_reset(&body, SIZE_MAX);
        check(rank_top_encode(entries + rank_chunk_begin(number), n, &body) == 0);
        uint32_t said;
        int64_t start_ns = cpu_ns();
        for (unsigned i = 0; i < ROUNDS; i++)
            check(rank_top_decode(buffer_slice(&body), entries, &said) == 0 && said == n);
        printf("top chunk %u,  %-20s: %5.2f bytes an entry, decode %.2f ns\n", (unsigned)number,
               shape_name[shape], (double)body.len / n, (double)(cpu_ns() - start_ns) / ROUNDS / n);
    }
    buffer_fini(&body);
    free(entries);
}

/* A day's items: 24 sets, each a tenth of all, or all but a tenth. */
static void bench_itemset(bool most)
{
    enum { IDS = 10000000, HOURS = 24 };
    struct itemset *set;
    struct buffer body;
    buffer_init(&body, SIZE_MAX);
    int64_t ns = 0;
    uint64_t bytes = 0, items = 0;
    struct itemset *day;
    check(itemset_create(&day) == 0);
    for (unsigned hour = 0; hour < HOURS; hour++) {
        check(itemset_create(&set) == 0);
        for (uint32_t i = 0; i < IDS; i++)
            if ((random_u64() % 10 != 0) == most)
                check(itemset_add(set, i) == 0);
        buffer_reset(&body, SIZE_MAX);
        check(itemset_encode(set, &body) == 0);
        bytes += body.len;
        items += itemset_count(set);
        int64_t start_ns = cpu_ns();
        check(itemset_merge(day, buffer_slice(&body)) == 0);
        ns += cpu_ns() - start_ns;
        itemset_destroy(&set);
    }
    printf("item sets of %.0f M of 10 M ids: %.2f bytes an item, merge %.2f ms\n",
           (double)items / HOURS / 1e6, (double)bytes / (double)items, (double)ns / HOURS / 1e6);
    itemset_destroy(&day);
    buffer_fini(&body);
}

/* ---- observation rows ---- */

struct cost {
    uint64_t items, points, rows;
    size_t summaries, vectors; /* bytes */
    int64_t encode_ns, sums_ns, all_ns, points_ns, some_ns;
};

/* A series of this hour. */
static uint32_t series_fill(enum shape shape, bool dense, int64_t *times_ms, double *values)
{
    struct item item = item_make();
    uint32_t n = dense ? HOUR_S : POINTS;
    bool taken[HOUR_S] = {0};
    for (uint32_t i = 0; !dense && i < n;) {
        uint32_t second = (uint32_t)(random_u64() % HOUR_S);
        i += !taken[second];
        taken[second] = true;
    }
    uint32_t at = 0;
    for (uint32_t second = 0; second < HOUR_S; second++) {
        if (!dense && !taken[second])
            continue;
        times_ms[at] = 1000 * (int64_t)second;
        values[at++] = item_value(&item, shape);
    }
    return n;
}

static void row_read(struct pack_codec *codec, const struct pack_row *row, struct cost *cost)
{
    struct pack_summaries s;
    struct pack_points p;
    int64_t t0 = cpu_ns();
    check(pack_open_summaries(codec, row->summaries, PACK_SUM, &s) == 0);
    int64_t t1 = cpu_ns();
    check(pack_open_summaries(codec, row->summaries, PACK_ALL, &s) == 0 && s.items == row->items);
    int64_t t2 = cpu_ns();
    check(pack_open_points(codec, 0, row->summaries, row->vectors, NULL, 0, &p) == 0 &&
          p.count == row->points);
    int64_t t3 = cpu_ns();
    uint32_t one = row->first_item + (row->last_item - row->first_item) / 2;
    check(pack_open_points(codec, 0, row->summaries, row->vectors, &one, 1, &p) == 0);
    cost->some_ns += cpu_ns() - t3;
    cost->sums_ns += t1 - t0;
    cost->all_ns += t2 - t1;
    cost->points_ns += t3 - t2;
    cost->rows++;
    cost->items += row->items;
    cost->points += row->points;
    cost->summaries += row->summaries.n;
    cost->vectors += row->vectors.n;
}

static void row_end(struct pack_writer *writer, struct pack_codec *codec, struct cost *cost)
{
    struct pack_row row;
    int64_t start_ns = cpu_ns();
    check(pack_finish(writer, &row) == 0);
    cost->encode_ns += cpu_ns() - start_ns;
    row_read(codec, &row, cost);
    pack_begin(writer, 0);
}

/* Items come in batches, so that the clock is read seldom. */
static void bench_rows(enum shape shape, bool dense)
{
    enum { BATCH = 64, SPARSE_ITEMS = 200000, DENSE_ITEMS = 300 };
    struct pack_writer *writer;
    struct pack_codec *codec;
    int64_t *times_ms = malloc(BATCH * HOUR_S * sizeof(times_ms[0]));
    double *values = malloc(BATCH * HOUR_S * sizeof(values[0]));
    check(pack_writer_create(&writer) == 0 && pack_codec_create(&codec) == 0 && times_ms && values);
    struct cost cost = {0};
    uint32_t items = dense ? DENSE_ITEMS : SPARSE_ITEMS;
    pack_begin(writer, 0);
    for (uint32_t item = 0; item < items; item += BATCH) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < BATCH; i++)
            n = series_fill(shape, dense, times_ms + i * HOUR_S, values + i * HOUR_S);
        int64_t start_ns = cpu_ns();
        for (uint32_t i = 0; i < BATCH; i++) {
            if (pack_is_full(writer)) {
                cost.encode_ns += cpu_ns() - start_ns;
                row_end(writer, codec, &cost);
                start_ns = cpu_ns();
            }
            struct vector_points points = {n, times_ms + i * HOUR_S, values + i * HOUR_S};
            check(pack_add(writer, item + i, &points, NULL) == 0);
        }
        cost.encode_ns += cpu_ns() - start_ns;
    }
    row_end(writer, codec, &cost);
    double points = (double)cost.points;
    printf(
        "%-6s rows,  %-20s: %5.2f bytes a point (summaries %.2f, vectors %.2f; %.0f KiB a row), "
        "encode %3.0f ns, decode %.1f; an item's sum %.1f, all columns %.1f; one series %.0f us\n",
        dense ? "dense" : "sparse", shape_name[shape],
        (double)(cost.summaries + cost.vectors) / points, (double)cost.summaries / points,
        (double)cost.vectors / points,
        (double)(cost.summaries + cost.vectors) / (double)cost.rows / 1024,
        (double)cost.encode_ns / points, (double)cost.points_ns / points,
        (double)cost.sums_ns / (double)cost.items, (double)cost.all_ns / (double)cost.items,
        (double)cost.some_ns / (double)cost.rows / 1e3);
    pack_writer_destroy(&writer);
    pack_codec_destroy(&codec);
    free(times_ms);
    free(values);
}

/* ---- coarser rows ---- */

struct sums {
    struct rollup_bucket buckets[24 * 60];
    uint32_t count;
};

/* A day of one series by the minute: 12 points an hour, or one each second. */
static void day_fill(enum shape shape, bool dense, struct sums *day)
{
    struct item item = item_make();
    day->count = 0;
    for (uint32_t minute = 0; minute < 24 * 60; minute++) {
        uint32_t points = dense ? 60 : random_u64() % 5 == 0;
        struct rollup_bucket *b = &day->buckets[day->count];
        summary_init(&b->summary);
        b->number = minute;
        for (uint32_t i = 0; i < points; i++)
            summary_add(&b->summary, i, item_value(&item, shape));
        day->count += points > 0;
    }
}

static int on_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    *(uint64_t *)arg += bucket->summary.count;
    return 0;
}

static void bench_rollup(enum shape shape, bool dense)
{
    enum { SERIES = 400 };
    struct rollup_writer *writer;
    struct rollup_codec *codec;
    struct sums *day = malloc(sizeof(*day));
    check(day != NULL && rollup_writer_create(&writer) == 0 && rollup_codec_create(&codec) == 0);
    int64_t encode_ns = 0, decode_ns = 0;
    size_t bytes = 0;
    uint64_t buckets = 0, rows = 0, points = 0, seen = 0;
    rollup_begin(writer, 0, 60000);
    for (uint32_t i = 0; i <= SERIES; i++) {
        if (i == SERIES || rollup_is_full(writer)) {
            struct pack_row row;
            int64_t t0 = cpu_ns();
            check(rollup_finish(writer, &row) == 0);
            int64_t t1 = cpu_ns();
            check(rollup_open(codec, 0, 60000, row.summaries, row.vectors, NULL, 0, on_bucket,
                              &seen) == 0);
            decode_ns += cpu_ns() - t1;
            encode_ns += t1 - t0;
            bytes += row.summaries.n + row.vectors.n;
            points += row.points;
            rows++;
            rollup_begin(writer, 0, 60000);
        }
        if (i == SERIES)
            break;
        day_fill(shape, dense, day);
        buckets += day->count;
        int64_t t0 = cpu_ns();
        check(rollup_add(writer, i, day->buckets, day->count, NULL) == 0);
        encode_ns += cpu_ns() - t0;
    }
    check(seen == points);
    printf("%-6s days,  %-20s: %5.2f bytes a bucket (%.0f KiB a row), encode %3.0f ns, decode "
           "%.1f\n",
           dense ? "dense" : "sparse", shape_name[shape], (double)bytes / (double)buckets,
           (double)bytes / (double)rows / 1024, (double)encode_ns / (double)buckets,
           (double)decode_ns / (double)buckets);
    rollup_writer_destroy(&writer);
    rollup_codec_destroy(&codec);
    free(day);
}

int main(void)
{
    bench_itemset(false);
    bench_itemset(true);
    for (enum shape shape = 0; shape < SHAPES; shape++) {
        bench_pages(shape);
        bench_top(shape);
        bench_rows(shape, false);
        bench_rows(shape, true);
        bench_rollup(shape, false);
        bench_rollup(shape, true);
    }
    return 0;
}
