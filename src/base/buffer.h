#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* A growable run of bytes with a limit. Caller-owned; one thread at a time.
 *
 *   data [ .... len bytes in use .... | room up to cap ]        len <= cap <= max
 *
 * An append that would pass max, or for which there is no memory, changes nothing and leaves the
 * buffer failed: later appends fail too, so that a composer checks once at its end. */
struct buffer {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    int error; /* 0, LT_ELIMIT or LT_ENOMEM */
};

void buffer_init(struct buffer *b, size_t max);
void buffer_fini(struct buffer *b);

/* Empties it and clears the error; keeps the memory, unless it is larger than keep_bytes. */
void buffer_reset(struct buffer *b, size_t keep_bytes);

/* What buffer_reserve does where the room is not there yet. */
char *buffer_reserve_more(struct buffer *b, size_t n);

/* Room for n more bytes at data + len, or NULL. The caller writes and then adds to len. */
static inline char *buffer_reserve(struct buffer *b, size_t n)
{
    return LIKELY(b->error == 0 && n < b->cap - b->len) ? b->data + b->len
                                                        : buffer_reserve_more(b, n);
}

void buffer_append(struct buffer *b, const void *p, size_t n);
void buffer_append_slice(struct buffer *b, struct slice s);
void buffer_append_str(struct buffer *b, const char *s);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops n bytes from the front by moving the rest. */
void buffer_consume(struct buffer *b, size_t n);

static inline struct slice buffer_slice(const struct buffer *b)
{
    return slice_make(b->data, b->len);
}

#endif
