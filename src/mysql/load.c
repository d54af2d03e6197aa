#include "mysql/session.h"

#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "vector/names.h"
#include "vector/seen.h"

#include <inttypes.h>

/* Catalogs, read in one snapshot with the progress row. */

struct load {
    struct mysql_session *s;
    uint32_t environment;
    const struct storage_loader *loader;
    VEC(struct slice) names; /* of the row at hand */
    VEC(uint32_t) details;
    VEC(uint32_t) ids;                                        /* of the row at hand */
    uint32_t first_h[SEEN_ITEMS_MAX], last_h[SEEN_ITEMS_MAX]; /* of the page at hand */
};

static int parse_numbers(const struct slice *columns, unsigned count, uint64_t *out)
{
    int err = 0;
    for (unsigned i = 0; err == 0 && i < count; i++)
        err = number_parse_u64(columns[i], &out[i]);
    return err != 0 ? LT_ECORRUPT : 0;
}

static int take_run(struct load *load, struct slice *raw, uint32_t holes, uint32_t names)
{
    int err = VEC_RESERVE(&load->names, (uint64_t)holes + names) &&
                      VEC_RESERVE(&load->details, (uint64_t)holes + names)
                  ? 0
                  : LT_ENOMEM;
    for (uint32_t i = 0; err == 0 && i < holes + names; i++) {
        struct slice name = {0};
        uint32_t detail = 0;
        if (i >= holes)
            err = names_get(raw, &detail, &name);
        load->names.v[load->names.n++] = name;
        load->details.v[load->details.n++] = detail;
    }
    return err;
}

/* All names of a row, before any of them is handed over. */
static int take_names(struct load *load, struct slice body, uint64_t count)
{
    struct slice raw;
    bool with_holes;
    load->names.n = 0;
    load->details.n = 0;
    int err = names_runs_open(load->s->frame, body, &with_holes, &raw);
    while (err == 0 && load->names.n < count) {
        uint32_t holes = 0, names = (uint32_t)count;
        if (with_holes)
            err = names_get_run(&raw, &holes, &names);
        if (err == 0 &&
            ((uint64_t)holes + names == 0 || (uint64_t)holes + names > count - load->names.n))
            err = LT_ECORRUPT;
        if (err == 0)
            err = take_run(load, &raw, holes, names);
    }
    return err == 0 && raw.n != 0 ? LT_ECORRUPT : err;
}

static int hand_over(struct load *load, const uint64_t *n)
{
    const struct storage_loader *loader = load->loader;
    if (n[0] == STORAGE_ITEM)
        return loader->items(loader->arg, load->environment, (uint32_t)n[1], (uint32_t)n[2],
                             load->names.v, load->names.n);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < load->names.n; i++) {
        struct storage_name name = {
            .what = (enum storage_name_what)n[0],
            .scope = (uint32_t)n[1],
            .id = (uint32_t)n[2] + i,
            .detail = load->details.v[i],
            .text = load->names.v[i],
        };
        err = loader->name(loader->arg, load->environment, &name);
    }
    return err;
}

/* what, scope, first, count, body */
static int load_names_row(void *arg, const struct slice *columns)
{
    struct load *load = arg;
    uint64_t n[4];
    int err = parse_numbers(columns, 4, n);
    if (err == 0)
        err = take_names(load, columns[4], n[3]);
    if (err == 0)
        return hand_over(load, n);
    log_error("mysql", "environment %" PRIu32 ": catalog row (%.*s, %.*s, %.*s) cannot be read: %s",
              load->environment, (int)columns[0].n, columns[0].p, (int)columns[1].n, columns[1].p,
              (int)columns[2].n, columns[2].p, error_text(err));
    return err;
}

static int load_watermark_row(void *arg, const struct slice *columns)
{
    struct load *load = arg;
    uint64_t n[2];
    struct storage_watermark watermark;
    int err = parse_numbers(columns, 2, n);
    if (err == 0)
        err = number_parse_i64(columns[2], &watermark.max_ms);
    if (err != 0)
        return err;
    watermark.host = (uint32_t)n[0];
    watermark.collector = (uint32_t)n[1];
    return load->loader->watermark(load->loader->arg, load->environment, &watermark);
}

static int load_text_row(void *arg, const struct slice *columns)
{
    struct load *load = arg;
    uint64_t n[2];
    int err = parse_numbers(columns, 2, n);
    if (err != 0)
        return err;
    struct storage_item_text text = {
        .category = (uint32_t)n[0],
        .item = (uint32_t)n[1],
        .text = columns[2],
    };
    return load->loader->text(load->loader->arg, load->environment, &text);
}

static int load_seen_row(void *arg, const struct slice *columns)
{
    struct load *load = arg;
    uint64_t n[2];
    struct storage_seen seen = {.first_h = load->first_h, .last_h = load->last_h};
    int err = parse_numbers(columns, 2, n);
    if (err == 0)
        err = seen_decode(load->s->frame, columns[2], load->first_h, load->last_h, &seen.count);
    if (err != 0) {
        log_error("mysql", "environment %" PRIu32 ": seen row (%.*s, %.*s) cannot be read: %s",
                  load->environment, (int)columns[0].n, columns[0].p, (int)columns[1].n,
                  columns[1].p, error_text(err));
        return err;
    }
    seen.category = (uint32_t)n[0];
    seen.page = (uint32_t)n[1];
    return load->loader->seen(load->loader->arg, load->environment, &seen);
}

