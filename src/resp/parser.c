#include "resp/resp.h"

#include "base/error.h"
#include "resp/inline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A command is an array of bulk strings, or one inline line (inline.c):
 *
 *   *<count>\r\n  then count times  $<bytes>\r\n<body>\r\n
 */

enum {
    ARGS_CAP_MIN = 8,
    /* What a parser keeps between commands; larger memory goes back when the next command begins.
     */
    ARGS_CAP_KEPT = 1024,
    SCRATCH_KEPT_BYTES = 1024,
    DIGITS_MAX = 10,
};

/* 262,144 arguments are 87,000 points in one TS.MADD: more than fit a record of the log. */
const struct resp_limits resp_limits_trusted = {
    .args_max = 262144,
    .bulk_bytes_max = 1024 * 1024,
    .inline_bytes_max = 64 * 1024,
    .command_bytes_max = 8 * 1024 * 1024,
    .trusted = true,
};

const struct resp_limits resp_limits_untrusted = {
    .args_max = 10,
    .bulk_bytes_max = 16384,
    .inline_bytes_max = 16384,
    .command_bytes_max = 32768,
};

void resp_parser_init(struct resp_parser *parser)
{
    *parser = (struct resp_parser){.bulk_bytes = -1};
}

void resp_parser_fini(struct resp_parser *parser)
{
    free(parser->argv);
    free(parser->scratch);
    resp_parser_init(parser);
}

void resp_parser_rewind(struct resp_parser *parser)
{
    parser->offset = 0;
    parser->expected = 0;
    parser->got = 0;
    parser->bulk_bytes = -1;
}

/* One command in the making: the parser's state beside this call's bytes. */
struct scan {
    struct resp_parser *parser;
    const struct resp_limits *limits;
    const char *start; /* the command's first byte */
    const char *end;
};

__attribute__((format(printf, 3, 4))) static int fail(struct scan *scan, int error,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(scan->parser->why, sizeof(scan->parser->why), format, args);
    va_end(args);
    return error;
}

/* Reads "<sign?><digits>\r\n" behind a type byte at p. Returns its end, NULL with *error_out 0
 * where bytes are missing, NULL with LT_EPARSE where it is no number. */
static const char *read_length(const char *p, const char *end, int64_t *out, int *error_out)
{
    const char *from = p + 1;
    bool negative = from < end && *from == '-';
    const char *at = from + negative;
    int64_t x = 0;
    const char *digits = at;
    for (; at < end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9)
            break;
        if (at - digits == DIGITS_MAX)
            goto malformed;
        x = x * 10 + digit;
    }
    if (at == end)
        goto incomplete;
    if (at == digits || at[0] != '\r')
        goto malformed;
    if (at + 1 == end)
        goto incomplete;
    if (at[1] != '\n')
        goto malformed;
    *out = negative ? -x : x;
    return at + 2;

incomplete:
    *error_out = 0;
    return NULL;
malformed:
    *error_out = LT_EPARSE;
    return NULL;
}

static int argv_reserve(struct resp_parser *parser, uint32_t count)
{
    if (count <= parser->argv_cap)
        return 0;
    uint32_t cap = parser->argv_cap * 2;
    if (cap < ARGS_CAP_MIN)
        cap = ARGS_CAP_MIN;
    if (cap < count)
        cap = count;
    struct slice *argv = realloc(parser->argv, cap * sizeof(*argv));
    if (argv == NULL)
        return LT_ENOMEM;
    parser->argv = argv;
    parser->argv_cap = cap;
    return 0;
}

/* Between commands: argv of the last one is no longer in use. */
static void trim_memory(struct resp_parser *parser)
{
    if (parser->argv_cap > ARGS_CAP_KEPT) {
        free(parser->argv);
        parser->argv = NULL;
        parser->argv_cap = 0;
    }
    if (parser->scratch_cap > SCRATCH_KEPT_BYTES) {
        free(parser->scratch);
        parser->scratch = NULL;
        parser->scratch_cap = 0;
    }
}

/* "*<count>\r\n". parser->expected stays 0 where there is nothing to run ("*0", "*-1"). */
static int parse_array_header(struct scan *scan)
{
    const struct resp_limits *limits = scan->limits;
    int64_t count;
    int error;
    const char *after = read_length(scan->start, scan->end, &count, &error);
    if (after == NULL && error == 0)
        return LT_EAGAIN;
    if (after == NULL)
        return fail(scan, error,
                    "ERR Protocol error: invalid multibulk length, expected a number and CRLF");
    if (count > limits->args_max)
        return fail(scan, LT_ELIMIT,
                    "ERR Protocol error: %s multibulk length, expected at most %u arguments%s",
                    limits->trusted ? "invalid" : "unauthenticated", limits->args_max,
                    limits->trusted ? "" : " before AUTH");
    scan->parser->offset = (size_t)(after - scan->start);
    scan->parser->expected = count <= 0 ? 0 : (uint32_t)count;
    return 0;
}

