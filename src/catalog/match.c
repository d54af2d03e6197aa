#include "catalog/match.h"

#include "base/ascending.h"
#include "base/error.h"
#include "catalog/internal.h"
#include "model/name.h"

#include <stdlib.h>

/* A term with the numbers of what it names, so that a series is looked at without its texts. */
struct term {
    const struct filter_term *filter;
    enum implied implied;
    uint32_t *ids; /* host, category, dimension; metric, item: categories; ascending */
    uint32_t ids_count;
    struct catalog_key *metrics; /* host is of no meaning; item: nor is dimension */
    uint32_t metrics_count;
    uint32_t *items; /* of metrics, ascending, each once */
    uint32_t items_count;
    const struct label_name
        *name; /* while the lock is held: the label, if any series declares it */
};

struct catalog_match {
    struct catalog *catalog;
    uint32_t count;
    struct term terms[];
};

/* ---- resolving ---- */

static uint32_t find_id(const struct catalog *c, enum implied implied, struct slice value)
{
    switch (implied) {
    case IMPLIED_HOST:
        return name_list_find(&c->hosts, value);
    case IMPLIED_DIMENSION:
        return name_list_find_from(&c->dimensions, value, DIMENSION_NONE + 1);
    case IMPLIED_CATEGORY:
        return entries_find_category(c, value);
    default:
        return CATALOG_NONE;
    }
}

static int id_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort_ids(uint32_t *ids, uint32_t *count)
{
    uint32_t n = 0;
    if (*count > 0)
        qsort(ids, *count, sizeof(ids[0]), id_order);
    for (uint32_t i = 0; i < *count; i++)
        if (n == 0 || ids[i] != ids[n - 1])
            ids[n++] = ids[i];
    *count = n;
}

static int resolve_ids(const struct catalog *c, struct term *t)
{
    t->ids = malloc((t->filter->count + 1) * sizeof(t->ids[0]));
    if (t->ids == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < t->filter->count; i++) {
        uint32_t id = find_id(c, t->implied, t->filter->values[i]);
        if (id != CATALOG_NONE)
            t->ids[t->ids_count++] = id;
    }
    sort_ids(t->ids, &t->ids_count);
    return 0;
}

static int take_metric_room(struct term *t, uint64_t count)
{
    t->metrics = malloc((count + 1) * sizeof(t->metrics[0]));
    t->ids = malloc((count + 1) * sizeof(t->ids[0]));
    t->items = malloc((count + 1) * sizeof(t->items[0]));
    return t->metrics == NULL || t->ids == NULL || t->items == NULL ? LT_ENOMEM : 0;
}

static void put_metric(struct term *t, struct catalog_series s)
{
    t->ids[t->ids_count++] = s.category;
    t->items[t->items_count++] = s.item;
    t->metrics[t->metrics_count++] =
        (struct catalog_key){CATALOG_NONE, s.category, s.item, s.dimension};
}

static void sort_metrics(struct term *t)
{
    sort_ids(t->ids, &t->ids_count);
    sort_ids(t->items, &t->items_count);
}

static int resolve_metrics(const struct catalog *c, struct term *t)
{
    int err = take_metric_room(t, t->filter->count);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < t->filter->count; i++) {
        struct name_metric parts = name_split_metric(t->filter->values[i]);
        uint32_t dimension = DIMENSION_NONE;
        if (parts.has_dimension)
            dimension = find_id(c, IMPLIED_DIMENSION, parts.dimension);
        uint64_t item = entries_find_stem(c, parts.stem);
        if (item == ITEMS_NONE || dimension == CATALOG_NONE)
            continue;
        put_metric(t, entries_series(c, item, dimension));
    }
    sort_metrics(t);
    return 0;
}

