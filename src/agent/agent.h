#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/database.h"
#include "base/attr.h"
#include "base/option.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* longtail-agent: measures each second, keeps what is not acknowledged in the outbox, sends.
 * Two threads: the caller's (the machine, and the connection), and one for the database. */

extern const struct option_spec agent_options[];
extern const size_t agent_options_count;

struct agent;

struct agent_config {
    const char *host; /* under whose name the points are stored */
    const char *server_address;
    int server_port;
    const char *token;
    int64_t interval_s;
    size_t ring_bytes_max;
    uint32_t procs_most;
    bool with_database;
    struct database_config database;
};

/* From options; message says what is wrong with them. Texts are borrowed from the set, but for the
 * two that `texts` holds. */
struct agent_texts {
    char host[256];
    char address[256];
};
MUST_USE int agent_configure(const struct option_set *options, struct agent_config *config_out,
                             struct agent_texts *texts_out, struct buffer *message);

MUST_USE int agent_create(const struct agent_config *config, struct agent **out);
void agent_destroy(struct agent **agent);

/* Runs until stop_fd becomes readable; then sends what is in the ring for 5 s at most. A second
 * readable event ends that too. */
MUST_USE int agent_run(struct agent *agent, int stop_fd);

/* One second's sample (two readings, an interval apart), as commands for people. Nothing is sent.
 */
MUST_USE int agent_once(struct agent *agent, FILE *out);

#endif