/* "$<bytes>\r\n" at p. */
static int parse_bulk_header(struct scan *scan, const char *p)
{
    struct resp_parser *parser = scan->parser;
    const struct resp_limits *limits = scan->limits;
    if (*p != '$') {
        bool printable = *p > ' ' && *p <= '~';
        return fail(scan, LT_EPARSE,
                    printable ? "ERR Protocol error: expected '$', got '%c'"
                              : "ERR Protocol error: expected '$', got byte %d",
                    printable ? *p : (unsigned char)*p);
    }
    int64_t bytes;
    int error;
    const char *after = read_length(p, scan->end, &bytes, &error);
    if (after == NULL && error == 0)
        return LT_EAGAIN;
    if (after == NULL || bytes < 0)
        return fail(scan, LT_EPARSE,
                    "ERR Protocol error: invalid bulk length, expected 0 or more bytes and CRLF");
    if (bytes > limits->bulk_bytes_max)
        return fail(scan, LT_ELIMIT,
                    "ERR Protocol error: %s bulk length, expected at most %u bytes%s",
                    limits->trusted ? "invalid" : "unauthenticated", limits->bulk_bytes_max,
                    limits->trusted ? "" : " before AUTH");
    size_t offset = (size_t)(after - scan->start);
    if (offset + (size_t)bytes + 2 > limits->command_bytes_max)
        return fail(scan, LT_ELIMIT,
                    "ERR Protocol error: command too long, expected at most %u bytes%s",
                    limits->command_bytes_max, limits->trusted ? "" : " before AUTH");
    parser->offset = offset;
    parser->bulk_bytes = bytes;
    return 0;
}

/* The body of parser->bulk_bytes and its CRLF, at p. */
static int parse_bulk_body(struct scan *scan, const char *p)
{
    struct resp_parser *parser = scan->parser;
    size_t bytes = (size_t)parser->bulk_bytes;
    if ((size_t)(scan->end - p) < bytes + 2)
        return LT_EAGAIN;
    if (p[bytes] != '\r' || p[bytes + 1] != '\n')
        return fail(scan, LT_EPARSE,
                    "ERR Protocol error: expected CRLF after a bulk string of %zu bytes", bytes);
    if (argv_reserve(parser, parser->got + 1) != 0)
        return LT_ENOMEM;
    parser->argv[parser->got++] = slice_make(p, bytes);
    parser->offset += bytes + 2;
    parser->bulk_bytes = -1;
    return 0;
}

static inline bool is_crlf(const char *p)
{
    return memcmp(p, "\r\n", 2) == 0; /* one comparison of two bytes */
}

/* Nearly all arguments have fewer than 100 bytes and are there as a whole: these are taken in one
 * pass. At anything else it stops, in between two arguments, and the slow path says what it is. */
static int parse_short_bulks(struct scan *scan)
{
    enum { HEAD_BYTES_MAX = 5 };
    struct resp_parser *parser = scan->parser;
    const char *p = scan->start + parser->offset, *end = scan->end;
    if ((size_t)(end - scan->start) > scan->limits->command_bytes_max)
        end = scan->start + scan->limits->command_bytes_max;
    /* Kept out of memory: the compiler cannot know that arguments are not stored over these. */
    uint32_t got = parser->got, expected = parser->expected, cap = parser->argv_cap;
    uint32_t bytes_max = scan->limits->bulk_bytes_max;
    struct slice *argv = parser->argv;
    int status = 0;
    while (got < expected && end - p >= HEAD_BYTES_MAX) {
        unsigned n = (unsigned char)p[1] - (unsigned)'0';
        unsigned digit = (unsigned char)p[2] - (unsigned)'0';
        const char *body = p + 4;
        bool good = p[0] == '$' && n <= 9;
        if (digit <= 9) {
            n = n * 10 + digit;
            body++;
        }
        if (UNLIKELY(!good || !is_crlf(body - 2) || n > bytes_max ||
                     end - body < (ptrdiff_t)n + 2 || !is_crlf(body + n)))
            break;
        if (UNLIKELY(got == cap)) {
            status = argv_reserve(parser, got + 1);
            if (status != 0)
                break;
            argv = parser->argv;
            cap = parser->argv_cap;
        }
        argv[got++] = slice_make(body, n);
        p = body + n + 2;
    }
    parser->got = got;
    parser->offset = (size_t)(p - scan->start);
    return status;
}

