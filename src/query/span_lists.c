#include "query/span.h"

#include "port/storage_reads.h"
#include "vector/rank.h"

#include <math.h>
#include <stdlib.h>

enum {
    MEMORY_LIST_MAX = RANK_TOP_MAX, /* of the cells' best: cut there, as a run's list is */
    ENTRIES_MAX = 1 << 18,          /* sorted access gives up there: 16 MiB of candidates */
    LOOKUPS_MIN = 256,
    PAGES_PER_LOOKUP = 4, /* lookups give up where they would read a page in so many */
};

static const struct storage_run *run_at(const struct span *span, uint32_t run)
{
    return span->plan.whole.v[run].run;
}

/* ---- totals ---- */

struct totals {
    struct span *span;
    uint32_t category;
};

struct totals_row {
    struct totals *totals;
    struct span_list *list;
    bool counts_items;
};

static struct cell cell_of(const struct summary *s)
{
    return (struct cell){.sum = {s->sum, s->lost}, .max = s->max, .count = s->count};
}

/* Is the total of all hosts what was asked for? */
static enum span_state state_of(const struct topq *t, const struct rank_total *total)
{
    if (!isfinite(total->summary.sum + total->summary.lost))
        return SPAN_SUMMED; /* nothing can be taken away from such a total */
    if (t->hosts == NULL)
        return SPAN_LIST;
    if (total->hosts != 1)
        return SPAN_SUMMED;
    for (uint32_t i = 0; i < t->hosts_count; i++)
        if (t->hosts[i] == total->only_host)
            return SPAN_LIST;
    return SPAN_NONE;
}

static int total_row(void *arg, const struct storage_rank *rank)
{
    const struct totals_row *row = arg;
    struct span *span = row->totals->span;
    struct rank_total total;
    int err = rank_total_decode(rank->body, &total);
    if (err != 0)
        return err;
    row->list->has_totals = isfinite(total.summary.sum + total.summary.lost);
    row->list->state = state_of(span->topq, &total);
    if (row->list->state != SPAN_LIST)
        return 0;
    row->list->total = cell_of(&total.summary);
    row->list->items = total.items;
    row->list->entries = total.entries;
    if (!row->counts_items)
        return 0;
    pthread_mutex_lock(&span->lock);
    err = itemset_merge(span->categories[row->totals->category].items, total.set);
    pthread_mutex_unlock(&span->lock);
    return err;
}

static int read_run_totals(void *arg, const struct crew_member *member, uint32_t run)
{
    struct totals *totals = arg;
    struct span *span = totals->span;
    int err = 0;
    for (uint32_t c = 0; c < span->columns && err == 0; c++) {
        struct totals_row row = {.totals = totals,
                                 .list = span_list_at(span, totals->category, run, c),
                                 .counts_items = c == 0};
        struct storage_rank_filter filter = {.category =
                                                 span->topq->categories[totals->category].info.id,
                                             .dimension = span->topq->columns[c],
                                             .kind = STORAGE_RANK_TOTAL};
        if (row.list->state == SPAN_FOLDED || filter.dimension == CATALOG_NONE)
            continue;
        /* Groups that are too small to have rank rows have summaries alone. */
        row.list->state = SPAN_SUMMED;
        err = storage_run_ranks(member->session, run_at(span, run), &filter, total_row, &row);
    }
    return err;
}

int span_read_totals(struct span *span, uint32_t category)
{
    struct totals totals = {.span = span, .category = category};
    int err = crew_run(span->topq->read, span->plan.whole.n, read_run_totals, &totals);
    for (uint32_t r = 0; r < span->plan.whole.n && err == 0; r++)
        for (uint32_t c = 0; c < span->columns; c++)
            span->lists += span_list_at(span, category, r, c)->state == SPAN_LIST;
    return err;
}

/* ---- pages: random access ---- */

struct lookup {
    struct span *span;
    uint32_t category, column;
    const uint32_t *items;
    uint32_t count;
    const uint32_t *pages; /* that hold them */
    uint32_t pages_count;
    struct cell *cells; /* run x count + item */
};

struct lookup_page {
    const struct lookup *lookup;
    struct cell *cells;
    uint32_t at; /* items below this belong to earlier pages */
};

