/* longtail-generate: writes history straight into the database, by the storage port that the store
 * flushes through, and compacts it by the job that the server runs. So a benchmark or a test has an
 * hour of ten million items without waiting for one.
 *
 *   workload (a pure function of the seed) -> blocks by (dimension, host) -> one flush transaction
 * an hour -> compact_range; or parts of an hour, each with a transaction -> compact_piece
 *
 * It takes the partition's lease, so that no server writes meanwhile, and moves no offset: the log
 * goes on where it was. */

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "base/option.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "generate/workload.h"
#include "jobs/job.h"
#include "mysql/mysql_storage.h"
#include "port/storage.h"
#include "port/storage_flush.h"
#include "port/storage_reads.h"
#include "port/storage_runs.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ENVIRONMENT = 1,
    PARTITION = 0,
    HOUR_S = 3600,
    LEASE_MS = 600 * 1000,
    BLOCK_POINTS_MAX = 1 << 15,
    BLOCKS_BYTES = 256 << 20, /* all buffers together */
    POINT_BYTES = 4 + 8 + 8,
    DIMENSIONS = 4,
};

static const struct option_spec options_table[] = {
    {.name = "hours",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = 24 * 400,
     .help = "how many hours of history",
     .section = "generate"},
    {.name = "end",
     .type = OPTION_TEXT,
     .default_text = "now",
     .help = "the history's end in Unix seconds, rounded down to an hour; now: the last whole hour",
     .section = "generate"},
    {.name = "items",
     .type = OPTION_INT,
     .default_text = "100000",
     .min = 1,
     .max = 100000000,
     .help = "query digests that are active in an hour",
     .section = "generate"},
    {.name = "points",
     .type = OPTION_INT,
     .default_text = "6",
     .min = 1,
     .max = 3600,
     .help = "points an hour of each item on each of its hosts",
     .section = "generate"},
    {.name = "dimensions",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = DIMENSIONS,
     .help = "1: time_us; 2: and tput; 3: and errors, which few have; 4: and rows, which a tenth "
             "has",
     .section = "generate"},
    {.name = "hosts",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = 100000,
     .help = "hosts, db00001 and up",
     .section = "generate"},
    {.name = "hosts-per-item",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = 100000,
     .help = "on how many of them an item runs",
     .section = "generate"},
    {.name = "zipf",
     .type = OPTION_TEXT,
     .default_text = "1.0",
     .help = "exponent of the items' cost by rank",
     .section = "generate"},
    {.name = "noise",
     .type = OPTION_TEXT,
     .default_text = "0.5",
     .help = "how much an item's cost differs from hour to hour: sigma of its logarithm",
     .section = "generate"},
    {.name = "churn",
     .type = OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = 100,
     .help = "percent of the items that are others each hour; 100: hours share none",
     .section = "generate"},
    {.name = "late",
     .type = OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = 100,
     .help = "percent of the items whose last point of an hour comes late, after compaction",
     .section = "generate"},
    {.name = "dense",
     .type = OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = 10000,
     .help = "gauges a host, one point a second",
     .section = "generate"},
    {.name = "seed",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 0,
     .max = INT64_MAX,
     .help = "the same seed and options give the same points",
     .section = "generate"},
    {.name = "compact",
     .type = OPTION_BOOL,
     .default_text = "yes",
     .help = "compact each hour, as the server's job does",
     .section = "generate"},
    {.name = "pieces",
     .type = OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = 3599,
     .help =
         "leave each hour as one that is still open: so many pieces of it, and as much again in "
         "arrival rows; less than --points",
     .section = "generate"},
    {.name = "write",
     .type = OPTION_BOOL,
     .default_text = "yes",
     .help = "no: only what --dump asks for",
     .section = "generate"},
    {.name = "dump",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "also write the points of time_us to this file, for peers: item u32, host u16, second "
             "u32, value f64, little-endian, 18 bytes each",
     .section = "generate"},
};

struct lane { /* points of one (category, dimension, host) on their way */
    uint32_t n;
    uint32_t *items;
    int64_t *times_ms;
    double *values;
};

