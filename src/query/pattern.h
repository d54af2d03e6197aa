#ifndef QUERY_PATTERN_H
#define QUERY_PATTERN_H

#include "catalog/catalog.h"
#include "model/name.h"
#include "query/scratch.h"

/* Which categories and items a TOPQ pattern means.
 *
 *   pattern    host.queries.*.*.time_us        stem host.queries.*.*, dimension time_us
 *   category   host.queries.c.*                fits: its c and its * stand where the pattern has *
 *   item       1374c6821ead6f47                printed as c.1374c6821ead6f47
 *
 * A component that the pattern spells out where a category has '*' selects the items that have it.
 * Pure. */
struct pattern {
    struct slice stem;
    struct slice dimension;
    struct slice parts[NAME_COMPONENTS_MAX]; /* of the stem */
    int count;
};

/* 0, or LT_EINVALID with *why_out a phrase for the client. Borrows text. */
MUST_USE int pattern_parse(struct slice text, struct pattern *out, const char **why_out);

/* A category as the pattern sees it. */
struct pattern_category {
    struct slice parts[NAME_COMPONENTS_MAX];
    bool fixes_items; /* the pattern spells out a variable component */
};
bool pattern_fits(const struct pattern *pattern, struct slice category,
                  struct pattern_category *out);

/* Does an item of a category that fits have the components that the pattern spells out? */
bool pattern_takes_item(const struct pattern *pattern, const struct pattern_category *category,
                        struct slice item);

/* The components that the pattern's '*' matched, joined by '.'. Appends; errors stay in out. */
void pattern_label(const struct pattern *pattern, const struct pattern_category *category,
                   struct slice item, struct buffer *out);

#endif
