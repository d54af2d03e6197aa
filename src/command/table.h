#ifndef COMMAND_TABLE_H
#define COMMAND_TABLE_H

#include "command/command.h"

/* The commands as data. tools/generate-commands makes the table from redis-compat/commands/;
 * look-up, arity, COMMAND and the texts of errors all read it. Immutable; any thread. */

enum command_argument_flag {
    COMMAND_ARGUMENT_OPTIONAL = 1 << 0,
    COMMAND_ARGUMENT_MULTIPLE = 1 << 1,
    COMMAND_ARGUMENT_MULTIPLE_TOKEN = 1 << 2,
};

/* In Redis' argument schema. */
struct command_argument {
    const char *name;
    const char *type;  /* string integer double key pattern unix-time pure-token oneof block */
    const char *token; /* or NULL */
    uint32_t flags;
    int32_t key;                              /* index of the key specification, or -1 */
    const struct command_argument *arguments; /* of oneof and block */
    uint32_t arguments_count;
};

/* Where the keys are: from argument `start`, or after the keyword looked for from there, every
 * `step` arguments. last is relative to the first key; negative: to the end of the arguments (-1:
 * the last). */
struct command_keys {
    const char *keyword;
    int32_t start; /* 0: the command has no keys */
    int32_t last;
    int32_t step;
    bool counted;      /* at `start` stands how many there are; they follow it */
    const char *flags; /* "RO ACCESS" */
};

enum { TABLE_WORD_BYTES_MAX = 32 }; /* no name of a command is longer */

struct command_table {
    const struct command_spec *specs; /* sorted by word */
    uint32_t count;
};

struct command_spec {
    struct slice word;        /* as sent, lower case: "list" */
    const char *name;         /* "client|list" */
    command_handler *handler; /* NULL: a container, which wants a subcommand */
    int32_t arity;            /* arguments with the name; negative: at least */
    uint32_t flags;           /* enum command_flag */
    const char *syntax;       /* "CLIENT LIST [ID client-id ...]" */
    const char *summary;
    const char *since;
    const char *group;
    const char *complexity;
    struct command_keys keys;
    const struct command_argument *arguments;
    uint32_t arguments_count;
    struct command_table subcommands;
};

/* In any case; NULL where there is none. Never allocates. */
const struct command_spec *table_find(struct command_table table, struct slice word);

/* "client|list", as COMMAND INFO names subcommands. */
const struct command_spec *table_find_full(struct command_table table, struct slice name);

/* The command whose name is at most two typing errors away, or NULL. */
const struct command_spec *table_closest(struct command_table table, struct slice word);

static inline bool spec_takes(const struct command_spec *spec, uint32_t argc)
{
    return spec->arity >= 0 ? argc == (uint32_t)spec->arity : argc >= (uint32_t)-spec->arity;
}

#endif
