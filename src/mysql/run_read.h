#ifndef MYSQL_RUN_READ_H
#define MYSQL_RUN_READ_H

#include "base/attr.h"
#include "mysql/session.h"
#include "port/storage_types.h"

/* Reading one run, within an open snapshot or reader: what the files of this folder share. */

/* One 1-second run's points, of either kind; nothing where the run has no such table. */
MUST_USE int run_scan_points(struct mysql_session *s, const struct storage_run *run,
                             const struct block_filter *filter, block_visit *visit, void *arg);

/* The points of 1-second compact runs, run after run as they are listed. */
MUST_USE int run_scan_compact(struct mysql_session *s, const struct storage_run *const *runs,
                              uint32_t count, const struct block_filter *filter, block_visit *visit,
                              void *arg);

/* One 1-second run's heartbeats. filter NULL: all of them. */
MUST_USE int run_scan_beats(struct mysql_session *s, const struct storage_run *run,
                            const struct beat_filter *filter, beat_visit *visit, void *arg);

/* Observation rows (run_packs.c). */
MUST_USE int run_scan_packs(struct mysql_session *s, const struct storage_run *const *runs,
                            uint32_t count, const struct block_filter *filter,
                            enum storage_want want, storage_pack_visit *visit, void *arg);

/* The items asked for, about: none beyond first and last. */
struct run_items {
    uint32_t first;
    uint32_t last;
};
static inline struct run_items run_items_of(const struct block_filter *filter)
{
    struct run_items span = {0, UINT32_MAX};
    if (filter->item_last > 0)
        span = (struct run_items){filter->item_first, filter->item_last};
    if (filter->items == NULL || filter->items_count == 0)
        return span;
    uint32_t first = filter->items[0];
    uint32_t last = filter->items[filter->items_count - 1];
    return (struct run_items){first > span.first ? first : span.first,
                              last < span.last ? last : span.last};
}

/* True where nothing can match. */
static inline bool run_filter_is_empty(const struct block_filter *filter)
{
    struct run_items items = run_items_of(filter);
    return filter->dimensions_count == 0 || items.first > items.last ||
           (filter->hosts != NULL && filter->hosts_count == 0) ||
           (filter->items != NULL && filter->items_count == 0) || filter->from_ms >= filter->to_ms;
}

/* Parses leading columns as numbers. LT_EPARSE. */
MUST_USE int run_numbers(const struct slice *columns, uint64_t *out, unsigned count);

/* Logs that a row cannot be read; returns err. what: "observation"; key: the row's, as text. */
MUST_USE int run_row_failed(const struct mysql_session *s, const struct storage_run *run, int err,
                            const char *what, const struct slice *key, unsigned key_columns);

#endif
