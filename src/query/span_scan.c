#include "query/span.h"

#include "port/storage_reads.h"
#include "vector/rank.h"

#include <stdlib.h>

/* Windows keep their arrays in the cache; one statement a window, run and column. Where a category
 * has no lists, a window holds what is in memory, however far its ids are apart: what one host of a
 * thousand has costs what it has. */
enum {
    WINDOW_PAGES_MAX = 128,
    WINDOW_BYTES_MAX = 4 << 20,
    LOOSE_ITEMS = 8192, /* of a window without lists */
};

struct window_place {
    uint32_t category;
    uint32_t first_page; /* of RANK_PAGE_ITEMS; loose: of cells */
    bool loose;
    uint32_t pages; /* loose: of cells, those without any included */
};

struct scan {
    struct span *span;
    uint32_t columns;
    uint32_t window_pages; /* with lists */
    uint32_t window_items; /* room, of any */
    span_visit *visit;
    void *arg;
    VEC(struct window_place) places;
    struct span_window windows[CREW_MAX]; /* arrays: made by their member when it first works */
    uint32_t *ids[CREW_MAX];
    struct scratch memory[CREW_MAX];
};

/* A run's pages of one column, into a window. */
struct page_sink {
    const struct span_window *window;
    uint32_t column;
    bool clean; /* no earlier run has added to this column of the window */
};

/* Only counts are cleared between windows: what stands beside a count of 0 means nothing. */
static void add_sums(const struct span_window *w, const uint32_t *at, const double *values,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool first = w->counts[at[i]] == 0;
        struct sum sum = {first ? 0 : w->sums[at[i]], first ? 0 : w->losts[at[i]]};
        sum_add(&sum, values[i]);
        w->sums[at[i]] = sum.value;
        w->losts[at[i]] = sum.lost;
    }
}

static void add_page(const struct page_sink *sink, const struct rank_page *page)
{
    const struct span_window *w = sink->window;
    uint32_t at[RANK_PAGE_ITEMS];
    for (uint32_t i = 0; i < page->count; i++)
        at[i] = sink->column * w->stride + (page->items[i] - w->first);
    if (w->maxs != NULL)
        for (uint32_t i = 0; i < page->count; i++)
            if (w->counts[at[i]] == 0 || page->maxs[i] > w->maxs[at[i]])
                w->maxs[at[i]] = page->maxs[i];
    if (sink->clean) {
        for (uint32_t i = 0; i < page->count; i++) {
            w->sums[at[i]] = page->sums[i];
            w->losts[at[i]] = 0;
            w->counts[at[i]] = page->counts[i];
        }
        return;
    }
    add_sums(w, at, page->sums, page->count);
    for (uint32_t i = 0; i < page->count; i++)
        w->counts[at[i]] += page->counts[i];
}

static int take_page(void *arg, const struct storage_rank *rank)
{
    const struct page_sink *sink = arg;
    struct rank_page page;
    if ((uint64_t)rank->number * RANK_PAGE_ITEMS < sink->window->first ||
        (uint64_t)(rank->number + 1) * RANK_PAGE_ITEMS >
            (uint64_t)sink->window->first + sink->window->items)
        return LT_ECORRUPT;
    int err = rank_page_decode(
        rank->number, rank->body,
        RANK_SUMS | RANK_COUNTS | (sink->window->maxs != NULL ? RANK_MAXS : 0), &page);
    if (err == 0)
        add_page(sink, &page);
    return err;
}

/* The window's pages with items that may count. */
static uint32_t list_pages(const struct topq *t, const struct span_window *w, uint32_t *pages)
{
    enum { WORDS = RANK_PAGE_ITEMS / 64 };
    const struct topq_category *c = &t->categories[w->category];
    uint64_t words = c->bits == NULL ? 0 : ((uint64_t)c->info.items + 63) / 64;
    uint32_t n = 0;
    for (uint32_t page = 0; page < w->items / RANK_PAGE_ITEMS; page++) {
        uint64_t from = (w->first / RANK_PAGE_ITEMS + page) * (uint64_t)WORDS;
        bool any = c->bits == NULL;
        for (uint64_t i = from; i < from + WORDS && i < words && !any; i++)
            any = c->bits[i] != 0;
        if (any)
            pages[n++] = w->first / RANK_PAGE_ITEMS + page;
    }
    return n;
}

