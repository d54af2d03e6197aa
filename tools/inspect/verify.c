#include "inspect/inspect.h"

#include "base/error.h"
#include "base/hash.h"
#include "vector/rank.h"
#include "vector/rank_minutes.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* verify: everything that is derived from points is derived again, by the plainest way that there
 * is, and compared.
 *
 *   rows     key order; item, count, sum, min, max, first, last of each series against its points
 *   minutes  of rows that have them, against the points (verify_minutes.c)
 *   ranks    pages, top list, total, item set of all hosts and of each host against the rows; the
 *            best items' minutes against the points (verify_best.c)
 *   totals   minutes of each host and of all hosts against the points
 *
 * Sums of integers have to agree bit for bit; others within RELATIVE_MAX, because they depend on
 * the order of addition. */

#define RELATIVE_MAX 1e-9
enum { COMPLAINTS_MAX = 100 };

struct cell {
    uint64_t count;
    double sum, max;
};

struct cells { /* by item */
    struct cell *v;
    uint32_t n, cap;
};

struct minute {
    uint32_t host;
    int64_t from_s;
    struct summary summary;
};

struct check {
    struct inspect *in;
    const struct storage_run *run;
    uint64_t complaints;
    uint64_t rows, series, points, ranks, totals;
    /* One (category, dimension). */
    uint32_t category, dimension;
    struct cells all;
    struct cells host; /* of one host */
    uint32_t hosts;
    VEC(struct minute) minutes;
    struct hash_index minute_index;
    /* One row after the other. */
    const struct storage_pack *pack;
    struct storage_pack last;
    bool has_last;
    VEC(struct summary) summaries; /* of the row's items, from points */
    VEC(uint32_t) items;
    /* A top list on its way. */
    struct rank_total total;
    uint32_t entries, last_item;
    double last_value;
    uint32_t best[RANK_MINUTES_ROWS * RANK_MINUTES_ENTRIES]; /* its first entries' items */
};

static void complain(struct check *c, const char *format, ...) PRINTF_LIKE(2, 3);
static void complain(struct check *c, const char *format, ...)
{
    if (c->complaints++ >= COMPLAINTS_MAX)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("WRONG %s, %s: %s\n", inspect_run_name(c->run),
           inspect_group_name(c->in, c->category, c->dimension), text);
}

bool verify_same(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (a == b)
        return true;
    bool integers = a == rint(a) && b == rint(b) && fabs(a) < 0x1p53 && fabs(b) < 0x1p53;
    return !integers && fabs(a - b) <= RELATIVE_MAX * fmax(fabs(a), fabs(b));
}

/* ---- rows ---- */

static int add_cell(struct cells *cells, uint32_t item, const struct summary *s)
{
    if (item >= cells->n) {
        uint32_t more = item + 1 - cells->n;
        if (!VEC_RESERVE(cells, more))
            return LT_ENOMEM;
        memset(&cells->v[cells->n], 0, more * sizeof(struct cell));
        cells->n += more;
    }
    struct cell *cell = &cells->v[item];
    if (s->count == 0)
        return 0;
    cell->max = cell->count == 0 || s->max > cell->max ? s->max : cell->max;
    cell->count += s->count;
    cell->sum += summary_total(s);
    return 0;
}

static bool minute_eq(const void *context, const void *key, uint32_t position)
{
    const struct minute *a = (const struct minute *)context + position, *b = key;
    return a->host == b->host && a->from_s == b->from_s;
}

static int64_t minute_s(const struct check *c)
{
    return c->run->resolution_s == 3600 ? 3600 : 60;
}

