#ifndef PORT_STORAGE_NAMES_H
#define PORT_STORAGE_NAMES_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The part of port/storage_types.h that is about names: what a catalog stores and loads. */

/* One catalog entry. Ids are dense from 0 within (what, scope) and never change; those of items
 * that are forgotten stay holes. */
enum storage_name_what {
    STORAGE_HOST = 1,
    STORAGE_DIMENSION = 2,
    STORAGE_COLLECTOR = 3,
    STORAGE_CATEGORY = 4, /* detail: enum kind */
    STORAGE_ITEM = 5,     /* scope: the category's id */
    STORAGE_RULE = 6,     /* a declaration, in order; detail: enum kind | precision << 2 */
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

/* What the log did to items that are to be forgotten (docs/adr/0016-items-are-forgotten.md). */
enum storage_doom_what {
    STORAGE_DOOM_BEGIN = 0, /* a round begins: there are no marks */
    STORAGE_DOOMED = 1,     /* these are marked, */
    STORAGE_SPARED = 2,     /* ... are not any more, */
    STORAGE_FORGOTTEN = 3,  /* ... are gone, with name and text; ids within STORAGE_FORGET_SPAN */
};
enum { STORAGE_FORGET_SPAN = 65536 };
struct storage_doom {
    enum storage_doom_what what;
    uint64_t round;
    uint32_t category;
    const uint32_t *items; /* ascending */
    uint32_t count;
};

/* When items were seen, as Unix hours of their points' times; first > last: never. Of a category,
 * ids page * STORAGE_SEEN_ITEMS + [0, count). */
enum { STORAGE_SEEN_ITEMS = 4096 };
struct storage_seen {
    uint32_t category;
    uint32_t page;
    uint32_t count;
    const uint32_t *first_h;
    const uint32_t *last_h;
};

/* A declared series (docs/adr/0020-series-are-declared.md); created: the offset of the record that
 * declared it, which no other has. */
struct storage_series {
    uint64_t created;
    uint32_t host, category, item, dimension;
    bool dropped;      /* it is there no more: body is empty */
    struct slice body; /* model/settings.h */
};

/* What storage_load hands over, in this order: names (ascending id within (what, scope), a category
 * before its items), watermarks, texts, hours, marks (in the order in which they came; never
 * FORGOTTEN), declared series. Return 0 to go on. Slices and arrays are valid
 * during the call. */
struct storage_loader {
    /* count items of a category, from id first on; p is NULL where one is forgotten. */
    int (*items)(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                 const struct slice *names, uint32_t count);
    /* Everything else that has a name. */
    int (*name)(void *arg, uint32_t environment, const struct storage_name *name);
    int (*watermark)(void *arg, uint32_t environment, const struct storage_watermark *watermark);
    int (*text)(void *arg, uint32_t environment, const struct storage_item_text *text);
    int (*seen)(void *arg, uint32_t environment, const struct storage_seen *seen);
    int (*doom)(void *arg, uint32_t environment, const struct storage_doom *doom);
    int (*series)(void *arg, uint32_t environment, const struct storage_series *series);
    void *arg;
};

#endif
