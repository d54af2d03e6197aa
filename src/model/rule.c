#include "model/rule.h"

#include "base/error.h"

#include <string.h>

enum { VERSION = 1, HEAD_BYTES = 1 + 1 + 3 * 8 + 1, INTERVAL_BYTES = 16 };

/* ---- bytes ---- */

static bool is_good(const struct rule *r)
{
    bool good = r->source.n > 0 && r->source.n <= RULE_SOURCE_BYTES_MAX && r->bucket_ms >= 1 &&
                r->align_ms >= 0 && r->after_ms >= -1 && r->hidden_count <= RULE_HIDDEN_MAX;
    for (uint32_t i = 0; good && i < r->hidden_count; i++)
        good = r->hidden[i].from_ms >= 0 && r->hidden[i].from_ms <= r->hidden[i].last_ms &&
               (i == 0 || r->hidden[i].from_ms - 1 > r->hidden[i - 1].last_ms);
    return good;
}

static void put_i64(struct buffer *out, int64_t x)
{
    char le[8];
    for (unsigned i = 0; i < 8; i++)
        le[i] = (char)((uint64_t)x >> 8 * i);
    buffer_append(out, le, sizeof(le));
}

static int64_t take_i64(const char **at)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < 8; i++)
        x |= (uint64_t)(unsigned char)(*at)[i] << 8 * i;
    *at += 8;
    return (int64_t)x;
}

int rule_write(struct buffer *out, const struct rule *rule)
{
    if (!is_good(rule))
        return LT_EINVALID;
    const char head[2] = {VERSION, (char)rule->aggregator};
    const char hidden = (char)rule->hidden_count;
    buffer_append(out, head, sizeof(head));
    put_i64(out, rule->bucket_ms);
    put_i64(out, rule->align_ms);
    put_i64(out, rule->after_ms);
    buffer_append(out, &hidden, 1);
    for (uint32_t i = 0; i < rule->hidden_count; i++) {
        put_i64(out, rule->hidden[i].from_ms);
        put_i64(out, rule->hidden[i].last_ms);
    }
    buffer_append_slice(out, rule->source);
    return 0;
}

int rule_read(struct slice bytes, struct rule *out)
{
    if (bytes.n > 0 && bytes.p[0] != VERSION)
        return LT_EVERSION;
    if (bytes.n < HEAD_BYTES)
        return LT_EPARSE;
    const char *at = bytes.p + 2;
    struct rule r = {.aggregator = (uint8_t)bytes.p[1]};
    r.bucket_ms = take_i64(&at);
    r.align_ms = take_i64(&at);
    r.after_ms = take_i64(&at);
    r.hidden_count = (unsigned char)*at++;
    size_t head = HEAD_BYTES + r.hidden_count * (size_t)INTERVAL_BYTES;
    if (r.hidden_count > RULE_HIDDEN_MAX || bytes.n < head)
        return LT_EPARSE;
    for (uint32_t i = 0; i < r.hidden_count; i++) {
        r.hidden[i].from_ms = take_i64(&at);
        r.hidden[i].last_ms = take_i64(&at);
    }
    r.source = slice_from(bytes, head);
    if (!is_good(&r))
        return LT_EPARSE;
    *out = r;
    return 0;
}

bool rule_same(const struct rule *a, const struct rule *b)
{
    return slice_eq(a->source, b->source) && a->aggregator == b->aggregator &&
           a->bucket_ms == b->bucket_ms && a->align_ms == b->align_ms && a->after_ms == b->after_ms;
}

/* ---- what is hidden ---- */

/* The first interval that ends at the time or later, or before it with nothing between. */
static uint32_t first_at(const struct rule *r, int64_t time_ms)
{
    uint32_t lo = 0, hi = r->hidden_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (r->hidden[mid].last_ms < time_ms)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int rule_hide(struct rule *r, struct rule_hidden interval)
{
    if (interval.from_ms > interval.last_ms || interval.from_ms < 0)
        return LT_EINVALID;
    uint32_t first = first_at(r, interval.from_ms > 0 ? interval.from_ms - 1 : 0), end = first;
    for (; end < r->hidden_count && r->hidden[end].from_ms - 1 <= interval.last_ms; end++) {
        const struct rule_hidden *old = &r->hidden[end];
        interval.from_ms = old->from_ms < interval.from_ms ? old->from_ms : interval.from_ms;
        interval.last_ms = old->last_ms > interval.last_ms ? old->last_ms : interval.last_ms;
    }
    if (r->hidden_count - (end - first) + 1 > RULE_HIDDEN_MAX)
        return LT_ELIMIT;
    memmove(&r->hidden[first + 1], &r->hidden[end], (r->hidden_count - end) * sizeof(r->hidden[0]));
    r->hidden[first] = interval;
    r->hidden_count = r->hidden_count - (end - first) + 1;
    return 0;
}

bool rule_hides(const struct rule *r, int64_t time_ms)
{
    return rule_hides_all(r, (struct rule_hidden){time_ms, time_ms});
}

bool rule_hides_all(const struct rule *r, struct rule_hidden interval)
{
    uint32_t at = first_at(r, interval.from_ms);
    return at < r->hidden_count && r->hidden[at].from_ms <= interval.from_ms &&
           r->hidden[at].last_ms >= interval.last_ms;
}

int rule_merge(struct slice now, struct slice change, struct buffer *out)
{
    struct rule before, given;
    int err = now.n > 0 ? rule_read(now, &before) : 0;
    if (err == 0 && change.n > 0)
        err = rule_read(change, &given);
    if (err != 0)
        return err;
    if (now.n == 0 || change.n == 0) {
        buffer_append_slice(out, change);
        return 0;
    }
    for (uint32_t i = 0; i < given.hidden_count && err == 0 && rule_same(&before, &given); i++)
        err = rule_hide(&before, given.hidden[i]);
    return err != 0 ? err : rule_write(out, &before);
}
