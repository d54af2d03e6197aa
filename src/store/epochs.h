#ifndef STORE_EPOCHS_H
#define STORE_EPOCHS_H

#include "base/attr.h"
#include "port/storage_types.h"

#include <stdbool.h>
#include <stdint.h>

/* Which epoch was the highest that the log had announced, where? Follows
 * docs/adr/0022-decided-points.md: a decided record counts if no higher epoch stands before it.
 * Pure; the caller has the lock. */

enum { EPOCHS_MAX = 64 }; /* one a takeover, since the partition was loaded */

struct epochs {
    uint64_t from;                               /* what is known begins at this offset, ... */
    struct storage_log_epoch base;               /* ... before which this was the highest */
    struct storage_log_epoch raises[EPOCHS_MAX]; /* ascending */
    uint32_t count;
};

void epochs_begin(struct epochs *e, uint64_t from, struct storage_log_epoch highest);

/* The highest so far. */
uint64_t epochs_highest(const struct epochs *e);

/* The record at offset, behind all that were noted, announces an epoch. True: it is the highest.
 * With more than EPOCHS_MAX the oldest are forgotten. */
bool epochs_note(struct epochs *e, uint64_t offset, uint64_t epoch);

enum epochs_verdict {
    EPOCHS_COUNTS,
    EPOCHS_FENCED,
    EPOCHS_FORGOTTEN, /* it is from before what is known, and from before the highest there */
};
/* What becomes of a decided record of that epoch at that offset, which is behind nothing that is
 * still to be noted. */
enum epochs_verdict epochs_judge(const struct epochs *e, uint64_t offset, uint64_t epoch);

#endif
