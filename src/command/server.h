#ifndef COMMAND_SERVER_H
#define COMMAND_SERVER_H

#include "base/option.h"
#include "command/table.h"
#include "reactor/reactor.h"

/* Listeners and the sessions of their connections: what makes commands of bytes. Thread: loop.
 *
 *   reactor --bytes--> session --words--> table --call--> handler --reply now or later--> session
 * --> reactor
 *
 * At the end of each turn it closes the open batches (ingest_turn_end), and stops reading sockets
 * while too much waits for the log. */

extern const struct option_spec server_options[];
extern const size_t server_options_count;

struct server;

struct server_config {
    struct reactor *reactor;
    const struct command_deps *deps; /* must outlive the server */
    struct command_table table;      /* command_table_default, from the generated command_table.h */
};

/* Listens on every address of the option `listen`. The rest of the limits are options too. */
MUST_USE int server_create(const struct server_config *config, struct server **out);

/* Every session must be gone (server_drain), and every slot answered. */
void server_destroy(struct server **server);

/* The port of the first address that has one (after ":0"), or 0. */
int server_port(const struct server *server);

/* Stops accepting and running commands, waits until what is in flight is answered and has left, at
 * most timeout_ms, then closes what is left. done is called once, when no connection is open. */
void server_drain(struct server *server, int64_t timeout_ms, void (*done)(void *arg), void *arg);

#endif
