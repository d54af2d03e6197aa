#ifndef CATALOG_FORGET_H
#define CATALOG_FORGET_H

#include "base/attr.h"
#include "catalog/catalog.h"

#include <stdint.h>

/* Items are forgotten by two records of the log with a good while between them
 * (docs/adr/0016-items-are-forgotten.md): `doom` marks items, whatever names one takes its mark
 * away (catalog_resolve, catalog_set_text), and `forget` removes those of its items that are still
 * marked. Threads, locks and memory as in catalog.h. */

/* ---- writer ---- */

/* The log dooms items: marks them, if `round` is not below the latest one; a higher one begins with
 * no marks. Ids that are not there (any more) are left out. items: ascending. LT_ENOMEM: then the
 * catalog is good for nothing but catalog_unref. */
MUST_USE int catalog_doom(struct catalog *catalog, uint64_t round, uint32_t category,
                          const uint32_t *items, uint32_t count);
/* Forgets those of them that are marked, if the marks are of this round. 2 µs an item. As
 * catalog_doom. */
MUST_USE int catalog_forget(struct catalog *catalog, uint64_t round, uint32_t category,
                            const uint32_t *items, uint32_t count, uint32_t *forgotten_out);
/* Gives back the memory of what was forgotten, once storage knows of it. Costs a look when nothing
 * is due: to be called often. */
void catalog_tidy(struct catalog *catalog);

MUST_USE int catalog_restore_doom(struct catalog *catalog, const struct storage_doom *doom);

/* ---- readers ---- */

/* Bit i % 64 of word i / 64, for item page * CATALOG_SEEN_ITEMS + i: in gone_out, it was forgotten;
 * in doomed_out, it is marked; either may be NULL. Returns how many ids the page has by now. */
enum { CATALOG_PAGE_WORDS = 64 };
uint32_t catalog_fate_page(struct catalog *catalog, uint32_t category, uint32_t page,
                           uint64_t gone_out[CATALOG_PAGE_WORDS],
                           uint64_t doomed_out[CATALOG_PAGE_WORDS]);
uint64_t catalog_round(struct catalog *catalog); /* of the marks; 0: there was none */

#endif
