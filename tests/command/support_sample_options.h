#ifndef TESTS_COMMAND_SUPPORT_SAMPLE_OPTIONS_H
#define TESTS_COMMAND_SUPPORT_SAMPLE_OPTIONS_H

#include "command/table.h"

/* Commands that take every option, some, and none. */

static const struct command_argument all_inner[] = {
    {.name = "align", .type = "integer", .token = "ALIGN"},
    {.name = "aggregators", .type = "string", .token = "AGGREGATION"},
    {.name = "bt", .type = "string", .token = "BUCKETTIMESTAMP"},
    {.name = "empty", .type = "pure-token", .token = "EMPTY"},
};
static const struct command_argument all_arguments[] = {
    {.name = "latest", .type = "pure-token", .token = "LATEST"},
    {.name = "ts", .type = "integer", .token = "FILTER_BY_TS"},
    {.name = "values", .type = "block", .token = "FILTER_BY_VALUE"},
    {.name = "count", .type = "integer", .token = "COUNT"},
    {.name = "aggregation", .type = "block", .arguments = all_inner, .arguments_count = 4},
    {.name = "with", .type = "pure-token", .token = "WITHLABELS"},
    {.name = "selected", .type = "string", .token = "SELECTED_LABELS"},
    {.name = "exclude", .type = "pure-token", .token = "EXCLUDEEMPTY"},
    {.name = "filter", .type = "string", .token = "FILTER"},
    {.name = "group", .type = "string", .token = "GROUPBY"},
};
static const struct command_spec spec_of_all = {
    .name = "ts.all", .syntax = "TS.ALL ...", .arguments = all_arguments, .arguments_count = 10};
static const struct command_spec spec_of_range = {
    .name = "ts.range", .syntax = "TS.RANGE ...", .arguments = all_arguments, .arguments_count = 5};
/* No range, and none of a range's options. */
static const struct command_argument mget_arguments[] = {
    {.name = "latest", .type = "pure-token", .token = "LATEST"},
    {.name = "with", .type = "pure-token", .token = "WITHLABELS"},
    {.name = "selected", .type = "string", .token = "SELECTED_LABELS"},
    {.name = "filter", .type = "string", .token = "FILTER"},
};
static const struct command_spec spec_of_mget = {
    .name = "ts.mget", .syntax = "TS.MGET ...", .arguments = mget_arguments, .arguments_count = 4};
static const struct command_spec spec_of_none = {.name = "ts.none", .syntax = "TS.NONE"};

#endif
