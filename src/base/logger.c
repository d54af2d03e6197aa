#include "base/logger.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static _Atomic int logger_level_now = LOGGER_INFO;

void logger_set_level(enum logger_level level)
{
    atomic_store_explicit(&logger_level_now, (int)level, memory_order_relaxed);
}

void logger_write(enum logger_level level, const char *module, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load_explicit(&logger_level_now, memory_order_relaxed))
        return;
    char line[2048];
    int64_t now_ms = clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03dZ %s %s: ", (int)(now_ms % 1000),
                          names[level], module);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + n, sizeof(line) - n - 1, format, args);
    va_end(args);
    size_t end = more < 0 ? n : n + (size_t)more;
    if (end > sizeof(line) - 2)
        end = sizeof(line) - 2;
    for (size_t i = n; i < end; i++)
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[end] = '\n';
    ssize_t written = write(STDERR_FILENO, line, end + 1);
    (void)written; /* nobody is left to tell */
}