static int lookup_page(void *arg, const struct storage_rank *rank)
{
    struct lookup_page *p = arg;
    const struct lookup *l = p->lookup;
    bool by_max = l->span->topq->rank == AGGREGATE_MAX;
    struct rank_page page;
    int err = rank_page_decode(rank->number, rank->body,
                               RANK_SUMS | RANK_COUNTS | (by_max ? RANK_MAXS : 0), &page);
    if (err != 0)
        return err;
    while (p->at < l->count && l->items[p->at] / RANK_PAGE_ITEMS < rank->number)
        p->at++;
    uint32_t at = p->at;
    for (uint32_t i = 0; i < page.count && at < l->count; i++) {
        while (at < l->count && l->items[at] < page.items[i])
            at++;
        if (at < l->count && l->items[at] == page.items[i])
            p->cells[at] = (struct cell){.sum = {page.sums[i], 0},
                                         .max = by_max ? page.maxs[i] : 0,
                                         .count = page.counts[i]};
    }
    return 0;
}

static int look_up_run(void *arg, const struct crew_member *member, uint32_t run)
{
    const struct lookup *l = arg;
    const struct topq *t = l->span->topq;
    if (span_list_at(l->span, l->category, run, l->column)->state != SPAN_LIST)
        return 0;
    struct storage_rank_filter filter = {.category = t->categories[l->category].info.id,
                                         .dimension = t->columns[l->column],
                                         .kind = STORAGE_RANK_PAGE,
                                         .numbers = l->pages,
                                         .numbers_count = l->pages_count};
    struct lookup_page page = {.lookup = l, .cells = &l->cells[(size_t)run * l->count]};
    return storage_run_ranks(member->session, run_at(l->span, run), &filter, lookup_page, &page);
}

static uint32_t list_pages(const uint32_t *items, uint32_t count, uint32_t *pages)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (n == 0 || pages[n - 1] != items[i] / RANK_PAGE_ITEMS)
            pages[n++] = items[i] / RANK_PAGE_ITEMS;
    return n;
}

/* Run by run, then memory: in the order in which a scan adds them up. */
static void merge_runs(const struct lookup *l, struct cell *cells)
{
    const struct cells *memory = &l->span->categories[l->category].cells;
    for (uint32_t i = 0; i < l->count; i++) {
        cells[i] = (struct cell){0};
        for (uint32_t r = 0; r < l->span->plan.whole.n; r++)
            cell_merge(&cells[i], &l->cells[(size_t)r * l->count + i]);
        const struct cell *own = cells_find(memory, l->items[i]);
        if (own != NULL)
            cell_merge(&cells[i], &own[l->column]);
    }
}

int span_look_up(struct span *span, uint32_t category, uint32_t column, const uint32_t *items,
                 uint32_t count, struct cell *cells)
{
    struct read_guard *guard = span->scratch.guard;
    uint64_t runs = span->plan.whole.n;
    struct lookup l = {
        .span = span, .category = category, .column = column, .items = items, .count = count};
    size_t bytes = (size_t)(runs * count) * sizeof(struct cell) + count * sizeof(uint32_t) + 1;
    int err = read_guard_charge(guard, bytes);
    if (err != 0)
        return err;
    l.cells = calloc(runs * count + 1, sizeof(struct cell));
    uint32_t *pages = calloc(count + 1, sizeof(*pages));
    err = l.cells == NULL || pages == NULL ? LT_ENOMEM : 0;
    if (err == 0) {
        l.pages = pages;
        l.pages_count = list_pages(items, count, pages);
        err = crew_run(span->topq->read, count > 0 ? (uint32_t)runs : 0, look_up_run, &l);
    }
    if (err == 0)
        merge_runs(&l, cells);
    free(l.cells);
    free(pages);
    read_guard_release(guard, bytes);
    return err;
}

/* ---- how many items ---- */

/* Items whose cells may have taken all their points back: were all of them there, and is any left?
 */
static int subtract_gone(struct span *span, uint32_t category, const uint32_t *doubtful,
                         uint32_t count, uint64_t *items_inout)
{
    struct cell *cells = calloc(count + 1, sizeof(*cells));
    if (cells == NULL)
        return LT_ENOMEM;
    int err = span_look_up(span, category, 0, doubtful, count, cells);
    for (uint32_t i = 0; i < count && err == 0; i++)
        *items_inout -=
            cells[i].count == 0 && itemset_has(span->categories[category].items, doubtful[i]);
    free(cells);
    return err;
}

