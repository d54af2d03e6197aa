#ifndef MODEL_RULE_H
#define MODEL_RULE_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A compaction rule (TS.CREATERULE; docs/adr/0024-rules-are-computed.md), as the declaration of its
 * destination holds it. Pure. Times are Unix milliseconds. */

enum {
    RULE_HIDDEN_MAX = 64, /* intervals, once those that touch are one */
    RULE_SOURCE_BYTES_MAX = 1025,
};

/* Both ends are included. */
struct rule_hidden {
    int64_t from_ms, last_ms;
};

struct rule {
    struct slice source; /* its key, as name_join_key gives it: at least one byte */
    uint8_t aggregator;  /* enum aggregator, which is never renumbered */
    int64_t bucket_ms;   /* >= 1 */
    int64_t align_ms;    /* >= 0 */
    int64_t after_ms;    /* points of the source that are later than this count; >= -1 */
    /* Points of these times were deleted; ascending, none touches the next. */
    uint32_t hidden_count;
    struct rule_hidden hidden[RULE_HIDDEN_MAX];
};

/* The bytes of a rule, little-endian:
 *
 *   | u8 version = 1 | u8 aggregator | i64 bucket | i64 align | i64 after | u8 hidden |
 *   | hidden x (i64 from, i64 last) | source |
 *
 * write appends. LT_EINVALID: no declaration may hold it. The caller checks out->error. */
MUST_USE int rule_write(struct buffer *out, const struct rule *rule);
/* The source points into bytes. LT_EPARSE; LT_EVERSION: a newer program wrote it. */
MUST_USE int rule_read(struct slice bytes, struct rule *out);

/* Are they one rule, whatever each hides? */
bool rule_same(const struct rule *a, const struct rule *b);

/* Hides one interval more. LT_ELIMIT: it would be more than RULE_HIDDEN_MAX; nothing changed. */
MUST_USE int rule_hide(struct rule *rule, struct rule_hidden interval);
bool rule_hides(const struct rule *rule, int64_t time_ms);
/* Both ends of the interval, and all between them? */
bool rule_hides_all(const struct rule *rule, struct rule_hidden interval);

/* What a series' rule is after a declaration that gives another: of no rule and one, that one; of
 * one and none, none; of the same rule twice, what either hides is hidden; of two rules, the first,
 * for a series has one rule. n 0: no rule. Appends to out. LT_EPARSE; LT_ELIMIT: as rule_hide;
 * then out is as it was. */
MUST_USE int rule_merge(struct slice now, struct slice change, struct buffer *out);

#endif
