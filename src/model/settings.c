#include "model/settings.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "model/rule.h"

#include <math.h>

enum { VERSION = 1, GIVEN_ALL = (SETTINGS_MOVING << 1) - 1 };

const struct settings settings_none = {.chunk_bytes = SETTINGS_CHUNK_BYTES};

static const char *const encoding_names[] = {
    [ENCODING_COMPRESSED] = "compressed",
    [ENCODING_UNCOMPRESSED] = "uncompressed",
};

static const char *const duplicate_names[] = {
    [DUPLICATE_DEFAULT] = NULL,  [DUPLICATE_BLOCK] = "block", [DUPLICATE_LAST] = "last",
    [DUPLICATE_FIRST] = "first", [DUPLICATE_MIN] = "min",     [DUPLICATE_MAX] = "max",
    [DUPLICATE_SUM] = "sum",
};

const char *encoding_text(enum encoding encoding)
{
    return encoding_names[encoding];
}

const char *duplicate_text(enum duplicate duplicate)
{
    return duplicate_names[duplicate];
}

int encoding_parse(struct slice text, enum encoding *out)
{
    for (unsigned i = 0; i <= ENCODING_UNCOMPRESSED; i++) {
        if (slice_ieq_str(text, encoding_names[i])) {
            *out = (enum encoding)i;
            return 0;
        }
    }
    return LT_EINVALID;
}

int duplicate_parse(struct slice text, enum duplicate *out)
{
    for (unsigned i = DUPLICATE_BLOCK; i <= DUPLICATE_SUM; i++) {
        if (slice_ieq_str(text, duplicate_names[i])) {
            *out = (enum duplicate)i;
            return 0;
        }
    }
    return LT_EINVALID;
}

enum policy settings_policy(enum duplicate duplicate)
{
    static const enum policy policies[] = {
        [DUPLICATE_DEFAULT] = POLICY_LAST, [DUPLICATE_BLOCK] = POLICY_FIRST,
        [DUPLICATE_LAST] = POLICY_LAST,    [DUPLICATE_FIRST] = POLICY_FIRST,
        [DUPLICATE_MIN] = POLICY_MIN,      [DUPLICATE_MAX] = POLICY_MAX,
        [DUPLICATE_SUM] = POLICY_SUM,
    };
    return policies[duplicate];
}

bool settings_decide(const struct settings *s)
{
    return s->retention_ms > 0 || s->ignore_ms > 0 || s->ignore_value > 0 ||
           (s->duplicate != DUPLICATE_DEFAULT && s->duplicate != DUPLICATE_LAST);
}

uint64_t settings_moving(struct slice key, bool whole)
{
    return (hash_bytes(key) & ~UINT64_C(3)) | 2 | whole;
}

void settings_merge(struct settings *s, const struct settings *change)
{
    if ((change->given & SETTINGS_RETENTION) != 0)
        s->retention_ms = change->retention_ms;
    if ((change->given & SETTINGS_CHUNK) != 0)
        s->chunk_bytes = change->chunk_bytes;
    if ((change->given & SETTINGS_ENCODING) != 0)
        s->encoding = change->encoding;
    if ((change->given & SETTINGS_DUPLICATE) != 0)
        s->duplicate = change->duplicate;
    if ((change->given & SETTINGS_IGNORE) != 0) {
        s->ignore_ms = change->ignore_ms;
        s->ignore_value = change->ignore_value;
    }
    s->given |= change->given & ~(uint32_t)SETTINGS_RULE;
    if ((change->given & SETTINGS_MOVING) != 0)
        s->moving = change->moving;
    if (s->moving == 0)
        s->given &= ~(uint32_t)SETTINGS_MOVING;
}

bool settings_same(const struct settings *a, const struct settings *b)
{
    return a->given == b->given && a->retention_ms == b->retention_ms &&
           a->chunk_bytes == b->chunk_bytes && a->encoding == b->encoding &&
           a->duplicate == b->duplicate && a->ignore_ms == b->ignore_ms &&
           number_same_f64(a->ignore_value, b->ignore_value) && slice_eq(a->rule, b->rule) &&
           a->moving == b->moving;
}

/* ---- bytes ---- */

static bool is_text(struct slice text)
{
    return text.n > 0 && text.n <= LABEL_BYTES_MAX;
}

static bool is_rule(struct slice bytes)
{
    struct rule rule;
    return bytes.n == 0 || rule_read(bytes, &rule) == 0;
}

static bool is_good(const struct settings *s)
{
    return s->given <= GIVEN_ALL && s->retention_ms >= 0 &&
           s->chunk_bytes >= SETTINGS_CHUNK_BYTES_MIN &&
           s->chunk_bytes <= SETTINGS_CHUNK_BYTES_MAX &&
           s->chunk_bytes % SETTINGS_CHUNK_BYTES_STEP == 0 &&
           (unsigned)s->encoding <= ENCODING_UNCOMPRESSED &&
           (unsigned)s->duplicate <= DUPLICATE_SUM &&
           ((s->given & SETTINGS_DUPLICATE) == 0 || s->duplicate != DUPLICATE_DEFAULT) &&
           s->ignore_ms >= 0 && isfinite(s->ignore_value) && s->ignore_value >= 0 &&
           ((s->given & SETTINGS_RULE) != 0 || s->rule.n == 0) && is_rule(s->rule) &&
           ((s->given & SETTINGS_MOVING) != 0 || s->moving == 0);
}

