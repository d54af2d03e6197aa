#ifndef CATALOG_SUPPORT_DECLARED_H
#define CATALOG_SUPPORT_DECLARED_H

#include "base/vec.h"
#include "catalog/catalog.h"
#include "catalog/declared.h"

/* Declared series: which fit a filter, and that nothing is left of them. */

struct hits {
    VEC(struct catalog_key) keys;
};

/* The texts must be a filter. VEC_FINI(&keys) is the caller's. */
struct hits declared_hits(struct catalog *c, const struct slice *texts, uint32_t count);

/* Labels go with the last series that has them. Ends the catalog. */
void declared_drop_all(struct catalog **c);

#endif
