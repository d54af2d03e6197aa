#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "resp/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a run of the parser over some input came to, as text: each command as "[arg|arg]", then "E"
 * for malformed, "L" for a limit, "." for more bytes needed. */
struct trace {
    struct buffer text;
    char why[RESP_WHY_BYTES_MAX];
};

static void trace_init(struct trace *trace)
{
    buffer_init(&trace->text, 64 << 20);
    trace->why[0] = '\0';
}

static void trace_command(struct trace *trace, const struct slice *argv, uint32_t argc)
{
    for (uint32_t i = 0; i < argc; i++) {
        buffer_append_str(&trace->text, i == 0 ? "[" : "|");
        buffer_append_slice(&trace->text, argv[i]);
    }
    buffer_append_str(&trace->text, "]");
}

/* A connection as the parser's users have it: unread bytes, at a new address after each arrival and
 * of exactly the right size, so that a sanitizer sees every read beyond them. */
struct client {
    struct resp_parser parser;
    const struct resp_limits *limits;
    char *bytes;
    size_t n;
    bool broken;
};

static void client_init(struct client *client, const struct resp_limits *limits)
{
    *client = (struct client){.limits = limits};
    resp_parser_init(&client->parser);
}

static void client_fini(struct client *client)
{
    resp_parser_fini(&client->parser);
    free(client->bytes);
}

static void client_replace(struct client *client, struct slice head, struct slice tail)
{
    char *bytes = malloc(head.n + tail.n);
    if (head.n > 0)
        memcpy(bytes, head.p, head.n);
    if (tail.n > 0)
        memcpy(bytes + head.n, tail.p, tail.n);
    free(client->bytes);
    client->bytes = bytes;
    client->n = head.n + tail.n;
}

static void client_feed(struct client *client, struct slice more, struct trace *trace)
{
    if (client->broken)
        return;
    client_replace(client, slice_make(client->bytes, client->n), more);
    for (;;) {
        struct resp_command command;
        size_t skip = 0;
        const char *why = NULL;
        int status = resp_parse(&client->parser, slice_make(client->bytes, client->n),
                                client->limits, &command, &skip, &why);
        if (status == 0) {
            trace_command(trace, command.argv, command.argc);
            skip = command.bytes;
            assert_true(skip > 0);
        } else if (status != LT_EAGAIN) {
            assert_true(status == LT_EPARSE || status == LT_ELIMIT);
            assert_true(strncmp(why, "ERR Protocol error: ", 20) == 0);
            snprintf(trace->why, sizeof(trace->why), "%s", why);
            buffer_append_str(&trace->text, status == LT_EPARSE ? "E" : "L");
            client->broken = true;
            return;
        }
        assert_true(skip <= client->n);
        client_replace(client, slice_make(client->bytes + skip, client->n - skip),
                       slice_make(NULL, 0));
        if (status == LT_EAGAIN)
            return;
    }
}

/* Feeds input cut at the given places. */
static void run(struct slice input, const struct resp_limits *limits, const size_t *cuts,
                size_t cuts_n, struct trace *trace)
{
    struct client client;
    client_init(&client, limits);
    size_t from = 0;
    for (size_t i = 0; i <= cuts_n; i++) {
        size_t to = i < cuts_n ? cuts[i] : input.n;
        client_feed(&client, slice_make(input.p + from, to - from), trace);
        from = to;
    }
    if (!client.broken && client.n > 0)
        buffer_append_str(&trace->text, ".");
    client_fini(&client);
}

static void expect(const char *input, const struct resp_limits *limits, const char *text,
                   const char *why)
{
    struct trace trace;
    trace_init(&trace);
    run(slice_str(input), limits, NULL, 0, &trace);
    buffer_append(&trace.text, "", 1);
    assert_string_equal(trace.text.data, text);
    if (strstr(trace.why, why) == NULL)
        fail_msg("'%s' is not in '%s'", why, trace.why);
    buffer_fini(&trace.text);
}

