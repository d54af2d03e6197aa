#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include "base/attr.h"

/* One event a line on stderr: `2026-11-21T12:00:00.123Z info store: flushed 42 rows`.
 * Thread: any. One write() a line, so that lines of several threads do not mix. */
enum logger_level { LOGGER_DEBUG, LOGGER_INFO, LOGGER_WARN, LOGGER_ERROR };

/* The level is the one process-wide variable of the tree: a log line is wanted from everywhere, and
 * passing a logger through every call would buy nothing. Set once at start. */
void logger_set_level(enum logger_level level);

void logger_write(enum logger_level level, const char *module, const char *format, ...)
    PRINTF_LIKE(3, 4);

#define log_debug(module, ...) logger_write(LOGGER_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...)  logger_write(LOGGER_INFO, module, __VA_ARGS__)
#define log_warn(module, ...)  logger_write(LOGGER_WARN, module, __VA_ARGS__)
#define log_error(module, ...) logger_write(LOGGER_ERROR, module, __VA_ARGS__)

#endif