/* Items of that name: each category may have one. */
static int resolve_items(const struct catalog *c, struct term *t)
{
    struct buffer stem;
    int err = take_metric_room(t, (uint64_t)t->filter->count * c->categories.n);
    buffer_init(&stem, 2 * NAME_BYTES_MAX);
    for (uint32_t k = 0; err == 0 && k < c->categories.n; k++) {
        for (uint32_t i = 0; err == 0 && i < t->filter->count; i++) {
            buffer_reset(&stem, 2 * NAME_BYTES_MAX);
            entries_join_stem(&c->categories.v[k], t->filter->values[i], &stem);
            err = stem.error == LT_ENOMEM ? LT_ENOMEM : 0;
            uint64_t item =
                stem.error != 0 ? ITEMS_NONE : entries_find_stem(c, buffer_slice(&stem));
            struct catalog_series s = {.category = CATALOG_NONE};
            if (item != ITEMS_NONE)
                s = entries_series(c, item, DIMENSION_NONE);
            if (s.category == k)
                put_metric(t, s);
        }
    }
    buffer_fini(&stem);
    sort_metrics(t);
    return err;
}

int catalog_match_create(struct catalog *c, const struct filter *filter, struct catalog_match **out)
{
    struct catalog_match *m = calloc(1, sizeof(*m) + filter->count * sizeof(m->terms[0]));
    int err = 0;
    if (m == NULL)
        return LT_ENOMEM;
    m->catalog = c;
    m->count = filter->count;
    pthread_rwlock_rdlock(&c->lock);
    for (uint32_t i = 0; err == 0 && i < m->count; i++) {
        struct term *t = &m->terms[i];
        t->filter = &filter->terms[i];
        t->implied = implied_find(t->filter->label);
        if (t->implied == IMPLIED_METRIC)
            err = resolve_metrics(c, t);
        else if (t->implied == IMPLIED_ITEM)
            err = resolve_items(c, t);
        else if (t->implied != IMPLIED_NONE)
            err = resolve_ids(c, t);
    }
    pthread_rwlock_unlock(&c->lock);
    if (err != 0)
        catalog_match_destroy(&m);
    else
        *out = m;
    return err;
}

void catalog_match_destroy(struct catalog_match **match)
{
    struct catalog_match *m = *match;
    *match = NULL;
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->count; i++) {
        free(m->terms[i].ids);
        free(m->terms[i].metrics);
        free(m->terms[i].items);
    }
    free(m);
}

/* ---- one series, under the lock ---- */

/* Its implied value is one that the term names. */
static bool is_named(const struct catalog *c, const struct term *t, const struct catalog_key *key)
{
    char text[NAME_BYTES_MAX];
    bool named = false;
    switch (t->implied) {
    case IMPLIED_HOST:
        return ascending_has(t->ids, t->ids_count, key->host);
    case IMPLIED_CATEGORY:
        return ascending_has(t->ids, t->ids_count, key->category);
    case IMPLIED_DIMENSION:
        return ascending_has(t->ids, t->ids_count, key->dimension);
    case IMPLIED_METRIC:
        for (uint32_t i = 0; !named && i < t->metrics_count; i++)
            named = t->metrics[i].category == key->category && t->metrics[i].item == key->item &&
                    t->metrics[i].dimension == key->dimension;
        return named;
    case IMPLIED_ITEM: {
        struct slice item = entries_is_gone(c, key->category, key->item)
                                ? SLICE_LIT("")
                                : entries_item_name(c, key->category, key->item, text);
        for (uint32_t i = 0; !named && i < t->filter->count; i++)
            named = slice_eq(item, t->filter->values[i]);
        return named;
    }
    case IMPLIED_NONE:
        break;
    }
    return false;
}

