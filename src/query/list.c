#include "query/read.h"

#include "base/hash.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "model/name.h"
#include "port/storage_reads.h"
#include "query/fold.h"
#include "query/glob.h"
#include "vector/pack.h"

#include <stdlib.h>

/* Which series have a point: SCAN, KEYS, DBSIZE, RANDOMKEY.
 *
 * The catalog knows hosts and items, not which of them have met. So the whole set is gathered: from
 * the items of compact runs' rows (their summaries, never their points), and from the points of
 * arrival runs and the head. A series of which a point was erased since may have none left, and is
 * asked for by itself.
 *
 * A page of it is what follows the cursor in the order of a hash of the series' numbers. These are
 * a function of the log (docs/adr/0004), so the order is the same in every process and after every
 * restart, and what comes or goes meanwhile moves nobody: a series that is there during a whole
 * scan is told exactly once. The cost is that each call gathers the set anew, so environments with
 * more than LIST_ITEMS_MAX items are refused. */

enum {
    LIST_ITEMS_MAX = 1000000,
    LIST_CATEGORIES = 1000, /* in one pass over the sources */
    LIST_INDEX_BYTES = 36,  /* of a series in the index, at most */
    LIST_CALLS = 64,        /* a scan takes about so many, */
    LIST_PAGE_MAX = 10000,  /* ... but where its pages would be longer than this */
    LIST_PLACE_BITS = 48,
    LIST_BINS = 4096,
    LIST_BIN_BITS = LIST_PLACE_BITS - 12,
    KEY_BYTES_MAX = 2 * NAME_BYTES_MAX + 1,
};

struct entry {
    struct fold_series series;
    bool erased;    /* of it, a point was */
    uint64_t place; /* small enough for clients that keep cursors in a double */
};

struct list {
    struct read *read;
    VEC(struct entry) entries;
    struct hash_index index;
    VEC(uint32_t) dimensions; /* all */
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
    const struct list *l = context;
    return memcmp(&l->entries.v[position].series, key, sizeof(struct fold_series)) == 0;
}

static int note(struct list *l, struct fold_series series, bool erased)
{
    uint64_t hash = hash_of(&series);
    uint32_t at = hash_index_find(&l->index, hash, is_entry, l, &series);
    if (at != HASH_NONE) {
        l->entries.v[at].erased |= erased;
        return 0;
    }
    int err = read_guard_charge(l->read->guard, LIST_INDEX_BYTES);
    if (err != 0)
        return err;
    err = SCRATCH_RESERVE(l->read->guard, &l->entries, 1);
    if (err == 0)
        err = hash_index_add(&l->index, hash, l->entries.n);
    if (err != 0) {
        read_guard_release(l->read->guard, LIST_INDEX_BYTES);
        return err;
    }
    l->entries.v[l->entries.n++] = (struct entry){series, erased, hash >> (64 - LIST_PLACE_BITS)};
    return 0;
}

/* ---- gathering it ---- */

static int note_row(void *arg, const struct storage_pack *row)
{
    struct list *l = arg;
    struct pack_summaries summaries;
    int err = pack_open_summaries(l->packs, row->summaries, PACK_COUNT, &summaries);
    for (uint32_t i = 0; err == 0 && i < summaries.items; i++)
        err = note(
            l, (struct fold_series){row->category, row->dimension, row->host, summaries.item[i]},
            false);
    return err != 0 ? err : read_guard_check(l->read->guard);
}

static int note_block(void *arg, const struct block *block)
{
    struct list *l = arg;
    int err = read_guard_check(l->read->guard);
    for (uint32_t i = 0; err == 0 && i < block->count; i++)
        err = note(
            l,
            (struct fold_series){block->category, block->dimension, block->host, block->items[i]},
            block->policies != NULL && block->policies[i] == POLICY_ERASE);
    return err;
}

/* Both freshnesses of a source of points. */
static int note_points(struct list *l, const struct storage_run *run, struct block_filter filter)
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

static int note_runs(struct list *l, const struct block_filter *filter)
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

static int pass(struct list *l)
{
    struct block_filter filter = {.category = l->categories.v[0],
                                  .dimensions = l->dimensions.v,
                                  .dimensions_count = l->dimensions.n,
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

static int gather(struct list *l)
{
    struct catalog *catalog = read_catalog(l->read);
    uint32_t categories = catalog_categories(catalog), dimensions = catalog_dimensions(catalog);
    int err = SCRATCH_RESERVE(l->read->guard, &l->dimensions, dimensions);
    if (err == 0)
        err = SCRATCH_RESERVE(l->read->guard, &l->categories, LIST_CATEGORIES);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < dimensions; i++)
        l->dimensions.v[l->dimensions.n++] = i;
    for (uint32_t i = 0; i < categories && err == 0;) {
        l->categories.n = 0;
        while (i < categories && l->categories.n < LIST_CATEGORIES)
            l->categories.v[l->categories.n++] = i++;
        err = pass(l);
    }
    return err;
}

/* Takes out the series that have no point left. */
static int drop_erased(struct list *l)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->entries.n; i++) {
        struct entry *entry = &l->entries.v[i];
        int found = entry->erased ? read_has_points(l->read, &entry->series) : 1;
        if (found < 0)
            return found;
        if (found > 0)
            l->entries.v[kept++] = *entry;
    }
    l->entries.n = kept; /* the index is of no use from here on */
    return 0;
}

/* ---- a page of it ---- */

static int compare_places(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->place, y = ((const struct entry *)b)->place;
    return x < y ? -1 : x > y;
}

