#include "agent/sample.h"

#include "base/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void sample_init(struct sample *s)
{
    buffer_init(&s->lines, SAMPLE_BYTES_MAX);
    s->points = 0;
}

void sample_fini(struct sample *s)
{
    buffer_fini(&s->lines);
}

void sample_reset(struct sample *s)
{
    buffer_reset(&s->lines, 256 << 10);
    s->points = 0;
}

PRINTF_LIKE(3, 0)
static void put(struct sample *s, double value, const char *format, va_list args)
{
    char name[512];
    int n = vsnprintf(name, sizeof(name), format, args);
    if (n <= 0 || (size_t)n >= sizeof(name) || !isfinite(value))
        return;
    char number[NUMBER_F64_BYTES_MAX];
    number_format_f64(value, number);
    buffer_printf(&s->lines, "%s %s\n", name, number);
    if (s->lines.error == 0)
        s->points++;
}

void sample_put(struct sample *s, double value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(s, value, format, args);
    va_end(args);
}

void sample_delta(struct sample *s, uint64_t value, const char *format, ...)
{
    if (value == 0)
        return;
    va_list args;
    va_start(args, format);
    put(s, (double)value, format, args);
    va_end(args);
}

void sample_bulk(struct buffer *out, struct slice s)
{
    buffer_printf(out, "$%zu\r\n", s.n);
    buffer_append_slice(out, s);
    buffer_append(out, "\r\n", 2);
}

/* The lines from `from` that one command takes: *end_out is where they end. */
static uint32_t command_lines(const struct sample *s, size_t from, size_t *end_out)
{
    uint32_t points = 0;
    size_t at = from;
    while (at < s->lines.len && points < SAMPLE_COMMAND_POINTS_MAX) {
        struct slice rest = slice_make(s->lines.data + at, s->lines.len - at);
        at += slice_find(rest, '\n') + 1;
        points++;
    }
    *end_out = at;
    return points;
}

size_t sample_command(const struct sample *s, size_t from, struct slice host, int64_t second,
                      struct buffer *out)
{
    size_t end;
    uint32_t points = command_lines(s, from, &end);
    char number[NUMBER_I64_BYTES_MAX];
    size_t digits = number_format_i64(second, number);
    buffer_printf(out, "*%u\r\n", 3 + 2 * points);
    sample_bulk(out, SLICE_LIT("OBSERVE"));
    sample_bulk(out, host);
    sample_bulk(out, slice_make(number, digits));
    for (size_t at = from; at < end;) {
        struct slice line = slice_make(s->lines.data + at, end - at);
        line = slice_upto(line, slice_find(line, '\n'));
        size_t blank = slice_find(line, ' ');
        sample_bulk(out, slice_upto(line, blank));
        sample_bulk(out, slice_from(line, blank + 1));
        at += line.n + 1;
    }
    return end;
}

size_t sample_text(const struct sample *s, size_t from, struct slice host, int64_t second,
                   struct buffer *out)
{
    size_t end;
    command_lines(s, from, &end);
    buffer_printf(out, "OBSERVE %.*s %lld", (int)host.n, host.p, (long long)second);
    for (size_t at = from; at < end; at++) {
        char c = s->lines.data[at];
        if (at == from || s->lines.data[at - 1] == '\n')
            buffer_append(out, " ", 1);
        if (c != '\n')
            buffer_append(out, &c, 1);
    }
    buffer_append(out, "\n", 1);
    return end;
}

const char *sample_component(struct slice name, char *out, size_t out_bytes)
{
    size_t n = name.n < out_bytes - 1 ? name.n : out_bytes - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        out[i] = c <= ' ' || c == 0x7f || c == '.' || c == '*' ? '_' : (char)c;
    }
    out[n] = '\0';
    return out;
}