/* s is added to its minute, of a host and of all hosts. */
static int add_minute(struct check *c, uint32_t host, int64_t time_ms, const struct summary *s)
{
    struct minute key = {.host = host};
    key.from_s = time_ms / 1000 / minute_s(c) * minute_s(c);
    uint64_t hash = hash_u64((uint64_t)key.from_s << 20 ^ host);
    uint32_t i = hash_index_find(&c->minute_index, hash, minute_eq, c->minutes.v, &key);
    if (i == HASH_NONE) {
        i = c->minutes.n;
        summary_init(&key.summary);
        int err = hash_index_add(&c->minute_index, hash, i);
        if (err != 0 || !VEC_PUSH(&c->minutes, key))
            return LT_ENOMEM;
    }
    summary_merge(&c->minutes.v[i].summary, s);
    return 0;
}

static int add_value(struct check *c, uint32_t item, int64_t time_ms, const struct summary *s)
{
    if (c->items.n == 0 || c->items.v[c->items.n - 1] != item) {
        struct summary fresh;
        summary_init(&fresh);
        if (!VEC_PUSH(&c->items, item) || !VEC_PUSH(&c->summaries, fresh))
            return LT_ENOMEM;
    }
    summary_merge(&c->summaries.v[c->items.n - 1], s);
    if (s->count == 0)
        return 0;
    int err = add_minute(c, c->pack->host, time_ms, s);
    return err != 0 ? err : add_minute(c, STORAGE_ALL_HOSTS, time_ms, s);
}

static int add_points(struct check *c)
{
    struct pack_points p;
    int err = pack_open_points(c->in->pack, c->run->range.from_s * 1000, c->pack->summaries,
                               c->pack->vectors, NULL, 0, &p);
    for (uint32_t i = 0; err == 0 && i < p.count; i++) {
        struct summary s;
        summary_init(&s);
        summary_add(&s, p.times_ms[i], p.values[i]);
        if (i > 0 && p.items[i] == p.items[i - 1] && p.times_ms[i] <= p.times_ms[i - 1])
            complain(c, "item %" PRIu32 ": time %" PRId64 " follows %" PRId64, p.items[i],
                     p.times_ms[i], p.times_ms[i - 1]);
        if (p.times_ms[i] < c->pack->min_ms || p.times_ms[i] > c->pack->max_ms)
            complain(c, "item %" PRIu32 ": time %" PRId64 " is outside of its row", p.items[i],
                     p.times_ms[i]);
        if (p.times_ms[i] < c->run->min_ms || p.times_ms[i] > c->run->max_ms)
            complain(c, "item %" PRIu32 ": time %" PRId64 " is outside of what the manifest says",
                     p.items[i], p.times_ms[i]);
        err = add_value(c, p.items[i], p.times_ms[i], &s);
    }
    if (err == 0 && p.count != c->pack->points)
        complain(c, "row of item %" PRIu32 " holds %" PRIu32 " points and says %" PRIu64,
                 c->pack->first_item, p.count, c->pack->points);
    c->points += err == 0 ? p.count : 0;
    return err;
}

static int add_bucket(void *arg, uint32_t item, const struct rollup_bucket *b)
{
    struct check *c = arg;
    int64_t from_ms = (c->run->range.from_s + (int64_t)b->number * c->run->resolution_s) * 1000;
    struct summary s = b->summary;
    s.first_ms = s.last_ms = from_ms;
    c->points++;
    return add_value(c, item, from_ms, &s);
}

static void compare_series(struct check *c, const struct pack_summaries *stored, uint32_t i)
{
    const struct summary *s = &c->summaries.v[i];
    uint32_t item = c->items.v[i];
    double sum = stored->sum[i];
    if (stored->item[i] != item)
        complain(c,
                 "row of item %" PRIu32 ": entry %" PRIu32 " is item %" PRIu32
                 ", its points are of %" PRIu32,
                 c->pack->first_item, i, stored->item[i], item);
    else if (stored->count[i] != s->count ||
             (stored->nans != NULL ? stored->nans[i] : 0) != s->nans)
        complain(c, "item %" PRIu32 ": count %" PRIu64 ", its points %" PRIu64, item,
                 stored->count[i], s->count);
    else if (!verify_same(sum, summary_total(s)))
        complain(c, "item %" PRIu32 ": sum %.17g, its points %.17g", item, sum, summary_total(s));
    else if (!verify_same(stored->min[i], s->min) || !verify_same(stored->max[i], s->max) ||
             !verify_same(stored->first[i], s->first) || !verify_same(stored->last[i], s->last))
        complain(c, "item %" PRIu32 ": min, max, first, last %g %g %g %g, its points %g %g %g %g",
                 item, stored->min[i], stored->max[i], stored->first[i], stored->last[i], s->min,
                 s->max, s->first, s->last);
}

