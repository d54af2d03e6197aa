/* The records that hold no points. */
#include "record/record.h"

#include "base/buffer.h"
#include "base/error.h"
#include "model/name.h"
#include "record/format.h"
#include "record/pack.h"

static void pack_head(struct buffer *out, uint32_t fields, enum record_what what,
                      uint32_t environment, int64_t append_ms)
{
    pack_array(out, fields);
    pack_uint(out, RECORD_VERSION);
    pack_uint(out, what);
    pack_uint(out, environment);
    pack_int(out, append_ms);
}

int record_write_rule(struct buffer *out, uint32_t environment, int64_t append_ms,
                      struct slice pattern, enum kind kind)
{
    const char *why;
    if (name_check_pattern(pattern, &why) != 0)
        return LT_EINVALID;
    pack_head(out, RECORD_RULE_FIELDS, RECORD_RULE, environment, append_ms);
    pack_bytes(out, pattern);
    pack_uint(out, kind);
    return out->error;
}

int record_write_text(struct buffer *out, uint32_t environment, int64_t append_ms,
                      struct slice stem, struct slice text)
{
    if (stem.n > NAME_BYTES_MAX || text.n > RECORD_TEXT_BYTES_MAX)
        return LT_EINVALID;
    pack_head(out, RECORD_TEXT_FIELDS, RECORD_TEXT, environment, append_ms);
    pack_bytes(out, stem);
    pack_bytes(out, text);
    return out->error;
}

int record_write_noop(struct buffer *out, uint32_t environment, int64_t append_ms)
{
    pack_head(out, RECORD_NOOP_FIELDS, RECORD_NOOP, environment, append_ms);
    return out->error;
}