static const struct {
    const char *input;
    const char *trace;
} corpus[] = {
    {"*1\r\n$4\r\nPING\r\n", "[PING]"},
    {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r\nQUIT\r\n", "[ECHO|][QUIT]"},
    {"*3\r\n$1\r\na\r\n$10\r\n*1\r\n$4\r\nPI\r\n$2\r\n\r\n\r\n", "[a|*1\r\n$4\r\nPI|\r\n]"},
    {"*0\r\n*-1\r\n\r\n  \r\nPING\r\n*0\r\n", "[PING]"},
    {"PING\n  ECHO   hi\t\r\n", "[PING][ECHO|hi]"},
    {"a \"b c\" 'd e' x\"y z\" \"\\x41\\n\\q\\\"\" 'it\\'s' \"\"\r\n",
     "[a|b c|d e|xy z|A\nq\"|it's|]"},
    {"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", "[PING][PING][PING]"},
    {"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nEC", "[PING]."},
    {"\r\n\r\nPI", "."},
    {"*1\r\n$4\r\nPINGxx", "E"},
    {"*1\r\n$4\r\nPING\rx", "E"},
    {"*x\r\n", "E"},
    {"*\r\n", "E"},
    {"*1\rx", "E"},
    {"*1\r\n:4\r\n", "E"},
    {"*1\r\n$-1\r\n", "E"},
    {"*1\r\n$4x\r\n", "E"},
    {"*00000000001\r\n", "E"},
    {"PING\r\na \"b\"c\r\n", "[PING]E"},
    {"a 'b\r\n", "E"},
    {"a \"b\\\r\n", "E"},
    {"POST / HTTP/1.1\r\nHost: x\r\n\r\nPING\r\n", "E"},
    {"get / HTTP/1.1\r\n", "E"},
    {"host: x\r\n", "E"},
    {"\x16\x03\x01\x02", "E"},
    {"*1048577\r\n", "L"},
    {"*1\r\n$1048577\r\n", "L"},
};

static void test_corpus_split_anywhere_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
        struct slice input = slice_str(corpus[i].input);
        expect(corpus[i].input, &resp_limits_trusted, corpus[i].trace, "");
        size_t *each = malloc((input.n + 1) * sizeof(*each));
        for (size_t a = 0; a <= input.n; a++) {
            each[a] = a;
            for (size_t b = a; b <= input.n; b++) {
                struct trace trace;
                trace_init(&trace);
                run(input, &resp_limits_trusted, (size_t[]){a, b}, 2, &trace);
                assert_true(slice_eq_str(buffer_slice(&trace.text), corpus[i].trace));
                buffer_fini(&trace.text);
            }
        }
        struct trace trace;
        trace_init(&trace);
        run(input, &resp_limits_trusted, each, input.n + 1, &trace);
        assert_true(slice_eq_str(buffer_slice(&trace.text), corpus[i].trace));
        buffer_fini(&trace.text);
        free(each);
    }
}

static void test_nul_in_an_inline_line_is_refused(void **state)
{
    (void)state;
    struct trace trace;
    trace_init(&trace);
    run(slice_make("PI\0NG\r\n", 7), &resp_limits_trusted, NULL, 0, &trace);
    assert_true(slice_eq_str(buffer_slice(&trace.text), "E"));
    buffer_fini(&trace.text);
}

static void test_errors_say_what_was_expected(void **state)
{
    (void)state;
    const struct resp_limits *trusted = &resp_limits_trusted;
    const struct resp_limits *untrusted = &resp_limits_untrusted;
    expect("*99999999999\r\n", trusted, "E", "invalid multibulk length, expected");
    expect("*1048577\r\n", trusted, "L", "invalid multibulk length, expected at most 262144");
    expect("*11\r\n", untrusted, "L", "unauthenticated multibulk length, expected at most 10");
    expect("*1\r\n$16385\r\n", untrusted, "L",
           "unauthenticated bulk length, expected at most 16384");
    expect("*1\r\n$1048577\r\n", trusted, "L", "invalid bulk length, expected at most 1048576");
    expect("*1\r\n$-1\r\n", trusted, "E", "invalid bulk length, expected 0");
    expect("*1\r\nPING\r\n", trusted, "E", "expected '$', got 'P'");
    expect("*1\r\n\r\n", trusted, "E", "expected '$', got byte 13");
    expect("a \"b\r\n", trusted, "E", "unbalanced quotes in request");
    expect("1 2 3 4 5 6 7 8 9 10\r\n", untrusted, "[1|2|3|4|5|6|7|8|9|10]", "");
    expect("1 2 3 4 5 6 7 8 9 10 11\r\n", untrusted, "L", "too many inline arguments");
}

