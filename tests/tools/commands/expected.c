/* Made by tools/generate-commands from redis-compat/commands/. */

#include "command_table.h"

static const struct command_spec subcommands_box[] = {
    {{"open", 4}, "box|open", test_open, 2, COMMAND_ADMIN,
     "BOX OPEN",
     "Opens a box.", "0.1.0", "server", "O(1)",
     {NULL, 0, 0, 0, false, NULL}, NULL, 0, {NULL, 0}},
};

static const struct command_argument arguments_store_0_1[] = {
    {"now", "pure-token", "*", 0, -1, NULL, 0},
    {"ms", "integer", NULL, 0, -1, NULL, 0},
};

static const struct command_argument arguments_store_0[] = {
    {"key", "key", NULL, 0, 0, NULL, 0},
    {"when", "oneof", NULL, 0, -1, arguments_store_0_1, 2},
};

static const struct command_argument arguments_store_1[] = {
    {"first", "pure-token", "FIRST", 0, -1, NULL, 0},
    {"last", "pure-token", "LAST", 0, -1, NULL, 0},
};

static const struct command_argument arguments_store[] = {
    {"thing", "block", NULL, COMMAND_ARGUMENT_MULTIPLE, -1, arguments_store_0, 2},
    {"policy", "oneof", "ON", COMMAND_ARGUMENT_OPTIONAL, -1, arguments_store_1, 2},
    {"label", "string", "LABELS", COMMAND_ARGUMENT_OPTIONAL | COMMAND_ARGUMENT_MULTIPLE, -1, NULL, 0},
};

static const struct command_spec command_specs[] = {
    {{"box", 3}, "box", NULL, -2, 0,
     "BOX <subcommand> [argument ...]",
     "Boxes.", "0.1.0", "server", "O(1)",
     {NULL, 0, 0, 0, false, NULL}, NULL, 0, {subcommands_box, 1}},
    {{"store", 5}, "store", test_store, -3, COMMAND_WRITE | COMMAND_FAST | COMMAND_ROLE_INGEST,
     "STORE key <*|ms> [key <*|ms> ...] [ON <FIRST|LAST>] [LABELS label [label ...]]",
     "Stores \"things\".", "0.1.0", "timeseries", "O(N)",
     {NULL, 1, -2, 2, false, "RW UPDATE"}, arguments_store, 3, {NULL, 0}},
};

const struct command_table command_table_default = {command_specs, 2};
