#ifndef COMMAND_SAMPLE_OPTIONS_H
#define COMMAND_SAMPLE_OPTIONS_H

#include "base/arena.h"
#include "command/command.h"
#include "query/samples_spec.h"

/* The one parser of the options of TS.*'s reads. Which of them a command takes, its specification
 * says (redis-compat/commands/): an option whose token stands there is looked for, wherever it
 * stands; words that no option takes are ignored, as in the reference. The first of two counts.
 * What follows AGGREGATION, GROUPBY and REDUCE is theirs: `AGGREGATION count 10` asks for no COUNT.
 * Pure; any thread. */

struct sample_options {
    struct samples_spec samples;
    uint32_t keys_count; /* in; an aggregation each, where there are several */

    bool with_labels;
    const struct slice *selected; /* labels by name */
    uint32_t selected_count;
    const struct slice *filters; /* expressions, as they were sent */
    uint32_t filters_count;

    struct arena arena; /* of the arrays in samples */
};

enum { SAMPLE_TIMES_MAX = 128, SAMPLE_SELECTED_MAX = 50, SAMPLE_KEYS_MAX = 1000 };

void sample_options_init(struct sample_options *options);
void sample_options_fini(struct sample_options *options);

/* The options, from position `at` on. False: an error is composed into reply, in the reference's
 * first words. Slices are argv's. */
MUST_USE bool sample_options_parse(struct sample_options *options, const struct command_spec *spec,
                                   const struct slice *argv, uint32_t argc, uint32_t at,
                                   struct resp_writer reply);

/* fromTimestamp toTimestamp [options]. */
MUST_USE bool sample_options_parse_range(struct sample_options *options,
                                         const struct command_spec *spec, const struct slice *argv,
                                         uint32_t argc, uint32_t at, struct resp_writer reply);

/* Does the command's specification have this token? */
bool sample_options_takes(const struct command_spec *spec, const char *token);

#endif
