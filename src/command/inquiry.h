#ifndef COMMAND_INQUIRY_H
#define COMMAND_INQUIRY_H

#include "command/command.h"

#include <stdbool.h>

/* What a command that changes something asks between its steps, one read at a time, while its
 * client waits. Part of the command's own state, and gone with it. Thread: loop. */

/* result is freed behind it. */
typedef void inquiry_found(void *arg, const union query_result *result);
/* word: "BUSY" or "ERR"; what: what happened. */
typedef void inquiry_failed(void *arg, const char *word, const char *what);

struct inquiry {
    const struct command_deps *deps;
    const struct tenant_environment *environment;
    const char *command;
    uint64_t client;
    /* internal */
    inquiry_found *found;
    inquiry_failed *failed;
    void *arg;
    uint64_t query_id;
    bool reading, gone;
};

/* Of the call's client, which reads its writes. command: a literal, for REQUESTS. */
struct inquiry inquiry_of(const struct command_call *call, const char *command);

/* Who asks is filled in; the rest of spec as inquiry_spec gives it, or more. Exactly one of the two
 * is called, once, and may free the command or ask again; failed perhaps within. */
void inquiry_ask(struct inquiry *q, struct query_spec spec, inquiry_found *found,
                 inquiry_failed *failed, void *arg);

/* Of keys, at all times. after: what must be applied. */
struct query_spec inquiry_spec(enum query_what what, const struct slice *keys, uint32_t count,
                               uint64_t after);

/* For slot_on_gone, arg is the inquiry: a read that runs is ended, and each later one fails. */
void inquiry_gone(void *arg);

#endif
