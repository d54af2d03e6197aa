#include "base/ascending.h"
#include "base/error.h"
#include "base/number.h"
#include "base/vec.h"
#include "mysql/run_read.h"
#include "mysql/select.h"

#include <inttypes.h>
#include <string.h>

/* Observation rows: which of them hold an item is known by their keys alone, as rows of one
 * (category, dimension, host) follow each other in item order:
 *
 *   first_item, last_item   [3 … 90] [90 … 90] [90 … 90] [95 … 200]
 *   part                        0        1         2         0
 *
 * Item 90 has three parts, the first at the end of a row with others. So an item stands in the rows
 * that begin with it, and in the one before them. Four plans:
 *
 *   one item     the last row that begins with it or before. 90 us with both bodies
 *   few items    for each (dimension, host, item) a range of the primary key, whose lower end is a
 *                subquery that reads one row. 130 us for the first
 *   many items   the keys of all rows, without bodies, 0.5 us each; then rows that matter, by key
 *   all items    a span of the primary key; also where the keys show that most rows matter, and for
 *                several categories at once
 *
 * But for many items, up to 32 runs are read by one statement.
 *
 * (tests/mysql/bench_reads.c) */

enum {
    LOOKUPS_MAX = 16,
    KEYS_MAX = 1 << 18, /* rows fetched by key: 3 MB of keys; more are read as a span */
    /* Runs in one statement, and lookups in all of them: an hour's row costs the server 40 us in a
       statement of many, 90 in one of its own; its text is not to be a hundred KB. */
    ARMS_MAX = 32,
    ARMS_LOOKUPS_MAX = 64,
};

struct pack_key {
    uint32_t dimension;
    uint32_t host;
    uint32_t first_item;
};

struct pack_scan {
    struct mysql_session *s;
    const struct storage_run *const *runs; /* of the statement in hand */
    uint32_t count;
    const struct block_filter *filter;
    enum storage_want want;
    storage_pack_visit *visit;
    void *arg;
    VEC(struct pack_key) keys;
    uint32_t keys_at, keys_count; /* of the statement in hand */
    uint64_t rows;                /* that the keys were chosen from */
    bool alone;     /* one item is read: each run's row is the last one that may hold it */
    uint32_t whole; /* … and for runs from this one on there may be others */
};

/* Is one of the items asked for within [first, last]? */
static bool items_within(const struct block_filter *filter, uint32_t first, uint32_t last)
{
    struct run_items span = run_items_of(filter);
    first = first > span.first ? first : span.first;
    last = last < span.last ? last : span.last;
    if (first > last || filter->items == NULL)
        return first <= last;
    uint32_t at = ascending_find(filter->items, filter->items_count, first);
    return at < filter->items_count && filter->items[at] <= last;
}

/* ---- rows ---- */

enum {
    PACK_RUN, /* position among those of the statement */
    PACK_CATEGORY,
    PACK_DIMENSION,
    PACK_HOST,
    PACK_FIRST_ITEM,
    PACK_PART,
    PACK_LAST_ITEM,
    PACK_ITEMS,
    PACK_POINTS,
    PACK_NUMBERS,
    PACK_MIN_MS = PACK_NUMBERS,
    PACK_MAX_MS,
    PACK_SUMMARIES,
    PACK_VECTORS,
    PACK_MINUTES,
};

static int pack_parse(const struct slice *columns, struct storage_pack *pack, uint64_t *run_out)
{
    uint64_t n[PACK_NUMBERS];
    int err = run_numbers(columns, n, PACK_NUMBERS);
    if (err == 0)
        err = number_parse_i64(columns[PACK_MIN_MS], &pack->min_ms);
    if (err == 0)
        err = number_parse_i64(columns[PACK_MAX_MS], &pack->max_ms);
    if (err != 0)
        return err;
    *run_out = n[PACK_RUN];
    pack->category = (uint32_t)n[PACK_CATEGORY];
    pack->dimension = (uint32_t)n[PACK_DIMENSION];
    pack->host = (uint32_t)n[PACK_HOST];
    pack->first_item = (uint32_t)n[PACK_FIRST_ITEM];
    pack->part = (uint32_t)n[PACK_PART];
    pack->last_item = (uint32_t)n[PACK_LAST_ITEM];
    pack->items = (uint32_t)n[PACK_ITEMS];
    pack->points = n[PACK_POINTS];
    pack->summaries = columns[PACK_SUMMARIES];
    pack->vectors = columns[PACK_VECTORS];
    pack->minutes = columns[PACK_MINUTES];
    return 0;
}