static void test_inline_limit_needs_no_newline(void **state)
{
    (void)state;
    size_t max = resp_limits_trusted.inline_bytes_max;
    char *line = malloc(max + 2);
    memset(line, 'x', max + 1);
    line[max] = '\n';
    struct trace fits, exceeds;
    trace_init(&fits);
    trace_init(&exceeds);
    run(slice_make(line, max + 1), &resp_limits_trusted, NULL, 0, &fits);
    assert_int_equal(fits.text.len, max + 2);
    line[max] = 'x';
    run(slice_make(line, max), &resp_limits_trusted, NULL, 0, &exceeds);
    assert_true(slice_eq_str(buffer_slice(&exceeds.text), "."));
    buffer_reset(&exceeds.text, 0);
    run(slice_make(line, max + 1), &resp_limits_trusted, NULL, 0, &exceeds);
    assert_true(slice_eq_str(buffer_slice(&exceeds.text), "L"));
    assert_non_null(strstr(exceeds.why, "too big inline request"));
    buffer_fini(&fits.text);
    buffer_fini(&exceeds.text);
    free(line);
}

static void test_a_command_with_its_framing_is_limited(void **state)
{
    (void)state;
    /* 26 bytes in all. */
    const char *input = "*2\r\n$4\r\nECHO\r\n$6\r\nabcdef\r\n";
    struct resp_limits limits = resp_limits_trusted;
    limits.command_bytes_max = 26;
    expect(input, &limits, "[ECHO|abcdef]", "");
    limits.command_bytes_max = 25;
    expect(input, &limits, "L", "command too long, expected at most 25 bytes");
}

static void test_declared_lengths_allocate_nothing(void **state)
{
    (void)state;
    struct resp_parser parser;
    resp_parser_init(&parser);
    struct resp_command command;
    size_t skip;
    const char *why;
    struct slice input = SLICE_LIT("*262144\r\n$1048576\r\n");
    assert_int_equal(resp_parse(&parser, input, &resp_limits_trusted, &command, &skip, &why),
                     LT_EAGAIN);
    assert_int_equal(parser.argv_cap, 0);
    assert_int_equal(parser.scratch_cap, 0);
    resp_parser_fini(&parser);
}

static void test_a_large_command_leaves_no_memory_behind(void **state)
{
    (void)state;
    enum { ARGS = 60000 };
    struct buffer input;
    buffer_init(&input, 8 << 20);
    buffer_printf(&input, "*%d\r\n", ARGS);
    for (int i = 0; i < ARGS; i++)
        buffer_append_str(&input, "$1\r\nx\r\n");
    struct resp_parser parser;
    resp_parser_init(&parser);
    struct resp_command command;
    size_t skip;
    const char *why;
    assert_int_equal(
        resp_parse(&parser, buffer_slice(&input), &resp_limits_trusted, &command, &skip, &why), 0);
    assert_int_equal(command.argc, ARGS);
    assert_int_equal(command.bytes, input.len);
    assert_int_equal(resp_parse(&parser, SLICE_LIT("*1\r\n$1\r\nx\r\n"), &resp_limits_trusted,
                                &command, &skip, &why),
                     0);
    assert_true(parser.argv_cap < 100);
    resp_parser_fini(&parser);
    buffer_fini(&input);
}

/* ---- a reference: the whole input at once, character by character ---- */

/* The number of "<digits>\r\n" at *at; -1: incomplete, -2: malformed. */
static long reference_number(struct slice in, size_t *at)
{
    char digits[16];
    size_t n = 0;
    while (*at < in.n && in.p[*at] >= '0' && in.p[*at] <= '9') {
        if (n == 10)
            return -2;
        digits[n++] = in.p[(*at)++];
    }
    digits[n] = '\0';
    if (*at == in.n)
        return -1;
    if (n == 0 || in.p[*at] != '\r')
        return -2;
    if (*at + 1 == in.n)
        return -1;
    if (in.p[*at + 1] != '\n')
        return -2;
    *at += 2;
    return strtol(digits, NULL, 10);
}

