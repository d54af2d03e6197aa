#include "catalog/items.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS_MAX = 1 << 24 };

void items_fini(struct items *items)
{
    for (uint32_t i = 0; i < items->blocks.n; i++) {
        name_block_fini(&items->blocks.v[i].names);
        free(items->blocks.v[i].hours);
        free(items->blocks.v[i].doomed);
        free(items->blocks.v[i].holes);
    }
    VEC_FINI(&items->blocks);
    name_index_fini(&items->index);
}

void item_list_fini(struct item_list *list)
{
    VEC_FINI(&list->blocks);
}

size_t items_bytes(const struct items *items)
{
    return sizeof(*items) + items->block_bytes + items->index.bytes +
           items->blocks.cap * sizeof(items->blocks.v[0]);
}

static size_t block_bytes(const struct item_block *b)
{
    return name_block_bytes(&b->names) + b->hours_cap * sizeof(b->hours[0]) +
           b->doomed_words * sizeof(b->doomed[0]) + b->holes_words * sizeof(b->holes[0]);
}

static int reserve_hours(struct item_block *b)
{
    if (b->names.count < b->hours_cap)
        return 0;
    uint32_t cap = b->hours_cap == 0 ? 1 : b->hours_cap * 2;
    struct item_hours *grown = realloc(b->hours, cap * sizeof(b->hours[0]));
    if (grown == NULL)
        return LT_ENOMEM;
    for (uint32_t i = b->hours_cap; i < cap; i++) {
        atomic_init(&grown[i].first, UINT32_MAX);
        atomic_init(&grown[i].last, 0);
    }
    b->hours = grown;
    b->hours_cap = cap;
    return 0;
}

/* The block that the next item of a list goes to; a new one stays empty where the caller fails. */
static int open_block(struct items *items, struct item_list *list, uint32_t category,
                      struct item_block **out)
{
    if (list->count == UINT32_MAX)
        return LT_ELIMIT;
    if (list->count / ITEMS_A_BLOCK == list->blocks.n) {
        if (items->blocks.n == BLOCKS_MAX)
            return LT_ELIMIT;
        if (!VEC_RESERVE(&items->blocks, 1) || !VEC_PUSH(&list->blocks, items->blocks.n))
            return LT_ENOMEM;
        struct item_block *b = &items->blocks.v[items->blocks.n++];
        *b = (struct item_block){.category = category, .first_id = list->count};
    }
    *out = items_block_of(items, list, list->count);
    return 0;
}

int items_append(struct items *items, struct item_list *list, uint32_t category, struct slice name,
                 uint64_t *number_out)
{
    struct item_block *b;
    int err = open_block(items, list, category, &b);
    if (err != 0)
        return err;
    size_t before = block_bytes(b);
    uint64_t number = (uint64_t)(b - items->blocks.v) * ITEMS_A_BLOCK + b->count;
    err = reserve_hours(b);
    if (err == 0)
        err = name_block_add(&b->names, name);
    items->block_bytes += block_bytes(b) - before;
    if (err != 0)
        return err;
    b->count++;
    items->count++;
    list->count++;
    *number_out = number;
    return 0;
}

int items_append_gone(struct items *items, struct item_list *list, uint32_t category)
{
    struct item_block *b;
    int err = open_block(items, list, category, &b);
    if (err != 0)
        return err;
    b->count++;
    err = items_reserve_holes(items, b);
    if (err != 0) {
        b->count--;
        return err;
    }
    struct item_holes *h = &b->holes[(b->count - 1) / ITEMS_A_WORD];
    uint64_t bit = UINT64_C(1) << (b->count - 1) % ITEMS_A_WORD;
    h->gone |= bit;
    h->dropped |= bit;
    b->dropped++;
    list->count++;
    list->gone++;
    return 0;
}

int items_add(struct items *items, struct item_list *list, uint32_t category, struct slice name,
              uint64_t hash, uint64_t *number_out)
{
    uint64_t number;
    int err = items_append(items, list, category, name, &number);
    if (err != 0)
        return err;
    err = name_index_add(&items->index, hash, number);
    if (err != 0) {
        items->count--;
        list->count--;
        struct item_block *b = items_block_of(items, list, list->count);
        name_block_drop_last(&b->names);
        b->count--;
        return err;
    }
    *number_out = number;
    return 0;
}

/* ---- marks and holes ---- */

static uint32_t words_of(const struct item_block *b)
{
    return (b->count + ITEMS_A_WORD - 1) / ITEMS_A_WORD;
}

int items_reserve_doomed(struct items *items, struct item_block *b)
{
    uint32_t words = words_of(b);
    if (words <= b->doomed_words)
        return 0;
    uint64_t *grown = realloc(b->doomed, words * sizeof(grown[0]));
    if (grown == NULL)
        return LT_ENOMEM;
    for (uint32_t i = b->doomed_words; i < words; i++)
        grown[i] = 0;
    items->block_bytes += (words - b->doomed_words) * sizeof(grown[0]);
    b->doomed = grown;
    b->doomed_words = (uint8_t)words;
    return 0;
}

int items_reserve_holes(struct items *items, struct item_block *b)
{
    uint32_t words = words_of(b);
    if (words <= b->holes_words)
        return 0;
    struct item_holes *grown = realloc(b->holes, words * sizeof(grown[0]));
    if (grown == NULL)
        return LT_ENOMEM;
    for (uint32_t i = b->holes_words; i < words; i++)
        grown[i] = (struct item_holes){.dropped_before = b->dropped};
    items->block_bytes += (words - b->holes_words) * sizeof(grown[0]);
    b->holes = grown;
    b->holes_words = (uint8_t)words;
    return 0;
}

