#ifndef RECORD_SERIES_H
#define RECORD_SERIES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "model/settings.h"

#include <stdint.h>

/* Records of declared series (docs/adr/0020-series-are-declared.md); record.h reads them. epoch:
 * the owner's who decided it; it counts while that is the highest that the log announced. 0: nobody
 * did, and it counts. */

enum record_series_way {
    RECORD_SERIES_CREATE = 0, /* where it is not declared yet; else nothing changes */
    RECORD_SERIES_ALTER = 1,  /* where it is; else nothing changes */
    RECORD_SERIES_EITHER = 2,
};

/* Append one to out. LT_EINVALID: no record may hold it (settings_write; a name over
 * NAME_BYTES_MAX, a '/' in the host). LT_ENOMEM, LT_ELIMIT: out's. */
MUST_USE int record_write_series(struct buffer *out, uint32_t environment, int64_t append_ms,
                                 uint64_t epoch, struct slice host, struct slice metric,
                                 enum record_series_way way, const struct settings *settings,
                                 const struct label *labels, uint32_t labels_count);
/* The series is declared no more. Its points are not touched. */
MUST_USE int record_write_drop(struct buffer *out, uint32_t environment, int64_t append_ms,
                               uint64_t epoch, struct slice host, struct slice metric);

#endif
