#include "query/read.h"

#include "base/vec.h"
#include "catalog/catalog.h"
#include "model/name.h"
#include "query/gather.h"
#include "query/glob.h"

#include <stdlib.h>

/* Which keys there are: SCAN, KEYS, DBSIZE, RANDOMKEY.
 *
 * The whole set is gathered (gather.h). A page of it is what follows the cursor in the order of a
 * hash of the series' numbers. These are a function of the log (docs/adr/0004), so the order is the
 * same in every process and after every restart, and what comes or goes meanwhile moves nobody: a
 * series that is there during a whole scan is told exactly once. The cost is that each call gathers
 * the set anew, so environments with more than GATHER_ITEMS_MAX items are refused; but for one host
 * (MATCH host/...), whose series alone are gathered then. */

enum {
    LIST_CALLS = 64,       /* a scan takes about so many, */
    LIST_PAGE_MAX = 10000, /* ... but where its pages would be longer than this */
    LIST_PLACE_BITS = 48,
    LIST_BINS = 4096,
    LIST_BIN_BITS = LIST_PLACE_BITS - 12,
    KEY_BYTES_MAX = 2 * NAME_BYTES_MAX + 1,
};

struct entry {
    struct fold_series series;
    uint64_t place; /* small enough for clients that keep cursors in a double */
};

struct list {
    struct read *read;
    VEC(struct entry) entries;
};

/* ---- a page of it ---- */

static int compare_places(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->place, y = ((const struct entry *)b)->place;
    return x < y ? -1 : x > y;
}

bool read_put_key(struct catalog *catalog, const struct fold_series *series, struct buffer *stem,
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
        return scratch_error(memory);
    buffer_init(&stem, KEY_BYTES_MAX);
    buffer_init(&key, KEY_BYTES_MAX);
    int err = 0;
    for (uint32_t i = 0; i < end && err == 0; i++) {
        if (i % 1024 == 0)
            err = read_guard_check(l->read->guard);
        bool there = read_put_key(read_catalog(l->read), &l->entries.v[i].series, &stem, &key);
        if (stem.error != 0 || key.error != 0)
            err = LT_ENOMEM;
        if (err != 0 || !there || (spec->matches && !glob_matches(spec->match, buffer_slice(&key))))
            continue;
        keys[out->count] = scratch_copy(memory, buffer_slice(&key));
        if (keys[out->count++].p == NULL)
            err = scratch_error(memory);
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

/* Does the pattern ask for keys of one host? Its id, which may be CATALOG_NONE. */
static bool one_host(struct read *read, uint32_t *host_out)
{
    struct slice match = read->spec->match;
    size_t n = slice_find(match, '/');
    if (!read->spec->matches || n == match.n || glob_is_pattern(slice_upto(match, n)))
        return false;
    *host_out = catalog_find_host(read_catalog(read), slice_upto(match, n));
    return true;
}

static int place_all(struct list *l)
{
    struct gather_filter filter = {.declared = true};
    struct gathered gathered = {0};
    uint32_t host;
    if (one_host(l->read, &host)) {
        filter.hosts = &host;
        filter.hosts_count = host != CATALOG_NONE;
    }
    int err = gather_run(l->read, &filter, &gathered);
    if (err == 0)
        err = SCRATCH_RESERVE(l->read->guard, &l->entries, gathered.entries.n);
    for (uint32_t i = 0; err == 0 && i < gathered.entries.n; i++)
        l->entries.v[l->entries.n++] = (struct entry){
            gathered.entries.v[i].series, gathered.entries.v[i].hash >> (64 - LIST_PLACE_BITS)};
    gather_free(l->read, &gathered);
    return err;
}

int list_read(struct read *read)
{
    struct list l = {.read = read};
    uint64_t items = catalog_items(read_catalog(read));
    uint32_t host;
    if (items > GATHER_ITEMS_MAX && !one_host(read, &host)) {
        read_why(read,
                 "this environment has %llu items, and keys of all its hosts are listed of at most "
                 "%d: ask for those of one host, by MATCH or KEYS host/*, for some with EXISTS, or "
                 "see CATEGORY LIST and TOPQ",
                 (unsigned long long)items, GATHER_ITEMS_MAX);
        return LT_EINVALID;
    }
    int err = place_all(&l);
    if (err == 0)
        err = make_page(&l);
    SCRATCH_FREE(read->guard, &l.entries);
    return err;
}
