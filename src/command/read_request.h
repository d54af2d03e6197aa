#ifndef COMMAND_READ_REQUEST_H
#define COMMAND_READ_REQUEST_H

#include "command/command.h"
#include "command/render.h"

/* What the read commands share: walking over arguments, and waiting for query/'s answer. Thread:
 * loop. */

/* ---- arguments ----
 * Each returns false when it has composed an error that says what was expected. */

struct read_args {
    struct command_call *call;
    uint32_t at; /* the next argument */
};

static inline bool read_args_left(const struct read_args *args)
{
    return args->at < args->call->argc;
}
/* Takes the keyword if it comes next. */
bool read_take_keyword(struct read_args *args, const char *keyword);
/* The value of an option; expected: "a number of rows". */
MUST_USE bool read_take(struct read_args *args, const char *option, const char *expected,
                        struct slice *out);
MUST_USE bool read_take_integer(struct read_args *args, const char *option, int64_t min,
                                int64_t max, int64_t *out);
/* "n item ...": a count, and as many names of at most NAME_BYTES_MAX. */
MUST_USE bool read_take_list(struct read_args *args, const char *option, uint32_t max,
                             const struct slice **out, uint32_t *count_out);
/* from and to of RANGE and TOPQ. */
MUST_USE bool read_take_times(struct read_args *args, struct query_spec *spec);
/* from and to of COMPARE. */
MUST_USE bool read_take_compare(struct read_args *args, struct query_spec *spec);
/* "partition:offset", as writes return it: the read will see that write. */
MUST_USE bool read_take_after(struct read_args *args, struct query_spec *spec);
MUST_USE bool read_take_format(struct read_args *args, enum render_format *out);
/* One of `choices`, by position. */
MUST_USE bool read_take_choice(struct read_args *args, const char *option,
                               const char *const *choices, size_t count, size_t *out);
/* For an argument that nothing takes. */
void read_unknown(struct read_args *args, const char *expected);
MUST_USE bool read_check_key(struct command_call *call, struct slice key);

/* A text of the client's, cut for an error. */
enum { READ_QUOTE_BYTES_MAX = 64 };
#define READ_QUOTE(s) (int)((s).n < READ_QUOTE_BYTES_MAX ? (s).n : READ_QUOTE_BYTES_MAX), (s).p

/* ---- the request ---- */

typedef void read_render(struct resp_writer w, const union query_result *result,
                         enum render_format format);

/* Runs the read after the client's earlier writes, and replies. Fills in what all reads have in
 * common. */
void read_submit(struct command_call *call, struct query_spec *spec, read_render *render,
                 enum render_format format);

/* Rows of points or buckets: an array of [time, value, value ...]. */
void read_put_rows(struct resp_writer w, const struct result_sample_rows *rows);

/* As read_submit; render gets context, which came from malloc and is freed with the request. */
typedef void read_render_with(struct resp_writer w, const union query_result *result,
                              const void *context);
void read_submit_with(struct command_call *call, struct query_spec *spec, read_render_with *render,
                      void *context);

#endif