/* Adds the items of memory to those of lists. */
static int count_category(struct span *span, uint32_t category, uint64_t *out)
{
    struct span_category *c = &span->categories[category];
    VEC(uint32_t) doubtful = {0};
    int err = 0;
    for (uint32_t p = 0; p < c->cells.pages_count && err == 0; p++) {
        for (uint32_t i = 0; c->cells.pages[p] != NULL && i < CELLS_PAGE_ITEMS && err == 0; i++) {
            uint32_t item = p * CELLS_PAGE_ITEMS + i;
            const struct cell *cell = &c->cells.pages[p][(size_t)i * c->cells.columns];
            if ((int64_t)cell->count > 0)
                err = itemset_add(c->items, item);
            else if (!cell_is_empty(cell) && !VEC_PUSH(&doubtful, item))
                err = LT_ENOMEM;
        }
    }
    uint64_t items = itemset_count(c->items);
    if (err == 0 && doubtful.n > 0)
        err = subtract_gone(span, category, doubtful.v, doubtful.n, &items);
    VEC_FINI(&doubtful);
    *out += items;
    return err;
}

int span_count_items(struct span *span, uint64_t *out)
{
    *out = 0;
    int err = 0;
    for (uint32_t c = 0; c < span->topq->categories_count && err == 0; c++)
        err = count_category(span, c, out);
    return err;
}

/* ---- lists: sorted access ---- */

struct sorted {
    uint32_t category;
    uint32_t run;  /* HASH_NONE: the category's memory */
    uint32_t next; /* chunk */
    uint32_t entries;
    bool cut;                  /* there are more items than entries */
    struct rank_entry *buffer; /* of a run: the chunk; of memory: all entries */
    uint32_t buffer_max;
    uint32_t count; /* of the chunk in hand */
};

enum { OF_MEMORY = UINT32_MAX };

struct search {
    struct span *span;
    struct sorted *lists;
    uint32_t count;
    uint32_t *categories;
    bool *certain;
    const uint32_t *wanted; /* of the round in hand */
};

static int keep_chunk(void *arg, const struct storage_rank *rank)
{
    struct sorted *list = arg;
    struct rank_entry entries[RANK_CHUNK_MAX];
    uint32_t count;
    int err = rank_top_decode(rank->body, entries, &count);
    if (err != 0)
        return err;
    if (count > list->buffer_max)
        return LT_ECORRUPT;
    memcpy(list->buffer, entries, count * sizeof(entries[0]));
    list->count = count;
    return 0;
}

static int read_chunk(void *arg, const struct crew_member *member, uint32_t part)
{
    const struct search *s = arg;
    struct sorted *list = &s->lists[s->wanted[part]];
    const struct topq *t = s->span->topq;
    list->count = rank_chunk_count(list->next, list->entries);
    if (list->run == OF_MEMORY || list->count == 0)
        return 0;
    if (list->count > list->buffer_max) {
        struct rank_entry *buffer = realloc(list->buffer, list->count * sizeof(*buffer));
        if (buffer == NULL)
            return LT_ENOMEM;
        list->buffer = buffer;
        list->buffer_max = list->count;
    }
    uint32_t expected = list->count;
    struct storage_rank_filter filter = {.category = t->categories[list->category].info.id,
                                         .dimension = t->columns[0],
                                         .kind = STORAGE_RANK_TOP,
                                         .first = list->next,
                                         .last = list->next};
    list->count = 0;
    int err =
        storage_run_ranks(member->session, run_at(s->span, list->run), &filter, keep_chunk, list);
    return err != 0 ? err : list->count == expected ? 0 : LT_ECORRUPT;
}

static int read_chunks(void *arg, const uint32_t *lists, uint32_t count,
                       struct threshold_chunk *out)
{
    struct search *s = arg;
    s->wanted = lists;
    int err = crew_run(s->span->topq->read, count, read_chunk, s);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct sorted *list = &s->lists[lists[i]];
        uint32_t begin = rank_chunk_begin(list->next++);
        out[i] = (struct threshold_chunk){.entries = list->run == OF_MEMORY ? list->buffer + begin
                                                                            : list->buffer,
                                          .count = list->count,
                                          .end = THRESHOLD_MORE};
        if (begin + list->count >= list->entries)
            out[i].end = list->cut ? THRESHOLD_CUT : THRESHOLD_END;
    }
    return err;
}

