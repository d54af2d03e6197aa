#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include "base/option.h"

#include <stddef.h>

/* The main() of a small program: its options, --help, and what is said when they are wrong. */

struct tool_options {
    const struct option_spec *specs;
    size_t count;
};

struct tool {
    const char *name;    /* "longtail-load" */
    void (*usage)(void); /* prints what --help begins with */
    const struct tool_options *options;
    size_t options_count;
    int (*run)(const struct option_set *options, void *arg); /* has said what went wrong */
    void *arg;
};

/* Returns what main() returns. */
int tool_main(const struct tool *tool, int argc, char **argv);

#endif
