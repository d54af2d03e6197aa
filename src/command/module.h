#ifndef COMMAND_MODULE_H
#define COMMAND_MODULE_H

#include "command/table.h"

/* What HELLO, MODULE LIST and INFO advertise: the module timeseries, where the table has all of its
 * commands, and nothing before that. */

/* RedisTimeSeries' version whose commands and options are all here: 8.10.0, in the module's own
 * numbers. Gates of clients' suites compare it; redis_version stays what the rest of the server
 * keeps to. */
#define MODULE_NAME "timeseries"
enum { MODULE_VERSION = 81000 };

bool module_is_whole(struct command_table table);

/* As one element of an array: an array of maps in HELLO and MODULE LIST. */
void module_reply_list(struct resp_writer reply, struct command_table table);

#endif
