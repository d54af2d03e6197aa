#include "jobs/forget_items.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "catalog/declared.h"
#include "catalog/forget.h"
#include "vector/itemset.h"
#include "record/control.h"

#include <stdlib.h>
#include <time.h>

enum {
    WORD = 64,
    PAGE = CATALOG_SEEN_ITEMS,
    APPENDS_AHEAD = 8, /* of what is stored; as many fit one flush */
    NAP_MS = 20,
};

void forget_items_fini(struct forget_items *set)
{
    for (uint32_t i = 0; i < set->categories.n; i++)
        free(set->categories.v[i].bits);
    VEC_FINI(&set->categories);
    set->count = set->never = 0;
}

struct forget_category *forget_items_find(const struct forget_items *set, uint32_t category)
{
    uint32_t low = 0, high = set->categories.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->categories.v[middle].category < category)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < set->categories.n && set->categories.v[low].category == category;
    return found ? &set->categories.v[low] : NULL;
}

void forget_items_spare(struct forget_items *set, uint32_t category, uint32_t item)
{
    struct forget_category *c = forget_items_find(set, category);
    uint64_t bit = UINT64_C(1) << item % WORD;
    if (c == NULL || item >= c->ids || (c->bits[item / WORD] & bit) == 0)
        return;
    c->bits[item / WORD] &= ~bit;
    set->count--;
}

/* ---- who was not seen ---- */

struct page {
    uint32_t first_h[PAGE], last_h[PAGE];
    uint64_t gone[CATALOG_PAGE_WORDS], doomed[CATALOG_PAGE_WORDS];
    uint32_t never[PAGE], never_count;
    uint64_t bits[CATALOG_PAGE_WORDS];
    uint32_t count; /* of bits */
};

/* Fills bits. False: there is no such page. */
static bool look_at(struct page *p, struct catalog *catalog, uint32_t category, uint32_t number,
                    uint32_t before_h, bool doomed)
{
    uint32_t n = catalog_seen_page(catalog, category, number, p->first_h, p->last_h, NULL);
    uint32_t fates = catalog_fate_page(catalog, category, number, p->gone, p->doomed);
    n = n < fates ? n : fates;
    p->count = p->never_count = 0;
    for (uint32_t i = 0; i < CATALOG_PAGE_WORDS; i++)
        p->bits[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bit = UINT64_C(1) << i % WORD;
        if ((p->gone[i / WORD] & bit) != 0)
            continue;
        if (p->first_h[i] > p->last_h[i]) {
            p->never[p->never_count++] = number * PAGE + i;
        } else if (p->last_h[i] < before_h && (!doomed || (p->doomed[i / WORD] & bit) != 0)) {
            p->bits[i / WORD] |= bit;
            p->count++;
        }
    }
    return n > 0;
}

static int add_page(struct forget_items *set, uint32_t category, uint32_t number,
                    const struct page *p)
{
    uint32_t last = set->categories.n;
    if (last == 0 || set->categories.v[last - 1].category != category) {
        struct forget_category c = {.category = category};
        if (!VEC_PUSH(&set->categories, c))
            return LT_ENOMEM;
        last++;
    }
    struct forget_category *c = &set->categories.v[last - 1];
    uint32_t words = (number + 1) * CATALOG_PAGE_WORDS;
    uint64_t *grown = realloc(c->bits, words * sizeof(grown[0]));
    if (grown == NULL)
        return LT_ENOMEM;
    for (uint32_t i = c->ids / WORD; i < words; i++)
        grown[i] = 0;
    for (uint32_t i = 0; i < CATALOG_PAGE_WORDS; i++)
        grown[number * CATALOG_PAGE_WORDS + i] = p->bits[i];
    c->bits = grown;
    c->ids = words * WORD;
    set->count += p->count;
    return 0;
}

/* Who has a declared series would be left out when the record is applied, round after round. */
static int spare_declared(struct forget_items *set, struct catalog *catalog)
{
    enum { LISTED = 1024 };
    uint32_t items[LISTED], n, from;
    struct itemset *declared;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < set->categories.n; i++) {
        declared = NULL;
        err = itemset_create(&declared);
        if (err == 0)
            err = catalog_declared_items(catalog, set->categories.v[i].category, declared);
        for (from = 0; err == 0 && (n = itemset_list(declared, from, items, LISTED)) > 0;
             from = items[n - 1] + 1)
            for (uint32_t j = 0; j < n; j++)
                forget_items_spare(set, set->categories.v[i].category, items[j]);
        itemset_destroy(&declared);
    }
    return err;
}