void items_spare_all(struct items *items)
{
    for (uint32_t i = 0; i < items->blocks.n; i++) {
        struct item_block *b = &items->blocks.v[i];
        items->block_bytes -= b->doomed_words * sizeof(b->doomed[0]);
        free(b->doomed);
        b->doomed = NULL;
        b->doomed_words = 0;
    }
}

void items_forget(struct items *items, struct item_list *list, uint32_t id, uint64_t hash)
{
    uint32_t position = id % ITEMS_A_BLOCK;
    struct item_block *b = items_block_of(items, list, id);
    name_index_remove(&items->index, hash,
                      (uint64_t)(b - items->blocks.v) * ITEMS_A_BLOCK + position);
    b->holes[position / ITEMS_A_WORD].gone |= UINT64_C(1) << position % ITEMS_A_WORD;
    atomic_store_explicit(&b->changed, true, memory_order_release);
    items->count--;
    list->gone++;
}

/* Closes up the hours of those that stay; keep: by place. */
static void close_up_hours(struct item_block *b, uint32_t places, const uint64_t *keep)
{
    uint32_t to = 0;
    for (uint32_t i = 0; i < places; i++) {
        if ((keep[i / ITEMS_A_WORD] >> i % ITEMS_A_WORD & 1) == 0)
            continue;
        atomic_store_explicit(&b->hours[to].first,
                              atomic_load_explicit(&b->hours[i].first, memory_order_relaxed),
                              memory_order_relaxed);
        atomic_store_explicit(&b->hours[to].last,
                              atomic_load_explicit(&b->hours[i].last, memory_order_relaxed),
                              memory_order_relaxed);
        to++;
    }
    if (to == 0) {
        free(b->hours);
        b->hours = NULL;
        b->hours_cap = 0;
        return;
    }
    struct item_hours *fit = realloc(b->hours, to * sizeof(b->hours[0]));
    if (fit != NULL) {
        b->hours = fit;
        b->hours_cap = to;
    }
    for (uint32_t i = to; i < b->hours_cap; i++) { /* what comes next was never seen */
        atomic_store_explicit(&b->hours[i].first, UINT32_MAX, memory_order_relaxed);
        atomic_store_explicit(&b->hours[i].last, 0, memory_order_relaxed);
    }
}

void items_drop(struct items *items, struct item_block *b, const uint32_t *positions,
                uint32_t count)
{
    uint64_t keep[ITEMS_A_BLOCK / ITEMS_A_WORD];
    uint32_t places = b->names.count;
    uint64_t gone[ITEMS_A_BLOCK / ITEMS_A_WORD] = {0};
    size_t before = block_bytes(b);
    memset(keep, 0xff, sizeof(keep));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = positions[i], place;
        const struct item_holes *h = &b->holes[position / ITEMS_A_WORD];
        uint64_t bit = UINT64_C(1) << position % ITEMS_A_WORD;
        if ((h->gone & bit) == 0 || (h->dropped & bit) != 0)
            continue;
        place = items_place(b, position);
        keep[place / ITEMS_A_WORD] &= ~(UINT64_C(1) << place % ITEMS_A_WORD);
        gone[position / ITEMS_A_WORD] |= bit;
    }
    name_block_keep(&b->names, keep);
    close_up_hours(b, places, keep);
    b->dropped = 0;
    for (uint32_t i = 0; i < b->holes_words; i++) {
        b->holes[i].dropped |= gone[i];
        b->holes[i].dropped_before = b->dropped;
        b->dropped += (uint32_t)__builtin_popcountll(b->holes[i].dropped);
    }
    items->block_bytes -= before - block_bytes(b);
}

/* ---- hours ---- */

static bool lower(_Atomic uint32_t *x, uint32_t to)
{
    uint32_t old = atomic_load_explicit(x, memory_order_relaxed);
    while (to < old)
        if (atomic_compare_exchange_weak_explicit(x, &old, to, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static bool raise_to(_Atomic uint32_t *x, uint32_t to)
{
    uint32_t old = atomic_load_explicit(x, memory_order_relaxed);
    while (to > old)
        if (atomic_compare_exchange_weak_explicit(x, &old, to, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Values first, then the mark: who clears the mark and then reads has seen the values, or finds the
 * mark again. */
void item_hours_widen(struct item_block *b, uint32_t position, uint32_t first, uint32_t last)
{
    struct item_hours *h = &b->hours[items_place(b, position)];
    if (LIKELY(first >= atomic_load_explicit(&h->first, memory_order_relaxed) &&
               last <= atomic_load_explicit(&h->last, memory_order_relaxed)))
        return;
    bool lowered = lower(&h->first, first), raised = raise_to(&h->last, last);
    if (lowered || raised)
        atomic_store_explicit(&b->changed, true, memory_order_release);
}

void item_hours_since(struct item_block *b, uint32_t position, uint32_t hour)
{
    struct item_hours *h = &b->hours[items_place(b, position)];
    uint32_t never = UINT32_MAX;
    bool first = atomic_compare_exchange_strong_explicit(
        &h->first, &never, hour, memory_order_relaxed, memory_order_relaxed);
    bool raised = raise_to(&h->last, hour);
    if (first || raised)
        atomic_store_explicit(&b->changed, true, memory_order_release);
}

uint32_t item_hours_copy(const struct item_block *b, uint32_t *first_out, uint32_t *last_out)
{
    for (uint32_t i = 0; i < b->count; i++) {
        first_out[i] = UINT32_MAX;
        last_out[i] = 0;
        if (items_is_gone(b, i))
            continue;
        const struct item_hours *h = &b->hours[items_place(b, i)];
        first_out[i] = atomic_load_explicit(&h->first, memory_order_relaxed);
        last_out[i] = atomic_load_explicit(&h->last, memory_order_relaxed);
    }
    return b->count;
}