struct generate {
    struct workload workload;
    const struct option_set *options;
    uint32_t dimensions;
    uint32_t hours;
    int64_t from_s;
    bool write, compact;
    uint32_t part, parts; /* of the hour: the one in hand, and how many */
    FILE *dump;

    struct storage *storage;
    struct storage_session *session, *reader;
    struct storage_progress progress;
    struct catalog *catalog;
    struct catalog_mark named;  /* names below it are stored */
    struct catalog_mark naming; /* … once the open transaction is */
    uint32_t *host_ids;
    uint32_t *item_ids;   /* by the workload's item */
    uint32_t items_named; /* of them */
    uint32_t category;
    uint32_t collector;
    uint32_t dimension_ids[DIMENSIONS];

    struct lane *lanes; /* dimension x hosts + host */
    uint32_t lane_points;
    bool fresh;
    struct storage_range range;
    uint64_t points;
};

static const char *const dimension_names[DIMENSIONS] = {"time_us", "tput", "errors", "rows"};

/* ---- names ---- */

static int resolve(struct generate *g, const char *item, uint32_t dimension,
                   struct catalog_series *out)
{
    char metric[64];
    int n =
        snprintf(metric, sizeof(metric), "host.queries.c.%s.%s", item, dimension_names[dimension]);
    return catalog_resolve(g->catalog, slice_make(metric, (size_t)n), out);
}

static int name_hosts(struct generate *g)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < g->workload.hosts; i++) {
        char name[16];
        int n = snprintf(name, sizeof(name), "db%05u", i + 1);
        err = catalog_host(g->catalog, slice_make(name, (size_t)n), &g->host_ids[i]);
    }
    return err;
}

/* Items are numbered when they first appear, as the log would number them. */
static int name_items(struct generate *g, uint32_t count)
{
    int err = 0;
    struct catalog_series series;
    for (; err == 0 && g->items_named < count; g->items_named++) {
        char name[17];
        workload_item_name(&g->workload, g->items_named, name);
        err = resolve(g, name, 0, &series);
        if (err == 0)
            g->item_ids[g->items_named] = series.item;
        if (g->items_named == 0) {
            for (uint32_t d = 0; err == 0 && d < g->dimensions; d++) {
                err = resolve(g, name, d, &series);
                g->dimension_ids[d] = series.dimension;
            }
            g->category = series.category;
            g->collector = series.collector;
        }
    }
    return err;
}

static int put_name(void *arg, const struct storage_name *name)
{
    return storage_flush_name(((struct generate *)arg)->session, ENVIRONMENT, name);
}

static int put_text(void *arg, const struct storage_item_text *text)
{
    return storage_flush_text(((struct generate *)arg)->session, ENVIRONMENT, text);
}

/* Who names an item that was doomed spares it. */
static int put_doom(void *arg, const struct storage_doom *doom)
{
    return storage_flush_doom(((struct generate *)arg)->session, ENVIRONMENT, doom);
}

/* Nobody declares any. */
static int put_series(void *arg, const struct storage_series *series)
{
    return storage_flush_series(((struct generate *)arg)->session, ENVIRONMENT, series);
}

static int flush_names(struct generate *g)
{
    const struct catalog_changes changes = {put_name, put_text, put_doom, put_series, g};
    g->naming = catalog_mark(g->catalog);
    return catalog_changes(g->catalog, g->named, g->naming, &changes);
}

/* ---- points ---- */

static int lane_flush(struct generate *g, struct lane *lane, uint32_t category, uint32_t dimension,
                      uint32_t host)
{
    struct block block = {
        .category = category,
        .dimension = dimension,
        .host = host,
        .fresh = g->fresh,
        .lo = g->progress.next,
        .count = lane->n,
        .items = lane->items,
        .times_ms = lane->times_ms,
        .values = lane->values,
    };
    lane->n = 0;
    g->points += block.count;
    return block.count == 0 ? 0 : storage_flush_block(g->session, ENVIRONMENT, g->range, &block);
}

