#ifndef RESP_RESP_H
#define RESP_RESP_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The Redis serialization protocol, versions 2 and 3. Only this folder knows it. Pure; any thread.
 *
 * ---- requests ----
 * The parser is handed the connection's unread bytes and finds one command in them. It copies
 * nothing: arguments point into those bytes (an inline command's, which may hold escapes, into the
 * parser's own memory). It keeps its place between calls, so that a command that arrives in pieces
 * is scanned once; the bytes it has seen must then still be there, at any address. Memory grows
 * with the bytes that arrive, never by a declared length. */

struct resp_limits {
    uint32_t args_max;
    uint32_t bulk_bytes_max;   /* one argument */
    uint32_t inline_bytes_max; /* one inline line */
    uint32_t
        command_bytes_max; /* a whole command with its framing; the query buffer must hold it */
    bool trusted;          /* after authentication; only the errors' texts differ */
};

extern const struct resp_limits resp_limits_trusted;   /* after authentication */
extern const struct resp_limits resp_limits_untrusted; /* before: FAULTS.md 20 */

enum { RESP_WHY_BYTES_MAX = 128 };

struct resp_parser {
    size_t offset; /* scanned so far, from the command's first byte */
    uint32_t
        expected; /* arguments in all, 0: the header is not there yet, or the command is inline */
    uint32_t got; /* arguments so far */
    int64_t bulk_bytes; /* of the argument whose body is awaited; negative: none */
    struct slice *argv; /* the arguments so far; handed out */
    uint32_t argv_cap;
    uintptr_t argv_base; /* where the command's first byte was when they were made */
    char *scratch;       /* an inline command's arguments, unescaped */
    size_t scratch_cap;
    char why[RESP_WHY_BYTES_MAX];
};

void resp_parser_init(struct resp_parser *parser);
void resp_parser_fini(struct resp_parser *parser);
/* Forgets its place: the next call begins with a command's first byte. */
void resp_parser_rewind(struct resp_parser *parser);

struct resp_command {
    struct slice
        *argv; /* argv[0] is the name; valid until the next call, and while the bytes are */
    uint32_t argc;
    size_t bytes;  /* to drop from the input before the next call */
    bool in_place; /* what argv's slices point to is the input, and stays there behind further
                      calls; not so where the command is inline */
};

/* 0: a command, argc >= 1 (empty lines and "*0" are skipped within). LT_EAGAIN: more bytes are
 * needed; *skip_out bytes must be dropped before the next call (0, or the length of what was
 * skipped). LT_EPARSE or LT_ELIMIT: *why_out is an error for the client ("ERR Protocol error:
 * ..."), valid until the next call; close after it. LT_ENOMEM. A line that begins like HTTP
 * ("POST", "GET /", "Host:") or TLS is refused as soon as it is seen (cross-protocol scripting). */
MUST_USE int resp_parse(struct resp_parser *parser, struct slice input,
                        const struct resp_limits *limits, struct resp_command *out,
                        size_t *skip_out, const char **why_out);

/* ---- replies ----
 * Each appends one element (or a header) to out in the given version; errors stay in the buffer. */
struct resp_writer {
    struct buffer *out;
    uint8_t version; /* 2 or 3 */
};

void resp_simple(struct resp_writer w, struct slice text); /* +OK; CR and LF become blanks */
void resp_error(struct resp_writer w, struct slice text); /* text begins with its code: "ERR ..." */
void resp_error_printf(struct resp_writer w, const char *format, ...) PRINTF_LIKE(2, 3);
void resp_integer(struct resp_writer w, int64_t x);
void resp_integers(struct resp_writer w, int64_t x, uint32_t count); /* x, count times */
void resp_bulk(struct resp_writer w, struct slice bytes);
void resp_bulk_str(struct resp_writer w, const char *text);
void resp_null(struct resp_writer w);
void resp_null_array(struct resp_writer w);
void resp_bool(struct resp_writer w, bool x);     /* RESP2: 1, 0 */
void resp_double(struct resp_writer w, double x); /* RESP2: bulk string */
/* RESP2: simple string, NaN as "NaN", as RedisTimeSeries; RESP3: double */
void resp_sample_value(struct resp_writer w, double x);
void resp_array(struct resp_writer w, uint32_t count);
void resp_map(struct resp_writer w, uint32_t pairs); /* RESP2: array of 2 x pairs */
/* One pair of a map. */
void resp_pair_integer(struct resp_writer w, const char *key, int64_t x);
void resp_pair_text(struct resp_writer w, const char *key, const char *text);
void resp_pair_bulk(struct resp_writer w, const char *key, struct slice bytes);
/* What names stand for. RESP2: an array of [name, value ...]; RESP3: a map of name to its value, or
 * to an array of several. The values, at least one, follow their resp_entry. */
void resp_entries(struct resp_writer w, uint32_t count);
void resp_entry(struct resp_writer w, struct slice name, uint32_t values);
void resp_set(struct resp_writer w, uint32_t count);         /* RESP2: array */
void resp_verbatim(struct resp_writer w, struct slice text); /* RESP2: bulk string; RESP3: =txt: */

#endif
