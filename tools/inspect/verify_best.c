#include "inspect/inspect.h"

#include "base/error.h"
#include "vector/rank_minutes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What the best items have minute by minute, against the points of their rows. */

struct want {
    struct summary summary;
    bool said; /* a rank row has it */
};

struct minutes_check {
    struct inspect *in;
    const struct storage_run *run;
    const struct verify_list *list;
    struct position { /* in the list */
        uint32_t item, at;
    } * items;         /* ascending */
    uint32_t *sorted;  /* their ids alone */
    struct want *want; /* by position in items, and minute */
    uint64_t rows;
};

static int compare_positions(const void *a, const void *b)
{
    const struct position *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

static void tell(const struct minutes_check *m, uint32_t item, const char *what)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "minutes of item %" PRIu32 ": %s", item, what);
    m->list->complain(m->list->arg, text);
}

/* Position in items; count: none. */
static uint32_t find(const struct minutes_check *m, uint32_t item)
{
    const struct position key = {.item = item};
    const struct position *p =
        bsearch(&key, m->items, m->list->count, sizeof(key), compare_positions);
    return p != NULL ? (uint32_t)(p - m->items) : m->list->count;
}

static int add_row(void *arg, const struct storage_pack *pack)
{
    struct minutes_check *m = arg;
    int64_t from_ms = m->run->range.from_s * 1000;
    struct pack_points p;
    int err = pack_open_points(m->in->pack, from_ms, pack->summaries, pack->vectors, m->sorted,
                               m->list->count, &p);
    for (uint32_t i = 0; err == 0 && i < p.count; i++)
        summary_add(&m->want[(size_t)find(m, p.items[i]) * RANK_MINUTES_PARTS +
                             (size_t)((p.times_ms[i] - from_ms) / 60000)]
                         .summary,
                    p.times_ms[i], p.values[i]);
    return err;
}

static int check_row(void *arg, const struct storage_rank *rank)
{
    struct minutes_check *m = arg;
    struct rank_minutes *row = malloc(sizeof(*row));
    int err = row == NULL ? LT_ENOMEM : rank_minutes_decode(rank->body, row);
    m->rows++;
    for (uint32_t i = 0; err == 0 && i < row->count; i++) {
        uint32_t at = find(m, row->items[i]);
        if (at == m->list->count || m->items[at].at / RANK_MINUTES_ENTRIES != rank->number) {
            tell(m, row->items[i], "they do not belong to that row");
            continue;
        }
        struct want *want = &m->want[(size_t)at * RANK_MINUTES_PARTS + row->minutes[i]];
        want->said = true;
        if (want->summary.count != row->counts[i] ||
            !verify_same(summary_total(&want->summary), row->sums[i]))
            tell(m, row->items[i], "they are not what its points are");
    }
    free(row);
    return err;
}

static int check(struct minutes_check *m)
{
    const struct block_filter filter = {.category = m->list->category,
                                        .dimensions = &m->list->dimension,
                                        .dimensions_count = 1,
                                        .items = m->sorted,
                                        .items_count = m->list->count,
                                        .from_ms = INT64_MIN,
                                        .to_ms = INT64_MAX};
    const struct storage_rank_filter ranks = {.category = m->list->category,
                                              .dimension = m->list->dimension,
                                              .kind = STORAGE_RANK_MINUTES,
                                              .last = UINT32_MAX};
    int err = storage_run_packs(m->in->second, m->run, &filter, STORAGE_SUMMARIES | STORAGE_VECTORS,
                                add_row, m);
    if (err == 0)
        err = storage_run_ranks(m->in->second, m->run, &ranks, check_row, m);
    for (uint32_t i = 0; err == 0 && i < m->list->count; i++)
        for (uint32_t k = 0; k < RANK_MINUTES_PARTS; k++) {
            const struct want *want = &m->want[(size_t)i * RANK_MINUTES_PARTS + k];
            if (want->summary.count > 0 && !want->said)
                tell(m, m->items[i].item, "one is missing");
        }
    return err;
}

int verify_best(struct inspect *in, const struct storage_run *run, const struct verify_list *list,
                uint64_t *rows_out)
{
    struct minutes_check m = {.in = in, .run = run, .list = list};
    size_t cells = (size_t)list->count * RANK_MINUTES_PARTS;
    m.items = calloc(list->count + 1, sizeof(*m.items));
    m.sorted = calloc(list->count + 1, sizeof(*m.sorted));
    m.want = calloc(cells + 1, sizeof(*m.want));
    int err = m.items == NULL || m.sorted == NULL || m.want == NULL ? LT_ENOMEM : 0;
    for (uint32_t i = 0; i < list->count && err == 0; i++)
        m.items[i] = (struct position){list->items[i], i};
    for (size_t i = 0; i < cells && err == 0; i++)
        summary_init(&m.want[i].summary);
    if (err == 0) {
        qsort(m.items, list->count, sizeof(*m.items), compare_positions);
        for (uint32_t i = 0; i < list->count; i++)
            m.sorted[i] = m.items[i].item;
        err = check(&m);
    }
    *rows_out = m.rows;
    free(m.items);
    free(m.sorted);
    free(m.want);
    return err;
}
