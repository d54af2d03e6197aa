#include "resp/inline.h"

#include "base/attr.h"

bool inline_is_foreign(struct slice seen)
{
    /* A browser can be made to send these to any port (cross-protocol scripting), with commands in
     * their body; none begins a command of ours. 22 is TLS' handshake record. */
    static const char *const prefixes[] = {"\x16",     "POST",     "GET /",   "HEAD /",   "PUT /",
                                           "OPTIONS ", "DELETE /", "PATCH /", "CONNECT ", "Host:"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        if (seen.n >= n && strncasecmp(seen.p, prefixes[i], n) == 0)
            return true;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that \c stands for within "...". */
static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* p stands behind the opening quote; returns the place behind the closing one, or NULL. */
static const char *take_quoted(const char *p, const char *end, char quote, char **to)
{
    while (p < end && *p != quote) {
        if (*p != '\\' || p + 1 == end) {
            *(*to)++ = *p++;
        } else if (quote == '\'') {
            p += p[1] == '\'';
            *(*to)++ = *p++;
        } else if (p[1] == 'x' && end - p >= 4 && hex_value(p[2]) >= 0 && hex_value(p[3]) >= 0) {
            *(*to)++ = (char)(hex_value(p[2]) * 16 + hex_value(p[3]));
            p += 4;
        } else {
            *(*to)++ = unescape(p[1]);
            p += 2;
        }
    }
    if (p == end || (p + 1 < end && !is_blank(p[1])))
        return NULL;
    return p + 1;
}

int inline_next(struct slice *line, char **to, struct slice *word_out)
{
    const char *p = line->p;
    const char *end = line->p + line->n;
    char *word = *to;
    while (p < end && is_blank(*p))
        p++;
    if (p == end)
        return 0;
    while (p < end && !is_blank(*p)) {
        if (*p != '"' && *p != '\'') {
            *(*to)++ = *p++;
            continue;
        }
        p = take_quoted(p + 1, end, *p, to);
        if (p == NULL)
            return -1;
        break;
    }
    *line = slice_make(p, (size_t)(end - p));
    *word_out = slice_make(word, (size_t)(*to - word));
    return 1;
}
