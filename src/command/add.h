#ifndef COMMAND_ADD_H
#define COMMAND_ADD_H

#include "command/command.h"
#include "command/series_options.h"
#include "ingest/verdict.h"

/* TS.ADD, TS.INCRBY or TS.DECRBY with options that declare a series, of a series that is not known
 * to be declared: is it there? declares it, with the options where it is new and with nothing where
 * it only has points; then writes the point, as what is declared by then says, and replies. Of the
 * command, what is asked for but a policy. name: a literal. Thread: loop. */
void add_declaring(struct command_call *call, const char *name,
                   const struct series_options *options, const struct verdict_command *command);

/* Is the series declared, as far as this process knows? */
bool add_is_declared(const struct command_call *call, struct slice host, struct slice metric);

#endif