static int lane_add(struct generate *g, uint32_t dimension, uint32_t host, uint32_t item,
                    int64_t time_ms, double value)
{
    struct lane *lane = &g->lanes[dimension * g->workload.hosts + host];
    lane->items[lane->n] = item;
    lane->times_ms[lane->n] = time_ms;
    lane->values[lane->n] = value;
    if (++lane->n < g->lane_points)
        return 0;
    return lane_flush(g, lane, g->category, g->dimension_ids[dimension], g->host_ids[host]);
}

static void dump_point(struct generate *g, uint32_t item, uint32_t host, int64_t second,
                       double value)
{
    char row[18];
    uint16_t h = (uint16_t)host;
    uint32_t s = (uint32_t)second;
    memcpy(row, &item, 4);
    memcpy(row + 4, &h, 2);
    memcpy(row + 6, &s, 4);
    memcpy(row + 10, &value, 8);
    (void)fwrite(row, sizeof(row), 1, g->dump);
}

static int put_point(struct generate *g, uint32_t hour, uint32_t slot, uint32_t number,
                     uint32_t copy, double level)
{
    const struct workload *w = &g->workload;
    struct workload_point p;
    uint32_t item = workload_item(w, hour, slot);
    uint32_t host = workload_host(w, item, copy);
    workload_point(w, hour, item, copy, number, level, &p);
    int64_t second = g->range.from_s + p.second;
    if (g->dump != NULL)
        dump_point(g, item, host, second, (double)p.time_us);
    if (!g->write)
        return 0;
    uint32_t id = g->item_ids[item];
    int err = lane_add(g, 0, host, id, second * 1000, (double)p.time_us);
    if (err == 0 && g->dimensions > 1)
        err = lane_add(g, 1, host, id, second * 1000, (double)p.executions);
    if (err == 0 && g->dimensions > 2 && p.error)
        err = lane_add(g, 2, host, id, second * 1000, 1);
    if (err == 0 && g->dimensions > 3 && item % 10 == 0)
        err = lane_add(g, 3, host, id, second * 1000, (double)(p.executions * (item % 7)));
    return err;
}

static uint32_t part_begin(const struct generate *g, uint32_t part, uint32_t of)
{
    return (uint32_t)((uint64_t)of * part / g->parts);
}

static bool is_late(const struct generate *g, uint32_t slot, uint32_t number)
{
    return number + 1 == g->workload.points &&
           slot % 100 < (uint32_t)option_int(g->options, "late");
}

/* Time goes on from stratum to stratum; within one, items come in no order, as queries do. */
static int put_sparse(struct generate *g, uint32_t hour, bool late)
{
    const struct workload *w = &g->workload;
    uint32_t end = part_begin(g, g->part + 1, w->points);
    int err = 0;
    for (uint32_t number = late ? w->points - 1 : part_begin(g, g->part, w->points);
         err == 0 && number < end; number++) {
        for (uint32_t i = 0; err == 0 && i < w->active; i++) {
            uint32_t slot = workload_rank(w, i);
            if (is_late(g, slot, number) != late)
                continue;
            double level = workload_level(w, hour, slot);
            for (uint32_t copy = 0; err == 0 && copy < w->hosts_per_item; copy++)
                err = put_point(g, hour, slot, number, copy, level);
        }
        for (uint32_t i = 0; err == 0 && g->write && i < g->dimensions * w->hosts; i++)
            err = lane_flush(g, &g->lanes[i], g->category, g->dimension_ids[i / w->hosts],
                             g->host_ids[i % w->hosts]);
    }
    return err;
}

static int put_gauge(struct generate *g, uint32_t host, uint32_t gauge, struct lane *lane)
{
    char metric[64];
    int n = snprintf(metric, sizeof(metric), "host.gauge.g%u.level", gauge);
    struct catalog_series series;
    int err = catalog_resolve(g->catalog, slice_make(metric, (size_t)n), &series);
    if (err != 0)
        return err;
    lane->n = 0;
    uint32_t end = part_begin(g, g->part + 1, HOUR_S);
    for (uint32_t second = part_begin(g, g->part, HOUR_S); second < end; second++) {
        int64_t at = g->range.from_s + second;
        lane->items[lane->n] = series.item;
        lane->times_ms[lane->n] = at * 1000;
        lane->values[lane->n++] = workload_gauge(&g->workload, host, gauge, at);
    }
    return lane_flush(g, lane, series.category, series.dimension, g->host_ids[host]);
}

