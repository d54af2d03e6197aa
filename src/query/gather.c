#include "query/gather.h"

#include "base/ascending.h"
#include "base/hash.h"
#include "catalog/catalog.h"
#include "catalog/declared.h"
#include "port/storage_reads.h"
#include "vector/pack.h"

#include <string.h>

enum {
    GATHER_CATEGORIES = 1000, /* in one pass over the sources */
    GATHER_INDEX_BYTES = 36,  /* of a series in the index, at most */
    GATHER_KEYS = 1024,
};

struct gathering {
    struct read *read;
    struct gathered *to;
    const struct gather_filter *filter;
    struct hash_index index;
    VEC(uint32_t) dimensions;
    VEC(uint32_t) categories; /* of the pass */
    struct pack_codec *packs;
};

/* ---- the set ---- */

static uint64_t hash_of(const struct fold_series *series)
{
    return hash_bytes(slice_make((const char *)series, sizeof(*series)));
}

static bool is_entry(const void *context, const void *key, uint32_t position)
{
    const struct gathering *l = context;
    return memcmp(&l->to->entries.v[position].series, key, sizeof(struct fold_series)) == 0;
}

enum { HAS_POINT = 0, ERASED = 1, DECLARED = 2 };

static bool is_one_of(const uint32_t *ids, uint32_t count, uint32_t id)
{
    return ids == NULL || ascending_has(ids, count, id);
}

static int note(struct gathering *l, struct fold_series series, unsigned how)
{
    const struct gather_filter *f = l->filter;
    if (!is_one_of(f->hosts, f->hosts_count, series.host) ||
        !is_one_of(f->items, f->items_count, series.item))
        return 0;
    uint64_t hash = hash_of(&series);
    uint32_t at = hash_index_find(&l->index, hash, is_entry, l, &series);
    if (at != HASH_NONE) {
        l->to->entries.v[at].erased |= (how & ERASED) != 0;
        l->to->entries.v[at].declared |= (how & DECLARED) != 0;
        return 0;
    }
    int err = read_guard_charge(l->read->guard, GATHER_INDEX_BYTES);
    if (err != 0)
        return err;
    err = SCRATCH_RESERVE(l->read->guard, &l->to->entries, 1);
    if (err == 0)
        err = hash_index_add(&l->index, hash, l->to->entries.n);
    if (err != 0) {
        read_guard_release(l->read->guard, GATHER_INDEX_BYTES);
        return err;
    }
    l->to->entries.v[l->to->entries.n++] =
        (struct gathered_series){series, (how & ERASED) != 0, (how & DECLARED) != 0, hash};
    return 0;
}

/* ---- gathering it ---- */

static int note_row(void *arg, const struct storage_pack *row)
{
    struct gathering *l = arg;
    struct pack_summaries summaries;
    int err = pack_open_summaries(l->packs, row->summaries, PACK_COUNT, &summaries);
    for (uint32_t i = 0; err == 0 && i < summaries.items; i++)
        err = note(
            l, (struct fold_series){row->category, row->dimension, row->host, summaries.item[i]},
            HAS_POINT);
    return err != 0 ? err : read_guard_check(l->read->guard);
}

static int note_block(void *arg, const struct block *block)
{
    struct gathering *l = arg;
    int err = read_guard_check(l->read->guard);
    for (uint32_t i = 0; err == 0 && i < block->count; i++)
        err = note(
            l,
            (struct fold_series){block->category, block->dimension, block->host, block->items[i]},
            block->policies != NULL && block->policies[i] == POLICY_ERASE ? ERASED : HAS_POINT);
    return err;
}

/* Both freshnesses of a source of points. */
static int note_points(struct gathering *l, const struct storage_run *run,
                       struct block_filter filter)
{
    struct source *source = &l->read->source;
    int err = 0;
    for (int fresh = 0; fresh < 2 && err == 0; fresh++) {
        filter.fresh = fresh == 1;
        if (run != NULL)
            err = storage_run_scan(source->session, run, &filter, note_block, l);
        else
            err = head_scan(source->head, source->view, source->next, &filter, note_block, l);
    }
    return err;
}

static int note_runs(struct gathering *l, const struct block_filter *filter)
{
    uint32_t count;
    const struct storage_run *runs = storage_snapshot_runs(l->read->source.session, &count);
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        if (runs[i].resolution_s != 1)
            continue;
        if (runs[i].kind == STORAGE_COMPACT)
            err = storage_run_packs(l->read->source.session, &runs[i], filter, STORAGE_SUMMARIES,
                                    note_row, l);
        else
            err = note_points(l, &runs[i], *filter);
    }
    return err;
}

