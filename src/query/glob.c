#include "query/glob.h"

/* One element of the pattern against one byte. *at is moved past the element. */

static unsigned char byte_at(struct slice s, size_t i)
{
    return (unsigned char)s.p[i];
}

static bool class_has(struct slice pattern, size_t *at, unsigned char c)
{
    size_t i = *at + 1; /* past the [ */
    bool negated = i < pattern.n && pattern.p[i] == '^';
    bool found = false;
    i += negated;
    while (i < pattern.n && pattern.p[i] != ']') {
        if (pattern.p[i] == '\\' && i + 1 < pattern.n)
            i++;
        unsigned char lo = byte_at(pattern, i++), hi = lo;
        if (i + 1 < pattern.n && pattern.p[i] == '-') {
            hi = byte_at(pattern, i + 1);
            i += 2;
        }
        found |= lo <= hi ? lo <= c && c <= hi : hi <= c && c <= lo;
    }
    *at = i < pattern.n ? i + 1 : i;
    return found != negated;
}

static bool element_fits(struct slice pattern, size_t *at, unsigned char c)
{
    switch (pattern.p[*at]) {
    case '?':
        ++*at;
        return true;
    case '[':
        return class_has(pattern, at, c);
    case '\\':
        if (*at + 1 < pattern.n)
            ++*at;
        break;
    default:
        break;
    }
    return byte_at(pattern, (*at)++) == c;
}

bool glob_matches(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0;
    size_t star = pattern.n, star_text = 0; /* the last `*` met, and where its bytes end so far */
    bool starred = false;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            starred = true;
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.n && element_fits(pattern, &p, byte_at(text, t))) {
            t++;
            continue;
        }
        if (!starred)
            return false;
        /* Only the last `*` can need more: what the earlier ones took leaves the most to it. */
        p = star;
        t = ++star_text;
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool glob_is_pattern(struct slice text)
{
    bool found = false;
    for (size_t i = 0; i < text.n && !found; i++)
        found = strchr("*?[\\", text.p[i]) != NULL && text.p[i] != '\0';
    return found;
}
