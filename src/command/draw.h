#ifndef COMMAND_DRAW_H
#define COMMAND_DRAW_H

#include "base/buffer.h"
#include "base/slice.h"
#include "resp/resp.h"

/* Text for people to look at, in UTF-8. Lines are collected in one buffer, each ended by '\n', and
 * leave as an array of simple strings: redis-cli prints these as they are. Pure. */

enum { DRAW_BYTES_MAX = 8 << 20 };

/* As an array of simple strings; an error reply where memory ran out or the text is too long. */
void draw_reply(struct resp_writer w, const struct buffer *lines);

/* How many characters, as a terminal counts them, but for wide ones. */
size_t draw_width(struct slice text);

/* Text padded to width; cut with an ellipsis where it is longer. Control characters become blanks.
 */
void draw_left(struct buffer *out, struct slice text, size_t width);
void draw_right(struct buffer *out, struct slice text, size_t width);

/* Short enough to read: integers in full, others with two or three digits that matter. Returns the
 * length. */
enum { DRAW_NUMBER_BYTES_MAX = 32 };
size_t draw_number(double x, char *out);

/* One block character a value, from 0 (or the smallest, if that is negative) to the largest. NaN:
 * blank. */
void draw_sparkline(struct buffer *out, const double *values, uint32_t count);

/* The block character for level 0 (blank) … 8 (full). */
const char *draw_block(int level);

#endif