static void reference(struct slice in, const struct resp_limits *limits, struct buffer *out)
{
    size_t at = 0;
    while (at < in.n) {
        struct slice argv[16];
        if (in.p[at++] != '*') {
            buffer_append_str(out, "?");
            return;
        }
        long count = reference_number(in, &at);
        const char *verdict = count == -1                ? "."
                              : count == -2              ? "E"
                              : count > limits->args_max ? "L"
                                                         : NULL;
        for (long i = 0; i < count && verdict == NULL; i++) {
            if (at == in.n) {
                verdict = ".";
                break;
            }
            if (in.p[at++] != '$') {
                verdict = "E";
                break;
            }
            long n = reference_number(in, &at);
            if (n < 0)
                verdict = n == -1 ? "." : "E";
            else if (n > limits->bulk_bytes_max)
                verdict = "L";
            else if (in.n - at < (size_t)n + 2)
                verdict = ".";
            else if (memcmp(in.p + at + n, "\r\n", 2) != 0)
                verdict = "E";
            argv[i] = slice_make(in.p + at, verdict == NULL ? (size_t)n : 0);
            at += verdict == NULL ? (size_t)n + 2 : 0;
        }
        if (verdict != NULL) {
            buffer_append_str(out, verdict);
            return;
        }
        struct trace trace = {.text = *out};
        if (count > 0)
            trace_command(&trace, argv, (uint32_t)count);
        *out = trace.text;
    }
}

static void random_commands(struct buffer *out)
{
    int commands = rand() % 6;
    for (int c = 0; c < commands; c++) {
        int argc = rand() % 11;
        buffer_printf(out, "*%d\r\n", argc);
        for (int i = 0; i < argc; i++) {
            int n = rand() % 4 == 0 ? rand() % 64 : rand() % 4;
            buffer_printf(out, "$%d\r\n", n);
            for (int k = 0; k < n; k++)
                buffer_append(out, &"*$1\r\na"[rand() % 6], 1);
            buffer_append_str(out, "\r\n");
        }
    }
}

static void test_random_input_agrees_with_the_reference(void **state)
{
    (void)state;
    srand(3);
    struct resp_limits limits = resp_limits_trusted;
    limits.args_max = 12;
    limits.bulk_bytes_max = 60;
    int verdicts[256] = {0};
    for (int round = 0; round < 20000; round++) {
        struct buffer input, want;
        buffer_init(&input, 1 << 20);
        buffer_init(&want, 1 << 20);
        random_commands(&input);
        if (input.len > 0 && rand() % 2 == 0) /* one byte is not what it was */
            input.data[rand() % input.len] = "*$019\r\nx"[rand() % 8];
        if (input.len > 0 && rand() % 3 == 0)
            input.len = (size_t)rand() % input.len;
        reference(buffer_slice(&input), &limits, &want);
        if (want.len == 0 || want.data[want.len - 1] != '?') {
            size_t a = (size_t)rand() % (input.len + 1);
            size_t b = a + (size_t)rand() % (input.len - a + 1);
            struct trace got;
            trace_init(&got);
            run(buffer_slice(&input), &limits, (size_t[]){a, b}, 2, &got);
            assert_true(slice_eq(buffer_slice(&got.text), buffer_slice(&want)));
            verdicts[want.len > 0 ? (unsigned char)want.data[want.len - 1] : 0]++;
            buffer_fini(&got.text);
        }
        buffer_fini(&input);
        buffer_fini(&want);
    }
    /* Each outcome was met often enough to mean something. */
    assert_true(verdicts[']'] > 1000 && verdicts['E'] > 1000 && verdicts['.'] > 1000);
    assert_true(verdicts['L'] > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus_split_anywhere_gives_the_same),
        cmocka_unit_test(test_nul_in_an_inline_line_is_refused),
        cmocka_unit_test(test_errors_say_what_was_expected),
        cmocka_unit_test(test_inline_limit_needs_no_newline),
        cmocka_unit_test(test_a_command_with_its_framing_is_limited),
        cmocka_unit_test(test_declared_lengths_allocate_nothing),
        cmocka_unit_test(test_a_large_command_leaves_no_memory_behind),
        cmocka_unit_test(test_random_input_agrees_with_the_reference),
    };
    return cmocka_run_group_tests_name("resp/parser", tests, NULL, NULL);
}
