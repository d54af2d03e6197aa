#include "query/topq.h"

#include "query/fold.h"

#include <math.h>

/* TOPQ: plan, scan, accumulate. */

void cell_add(struct cell *cell, double value)
{
    if (cell->count == 0 || value > cell->max)
        cell->max = value;
    sum_add(&cell->sum, value);
    cell->count++;
}

void cell_merge(struct cell *cell, const struct cell *other)
{
    if (other->count == 0)
        return;
    if (cell->count == 0 || other->max > cell->max)
        cell->max = other->max;
    sum_merge(&cell->sum, &other->sum);
    cell->count += other->count;
}

double cell_value(const struct cell *cell, enum aggregate aggregate)
{
    switch (aggregate) {
    case AGGREGATE_COUNT:
        return (double)cell->count;
    case AGGREGATE_MAX:
        return cell->count > 0 ? cell->max : NAN;
    case AGGREGATE_AVG:
        return cell->count > 0 ? sum_total(&cell->sum) / (double)cell->count : NAN;
    default:
        return sum_total(&cell->sum);
    }
}

/* ---- plan ---- */

static uint32_t add_column(struct topq *t, struct slice name)
{
    uint32_t id = catalog_find_dimension(t->catalog, name);
    uint32_t at = 0;
    while (at < t->columns_count && t->columns[at] != id)
        at++;
    if (at == t->columns_count)
        t->columns[t->columns_count++] = id;
    return at;
}