/* false: the item was forgotten meanwhile. */
static bool put_key(struct catalog *catalog, const struct fold_series *series, struct buffer *stem,
                    struct buffer *key)
{
    char item_name[NAME_BYTES_MAX];
    struct catalog_category category;
    buffer_reset(stem, KEY_BYTES_MAX);
    buffer_reset(key, KEY_BYTES_MAX);
    if (!catalog_category_at(catalog, series->category, &category))
        return false;
    struct slice item = catalog_item_name(catalog, series->category, series->item, item_name);
    name_join_stem(category.name, item, stem);
    if (!catalog_has_stem(catalog, buffer_slice(stem)))
        return false;
    name_join_key(catalog_host_name(catalog, series->host), buffer_slice(stem),
                  series->dimension != 0, catalog_dimension_name(catalog, series->dimension), key);
    return true;
}

/* The first `end` of them, but for those that do not match. */
static int keep_keys(struct list *l, uint32_t end)
{
    const struct query_spec *spec = l->read->spec;
    struct scratch *memory = &l->read->answer->memory;
    struct result_list *out = &l->read->answer->result.list;
    struct slice *keys = scratch_take(memory, (uint64_t)end + 1, sizeof(keys[0]));
    struct buffer stem, key;
    if (keys == NULL)
        return memory->error;
    buffer_init(&stem, KEY_BYTES_MAX);
    buffer_init(&key, KEY_BYTES_MAX);
    int err = 0;
    for (uint32_t i = 0; i < end && err == 0; i++) {
        if (i % 1024 == 0)
            err = read_guard_check(l->read->guard);
        bool there = put_key(read_catalog(l->read), &l->entries.v[i].series, &stem, &key);
        if (stem.error != 0 || key.error != 0)
            err = LT_ENOMEM;
        if (err != 0 || !there || (spec->matches && !glob_matches(spec->match, buffer_slice(&key))))
            continue;
        keys[out->count] = scratch_copy(memory, buffer_slice(&key));
        if (keys[out->count++].p == NULL)
            err = memory->error;
    }
    buffer_fini(&stem);
    buffer_fini(&key);
    out->keys = keys;
    return err;
}

/* How many a page has at least. */
static uint64_t page_size(const struct list *l)
{
    uint64_t want = l->entries.n / LIST_CALLS;
    want = want < LIST_PAGE_MAX ? want : LIST_PAGE_MAX;
    return l->read->spec->limit > want ? l->read->spec->limit : want;
}

/* Keeps those from the cursor on up to a place by which there are `want` of them, so that no more
 * than about a page has to be sorted. Returns how many stand behind that. */
static uint32_t keep_near(struct list *l, uint64_t cursor, uint64_t want)
{
    uint32_t counts[LIST_BINS] = {0}, after = 0, kept = 0, end = 0;
    for (uint32_t i = 0; i < l->entries.n; i++)
        if (l->entries.v[i].place >= cursor) {
            counts[l->entries.v[i].place >> LIST_BIN_BITS]++;
            after++;
        }
    for (uint64_t seen = 0; end < LIST_BINS && seen < want; end++)
        seen += counts[end];
    for (uint32_t i = 0; i < l->entries.n; i++)
        if (l->entries.v[i].place >= cursor && l->entries.v[i].place >> LIST_BIN_BITS < end)
            l->entries.v[kept++] = l->entries.v[i];
    l->entries.n = kept;
    return after - kept;
}

static bool is_past_all(const struct list *l, uint64_t cursor)
{
    uint32_t i = 0;
    while (i < l->entries.n && l->entries.v[i].place < cursor)
        i++;
    return i == l->entries.n;
}

static int make_page(struct list *l)
{
    const struct query_spec *spec = l->read->spec;
    struct result_list *out = &l->read->answer->result.list;
    out->series = l->entries.n;
    if (spec->limit == 0 || l->entries.n == 0)
        return 0;
    uint64_t want = page_size(l);
    uint64_t cursor = spec->wraps && is_past_all(l, spec->cursor) ? 0 : spec->cursor;
    uint32_t behind = keep_near(l, cursor, want);
    if (l->entries.n == 0)
        return 0;
    qsort(l->entries.v, l->entries.n, sizeof(l->entries.v[0]), compare_places);
    uint32_t end = want < l->entries.n ? (uint32_t)want : l->entries.n;
    /* A cursor can not tell apart what stands at one place. */
    while (end < l->entries.n && l->entries.v[end].place == l->entries.v[end - 1].place)
        end++;
    if (end < l->entries.n || behind > 0)
        out->cursor = l->entries.v[end - 1].place + 1;
    return keep_keys(l, end);
}

int list_read(struct read *read)
{
    struct list l = {.read = read};
    uint64_t items = catalog_items(read_catalog(read));
    if (items > LIST_ITEMS_MAX) {
        read_why(read,
                 "this environment has %llu items, and this version lists series of at most %d: "
                 "ask for some with EXISTS, or see CATEGORY LIST and TOPQ",
                 (unsigned long long)items, LIST_ITEMS_MAX);
        return LT_EINVALID;
    }
    hash_index_init(&l.index);
    int err = pack_codec_create(&l.packs);
    if (err == 0)
        err = gather(&l);
    uint32_t indexed = l.entries.n;
    if (err == 0)
        err = drop_erased(&l);
    if (err == 0)
        err = make_page(&l);
    read_guard_release(read->guard, (size_t)indexed * LIST_INDEX_BYTES);
    hash_index_fini(&l.index);
    pack_codec_destroy(&l.packs);
    SCRATCH_FREE(read->guard, &l.entries);
    SCRATCH_FREE(read->guard, &l.dimensions);
    SCRATCH_FREE(read->guard, &l.categories);
    return err;
}
