#include "base/error.h"
#include "resp/resp.h"

#include <stdlib.h>
#include <string.h>

/* The first byte says how many bytes arrive at a time and under which limits; the rest is the
 * input. Each call sees a fresh copy of exactly the unread bytes, so that a read beyond them, or of
 * an old address, is caught. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct resp_limits *limits = data[0] & 1 ? &resp_limits_trusted : &resp_limits_untrusted;
    size_t step = (size_t)(data[0] >> 1) + 1;
    struct resp_parser parser;
    resp_parser_init(&parser);
    size_t from = 1, to = 1;
    int status = LT_EAGAIN;
    while (status == 0 || (status == LT_EAGAIN && to < size)) {
        if (status == LT_EAGAIN)
            to = size - to < step ? size : to + step;
        char *copy = malloc(to - from);
        if (to > from)
            memcpy(copy, data + from, to - from);
        struct resp_command command;
        size_t drop = 0;
        const char *why = NULL;
        status = resp_parse(&parser, slice_make(copy, to - from), limits, &command, &drop, &why);
        if (status == 0) {
            drop = command.bytes;
            size_t sum = 0;
            for (uint32_t i = 0; i < command.argc; i++)
                for (size_t k = 0; k < command.argv[i].n; k++)
                    sum += (unsigned char)command.argv[i].p[k]; /* every byte can be read */
            if (command.argc == 0 || drop == 0 || sum > (size_t)255 * size)
                abort();
        }
        if (drop > to - from || ((status == LT_EPARSE || status == LT_ELIMIT) && why == NULL))
            abort();
        from += drop;
        free(copy);
    }
    resp_parser_fini(&parser);
    return 0;
}
