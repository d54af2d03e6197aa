#include "query/read.h"

#include "catalog/catalog.h"

/* CATEGORY LIST: the categories in use, then the declared patterns that nothing has matched yet. */

static struct result_category *find(struct result_category *list, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_eq(list[i].name, name))
            return &list[i];
    return NULL;
}

static int keep(struct read *read, struct result_category *to, const struct result_category *what)
{
    struct scratch *memory = &read->answer->memory;
    *to = *what;
    to->name = scratch_copy(memory, what->name);
    return to->name.p == NULL ? scratch_error(memory) : 0;
}

int categories_read(struct read *read)
{
    struct catalog *catalog = read_catalog(read);
    struct scratch *memory = &read->answer->memory;
    struct result_categories *out = &read->answer->result.categories;
    uint32_t categories = catalog_categories(catalog), rules = catalog_rules(catalog);
    struct result_category *list =
        scratch_take(memory, (uint64_t)categories + rules, sizeof(list[0]));
    if (list == NULL)
        return scratch_error(memory);
    out->categories = list;
    struct catalog_category category;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < categories; i++)
        if (catalog_category_at(catalog, i, &category))
            err = keep(read, &list[out->count++],
                       &(struct result_category){category.name, category.kind, category.precision,
                                                 category.live});
    struct catalog_rule rule;
    for (uint32_t i = 0; err == 0 && i < rules; i++) {
        if (!catalog_rule_at(catalog, i, &rule))
            continue;
        struct result_category *stands = find(list, out->count, rule.pattern);
        if (stands != NULL)
            stands->precision = rule.precision; /* the last declaration holds */
        else
            err = keep(read, &list[out->count++],
                       &(struct result_category){rule.pattern, rule.kind, rule.precision, 0});
    }
    return err;
}
