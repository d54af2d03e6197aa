#ifndef AGENT_DATABASE_H
#define AGENT_DATABASE_H

#include "agent/machine.h"
#include "agent/sample.h"
#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads one MySQL or MariaDB server. Thread: one for all calls, not the loop: it blocks, for up to
 * 3 s when the server hangs. Reconnects by itself at the next collect; what happened in between is
 * not known by second, so the first reading after it is a baseline. Enables nothing on the server.
 */

struct database;

struct database_config {
    const char *socket; /* a path; empty: host and port are used */
    const char *host;
    int port;
    const char *user;
    const char *password;
};

/* config's texts are borrowed. */
MUST_USE int database_create(const struct database_config *config, struct database **out);
void database_destroy(struct database **database);

/* One second: emits the samples mysql and queries. wanted says whether an item's text has to be
 * fetched; text hands it over. */
typedef bool database_wanted(void *arg, struct slice stem);
void database_collect(struct database *database, machine_emit *emit, database_wanted *wanted,
                      machine_text *text, void *arg);

#endif
