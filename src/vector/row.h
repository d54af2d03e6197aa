#ifndef VECTOR_ROW_H
#define VECTOR_ROW_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/vec.h"
#include "vector/frame.h"
#include "vector/pack.h"
#include "vector/summaries.h"

#include <stdint.h>

/* What observation rows of all resolutions have in common: their first body, in which each item
 * has a summary, and how an item is found. For pack.c and rollup.c. A frame (frame.h):
 *
 *   | varint items - 1 | column of items | summaries |                    summaries.h
 *
 * Items ascend strictly. */

/* Both bodies are compressed only where that saves a part of so many: what is packed to the bit
 * already is read three times as fast without. */
enum { ROW_ZSTD_SHARE = 10 };

struct row_writer {
    VEC(uint64_t) items;
    struct summaries summaries;
    struct pack_row row; /* so far; without bodies */
    struct buffer raw;
    struct buffer body;
};

void row_writer_init(struct row_writer *w);
void row_writer_fini(struct row_writer *w);

void row_begin(struct row_writer *w);

/* One more item, its points between first_ms and last_ms. LT_ENOMEM: nothing changed. */
MUST_USE int row_add(struct row_writer *w, uint32_t item, const struct summary *summary,
                     int64_t first_ms, int64_t last_ms);

/* Fills out but for vectors. Its summaries live until the next begin. */
MUST_USE int row_finish(struct row_writer *w, struct frame_codec *frame, struct pack_row *out);

struct row_reader {
    uint32_t *item; /* PACK_ITEMS_MAX, or NULL before the first */
    uint64_t *x;
    struct summaries summaries;
};

void row_reader_init(struct row_reader *r);
void row_reader_fini(struct row_reader *r);

/* As pack_open_summaries, which it is. */
MUST_USE int row_open(struct row_reader *r, struct frame_codec *frame, struct slice body,
                      unsigned columns, struct pack_summaries *out);

/* Ascending items that a reader asks for; NULL: all. */
struct row_wanted {
    const uint32_t *items;
    uint32_t count;
};

/* Starts at first_item, of many that may be wanted of other rows. */
struct row_wanted row_wanted_from(const uint32_t *items, uint32_t count, uint32_t first_item);

/* Is it one of them? Asked of ascending items: drops what is below this one. */
bool row_wants(struct row_wanted *wanted, uint32_t item);

#endif
