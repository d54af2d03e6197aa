#ifndef JOBS_COMPACT_GATHER_H
#define JOBS_COMPACT_GATHER_H

#include "base/attr.h"
#include "base/vec.h"
#include "model/block.h"
#include "port/storage_types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Points on their way from log order to item order.
 *
 * They come as blocks, in log order within a group (category, dimension, host), and go in parts:
 * all points of a span of items of one group, small enough that sorting it stays in the processor's
 * cache. Two shapes of a batch:
 *
 *   many small groups   a part each
 *   one large group     a part for each GATHER_PART_ITEMS consecutive ids. When memory runs out,
 *                       the highest parts are given up, and what they held is read again by a
 *                       later pass: gather_next_part tells where that begins
 *
 * So the number of passes follows from the points themselves, and a pass fills its memory whatever
 * the ids are like. A single part is kept whole even where it is larger than the limit.
 *
 * Thread: one at a time. Never blocks. */

enum {
    GATHER_PART_ITEMS_LOG2 = 10,
    GATHER_PART_ITEMS = 1 << GATHER_PART_ITEMS_LOG2,
    GATHER_SMALL_POINTS = 1 << 16, /* of a group that may share its batch */
};

struct gather_point { /* the first of its (series, time) */
    uint32_t item;
    uint32_t time; /* ms after the range's start */
    double value;
};
struct gather_later { /* to be folded, by log order */
    uint32_t item;
    uint32_t time;
    uint64_t lo;
    double value;
    uint8_t policy;
};

struct gather_chunk { /* of points or later ones: first … end */
    struct gather_chunk *next;
    char *end; /* of what is in use; the last chunk's is the list's `at` */
    size_t bytes;
};
struct gather_list {
    char *at;
    char *end;
    struct gather_chunk *head;
    struct gather_chunk *tail;
};
struct gather_part {
    struct gather_list points;
    struct gather_list later;
    size_t bytes;
};

struct gather {
    int64_t from_ms, to_ms;
    const struct storage_group *groups; /* of one category, ascending */
    uint32_t groups_count;
    uint32_t last;       /* the group of the last block: the next one is mostly of the same */
    bool paged;          /* one large group */
    uint32_t first_part; /* paged: parts below are done */
    uint32_t end_part;   /* paged: parts from here on are left to another pass */
    VEC(struct gather_part) parts; /* by group, or by part - first_part */
    uint64_t seen;                 /* points of the range in the blocks, of other passes too */

    size_t bytes_max;
    size_t bytes;      /* slabs, and what each part will need elsewhere */
    size_t part_bytes; /* … which is this */
    size_t part_max;   /* the largest part's bytes: sorting takes as much once more */
    struct gather_slab *slabs, *spare;
    char *slab_at, *slab_end;
    struct gather_chunk *free[5]; /* by size */
};

void gather_init(struct gather *g);
void gather_fini(struct gather *g);

/* Starts a pass, of groups that live as long. One group of more than GATHER_SMALL_POINTS points is
 * taken in passes, of which this one begins at first_part; else first_part is 0. part_bytes: what
 * the caller will spend on each part of a large group. LT_ENOMEM. */
MUST_USE int gather_begin(struct gather *g, struct storage_range range,
                          const struct storage_group *groups, uint32_t count, uint32_t first_part,
                          size_t bytes_max, size_t part_bytes);

/* Takes the points within the range. Blocks of a group: the older runs' first. Those of groups that
 * are not in the batch are passed over. LT_ENOMEM. */
MUST_USE int gather_add(struct gather *g, const struct block *block);

/* Where the next pass begins; 0: this was the last. */
static inline uint32_t gather_next_part(const struct gather *g)
{
    return g->paged && g->end_part != UINT32_MAX ? g->end_part : 0;
}

/* The elements of one chunk of a list: for (c = list->head; c != NULL; c = c->next). */
static inline const void *gather_chunk_data(const struct gather_list *list,
                                            const struct gather_chunk *chunk, size_t *bytes_out)
{
    const char *data = (const char *)(chunk + 1);
    *bytes_out = (size_t)((chunk == list->tail ? list->at : chunk->end) - data);
    return data;
}

#endif