static int add_lists(const struct scan *s, const struct crew_member *member,
                     const struct span_window *w, uint32_t column)
{
    const struct topq *t = s->span->topq;
    uint32_t pages[WINDOW_PAGES_MAX];
    uint32_t pages_count = list_pages(t, w, pages);
    bool all = pages_count == w->items / RANK_PAGE_ITEMS;
    if (pages_count == 0)
        return 0;
    struct page_sink sink = {.window = w, .column = column, .clean = true};
    int err = 0;
    for (uint32_t r = 0; r < s->span->plan.whole.n && err == 0; r++) {
        if (span_list_at(s->span, w->category, r, column)->state != SPAN_LIST)
            continue;
        struct storage_rank_filter filter = {.category = t->categories[w->category].info.id,
                                             .dimension = t->columns[column],
                                             .kind = STORAGE_RANK_PAGE,
                                             .numbers = all ? NULL : pages,
                                             .numbers_count = pages_count,
                                             .first = w->first / RANK_PAGE_ITEMS,
                                             .last = (w->first + w->items - 1) / RANK_PAGE_ITEMS};
        err = storage_run_ranks(member->session, s->span->plan.whole.v[r].run, &filter, take_page,
                                &sink);
        sink.clean = false;
    }
    return err;
}

static void add_memory(const struct scan *s, const struct span_window *w)
{
    const struct cells *cells = &s->span->categories[w->category].cells;
    for (uint32_t i = 0; i < w->items; i++) {
        const struct cell *own = cells_find(cells, w->first + i);
        if (own == NULL) {
            i |= CELLS_PAGE_ITEMS - 1; /* nothing on this page */
            continue;
        }
        for (uint32_t c = 0; c < s->columns; c++) {
            if (cell_is_empty(&own[c]))
                continue;
            size_t at = (size_t)c * w->stride + i;
            struct cell cell = {0};
            if (w->counts[at] != 0)
                cell = span_window_cell(w, c, i);
            cell_merge(&cell, &own[c]);
            w->sums[at] = cell.sum.value;
            w->losts[at] = cell.sum.lost;
            w->counts[at] = cell.count;
            if (w->maxs != NULL)
                w->maxs[at] = cell.max;
        }
    }
}

/* A member's arrays. */
static int take_window(struct scan *s, uint32_t member, struct span_window **out)
{
    struct span_window *w = &s->windows[member];
    struct scratch *memory = &s->memory[member];
    uint64_t n = (uint64_t)s->columns * s->window_items;
    w->stride = s->window_items;
    *out = w;
    if (w->sums != NULL)
        return 0;
    s->ids[member] = scratch_take(memory, s->window_items, sizeof(uint32_t));
    w->losts = scratch_take(memory, n, sizeof(*w->losts));
    w->counts = scratch_take(memory, n, sizeof(*w->counts));
    if (s->ids[member] == NULL || w->losts == NULL || w->counts == NULL)
        return scratch_error(memory);
    if (s->span->topq->rank == AGGREGATE_MAX) {
        w->maxs = scratch_take(memory, n, sizeof(*w->maxs));
        if (w->maxs == NULL)
            return scratch_error(memory);
    }
    w->sums = scratch_take(memory, n, sizeof(*w->sums));
    return w->sums == NULL ? scratch_error(memory) : 0;
}

/* Consecutive ids. */
static int fill_window(struct scan *s, const struct crew_member *member,
                       const struct window_place *place, struct span_window *w)
{
    w->ids = NULL;
    w->first = place->first_page * RANK_PAGE_ITEMS;
    w->items = s->window_pages * RANK_PAGE_ITEMS;
    for (uint32_t c = 0; c < s->columns; c++)
        memset(w->counts + (size_t)c * w->stride, 0, w->items * sizeof(*w->counts));
    int err = 0;
    for (uint32_t c = 0; c < s->columns && err == 0; c++)
        err = add_lists(s, member, w, c);
    if (err == 0)
        add_memory(s, w);
    return err;
}

static bool is_empty(const struct cell *cells, uint32_t columns)
{
    uint32_t c = 0;
    while (c < columns && cell_is_empty(&cells[c]))
        c++;
    return c == columns;
}

/* What memory has, and nothing else. */
static void fill_loose(struct scan *s, uint32_t member, const struct window_place *place,
                       struct span_window *w)
{
    const struct cells *cells = &s->span->categories[w->category].cells;
    w->ids = s->ids[member];
    w->items = 0;
    for (uint32_t p = place->first_page; p < place->first_page + place->pages; p++) {
        for (uint32_t i = 0; cells->pages[p] != NULL && i < CELLS_PAGE_ITEMS; i++) {
            const struct cell *own = &cells->pages[p][(size_t)i * cells->columns];
            if (is_empty(own, s->columns))
                continue;
            for (uint32_t c = 0; c < s->columns; c++) {
                size_t at = (size_t)c * w->stride + w->items;
                w->sums[at] = own[c].sum.value;
                w->losts[at] = own[c].sum.lost;
                w->counts[at] = own[c].count;
                if (w->maxs != NULL)
                    w->maxs[at] = own[c].max;
            }
            s->ids[member][w->items++] = p * CELLS_PAGE_ITEMS + i;
        }
    }
}