static int look_up_sums(void *arg, uint32_t category, const uint32_t *items, uint32_t count,
                        double *out)
{
    struct search *s = arg;
    struct cell *cells = calloc(count + 1, sizeof(*cells));
    if (cells == NULL)
        return LT_ENOMEM;
    int err = span_look_up(s->span, category, 0, items, count, cells);
    for (uint32_t i = 0; i < count && err == 0; i++)
        out[i] = cells[i].count > 0 ? sum_total(&cells[i].sum) : NAN;
    free(cells);
    return err;
}

/* The cells' best, as a list. Differences are values as any others. */
static int list_memory(struct span *span, uint32_t category, struct sorted *list)
{
    const struct cells *cells = &span->categories[category].cells;
    struct best best = {.max = MEMORY_LIST_MAX};
    uint32_t all = 0;
    *list = (struct sorted){.category = category, .run = OF_MEMORY};
    best.rows = calloc(best.max, sizeof(*best.rows));
    if (best.rows == NULL)
        return LT_ENOMEM;
    for (uint32_t p = 0; p < cells->pages_count; p++) {
        for (uint32_t i = 0; cells->pages[p] != NULL && i < CELLS_PAGE_ITEMS; i++) {
            const struct cell *cell = &cells->pages[p][(size_t)i * cells->columns];
            if (cell_is_empty(cell))
                continue;
            all++;
            best_offer(&best,
                       &(struct best_row){sum_total(&cell->sum), 0, p * CELLS_PAGE_ITEMS + i});
        }
    }
    best_sort(&best);
    list->entries = best.n;
    list->cut = best.n < all;
    list->buffer = calloc(best.n + 1, sizeof(*list->buffer));
    for (uint32_t i = 0; list->buffer != NULL && i < best.n; i++)
        list->buffer[i] = (struct rank_entry){best.rows[i].item, best.rows[i].value, 0};
    free(best.rows);
    return list->buffer != NULL ? 0 : LT_ENOMEM;
}

static int search_add(struct search *s, struct sorted list)
{
    s->categories[s->count] = list.category;
    s->certain[s->count] = list.run != OF_MEMORY;
    s->lists[s->count++] = list;
    return 0;
}

static int make_lists(struct search *s)
{
    struct span *span = s->span;
    int err = 0;
    for (uint32_t c = 0; c < span->topq->categories_count && err == 0; c++) {
        for (uint32_t r = 0; r < span->plan.whole.n && err == 0; r++) {
            const struct span_list *list = span_list_at(span, c, r, 0);
            if (list->state == SPAN_LIST)
                err = search_add(s, (struct sorted){.category = c,
                                                    .run = r,
                                                    .entries = list->entries,
                                                    .cut = list->entries < list->items});
        }
        struct sorted memory;
        if (err == 0)
            err = list_memory(span, c, &memory);
        if (err == 0 && memory.entries > 0)
            err = search_add(s, memory);
        else if (err == 0)
            free(memory.buffer);
    }
    return err;
}

int span_threshold(struct span *span, struct best *best)
{
    const struct topq *t = span->topq;
    struct search s = {.span = span};
    uint64_t lists = ((uint64_t)span->plan.whole.n + 1) * t->categories_count, pages = 0;
    for (uint32_t c = 0; c < t->categories_count; c++)
        pages += t->categories[c].info.items / RANK_PAGE_ITEMS + 1;
    if (best->max > LOOKUPS_MIN && best->max > pages / PAGES_PER_LOOKUP)
        return THRESHOLD_GIVES_UP; /* the rows alone are looked up on so many */
    s.lists = calloc(lists + 1, sizeof(*s.lists));
    s.categories = calloc(lists + 1, sizeof(*s.categories));
    s.certain = calloc(lists + 1, sizeof(*s.certain));
    int err =
        s.lists == NULL || s.categories == NULL || s.certain == NULL ? LT_ENOMEM : make_lists(&s);
    if (err == 0) {
        struct threshold config = {.lists = s.count,
                                   .categories = s.categories,
                                   .certain = s.certain,
                                   .entries_max = ENTRIES_MAX,
                                   .lookups_max = pages / PAGES_PER_LOOKUP + LOOKUPS_MIN +
                                                  2 * (size_t)best->max,
                                   .read = read_chunks,
                                   .lookup = look_up_sums,
                                   .arg = &s};
        err = threshold_run(&config, best);
    }
    for (uint32_t i = 0; s.lists != NULL && i < s.count; i++)
        free(s.lists[i].buffer);
    free(s.lists);
    free(s.categories);
    free(s.certain);
    return err;
}
