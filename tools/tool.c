#include "tool.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int tool_main(const struct tool *tool, int argc, char **argv)
{
    struct option_set *options = NULL;
    struct buffer text;
    const char *stop_at = NULL;
    buffer_init(&text, 64 << 10);
    int err = option_set_create(&options);
    for (size_t i = 0; err == 0 && i < tool->options_count; i++)
        err = option_set_add(options, tool->options[i].specs, tool->options[i].count);
    if (err == 0)
        err = option_set_load(options, argc, argv, environ, &text, &stop_at);
    if (err != 0) {
        fprintf(stderr, "%s: %.*s\n", tool->name, (int)text.len, text.data);
    } else if (stop_at != NULL) {
        option_help(options, &text);
        tool->usage();
        printf("\n%.*s", (int)text.len, text.data);
    } else {
        err = tool->run(options, tool->arg);
    }
    option_set_destroy(&options);
    buffer_fini(&text);
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
