#ifndef TESTS_SUPPORT_STATUS_H
#define TESTS_SUPPORT_STATUS_H

#include "base/attr.h"
#include "port/status.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One line of what a module says of itself (port/status.h). found is false where it has no such
 * line. */

struct status_line {
    struct status_sink sink;
    const char *name;
    bool found;
    int64_t number;
    char text[32];
};

static inline struct status_line *status_line_named(struct status_sink *sink, const char *name)
{
    struct status_line *line = CONTAINER_OF(sink, struct status_line, sink);
    if (strcmp(name, line->name) != 0)
        return NULL;
    line->found = true;
    return line;
}

static inline void status_line_number(struct status_sink *sink, const char *name, int64_t value)
{
    struct status_line *line = status_line_named(sink, name);
    if (line != NULL)
        line->number = value;
}

static inline void status_line_text(struct status_sink *sink, const char *name, const char *value)
{
    struct status_line *line = status_line_named(sink, name);
    if (line != NULL)
        snprintf(line->text, sizeof(line->text), "%s", value);
}

static inline struct status_line status_line(void (*write)(void *arg, struct status_sink *sink),
                                             void *arg, const char *name)
{
    struct status_line line = {.sink = {status_line_number, status_line_text}, .name = name};
    write(arg, &line.sink);
    return line;
}

#endif