/* The implied label is not empty. */
static bool is_there(const struct catalog *c, const struct term *t, const struct catalog_key *key)
{
    char text[NAME_BYTES_MAX];
    switch (t->implied) {
    case IMPLIED_HOST:
        return name_list_text(&c->hosts, key->host).n > 0;
    case IMPLIED_DIMENSION:
        return name_list_text(&c->dimensions, key->dimension).n > 0;
    case IMPLIED_ITEM:
        return !entries_is_gone(c, key->category, key->item) &&
               entries_item_name(c, key->category, key->item, text).n > 0;
    default:
        return t->implied != IMPLIED_NONE;
    }
}

static bool fits_implied(const struct catalog *c, const struct term *t,
                         const struct catalog_key *key)
{
    if (t->filter->count == 0)
        return is_there(c, t, key) == t->filter->negated;
    return is_named(c, t, key) != t->filter->negated;
}

/* What a declaration says about the label comes first. */
static bool fits_declared(const struct catalog *c, const struct term *t, uint32_t number)
{
    const struct labels *l = &c->declared.labels;
    if (LIKELY(t->name == NULL)) /* of 10 million series, none but the key is looked at */
        return fits_implied(c, t, declared_key(&c->declared, number));
    const struct declared_series *s = declared_series(&c->declared, number);
    for (uint32_t i = 0; i < s->labels; i++) {
        if (&l->names.v[l->pairs.v[s->pairs[i]].name] != t->name)
            continue;
        struct slice value = labels_at(l, s->pairs[i]).value;
        return filter_term_fits(t->filter, &value);
    }
    return fits_implied(c, t, declared_key(&c->declared, number));
}

/* ---- sets of postings, under the lock ---- */

static uint64_t named_count(const struct labels *l, const struct term *t)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < t->filter->count; i++) {
        const struct label_pair *pair = labels_find(l, t->filter->label, t->filter->values[i]);
        count += pair != NULL ? pair->series.count : 0;
    }
    return count;
}

/* Adds the series of all labels that the term names. */
static int unite_named(const struct labels *l, const struct term *t, struct itemset *set)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < t->filter->count; i++) {
        const struct label_pair *pair = labels_find(l, t->filter->label, t->filter->values[i]);
        if (pair != NULL)
            err = posting_unite(&pair->series, set);
    }
    return err;
}

static int apply_named(const struct labels *l, const struct term *t, struct itemset *set)
{
    struct itemset *named;
    int err = itemset_create(&named);
    if (err != 0)
        return err;
    err = unite_named(l, t, named);
    if (err == 0 && t->filter->negated)
        itemset_subtract(set, named);
    else if (err == 0)
        itemset_intersect(set, named);
    itemset_destroy(&named);
    return err;
}

static int apply_term(const struct labels *l, const struct term *t, struct itemset *set)
{
    if (t->filter->count > 0)
        return apply_named(l, t, set);
    const struct label_name *name = labels_find_name(l, t->filter->label);
    if (name == NULL) {
        if (t->filter->negated)
            itemset_clear(set);
        return 0;
    }
    return t->filter->negated ? posting_intersect(&name->series, set)
                              : posting_subtract(&name->series, set);
}

/* The term that fewest series fit by a label, or NULL: none asks for one. */
static const struct term *find_leader(const struct catalog_match *m)
{
    const struct term *leader = NULL;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct term *t = &m->terms[i];
        if (t->implied != IMPLIED_NONE || t->filter->negated || t->filter->count == 0)
            continue;
        uint64_t count = named_count(&m->catalog->declared.labels, t);
        if (count >= least)
            continue;
        least = count;
        leader = t;
    }
    return leader;
}

/* The series that fit all terms of labels without a meaning of their own. */
static int gather(const struct catalog_match *m, const struct term *leader, struct itemset *set)
{
    const struct labels *l = &m->catalog->declared.labels;
    int err = unite_named(l, leader, set);
    for (uint32_t i = 0; err == 0 && i < m->count; i++)
        if (m->terms[i].implied == IMPLIED_NONE && &m->terms[i] != leader)
            err = apply_term(l, &m->terms[i], set);
    return err;
}

