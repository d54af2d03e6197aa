#include "inspect/inspect.h"

#include "base/error.h"
#include "base/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* tables, rows, bytes, csv: what stands in the database, for people. */

static const char *state_text(enum storage_run_state state)
{
    switch (state) {
    case STORAGE_BUILDING:
        return "building";
    case STORAGE_OPEN:
        return "open";
    case STORAGE_CLOSED:
        return "closed";
    case STORAGE_IN_FORCE:
        return "in force";
    case STORAGE_LEFT:
        return "left";
    }
    return "?";
}

static const char *time_text(int64_t s, char out[32])
{
    time_t t = (time_t)s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M", &tm) == 0)
        snprintf(out, 32, "%" PRId64, s);
    return out;
}

/* ---- tables ---- */

struct sizes {
    struct inspect *in;
    uint64_t run;
    uint64_t data_bytes, index_bytes;
    bool list;
};

static int add_table(void *arg, const struct storage_table *table)
{
    struct sizes *sizes = arg;
    if (table->run != sizes->run)
        return 0;
    sizes->data_bytes += table->data_bytes;
    sizes->index_bytes += table->index_bytes;
    if (sizes->list)
        printf("        %-64.*s %12" PRIu64 " rows %8.1f MB\n", (int)table->name.n, table->name.p,
               table->rows, (double)(table->data_bytes + table->index_bytes) / 1e6);
    return 0;
}

static int show_run(struct inspect *in, const struct storage_run *run)
{
    char from[32], to[32];
    bool catch_all = storage_is_catch_all(run->range);
    struct sizes sizes = {.in = in, .run = run->id};
    int err = storage_tables(in->session, INSPECT_ENVIRONMENT, &in->guard, add_table, &sizes);
    if (err != 0)
        return err;
    printf("%8" PRIu64 "  %-8s %-9s %5" PRIu32 " s  %-17s %-17s %12" PRIu64 " series %13" PRIu64
           " points %9.1f MB",
           run->id, run->kind == STORAGE_ARRIVAL ? "arrival" : "compact", state_text(run->state),
           run->resolution_s, catch_all ? "any time" : time_text(run->range.from_s, from),
           catch_all ? "" : time_text(run->range.to_s, to), run->series, run->points,
           (double)(sizes.data_bytes + sizes.index_bytes) / 1e6);
    if (run->points > 0)
        printf("  %.2f bytes/point",
               (double)(sizes.data_bytes + sizes.index_bytes) / (double)run->points);
    printf("\n");
    sizes.list = true;
    return storage_tables(in->session, INSPECT_ENVIRONMENT, &in->guard, add_table, &sizes);
}

int show_tables(struct inspect *in)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < in->runs.n; i++)
        if (in->run == 0 || inspect_takes(in, &in->runs.v[i]))
            err = show_run(in, &in->runs.v[i]);
    printf("tables of no run: catalog, progress and the like\n");
    struct sizes rest = {.in = in, .list = true};
    return err != 0
               ? err
               : storage_tables(in->session, INSPECT_ENVIRONMENT, &in->guard, add_table, &rest);
}

/* ---- rows ---- */

static int show_pack(void *arg, const struct storage_pack *p)
{
    struct inspect *in = arg;
    printf("%s host '%s' items %" PRIu32 " to %" PRIu32 " part %" PRIu32 ": %" PRIu32
           " items, %" PRIu64 " points, %" PRId64 " to %" PRId64
           " ms, summaries %zu bytes, vectors %zu bytes, minutes %zu bytes\n",
           inspect_group_name(in, p->category, p->dimension), inspect_host_name(in, p->host),
           p->first_item, p->last_item, p->part, p->items, p->points, p->min_ms, p->max_ms,
           p->summaries.n, p->vectors.n, p->minutes.n);
    return 0;
}

static int show_group_rows(struct inspect *in, const struct storage_run *run,
                           const struct storage_group *group, void *arg)
{
    struct block_filter filter = inspect_filter(group);
    if (run->kind == STORAGE_COMPACT)
        return storage_run_packs(in->second, run, &filter, INSPECT_BODIES, show_pack, in);
    printf("%s host '%s': %" PRIu64 " arrival rows, %" PRIu64 " points\n",
           inspect_group_name(in, group->category, group->dimension),
           inspect_host_name(in, group->host), group->rows, group->points);
    return 0;
}

static int each_run(struct inspect *in, inspect_group_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < in->runs.n; i++) {
        if (!inspect_takes(in, &in->runs.v[i]))
            continue;
        err = inspect_groups(in, &in->runs.v[i], visit, arg);
    }
    return err;
}

int show_rows(struct inspect *in)
{
    return each_run(in, show_group_rows, NULL);
}

/* ---- bytes a point ---- */

struct group_bytes {
    uint32_t category, dimension;
    uint64_t items, points, rows, summaries, vectors, minutes;
};

struct byte_counts {
    VEC(struct group_bytes) list;
    struct group_bytes *now;
};

static int count_pack(void *arg, const struct storage_pack *p)
{
    struct byte_counts *counts = arg;
    counts->now->items += p->items;
    counts->now->points += p->points;
    counts->now->rows++;
    counts->now->summaries += p->summaries.n;
    counts->now->vectors += p->vectors.n;
    counts->now->minutes += p->minutes.n;
    return 0;
}

