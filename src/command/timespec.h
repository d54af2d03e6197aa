#ifndef COMMAND_TIMESPEC_H
#define COMMAND_TIMESPEC_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* A time as people write it, in whole seconds:
 *
 *   1424444400                   Unix seconds
 *   now  now-1h  now+90s  -1h    relative to now_s; units s m h d w
 *   2015-02-20T15:00:00Z         RFC 3339; also with an offset, +01:00
 *
 * 0 or LT_EPARSE. The result is within 0 … 2^32 - 1. Pure. */
MUST_USE int timespec_parse(struct slice text, int64_t now_s, int64_t *out_s);

#define TIMESPEC_EXPECTED "Unix seconds, now, now-1h, -1h (units s m h d w) or RFC 3339"

/* RFC 3339 in UTC: "2015-02-20T15:00:00Z". */
enum { TIMESPEC_BYTES_MAX = 32 };
void timespec_format(int64_t s, char *out);

#endif