/* ---- keys put together ----
 *
 * Where implied labels alone are asked for, no posting leads. But few keys may be possible: so many
 * hosts, times so many items, times so many dimensions. Then these are looked up, each at the cost
 * of a cache miss or two, in place of a walk over all. A series that says host= (or another) itself
 * may fit by that, whatever its key is: it comes from the label's posting. Both are more than what
 * fits: every series is looked at after that. */

enum {
    WALKED_FOR_A_PROBE = 10, /* so many series of a walk take as long as a look-up */
    PROBES_A_TURN = 64,      /* then the writer may have the lock */
};

struct probes {
    const struct catalog *catalog;
    const struct term *hosts, *categories, *dimensions; /* NULL: any */
    const struct term *metrics;                         /* item= or metric=, or NULL */
    uint32_t hosts_count, dimensions_count;
    struct itemset *set;
};

static const struct term *find_term(const struct catalog_match *m, enum implied implied)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->terms[i].implied == implied && filter_term_asks(m->terms[i].filter) &&
            m->terms[i].filter->count > 0)
            return &m->terms[i];
    return NULL;
}

static uint64_t items_of_categories(const struct probes *p)
{
    const struct catalog *c = p->catalog;
    uint64_t items = 0;
    if (p->categories == NULL)
        for (uint32_t i = 0; i < c->categories.n; i++)
            items += c->categories.v[i].items.count;
    else
        for (uint32_t i = 0; i < p->categories->ids_count; i++)
            items += c->categories.v[p->categories->ids[i]].items.count;
    return items;
}

static void plan_probes(const struct catalog_match *m, struct itemset *set, struct probes *p)
{
    const struct catalog *c = m->catalog;
    *p = (struct probes){.catalog = c,
                         .hosts = find_term(m, IMPLIED_HOST),
                         .categories = find_term(m, IMPLIED_CATEGORY),
                         .dimensions = find_term(m, IMPLIED_DIMENSION),
                         .metrics = find_term(m, IMPLIED_METRIC),
                         .set = set};
    if (p->metrics == NULL)
        p->metrics = find_term(m, IMPLIED_ITEM);
    p->hosts_count = p->hosts != NULL ? p->hosts->ids_count : name_list_count(&c->hosts);
    p->dimensions_count =
        p->dimensions != NULL ? p->dimensions->ids_count : name_list_count(&c->dimensions);
}

/* Do they cost less than a walk? Under the lock. */
static bool probes_pay(const struct probes *p)
{
    uint64_t items = p->metrics != NULL ? p->metrics->metrics_count : items_of_categories(p);
    bool is_metric = p->metrics != NULL && p->metrics->implied == IMPLIED_METRIC;
    uint64_t most = p->catalog->declared.end / WALKED_FOR_A_PROBE;
    return items * p->hosts_count <= most &&
           items * p->hosts_count * (is_metric ? 1 : p->dimensions_count) <= most;
}

static uint32_t nth(const struct term *t, uint32_t i)
{
    return t != NULL ? t->ids[i] : i;
}

/* One metric, on each host. Under the lock. */
static int probe_hosts(const struct probes *p, struct catalog_key key)
{
    int err = 0;
    for (uint32_t h = 0; err == 0 && h < p->hosts_count; h++) {
        key.host = nth(p->hosts, h);
        uint64_t number = declared_find(&p->catalog->declared, &key);
        if (number != NAME_INDEX_NONE)
            err = itemset_add(p->set, (uint32_t)number);
    }
    return err;
}

/* One item, of each dimension. Under the lock. */
static int probe_item(const struct probes *p, uint32_t category, uint32_t item)
{
    int err = 0;
    for (uint32_t d = 0; err == 0 && d < p->dimensions_count; d++)
        err = probe_hosts(p, (struct catalog_key){.category = category,
                                                  .item = item,
                                                  .dimension = nth(p->dimensions, d)});
    return err;
}

