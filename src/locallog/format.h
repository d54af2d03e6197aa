#ifndef LOCALLOG_FORMAT_H
#define LOCALLOG_FORMAT_H

#include "base/attr.h"
#include "base/slice.h"
#include "port/log.h"

#include <stdint.h>

/* How the log looks inside LMDB: one table, keys in memcmp order. Integers of keys are big-endian,
 * so that this order is theirs; integers of values are little-endian.
 *
 *   key of a record   | u32 partition | u8 1 | u64 offset |
 *   its value         | u64 checksum | u32 version = 1 | u32 partition | u64 offset | i64 append_ms
 * | bytes |
 *
 *   key of a floor    | u32 partition | u8 0 | u64 0 |
 *   its value         | u64 offset |
 *
 * The checksum (base/hash.h, hash_bytes) covers all that follows it, place included, so that a
 * record which turns up under another's key is found out. Records are dense; the floor (0 if there
 * is none) is the oldest offset that was not trimmed, and also the next one if the partition holds
 * no record. An append therefore writes nothing beside its record. */

enum {
    FORMAT_VERSION = 1,
    FORMAT_KEY_BYTES = 13,
    FORMAT_HEADER_BYTES = 32,
};

enum format_kind { FORMAT_FLOOR = 0, FORMAT_RECORD = 1 };

struct format_key {
    uint32_t partition;
    enum format_kind kind;
    uint64_t offset;
};

void format_key_write(char out[FORMAT_KEY_BYTES], struct format_key key);
/* LT_ECORRUPT. */
MUST_USE int format_key_parse(struct slice bytes, struct format_key *out);

/* Fills the header of a value whose record stands behind it already: value.n = header + record. */
void format_record_seal(char *value, size_t value_bytes, uint32_t partition, uint64_t offset,
                        int64_t append_ms);
/* out->bytes points into value. LT_ECORRUPT, LT_EVERSION. */
MUST_USE int format_record_parse(struct slice value, uint32_t partition, uint64_t offset,
                                 struct log_record *out);

void format_floor_write(char out[8], uint64_t floor);
MUST_USE int format_floor_parse(struct slice value, uint64_t *out);

#endif
