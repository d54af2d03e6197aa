#ifndef COMMAND_SERIES_FILTER_H
#define COMMAND_SERIES_FILTER_H

#include "base/attr.h"
#include "command/command.h"

#include <stdbool.h>
#include <stdint.h>

/* Filters as commands take them (model/filter.h). Thread: loop. */

/* Are they well-formed, and at least one of them `label=value` or `label=(a,b)`? False: an error is
 * composed. */
MUST_USE bool series_filter_check(struct command_call *call, const struct slice *filters,
                                  uint32_t count);

#endif
