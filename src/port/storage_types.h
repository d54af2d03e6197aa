#ifndef PORT_STORAGE_TYPES_H
#define PORT_STORAGE_TYPES_H

#include "base/slice.h"

#include <stdint.h>

/* What storage (port/storage.h) takes and hands out. */

/* A table's time range in Unix seconds; the catch-all table is {0, 0}. */
struct storage_range {
    int64_t from_s;
    int64_t to_s;
};

struct storage_progress {
    uint64_t next;     /* the first offset that is not stored */
    uint64_t checksum; /* hash_bytes of record next - 1; 0 while next is 0 */
    uint64_t epoch;
};

/* One catalog entry. Ids are dense from 0 within (what, scope) and never change. */
enum storage_name_what {
    STORAGE_HOST = 1,
    STORAGE_DIMENSION = 2,
    STORAGE_COLLECTOR = 3,
    STORAGE_CATEGORY = 4, /* detail: enum kind */
    STORAGE_ITEM = 5,     /* scope: the category's id */
    STORAGE_RULE = 6,     /* a category pattern in order of declaration; detail: enum kind */
};

struct storage_name {
    enum storage_name_what what;
    uint32_t scope;
    uint32_t id;
    uint32_t detail;
    struct slice text;
};

struct storage_watermark { /* no stored point of (host, collector) is newer than max_ms */
    uint32_t host;
    uint32_t collector;
    int64_t max_ms;
};

struct storage_item_text {
    uint32_t category;
    uint32_t item;
    struct slice text;
};

/* What storage_load hands over, in this order: names (ascending id within (what, scope), a category
 * before its items), watermarks, texts. Return 0 to go on. Slices are valid during the call. */
struct storage_loader {
    int (*name)(void *arg, uint32_t environment, const struct storage_name *name);
    int (*watermark)(void *arg, uint32_t environment, const struct storage_watermark *watermark);
    int (*text)(void *arg, uint32_t environment, const struct storage_item_text *text);
    void *arg;
};

struct storage_flush { /* offsets [lo, hi) of a partition */
    uint32_t partition;
    uint64_t epoch;
    uint64_t lo;
    uint64_t hi;
    uint64_t checksum; /* of record hi - 1 */
};

#endif
