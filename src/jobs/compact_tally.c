#include "jobs/compact_tally.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

void tally_init(struct tally *t, int64_t from_ms, int64_t to_ms)
{
    *t = (struct tally){.from_ms = from_ms,
                        .minutes_count = (uint32_t)((to_ms - from_ms + MINUTE_MS - 1) / MINUTE_MS)};
    summary_init(&t->all);
    summary_init(&t->host);
    best_init(&t->host_best);
}

void tally_reset(struct tally *t)
{
    for (uint32_t i = 0; i < t->pages_count; i++) {
        if (t->pages[i] == NULL)
            continue;
        free(t->pages[i]->lost);
        free(t->pages[i]);
        t->pages[i] = NULL;
    }
    t->bytes = 0;
    t->hosts.n = 0;
    t->minutes.n = 0;
    summary_init(&t->all);
}

void tally_fini(struct tally *t)
{
    tally_reset(t);
    free(t->pages);
    VEC_FINI(&t->hosts);
    VEC_FINI(&t->minutes);
    itemset_destroy(&t->host_set);
    best_fini(&t->host_best);
}

/* ---- one host ---- */

int tally_host_begin(struct tally *t, uint32_t host, bool ranked)
{
    if (!VEC_RESERVE(&t->minutes, t->minutes_count) || !VEC_RESERVE(&t->hosts, 1))
        return LT_ENOMEM;
    t->hosts.v[t->hosts.n++] = (struct tally_host){host, t->minutes.n};
    memset(t->minutes.v + t->minutes.n, 0, t->minutes_count * sizeof(t->minutes.v[0]));
    t->minutes.n += t->minutes_count;
    t->host_ranked = ranked;
    t->host_items = 0;
    t->host_negative = false;
    summary_init(&t->host);
    best_reset(&t->host_best);
    itemset_destroy(&t->host_set);
    return ranked ? itemset_create(&t->host_set) : 0;
}

void tally_host_end(struct tally *t)
{
    best_finish(&t->host_best);
    if (t->host_items == 0) { /* it has nothing to add up */
        t->minutes.n -= t->minutes_count;
        t->hosts.n--;
        return;
    }
    summary_merge(&t->all, &t->host);
}

static void minute_add(struct tally_minute *m, double value)
{
    if (m->count++ == 0) {
        m->sum = (struct sum){0};
        m->min = m->max = value;
    }
    sum_add(&m->sum, value);
    m->min = value < m->min ? value : m->min;
    m->max = value > m->max ? value : m->max;
}

static void minutes_add(struct tally *t, const struct vector_points *points)
{
    struct tally_minute *minutes = t->minutes.v + t->hosts.v[t->hosts.n - 1].minutes;
    for (uint32_t i = 0; i < points->count; i++)
        if (!isnan(points->values[i]))
            minute_add(&minutes[(uint64_t)(points->times_ms[i] - t->from_ms) / MINUTE_MS],
                       points->values[i]);
}

/* ---- items, over all hosts ---- */

static struct tally_page *page_at(struct tally *t, uint32_t number)
{
    if (number >= t->pages_count) {
        uint32_t count = number + number / 2 + 16;
        struct tally_page **pages = realloc(t->pages, count * sizeof(t->pages[0]));
        if (pages == NULL)
            return NULL;
        memset(pages + t->pages_count, 0, (count - t->pages_count) * sizeof(pages[0]));
        t->pages = pages;
        t->pages_count = count;
    }
    if (t->pages[number] == NULL) {
        t->pages[number] = calloc(1, sizeof(struct tally_page));
        t->bytes += t->pages[number] != NULL ? sizeof(struct tally_page) : 0;
    }
    return t->pages[number];
}