int forget_items_unseen(struct forget_items *set, struct catalog *catalog, uint32_t before_h,
                        uint32_t now_h, bool doomed, uint64_t max)
{
    struct page *p = malloc(sizeof(*p));
    int err = p == NULL ? LT_ENOMEM : 0;
    struct catalog_category info;
    for (uint32_t id = 0; err == 0 && catalog_category_at(catalog, id, &info); id++) {
        for (uint32_t number = 0; err == 0 && set->count < max; number++) {
            if (!look_at(p, catalog, id, number, before_h, doomed))
                break;
            set->never += p->never_count;
            if (p->never_count > 0 && now_h > 0)
                catalog_seen_since(catalog, id, p->never, p->never_count, now_h);
            if (p->count > 0)
                err = add_page(set, id, number, p);
        }
    }
    free(p);
    if (err == 0 && set->count > 0 && catalog_declared_count(catalog) > 0)
        err = spare_declared(set, catalog);
    return err;
}

/* ---- to the log ---- */

struct appending {
    struct job_context *context;
    enum record_what what;
    uint64_t round;
    bool paced;
    uint32_t ahead;
    uint64_t next;
    struct buffer record;
    uint32_t items[RECORD_ITEMS_MAX];
};

static int wait_stored(struct appending *a)
{
    struct job_context *c = a->context;
    const struct timespec nap = {0, NAP_MS * 1000000L};
    for (;;) {
        struct storage_progress progress;
        int err = storage_progress_read(c->session, c->fence.partition, &progress);
        if (err == 0)
            err = read_guard_check(c->guard);
        if (err != 0 || progress.next >= a->next)
            return err;
        nanosleep(&nap, NULL);
    }
}

static int append(struct appending *a, uint32_t category, uint32_t count)
{
    struct job_context *c = a->context;
    uint64_t offset;
    buffer_reset(&a->record, SIZE_MAX);
    int err = record_write_items(&a->record, a->what, c->environment, clock_wall_ms(), a->round,
                                 category, a->items, count);
    if (err == 0)
        err = c->append(c->append_arg, buffer_slice(&a->record), &offset);
    if (err != 0)
        return err;
    failpoint(a->what == RECORD_DOOM ? "forget.doomed" : "forget.appended");
    a->next = offset + 1;
    atomic_fetch_add_explicit(&c->progress->points_done, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->progress->rows, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->progress->bytes, a->record.len, memory_order_relaxed);
    if (a->paced && ++a->ahead % APPENDS_AHEAD == 0)
        err = wait_stored(a);
    return err != 0 ? err : job_pace(c, a->record.len);
}

static int append_category(struct appending *a, const struct forget_category *c)
{
    int err = 0;
    for (uint64_t first = 0; err == 0 && first < c->ids; first += RECORD_ITEMS_MAX) {
        uint32_t n = 0;
        for (uint64_t at = first; at < c->ids && at < first + RECORD_ITEMS_MAX; at += WORD)
            for (uint64_t word = c->bits[at / WORD]; word != 0; word &= word - 1)
                a->items[n++] = (uint32_t)at + (uint32_t)__builtin_ctzll(word);
        if (n > 0)
            err = append(a, c->category, n);
    }
    return err;
}

int forget_items_append(const struct forget_items *set, struct job_context *context,
                        enum record_what what, uint64_t round, bool paced, uint64_t *next_out)
{
    struct appending *a = malloc(sizeof(*a));
    if (a == NULL)
        return LT_ENOMEM;
    a->context = context;
    a->what = what;
    a->round = round;
    a->paced = paced;
    a->ahead = 0;
    a->next = 0;
    buffer_init(&a->record, SIZE_MAX);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < set->categories.n; i++)
        err = append_category(a, &set->categories.v[i]);
    if (err == 0)
        *next_out = a->next;
    buffer_fini(&a->record);
    free(a);
    return err;
}
