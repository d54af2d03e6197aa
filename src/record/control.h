#ifndef RECORD_CONTROL_H
#define RECORD_CONTROL_H

#include "base/buffer.h"
#include "record/record.h"

/* Writing the records that hold no points. Pure. */

/* Each is appended to out. LT_EINVALID: no record may hold it. LT_ENOMEM, LT_ELIMIT: out's. */
MUST_USE int record_write_rule(struct buffer *out, uint32_t environment, int64_t append_ms,
                               struct slice pattern, enum kind kind, uint32_t precision);
MUST_USE int record_write_text(struct buffer *out, uint32_t environment, int64_t append_ms,
                               struct slice stem, struct slice text);
MUST_USE int record_write_noop(struct buffer *out, uint32_t environment, int64_t append_ms);
MUST_USE int record_write_clear(struct buffer *out, uint32_t environment, int64_t append_ms);
MUST_USE int record_write_epoch(struct buffer *out, uint32_t environment, int64_t append_ms,
                                uint64_t epoch);
/* doom or forget. items: 1 … RECORD_ITEMS_MAX, ascending strictly. */
MUST_USE int record_write_items(struct buffer *out, enum record_what what, uint32_t environment,
                                int64_t append_ms, uint64_t round, uint32_t category,
                                const uint32_t *items, uint32_t count);

#endif