static int probe_metrics(const struct probes *p)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < p->metrics->metrics_count; i++) {
        const struct catalog_key *key = &p->metrics->metrics[i];
        err = p->metrics->implied == IMPLIED_METRIC ? probe_hosts(p, *key)
                                                    : probe_item(p, key->category, key->item);
    }
    return err;
}

/* Lets go of the lock now and then. */
static int probe_category(const struct probes *p, struct catalog *c, uint32_t category)
{
    uint32_t turn = PROBES_A_TURN / (p->hosts_count * p->dimensions_count + 1) + 1;
    int err = 0;
    bool more = true;
    for (uint32_t item = 0; err == 0 && more;) {
        pthread_rwlock_rdlock(&c->lock);
        uint32_t end = c->categories.v[category].items.count;
        for (uint32_t i = 0; err == 0 && i < turn && item < end; i++, item++)
            err = probe_item(p, category, item);
        more = item < end;
        pthread_rwlock_unlock(&c->lock);
    }
    return err;
}

/* False in *probed_out: a walk is better. */
static int probe(const struct catalog_match *m, struct itemset *set, bool *probed_out)
{
    struct catalog *c = m->catalog;
    struct probes p;
    int err = 0;
    pthread_rwlock_rdlock(&c->lock);
    plan_probes(m, set, &p);
    uint32_t categories = p.categories != NULL ? p.categories->ids_count : c->categories.n;
    *probed_out = probes_pay(&p);
    if (*probed_out && p.metrics != NULL)
        err = probe_metrics(&p);
    for (uint32_t i = 0; err == 0 && *probed_out && i < m->count; i++)
        if (m->terms[i].implied != IMPLIED_NONE && filter_term_asks(m->terms[i].filter))
            err = unite_named(&c->declared.labels, &m->terms[i], set);
    pthread_rwlock_unlock(&c->lock);
    bool is_done = p.metrics != NULL || p.hosts_count == 0 || p.dimensions_count == 0;
    for (uint32_t i = 0; err == 0 && *probed_out && !is_done && i < categories; i++)
        err = probe_category(&p, c, nth(p.categories, i));
    return err;
}

/* ---- all that fit ---- */

enum { KEYS_A_TURN = 4096 };

struct walk {
    struct catalog_match *match;
    bool all_terms; /* none was answered by sets */
    catalog_match_visit *visit;
    void *arg;
    struct catalog_key keys[KEYS_A_TURN];
    uint32_t numbers[KEYS_A_TURN];
};

static bool fits(const struct walk *w, uint32_t number)
{
    const struct catalog_match *m = w->match;
    for (uint32_t i = 0; i < m->count; i++)
        if ((w->all_terms || m->terms[i].implied != IMPLIED_NONE) &&
            !fits_declared(m->catalog, &m->terms[i], number))
            return false;
    return true;
}

static int visit_some(struct walk *w, uint32_t count)
{
    struct catalog_match *m = w->match;
    struct catalog *c = m->catalog;
    uint32_t n = 0;
    pthread_rwlock_rdlock(&c->lock);
    for (uint32_t i = 0; i < m->count; i++)
        m->terms[i].name = labels_find_name(&c->declared.labels, m->terms[i].filter->label);
    for (uint32_t i = 0; i < count; i++)
        if (declared_is_live(&c->declared, w->numbers[i]) && fits(w, w->numbers[i]))
            w->keys[n++] = *declared_key(&c->declared, w->numbers[i]);
    pthread_rwlock_unlock(&c->lock);
    return n > 0 ? w->visit(w->arg, w->keys, n) : 0;
}

static int walk_all(struct walk *w)
{
    struct catalog *c = w->match->catalog;
    pthread_rwlock_rdlock(&c->lock);
    uint32_t end = c->declared.end;
    pthread_rwlock_unlock(&c->lock);
    int err = 0;
    for (uint32_t at = 0, n; err == 0 && at < end; at += n) {
        n = end - at < KEYS_A_TURN ? end - at : KEYS_A_TURN;
        for (uint32_t i = 0; i < n; i++)
            w->numbers[i] = at + i;
        err = visit_some(w, n);
    }
    return err;
}

