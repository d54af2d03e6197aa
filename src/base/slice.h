#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Bytes that somebody else owns. Not terminated; may hold NUL. */
struct slice {
    const char *p;
    size_t n;
};

#define SLICE_LIT(s) ((struct slice){(s), sizeof(s) - 1})

static inline struct slice slice_make(const void *p, size_t n)
{
    return (struct slice){(const char *)p, n};
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, strlen(s)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
    return slice_eq(a, slice_str(s));
}

/* ASCII, for keywords. */
static inline bool slice_ieq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_ieq_str(struct slice a, const char *s)
{
    return slice_ieq(a, slice_str(s));
}

static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* The offset of the first c, or n. */
static inline size_t slice_find(struct slice a, char c)
{
    const void *hit = a.n > 0 ? memchr(a.p, c, a.n) : NULL;
    return hit == NULL ? a.n : (size_t)((const char *)hit - a.p);
}

static inline struct slice slice_from(struct slice a, size_t start)
{
    return (struct slice){a.p + start, a.n - start};
}

static inline struct slice slice_upto(struct slice a, size_t end)
{
    return (struct slice){a.p, end};
}

#endif
