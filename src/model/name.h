#ifndef MODEL_NAME_H
#define MODEL_NAME_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* The words of DESIGN section 2, as pure functions on text.
 *
 *   key        db1/host.queries.c.1374c6821ead6f47.time_us
 *   host       db1
 *   metric         host.queries.c.1374c6821ead6f47.time_us
 *   stem           host.queries.c.1374c6821ead6f47             (metric without its dimension)
 *   dimension                                      time_us
 *   category       host.queries.c.*
 *   item                          1374c6821ead6f47             (variable components, joined by '.')
 *   collector           queries                                (the metric's second component)
 *
 * Splitting and joining are lossless for every byte string: category + item give back the stem, and
 * has_dimension tells `a` from `a.`. A name without a dot is its own stem and has no dimension. */

enum {
    NAME_BYTES_MAX = 512, /* a host, a metric; a key is at most both and the '/' */
    NAME_COMPONENTS_MAX = 64,
};

struct name_metric {
    struct slice stem;
    struct slice dimension;
    bool has_dimension;
};

/* At the first '/'; without one the host is empty. So `/cpu` and `cpu` are two spellings of one
 * series, host '' and metric `cpu`; name_join_key gives the one without '/'. */
void name_split_key(struct slice key, struct slice *host_out, struct slice *metric_out);

struct name_metric name_split_metric(struct slice metric);

/* The second component, or "" where there is none. */
struct slice name_collector(struct slice metric);

/* 8 or more hex digits, all digits, or a literal "*" (which must be variable to be lossless). */
bool name_is_variable(struct slice component);

/* Cuts text at its dots. The number of components, or LT_ELIMIT above max. An empty text is one
 * empty component. */
MUST_USE int name_components(struct slice text, struct slice *components, int max);

/* Does `pattern`, where "*" stands for one component, fit `text` component by component? */
bool name_matches(struct slice pattern, struct slice text);

/* Recognises a stem: with pattern (one that name_matches it) the pattern is the category, else the
 * variable components become '*'. The same for a stem of one component: `cpu` is its own category,
 * and `1374c6821ead6f47` an item of category `*`. Appends to both buffers; the caller checks their
 * errors. */
void name_recognise(struct slice stem, const struct slice *pattern, struct buffer *category,
                    struct buffer *item);

/* The inverse: category's '*' components replaced by the item's, in order. */
void name_join_stem(struct slice category, struct slice item, struct buffer *stem);

/* host, '/', stem and dimension as they were. With an empty host the '/' is left out, unless the
 * metric holds a '/' itself, where the split would else find another host: `/a/b` keeps it, `/a`
 * becomes `a`. Splitting the result always gives back the same host and metric, and joining those
 * of a key gives back the key, but for that second spelling. */
void name_join_key(struct slice host, struct slice stem, bool has_dimension, struct slice dimension,
                   struct buffer *key);

/* Appends a key as name_join_key gives it: `/cpu` and `cpu` are one key. */
void name_put_key(struct slice key, struct buffer *out);

/* Can this be a category's pattern? 1 … NAME_BYTES_MAX bytes, no empty component, '*' only alone.
 * 0, or LT_EINVALID with *why set to a phrase for the client. */
MUST_USE int name_check_pattern(struct slice pattern, const char **why);

#endif
