#ifndef CATALOG_FOLD_H
#define CATALOG_FOLD_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* Searching for a text with ASCII case folded: A … Z count as a … z, every other byte is itself. */

struct needle {
    char *text; /* folded */
    size_t n;
    /* Where it has at most 16 bytes and all are hex digits: their value, the first digit highest.
     */
    bool is_hex;
    uint64_t hex;
};

/* LT_ENOMEM. */
MUST_USE int needle_init(struct needle *needle, struct slice text);
void needle_fini(struct needle *needle);

/* An empty needle is in every text. */
bool needle_is_in(const struct needle *needle, struct slice text);

/* Writes the n bytes at from, folded, to `to`. */
void fold_copy(char *to, const char *from, size_t n);

/* The value of a lower case hex digit, or -1. */
static inline int fold_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
