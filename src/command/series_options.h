#ifndef COMMAND_SERIES_OPTIONS_H
#define COMMAND_SERIES_OPTIONS_H

#include "base/attr.h"
#include "command/command.h"
#include "model/settings.h"

#include <stdbool.h>
#include <stdint.h>

/* The options by which commands declare a series, as RedisTimeSeries' clients send them:
 *
 *   [RETENTION ms] [ENCODING COMPRESSED|UNCOMPRESSED] [CHUNK_SIZE bytes] [DUPLICATE_POLICY policy]
 *   [ON_DUPLICATE policy] [IGNORE ms value] [LABELS [label value ...]]
 *
 * Keywords are found anywhere, once, the first one counts, and unknown words are ignored: also
 * behind LABELS, which takes all pairs up to the end, so that a keyword there is both (go-redis
 * sends IGNORE behind LABELS). Thread: loop. */

struct series_options {
    struct settings settings; /* given says which options were there, but for ON_DUPLICATE */
    struct label labels[SETTINGS_LABELS_MAX]; /* texts are the arguments' */
    uint32_t labels_count;
    enum duplicate on_duplicate; /* DUPLICATE_DEFAULT: not there */
};

enum series_options_take {
    SERIES_OPTIONS_ENCODING = 1,
    SERIES_OPTIONS_ON_DUPLICATE = 2,
};

/* Options from argument `first` on. False: an error reply is composed. */
MUST_USE bool series_options_parse(struct command_call *call, uint32_t first, unsigned takes,
                                   struct series_options *out);

#endif
