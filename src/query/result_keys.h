#ifndef QUERY_RESULT_KEYS_H
#define QUERY_RESULT_KEYS_H

#include "aggregation/aggregator.h"
#include "base/slice.h"
#include "model/settings.h"

#include <stdbool.h>
#include <stdint.h>

/* What reads answer about keys (result.h): are they there, what is declared of them, their rules.
 * Owned as the whole answer is. Times are Unix ms. */

/* How much the answer rests on. */
struct result_source {
    bool complete;             /* false: storage or head could not be read; why says so */
    const char *why;           /* "" when complete */
    int64_t complete_until_ms; /* append time of the last record that is in it */
    uint64_t offset;           /* records below this are in it */
    uint64_t rows, bytes;      /* read from storage */
};

struct result_rule {
    struct slice destination;
    enum aggregator aggregator;
    int64_t bucket_ms, align_ms;
};

struct result_key {
    bool known;               /* EXISTS: false: the series has no point and is not declared */
    bool declared;            /* settings are what was declared; else settings_none */
    uint64_t created;         /* the offset that declared it */
    struct settings settings; /* its rule: of a destination */
    const struct result_rule *rules; /* of which it is the source, as they were made */
    uint32_t rules_count;
    uint64_t
        points_in_memory; /* EXISTS: of the head; a point that was written twice counts twice */
};

struct result_keys {
    struct result_source source;
    const struct result_key *keys; /* in the order asked for */
    uint32_t count;
};

struct result_info { /* of one key */
    struct result_source source;
    struct slice name; /* as it was asked for */
    struct result_key key;
    const struct label *labels;
    uint32_t labels_count;
    uint64_t points;           /* that can be seen, at full resolution */
    int64_t first_ms, last_ms; /* 0 where there is none */
    struct slice source_key;   /* of its rule; p NULL: it is no destination */
};

#endif
