#ifndef MODEL_SETTINGS_H
#define MODEL_SETTINGS_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "model/kind.h"

#include <stdbool.h>
#include <stdint.h>

/* What a declaration (TS.CREATE, TS.ALTER, the options of TS.ADD) says about a series: its settings
 * and its labels. Pure. The values of these enums stand in records and rows: they are never
 * renumbered. */

enum encoding { /* reported, without effect: storage is ours */
                ENCODING_COMPRESSED = 0,
                ENCODING_UNCOMPRESSED = 1,
};

/* What happens to a point whose time the series has already. */
enum duplicate {
    DUPLICATE_DEFAULT = 0, /* as of a series that nobody declared */
    DUPLICATE_BLOCK = 1,
    DUPLICATE_LAST = 2,
    DUPLICATE_FIRST = 3,
    DUPLICATE_MIN = 4,
    DUPLICATE_MAX = 5,
    DUPLICATE_SUM = 6,
};

/* What a declaration names: a later one changes that and nothing else. */
enum settings_field {
    SETTINGS_RETENTION = 1 << 0,
    SETTINGS_CHUNK = 1 << 1,
    SETTINGS_ENCODING = 1 << 2,
    SETTINGS_DUPLICATE = 1 << 3,
    SETTINGS_IGNORE = 1 << 4,
    SETTINGS_LABELS = 1 << 5, /* named with none of them: cleared */
    SETTINGS_RULE = 1 << 6,   /* of a rule's destination; n 0: it has no rule any more */
    SETTINGS_MOVING = 1 << 7, /* of what is being renamed; 0: it is done */
};

enum {
    SETTINGS_CHUNK_BYTES = 4096, /* where nobody says */
    SETTINGS_CHUNK_BYTES_MIN = 48,
    SETTINGS_CHUNK_BYTES_MAX = 1048576,
    SETTINGS_CHUNK_BYTES_STEP = 8,
    SETTINGS_LABELS_MAX = 128,
    LABEL_BYTES_MAX = 1024, /* of a name, of a value; either has at least one */
};

/* Fields that are not given are as settings_none has them. */
struct settings {
    uint32_t given;       /* enum settings_field */
    int64_t retention_ms; /* points older than the last one less this are hidden; 0: none are */
    uint32_t chunk_bytes;
    enum encoding encoding;
    enum duplicate duplicate;
    /* A point that comes at most this long after the last one, and differs from it by at most
     * ignore_value, is not stored. */
    int64_t ignore_ms;
    double ignore_value;
    struct slice rule; /* model/rule.h, its bytes; the texts' owner owns them */
    uint64_t moving;   /* settings_moving of the key whose place the series takes; 0: nobody's */
};
extern const struct settings settings_none;

struct label {
    struct slice name;
    struct slice value;
};

const char *encoding_text(enum encoding encoding);    /* "compressed" */
const char *duplicate_text(enum duplicate duplicate); /* "block"; NULL: the default */

/* Case-insensitive. 0 or LT_EINVALID. */
MUST_USE int encoding_parse(struct slice text, enum encoding *out);
MUST_USE int duplicate_parse(struct slice text, enum duplicate *out);

/* How such points are merged: the default is LAST; BLOCK keeps the first. */
enum policy settings_policy(enum duplicate duplicate);

/* Does a write have to look at them? Not where they only say labels, or what holds anyway. */
bool settings_decide(const struct settings *settings);

/* The series takes the place of this one, a key as name_join_key gives it: not all of its points
 * are there yet, or all are. Never 0. */
uint64_t settings_moving(struct slice key, bool whole);

/* Takes over what `change` gives, but for the rule: rule_merge tells that. */
void settings_merge(struct settings *settings, const struct settings *change);
bool settings_same(const struct settings *a, const struct settings *b);

/* The bytes of a declaration, as records and rows hold them, little-endian; of the fields those
 * that are given, in this order:
 *
 *   | u8 version = 1 | u8 given | i64 retention_ms | u32 chunk_bytes | u8 encoding | u8 duplicate |
 *   | i64 ignore_ms | f64 ignore_value | u16 n, rule | u64 moving | u8 labels | labels x (u16 n,
 *   name, u16 n, value) |
 *
 * write appends; LT_EINVALID: no declaration may hold it (a label without name or value, or too
 * long, too many of them, a number out of range). The caller checks out->error. */
MUST_USE int settings_write(struct buffer *out, const struct settings *settings,
                            const struct label *labels, uint32_t labels_count);
/* Labels and rule point into bytes. LT_EPARSE; LT_EVERSION: a newer program wrote it. */
MUST_USE int settings_read(struct slice bytes, struct settings *out,
                           struct label labels_out[SETTINGS_LABELS_MAX], uint32_t *count_out);

#endif
