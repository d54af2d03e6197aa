#ifndef CATALOG_RULES_H
#define CATALOG_RULES_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/vec.h"
#include "catalog/declared.h"

#include <stdint.h>

/* Which declared series are computed from which: the destinations of each source of compaction
 * rules. Part of the catalog, which locks; nobody else sees it. The rules themselves are settings
 * of the destinations. */

struct rules_edge {
    struct catalog_key source;
    uint32_t destination; /* number of the declared series */
    uint32_t next;        /* position of the same source's next one, or HASH_NONE */
};

struct rules {
    VEC(struct rules_edge) edges;
    VEC(uint32_t) unused;    /* positions in edges */
    struct hash_index index; /* by source: the position of its first one */
};

/* All zero is empty. */
void rules_fini(struct rules *rules);

/* LT_ENOMEM. */
MUST_USE int rules_add(struct rules *rules, const struct catalog_key *source, uint32_t destination);
/* One that was added. LT_ENOMEM. */
MUST_USE int rules_remove(struct rules *rules, const struct catalog_key *source,
                          uint32_t destination);

/* The position of a source's first one, in edges; HASH_NONE: it is no source. */
uint32_t rules_first(const struct rules *rules, const struct catalog_key *source);

size_t rules_bytes(const struct rules *rules);

#endif
