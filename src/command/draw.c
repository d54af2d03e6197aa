#include "command/draw.h"

#include "base/number.h"

#include <math.h>
#include <stdio.h>

void draw_reply(struct resp_writer w, const struct buffer *lines)
{
    if (lines->error != 0) {
        resp_error(w,
                   SLICE_LIT("ERR the table is too long: ask for less, or without FORMAT table"));
        return;
    }
    uint32_t count = 0;
    struct slice rest = buffer_slice(lines);
    for (size_t i = 0; i < rest.n; i++)
        count += rest.p[i] == '\n';
    resp_array(w, count);
    while (rest.n > 0) {
        size_t n = slice_find(rest, '\n');
        struct slice line = slice_upto(rest, n);
        while (line.n > 0 && line.p[line.n - 1] == ' ')
            line.n--;
        resp_simple(w, line);
        rest = slice_from(rest, n + 1);
    }
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t draw_width(struct slice text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.n; i++)
        width += begins_character(text.p[i]);
    return width;
}

static void pad(struct buffer *out, size_t n)
{
    while (n-- > 0)
        buffer_append(out, " ", 1);
}

static void put_printable(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        buffer_append(out, c < 0x20 || c == 0x7f ? " " : &text.p[i], 1);
    }
}

/* The bytes of the first n characters. */
static struct slice first_characters(struct slice text, size_t n)
{
    size_t i = 0;
    while (i < text.n && (n > 0 || !begins_character(text.p[i])))
        n -= begins_character(text.p[i++]);
    return slice_upto(text, i);
}

void draw_left(struct buffer *out, struct slice text, size_t width)
{
    size_t n = draw_width(text);
    if (n > width) {
        put_printable(out, first_characters(text, width - 1));
        buffer_append_str(out, "…");
    } else {
        put_printable(out, text);
        pad(out, width - n);
    }
}

void draw_right(struct buffer *out, struct slice text, size_t width)
{
    size_t n = draw_width(text);
    if (n < width)
        pad(out, width - n);
    put_printable(out, text);
}

size_t draw_number(double x, char *out)
{
    if (isnan(x))
        return (size_t)snprintf(out, DRAW_NUMBER_BYTES_MAX, "-");
    if (fabs(x) < 1e15 && x == floor(x))
        return number_format_f64(x, out);
    if (fabs(x) >= 1e15 || fabs(x) < 1e-3)
        return (size_t)snprintf(out, DRAW_NUMBER_BYTES_MAX, "%.3g", x);
    int digits = fabs(x) < 1 ? 3 : fabs(x) < 100 ? 2 : fabs(x) < 10000 ? 1 : 0;
    return (size_t)snprintf(out, DRAW_NUMBER_BYTES_MAX, "%.*f", digits, x);
}

const char *draw_block(int level)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    return blocks[level];
}

void draw_sparkline(struct buffer *out, const double *values, uint32_t count)
{
    double low = 0, high = 0;
    for (uint32_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    for (uint32_t i = 0; i < count; i++) {
        int level = 0;
        if (!isnan(values[i]) && high > low)
            level = 1 + (int)((values[i] - low) / (high - low) * 7);
        else if (!isnan(values[i]))
            level = 1;
        buffer_append_str(out, draw_block(level));
    }
}