static int scan_place(void *arg, const struct crew_member *member, uint32_t part)
{
    struct scan *s = arg;
    const struct window_place *place = &s->places.v[part];
    struct span_window *w;
    int err = take_window(s, member->number, &w);
    if (err != 0)
        return err;
    w->category = place->category;
    if (place->loose)
        fill_loose(s, member->number, place, w);
    else
        err = fill_window(s, member, place, w);
    return err != 0 || w->items == 0 ? err : s->visit(s->arg, member, w);
}

static bool has_lists(const struct span *span, uint32_t category, uint32_t columns)
{
    bool listed = false;
    for (uint32_t r = 0; r < span->plan.whole.n; r++)
        for (uint32_t c = 0; c < columns; c++)
            listed |= span_list_at(span, category, r, c)->state == SPAN_LIST;
    return listed;
}

static int add_places(struct scan *s, uint32_t category)
{
    const struct span *span = s->span;
    uint64_t items = (uint64_t)span->categories[category].cells.pages_count * CELLS_PAGE_ITEMS;
    if (span->topq->categories[category].info.items > items)
        items = span->topq->categories[category].info.items;
    for (uint64_t page = 0; page * RANK_PAGE_ITEMS < items; page += s->window_pages) {
        struct window_place place = {category, (uint32_t)page, false, 0};
        if (!VEC_PUSH(&s->places, place))
            return LT_ENOMEM;
    }
    return 0;
}

static int add_loose_places(struct scan *s, uint32_t category)
{
    const struct cells *cells = &s->span->categories[category].cells;
    uint32_t p = 0;
    while (p < cells->pages_count) {
        struct window_place place = {category, p, true, 0};
        for (uint32_t items = 0; p < cells->pages_count && items < LOOSE_ITEMS; p++)
            items += cells->pages[p] != NULL ? CELLS_PAGE_ITEMS : 0;
        place.pages = p - place.first_page;
        if (!VEC_PUSH(&s->places, place))
            return LT_ENOMEM;
    }
    return 0;
}

/* A window is not longer than the largest category. */
static uint32_t choose_window(const struct span *span, uint32_t columns)
{
    uint64_t bytes = (uint64_t)columns * RANK_PAGE_ITEMS * sizeof(struct cell);
    uint64_t pages = WINDOW_BYTES_MAX / bytes, most = 1;
    for (uint32_t c = 0; c < span->topq->categories_count; c++) {
        uint64_t own = span->topq->categories[c].info.items / RANK_PAGE_ITEMS + 1;
        most = own > most ? own : most;
    }
    pages = pages < 1 ? 1 : pages < WINDOW_PAGES_MAX ? pages : WINDOW_PAGES_MAX;
    return (uint32_t)(pages < most ? pages : most);
}

static int plan_places(struct scan *s)
{
    int err = 0;
    s->window_pages = choose_window(s->span, s->columns);
    s->window_items = LOOSE_ITEMS;
    for (uint32_t c = 0; c < s->span->topq->categories_count && err == 0; c++) {
        bool listed = has_lists(s->span, c, s->columns);
        if (listed && s->window_pages * RANK_PAGE_ITEMS > s->window_items)
            s->window_items = s->window_pages * RANK_PAGE_ITEMS;
        err = listed ? add_places(s, c) : add_loose_places(s, c);
    }
    return err;
}

int span_scan(struct span *span, uint32_t columns, span_visit *visit, void *arg)
{
    struct scan s = {.span = span, .columns = columns, .visit = visit, .arg = arg};
    for (uint32_t i = 0; i < CREW_MAX; i++)
        scratch_init(&s.memory[i], span->scratch.guard);
    int err = span_sum_own(span);
    if (err == 0)
        err = plan_places(&s);
    if (err == 0)
        err = crew_run(span->topq->read, s.places.n, scan_place, &s);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        scratch_release(span->scratch.guard, s.memory[i].bytes);
        scratch_fini(&s.memory[i]);
    }
    VEC_FINI(&s.places);
    return err;
}