static int compare_row(struct check *c)
{
    struct pack_summaries stored;
    int err = pack_open_summaries(c->in->pack, c->pack->summaries, PACK_ALL, &stored);
    if (err != 0)
        return err;
    if (stored.items != c->items.n || stored.items != c->pack->items)
        complain(c,
                 "row of item %" PRIu32 " says %" PRIu32 " items, summaries have %" PRIu32
                 ", points %" PRIu32,
                 c->pack->first_item, c->pack->items, stored.items, c->items.n);
    else if (c->items.v[0] != c->pack->first_item ||
             c->items.v[c->items.n - 1] != c->pack->last_item)
        complain(c,
                 "row of item %" PRIu32 " begins with %" PRIu32 " and ends with %" PRIu32
                 " instead of %" PRIu32,
                 c->pack->first_item, c->items.v[0], c->items.v[c->items.n - 1],
                 c->pack->last_item);
    else
        for (uint32_t i = 0; i < stored.items; i++)
            compare_series(c, &stored, i);
    return 0;
}

static int compare_minutes(struct check *c)
{
    char wrong[256] = "";
    int err = verify_minutes(c->in, c->run, c->pack, wrong, sizeof(wrong));
    if (err == 0 && wrong[0] != '\0')
        complain(c, "row of item %" PRIu32 ": %s", c->pack->first_item, wrong);
    return err;
}

static void compare_order(struct check *c)
{
    const struct storage_pack *p = c->pack, *q = &c->last;
    bool follows = !c->has_last || p->first_item > q->last_item ||
                   (p->first_item == q->last_item && p->part == q->part + 1);
    if (!follows)
        complain(c, "row of item %" PRIu32 " part %" PRIu32 " overlaps the one before it",
                 p->first_item, p->part);
    c->last = *p;
    c->has_last = true;
}

static int check_pack(void *arg, const struct storage_pack *pack)
{
    struct check *c = arg;
    c->pack = pack;
    c->items.n = c->summaries.n = 0;
    int err = c->run->resolution_s == 1
                  ? add_points(c)
                  : rollup_open(c->in->rollup, c->run->range.from_s * 1000,
                                c->run->resolution_s * INT64_C(1000), pack->summaries,
                                pack->vectors, NULL, 0, add_bucket, c);
    if (err == 0)
        err = compare_row(c);
    if (err == 0)
        err = compare_minutes(c);
    if (err == LT_ECORRUPT || err == LT_EVERSION) {
        complain(c, "row of item %" PRIu32 " part %" PRIu32 " cannot be read: %s", pack->first_item,
                 pack->part, error_text(err));
        return 0;
    }
    compare_order(c);
    for (uint32_t i = 0; err == 0 && i < c->items.n; i++) {
        err = add_cell(&c->all, c->items.v[i], &c->summaries.v[i]);
        if (err == 0)
            err = add_cell(&c->host, c->items.v[i], &c->summaries.v[i]);
    }
    c->rows++;
    c->series += c->items.n;
    return err;
}

/* ---- ranks ---- */

static void sum_cells(const struct cell *cells, uint32_t n, struct summary *out, uint64_t *items)
{
    summary_init(out);
    *items = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (cells[i].count == 0)
            continue;
        struct summary one;
        summary_init(&one);
        summary_add(&one, 0, cells[i].sum);
        one.count = cells[i].count;
        one.max = cells[i].max;
        summary_merge(out, &one);
        ++*items;
    }
}

struct rank_check {
    struct check *c;
    const struct cell *cells;
    uint32_t n;
    uint32_t host;
    bool found;
    uint64_t paged;
};

