#ifndef VECTOR_NAMES_H
#define VECTOR_NAMES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "vector/frame.h"

#include <stdint.h>

/* Catalog entries with consecutive ids, the first of which the row knows. A frame (frame.h) of
 * version 1 around, for each entry:
 *
 *   | varint detail | varint bytes | text |
 *
 * varint: 7 bits a byte, low ones first; the high bit says that more follow.
 *
 * Where some of them were forgotten, version 2, runs:
 *
 *   | varint how many have no entry | varint how many have | their entries | … */

/* Appends one entry to the raw form; frame_seal with NAMES_VERSION makes the body. The caller
 * checks raw->error. */
enum { NAMES_VERSION = 1, NAMES_HOLES_VERSION = 2, NAMES_RAW_BYTES_MAX = 1 << 20 };
void names_put(struct buffer *raw, uint32_t detail, struct slice text);

/* Takes one entry off the front of *raw (from frame_open). LT_ECORRUPT. */
MUST_USE int names_get(struct slice *raw, uint32_t *detail_out, struct slice *text_out);

/* The same for the head of a run. */
void names_put_run(struct buffer *raw, uint32_t holes, uint32_t names);
MUST_USE int names_get_run(struct slice *raw, uint32_t *holes_out, uint32_t *names_out);

#endif