static int take_ids(struct load *load, struct slice body)
{
    struct slice raw;
    uint64_t next = 0;
    int err = frame_open(load->s->frame, NAMES_HOLES_VERSION, body, NAMES_RAW_BYTES_MAX, &raw);
    while (err == 0 && raw.n > 0) {
        uint32_t skipped, count;
        err = names_get_run(&raw, &skipped, &count);
        if (err == 0 && (next + skipped + count > (uint64_t)UINT32_MAX + 1 || count == 0))
            err = LT_ECORRUPT;
        if (err == 0 && !VEC_RESERVE(&load->ids, count))
            err = LT_ENOMEM;
        for (uint32_t i = 0; err == 0 && i < count; i++)
            load->ids.v[load->ids.n++] = (uint32_t)(next + skipped + i);
        next += (uint64_t)skipped + count;
    }
    return err;
}

/* what, round, category, body, lo */
static int load_doom_row(void *arg, const struct slice *columns)
{
    struct load *load = arg;
    uint64_t n[3];
    int err = parse_numbers(columns, 3, n);
    load->ids.n = 0;
    if (err == 0 && columns[3].n > 0)
        err = take_ids(load, columns[3]);
    if (err != 0) {
        log_error("mysql", "environment %" PRIu32 ": doom row of offset %.*s cannot be read: %s",
                  load->environment, (int)columns[4].n, columns[4].p, error_text(err));
        return err;
    }
    struct storage_doom doom = {.what = (enum storage_doom_what)n[0],
                                .round = n[1],
                                .category = (uint32_t)n[2],
                                .items = load->ids.v,
                                .count = load->ids.n};
    return load->loader->doom(load->loader->arg, load->environment, &doom);
}

/* created, host, category, item, dimension, body */
static int load_series_row(void *arg, const struct slice *columns)
{
    struct load *load = arg;
    uint64_t n[5];
    int err = parse_numbers(columns, 5, n);
    if (err != 0)
        return err;
    struct storage_series series = {.created = n[0],
                                    .host = (uint32_t)n[1],
                                    .category = (uint32_t)n[2],
                                    .item = (uint32_t)n[3],
                                    .dimension = (uint32_t)n[4],
                                    .body = columns[5]};
    err = load->loader->series(load->loader->arg, load->environment, &series);
    if (err == LT_ECORRUPT)
        log_error("mysql",
                  "environment %" PRIu32 ": the series declared at offset %" PRIu64
                  " cannot be read",
                  load->environment, series.created);
    return err;
}

static int load_environment(struct mysql_session *s, uint32_t environment,
                            const struct storage_loader *loader)
{
    static const struct {
        const char *name;
        const char *columns;
        const char *table;
        conn_row *row;
    } queries[] = {
        {"load.names", "what, scope, first, count, body", "catalog_1 ORDER BY what, scope, first",
         load_names_row},
        {"load.watermarks", "host, collector, max_ms", "watermark_1 ORDER BY host, collector",
         load_watermark_row},
        {"load.texts", "category, item, text", "item_text_1 ORDER BY category, item",
         load_text_row},
        {"load.seen", "category, page, body", "seen_1 ORDER BY category, page", load_seen_row},
        {"load.dooms", "what, round, category, body, lo", "doom_1 ORDER BY lo, seq", load_doom_row},
        {"load.series", "created, host, category, item, dimension, body",
         "series_1 ORDER BY created", load_series_row},
    };
    struct load load = {.s = s, .environment = environment, .loader = loader};
    int err = 0;
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(queries); i++) {
        struct buffer *sql = session_sql(s);
        buffer_printf(sql, "SELECT %s FROM ", queries[i].columns);
        schema_put_table(sql, s->storage->prefix, environment, queries[i].table);
        err = session_query(s, queries[i].name, NULL, queries[i].row, &load);
    }
    VEC_FINI(&load.names);
    VEC_FINI(&load.details);
    VEC_FINI(&load.ids);
    return err;
}

int mysql_load(struct storage_session *base, uint32_t partition, const uint32_t *environments,
               uint32_t environments_count, const struct storage_loader *loader,
               struct storage_progress *out)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = conn_exec(&s->conn, "load.begin",
                        SLICE_LIT("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"), NULL);
    if (err != 0)
        return err;
    struct storage_progress progress;
    err = lease_read(s, partition, false, NULL, &progress);
    if (err == 0)
        err = lease_read_log_epoch(s, partition, &progress.log_epoch);
    for (uint32_t i = 0; err == 0 && i < environments_count; i++)
        err = load_environment(s, environments[i], loader);
    session_rollback(s); /* read only: the shortest way out, whatever happened */
    if (err == 0)
        *out = progress;
    return err;
}
