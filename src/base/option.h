#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* Options are declared once, beside the module that owns them:
 *
 *   #define INGEST_OPTIONS(X) \
 *       X(ingest, inflight_bytes_max, OPTION_BYTES, "64mb", "bytes that wait for the log ...")
 *   const struct option_spec ingest_options[] = {...};  size_t ingest_options_count;
 *
 * main/ hands all tables to one option_set, from which come flags (--inflight-bytes-max),
 * environment variables (LONGTAIL_INFLIGHT_BYTES_MAX), the file's `inflight-bytes-max = 64mb`,
 * --help, CONFIG GET and the README's table. Flags win over the environment, that over the file. */
enum option_type {
    OPTION_TEXT,
    OPTION_BOOL,        /* yes, no */
    OPTION_INT,         /* within [min, max] */
    OPTION_BYTES,       /* 512, 64kb, 64mb, 2gb: powers of 1,024 */
    OPTION_DURATION_MS, /* 250ms, 10s, 5m, 3h, 2d */
};

struct option_spec {
    const char *name; /* dashes: "inflight-bytes-max" */
    enum option_type type;
    const char *default_text;
    int64_t min, max; /* in the type's unit; both 0: unchecked. TEXT: unused */
    const char *help; /* one sentence */
    const char *section;
    bool secret; /* CONFIG GET and --help show no value */
};

struct option_set;

MUST_USE int option_set_create(struct option_set **out);
void option_set_destroy(struct option_set **set);

/* specs must outlive the set. */
MUST_USE int option_set_add(struct option_set *set, const struct option_spec *specs, size_t count);

/* Reads LONGTAIL_CONFIG's or --config's file, the environment and the flags, in that order. Unknown
 * names and bad values: LT_EINVALID, and message says what was expected (a text for people, one
 * line). An unknown LONGTAIL_ variable is an error only if it is within two letters of an option:
 * others are another program's. LT_ENOMEM.
 * `--help` and `--version` are the caller's: *stop_at_out is set to that flag. */
MUST_USE int option_set_load(struct option_set *set, int argc, char **argv, char **environment,
                             struct buffer *message, const char **stop_at_out);

/* The name must be declared; asserts otherwise. Pointers live as long as the set. */
const char *option_text(const struct option_set *set, const char *name);
bool option_bool(const struct option_set *set, const char *name);
int64_t option_int(const struct option_set *set, const char *name);

/* For help and CONFIG GET: specs in order of declaration. */
size_t option_count(const struct option_set *set);
const struct option_spec *option_spec_at(const struct option_set *set, size_t i);

/* The value as text, in the option's own form; "" for a secret. */
const char *option_value_at(const struct option_set *set, size_t i);

void option_help(const struct option_set *set, struct buffer *out);

#endif
