#include "query/bins.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    BIN_BYTES = 1 << 20, /* of cells: half of what a core of 2026 caches by itself */
    BINS_MAX = 256,      /* more than that, and writing to them all waits for memory itself */
    CHUNK_POINTS = 512,
    SMALL_POINTS = 1 << 14, /* fewer than these are not worth calling others */
};

struct chunk {
    struct chunk *next;
    uint32_t count;
    uint32_t offsets[CHUNK_POINTS]; /* item - the bin's first */
    double values[CHUNK_POINTS];
};

struct stray { /* an item beyond those that cells has room for */
    uint32_t column;
    uint32_t item;
    double value;
};

struct member {
    struct chunk **newest; /* column x bins + bin; the others hang behind it */
    struct chunk *spare;
    uint32_t points; /* in chunks, about */
    struct scratch chunks;
    VEC(struct stray) strays;
};

struct bins {
    struct cells *cells;
    struct scratch *memory; /* for cells, by member */
    struct read_guard *guard;
    pthread_mutex_t lock; /* of being laid out */
    _Atomic bool laid_out;
    uint64_t items; /* that cells has room for */
    uint32_t count;
    unsigned shift; /* log2 of a bin's items */
    pthread_mutex_t locks[BINS_MAX];
    struct member members[CREW_MAX];
};

/* ---- made, destroyed ---- */

int bins_create(struct cells *cells, struct scratch *memory, struct bins **out)
{
    struct bins *bins = calloc(1, sizeof(*bins));
    if (bins == NULL)
        return LT_ENOMEM;
    bins->cells = cells;
    bins->memory = memory;
    bins->guard = cells->scratch->guard;
    pthread_mutex_init(&bins->lock, NULL);
    for (uint32_t b = 0; b < BINS_MAX; b++)
        pthread_mutex_init(&bins->locks[b], NULL);
    for (uint32_t i = 0; i < CREW_MAX; i++)
        scratch_init(&bins->members[i].chunks, bins->guard);
    *out = bins;
    return 0;
}

void bins_destroy(struct bins **bins_ref)
{
    struct bins *bins = *bins_ref;
    if (bins == NULL)
        return;
    pthread_mutex_destroy(&bins->lock);
    for (uint32_t b = 0; b < BINS_MAX; b++)
        pthread_mutex_destroy(&bins->locks[b]);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        struct member *m = &bins->members[i];
        scratch_release(bins->guard, m->chunks.bytes);
        scratch_fini(&m->chunks);
        SCRATCH_FREE(bins->guard, &m->strays);
    }
    free(bins);
    *bins_ref = NULL;
}

/* Bins are whole pages of cells, so that no two share one. */
static void choose_bins(struct bins *bins)
{
    uint64_t items = bins->items = (uint64_t)bins->cells->pages_count * CELLS_PAGE_ITEMS;
    uint64_t item_bytes = (uint64_t)bins->cells->columns * sizeof(struct cell);
    bins->shift = CELLS_PAGE_SHIFT;
    while (item_bytes << (bins->shift + 1) <= BIN_BYTES || (items - 1) >> bins->shift >= BINS_MAX)
        bins->shift++;
    bins->count = (uint32_t)((items - 1) >> bins->shift) + 1;
}

/* Only when the first points come: most reads have none that go into memory, and the cells of a
 * large category cost something even while they are empty. */
static int lay_out(struct bins *bins)
{
    int err = 0;
    pthread_mutex_lock(&bins->lock);
    if (!atomic_load_explicit(&bins->laid_out, memory_order_relaxed)) {
        if (cells_reserve(bins->cells))
            choose_bins(bins);
        else
            err = scratch_error(bins->cells->scratch);
        atomic_store_explicit(&bins->laid_out, err == 0, memory_order_release);
    }
    pthread_mutex_unlock(&bins->lock);
    return err;
}

/* ---- out of bins ---- */

static int add_chunk(struct bins *bins, uint32_t member, uint32_t bin, uint32_t column,
                     const struct chunk *chunk)
{
    struct cells *cells = bins->cells;
    uint32_t columns = cells->columns;
    uint32_t first_page = bin << (bins->shift - CELLS_PAGE_SHIFT);
    for (uint32_t i = 0; i < chunk->count; i++) {
        uint32_t page = first_page + (chunk->offsets[i] >> CELLS_PAGE_SHIFT);
        struct cell *at = cells->pages[page];
        if (at == NULL)
            at = cells_page_take(cells, page, &bins->memory[member]);
        if (at == NULL)
            return bins->memory[member].error;
        cell_add(&at[(size_t)(chunk->offsets[i] % CELLS_PAGE_ITEMS) * columns + column],
                 chunk->values[i]);
    }
    return 0;
}

/* All that `of` has in one bin. Its chunks are spare then where it does so itself: others, at the
 * end, empty several of its bins at once, and nobody fills them again. */
