#include "query/span.h"

#include "base/hash.h"
#include "port/storage_reads.h"
#include "vector/pack.h"
#include "vector/rank.h"

#include <stdlib.h>

/* What some items have in each list of a span. The database takes some 4 us for a row that it looks
 * for, whatever the row holds; so the first chunks of a list, which hold hundreds of items, are
 * read before the pages of those that were not among them: where hours resemble each other, who is
 * best in one is not far behind in the others. */

enum {
    /* So many times as many entries of a list are read as items are wanted: the best 100 of a day
       stand among the best 800 of each of its hours, but for a few. */
    ENTRIES_PER_ITEM = 8,
};

struct lookup {
    struct span *span;
    uint32_t category, column;
    const uint32_t *items;
    uint32_t count;
    uint32_t *slots; /* open addressing: position + 1 of an item, 0: none */
    uint32_t slots_mask;
    struct cell *cells; /* run x count + item */
};

/* One run's. */
struct lookup_run {
    const struct lookup *lookup;
    struct cell *cells;
    uint32_t at; /* items below this belong to earlier pages */
};

/* ---- which item is wanted ---- */

static uint32_t slot_of(const struct lookup *l, uint32_t item)
{
    return (uint32_t)hash_u64(item) & l->slots_mask;
}

/* Its position; count: it is not wanted. */
static uint32_t position_of(const struct lookup *l, uint32_t item)
{
    uint32_t at = slot_of(l, item);
    while (l->slots[at] != 0 && l->items[l->slots[at] - 1] != item)
        at = (at + 1) & l->slots_mask;
    return l->slots[at] != 0 ? l->slots[at] - 1 : l->count;
}

static void fill_slots(struct lookup *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        uint32_t at = slot_of(l, l->items[i]);
        while (l->slots[at] != 0)
            at = (at + 1) & l->slots_mask;
        l->slots[at] = i + 1;
    }
}

static uint32_t slots_for(uint32_t count)
{
    uint32_t slots = 16;
    while (slots < count * UINT64_C(4) && slots < UINT32_C(1) << 31)
        slots *= 2;
    return slots;
}

/* On failure there is nothing to close. */
static int lookup_open(struct lookup *l, uint64_t runs, size_t *bytes_out)
{
    struct read_guard *guard = l->span->scratch.guard;
    uint64_t cells = runs * l->count;
    l->slots_mask = slots_for(l->count) - 1;
    size_t bytes =
        (size_t)cells * sizeof(struct cell) + (l->slots_mask + (size_t)1) * sizeof(uint32_t);
    int err = read_guard_charge(guard, bytes);
    if (err != 0)
        return err;
    l->cells = calloc(cells + 1, sizeof(struct cell));
    l->slots = calloc(l->slots_mask + (size_t)1, sizeof(*l->slots));
    if (l->cells == NULL || l->slots == NULL) {
        free(l->cells);
        free(l->slots);
        read_guard_release(guard, bytes);
        return LT_ENOMEM;
    }
    fill_slots(l);
    *bytes_out = bytes;
    return 0;
}

static void lookup_close(struct lookup *l, size_t bytes)
{
    free(l->cells);
    free(l->slots);
    read_guard_release(l->span->scratch.guard, bytes);
}

/* ---- the first chunks ---- */

struct top_reader {
    struct span *span;
    struct span_list *list;
    struct rank_entry *chunk; /* RANK_CHUNK_MAX */
};

static int keep_chunk(void *arg, const struct storage_rank *rank)
{
    const struct top_reader *reader = arg;
    struct span_top *top = &reader->list->top;
    uint32_t count;
    int err = rank_top_decode(rank->body, reader->chunk, &count);
    if (err == 0 && (rank->number != top->chunks ||
                     count != rank_chunk_count(top->chunks, reader->list->entries)))
        err = LT_ECORRUPT;
    if (err == 0)
        err = SCRATCH_RESERVE(reader->span->scratch.guard, &top->entries, count);
    if (err != 0)
        return err;
    memcpy(top->entries.v + top->entries.n, reader->chunk, count * sizeof(reader->chunk[0]));
    top->entries.n += count;
    top->chunks++;
    return 0;
}

