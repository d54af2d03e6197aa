#ifndef QUERY_GLOB_H
#define QUERY_GLOB_H

#include "base/slice.h"

#include <stdbool.h>

/* Does the text fit a pattern of Redis' KEYS? `*` is any bytes, `?` is one, `[a-c]` one of those,
 * `[^a-c]` one of the others, `\` takes the next byte as it is. Pure, never allocates, and takes at
 * most pattern x text steps, whatever the pattern (a matcher that recurses at each `*` takes
 * exponentially many). A `[` without its `]` ends the pattern, as in Redis. */
bool glob_matches(struct slice pattern, struct slice text);

/* Is there anything in it that is not taken as it is? */
bool glob_is_pattern(struct slice text);

#endif
