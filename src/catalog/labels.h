#ifndef CATALOG_LABELS_H
#define CATALOG_LABELS_H

#include "base/attr.h"
#include "base/slice.h"
#include "base/vec.h"
#include "catalog/name_index.h"
#include "catalog/posting.h"
#include "model/settings.h"

#include <stdint.h>

/* The labels of declared series, and which series have which: a posting for each label (name and
 * value) and one for each name. A text is held once, whoever has it, and goes with the last series
 * that has it. Numbers of labels and names are of this process only. All zero is empty. Part of the
 * catalog, which locks. */

struct label_pair {
    char *value; /* NULL: the slot is free */
    uint32_t value_bytes;
    uint32_t name;
    uint32_t place; /* in its name's pairs */
    struct posting series;
};

struct label_name {
    char *text; /* NULL: the slot is free */
    uint32_t bytes;
    struct posting series;
    VEC(uint32_t) pairs;
};

struct labels {
    VEC(struct label_pair) pairs;
    VEC(uint32_t) pairs_free;
    struct name_index pair_index; /* by (name, value) */
    VEC(struct label_name) names;
    VEC(uint32_t) names_free;
    struct name_index name_index;
    size_t bytes; /* of texts, and of postings, about */
};

void labels_fini(struct labels *labels);

/* Series `number` has these from now on. Of labels with one name the first counts. Their numbers go
 * to pairs_out, which has room for count; how many, to *count_out. LT_ENOMEM: the labels are good
 * for nothing but labels_fini. */
MUST_USE int labels_add(struct labels *labels, uint32_t number, const struct label *list,
                        uint32_t count, uint32_t *pairs_out, uint32_t *count_out);
/* ... and has these, all it has, no more. LT_ENOMEM: as above. */
MUST_USE int labels_remove(struct labels *labels, uint32_t number, const uint32_t *pairs,
                           uint32_t count);

/* NULL: no series has it. */
const struct label_name *labels_find_name(const struct labels *labels, struct slice name);
const struct label_pair *labels_find(const struct labels *labels, struct slice name,
                                     struct slice value);

struct label labels_at(const struct labels *labels, uint32_t pair);

size_t labels_bytes(const struct labels *labels);

#endif
