/* Any arguments: an error of the reference's form, or options within their limits. The first byte
 * says which command and how many keys, each line is an argument. */
#include "command/sample_options.h"
#include "support_sample_options.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sample_options *o)
{
    const struct samples_spec *s = &o->samples;
    bool good =
        s->from_ms >= 0 && s->last_ms >= 0 && s->align_ms >= 0 &&
        s->times_count <= SAMPLE_TIMES_MAX && o->selected_count <= SAMPLE_SELECTED_MAX &&
        (s->aggregators_count == 0 ||
         (s->aggregators_count == o->keys_count && s->bucket_ms > 0)) &&
        (!s->empty || s->aggregators_count > 0) && !(o->with_labels && o->selected_count) &&
        (!o->samples.grouped || (o->filters_count > 0 && aggregator_reduces(o->samples.reducer)));
    for (uint32_t i = 1; i < s->times_count; i++)
        good &= s->times_ms[i - 1] < s->times_ms[i];
    for (uint32_t i = 0; i < s->aggregators_count; i++)
        good &= s->aggregators[i].n >= 1 && s->aggregators[i].n <= AGGREGATORS_MAX;
    if (!good)
        abort();
}

typedef bool parser(struct sample_options *options, const struct command_spec *spec,
                    const struct slice *argv, uint32_t argc, uint32_t at, struct resp_writer reply);

static void run(parser *parse, const struct command_spec *spec, uint32_t keys,
                const struct slice *argv, uint32_t argc)
{
    struct sample_options options;
    struct buffer reply;
    sample_options_init(&options);
    buffer_init(&reply, 1024);
    options.keys_count = keys;
    if (parse(&options, spec, argv, argc, 1, (struct resp_writer){&reply, 2}))
        check(&options);
    else if (reply.len < 6 || memcmp(reply.data, "-ERR ", 5) != 0)
        abort();
    buffer_fini(&reply);
    sample_options_fini(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { ARGS_MAX = 300 };
    static const struct command_spec *const specs[] = {&spec_of_all, &spec_of_range, &spec_of_none};
    struct slice argv[ARGS_MAX] = {{"TS.X", 4}};
    uint32_t argc = 1;
    if (size == 0)
        return 0;
    struct slice rest = slice_make(data + 1, size - 1);
    while (rest.n > 0 && argc < ARGS_MAX) {
        size_t end = slice_find(rest, '\n');
        argv[argc++] = slice_upto(rest, end);
        rest = slice_from(rest, end < rest.n ? end + 1 : end);
    }
    run(sample_options_parse_range, specs[data[0] % 3], 1 + data[0] / 3 % 4, argv, argc);
    run(sample_options_parse, &spec_of_mget, 1, argv, argc);
    return 0;
}
