#ifndef LOCALLOG_LOCALLOG_H
#define LOCALLOG_LOCALLOG_H

#include "base/attr.h"
#include "base/option.h"
#include "port/log.h"
#include "port/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The log in a local directory (LMDB). An append is on disk before its report: one transaction,
 * synced, for all that was queued while the one before it was being synced. */

struct locallog_config {
    const char *dir;          /* made if missing; its parent must exist */
    uint32_t partitions;      /* may grow from one start to the next, never shrink */
    uint64_t map_bytes_max;   /* what the log may take on disk; may change at each start */
    uint64_t queue_bytes_max; /* appends that wait for the disk: above it LT_EBUSY */
    bool read_only;           /* another process writes: readers and bounds only */
};

/* Thread: loop. Blocks while the directory is opened. The directory may be open once in a process.
 * Errors are logged with what to do. LT_EHELD: another process writes to dir. LT_ENOTFOUND:
 * read_only, and there is no log. LT_EINVALID: fewer partitions than the log holds. LT_ECORRUPT,
 * LT_EVERSION: not a log that this version can read. LT_EIO, LT_EFULL, LT_ENOMEM. */
MUST_USE int locallog_create(const struct locallog_config *config, struct log **out);

/* Writes the log's lines; arg is the struct log. */
void locallog_status(void *arg, struct status_sink *sink);

/* local-log-*; locallog_config_load fills all but partitions and read_only. dir lives as long as
 * the set. */
extern const struct option_spec locallog_options[];
extern const size_t locallog_options_count;
void locallog_config_load(struct locallog_config *config, const struct option_set *options);

#endif
