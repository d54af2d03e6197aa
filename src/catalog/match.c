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
    uint32_t *ids; /* host, category, dimension; metric: categories; ascending */
    uint32_t ids_count;
    struct catalog_key *metrics; /* host is of no meaning */
    uint32_t metrics_count;
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

static void sort_ids(struct term *t)
{
    uint32_t n = 0;
    qsort(t->ids, t->ids_count, sizeof(t->ids[0]), id_order);
    for (uint32_t i = 0; i < t->ids_count; i++)
        if (n == 0 || t->ids[i] != t->ids[n - 1])
            t->ids[n++] = t->ids[i];
    t->ids_count = n;
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
    sort_ids(t);
    return 0;
}

static int resolve_metrics(const struct catalog *c, struct term *t)
{
    t->metrics = malloc((t->filter->count + 1) * sizeof(t->metrics[0]));
    t->ids = malloc((t->filter->count + 1) * sizeof(t->ids[0]));
    if (t->metrics == NULL || t->ids == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < t->filter->count; i++) {
        struct name_metric parts = name_split_metric(t->filter->values[i]);
        uint32_t dimension = DIMENSION_NONE;
        if (parts.has_dimension)
            dimension = find_id(c, IMPLIED_DIMENSION, parts.dimension);
        uint64_t item = entries_find_stem(c, parts.stem);
        if (item == ITEMS_NONE || dimension == CATALOG_NONE)
            continue;
        struct catalog_series s = entries_series(c, item, dimension);
        t->ids[t->ids_count++] = s.category;
        t->metrics[t->metrics_count++] =
            (struct catalog_key){CATALOG_NONE, s.category, s.item, dimension};
    }
    sort_ids(t);
    return 0;
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
        else if (t->implied != IMPLIED_NONE && t->implied != IMPLIED_ITEM)
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
    w->all_terms = true;
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
        if (err == 0)
            err = leader != NULL ? walk_set(w, set) : walk_all(w);
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
           named_ids(m, IMPLIED_METRIC, ids_out, count_out);
}

bool catalog_match_dimensions(const struct catalog_match *m, const uint32_t **ids_out,
                              uint32_t *count_out)
{
    return named_ids(m, IMPLIED_DIMENSION, ids_out, count_out);
}
