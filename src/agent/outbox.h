#ifndef AGENT_OUTBOX_H
#define AGENT_OUTBOX_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The ring of commands that wait for their acknowledgement. Thread: any (one lock, held for a copy
 * at most). Memory is bounded: when bytes_max is reached, the oldest make room. Nothing is ever
 * written to disk. What is lost is counted, by reason.
 *
 *   push -> WAITING --take--> SENT --settle--> gone (acked, refused, lost after tries_max)
 *              ^----------------'  (retry, or the connection broke)
 *
 * A command may carry a text's key: then the ring remembers, while it waits and after its
 * acknowledgement, that this text needs no sending; when it is lost, it is wanted again. */

struct outbox;

enum outbox_outcome { OUTBOX_ACKED, OUTBOX_RETRY, OUTBOX_REFUSED };

enum { OUTBOX_NO_TEXT = 0 };

MUST_USE int outbox_create(size_t bytes_max, uint32_t tries_max, struct outbox **out);
void outbox_destroy(struct outbox **outbox);

/* Copies the command (complete RESP). LT_ENOMEM, or LT_ELIMIT for one larger than the ring: then it
 * is lost and counted so, and nothing is left to do for the caller. */
int outbox_push(struct outbox *outbox, struct slice command, uint64_t text);

/* Copies the oldest waiting command into `out` and marks it sent. false: none. */
bool outbox_take(struct outbox *outbox, struct buffer *out, uint64_t *id_out);

/* What became of one that was taken. An id that made room meanwhile is ignored: it is counted as
 * lost. */
void outbox_settle(struct outbox *outbox, uint64_t id, enum outbox_outcome outcome);

/* The connection broke: all that was sent has to be sent again; each such loss is a try. */
void outbox_unsend(struct outbox *outbox);

/* Should this text be sent? Not while it waits or once it is acknowledged. */
bool outbox_wants_text(struct outbox *outbox, uint64_t text);

struct outbox_stats {
    uint64_t acked;
    uint64_t lost_full;    /* made room */
    uint64_t lost_tries;   /* tries_max failures */
    uint64_t lost_refused; /* the server said that it will never take it */
    uint32_t held;         /* waiting or sent */
    size_t held_bytes;
};
struct outbox_stats outbox_stats(struct outbox *outbox);

#endif