static int plan_columns(struct topq *t)
{
    const struct query_spec *spec = t->read->spec;
    struct scratch *scratch = &t->read->scratch;
    t->columns = scratch_take(scratch, (uint64_t)spec->with_count + 1, sizeof(*t->columns));
    t->with = scratch_take(scratch, spec->with_count, sizeof(*t->with));
    if (t->columns == NULL || t->with == NULL)
        return scratch->error;
    (void)add_column(t, t->pattern.dimension);
    for (uint32_t i = 0; i < spec->with_count; i++)
        t->with[i] = add_column(t, spec->with[i]);
    return 0;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int plan_hosts(struct topq *t)
{
    const struct query_spec *spec = t->read->spec;
    if (spec->hosts_count == 0)
        return 0;
    t->hosts = scratch_take(&t->read->scratch, spec->hosts_count, sizeof(*t->hosts));
    if (t->hosts == NULL)
        return t->read->scratch.error;
    uint32_t known = 0;
    for (uint32_t i = 0; i < spec->hosts_count; i++) {
        uint32_t id = catalog_find_host(t->catalog, spec->hosts[i]);
        if (id != CATALOG_NONE)
            t->hosts[known++] = id;
    }
    qsort(t->hosts, known, sizeof(*t->hosts), compare_u32);
    for (uint32_t i = 0; i < known; i++)
        if (t->hosts_count == 0 || t->hosts[t->hosts_count - 1] != t->hosts[i])
            t->hosts[t->hosts_count++] = t->hosts[i];
    t->no_hosts = known == 0;
    return 0;
}

static int plan_categories(struct topq *t)
{
    struct scratch *scratch = &t->read->scratch;
    VEC(uint32_t) ids = {0};
    struct catalog_category info;
    struct pattern_category fit;
    int err = 0;
    uint32_t all = catalog_categories(t->catalog);
    for (uint32_t id = 0; id < all && err == 0; id++) {
        if (!catalog_category_at(t->catalog, id, &info) ||
            !pattern_fits(&t->pattern, info.name, &fit))
            continue;
        err = SCRATCH_RESERVE(t->read->guard, &ids, 1);
        if (err == 0)
            ids.v[ids.n++] = id;
    }
    if (err != 0)
        goto free_ids;
    t->categories = scratch_take(scratch, ids.n, sizeof(*t->categories));
    if (t->categories == NULL) {
        err = scratch->error;
        goto free_ids;
    }
    for (uint32_t i = 0; i < ids.n; i++) {
        struct topq_category *c = &t->categories[t->categories_count++];
        (void)catalog_category_at(t->catalog, ids.v[i], &c->info);
        (void)pattern_fits(&t->pattern, c->info.name, &c->fit);
    }
free_ids:
    SCRATCH_FREE(t->read->guard, &ids);
    return err;
}

static int plan(struct topq *t)
{
    const char *why;
    int err = pattern_parse(t->read->spec->pattern, &t->pattern, &why);
    if (err != 0) {
        read_why(t->read, "%s", why);
        return err;
    }
    err = plan_columns(t);
    if (err == 0)
        err = plan_hosts(t);
    if (err == 0)
        err = plan_categories(t);
    return err;
}

/* ---- scan and accumulate ---- */

static bool select_block(void *arg, const struct block *block)
{
    struct topq *t = arg;
    t->column = 0;
    while (t->column < t->columns_count && t->columns[t->column] != block->dimension)
        t->column++;
    return t->column < t->columns_count &&
           (t->hosts == NULL || bsearch(&block->host, t->hosts, t->hosts_count, sizeof(block->host),
                                        compare_u32) != NULL);
}

static struct topq_page *find_page(const struct topq_category *c, uint32_t item)
{
    uint32_t at = item / TOPQ_PAGE_ITEMS;
    return at < c->pages_count ? c->pages[at] : NULL;
}

/* NULL: see scratch.error. */
static struct topq_page *add_page(struct topq *t, struct topq_category *c, uint32_t item)
{
    struct scratch *scratch = &t->read->scratch;
    uint32_t at = item / TOPQ_PAGE_ITEMS;
    if (at >= c->pages_count) {
        /* For all items by now; more may come while the read runs. */
        uint32_t count = c->info.items / TOPQ_PAGE_ITEMS + 1;
        if (count <= at)
            count = at + at / 2 + 1;
        struct topq_page **pages = scratch_take(scratch, count, sizeof(struct topq_page *));
        if (pages == NULL)
            return NULL;
        if (c->pages_count > 0)
            memcpy(pages, c->pages, c->pages_count * sizeof(struct topq_page *));
        c->pages = pages;
        c->pages_count = count;
    }
    size_t cells = (size_t)TOPQ_PAGE_ITEMS * t->columns_count;
    c->pages[at] = scratch_take(scratch, 1, sizeof(struct topq_page) + cells * sizeof(struct cell));
    return c->pages[at];
}

static uint32_t column_of(const struct topq *t, uint32_t dimension)
{
    uint32_t column = 0;
    while (t->columns[column] != dimension)
        column++;
    return column;
}

static int add_point(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct topq *t = arg;
    if (isnan(value))
        return 0;
    struct topq_page *page = find_page(t->category, series->item);
    if (page == NULL)
        page = add_page(t, t->category, series->item);
    if (page == NULL)
        return t->read->scratch.error;
    cell_add(&page->cells[series->item % TOPQ_PAGE_ITEMS * t->columns_count +
                          column_of(t, series->dimension)],
             value);
    return 0;
}

static bool has_slot(void *arg, uint32_t item)
{
    const struct topq *t = arg;
    const struct topq_page *page = find_page(t->category, item);
    return page != NULL && page->slots[item % TOPQ_PAGE_ITEMS] != SLOT_NONE;
}

static int add_part(void *arg, const struct fold_series *series, int64_t time_ms, double value)
{
    struct topq *t = arg;
    const struct query_spec *spec = t->read->spec;
    if (isnan(value))
        return 0;
    uint32_t slot = find_page(t->category, series->item)->slots[series->item % TOPQ_PAGE_ITEMS];
    __int128 part = (__int128)(time_ms - spec->from_ms) * spec->sparkline;
    part /= spec->to_ms - spec->from_ms;
    cell_add(&t->parts[(uint64_t)slot * spec->sparkline + (uint64_t)part], value);
    return 0;
}

static int scan(struct topq *t, const struct fold_sink *sink, uint32_t columns)
{
    const struct query_spec *spec = t->read->spec;
    struct block_filter filter = {.dimensions = t->columns,
                                  .dimensions_count = columns,
                                  .hosts = t->hosts,
                                  .hosts_count = t->hosts_count,
                                  .from_ms = spec->from_ms,
                                  .to_ms = spec->to_ms};
    int err = 0;
    for (uint32_t i = 0; i < t->categories_count && !t->no_hosts && err == 0; i++) {
        t->category = &t->categories[i];
        filter.category = t->category->info.id;
        err = fold_run(&t->read->source, &filter, sink);
    }
    return err;
}

static bool select_ranked_block(void *arg, const struct block *block)
{
    const struct topq *t = arg;
    return select_block(arg, block) && t->column == 0;
}

int topq_scan_parts(struct topq *t, uint32_t slots)
{
    struct scratch *scratch = &t->read->scratch;
    t->parts = scratch_take(scratch, (uint64_t)slots * t->read->spec->sparkline, sizeof(*t->parts));
    if (t->parts == NULL)
        return scratch->error;
    const struct fold_sink sink = {
        .select = select_ranked_block, .wants = has_slot, .add = add_part, .arg = t};
    return scan(t, &sink, 1);
}

int topq_each(struct topq *t, topq_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t c = 0; c < t->categories_count; c++) {
        const struct topq_category *category = &t->categories[c];
        for (uint32_t p = 0; p < category->pages_count; p++) {
            struct topq_page *page = category->pages[p];
            if (page == NULL)
                continue;
            err = read_guard_check(t->read->guard);
            for (uint32_t i = 0; i < TOPQ_PAGE_ITEMS && err == 0; i++) {
                const struct cell *cells = &page->cells[i * t->columns_count];
                uint32_t column = 0;
                while (column < t->columns_count && cells[column].count == 0)
                    column++;
                if (column < t->columns_count)
                    err = visit(t, c, p * TOPQ_PAGE_ITEMS + i, &page->slots[i], cells, arg);
            }
            if (err != 0)
                return err;
        }
    }
    return 0;
}

int topq_read(struct read *read)
{
    struct topq t = {.read = read, .catalog = read_catalog(read)};
    const struct fold_sink sink = {.select = select_block, .add = add_point, .arg = &t};
    int err = plan(&t);
    if (err == 0)
        err = scan(&t, &sink, t.columns_count);
    return err != 0 ? err : topq_rank(&t);
}