static int check_total(void *arg, const struct storage_rank *rank)
{
    struct rank_check *r = arg;
    struct check *c = r->c;
    struct summary want;
    uint64_t items;
    r->found = true;
    c->ranks++;
    int err = rank_total_decode(rank->body, &c->total);
    if (err != 0)
        return err;
    sum_cells(r->cells, r->n, &want, &items);
    if (c->total.items != items || c->total.summary.count != want.count ||
        !verify_same(summary_total(&c->total.summary), summary_total(&want)))
        complain(c,
                 "total of host '%s' is %" PRIu64 " items, %" PRIu64 " points, sum %.17g; its "
                 "rows have %" PRIu64 ", %" PRIu64 ", %.17g",
                 inspect_host_name(c->in, r->host), c->total.items, c->total.summary.count,
                 summary_total(&c->total.summary), items, want.count, summary_total(&want));
    struct itemset *set = NULL;
    err = itemset_create(&set);
    if (err == 0)
        err = itemset_merge(set, c->total.set);
    for (uint32_t i = 0; err == 0 && i < r->n; i++)
        if (itemset_has(set, i) != (r->cells[i].count > 0))
            complain(c, "item set of host '%s' is wrong about item %" PRIu32,
                     inspect_host_name(c->in, r->host), i);
    if (err == 0 && itemset_count(set) != items)
        complain(c, "item set of host '%s' has %" PRIu64 " items, its rows %" PRIu64,
                 inspect_host_name(c->in, r->host), itemset_count(set), items);
    itemset_destroy(&set);
    return err;
}

static int check_top(void *arg, const struct storage_rank *rank)
{
    struct rank_check *r = arg;
    struct check *c = r->c;
    static struct rank_entry entries[RANK_CHUNK_MAX];
    uint32_t count;
    c->ranks++;
    int err = rank_top_decode(rank->body, entries, &count);
    if (err != 0)
        return err;
    if (count != rank_chunk_count(rank->number, c->total.entries))
        complain(c, "chunk %" PRIu32 " has %" PRIu32 " entries instead of %" PRIu32, rank->number,
                 count, rank_chunk_count(rank->number, c->total.entries));
    for (uint32_t i = 0; i < count; i++, c->entries++) {
        const struct rank_entry *e = &entries[i];
        const struct cell *cell = e->item < r->n ? &r->cells[e->item] : NULL;
        if (cell == NULL || cell->count == 0 || cell->count != e->count ||
            !verify_same(cell->sum, e->value))
            complain(c,
                     "top of host '%s': item %" PRIu32 " has count %" PRIu64
                     ", sum %.17g, its rows %" PRIu64 ", %.17g",
                     inspect_host_name(c->in, r->host), e->item, e->count, e->value,
                     cell != NULL ? cell->count : 0, cell != NULL ? cell->sum : NAN);
        if (c->entries > 0 &&
            (e->value > c->last_value || (e->value == c->last_value && e->item < c->last_item)))
            complain(c, "top of host '%s': entry %" PRIu32 " is out of order",
                     inspect_host_name(c->in, r->host), c->entries);
        if (c->entries < ARRAY_LEN(c->best))
            c->best[c->entries] = e->item;
        c->last_item = e->item;
        c->last_value = e->value;
    }
    return 0;
}

/* Is anything better than the list's end that is not in the list? By counting. */
static void check_cut(struct rank_check *r)
{
    struct check *c = r->c;
    uint64_t better = 0, as_good = 0; /* as_good: by the last bits of sums that are no integers */
    if (c->entries != c->total.entries)
        complain(c, "top of host '%s' has %" PRIu32 " entries, its total says %" PRIu32,
                 inspect_host_name(c->in, r->host), c->entries, c->total.entries);
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->cells[i].count == 0)
            continue;
        double sum = r->cells[i].sum;
        if (sum == c->last_value)
            better += i <= c->last_item;
        else if (verify_same(sum, c->last_value))
            as_good++;
        else
            better += sum > c->last_value;
    }
    if (c->entries > 0 && (c->entries < better || c->entries > better + as_good))
        complain(c,
                 "top of host '%s' ends after %" PRIu32 " entries, %" PRIu64 " items are as good",
                 inspect_host_name(c->in, r->host), c->entries, better);
}

