#ifndef COMMAND_REPLIES_H
#define COMMAND_REPLIES_H

#include "base/attr.h"
#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* The replies of one connection, which leave in the order of its commands, whatever the order of
 * their outcomes. Thread: loop.
 *
 *   out                      first slot             next slot               last slot
 *   [ bytes that may leave ] [ open: its reply goes [ done: reply | behind ] [ open: reply | behind
 * ] to out directly | behind ]
 *
 * An immediate reply goes to out while no slot is open, else behind the last slot. A slot that
 * finishes as the first has composed into out; one that finishes early holds its reply until its
 * turn. So in the common case, outcomes in order, nothing is copied twice. Slots come from a pool:
 * no malloc for a command. */

struct session;
struct command_spec;

struct slot {
    struct slot *next; /* in its queue, or in the pool */
    struct session *session;
    const struct command_spec *spec;
    struct buffer reply;  /* composed out of turn */
    struct buffer behind; /* immediate replies of later commands */
    size_t mark;          /* where its reply begins in the buffer it composes into */
    void (*on_gone)(void *arg);
    void *arg;
    uint32_t commands; /* that it answers, each with a reply of its own: mostly 1 */
    uint8_t version;   /* of RESP, when the command came */
    bool in_out;       /* it composes into out */
    bool done;
    bool writes; /* of a command that writes */
};

/* Slots of all connections that are not in use. */
struct slot_pool {
    struct slot *free;
    uint32_t made;
    size_t reply_bytes_max; /* of one slot's buffers */
};

void slot_pool_init(struct slot_pool *pool, size_t reply_bytes_max);
/* All slots must have come back. */
void slot_pool_fini(struct slot_pool *pool);

struct replies {
    struct slot_pool *pool;
    struct buffer out;
    struct buffer scratch; /* an immediate reply in the making, while slots are open */
    struct slot *first, *last;
    struct buffer *composing; /* between begin and end: out or scratch */
    size_t mark;              /* where the reply begins in it */
    uint32_t open;            /* slots in the queue */
    size_t held_bytes;        /* in slots, waiting for their turn */
    bool failed; /* a reply got lost for want of memory: the connection is out of step */
};

void replies_init(struct replies *replies, struct slot_pool *pool);
/* No slot may be open. */
void replies_fini(struct replies *replies);

/* Between begin and end one immediate reply is composed into the returned buffer. Between them
 * slots may be opened, and slots may finish. */
struct buffer *replies_begin(struct replies *replies);
void replies_end(struct replies *replies);

/* At the end of the queue. NULL: out of memory. */
MUST_USE struct slot *replies_open(struct replies *replies);
/* Where the slot's reply goes; begins it. */
struct buffer *replies_compose(struct replies *replies, struct slot *slot);
/* What was composed. */
struct slice replies_composed(const struct replies *replies, const struct slot *slot);
/* The reply is composed. The slot goes back to the pool when its turn has come. */
void replies_finish(struct replies *replies, struct slot *slot);

#endif