static int pass(struct gathering *l)
{
    const struct gather_filter *wanted = l->filter;
    struct block_filter filter = {.category = l->categories.v[0],
                                  .dimensions = l->dimensions.v,
                                  .dimensions_count = l->dimensions.n,
                                  .hosts = wanted->hosts,
                                  .hosts_count = wanted->hosts_count,
                                  .items = wanted->items,
                                  .items_count = wanted->items_count,
                                  .from_ms = 0,
                                  .to_ms = INT64_MAX,
                                  .fresh = true};
    if (l->categories.n > 1) {
        filter.categories = l->categories.v;
        filter.categories_count = l->categories.n;
    }
    int err = note_runs(l, &filter);
    return err != 0 ? err : note_points(l, NULL, filter);
}

/* How many of what there is are wanted. */
static uint32_t wanted_count(const uint32_t *ids, uint32_t count, uint32_t all)
{
    return ids != NULL ? count : all;
}

static int gather(struct gathering *l)
{
    const struct gather_filter *f = l->filter;
    struct catalog *catalog = read_catalog(l->read);
    uint32_t categories =
        wanted_count(f->categories, f->categories_count, catalog_categories(catalog));
    uint32_t dimensions =
        wanted_count(f->dimensions, f->dimensions_count, catalog_dimensions(catalog));
    int err = SCRATCH_RESERVE(l->read->guard, &l->dimensions, dimensions);
    if (err == 0)
        err = SCRATCH_RESERVE(l->read->guard, &l->categories, GATHER_CATEGORIES);
    if (err != 0 || dimensions == 0 || (f->hosts != NULL && f->hosts_count == 0) ||
        (f->items != NULL && f->items_count == 0))
        return err;
    for (uint32_t i = 0; i < dimensions; i++)
        l->dimensions.v[l->dimensions.n++] = f->dimensions != NULL ? f->dimensions[i] : i;
    for (uint32_t i = 0; i < categories && err == 0;) {
        l->categories.n = 0;
        for (; i < categories && l->categories.n < GATHER_CATEGORIES; i++)
            l->categories.v[l->categories.n++] = f->categories != NULL ? f->categories[i] : i;
        err = pass(l);
    }
    return err;
}

/* Takes out the series that have no point left, and need one to be there. */
static int drop_erased(struct gathering *l)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->to->entries.n; i++) {
        struct gathered_series *entry = &l->to->entries.v[i];
        int found =
            entry->erased && !entry->declared ? read_has_points(l->read, &entry->series) : 1;
        if (found < 0)
            return found;
        if (found > 0)
            l->to->entries.v[kept++] = *entry;
    }
    l->to->entries.n = kept; /* the index is of no use from here on */
    return 0;
}

/* ---- those that are there without points ---- */

static int note_declared(struct gathering *l)
{
    struct catalog_key keys[GATHER_KEYS];
    uint32_t from = 0, n = GATHER_KEYS;
    int err = 0;
    while (err == 0 && n == GATHER_KEYS) {
        n = catalog_declared_list(read_catalog(l->read), &from, keys, GATHER_KEYS);
        err = read_guard_check(l->read->guard);
        for (uint32_t i = 0; err == 0 && i < n; i++)
            err = note(l,
                       (struct fold_series){keys[i].category, keys[i].dimension, keys[i].host,
                                            keys[i].item},
                       DECLARED);
    }
    return err;
}

int gather_run(struct read *read, const struct gather_filter *filter, struct gathered *out)
{
    struct gathering l = {.read = read, .to = out, .filter = filter};
    hash_index_init(&l.index);
    int err = pack_codec_create(&l.packs);
    if (err == 0)
        err = gather(&l);
    if (err == 0 && filter->declared)
        err = note_declared(&l);
    uint32_t indexed = out->entries.n;
    if (err == 0)
        err = drop_erased(&l);
    read_guard_release(read->guard, (size_t)indexed * GATHER_INDEX_BYTES);
    hash_index_fini(&l.index);
    pack_codec_destroy(&l.packs);
    SCRATCH_FREE(read->guard, &l.dimensions);
    SCRATCH_FREE(read->guard, &l.categories);
    return err;
}

void gather_free(struct read *read, struct gathered *gathered)
{
    SCRATCH_FREE(read->guard, &gathered->entries);
}