static int item_add(struct tally *t, uint32_t item, const struct summary *x)
{
    struct tally_page *page = page_at(t, item / RANK_PAGE_ITEMS);
    if (page == NULL)
        return LT_ENOMEM;
    uint32_t i = item % RANK_PAGE_ITEMS;
    struct sum sum = {x->sum, x->lost};
    double max = x->max;
    if (page->counts[i] > 0) {
        const struct sum before = {page->sums[i], page->lost != NULL ? page->lost[i] : 0};
        sum = before;
        sum_merge(&sum, &(struct sum){x->sum, x->lost});
        max = max > page->maxs[i] ? max : page->maxs[i];
    }
    if (sum.lost != 0 && page->lost == NULL) {
        page->lost = calloc(RANK_PAGE_ITEMS, sizeof(page->lost[0]));
        if (page->lost == NULL)
            return LT_ENOMEM;
        t->bytes += RANK_PAGE_ITEMS * sizeof(page->lost[0]);
    }
    page->counts[i] += x->count;
    page->sums[i] = sum.value;
    page->maxs[i] = max;
    if (page->lost != NULL)
        page->lost[i] = sum.lost;
    return 0;
}

static int series_add(struct tally *t, uint32_t item, const struct summary *summary)
{
    t->host_items++;
    double total = summary_total(summary);
    t->host_negative = t->host_negative || total < 0;
    int err = item_add(t, item, summary);
    if (err == 0 && t->host_ranked)
        err = itemset_add(t->host_set, item);
    if (err == 0 && t->host_ranked)
        err = best_add(&t->host_best, item, total, summary->count);
    return err;
}

int tally_add_points(struct tally *t, uint32_t item, const struct vector_points *points,
                     const struct summary *summary)
{
    assert(t->hosts.n > 0);
    summary_merge(&t->host, summary);
    if (summary->count == 0)
        return 0;
    minutes_add(t, points);
    return series_add(t, item, summary);
}

void tally_minute_merge(struct tally_minute *to, const struct tally_minute *m)
{
    if (m->count == 0)
        return;
    to->min = to->count == 0 || m->min < to->min ? m->min : to->min;
    to->max = to->count == 0 || m->max > to->max ? m->max : to->max;
    to->count += m->count;
    sum_merge(&to->sum, &m->sum);
}

int tally_add_buckets(struct tally *t, uint32_t item, const struct rollup_bucket *buckets,
                      uint32_t count, const struct summary *summary)
{
    assert(t->hosts.n > 0);
    summary_merge(&t->host, summary);
    if (summary->count == 0)
        return 0;
    struct tally_minute *minutes = t->minutes.v + t->hosts.v[t->hosts.n - 1].minutes;
    for (uint32_t i = 0; i < count; i++) {
        const struct summary *s = &buckets[i].summary;
        const struct tally_minute bucket = {s->count, {s->sum, s->lost}, s->min, s->max};
        tally_minute_merge(&minutes[buckets[i].number], &bucket);
    }
    return series_add(t, item, summary);
}

uint64_t tally_items(const struct tally *t)
{
    uint64_t items = 0;
    for (uint32_t p = 0; p < t->pages_count; p++)
        for (uint32_t i = 0; t->pages[p] != NULL && i < RANK_PAGE_ITEMS; i++)
            items += t->pages[p]->counts[i] > 0;
    return items;
}

bool tally_page(const struct tally *t, uint32_t number, struct rank_page *out)
{
    out->count = 0;
    const struct tally_page *page = number < t->pages_count ? t->pages[number] : NULL;
    if (page == NULL)
        return false;
    for (uint32_t i = 0; i < RANK_PAGE_ITEMS; i++) {
        if (page->counts[i] == 0)
            continue;
        const struct sum sum = {page->sums[i], page->lost != NULL ? page->lost[i] : 0};
        out->items[out->count] = number * RANK_PAGE_ITEMS + i;
        out->counts[out->count] = page->counts[i];
        out->sums[out->count] = sum_total(&sum);
        out->maxs[out->count] = page->maxs[i];
        out->count++;
    }
    return out->count > 0;
}
