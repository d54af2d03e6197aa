#ifndef AGENT_SENDER_H
#define AGENT_SENDER_H

#include "agent/outbox.h"
#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* One connection to a server: sends what waits in the outbox, pipelined, and settles it by the
 * answers. Thread: the agent's loop, all of it. Nothing blocks but the resolution of a server's
 * name.
 *
 *   DOWN --wake--> CONNECTING --> GREETING --all answered--> OPEN <--READY says so-- PROBING
 *     ^________________|______________|_______________________|--an answer says "later"-->'
 *               connection failed, or an answer is overdue
 *
 * An answer is one of: stored; ERR or WRONGTYPE, never to be stored: the command is lost; anything
 * else (KAFKA failed, KAFKA unknown, BUSY …): later. After a "later" nothing is sent but READY,
 * with back-off, until the server is ready: so an outage of the log does not use up the commands'
 * tries. */

struct sender;

struct sender_config {
    const char *address; /* host name or address; borrowed */
    int port;
    struct outbox *outbox;
    /* What every connection begins with, complete RESP commands; borrowed. Nothing else is sent
     * before all are answered, because a series keeps the category that it first gets. */
    struct slice greeting;
    uint32_t greeting_count;
    bool greeting_has_auth; /* the first of them: its failure ends the connection */
};

MUST_USE int sender_create(const struct sender_config *config, struct sender **out);
void sender_destroy(struct sender **sender);

/* What to poll for: -1 when there is no descriptor. */
int sender_fd(const struct sender *sender, short *events_out);

/* When sender_run has to be called at the latest, in clock_mono_ms. */
int64_t sender_wake_ms(const struct sender *sender);

/* Does all that can be done now; revents from poll, 0 when it only got late. */
void sender_run(struct sender *sender, short revents);

#endif
