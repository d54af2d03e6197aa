#include "query/pattern.h"

#include "base/error.h"
#include "query/query.h"

static bool is_star(struct slice part)
{
    return slice_eq_str(part, "*");
}

int pattern_parse(struct slice text, struct pattern *out, const char **why_out)
{
    if (name_check_pattern(text, why_out) != 0)
        return LT_EINVALID;
    struct name_metric metric = name_split_metric(text);
    *why_out = "expected at least two components, the last being the dimension to rank by, as in "
               "host.queries.*.time_us";
    if (!metric.has_dimension)
        return LT_EINVALID;
    *why_out = "expected the dimension to rank by as the last component, not '*'";
    if (is_star(metric.dimension))
        return LT_EINVALID;
    out->stem = metric.stem;
    out->dimension = metric.dimension;
    out->count = name_components(metric.stem, out->parts, NAME_COMPONENTS_MAX);
    *why_out = "expected at most 64 components";
    return out->count < 0 ? LT_EINVALID : 0;
}

int query_check_pattern(struct slice text, const char **why_out)
{
    struct pattern pattern;
    return pattern_parse(text, &pattern, why_out);
}

bool pattern_fits(const struct pattern *pattern, struct slice category,
                  struct pattern_category *out)
{
    if (name_components(category, out->parts, NAME_COMPONENTS_MAX) != pattern->count)
        return false;
    out->fixes_items = false;
    for (int i = 0; i < pattern->count; i++) {
        if (is_star(pattern->parts[i]))
            continue;
        if (is_star(out->parts[i]))
            out->fixes_items = true;
        else if (!slice_eq(pattern->parts[i], out->parts[i]))
            return false;
    }
    return true;
}

/* Cuts the next component off an item. */
static struct slice next_part(struct slice *item)
{
    size_t dot = slice_find(*item, '.');
    struct slice part = slice_upto(*item, dot);
    *item = slice_from(*item, dot < item->n ? dot + 1 : dot);
    return part;
}

bool pattern_takes_item(const struct pattern *pattern, const struct pattern_category *category,
                        struct slice item)
{
    if (!category->fixes_items)
        return true;
    for (int i = 0; i < pattern->count; i++) {
        if (!is_star(category->parts[i]))
            continue;
        struct slice part = next_part(&item);
        if (!is_star(pattern->parts[i]) && !slice_eq(pattern->parts[i], part))
            return false;
    }
    return true;
}

void pattern_label(const struct pattern *pattern, const struct pattern_category *category,
                   struct slice item, struct buffer *out)
{
    bool first = true;
    for (int i = 0; i < pattern->count; i++) {
        struct slice part = category->parts[i];
        if (is_star(part))
            part = next_part(&item);
        if (!is_star(pattern->parts[i]))
            continue;
        if (!first)
            buffer_append(out, ".", 1);
        buffer_append_slice(out, part);
        first = false;
    }
}
