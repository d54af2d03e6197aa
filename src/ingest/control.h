#ifndef INGEST_CONTROL_H
#define INGEST_CONTROL_H

#include "ingest/ingest.h"
#include "record/series.h"

/* Control records on the write path: rules, texts, declared series. They keep their place among the
 * points: what was handed over before stands before them in the log. `done` is as for ingest_end.
 * Thread: loop. Nothing blocks. All: LT_ENOMEM, LT_ELIMIT (larger than a record may be); what says
 * something: LT_EBUSY. */

MUST_USE int ingest_rule(struct ingest *ingest, const struct tenant_environment *environment,
                         struct slice pattern, enum kind kind, uint32_t precision,
                         ingest_done *done, void *arg);
/* LT_EFULL as for a point. */
MUST_USE int ingest_text(struct ingest *ingest, const struct tenant_environment *environment,
                         struct slice stem, struct slice text, ingest_done *done, void *arg);
/* LT_EFULL: it would be a new item. epoch: the owner's, who has decided it (record/series.h), or 0.
 */
MUST_USE int ingest_series(struct ingest *ingest, const struct tenant_environment *environment,
                           uint64_t epoch, struct slice host, struct slice metric,
                           enum record_series_way way, const struct settings *settings,
                           const struct label *labels, uint32_t labels_count, ingest_done *done,
                           void *arg);
MUST_USE int ingest_drop(struct ingest *ingest, const struct tenant_environment *environment,
                         uint64_t epoch, struct slice host, struct slice metric, ingest_done *done,
                         void *arg);
/* Empties the environment: what stands before it in the log is gone for whoever reads behind it. */
MUST_USE int ingest_clear(struct ingest *ingest, const struct tenant_environment *environment,
                          ingest_done *done, void *arg);
/* Can the log acknowledge? Asks it, with a record that means nothing. */
MUST_USE int ingest_probe(struct ingest *ingest, const struct tenant_environment *environment,
                          ingest_done *done, void *arg);

#endif
