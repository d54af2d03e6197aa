#include "store/partition.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"

enum { TRIM_TIMEOUT_MS = 3000 };

/* When was the record at `offset` appended? Negative: an error. */
static int64_t append_time(struct partition *p, uint64_t offset)
{
    struct log *log = p->store->config.log;
    struct log_reader *reader;
    struct log_record record;
    int err = log_reader_open(log, p->number, offset, &reader);
    if (err != 0)
        return err;
    int n = log_reader_next(log, reader, TRIM_TIMEOUT_MS, &record, 1);
    int64_t when = n == 1 ? record.append_ms : n < 0 ? n : LT_ETIMEOUT;
    log_reader_close(log, &reader);
    return when;
}

/* Append times grow with the offset, near enough: a bisection finds where the kept ones begin. */
void trim_log(struct partition *p, uint64_t stored)
{
    struct log *log = p->store->config.log;
    struct log_bounds bounds;
    if (p->store->config.log_keep_ms == 0 ||
        log_bounds(log, p->number, TRIM_TIMEOUT_MS, &bounds) != 0)
        return;
    int64_t oldest_ms = clock_wall_ms() - p->store->config.log_keep_ms;
    uint64_t low = bounds.start;
    uint64_t high = stored < bounds.end ? stored : bounds.end;
    if (high > 0)
        high--; /* the last stored record stays: its checksum is how a recreated log is noticed */
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        int64_t when_ms = append_time(p, mid);
        if (when_ms < 0)
            return;
        if (when_ms < oldest_ms)
            low = mid + 1;
        else
            high = mid;
    }
    if (low <= bounds.start)
        return;
    int err = log_trim(log, p->number, low, TRIM_TIMEOUT_MS);
    if (err != 0)
        log_warn("store", "partition %u: the log is not trimmed: %s", p->number, error_text(err));
}
