#include "resp/resp.h"

#include "base/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    HEADER_BYTES_MAX = 32, /* a type byte, a number, CRLF */
    ERROR_BYTES_MAX = 1024,
};

/* "<type><x>\r\n" */
static void put_header(struct resp_writer w, char type, int64_t x)
{
    char *room = buffer_reserve(w.out, HEADER_BYTES_MAX);
    if (room == NULL)
        return;
    room[0] = type;
    size_t n = 1 + number_format_i64(x, room + 1);
    room[n] = '\r';
    room[n + 1] = '\n';
    w.out->len += n + 2;
}

/* "<type><text>\r\n", where text must not break the line. */
static void put_line(struct resp_writer w, char type, struct slice text)
{
    char *room = buffer_reserve(w.out, text.n + 3);
    if (room == NULL)
        return;
    room[0] = type;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        room[1 + i] = c == '\r' || c == '\n' ? ' ' : c;
    }
    room[1 + text.n] = '\r';
    room[2 + text.n] = '\n';
    w.out->len += text.n + 3;
}

void resp_simple(struct resp_writer w, struct slice text)
{
    put_line(w, '+', text);
}

void resp_error(struct resp_writer w, struct slice text)
{
    put_line(w, '-', text);
}

void resp_error_printf(struct resp_writer w, const char *format, ...)
{
    char text[ERROR_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    resp_error(w, slice_make(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

void resp_integer(struct resp_writer w, int64_t x)
{
    put_header(w, ':', x);
}

void resp_integers(struct resp_writer w, int64_t x, uint32_t count)
{
    if (count == 0)
        return;
    size_t before = w.out->len;
    put_header(w, ':', x);
    size_t one = w.out->len - before;
    size_t rest = one * (count - 1);
    char *to = one > 0 ? buffer_reserve(w.out, rest) : NULL;
    if (to == NULL)
        return;
    /* A copy of what is there already doubles it. */
    for (size_t done = 0; done < rest;) {
        size_t n = one + done < rest - done ? one + done : rest - done;
        memcpy(to + done, to - one, n);
        done += n;
    }
    w.out->len += rest;
}

void resp_bulk(struct resp_writer w, struct slice bytes)
{
    /* One reservation for all parts, so that no half of an element is ever in the buffer. */
    if (buffer_reserve(w.out, HEADER_BYTES_MAX + bytes.n + 2) == NULL)
        return;
    put_header(w, '$', (int64_t)bytes.n);
    buffer_append_slice(w.out, bytes);
    buffer_append(w.out, "\r\n", 2);
}

void resp_bulk_str(struct resp_writer w, const char *text)
{
    resp_bulk(w, slice_str(text));
}

void resp_null(struct resp_writer w)
{
    buffer_append_str(w.out, w.version >= 3 ? "_\r\n" : "$-1\r\n");
}

void resp_null_array(struct resp_writer w)
{
    buffer_append_str(w.out, w.version >= 3 ? "_\r\n" : "*-1\r\n");
}

void resp_bool(struct resp_writer w, bool x)
{
    if (w.version >= 3)
        buffer_append_str(w.out, x ? "#t\r\n" : "#f\r\n");
    else
        resp_integer(w, x);
}

void resp_double(struct resp_writer w, double x)
{
    char text[NUMBER_F64_BYTES_MAX];
    struct slice s = slice_make(text, number_format_f64(x, text));
    if (w.version >= 3)
        put_line(w, ',', s);
    else
        resp_bulk(w, s);
}

void resp_sample_value(struct resp_writer w, double x)
{
    if (w.version >= 3) {
        resp_double(w, x);
        return;
    }
    char text[NUMBER_F64_BYTES_MAX];
    size_t n = number_format_f64(x, text);
    put_line(w, '+', isnan(x) ? SLICE_LIT("NaN") : slice_make(text, n));
}

void resp_array(struct resp_writer w, uint32_t count)
{
    put_header(w, '*', count);
}

void resp_map(struct resp_writer w, uint32_t pairs)
{
    if (w.version >= 3)
        put_header(w, '%', pairs);
    else
        put_header(w, '*', (int64_t)pairs * 2);
}

void resp_pair_integer(struct resp_writer w, const char *key, int64_t x)
{
    resp_bulk_str(w, key);
    resp_integer(w, x);
}

void resp_pair_text(struct resp_writer w, const char *key, const char *text)
{
    resp_bulk_str(w, key);
    resp_bulk_str(w, text);
}

void resp_pair_bulk(struct resp_writer w, const char *key, struct slice bytes)
{
    resp_bulk_str(w, key);
    resp_bulk(w, bytes);
}

void resp_entries(struct resp_writer w, uint32_t count)
{
    put_header(w, w.version >= 3 ? '%' : '*', count);
}

void resp_entry(struct resp_writer w, struct slice name, uint32_t values)
{
    if (w.version < 3)
        resp_array(w, 1 + values);
    resp_bulk(w, name);
    if (w.version >= 3 && values > 1)
        resp_array(w, values);
}

void resp_set(struct resp_writer w, uint32_t count)
{
    put_header(w, w.version >= 3 ? '~' : '*', count);
}

void resp_verbatim(struct resp_writer w, struct slice text)
{
    if (w.version < 3) {
        resp_bulk(w, text);
        return;
    }
    const struct slice kind = SLICE_LIT("txt:");
    if (buffer_reserve(w.out, HEADER_BYTES_MAX + kind.n + text.n + 2) == NULL)
        return;
    put_header(w, '=', (int64_t)(kind.n + text.n));
    buffer_append_slice(w.out, kind);
    buffer_append_slice(w.out, text);
    buffer_append(w.out, "\r\n", 2);
}