static int pack_row(void *arg, const struct slice *columns)
{
    struct pack_scan *scan = arg;
    struct storage_pack pack;
    uint64_t run = 0;
    int err = pack_parse(columns, &pack, &run);
    if (err == 0 && run >= scan->count)
        err = LT_EPARSE;
    if (err != 0)
        return run_row_failed(scan->s, scan->runs[0], err, "observation", columns + PACK_CATEGORY,
                              PACK_LAST_ITEM - PACK_CATEGORY);
    pack.run = scan->runs[run];
    if (scan->alone && pack.first_item == scan->filter->items[0] && pack.part > 0 &&
        run < scan->whole)
        scan->whole = (uint32_t)run;
    if ((scan->alone && run >= scan->whole) ||
        !items_within(scan->filter, pack.first_item, pack.last_item) ||
        pack.max_ms < scan->filter->from_ms || pack.min_ms > block_last_ms(scan->filter->to_ms))
        return 0;
    return scan->visit(scan->arg, &pack);
}

/* A statement is a SELECT a run, one after the other: the server sends their rows as it finds them,
 * and keeps the order of one that has a LIMIT. */
typedef void put_where(struct pack_scan *scan, const struct storage_run *run);

static void put_bodies(const struct pack_scan *scan, const struct storage_run *run)
{
    struct buffer *sql = &scan->s->sql;
    enum storage_want want = scan->want;
    bool either = (want & STORAGE_BY_MINUTE) != 0;
    bool minutes = run->resolution_s == 1 && (either || (want & STORAGE_MINUTES) != 0);
    buffer_append_str(sql, (want & STORAGE_SUMMARIES) != 0 ? ", summaries, " : ", NULL, ");
    if ((want & STORAGE_VECTORS) != 0 || (either && !minutes))
        buffer_append_str(sql, "vectors, ");
    else
        buffer_append_str(sql, either ? "IF(minutes IS NULL, vectors, NULL), " : "NULL, ");
    buffer_append_str(sql, minutes ? "minutes" : "NULL");
}

static void put_arm(struct pack_scan *scan, uint32_t number, put_where *where)
{
    struct buffer *sql = &scan->s->sql;
    const struct storage_run *run = scan->runs[number];
    buffer_printf(sql,
                  "SELECT %" PRIu32 ", category, dimension, host, first_item, part, last_item,"
                  " items, points, min_ms, max_ms",
                  number);
    put_bodies(scan, run);
    select_from(scan->s, SCHEMA_OBSERVATION, run, "PRIMARY");
    select_category(sql, scan->filter);
    where(scan, run);
    if (scan->alone) {
        buffer_append_str(sql, " ORDER BY first_item DESC, part DESC LIMIT 1");
        return;
    }
    select_times(sql, scan->filter->from_ms, scan->filter->to_ms);
    buffer_append_str(sql, " ORDER BY category, dimension, host, first_item, part");
    if (scan->count > 1)
        buffer_printf(sql, " LIMIT %" PRIu64, UINT64_MAX);
}

static int rows_read(struct pack_scan *scan, put_where *where)
{
    struct buffer *sql = session_limit(scan->s, scan->s->guard);
    for (uint32_t i = 0; i < scan->count; i++) {
        buffer_append_str(sql, i > 0 ? " UNION ALL (" : scan->count > 1 ? "(" : "");
        put_arm(scan, i, where);
        buffer_append_str(sql, scan->count > 1 ? ")" : "");
    }
    return session_query(scan->s, "read.packs", scan->s->guard, pack_row, scan);
}

/* ---- all items ---- */

/* Items of several categories are so few that a condition for them would only cost. */
static void put_span(struct pack_scan *scan, const struct storage_run *run)
{
    struct buffer *sql = &scan->s->sql;
    const struct block_filter *filter = scan->filter;
    select_in(sql, "dimension", filter->dimensions, filter->dimensions_count);
    select_near(sql, "host", filter->hosts, filter->hosts_count);
    struct run_items items = run_items_of(filter);
    if (filter->categories == NULL && (items.first > 0 || items.last < UINT32_MAX))
        buffer_printf(sql, " AND first_item <= %" PRIu32 " AND last_item >= %" PRIu32, items.last,
                      items.first);
}