static int check_page(void *arg, const struct storage_rank *rank)
{
    struct rank_check *r = arg;
    struct check *c = r->c;
    static struct rank_page page;
    c->ranks++;
    int err =
        rank_page_decode(rank->number, rank->body, RANK_SUMS | RANK_COUNTS | RANK_MAXS, &page);
    for (uint32_t i = 0; err == 0 && i < page.count; i++) {
        uint32_t item = page.items[i];
        const struct cell *cell = item < r->n ? &r->cells[item] : NULL;
        if (cell == NULL || cell->count != page.counts[i] ||
            !verify_same(cell->sum, page.sums[i]) || !verify_same(cell->max, page.maxs[i]))
            complain(c,
                     "page %" PRIu32 ": item %" PRIu32 " has count %" PRIu64
                     ", sum %.17g, max %g; its rows %" PRIu64 ", %.17g, %g",
                     rank->number, item, page.counts[i], page.sums[i], page.maxs[i],
                     cell != NULL ? cell->count : 0, cell != NULL ? cell->sum : 0,
                     cell != NULL ? cell->max : 0);
        r->paged++;
    }
    return err;
}

static void complain_text(void *arg, const char *text)
{
    complain(arg, "%s", text);
}

/* Coarser runs have none. */
static int check_minutes(struct check *c)
{
    struct verify_list list = {.category = c->category,
                               .dimension = c->dimension,
                               .items = c->best,
                               .count = c->entries < ARRAY_LEN(c->best) ? c->entries
                                                                        : ARRAY_LEN(c->best),
                               .complain = complain_text,
                               .arg = c};
    if (c->run->resolution_s != 1)
        return 0;
    uint64_t rows = 0;
    int err = verify_best(c->in, c->run, &list, &rows);
    c->ranks += rows;
    return err;
}

static int check_ranks(struct check *c, uint32_t host, const struct cell *cells, uint32_t n)
{
    struct rank_check r = {.c = c, .cells = cells, .n = n, .host = host};
    struct storage_rank_filter filter = {
        .category = c->category,
        .dimension = c->dimension,
        .hosts = &host,
        .hosts_count = 1,
        .kind = STORAGE_RANK_TOTAL,
        .last = UINT32_MAX,
    };
    int err = storage_run_ranks(c->in->second, c->run, &filter, check_total, &r);
    if (err != 0 || !r.found)
        return err;
    c->entries = 0;
    filter.kind = STORAGE_RANK_TOP;
    err = storage_run_ranks(c->in->second, c->run, &filter, check_top, &r);
    if (err == 0)
        check_cut(&r);
    filter.kind = STORAGE_RANK_PAGE;
    if (err == 0 && host == STORAGE_ALL_HOSTS) {
        err = storage_run_ranks(c->in->second, c->run, &filter, check_page, &r);
        if (err == 0 && r.paged != c->total.items)
            complain(c, "pages have %" PRIu64 " items, the total %" PRIu64, r.paged,
                     c->total.items);
        if (err == 0)
            err = check_minutes(c);
    }
    return err;
}

/* ---- totals ---- */

static int check_minute(void *arg, const struct storage_total *total)
{
    struct rank_check *r = arg;
    struct check *c = r->c;
    struct minute key = {.host = r->host, .from_s = total->from_s};
    uint64_t hash = hash_u64((uint64_t)key.from_s << 20 ^ key.host);
    uint32_t i = hash_index_find(&c->minute_index, hash, minute_eq, c->minutes.v, &key);
    c->totals++;
    r->paged++;
    const struct summary *s = i != HASH_NONE ? &c->minutes.v[i].summary : NULL;
    if (s == NULL || s->count != total->count || !verify_same(summary_total(s), total->sum) ||
        !verify_same(s->min, total->min) || !verify_same(s->max, total->max))
        complain(c,
                 "minute %" PRId64 " of host '%s' has count %" PRIu64
                 ", sum %.17g; its points %" PRIu64 ", %.17g",
                 total->from_s, inspect_host_name(c->in, r->host), total->count, total->sum,
                 s != NULL ? s->count : 0, s != NULL ? summary_total(s) : 0);
    return 0;
}