int span_read_top(struct span *span, const struct crew_member *member, uint32_t category,
                  uint32_t run, uint32_t column, uint32_t chunks)
{
    struct span_list *list = span_list_at(span, category, run, column);
    while (chunks > 0 && rank_chunk_count(chunks - 1, list->entries) == 0)
        chunks--;
    if (chunks <= list->top.chunks)
        return 0;
    struct top_reader reader = {span, list, malloc(RANK_CHUNK_MAX * sizeof(struct rank_entry))};
    if (reader.chunk == NULL)
        return LT_ENOMEM;
    struct storage_rank_filter filter = {.category = span->topq->categories[category].info.id,
                                         .dimension = span->topq->columns[column],
                                         .hosts = &list->host,
                                         .hosts_count = 1,
                                         .kind = STORAGE_RANK_TOP,
                                         .first = list->top.chunks,
                                         .last = chunks - 1};
    int err = storage_run_ranks(member->session, span->plan.whole.v[run].run, &filter, keep_chunk,
                                &reader);
    free(reader.chunk);
    return err == 0 && list->top.chunks < chunks ? LT_ECORRUPT : err;
}

void span_drop_top(struct span *span, struct span_list *list)
{
    SCRATCH_FREE(span->scratch.guard, &list->top.entries);
    list->top.chunks = 0;
}

static uint32_t chunks_for(uint32_t items)
{
    uint32_t chunks = 1;
    while (rank_chunk_begin(chunks) < (uint64_t)items * ENTRIES_PER_ITEM &&
           rank_chunk_begin(chunks) < RANK_TOP_MAX)
        chunks++;
    return chunks;
}

/* Returns how many of the items were there. */
static uint32_t take_top(const struct lookup *l, const struct span_top *top, struct cell *cells)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < top->entries.n && found < l->count; i++) {
        const struct rank_entry *entry = &top->entries.v[i];
        uint32_t at = position_of(l, entry->item);
        if (at == l->count)
            continue;
        cells[at] = (struct cell){.sum = {entry->value, 0}, .count = entry->count};
        found++;
    }
    return found;
}

/* ---- pages ---- */

static int take_page(void *arg, const struct storage_rank *rank)
{
    struct lookup_run *r = arg;
    const struct lookup *l = r->lookup;
    bool by_max = l->span->topq->rank == AGGREGATE_MAX;
    struct rank_page page;
    int err = rank_page_decode(rank->number, rank->body,
                               RANK_SUMS | RANK_COUNTS | (by_max ? RANK_MAXS : 0), &page);
    if (err != 0)
        return err;
    while (r->at < l->count && l->items[r->at] / RANK_PAGE_ITEMS < rank->number)
        r->at++;
    uint32_t at = r->at;
    for (uint32_t i = 0; i < page.count && at < l->count; i++) {
        while (at < l->count && l->items[at] < page.items[i])
            at++;
        if (at < l->count && l->items[at] == page.items[i])
            r->cells[at] = (struct cell){.sum = {page.sums[i], 0},
                                         .max = by_max ? page.maxs[i] : 0,
                                         .count = page.counts[i]};
    }
    return 0;
}

/* Of the items that have not been found. */
static int look_up_pages(const struct lookup *l, const struct crew_member *member, uint32_t run,
                         struct cell *cells)
{
    const struct topq *t = l->span->topq;
    uint32_t *pages = calloc(l->count + 1, sizeof(*pages)), n = 0;
    if (pages == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < l->count; i++)
        if (cells[i].count == 0 && (n == 0 || pages[n - 1] != l->items[i] / RANK_PAGE_ITEMS))
            pages[n++] = l->items[i] / RANK_PAGE_ITEMS;
    const struct storage_rank_filter filter = {.category = t->categories[l->category].info.id,
                                               .dimension = t->columns[l->column],
                                               .kind = STORAGE_RANK_PAGE,
                                               .numbers = pages,
                                               .numbers_count = n};
    struct lookup_run r = {.lookup = l, .cells = cells};
    int err = n == 0 ? 0
                     : storage_run_ranks(member->session, l->span->plan.whole.v[run].run, &filter,
                                         take_page, &r);
    free(pages);
    return err;
}

/* ---- a host's observation rows ---- */

struct lookup_packs {
    const struct lookup *lookup;
    struct cell *cells;
    struct pack_codec *codec;
};

