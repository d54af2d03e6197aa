#ifndef QUERY_MATCH_H
#define QUERY_MATCH_H

#include "base/attr.h"
#include "model/filter.h"
#include "model/settings.h"
#include "query/fold.h"
#include "query/read.h"
#include "query/scratch.h"

#include <stdbool.h>
#include <stdint.h>

/* The series that fit a filter (model/filter.h), for TS.MGET, TS.MRANGE, TS.QUERYINDEX ...:
 * declared ones by the catalog's postings, whether they have points or not; implicit ones, which
 * have points alone, only where the filter asks for nothing but implied labels: they are gathered
 * (gather.h) from the categories, hosts and dimensions that it names. The view that the read has
 * pinned says which catalog; what is declared is as of now. Thread: a worker. Blocks. */

struct match {
    struct slice key;
    struct fold_series series;
    bool declared;            /* else settings_none, and no labels */
    struct settings settings; /* settings.retention_ms: points older than the last one less this are
                                 hidden; 0: none are */
    const struct label *labels; /* that were declared, in their order */
    uint32_t labels_count;
};

struct matches {
    struct match *v; /* by key, ascending */
    uint32_t count;
};

/* filters: texts of terms that filter_parse has taken; none: all series. What is in out is in
 * memory. LT_EINVALID: the environment has too many items to gather from, and read->why says so.
 * LT_ELIMIT, LT_ENOMEM, and what sources say. */
MUST_USE int match_read(struct read *read, const struct slice *filters, uint32_t count,
                        struct scratch *memory, struct matches *out);

/* The value of a label of the series: a declared one first, then an implied one (IMPLIED_HOST ...).
 * p NULL: it has none. 0 or memory's error. */
MUST_USE int match_label(struct read *read, const struct match *match, struct slice label,
                         struct scratch *memory, struct slice *out);

/* The labels that the reply shows, in the answer's memory: all that were declared (with_labels),
 * those that were selected, or none. */
MUST_USE int match_shown(struct read *read, const struct match *match,
                         const struct label **labels_out, uint32_t *count_out);

/* The kinds of read. */
MUST_USE int index_read(struct read *read);
MUST_USE int labels_read(struct read *read);
MUST_USE int mget_read(struct read *read);

#endif