static int walk_set(struct walk *w, const struct itemset *set)
{
    uint32_t n, from = 0;
    int err = 0;
    while (err == 0 && (n = itemset_list(set, from, w->numbers, KEYS_A_TURN)) > 0) {
        uint32_t last = w->numbers[n - 1];
        err = visit_some(w, n);
        if (last == UINT32_MAX)
            break;
        from = last + 1;
    }
    return err;
}

int catalog_match_declared(struct catalog_match *m, catalog_match_visit *visit, void *arg)
{
    struct catalog *c = m->catalog;
    struct itemset *set;
    struct walk *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return LT_ENOMEM;
    w->match = m;
    w->visit = visit;
    w->arg = arg;
    int err = itemset_create(&set);
    if (err == 0) {
        pthread_rwlock_rdlock(&c->lock);
        const struct term *leader = find_leader(m);
        if (leader != NULL)
            err = gather(m, leader, set);
        pthread_rwlock_unlock(&c->lock);
        bool in_set = leader != NULL;
        w->all_terms = leader == NULL;
        if (err == 0 && !in_set)
            err = probe(m, set, &in_set);
        if (err == 0)
            err = in_set ? walk_set(w, set) : walk_all(w);
        itemset_destroy(&set);
    }
    free(w);
    return err;
}

/* ---- implicit series ---- */

bool catalog_match_has_implicit(const struct catalog_match *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->terms[i].implied == IMPLIED_NONE && filter_term_asks(m->terms[i].filter))
            return false;
    return true;
}

bool catalog_match_implicit(struct catalog_match *m, const struct catalog_key *key)
{
    bool all = true;
    pthread_rwlock_rdlock(&m->catalog->lock);
    for (uint32_t i = 0; all && i < m->count; i++)
        all = m->terms[i].implied == IMPLIED_NONE ? filter_term_fits(m->terms[i].filter, NULL)
                                                  : fits_implied(m->catalog, &m->terms[i], key);
    pthread_rwlock_unlock(&m->catalog->lock);
    return all;
}

static bool named_ids(const struct catalog_match *m, enum implied implied, const uint32_t **ids_out,
                      uint32_t *count_out)
{
    for (uint32_t i = 0; i < m->count; i++) {
        const struct term *t = &m->terms[i];
        if (t->implied != implied || t->filter->negated || t->filter->count == 0)
            continue;
        *ids_out = t->ids;
        *count_out = t->ids_count;
        return true;
    }
    return false;
}

bool catalog_match_hosts(const struct catalog_match *m, const uint32_t **ids_out,
                         uint32_t *count_out)
{
    return named_ids(m, IMPLIED_HOST, ids_out, count_out);
}

bool catalog_match_categories(const struct catalog_match *m, const uint32_t **ids_out,
                              uint32_t *count_out)
{
    return named_ids(m, IMPLIED_CATEGORY, ids_out, count_out) ||
           named_ids(m, IMPLIED_METRIC, ids_out, count_out) ||
           named_ids(m, IMPLIED_ITEM, ids_out, count_out);
}

bool catalog_match_items(const struct catalog_match *m, const uint32_t **ids_out,
                         uint32_t *count_out)
{
    const struct term *t = find_term(m, IMPLIED_METRIC);
    if (t == NULL)
        t = find_term(m, IMPLIED_ITEM);
    if (t == NULL)
        return false;
    *ids_out = t->items;
    *count_out = t->items_count;
    return true;
}

bool catalog_match_dimensions(const struct catalog_match *m, const uint32_t **ids_out,
                              uint32_t *count_out)
{
    return named_ids(m, IMPLIED_DIMENSION, ids_out, count_out);
}