static int put_dense(struct generate *g)
{
    uint32_t items[HOUR_S];
    int64_t times_ms[HOUR_S];
    double values[HOUR_S];
    struct lane lane = {0, items, times_ms, values};
    int64_t gauges = option_int(g->options, "dense");
    int err = 0;
    for (uint32_t host = 0; host < g->workload.hosts; host++)
        for (uint32_t i = 0; err == 0 && i < gauges; i++)
            err = put_gauge(g, host, i, &lane);
    return err;
}

static int put_beats(struct generate *g)
{
    uint8_t bits[BEAT_BYTES];
    memset(bits, 0xff, sizeof(bits));
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < g->workload.hosts; i++) {
        struct beat_block beat = {g->host_ids[i], g->collector, (uint32_t)g->range.from_s, bits};
        struct storage_watermark mark = {g->host_ids[i], g->collector, g->range.to_s * 1000 - 1};
        err = storage_flush_beat(g->session, ENVIRONMENT, g->range, &beat);
        if (err == 0)
            err = storage_flush_watermark(g->session, ENVIRONMENT, &mark);
    }
    return err;
}

/* ---- hours ---- */

static int put_hour(struct generate *g, uint32_t hour, bool late)
{
    int err = put_sparse(g, hour, late);
    if (err == 0 && !late && g->write)
        err = put_dense(g);
    if (err == 0 && !late && g->write)
        err = put_beats(g);
    return err == 0 && g->write ? flush_names(g) : err;
}

/* One transaction. */
static int flush_hour(struct generate *g, uint32_t hour, bool late)
{
    g->fresh = !late;
    if (!g->write)
        return put_hour(g, hour, late);
    struct storage_flush flush = {PARTITION,        g->progress.epoch,    g->progress.next,
                                  g->progress.next, g->progress.checksum, {0, 0}};
    int err = storage_lease_renew(g->session, PARTITION, g->progress.epoch, LEASE_MS);
    if (err == 0)
        err = storage_tables_ensure(g->session, ENVIRONMENT, &g->range, 1);
    if (err == 0)
        err = storage_flush_begin(g->session, &flush);
    if (err != 0)
        return err;
    err = put_hour(g, hour, late);
    if (err != 0) {
        storage_flush_abort(g->session);
        return err;
    }
    err = storage_flush_commit(g->session);
    if (err == 0) {
        catalog_forget_changes(g->catalog, g->naming);
        g->named = g->naming;
    }
    return err;
}

static struct catalog *catalog_of(void *arg, uint32_t environment)
{
    return catalog_ref(((struct generate *)arg)->catalog);
}

static int compact_hour(struct generate *g, bool piece)
{
    struct read_guard guard = {.deadline_mono_ms = INT64_MAX, .memory_bytes_max = SIZE_MAX};
    struct job_limits limits = {.memory_bytes_max = (size_t)1 << 30,
                                .ranked_items_min = JOB_RANKED_ITEMS};
    struct job_progress progress = {0};
    struct job_context context = {
        .session = g->session,
        .reader = g->reader,
        .guard = &guard,
        .fence = {PARTITION, g->progress.epoch},
        .environment = ENVIRONMENT,
        .limits = &limits,
        .progress = &progress,
        .now_ms = clock_wall_ms(),
        .catalog = catalog_of,
        .catalog_arg = g,
    };
    return piece ? compact_piece(&context, g->range) : compact_range(&context, g->range);
}

/* Later flushes open another run: this one's rows have the log's present offset, and the log goes
 * on from it. */
static int close_hour(struct generate *g)
{
    struct storage_fence fence = {PARTITION, g->progress.epoch};
    uint32_t closed;
    return storage_runs_close(g->session, &fence, ENVIRONMENT, g->range, &closed);
}

