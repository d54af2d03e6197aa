#include "query/read.h"

#include "catalog/catalog.h"

/* CATEGORY LIST: the categories in use, then the declared patterns that nothing has matched yet. */

static bool is_used(const struct result_categories *out, struct slice pattern)
{
    for (uint32_t i = 0; i < out->count; i++)
        if (slice_eq(out->categories[i].name, pattern))
            return true;
    return false;
}

static int keep(struct read *read, struct result_category *to, struct slice name, enum kind kind,
                uint32_t items)
{
    struct scratch *memory = &read->answer->memory;
    *to = (struct result_category){scratch_copy(memory, name), kind, items};
    return to->name.p == NULL ? memory->error : 0;
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
        return memory->error;
    out->categories = list;
    struct catalog_category category;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < categories; i++)
        if (catalog_category_at(catalog, i, &category))
            err = keep(read, &list[out->count++], category.name, category.kind, category.items);
    struct catalog_rule rule;
    for (uint32_t i = 0; err == 0 && i < rules; i++)
        if (catalog_rule_at(catalog, i, &rule) && !is_used(out, rule.pattern))
            err = keep(read, &list[out->count++], rule.pattern, rule.kind, 0);
    return err;
}
