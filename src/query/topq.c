#include "query/topq.h"

#include "query/span.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- what is asked ---- */

static uint32_t add_column(struct topq *t, struct slice name)
{
    uint32_t id = catalog_find_dimension(t->catalog, name);
    uint32_t at = 0;
    while (at < t->columns_count && t->columns[at] != id)
        at++;
    if (at == t->columns_count)
        t->columns[t->columns_count++] = id;
    return at;
}

static int plan_columns(struct topq *t)
{
    const struct query_spec *spec = t->read->spec;
    struct scratch *scratch = &t->read->scratch;
    t->columns = scratch_take(scratch, (uint64_t)spec->with_count + 1, sizeof(*t->columns));
    t->with = scratch_take(scratch, spec->with_count, sizeof(*t->with));
    if (t->columns == NULL || t->with == NULL)
        return scratch_error(scratch);
    (void)add_column(t, t->pattern.dimension);
    for (uint32_t i = 0; i < spec->with_count; i++)
        t->with[i] = add_column(t, spec->with[i]);
    return 0;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int plan_hosts(struct topq *t)
{
    const struct query_spec *spec = t->read->spec;
    if (spec->hosts_count == 0)
        return 0;
    t->hosts = scratch_take(&t->read->scratch, spec->hosts_count, sizeof(*t->hosts));
    if (t->hosts == NULL)
        return scratch_error(&t->read->scratch);
    uint32_t known = 0;
    for (uint32_t i = 0; i < spec->hosts_count; i++) {
        uint32_t id = catalog_find_host(t->catalog, spec->hosts[i]);
        if (id != CATALOG_NONE)
            t->hosts[known++] = id;
    }
    qsort(t->hosts, known, sizeof(*t->hosts), compare_u32);
    for (uint32_t i = 0; i < known; i++)
        if (t->hosts_count == 0 || t->hosts[t->hosts_count - 1] != t->hosts[i])
            t->hosts[t->hosts_count++] = t->hosts[i];
    t->no_hosts = known == 0;
    return 0;
}

static int plan_categories(struct topq *t)
{
    struct scratch *scratch = &t->read->scratch;
    VEC(uint32_t) ids = {0};
    struct catalog_category info;
    struct pattern_category fit;
    int err = 0;
    uint32_t all = catalog_categories(t->catalog);
    for (uint32_t id = 0; id < all && err == 0; id++) {
        if (!catalog_category_at(t->catalog, id, &info) ||
            !pattern_fits(&t->pattern, info.name, &fit))
            continue;
        err = SCRATCH_RESERVE(t->read->guard, &ids, 1);
        if (err == 0)
            ids.v[ids.n++] = id;
    }
    if (err != 0)
        goto free_ids;
    t->categories = scratch_take(scratch, ids.n, sizeof(*t->categories));
    if (t->categories == NULL) {
        err = scratch_error(scratch);
        goto free_ids;
    }
    t->filtered = t->read->spec->match.n > 0;
    for (uint32_t i = 0; i < ids.n; i++) {
        struct topq_category *c = &t->categories[t->categories_count++];
        (void)catalog_category_at(t->catalog, ids.v[i], &c->info);
        (void)pattern_fits(&t->pattern, c->info.name, &c->fit);
        t->filtered |= c->fit.fixes_items;
    }
free_ids:
    SCRATCH_FREE(t->read->guard, &ids);
    return err;
}

static bool starts_folded(struct slice text, struct slice start)
{
    size_t i = 0;
    while (i < start.n && i < text.n &&
           tolower((unsigned char)text.p[i]) == tolower((unsigned char)start.p[i]))
        i++;
    return i == start.n;
}

/* Can `match` be looked for in the items' names alone? An item is printed as the components that
 * the pattern's '*' stand for: some of the category's own (c), then its name. That holds a text
 * beyond the name only if one of the category's ends where the text begins, or holds all of it:
 *
 *   label   c.1374c6821ead6f47       match   ab: in names alone     .13, c.1, c: not */
static bool matches_in_names(const struct pattern *pattern, const struct pattern_category *fit,
                             struct slice match)
{
    char own[NAME_BYTES_MAX + 1];
    size_t n = 0;
    bool in_name = false;
    for (int i = 0; i < pattern->count; i++) {
        bool is_item = slice_eq_str(fit->parts[i], "*");
        if (slice_eq_str(pattern->parts[i], "*") ? in_name && !is_item : is_item)
            return false; /* something follows the name, or only part of it is printed */
        in_name |= is_item;
        if (is_item || !slice_eq_str(pattern->parts[i], "*"))
            continue;
        if (n + fit->parts[i].n + 1 > sizeof(own))
            return false;
        memcpy(own + n, fit->parts[i].p, fit->parts[i].n);
        n += fit->parts[i].n;
        own[n++] = '.';
    }
    for (size_t at = 0; at < n; at++) {
        struct slice rest = slice_make(own + at, n - at);
        if (starts_folded(rest, match) || starts_folded(match, rest))
            return false;
    }
    return in_name;
}

/* The longest component that the pattern spells out where the category has '*'. */
static struct slice spelled_out(const struct pattern *pattern, const struct pattern_category *fit)
{
    struct slice longest = SLICE_LIT("");
    for (int i = 0; i < pattern->count; i++)
        if (slice_eq_str(fit->parts[i], "*") && !slice_eq_str(pattern->parts[i], "*") &&
            pattern->parts[i].n > longest.n)
            longest = pattern->parts[i];
    return longest;
}

/* Which items may count, by one pass over the catalog's names: it is far cheaper than to ask for
 * them one by one. */
static int plan_items(struct topq *t, struct topq_category *c)
{
    struct slice text = t->read->spec->match;
    if (c->fit.fixes_items)
        text = spelled_out(&t->pattern, &c->fit);
    else if (text.n == 0 || !matches_in_names(&t->pattern, &c->fit, text))
        return 0;
    struct scratch *scratch = &t->read->scratch;
    c->bits = scratch_take(scratch, ((uint64_t)c->info.items + 63) / 64, sizeof(*c->bits));
    if (c->bits == NULL)
        return scratch_error(scratch);
    c->exact = !c->fit.fixes_items;
    return catalog_match(t->catalog, c->info.id, text, c->info.items, c->bits);
}

static int plan(struct topq *t)
{
    const char *why;
    int err = pattern_parse(t->read->spec->pattern, &t->pattern, &why);
    if (err != 0) {
        read_why(t->read, "%s", why);
        return err;
    }
    err = plan_columns(t);
    if (err == 0)
        err = plan_hosts(t);
    if (err == 0)
        err = plan_categories(t);
    for (uint32_t i = 0; i < t->categories_count && !t->no_hosts && err == 0; i++)
        err = plan_items(t, &t->categories[i]);
    return err;
}

/* ---- which items count ---- */

static bool contains_folded(struct slice text, struct slice part)
{
    for (size_t at = 0; at + part.n <= text.n; at++)
        if (starts_folded(slice_from(text, at), part))
            return true;
    return false;
}

int topq_label(const struct topq *t, uint32_t category, uint32_t item, struct buffer *label)
{
    const struct topq_category *c = &t->categories[category];
    buffer_reset(label, label->max);
    char name[NAME_BYTES_MAX];
    pattern_label(&t->pattern, &c->fit, catalog_item_name(t->catalog, c->info.id, item, name),
                  label);
    return label->error;
}

int topq_passes(const struct topq *t, uint32_t category, uint32_t item, struct buffer *label)
{
    const struct topq_category *c = &t->categories[category];
    struct slice match = t->read->spec->match;
    char name[NAME_BYTES_MAX];
    if (!topq_may_pass(t, category, item))
        return 0;
    if (c->bits != NULL && c->exact)
        return 1;
    if (c->fit.fixes_items &&
        !pattern_takes_item(&t->pattern, &c->fit,
                            catalog_item_name(t->catalog, c->info.id, item, name)))
        return 0;
    int found = match.n == 0 ? 1 : catalog_text_has(t->catalog, c->info.id, item, match);
    if (found != 0)
        return found;
    int err = topq_label(t, category, item, label);
    return err != 0 ? err : contains_folded(buffer_slice(label), match);
}

/* ---- the read ---- */

static int answer(struct topq *t, struct span *span)
{
    const struct query_spec *spec = t->read->spec;
    struct topq_ranking ranking = {0};
    struct topq_answer out = {.ranking = &ranking, .span = span};
    struct span *compared = NULL;
    struct cell *cells;
    int err = topq_rank(t, span, &ranking);
    if (err == 0 && spec->sparkline > 0) {
        err = topq_spark(t, span, &ranking.best, &cells);
        out.parts = err == 0 ? cells : NULL;
    }
    if (err == 0 && spec->compare_from_ms < spec->compare_to_ms) {
        err = span_open(t, spec->compare_from_ms, spec->compare_to_ms, 1, &compared);
        if (err == 0)
            err = topq_look_up(t, compared, &ranking.best, &cells);
        out.compared = err == 0 ? cells : NULL;
        out.compared_span = compared;
    }
    if (err == 0)
        err = topq_fill(t, &out);
    span_close(&compared);
    return err;
}

int topq_read(struct read *read)
{
    struct topq t = {.read = read, .catalog = read_catalog(read), .rank = read->spec->rank};
    struct span *span;
    int err = plan(&t);
    if (err == 0)
        err = span_open(&t, read->spec->from_ms, read->spec->to_ms, t.columns_count, &span);
    if (err != 0)
        return err;
    err = answer(&t, span);
    span_close(&span);
    return err;
}