static int generate_hour(struct generate *g, uint32_t hour)
{
    g->range.from_s = g->from_s + (int64_t)hour * HOUR_S;
    g->range.to_s = g->range.from_s + HOUR_S;
    int64_t written_ms = 0, compacted_ms = 0;
    uint64_t before = g->points;
    int err = g->write ? name_items(g, workload_items(&g->workload, hour)) : 0;
    for (g->part = 0; err == 0 && g->part < g->parts; g->part++) {
        int64_t start_ms = clock_mono_ms();
        bool piece = g->part + 1 < g->parts;
        err = flush_hour(g, hour, false);
        if (err == 0 && g->write)
            err = close_hour(g);
        int64_t middle_ms = clock_mono_ms();
        if (err == 0 && g->write && (piece || g->compact))
            err = compact_hour(g, piece);
        written_ms += middle_ms - start_ms;
        compacted_ms += clock_mono_ms() - middle_ms;
    }
    g->part = g->parts - 1;
    if (err == 0 && option_int(g->options, "late") > 0) {
        err = flush_hour(g, hour, true);
        if (err == 0 && g->write)
            err = close_hour(g);
    }
    if (err == 0)
        fprintf(stderr, "hour %u of %u: %llu points, written in %.1f s, compacted in %.1f s\n",
                hour + 1, g->hours, (unsigned long long)(g->points - before),
                (double)written_ms / 1000, (double)compacted_ms / 1000);
    return err;
}

/* ---- set up ---- */

static int open_storage(struct generate *g)
{
    struct mysql_config config;
    mysql_config_from(g->options, &config);
    config.timeout_ms = LEASE_MS;
    config.read_timeout_ms = LEASE_MS;
    int err = mysql_storage_create(&config, &g->storage);
    if (err == 0)
        err = storage_session_create(g->storage, &g->session);
    if (err == 0)
        err = storage_session_create(g->storage, &g->reader);
    const uint32_t environment = ENVIRONMENT;
    if (err == 0)
        err = storage_prepare(g->session, 1, &environment, 1);
    if (err == 0)
        err = storage_lease_take(g->session, PARTITION, SLICE_LIT("longtail-generate"), LEASE_MS,
                                 &g->progress);
    if (err == LT_EHELD)
        fprintf(stderr, "longtail-generate: a longtaild owns the partition: stop it first, so that "
                        "two writers do not number names\n");
    if (err == 0)
        err = catalog_create(ENVIRONMENT, &g->catalog);
    if (err != 0)
        return err;
    uint64_t epoch = g->progress.epoch;
    struct storage_loader loader = catalog_loader(g->catalog);
    err = storage_load(g->session, PARTITION, &environment, 1, &loader, &g->progress);
    g->progress.epoch = epoch;
    g->named = catalog_mark(g->catalog);
    return err;
}

static int make_lanes(struct generate *g)
{
    uint32_t lanes = g->dimensions * g->workload.hosts;
    uint64_t points = BLOCKS_BYTES / POINT_BYTES / lanes;
    g->lane_points = points > BLOCK_POINTS_MAX ? BLOCK_POINTS_MAX : (uint32_t)points;
    g->lanes = calloc(lanes, sizeof(*g->lanes));
    g->host_ids = calloc(g->workload.hosts, sizeof(*g->host_ids));
    g->item_ids = calloc(workload_items(&g->workload, g->hours - 1), sizeof(*g->item_ids));
    if (g->lanes == NULL || g->host_ids == NULL || g->item_ids == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < lanes; i++) {
        struct lane *lane = &g->lanes[i];
        lane->items = malloc(g->lane_points * sizeof(*lane->items));
        lane->times_ms = malloc(g->lane_points * sizeof(*lane->times_ms));
        lane->values = malloc(g->lane_points * sizeof(*lane->values));
        if (lane->items == NULL || lane->times_ms == NULL || lane->values == NULL)
            return LT_ENOMEM;
    }
    return 0;
}

