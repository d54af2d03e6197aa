#ifndef REACTOR_FIFO_H
#define REACTOR_FIFO_H

#include "base/buffer.h"

/* Bytes that arrive at the end and leave at the front:
 *
 *   bytes.data [ at: gone | .... fifo_len .... | room ]
 *
 * What is left moves to the front only when as much has gone before it, or when it is little: so a
 * long fifo that is emptied in small steps costs linear time, and never more than twice its limit.
 */
struct fifo {
    struct buffer bytes;
    size_t at;
};

enum { FIFO_LITTLE_BYTES = 64 * 1024 };

static inline void fifo_set_max(struct fifo *fifo, size_t max)
{
    fifo->bytes.max = max <= FIFO_LITTLE_BYTES ? max : max * 2;
}

static inline size_t fifo_len(const struct fifo *fifo)
{
    return fifo->bytes.len - fifo->at;
}

static inline struct slice fifo_slice(const struct fifo *fifo)
{
    return fifo->bytes.len == 0 ? slice_make(NULL, 0)
                                : slice_make(fifo->bytes.data + fifo->at, fifo_len(fifo));
}

/* Memory beyond keep_bytes goes back when the fifo is empty. */
static inline void fifo_drop(struct fifo *fifo, size_t n, size_t keep_bytes)
{
    fifo->at += n;
    size_t left = fifo_len(fifo);
    if (left > FIFO_LITTLE_BYTES && left > fifo->at)
        return;
    buffer_consume(&fifo->bytes, fifo->at);
    fifo->at = 0;
    if (left == 0)
        buffer_reset(&fifo->bytes, keep_bytes);
}

#endif