static int take_summaries(void *arg, const struct storage_pack *pack)
{
    struct lookup_packs *p = arg;
    struct pack_summaries rows;
    int err = pack_open_summaries(p->codec, pack->summaries, PACK_COUNT | PACK_SUM, &rows);
    for (uint32_t i = 0; err == 0 && i < rows.items; i++) {
        uint32_t at = position_of(p->lookup, rows.item[i]);
        if (at < p->lookup->count && rows.count[i] > 0)
            cell_merge(&p->cells[at],
                       &(struct cell){.sum = {rows.sum[i], 0}, .count = rows.count[i]});
    }
    return err;
}

static int read_packs(const struct lookup *l, const struct crew_member *member, uint32_t run)
{
    const struct topq *t = l->span->topq;
    const struct span_list *list = span_list_at(l->span, l->category, run, l->column);
    const struct storage_run *of = l->span->plan.whole.v[run].run;
    const struct block_filter filter = {.category = t->categories[l->category].info.id,
                                        .dimensions = &t->columns[l->column],
                                        .dimensions_count = 1,
                                        .hosts = &list->host,
                                        .hosts_count = 1,
                                        .items = l->items,
                                        .items_count = l->count,
                                        .from_ms = of->range.from_s * 1000,
                                        .to_ms = of->range.to_s * 1000};
    struct lookup_packs p = {.lookup = l, .cells = l->cells};
    int err = pack_codec_create(&p.codec);
    if (err == 0)
        err =
            storage_run_packs(member->session, of, &filter, STORAGE_SUMMARIES, take_summaries, &p);
    pack_codec_destroy(&p.codec);
    return err;
}

/* Of the items that have not been found. */
static int look_up_packs(const struct lookup *l, const struct crew_member *member, uint32_t run,
                         struct cell *cells)
{
    struct lookup missing = {.span = l->span, .category = l->category, .column = l->column};
    uint32_t *items = calloc(l->count + 1, sizeof(*items));
    size_t bytes;
    if (items == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < l->count; i++)
        if (cells[i].count == 0)
            items[missing.count++] = l->items[i];
    missing.items = items;
    int err = lookup_open(&missing, 1, &bytes);
    if (err == 0) {
        err = read_packs(&missing, member, run);
        for (uint32_t i = 0, k = 0; i < l->count && err == 0; i++)
            if (cells[i].count == 0)
                cells[i] = missing.cells[k++];
        lookup_close(&missing, bytes);
    }
    free(items);
    return err;
}

/* ---- all of it ---- */

static int look_up_list(const struct lookup *l, const struct crew_member *member, uint32_t run,
                        struct cell *cells)
{
    struct span_list *list = span_list_at(l->span, l->category, run, l->column);
    if (list->state != SPAN_LIST)
        return 0;
    bool found = false;
    if (l->span->topq->rank != AGGREGATE_MAX) { /* lists have no maxima */
        int err = span_read_top(l->span, member, l->category, run, l->column, chunks_for(l->count));
        if (err != 0)
            return err;
        found = take_top(l, &list->top, cells) == l->count || list->top.entries.n == list->items;
        if (l->column > 0) /* nobody asks again */
            span_drop_top(l->span, list);
    }
    if (found)
        return 0;
    return list->host == STORAGE_ALL_HOSTS ? look_up_pages(l, member, run, cells)
                                           : look_up_packs(l, member, run, cells);
}

static int look_up_run(void *arg, const struct crew_member *member, uint32_t run)
{
    const struct lookup *l = arg;
    return look_up_list(l, member, run, &l->cells[(size_t)run * l->count]);
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
    struct lookup l = {
        .span = span, .category = category, .column = column, .items = items, .count = count};
    size_t bytes;
    int err = lookup_open(&l, span->plan.whole.n, &bytes);
    if (err != 0)
        return err;
    err = crew_run(span->topq->read, count > 0 ? span->plan.whole.n : 0, look_up_run, &l);
    if (err == 0)
        merge_runs(&l, cells);
    lookup_close(&l, bytes);
    return err;
}

int span_look_up_run(struct span *span, const struct crew_member *member, uint32_t category,
                     uint32_t run, const uint32_t *items, uint32_t count, struct cell *cells)
{
    struct lookup l = {.span = span, .category = category, .items = items, .count = count};
    size_t bytes;
    int err = lookup_open(&l, 0, &bytes);
    if (err != 0)
        return err;
    memset(cells, 0, count * sizeof(*cells));
    err = look_up_list(&l, member, run, cells);
    lookup_close(&l, bytes);
    return err;
}