static int empty_bin(struct bins *bins, struct member *of, uint32_t bin, uint32_t member,
                     bool is_own)
{
    int err = 0;
    pthread_mutex_lock(&bins->locks[bin]);
    for (uint32_t column = 0; column < bins->cells->columns; column++) {
        struct chunk **newest = &of->newest[(size_t)column * bins->count + bin];
        while (*newest != NULL && err == 0) {
            struct chunk *chunk = *newest;
            err = add_chunk(bins, member, bin, column, chunk);
            *newest = chunk->next;
            if (!is_own)
                continue;
            chunk->next = of->spare;
            of->spare = chunk;
        }
    }
    pthread_mutex_unlock(&bins->locks[bin]);
    return err;
}

/* Members that do this at once begin at different bins, so as not to wait for each other. */
static int empty_member(struct bins *bins, uint32_t member, struct read_guard *guard)
{
    struct member *m = &bins->members[member];
    uint32_t first = bins->count / CREW_MAX * member;
    int err = 0;
    for (uint32_t i = 0; i < bins->count && err == 0; i++) {
        err = read_guard_check(guard);
        if (err == 0)
            err = empty_bin(bins, m, (first + i) % bins->count, member, true);
    }
    m->points = 0;
    return err;
}

static int drain_bin(void *arg, const struct crew_member *member, uint32_t bin)
{
    struct bins *bins = arg;
    int err = 0;
    for (uint32_t i = 0; i < CREW_MAX && err == 0; i++)
        if (bins->members[i].newest != NULL)
            err = empty_bin(bins, &bins->members[i], bin, member->number, false);
    return err;
}

static uint64_t points_in(const struct bins *bins)
{
    uint64_t points = 0;
    for (uint32_t i = 0; i < CREW_MAX; i++)
        points += bins->members[i].points;
    return points;
}

static int add_strays(struct bins *bins, const struct member *m)
{
    for (uint32_t i = 0; i < m->strays.n; i++) {
        const struct stray *stray = &m->strays.v[i];
        struct cell *at = cells_take(bins->cells, stray->item);
        if (at == NULL)
            return scratch_error(bins->cells->scratch);
        cell_add(&at[stray->column], stray->value);
    }
    return 0;
}

int bins_drain(struct bins *bins, struct read *read)
{
    int err = 0;
    if (!atomic_load(&bins->laid_out))
        return 0;
    if (points_in(bins) > SMALL_POINTS)
        err = crew_run_here(read, bins->count, drain_bin, bins);
    else
        for (uint32_t i = 0; i < CREW_MAX && err == 0; i++)
            if (bins->members[i].points > 0)
                err = empty_member(bins, i, read->guard);
    for (uint32_t i = 0; i < CREW_MAX && err == 0; i++)
        err = add_strays(bins, &bins->members[i]);
    return err;
}

/* ---- into bins ---- */

static int new_chunk(struct member *m, struct chunk **newest)
{
    struct chunk *chunk = m->spare;
    if (chunk != NULL)
        m->spare = chunk->next;
    else if ((chunk = scratch_take_raw(&m->chunks, 1, sizeof(*chunk))) == NULL)
        return m->chunks.error;
    chunk->count = 0;
    chunk->next = *newest;
    *newest = chunk;
    return 0;
}

static int add_stray(struct bins *bins, struct member *m, struct stray stray)
{
    if (isnan(stray.value))
        return 0;
    int err = SCRATCH_RESERVE(bins->guard, &m->strays, 1);
    if (err == 0)
        m->strays.v[m->strays.n++] = stray;
    return err;
}

static int begin(struct bins *bins, struct member *m)
{
    int err = atomic_load_explicit(&bins->laid_out, memory_order_acquire) ? 0 : lay_out(bins);
    if (err != 0 || m->newest != NULL)
        return err;
    m->newest = scratch_take(&m->chunks, (uint64_t)bins->cells->columns * bins->count,
                             sizeof(struct chunk *));
    return m->newest == NULL ? m->chunks.error : 0;
}

int bins_add(struct bins *bins, const struct crew_member *member, uint32_t column,
             const uint32_t *items, const double *values, uint32_t count)
{
    struct member *m = &bins->members[member->number];
    int err = begin(bins, m);
    if (err != 0)
        return err;
    struct chunk **newest = m->newest + (size_t)column * bins->count;
    uint32_t mask = (UINT32_C(1) << bins->shift) - 1;
    unsigned shift = bins->shift;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        uint32_t bin = items[i] >> shift;
        if (items[i] >= bins->items) {
            err = add_stray(bins, m, (struct stray){column, items[i], values[i]});
            continue;
        }
        struct chunk *chunk = newest[bin];
        if (chunk == NULL || chunk->count == CHUNK_POINTS) {
            err = new_chunk(m, &newest[bin]);
            if (err != 0)
                break;
            chunk = newest[bin];
        }
        chunk->offsets[chunk->count] = items[i] & mask;
        chunk->values[chunk->count] = values[i];
        chunk->count += !isnan(values[i]);
    }
    m->points += count;
    return err == 0 && m->points >= BINS_POINTS_MAX
               ? empty_member(bins, member->number, member->guard)
               : err;
}