static int count_group(struct inspect *in, const struct storage_run *run,
                       const struct storage_group *group, void *arg)
{
    struct byte_counts *counts = arg;
    if (run->kind != STORAGE_COMPACT)
        return 0;
    uint32_t i = 0;
    while (i < counts->list.n && (counts->list.v[i].category != group->category ||
                                  counts->list.v[i].dimension != group->dimension))
        i++;
    struct group_bytes fresh = {.category = group->category, .dimension = group->dimension};
    if (i == counts->list.n && !VEC_PUSH(&counts->list, fresh))
        return LT_ENOMEM;
    counts->now = &counts->list.v[i];
    struct block_filter filter = inspect_filter(group);
    return storage_run_packs(in->second, run, &filter, INSPECT_BODIES, count_pack, counts);
}

int show_bytes(struct inspect *in)
{
    struct byte_counts counts = {0};
    int err = each_run(in, count_group, &counts);
    printf("%14s %14s %12s %12s %12s %12s  %s\n", "points", "series x runs", "vectors/pt",
           "summaries/pt", "minutes/pt", "points/row", "category and dimension");
    for (uint32_t i = 0; err == 0 && i < counts.list.n; i++) {
        const struct group_bytes *g = &counts.list.v[i];
        double points = (double)g->points;
        printf("%14" PRIu64 " %14" PRIu64 " %12.3f %12.3f %12.3f %12.0f  %s\n", g->points, g->items,
               (double)g->vectors / points, (double)g->summaries / points,
               (double)g->minutes / points, points / (double)g->rows,
               inspect_group_name(in, g->category, g->dimension));
    }
    VEC_FINI(&counts.list);
    return err;
}

/* ---- csv ---- */

struct csv {
    struct inspect *in;
    const struct storage_run *run;
    const struct storage_pack *pack;
};

static void print_key(struct inspect *in, const struct storage_pack *p, uint32_t item)
{
    char key[4096];
    inspect_series_name(in, p->category, p->dimension, p->host, item, key, sizeof(key));
    putchar('"');
    for (const char *c = key; *c != '\0'; c++) {
        if (*c == '"')
            putchar('"');
        putchar(*c);
    }
    putchar('"');
}

static void print_value(double value)
{
    char text[NUMBER_F64_BYTES_MAX];
    (void)number_format_f64(value, text);
    printf(",%s", text);
}

static int csv_bucket(void *arg, uint32_t item, const struct rollup_bucket *b)
{
    struct csv *csv = arg;
    int64_t from_s = csv->run->range.from_s + (int64_t)b->number * csv->run->resolution_s;
    if (from_s < csv->in->from_s || from_s >= csv->in->to_s)
        return 0;
    print_key(csv->in, csv->pack, item);
    printf(",%" PRId64 ",%" PRIu64, from_s * 1000, b->summary.count);
    print_value(summary_total(&b->summary));
    print_value(b->summary.min);
    print_value(b->summary.max);
    print_value(b->summary.first);
    print_value(b->summary.last);
    putchar('\n');
    return 0;
}

static int csv_points(struct csv *csv)
{
    struct pack_points points;
    int err = pack_open_points(csv->in->pack, csv->run->range.from_s * 1000, csv->pack->summaries,
                               csv->pack->vectors, NULL, 0, &points);
    for (uint32_t i = 0; err == 0 && i < points.count; i++) {
        if (points.times_ms[i] / 1000 < csv->in->from_s ||
            points.times_ms[i] / 1000 >= csv->in->to_s)
            continue;
        print_key(csv->in, csv->pack, points.items[i]);
        printf(",%" PRId64, points.times_ms[i]);
        print_value(points.values[i]);
        putchar('\n');
    }
    return err;
}

static int csv_pack(void *arg, const struct storage_pack *pack)
{
    struct csv *csv = arg;
    csv->pack = pack;
    if (csv->run->resolution_s == 1)
        return csv_points(csv);
    return rollup_open(csv->in->rollup, csv->run->range.from_s * 1000,
                       csv->run->resolution_s * INT64_C(1000), pack->summaries, pack->vectors, NULL,
                       0, csv_bucket, csv);
}

static int csv_block(void *arg, const struct block *b)
{
    struct csv *csv = arg;
    struct storage_pack key = {.category = b->category, .dimension = b->dimension, .host = b->host};
    for (uint32_t i = 0; i < b->count; i++) {
        print_key(csv->in, &key, b->items[i]);
        printf(",%" PRId64, b->times_ms[i]);
        print_value(b->values[i]);
        putchar('\n');
    }
    return 0;
}

static int csv_group(struct inspect *in, const struct storage_run *run,
                     const struct storage_group *group, void *arg)
{
    struct csv csv = {.in = in, .run = run};
    struct block_filter filter = inspect_filter(group);
    if (run->kind == STORAGE_COMPACT)
        return storage_run_packs(in->second, run, &filter, STORAGE_SUMMARIES | STORAGE_VECTORS,
                                 csv_pack, &csv);
    int err = storage_run_scan(in->second, run, &filter, csv_block, &csv);
    filter.fresh = false;
    return err != 0 ? err : storage_run_scan(in->second, run, &filter, csv_block, &csv);
}

int show_csv(struct inspect *in)
{
    printf("series,time_ms,value  (coarser runs: series,time_ms,count,sum,min,max,first,last)\n");
    return each_run(in, csv_group, NULL);
}
