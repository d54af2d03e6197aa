#include "query/span.h"

#include "port/storage_reads.h"
#include "catalog/catalog.h"
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

static bool is_finite(const struct rank_total *total)
{
    return isfinite(total->summary.sum + total->summary.lost);
}

/* Is the total of all hosts what was asked for? */
static enum span_state state_of(const struct topq *t, const struct rank_total *total)
{
    if (!is_finite(total))
        return SPAN_SUMMED; /* nothing can be taken away from such a total */
    if (t->hosts == NULL)
        return SPAN_LIST;
    if (total->hosts != 1)
        return SPAN_SUMMED;
    return span_wants_host(t, total->only_host) ? SPAN_LIST : SPAN_NONE;
}

/* A host with many items has lists of its own, but no pages: they answer what is best by sum. */
static bool wants_own(const struct topq *t)
{
    return t->hosts != NULL && t->hosts_count == 1 && t->rank == AGGREGATE_SUM && !t->filtered;
}

static int take_total(const struct totals_row *row, uint32_t host, const struct rank_total *total)
{
    struct span *span = row->totals->span;
    struct span_list *list = row->list;
    list->state = SPAN_LIST;
    list->host = host;
    list->only_host = total->hosts == 1 ? total->only_host : CATALOG_NONE;
    if (host != STORAGE_ALL_HOSTS)
        list->only_host = host;
    list->total = cell_of(&total->summary);
    list->items = total->items;
    list->entries = total->entries;
    if (!row->counts_items)
        return 0;
    pthread_mutex_lock(&span->lock);
    int err = itemset_merge(span->categories[row->totals->category].items, total->set);
    pthread_mutex_unlock(&span->lock);
    return err;
}

/* That of the host alone comes first, where it is asked for. That of all hosts says the same where
 * it is the only one, and has pages. */
static int total_row(void *arg, const struct storage_rank *rank)
{
    const struct totals_row *row = arg;
    struct span_list *list = row->list;
    struct rank_total total;
    int err = rank_total_decode(rank->body, &total);
    if (err != 0)
        return err;
    bool all = rank->host == STORAGE_ALL_HOSTS;
    enum span_state state = all                 ? state_of(row->totals->span->topq, &total)
                            : is_finite(&total) ? SPAN_LIST
                                                : SPAN_SUMMED;
    if (all)
        list->has_totals = is_finite(&total);
    if (state == SPAN_LIST)
        return take_total(row, rank->host, &total);
    if (list->state != SPAN_LIST)
        list->state = state;
    return 0;
}

static int read_run_totals(void *arg, const struct crew_member *member, uint32_t run)
{
    struct totals *totals = arg;
    struct span *span = totals->span;
    const struct topq *t = span->topq;
    const uint32_t hosts[] = {wants_own(t) ? t->hosts[0] : STORAGE_ALL_HOSTS, STORAGE_ALL_HOSTS};
    int err = 0;
    for (uint32_t c = 0; c < span->columns && err == 0; c++) {
        struct totals_row row = {.totals = totals,
                                 .list = span_list_at(span, totals->category, run, c),
                                 .counts_items = c == 0};
        struct storage_rank_filter filter = {.category = t->categories[totals->category].info.id,
                                             .dimension = t->columns[c],
                                             .hosts = hosts,
                                             .hosts_count = wants_own(t) ? 2 : 1,
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
        for (uint32_t c = 0; c < span->columns; c++) {
            const struct span_list *list = span_list_at(span, category, r, c);
            span->lists += list->state == SPAN_LIST;
            span->own += list->state == SPAN_LIST && list->host != STORAGE_ALL_HOSTS;
        }
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
    struct rank_entry *memory; /* all entries, where there is no run */
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

static struct span_top *top_of(const struct search *s, const struct sorted *list)
{
    return &span_list_at(s->span, list->category, list->run, 0)->top;
}

static int read_chunk(void *arg, const struct crew_member *member, uint32_t part)
{
    const struct search *s = arg;
    const struct sorted *list = &s->lists[s->wanted[part]];
    if (list->run == OF_MEMORY)
        return 0;
    return span_read_top(s->span, member, list->category, list->run, 0, list->next + 1);
}

static int read_chunks(void *arg, const uint32_t *lists, uint32_t count,
                       struct threshold_chunk *out)
{
    struct search *s = arg;
    s->wanted = lists;
    int err = crew_run(s->span->topq->read, count, read_chunk, s);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct sorted *list = &s->lists[lists[i]];
        const struct rank_entry *entries =
            list->run == OF_MEMORY ? list->memory : top_of(s, list)->entries.v;
        uint32_t begin = rank_chunk_begin(list->next);
        uint32_t more = rank_chunk_count(list->next++, list->entries);
        out[i] = (struct threshold_chunk){
            .entries = more > 0 ? entries + begin : NULL, .count = more, .end = THRESHOLD_MORE};
        if (begin + more >= list->entries)
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
    list->memory = calloc(best.n + 1, sizeof(*list->memory));
    for (uint32_t i = 0; list->memory != NULL && i < best.n; i++)
        list->memory[i] = (struct rank_entry){best.rows[i].item, best.rows[i].value, 0};
    free(best.rows);
    return list->memory != NULL ? 0 : LT_ENOMEM;
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
            free(memory.memory);
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
    if (span->own > 0) /* lookups read an observation row for each item, of the few of a host */
        pages = 0;
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
        free(s.lists[i].memory);
    free(s.lists);
    free(s.categories);
    free(s.certain);
    return err;
}