static int check_totals(struct check *c, uint32_t host)
{
    struct rank_check r = {.c = c, .host = host};
    struct storage_total_filter filter = {
        .category = c->category,
        .dimension = c->dimension,
        .hosts = &host,
        .hosts_count = 1,
        .from_s = c->run->range.from_s,
        .to_s = c->run->range.to_s,
        .step_s = minute_s(c),
    };
    int err = storage_run_totals(c->in->second, c->run, &filter, check_minute, &r);
    uint64_t minutes = 0;
    for (uint32_t i = 0; i < c->minutes.n; i++)
        minutes += c->minutes.v[i].host == host;
    if (err == 0 && r.paged != 0 && r.paged != minutes)
        complain(c, "host '%s' has totals of %" PRIu64 " minutes, its points are in %" PRIu64,
                 inspect_host_name(c->in, host), r.paged, minutes);
    return err;
}

/* ---- runs ---- */

/* All hosts of a (category, dimension) were seen. */
static int finish_dimension(struct check *c)
{
    int err = 0;
    if (c->all.n > 0)
        err = check_ranks(c, STORAGE_ALL_HOSTS, c->all.v, c->all.n);
    if (err == 0 && c->all.n > 0)
        err = check_totals(c, STORAGE_ALL_HOSTS);
    c->all.n = c->minutes.n = 0;
    hash_index_reset(&c->minute_index);
    return err;
}

static int check_group(struct inspect *in, const struct storage_run *run,
                       const struct storage_group *group, void *arg)
{
    struct check *c = arg;
    int err = 0;
    if (group->category != c->category || group->dimension != c->dimension)
        err = finish_dimension(c);
    c->category = group->category;
    c->dimension = group->dimension;
    c->host.n = 0;
    c->has_last = false;
    struct block_filter filter = inspect_filter(group);
    if (err == 0)
        err = storage_run_packs(in->second, run, &filter, INSPECT_BODIES, check_pack, c);
    if (err == 0)
        err = check_ranks(c, group->host, c->host.v, c->host.n);
    return err != 0 ? err : check_totals(c, group->host);
}

int verify(struct inspect *in)
{
    struct check c = {.in = in};
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < in->runs.n; i++) {
        c.run = &in->runs.v[i];
        if (!inspect_takes(in, c.run) || c.run->kind != STORAGE_COMPACT)
            continue;
        uint64_t points = c.points, series = c.series;
        err = inspect_groups(in, c.run, check_group, &c);
        if (err == 0)
            err = finish_dimension(&c);
        if (err == 0 && *option_text(in->options, "pattern") == '\0' && c.run->resolution_s == 1 &&
            c.points - points != c.run->points)
            complain(&c,
                     "the manifest says %" PRIu64 " points, its rows have %" PRIu64 " (of %" PRIu64
                     " series)",
                     c.run->points, c.points - points, c.series - series);
    }
    printf("%" PRIu64 " rows, %" PRIu64 " series, %" PRIu64 " points or buckets, %" PRIu64
           " rank rows, %" PRIu64 " totals: %" PRIu64 " wrong\n",
           c.rows, c.series, c.points, c.ranks, c.totals, c.complaints);
    VEC_FINI(&c.all);
    VEC_FINI(&c.host);
    VEC_FINI(&c.minutes);
    VEC_FINI(&c.summaries);
    VEC_FINI(&c.items);
    hash_index_fini(&c.minute_index);
    return err == 0 && c.complaints > 0 ? LT_ECORRUPT : err;
}
