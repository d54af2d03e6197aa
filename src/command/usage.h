#ifndef COMMAND_USAGE_H
#define COMMAND_USAGE_H

#include "base/attr.h"
#include "command/table.h"
#include "port/status.h"

#include <stdint.h>

/* How often commands ran and failed, for INFO commandstats and errorstats. Thread: loop. A command
 * costs a few additions; one in 64 of its calls is timed, and the time of all is estimated from
 * these. What a handler leaves for later (the log, reads) is not in it. */

struct usage_command {
    uint64_t calls;
    uint64_t failed;   /* replies that were errors, */
    uint64_t rejected; /* ... before it ran */
    uint64_t timed;    /* calls, */
    uint64_t timed_ns; /* ... and how long they took */
    uint64_t due;      /* calls, before the next one that is timed */
};

enum {
    USAGE_ERRORS_MAX = 32, /* kinds; others are counted as no kind */
    USAGE_ERROR_BYTES_MAX = 16,
    USAGE_TIMED = 64, /* one in so many */
};

struct usage_error {
    char name[USAGE_ERROR_BYTES_MAX];
    uint64_t count;
};

struct usage {
    struct command_table table;
    struct usage_command *commands; /* those of the table, then those of each container */
    uint32_t count;
    struct usage_error errors[USAGE_ERRORS_MAX];
    uint32_t errors_count;
    uint64_t errors_all;
};

/* LT_ENOMEM. */
MUST_USE int usage_init(struct usage *usage, struct command_table table);
void usage_fini(struct usage *usage);
void usage_reset(struct usage *usage);

/* Of a specification of the table. */
struct usage_command *usage_of(struct usage *usage, const struct command_spec *spec);

/* Replies in RESP that are all errors or all none, to so many calls, and of what: counts them where
 * they are errors. spec NULL: of none. */
void usage_reply(struct usage *usage, const struct command_spec *spec, struct slice reply,
                 uint32_t calls, bool rejected);

/* As a status_provider's write; arg is the struct usage. */
void usage_write_commands(void *arg, struct status_sink *sink);
void usage_write_errors(void *arg, struct status_sink *sink);

#endif
