#include "base/buffer.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_MIN_BYTES = 256 };

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_fini(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

void buffer_reset(struct buffer *b, size_t keep_bytes)
{
    b->len = 0;
    b->error = 0;
    if (b->cap > keep_bytes) {
        free(b->data);
        b->data = NULL;
        b->cap = 0;
    }
}

static int buffer_grow(struct buffer *b, size_t need)
{
    if (need > b->max)
        return LT_ELIMIT;
    size_t cap = b->cap < BUFFER_MIN_BYTES ? BUFFER_MIN_BYTES : b->cap;
    while (cap < need)
        cap += cap / 2;
    if (cap > b->max)
        cap = b->max;
    char *data = realloc(b->data, cap);
    if (data == NULL)
        return LT_ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

char *buffer_reserve_more(struct buffer *b, size_t n)
{
    if (b->error != 0)
        return NULL;
    if (n > b->cap - b->len) {
        if (n > SIZE_MAX - b->len)
            b->error = LT_ELIMIT;
        else
            b->error = buffer_grow(b, b->len + n);
        if (b->error != 0)
            return NULL;
    }
    return b->data + b->len;
}

void buffer_append(struct buffer *b, const void *p, size_t n)
{
    char *room = n > 0 ? buffer_reserve(b, n) : NULL;
    if (room == NULL)
        return;
    memcpy(room, p, n);
    b->len += n;
}

void buffer_append_slice(struct buffer *b, struct slice s)
{
    buffer_append(b, s.p, s.n);
}

void buffer_append_str(struct buffer *b, const char *s)
{
    buffer_append(b, s, strlen(s));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = n > 0 ? buffer_reserve(b, (size_t)n + 1) : NULL;
    if (room == NULL)
        return;
    va_start(args, format);
    vsnprintf(room, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
}

void buffer_consume(struct buffer *b, size_t n)
{
    if (n == 0)
        return;
    b->len -= n;
    if (b->len > 0)
        memmove(b->data, b->data + n, b->len);
}