static void put(struct buffer *out, uint64_t x, unsigned bytes)
{
    char le[8];
    for (unsigned i = 0; i < bytes; i++)
        le[i] = (char)(x >> 8 * i);
    buffer_append(out, le, bytes);
}

static void put_text(struct buffer *out, struct slice text)
{
    put(out, text.n, 2);
    buffer_append_slice(out, text);
}

int settings_write(struct buffer *out, const struct settings *s, const struct label *labels,
                   uint32_t count)
{
    bool labelled = (s->given & SETTINGS_LABELS) != 0;
    bool good = is_good(s) && count <= SETTINGS_LABELS_MAX && (labelled || count == 0);
    for (uint32_t i = 0; good && i < count; i++)
        good = is_text(labels[i].name) && is_text(labels[i].value);
    if (!good)
        return LT_EINVALID;
    put(out, VERSION, 1);
    put(out, s->given, 1);
    if ((s->given & SETTINGS_RETENTION) != 0)
        put(out, (uint64_t)s->retention_ms, 8);
    if ((s->given & SETTINGS_CHUNK) != 0)
        put(out, s->chunk_bytes, 4);
    if ((s->given & SETTINGS_ENCODING) != 0)
        put(out, s->encoding, 1);
    if ((s->given & SETTINGS_DUPLICATE) != 0)
        put(out, s->duplicate, 1);
    if ((s->given & SETTINGS_IGNORE) != 0) {
        put(out, (uint64_t)s->ignore_ms, 8);
        put(out, number_f64_to_bits(s->ignore_value), 8);
    }
    if ((s->given & SETTINGS_RULE) != 0)
        put_text(out, s->rule);
    if ((s->given & SETTINGS_MOVING) != 0)
        put(out, s->moving, 8);
    if (labelled)
        put(out, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        put_text(out, labels[i].name);
        put_text(out, labels[i].value);
    }
    return 0;
}

struct input {
    struct slice rest;
    bool failed;
};

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t x = 0;
    if (in->rest.n < bytes) {
        in->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        x |= (uint64_t)(unsigned char)in->rest.p[i] << 8 * i;
    in->rest = slice_from(in->rest, bytes);
    return x;
}

static uint64_t take_given(struct input *in, uint32_t given, uint32_t field, unsigned bytes,
                           uint64_t otherwise)
{
    return (given & field) != 0 ? take(in, bytes) : otherwise;
}

static struct slice take_bytes(struct input *in)
{
    size_t n = (size_t)take(in, 2);
    if (n > in->rest.n)
        in->failed = true;
    struct slice bytes = slice_upto(in->rest, in->failed ? 0 : n);
    in->rest = slice_from(in->rest, bytes.n);
    return bytes;
}

static struct slice take_text(struct input *in)
{
    struct slice text = take_bytes(in);
    in->failed |= !is_text(text);
    return text;
}

int settings_read(struct slice bytes, struct settings *out,
                  struct label labels_out[SETTINGS_LABELS_MAX], uint32_t *count_out)
{
    struct input in = {bytes, false};
    uint64_t version = take(&in, 1);
    if (in.failed)
        return LT_EPARSE;
    if (version != VERSION)
        return LT_EVERSION;
    uint32_t given = (uint32_t)take(&in, 1);
    struct settings s = {.given = given};
    s.retention_ms = (int64_t)take_given(&in, given, SETTINGS_RETENTION, 8, 0);
    s.chunk_bytes = (uint32_t)take_given(&in, given, SETTINGS_CHUNK, 4, SETTINGS_CHUNK_BYTES);
    s.encoding = (enum encoding)take_given(&in, given, SETTINGS_ENCODING, 1, 0);
    s.duplicate = (enum duplicate)take_given(&in, given, SETTINGS_DUPLICATE, 1, 0);
    s.ignore_ms = (int64_t)take_given(&in, given, SETTINGS_IGNORE, 8, 0);
    s.ignore_value = number_f64_from_bits(take_given(&in, given, SETTINGS_IGNORE, 8, 0));
    if ((given & SETTINGS_RULE) != 0)
        s.rule = take_bytes(&in);
    s.moving = take_given(&in, given, SETTINGS_MOVING, 8, 0);
    uint32_t count = (uint32_t)take_given(&in, given, SETTINGS_LABELS, 1, 0);
    if (in.failed || !is_good(&s) || count > SETTINGS_LABELS_MAX)
        return LT_EPARSE;
    for (uint32_t i = 0; i < count; i++) {
        labels_out[i].name = take_text(&in);
        labels_out[i].value = take_text(&in);
    }
    if (in.failed || in.rest.n != 0)
        return LT_EPARSE;
    *out = s;
    *count_out = count;
    return 0;
}
