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
 * The parser is handed the connection's unread bytes and finds one command in them. It copies nothing:
 * arguments point into those bytes. It keeps its place between calls, so that a command that arrives in
 * pieces is scanned once; the bytes it has seen must then still be there, at any address. */

struct resp_limits {
    uint32_t args_max;
    uint32_t bulk_bytes_max;    /* one argument */
    uint32_t inline_bytes_max;  /* one inline line */
    uint32_t command_bytes_max; /* all arguments of a command */
};

extern const struct resp_limits resp_limits_trusted;   /* after authentication */
extern const struct resp_limits resp_limits_untrusted; /* before: FAULTS.md 20 */

struct resp_parser {
    uint32_t expected; /* arguments still to come, 0: between commands */
    uint32_t got;
    size_t offset;     /* scanned so far, from the command's first byte */
    size_t bytes;      /* of arguments so far */
    struct { uint32_t at, len; } *args; /* of the current command, as offsets */
    uint32_t args_cap;
    struct slice *argv; /* handed out */
    uint32_t argv_cap;
};

void resp_parser_init(struct resp_parser *parser);
void resp_parser_fini(struct resp_parser *parser);

struct resp_command {
    struct slice *argv; /* argv[0] is the name; valid until the next call, and while the bytes are */
    uint32_t argc;
    size_t bytes;       /* to drop from the input once the command is done with */
};

/* 0: a command, argc >= 1 (empty lines and "*0" are skipped within). LT_EAGAIN: more bytes are needed;
 * *skip_out bytes may be dropped now. LT_EPARSE or LT_ELIMIT: *why_out is a text for the client; close after it.
 * LT_ENOMEM. A line that begins like HTTP ("POST ", "GET /", "Host:") or TLS is refused (cross-protocol scripting). */
MUST_USE int resp_parse(struct resp_parser *parser, struct slice input,
                        const struct resp_limits *limits, struct resp_command *out,
                        size_t *skip_out, const char **why_out);

/* ---- replies ----
 * Each appends one element (or a header) to out in the given version; errors stay in the buffer. */
struct resp_writer {
    struct buffer *out;
    uint8_t version; /* 2 or 3 */
};

void resp_simple(struct resp_writer w, struct slice text);        /* +OK; CR and LF become blanks */
void resp_error(struct resp_writer w, struct slice text);         /* text begins with its code: "ERR ..." */
void resp_error_printf(struct resp_writer w, const char *format, ...) PRINTF_LIKE(2, 3);
void resp_integer(struct resp_writer w, int64_t x);
void resp_bulk(struct resp_writer w, struct slice bytes);
void resp_bulk_str(struct resp_writer w, const char *text);
void resp_null(struct resp_writer w);
void resp_null_array(struct resp_writer w);
void resp_bool(struct resp_writer w, bool x);            /* RESP2: 1, 0 */
void resp_double(struct resp_writer w, double x);        /* RESP2: bulk string */
void resp_sample_value(struct resp_writer w, double x);  /* RESP2: simple string, as RedisTimeSeries; RESP3: double */
void resp_array(struct resp_writer w, uint32_t count);
void resp_map(struct resp_writer w, uint32_t pairs);     /* RESP2: array of 2 x pairs */
void resp_set(struct resp_writer w, uint32_t count);     /* RESP2: array */
void resp_verbatim(struct resp_writer w, struct slice text); /* RESP2: bulk string; RESP3: =txt: */

#endif
