/* What a point of TS.MADD x 100 costs before it is a point: the parser alone, and with its numbers
 * read. Not part of `make test`:  make build/tests/resp/bench_parser &&
 * build/tests/resp/bench_parser */
#include "base/clock.h"
#include "base/number.h"
#include "resp/resp.h"

#include <stdio.h>
#include <stdlib.h>

/* Takes are short, so that most of them are not interrupted. */
enum { POINTS = 100, COMMANDS = 8, TAKES = 4001 };

static void put(struct buffer *out, const char *text)
{
    buffer_printf(out, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void fill(struct buffer *out)
{
    uint64_t mixed = 88172645463325252u;
    for (int c = 0; c < COMMANDS; c++) {
        buffer_printf(out, "*%d\r\n", 1 + 3 * POINTS);
        put(out, "TS.MADD");
        for (int i = 0; i < POINTS; i++) {
            char text[64];
            mixed = mixed * 6364136223846793005u + 1442695040888963407u;
            snprintf(text, sizeof(text), "db001/host.queries.load.%016llx.time_us",
                     (unsigned long long)mixed);
            put(out, text);
            put(out, "1700000000000");
            snprintf(text, sizeof(text), "%d", (int)(mixed >> 40) % 100);
            put(out, text);
        }
    }
}

static double read_numbers(const struct resp_command *command)
{
    double sum = 0;
    for (uint32_t i = 1; i < command->argc; i += 3) {
        int64_t time_ms;
        double value;
        if (number_parse_i64(command->argv[i + 1], &time_ms) != 0 ||
            number_parse_f64(command->argv[i + 2], &value) != 0)
            abort();
        sum += value + (double)time_ms;
    }
    return sum;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *what, struct slice input, bool numbers)
{
    struct resp_parser parser;
    static double takes[TAKES];
    double sum = 0;
    resp_parser_init(&parser);
    for (int take = 0; take < TAKES; take++) {
        int64_t start = clock_mono_ns();
        struct resp_command command;
        size_t skip;
        const char *why;
        for (struct slice in = input; in.n > 0; in = slice_from(in, command.bytes)) {
            if (resp_parse(&parser, in, &resp_limits_trusted, &command, &skip, &why) != 0)
                abort();
            if (numbers)
                sum += read_numbers(&command);
        }
        takes[take] = (double)(clock_mono_ns() - start) / COMMANDS / POINTS;
    }
    qsort(takes, TAKES, sizeof(takes[0]), by_size);
    printf("%-24s %5.1f ns a point%s\n", what, takes[TAKES / 2], sum < 0 ? " " : "");
    resp_parser_fini(&parser);
}

int main(void)
{
    struct buffer input;
    buffer_init(&input, 1 << 20);
    fill(&input);
    measure("parser", buffer_slice(&input), false);
    measure("parser and numbers", buffer_slice(&input), true);
    buffer_fini(&input);
    return 0;
}
