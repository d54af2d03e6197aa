#include "model/name.h"

#include "base/error.h"

enum { HEX_DIGITS_MIN = 8 }; /* shorter ones are words: `cafe`, `dead`, `add` */

static const struct slice STAR = {"*", 1};

/* Walks over a text's components. An empty text is one empty component. */
struct walk {
    struct slice rest;
    bool done;
};

static bool walk_next(struct walk *walk, struct slice *component)
{
    if (walk->done)
        return false;
    size_t end = slice_find(walk->rest, '.');
    *component = slice_upto(walk->rest, end);
    walk->done = end == walk->rest.n;
    if (!walk->done)
        walk->rest = slice_from(walk->rest, end + 1);
    return true;
}

void name_split_key(struct slice key, struct slice *host_out, struct slice *metric_out)
{
    size_t slash = slice_find(key, '/');
    bool has_host = slash < key.n;
    *metric_out = has_host ? slice_from(key, slash + 1) : key;
    *host_out = slice_upto(key, has_host ? slash : 0);
}

struct name_metric name_split_metric(struct slice metric)
{
    const char *dot = metric.n > 0 ? memrchr(metric.p, '.', metric.n) : NULL;
    if (dot == NULL)
        return (struct name_metric){.stem = metric, .dimension = slice_from(metric, metric.n)};
    size_t at = (size_t)(dot - metric.p);
    return (struct name_metric){
        .stem = slice_upto(metric, at),
        .dimension = slice_from(metric, at + 1),
        .has_dimension = true,
    };
}

struct slice name_collector(struct slice metric)
{
    struct walk walk = {.rest = metric};
    struct slice component;
    walk_next(&walk, &component);
    return walk_next(&walk, &component) ? component : slice_from(metric, metric.n);
}

/* By table, because digits are random and a branch on each would be guessed wrong. */
enum { DECIMAL_DIGIT = 1, HEX_DIGIT = 2 };
static const uint8_t digit_kinds[256] = {
    ['0' ... '9'] = DECIMAL_DIGIT | HEX_DIGIT,
    ['a' ... 'f'] = HEX_DIGIT,
    ['A' ... 'F'] = HEX_DIGIT,
};

bool name_is_variable(struct slice component)
{
    if (slice_eq(component, STAR))
        return true;
    uint8_t all = component.n > 0 ? DECIMAL_DIGIT | HEX_DIGIT : 0;
    for (size_t i = 0; all != 0 && i < component.n; i++)
        all &= digit_kinds[(uint8_t)component.p[i]];
    return (all & DECIMAL_DIGIT) != 0 || ((all & HEX_DIGIT) != 0 && component.n >= HEX_DIGITS_MIN);
}

int name_components(struct slice text, struct slice *components, int max)
{
    struct walk walk = {.rest = text};
    struct slice component;
    int count = 0;
    while (walk_next(&walk, &component)) {
        if (count == max)
            return LT_ELIMIT;
        components[count++] = component;
    }
    return count;
}

bool name_matches(struct slice pattern, struct slice text)
{
    struct walk patterns = {.rest = pattern}, texts = {.rest = text};
    struct slice want, got;
    while (walk_next(&patterns, &want)) {
        if (!walk_next(&texts, &got))
            return false;
        if (!slice_eq(want, STAR) && !slice_eq(want, got))
            return false;
    }
    return texts.done;
}

/* Adds the n-th component (from 0) to a dotted text. */
static void append_component(struct buffer *text, size_t n, struct slice component)
{
    if (n > 0)
        buffer_append(text, ".", 1);
    buffer_append_slice(text, component);
}

void name_recognise(struct slice stem, const struct slice *pattern, struct buffer *category,
                    struct buffer *item)
{
    struct walk stems = {.rest = stem};
    struct walk patterns = {.rest = pattern != NULL ? *pattern : stem};
    struct slice component, wanted;
    size_t variables = 0;
    for (size_t n = 0; walk_next(&stems, &component) && walk_next(&patterns, &wanted); n++) {
        bool variable = pattern != NULL ? slice_eq(wanted, STAR) : name_is_variable(component);
        append_component(category, n, variable ? STAR : component);
        if (variable)
            append_component(item, variables++, component);
    }
}

void name_join_stem(struct slice category, struct slice item, struct buffer *stem)
{
    struct walk categories = {.rest = category}, items = {.rest = item};
    struct slice component;
    for (size_t n = 0; walk_next(&categories, &component); n++) {
        if (slice_eq(component, STAR))
            walk_next(&items, &component);
        append_component(stem, n, component);
    }
}

void name_join_key(struct slice host, struct slice stem, bool has_dimension, struct slice dimension,
                   struct buffer *key)
{
    bool slash = host.n > 0 || slice_find(stem, '/') < stem.n ||
                 (has_dimension && slice_find(dimension, '/') < dimension.n);
    buffer_append_slice(key, host);
    if (slash)
        buffer_append(key, "/", 1);
    buffer_append_slice(key, stem);
    if (has_dimension) {
        buffer_append(key, ".", 1);
        buffer_append_slice(key, dimension);
    }
}

void name_put_key(struct slice key, struct buffer *out)
{
    struct slice host, metric;
    name_split_key(key, &host, &metric);
    struct name_metric m = name_split_metric(metric);
    name_join_key(host, m.stem, m.has_dimension, m.dimension, out);
}

int name_check_pattern(struct slice pattern, const char **why)
{
    if (pattern.n == 0 || pattern.n > NAME_BYTES_MAX) {
        *why = "a pattern has 1 to 512 bytes";
        return LT_EINVALID;
    }
    struct walk walk = {.rest = pattern};
    struct slice component;
    while (walk_next(&walk, &component)) {
        if (component.n == 0) {
            *why = "a pattern has no empty component";
            return LT_EINVALID;
        }
        if (component.n > 1 && slice_find(component, '*') < component.n) {
            *why = "'*' stands for a whole component, as in host.procs.*";
            return LT_EINVALID;
        }
    }
    return 0;
}
