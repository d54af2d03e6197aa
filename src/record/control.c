/* The records that hold no points. */
#include "record/control.h"

#include "base/buffer.h"
#include "base/error.h"
#include "model/name.h"
#include "record/format.h"
#include "record/pack.h"
#include "record/varint.h"

static void pack_versioned(struct buffer *out, uint32_t version, uint32_t fields,
                           enum record_what what, uint32_t environment, int64_t append_ms)
{
    pack_array(out, fields);
    pack_uint(out, version);
    pack_uint(out, what);
    pack_uint(out, environment);
    pack_int(out, append_ms);
}

/* Of a series; epoch 0: nobody's. */
static void pack_series(struct buffer *out, uint32_t fields, enum record_what what,
                        uint32_t environment, int64_t append_ms, uint64_t epoch)
{
    pack_versioned(out, epoch != 0 ? RECORD_SERIES_DECIDED_VERSION : RECORD_SERIES_VERSION,
                   fields + (epoch != 0), what, environment, append_ms);
}

static void pack_head(struct buffer *out, uint32_t fields, enum record_what what,
                      uint32_t environment, int64_t append_ms)
{
    pack_versioned(out, RECORD_VERSION, fields, what, environment, append_ms);
}

/* One that says no precision is what it was before there was any. */
int record_write_rule(struct buffer *out, uint32_t environment, int64_t append_ms,
                      struct slice pattern, enum kind kind, uint32_t precision)
{
    const char *why;
    bool keep = precision == PRECISION_KEEP;
    if (name_check_pattern(pattern, &why) != 0 || (!keep && precision > PRECISION_MAX))
        return LT_EINVALID;
    pack_versioned(out, keep ? RECORD_VERSION : RECORD_RULE_VERSION,
                   keep ? RECORD_RULE_FIELDS : RECORD_PRECISION_FIELDS, RECORD_RULE, environment,
                   append_ms);
    pack_bytes(out, pattern);
    pack_uint(out, kind);
    if (!keep)
        pack_uint(out, precision);
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

static bool is_series(struct slice host, struct slice metric)
{
    return host.n <= NAME_BYTES_MAX && metric.n <= NAME_BYTES_MAX &&
           slice_find(host, '/') == host.n;
}

int record_write_series(struct buffer *out, uint32_t environment, int64_t append_ms, uint64_t epoch,
                        struct slice host, struct slice metric, enum record_series_way way,
                        const struct settings *settings, const struct label *labels,
                        uint32_t labels_count)
{
    struct buffer bytes;
    if (!is_series(host, metric) || (unsigned)way > RECORD_SERIES_EITHER || epoch > INT64_MAX)
        return LT_EINVALID;
    buffer_init(&bytes, SIZE_MAX);
    int err = settings_write(&bytes, settings, labels, labels_count);
    if (err == 0)
        err = bytes.error;
    if (err == 0) {
        pack_series(out, RECORD_SERIES_FIELDS, RECORD_SERIES, environment, append_ms, epoch);
        pack_bytes(out, host);
        pack_bytes(out, metric);
        pack_uint(out, way);
        pack_bytes(out, buffer_slice(&bytes));
        if (epoch != 0)
            pack_uint(out, epoch);
        err = out->error;
    }
    buffer_fini(&bytes);
    return err;
}

int record_write_drop(struct buffer *out, uint32_t environment, int64_t append_ms, uint64_t epoch,
                      struct slice host, struct slice metric)
{
    if (!is_series(host, metric) || epoch > INT64_MAX)
        return LT_EINVALID;
    pack_series(out, RECORD_DROP_FIELDS, RECORD_DROP, environment, append_ms, epoch);
    pack_bytes(out, host);
    pack_bytes(out, metric);
    if (epoch != 0)
        pack_uint(out, epoch);
    return out->error;
}

int record_write_clear(struct buffer *out, uint32_t environment, int64_t append_ms)
{
    pack_versioned(out, RECORD_CLEAR_VERSION, RECORD_CLEAR_FIELDS, RECORD_CLEAR, environment,
                   append_ms);
    return out->error;
}

int record_write_epoch(struct buffer *out, uint32_t environment, int64_t append_ms, uint64_t epoch)
{
    if (epoch == 0 || epoch > INT64_MAX)
        return LT_EINVALID;
    pack_head(out, RECORD_EPOCH_FIELDS, RECORD_EPOCH, environment, append_ms);
    pack_uint(out, epoch);
    return out->error;
}

static void put_varint(struct buffer *out, uint32_t x)
{
    char bytes[VARINT_ROOM];
    buffer_append(out, bytes, varint_write(bytes, x));
}

/* False: they do not ascend strictly. */
static bool put_items(struct buffer *out, const uint32_t *items, uint32_t count)
{
    uint64_t next = 0; /* behind the run before */
    for (uint32_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && items[end] == (uint64_t)items[end - 1] + 1; end++)
            ;
        if (items[i] < next || (i > 0 && items[i] == next))
            return false;
        put_varint(out, (uint32_t)(items[i] - next));
        put_varint(out, end - i - 1);
        next = (uint64_t)items[end - 1] + 1;
    }
    return true;
}

int record_write_items(struct buffer *out, enum record_what what, uint32_t environment,
                       int64_t append_ms, uint64_t round, uint32_t category, const uint32_t *items,
                       uint32_t count)
{
    struct buffer bytes;
    if ((what != RECORD_DOOM && what != RECORD_FORGET) || count == 0 || count > RECORD_ITEMS_MAX ||
        round > INT64_MAX)
        return LT_EINVALID;
    buffer_init(&bytes, RECORD_ITEMS_MAX * 2 * VARINT_ROOM);
    int err = put_items(&bytes, items, count) ? bytes.error : LT_EINVALID;
    if (err == 0) {
        pack_versioned(out, RECORD_ITEMS_VERSION, RECORD_ITEMS_FIELDS, what, environment,
                       append_ms);
        pack_uint(out, round);
        pack_uint(out, category);
        pack_bytes(out, buffer_slice(&bytes));
        err = out->error;
    }
    buffer_fini(&bytes);
    return err;
}