static int read_span(struct pack_scan *scan)
{
    return rows_read(scan, put_span);
}

/* ---- few items ---- */

/* The rows of one (dimension, host) with items of [first, last]. */
static void put_lookup(struct pack_scan *scan, const struct storage_run *run, uint32_t dimension,
                       uint32_t host, struct run_items items)
{
    struct buffer *sql = &scan->s->sql;
    buffer_printf(sql,
                  "(dimension = %" PRIu32 " AND host = %" PRIu32
                  " AND first_item BETWEEN IFNULL((SELECT MAX(first_item)",
                  dimension, host);
    select_from(scan->s, SCHEMA_OBSERVATION, run, "PRIMARY");
    buffer_printf(sql,
                  " WHERE category = %" PRIu32 " AND dimension = %" PRIu32 " AND host = %" PRIu32
                  " AND first_item < %" PRIu32 "), 0) AND %" PRIu32 " AND last_item >= %" PRIu32
                  ")",
                  scan->filter->category, dimension, host, items.first, items.last, items.first);
}

/* How many lookups a (dimension, host) takes. */
static uint32_t lookups(const struct block_filter *filter)
{
    return filter->items != NULL ? filter->items_count : 1;
}

static void put_lookups(struct pack_scan *scan, const struct storage_run *run)
{
    const struct block_filter *filter = scan->filter;
    const char *before = " AND (";
    for (uint32_t d = 0; d < filter->dimensions_count; d++)
        for (uint32_t h = 0; h < filter->hosts_count; h++)
            for (uint32_t i = 0; i < lookups(filter); i++) {
                struct run_items items = run_items_of(filter);
                if (filter->items != NULL)
                    items = (struct run_items){filter->items[i], filter->items[i]};
                buffer_append_str(&scan->s->sql, before);
                put_lookup(scan, run, filter->dimensions[d], filter->hosts[h], items);
                before = " OR ";
            }
    buffer_append_str(&scan->s->sql, ")");
}

static int read_few(struct pack_scan *scan)
{
    return rows_read(scan, put_lookups);
}

/* ---- one item ---- */

/* No condition but the key: one that the row does not meet would send the search back row by row.
 */
static void put_last(struct pack_scan *scan, const struct storage_run *run)
{
    (void)run;
    const struct block_filter *filter = scan->filter;
    buffer_printf(&scan->s->sql,
                  " AND dimension = %" PRIu32 " AND host = %" PRIu32 " AND first_item <= %" PRIu32,
                  filter->dimensions[0], filter->hosts[0], filter->items[0]);
}

static int read_one(struct pack_scan *scan)
{
    scan->alone = true;
    scan->whole = scan->count;
    int err = rows_read(scan, put_last);
    scan->alone = false;
    if (err != 0 || scan->whole == scan->count)
        return err;
    scan->runs += scan->whole;
    scan->count -= scan->whole;
    return read_few(scan);
}

/* ---- many items ---- */

/* dimension, host, first_item, last_item */
static int key_row(void *arg, const struct slice *columns)
{
    struct pack_scan *scan = arg;
    uint64_t n[4];
    int err = run_numbers(columns, n, ARRAY_LEN(n));
    if (err != 0)
        return run_row_failed(scan->s, scan->runs[0], err, "observation", columns, 3);
    scan->rows++;
    if (scan->keys.n > KEYS_MAX || !items_within(scan->filter, (uint32_t)n[2], (uint32_t)n[3]))
        return 0;
    struct pack_key key = {(uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2]};
    if (scan->keys.n > 0 && memcmp(&scan->keys.v[scan->keys.n - 1], &key, sizeof(key)) == 0)
        return 0; /* its next part */
    return VEC_PUSH(&scan->keys, key) ? 0 : LT_ENOMEM;
}

static int keys_read(struct pack_scan *scan)
{
    struct buffer *sql = session_select(scan->s, scan->s->guard);
    buffer_append_str(sql, "dimension, host, first_item, last_item");
    select_from(scan->s, SCHEMA_OBSERVATION, scan->runs[0], "PRIMARY");
    buffer_printf(sql, " WHERE category = %" PRIu32, scan->filter->category);
    put_span(scan, scan->runs[0]);
    select_times(sql, scan->filter->from_ms, scan->filter->to_ms);
    buffer_append_str(sql, " ORDER BY category, dimension, host, first_item, part");
    return session_query(scan->s, "read.pack_keys", scan->s->guard, key_row, scan);
}