static int read_options(struct generate *g)
{
    const struct option_set *o = g->options;
    struct workload *w = &g->workload;
    *w = (struct workload){
        .seed = (uint64_t)option_int(o, "seed"),
        .active = (uint32_t)option_int(o, "items"),
        .churn_percent = (uint32_t)option_int(o, "churn"),
        .hosts = (uint32_t)option_int(o, "hosts"),
        .hosts_per_item = (uint32_t)option_int(o, "hosts-per-item"),
        .points = (uint32_t)option_int(o, "points"),
        .scale = 1e9,
    };
    g->dimensions = (uint32_t)option_int(o, "dimensions");
    g->hours = (uint32_t)option_int(o, "hours");
    g->write = option_bool(o, "write");
    g->parts = (uint32_t)option_int(o, "pieces") + 1;
    g->compact = g->write && g->parts == 1 && option_bool(o, "compact");
    int64_t end_s = (int64_t)time(NULL);
    const char *end = option_text(o, "end");
    if ((strcmp(end, "now") != 0 && number_parse_i64(slice_str(end), &end_s) != 0) ||
        number_parse_f64(slice_str(option_text(o, "zipf")), &w->zipf) != 0 ||
        number_parse_f64(slice_str(option_text(o, "noise")), &w->noise) != 0) {
        fprintf(stderr, "longtail-generate: --end is Unix seconds or now; --zipf and --noise are "
                        "numbers such as 1.0\n");
        return LT_EINVALID;
    }
    if (g->parts > w->points) {
        fprintf(stderr, "longtail-generate: --pieces is less than --points\n");
        return LT_EINVALID;
    }
    if (w->hosts_per_item > w->hosts)
        w->hosts_per_item = w->hosts;
    g->from_s = end_s / HOUR_S * HOUR_S - (int64_t)g->hours * HOUR_S;
    workload_init(w);
    return 0;
}

static void generate_fini(struct generate *g)
{
    if (g->session != NULL && g->progress.epoch != 0)
        storage_lease_release(g->session, PARTITION, g->progress.epoch);
    for (uint32_t i = 0; g->lanes != NULL && i < g->dimensions * g->workload.hosts; i++) {
        free(g->lanes[i].items);
        free(g->lanes[i].times_ms);
        free(g->lanes[i].values);
    }
    free(g->lanes);
    free(g->host_ids);
    free(g->item_ids);
    catalog_unref(&g->catalog);
    storage_session_destroy(&g->reader);
    storage_session_destroy(&g->session);
    storage_destroy(&g->storage);
}

static int generate_main(const struct option_set *options, void *arg)
{
    struct generate g = {.options = options};
    const char *dump = option_text(options, "dump");
    int err = read_options(&g);
    if (err == 0 && *dump != '\0' && (g.dump = fopen(dump, "wb")) == NULL) {
        fprintf(stderr, "longtail-generate: cannot write %s\n", dump);
        err = LT_EIO;
    }
    if (err == 0)
        err = make_lanes(&g);
    if (err == 0 && g.write)
        err = open_storage(&g);
    if (err == 0 && g.write)
        err = name_hosts(&g);
    for (uint32_t hour = 0; err == 0 && hour < g.hours; hour++)
        err = generate_hour(&g, hour);
    if (g.dump != NULL && (ferror(g.dump) != 0 || fclose(g.dump) != 0) && err == 0)
        err = LT_EIO;
    if (err == 0)
        printf("points %llu\nfrom %lld\nto %lld\n", (unsigned long long)g.points,
               (long long)g.from_s, (long long)(g.from_s + (int64_t)g.hours * HOUR_S));
    else
        fprintf(stderr, "longtail-generate: %s\n", error_text(err));
    generate_fini(&g);
    return err;
}

static void usage(void)
{
    printf(
        "Usage: longtail-generate [--option value ...]\n\nWrites made-up history into the database "
        "of a stopped longtaild, and compacts it.\n");
}

int main(int argc, char **argv)
{
    const struct tool_options options[] = {{options_table, ARRAY_LEN(options_table)},
                                           {mysql_options_table, mysql_options_table_count}};
    const struct tool tool = {"longtail-generate", usage,         options,
                              ARRAY_LEN(options),  generate_main, NULL};
    return tool_main(&tool, argc, argv);
}
