#include "command/replies.h"

#include "base/error.h"
#include "resp/resp.h"

#include <assert.h>
#include <stdlib.h>

/* What a buffer keeps from one reply to the next: enough for receipts and times. */
enum { KEEP_BYTES = 1024 };

void slot_pool_init(struct slot_pool *pool, size_t reply_bytes_max)
{
    *pool = (struct slot_pool){.reply_bytes_max = reply_bytes_max};
}

void slot_pool_fini(struct slot_pool *pool)
{
    while (pool->free != NULL) {
        struct slot *slot = pool->free;
        pool->free = slot->next;
        buffer_fini(&slot->reply);
        buffer_fini(&slot->behind);
        free(slot);
        pool->made--;
    }
    assert(pool->made == 0);
}

static struct slot *slot_take(struct slot_pool *pool)
{
    struct slot *slot = pool->free;
    if (slot != NULL) {
        pool->free = slot->next;
        return slot;
    }
    slot = calloc(1, sizeof(*slot));
    if (slot == NULL)
        return NULL;
    buffer_init(&slot->reply, pool->reply_bytes_max);
    buffer_init(&slot->behind, pool->reply_bytes_max);
    pool->made++;
    return slot;
}

static void empty(struct buffer *b)
{
    if (UNLIKELY(b->len > 0 || b->error != 0))
        buffer_reset(b, KEEP_BYTES);
}

/* Most slots compose into out, and use no buffer of their own. */
static void slot_give(struct slot_pool *pool, struct slot *slot)
{
    empty(&slot->reply);
    empty(&slot->behind);
    slot->next = pool->free;
    pool->free = slot;
}

void replies_init(struct replies *replies, struct slot_pool *pool)
{
    *replies = (struct replies){.pool = pool};
    buffer_init(&replies->out, pool->reply_bytes_max);
    buffer_init(&replies->scratch, pool->reply_bytes_max);
}

void replies_fini(struct replies *replies)
{
    assert(replies->open == 0);
    buffer_fini(&replies->out);
    buffer_fini(&replies->scratch);
}

/* Replies that did not fit are replaced by errors, so that the client stays in step. */
static void mend(struct replies *replies, struct buffer *b, size_t mark, uint32_t commands)
{
    if (LIKELY(b->error == 0))
        return;
    const char *text = b->error == LT_ELIMIT
                           ? "ERR the reply is larger than client-output-bytes-max, ask for less"
                           : "ERR out of memory while the reply was composed";
    b->error = 0;
    b->len = mark;
    for (uint32_t i = 0; i < commands; i++)
        resp_error((struct resp_writer){b, 2}, slice_str(text));
    if (b->error != 0)
        replies->failed = true;
}

static void move(struct replies *replies, struct buffer *to, struct slice bytes)
{
    if (LIKELY(bytes.n == 0))
        return;
    buffer_append_slice(to, bytes);
    if (UNLIKELY(to->error != 0))
        replies->failed = true;
}

struct buffer *replies_begin(struct replies *replies)
{
    struct buffer *b = &replies->out;
    /* Not the last slot's own buffer: the slot may finish before the reply is composed. */
    if (replies->first != NULL) {
        b = &replies->scratch;
        buffer_reset(b, KEEP_BYTES);
    }
    replies->composing = b;
    replies->mark = b->len;
    return b;
}

void replies_end(struct replies *replies)
{
    struct buffer *b = replies->composing;
    replies->composing = NULL;
    mend(replies, b, replies->mark, 1);
    if (b != &replies->scratch)
        return;
    struct slot *last = replies->last;
    if (last != NULL)
        replies->held_bytes += b->len;
    move(replies, last != NULL ? &last->behind : &replies->out, buffer_slice(b));
}

struct slot *replies_open(struct replies *replies)
{
    struct slot *slot = slot_take(replies->pool);
    if (slot == NULL)
        return NULL;
    if (replies->last != NULL)
        replies->last->next = slot;
    else
        replies->first = slot;
    slot->next = NULL;
    slot->on_gone = NULL;
    slot->arg = NULL;
    slot->commands = 1;
    slot->in_out = slot->done = false;
    replies->last = slot;
    replies->open++;
    return slot;
}

struct buffer *replies_compose(struct replies *replies, struct slot *slot)
{
    assert(!slot->done);
    slot->in_out = slot == replies->first;
    struct buffer *b = slot->in_out ? &replies->out : &slot->reply;
    slot->mark = b->len;
    return b;
}

struct slice replies_composed(const struct replies *replies, const struct slot *slot)
{
    const struct buffer *b = slot->in_out ? &replies->out : &slot->reply;
    return slice_from(buffer_slice(b), slot->mark < b->len ? slot->mark : b->len);
}

/* Passes on what the first slots held, up to one that is still open. */
static void advance(struct replies *replies)
{
    while (replies->first != NULL && replies->first->done) {
        struct slot *slot = replies->first;
        replies->first = slot->next;
        if (replies->first == NULL)
            replies->last = NULL;
        replies->open--;
        replies->held_bytes -= slot->reply.len + slot->behind.len;
        move(replies, &replies->out, buffer_slice(&slot->reply));
        move(replies, &replies->out, buffer_slice(&slot->behind));
        slot_give(replies->pool, slot);
    }
}

void replies_finish(struct replies *replies, struct slot *slot)
{
    mend(replies, slot->in_out ? &replies->out : &slot->reply, slot->mark, slot->commands);
    slot->done = true;
    if (!slot->in_out)
        replies->held_bytes += slot->reply.len;
    advance(replies);
}