/* As " AND ((dimension = 1 AND host = 2 AND first_item IN (3,90)) OR …)". */
static void put_keys(struct pack_scan *scan, const struct storage_run *run)
{
    (void)run;
    struct buffer *sql = &scan->s->sql;
    const struct pack_key *keys = scan->keys.v + scan->keys_at;
    for (uint32_t i = 0; i < scan->keys_count; i++) {
        if (i > 0 && keys[i].dimension == keys[i - 1].dimension &&
            keys[i].host == keys[i - 1].host) {
            buffer_printf(sql, ",%" PRIu32, keys[i].first_item);
            continue;
        }
        buffer_printf(
            sql, "%s(dimension = %" PRIu32 " AND host = %" PRIu32 " AND first_item IN (%" PRIu32,
            i == 0 ? " AND (" : ")) OR ", keys[i].dimension, keys[i].host, keys[i].first_item);
    }
    buffer_append_str(sql, ")))");
}

static int read_many(struct pack_scan *scan)
{
    scan->keys.n = 0;
    scan->rows = 0;
    int err = keys_read(scan);
    if (err != 0 || scan->keys.n == 0)
        return err;
    if (scan->keys.n > KEYS_MAX || scan->keys.n > scan->rows / 2)
        return read_span(scan);
    for (uint32_t i = 0; err == 0 && i < scan->keys.n; i += SELECT_LISTED_MAX) {
        uint32_t left = scan->keys.n - i;
        scan->keys_at = i;
        scan->keys_count = left < SELECT_LISTED_MAX ? left : SELECT_LISTED_MAX;
        err = rows_read(scan, put_keys);
    }
    return err;
}

/* ---- all of them ---- */

static bool is_one(const struct block_filter *filter)
{
    return filter->items_count == 1 && filter->items != NULL && filter->dimensions_count == 1 &&
           filter->hosts != NULL && filter->hosts_count == 1;
}

static bool is_few(const struct block_filter *filter)
{
    return filter->hosts != NULL && (uint64_t)filter->dimensions_count * filter->hosts_count <=
                                        LOOKUPS_MAX / (uint64_t)lookups(filter);
}

struct plan {
    int (*read)(struct pack_scan *scan);
    uint32_t runs; /* in a statement */
};

static struct plan plan_of(const struct block_filter *filter, enum storage_want want)
{
    struct run_items items = run_items_of(filter);
    if ((items.first == 0 && items.last == UINT32_MAX && filter->items == NULL) ||
        filter->categories != NULL)
        return (struct plan){read_span, ARMS_MAX};
    if (is_one(filter))
        return (struct plan){read_one, ARMS_MAX};
    if (is_few(filter)) {
        uint32_t each = filter->dimensions_count * filter->hosts_count * lookups(filter);
        return (struct plan){read_few, each > 1 ? ARMS_LOOKUPS_MAX / each : ARMS_MAX};
    }
    return (struct plan){want == 0 ? read_span : read_many, 1};
}

int run_scan_packs(struct mysql_session *s, const struct storage_run *const *runs, uint32_t count,
                   const struct block_filter *filter, enum storage_want want,
                   storage_pack_visit *visit, void *arg)
{
    if (run_filter_is_empty(filter))
        return 0;
    struct pack_scan scan = {.s = s, .filter = filter, .want = want, .visit = visit, .arg = arg};
    struct plan plan = plan_of(filter, want);
    const struct storage_run *some[ARMS_MAX];
    int err = 0;
    for (uint32_t i = 0, n = 0; i < count && err == 0; i++) {
        if (schema_has(runs[i], SCHEMA_OBSERVATION))
            some[n++] = runs[i];
        if (n == 0 || (n < plan.runs && i + 1 < count))
            continue;
        scan.runs = some;
        scan.count = n;
        n = 0;
        err = plan.read(&scan);
    }
    VEC_FINI(&scan.keys);
    return err;
}

int mysql_runs_packs(struct storage_session *base, const struct storage_run *const *runs,
                     uint32_t count, const struct block_filter *filter, enum storage_want want,
                     storage_pack_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    return session_reads(s) ? run_scan_packs(s, runs, count, filter, want, visit, arg)
                            : LT_EUNAVAILABLE;
}
