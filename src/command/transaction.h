#ifndef COMMAND_TRANSACTION_H
#define COMMAND_TRANSACTION_H

#include "base/arena.h"
#include "base/vec.h"
#include "command/table.h"

/* The commands between MULTI and EXEC, copied. Caller: the session, on the loop. */

struct transaction_command {
    const struct command_spec *spec;
    struct slice *argv;
    uint32_t argc;
};

struct transaction {
    struct arena arena;
    VEC(struct transaction_command) commands;
    size_t bytes_max;
    uint64_t epoch; /* behind WATCH: its writes are decided by this owner; else 0 */
    uint32_t next;  /* the next one that EXEC runs */
    bool broken;    /* a command was refused: EXEC will be too */
};

MUST_USE int transaction_create(size_t bytes_max, struct transaction **out);
void transaction_destroy(struct transaction **transaction);

/* Copies the arguments. LT_ELIMIT: all commands together would pass bytes_max. LT_ENOMEM. */
MUST_USE int transaction_add(struct transaction *transaction, const struct command_spec *spec,
                             const struct slice *argv, uint32_t argc);

#endif
