#ifndef CATALOG_DECLARED_H
#define CATALOG_DECLARED_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "catalog/catalog.h"
#include "model/settings.h"
#include "record/series.h"

#include <stdbool.h>
#include <stdint.h>

/* Declared series: those with settings and labels (docs/adr/0020-series-are-declared.md). Most
 * series are never declared; they have nothing here. Threads, locks and memory as in catalog.h.
 *
 * What is declared is a function of the log, as ids are: the offset of the record that declared a
 * series (`created`) names the declaration for ever. An item of which a series is declared is never
 * doomed, so it is never forgotten.
 *
 * A rule (model/rule.h) counts where, as the record is applied, its source is declared and has no
 * rule itself, and the series is no source of another: rules make no chains. It ends with its
 * source, or follows it: a record that gives the same rule of a source that is being renamed from
 * the old one (SETTINGS_MOVING) makes that its source.
 *
 * About 130 bytes a series with 5 labels that others have too, names included
 * (tests/catalog/bench_declared.c). Limit: 2^32 - 1 declarations, dropped ones included, in a
 * process' life. */

struct catalog_key { /* a series */
    uint32_t host, category, item, dimension;
};

struct catalog_declared {
    uint64_t created;
    struct settings settings; /* SETTINGS_RULE in given: it has a rule, which catalog_rule tells */
};

/* ---- writer ---- */

/* The record at `offset` declares or alters a series, where `way` says so; names that are new are
 * added as catalog_host and catalog_resolve do. settings_write took the settings. LT_ENOMEM,
 * LT_ELIMIT: then the catalog is good for nothing but catalog_unref. */
MUST_USE int catalog_declare(struct catalog *catalog, uint64_t offset, struct slice host,
                             struct slice metric, enum record_series_way way,
                             const struct settings *settings, const struct label *labels,
                             uint32_t labels_count);
/* Where it is declared. As above. */
MUST_USE int catalog_drop(struct catalog *catalog, struct slice host, struct slice metric);
/* All of them. */
MUST_USE int catalog_drop_all(struct catalog *catalog);

/* Puts one back, after all names. LT_ECORRUPT. */
struct storage_series;
MUST_USE int catalog_restore_series(struct catalog *catalog, const struct storage_series *series);

/* ---- readers ---- */

uint32_t catalog_declared_count(struct catalog *catalog);

/* The declaration that a key names; false: there is none. */
bool catalog_declared(struct catalog *catalog, struct slice host, struct slice metric,
                      struct catalog_declared *out);
bool catalog_declared_at(struct catalog *catalog, const struct catalog_key *key,
                         struct catalog_declared *out);

/* Settings and labels, appended to body as settings_read takes them. 1; 0: it is not declared; or
 * body's error. */
MUST_USE int catalog_declared_body(struct catalog *catalog, const struct catalog_key *key,
                                   struct buffer *body);

/* The rule of a destination, appended. 1; 0: it has none; or out's error. */
MUST_USE int catalog_rule(struct catalog *catalog, const struct catalog_key *key,
                          struct buffer *out);
/* The rules of a source, in the order in which they were made. Under the lock: visit copies, and
 * nothing more; other than 0 ends the walk and is returned. */
MUST_USE int catalog_rules_of(struct catalog *catalog, const struct catalog_key *source,
                              int (*visit)(void *arg, const struct catalog_key *destination,
                                           struct slice rule),
                              void *arg);

/* For who takes writes, at each point: settings of a series whose writes they decide
 * (settings_decide); false: there is no such. Where no series of the environment has such settings,
 * a load; else a look at 8 bytes of a filter, and a look-up where it says "perhaps" (1 % of the
 * others). Never waits for the writer but in that look-up. */
bool catalog_deciding(struct catalog *catalog, struct slice host, struct slice metric,
                      struct settings *out);
bool catalog_decides(const struct catalog *catalog);

/* Those that are declared, at most max of them, beginning with number *from_inout, which goes on.
 * Fewer than max: that was all. Who was declared before the first call and is not dropped is told
 * exactly once. */
uint32_t catalog_declared_list(struct catalog *catalog, uint32_t *from_inout,
                               struct catalog_key *keys_out, uint32_t max);

/* The names of all labels, or the values of one (name not empty), each once, in no order. Texts are
 * valid during the call. What visit returns, if that is not 0. */
MUST_USE int catalog_label_texts(struct catalog *catalog, struct slice name,
                                 int (*visit)(void *arg, struct slice text), void *arg);

/* Adds the items of a category of which a series is declared. LT_ENOMEM. */
struct itemset;
MUST_USE int catalog_declared_items(struct catalog *catalog, uint32_t category,
                                    struct itemset *items);

#endif