/* The bytes may stand elsewhere than when the first arguments were found. */
static void move_argv(struct resp_parser *parser, const char *start)
{
    if (parser->argv_base != (uintptr_t)start)
        for (uint32_t i = 0; i < parser->got; i++)
            parser->argv[i].p = start + ((uintptr_t)parser->argv[i].p - parser->argv_base);
    parser->argv_base = (uintptr_t)start;
}

static int parse_array(struct scan *scan, uint32_t *argc_out)
{
    struct resp_parser *parser = scan->parser;
    if (parser->expected == 0) {
        int status = parse_array_header(scan);
        if (status != 0 || parser->expected == 0) {
            *argc_out = 0;
            return status;
        }
    }
    move_argv(parser, scan->start);
    if (parser->bulk_bytes < 0 && parse_short_bulks(scan) != 0)
        return LT_ENOMEM;
    while (parser->got < parser->expected) {
        const char *p = scan->start + parser->offset;
        if (parser->bulk_bytes < 0) {
            if (p == scan->end)
                return LT_EAGAIN;
            int status = parse_bulk_header(scan, p);
            if (status != 0)
                return status;
            p = scan->start + parser->offset;
        }
        int status = parse_bulk_body(scan, p);
        if (status != 0)
            return status;
    }
    *argc_out = parser->got;
    return 0;
}

static int scratch_reserve(struct resp_parser *parser, size_t bytes)
{
    if (bytes <= parser->scratch_cap)
        return 0;
    char *scratch = malloc(bytes);
    if (scratch == NULL)
        return LT_ENOMEM;
    free(parser->scratch);
    parser->scratch = scratch;
    parser->scratch_cap = bytes;
    return 0;
}

/* Splits a whole line into argv. */
static int split_line(struct scan *scan, struct slice line, uint32_t *argc_out)
{
    struct resp_parser *parser = scan->parser;
    if (scratch_reserve(parser, line.n + 1) != 0)
        return LT_ENOMEM;
    char *to = parser->scratch;
    uint32_t argc = 0;
    struct slice arg;
    int status;
    while ((status = inline_next(&line, &to, &arg)) > 0) {
        if (argc == scan->limits->args_max)
            return fail(scan, LT_ELIMIT,
                        "ERR Protocol error: too many inline arguments, expected at most %u%s",
                        scan->limits->args_max, scan->limits->trusted ? "" : " before AUTH");
        if (argv_reserve(parser, argc + 1) != 0)
            return LT_ENOMEM;
        parser->argv[argc++] = arg;
    }
    if (status < 0)
        return fail(scan, LT_EPARSE,
                    "ERR Protocol error: unbalanced quotes in request, expected a blank or the "
                    "line's end after each closing quote");
    *argc_out = argc;
    return 0;
}

static int parse_line(struct scan *scan, uint32_t *argc_out)
{
    struct resp_parser *parser = scan->parser;
    struct slice seen = slice_make(scan->start, (size_t)(scan->end - scan->start));
    if (inline_is_foreign(seen))
        return fail(scan, LT_EPARSE,
                    "ERR Protocol error: this is no Redis client (HTTP or TLS), expected RESP");
    size_t newline = parser->offset + slice_find(slice_from(seen, parser->offset), '\n');
    if (newline > scan->limits->inline_bytes_max)
        return fail(scan, LT_ELIMIT,
                    "ERR Protocol error: too big inline request, expected at most %u bytes%s",
                    scan->limits->inline_bytes_max, scan->limits->trusted ? "" : " before AUTH");
    parser->offset = newline;
    if (newline == seen.n)
        return LT_EAGAIN;
    struct slice line = slice_upto(seen, newline);
    if (slice_find(line, '\0') < line.n)
        return fail(scan, LT_EPARSE,
                    "ERR Protocol error: NUL in an inline request, expected text or RESP arrays");
    parser->offset = newline + 1;
    return split_line(scan, line, argc_out);
}

int resp_parse(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
               struct resp_command *out, size_t *skip_out, const char **why_out)
{
    size_t skipped = 0;
    if (parser->offset == 0)
        trim_memory(parser);
    while (skipped < input.n) {
        struct scan scan = {.parser = parser,
                            .limits = limits,
                            .start = input.p + skipped,
                            .end = input.p + input.n};
        uint32_t argc = 0;
        bool is_array = *scan.start == '*';
        int status = is_array ? parse_array(&scan, &argc) : parse_line(&scan, &argc);
        if (status == LT_EAGAIN)
            break;
        if (status == LT_EPARSE || status == LT_ELIMIT)
            *why_out = parser->why;
        if (status != 0)
            return status;
        size_t bytes = skipped + parser->offset;
        resp_parser_rewind(parser);
        if (argc > 0) {
            *out = (struct resp_command){parser->argv, argc, bytes, is_array};
            return 0;
        }
        skipped = bytes;
    }
    *skip_out = skipped;
    return LT_EAGAIN;
}
