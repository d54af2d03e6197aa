#ifndef COMMAND_ADD_H
#define COMMAND_ADD_H

#include "command/command.h"
#include "command/series_options.h"
#include "record/record.h"

/* TS.ADD with options that declare a series, of a series that is not known to be declared: is it
 * there? declares it, with the options where it is new and with nothing where it only has points;
 * then adds the point, as what is declared by then says, and replies. relative: the point's time is
 * the server's. Thread: loop. */
void add_declaring(struct command_call *call, const struct series_options *options,
                   const struct record_point *point, bool relative);

#endif
