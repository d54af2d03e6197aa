#ifndef CATALOG_MATCH_H
#define CATALOG_MATCH_H

#include "base/attr.h"
#include "catalog/declared.h"
#include "model/filter.h"

#include <stdbool.h>
#include <stdint.h>

/* A filter (model/filter.h), put to a catalog. Labels that clients declared are answered by their
 * postings, and by nothing else; the implied ones by the numbers of the names in a series' key,
 * without an index. One thread; filter and catalog must outlive it. Locks as in catalog.h. */

struct catalog_match;

/* LT_ENOMEM. */
MUST_USE int catalog_match_create(struct catalog *catalog, const struct filter *filter,
                                  struct catalog_match **out);
void catalog_match_destroy(struct catalog_match **match);

/* Declared series that fit, some at a time, in no order. Return 0 to go on. Sets of postings are
 * put together first, the smallest one leading, so that a filter that asks for a label that few
 * have costs what those few cost. One that asks for implied labels alone looks up the keys that
 * these allow, 100 ns each, where they are few (one host's of a thousand, a metric's, an item's),
 * else at all keys: 10 ns each. LT_ENOMEM, or what visit returns. */
typedef int catalog_match_visit(void *arg, const struct catalog_key *keys, uint32_t count);
MUST_USE int catalog_match_declared(struct catalog_match *match, catalog_match_visit *visit,
                                    void *arg);

/* Can a series that nobody declared fit? Not where the filter asks for a label that only
 * declarations give. */
bool catalog_match_has_implicit(const struct catalog_match *match);
/* Does this one, which nobody declared? */
bool catalog_match_implicit(struct catalog_match *match, const struct catalog_key *key);

/* What an implicit series that fits must have: its host, category, dimension or item is one of
 * these, ascending. False: any. */
bool catalog_match_hosts(const struct catalog_match *match, const uint32_t **ids_out,
                         uint32_t *count_out);
bool catalog_match_categories(const struct catalog_match *match, const uint32_t **ids_out,
                              uint32_t *count_out);
bool catalog_match_dimensions(const struct catalog_match *match, const uint32_t **ids_out,
                              uint32_t *count_out);
bool catalog_match_items(const struct catalog_match *match, const uint32_t **ids_out,
                         uint32_t *count_out);

#endif
