#ifndef RECORD_TEXTS_H
#define RECORD_TEXTS_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdint.h>

/* A batch's distinct texts, numbered by first appearance and held back to back as the record will
 * hold them. Part of the builder.
 *
 * Where a text stands is looked up in a table of fixed size that forgets: of texts that share a
 * place the one used last is found, and what is found is always compared with the text itself. So
 * emptying and rolling back cost nothing, nobody can make a search long, and at worst a text
 * stands in a record twice, which readers do not mind. */
struct texts {
    struct buffer bytes;
    VEC(uint32_t) starts; /* in bytes */
    uint32_t *slots;      /* a number, or one that means nothing any more */
    uint32_t slots_mask;
};

/* slots: a power of two. LT_ENOMEM. */
MUST_USE int texts_init(struct texts *texts, size_t bytes_max, uint32_t slots);
void texts_fini(struct texts *texts);

/* Finds or adds. LT_ENOMEM, LT_ELIMIT: nothing changed. */
MUST_USE int texts_number(struct texts *texts, struct slice text, uint32_t *out);

/* Forgets all but the first count. */
void texts_cut(struct texts *texts, uint32_t count);

static inline struct slice texts_at(const struct texts *texts, uint32_t number)
{
    uint32_t start = texts->starts.v[number];
    size_t end = number + 1 < texts->starts.n ? texts->starts.v[number + 1] : texts->bytes.len;
    return slice_make(texts->bytes.data + start, end - start);
}

/* For what is short: the call of memcmp would cost more than the comparison. */
static inline bool text_equal(const char *a, const char *b, size_t n)
{
    uint64_t x, y;
    if (n < sizeof(x)) {
        uint32_t v[2], w[2];
        if (n >= sizeof(v[0])) { /* first and last four overlap */
            memcpy(&v[0], a, sizeof(v[0]));
            memcpy(&w[0], b, sizeof(w[0]));
            memcpy(&v[1], a + n - sizeof(v[1]), sizeof(v[1]));
            memcpy(&w[1], b + n - sizeof(w[1]), sizeof(w[1]));
            return ((v[0] ^ w[0]) | (v[1] ^ w[1])) == 0;
        }
        while (n > 0 && *a == *b)
            a++, b++, n--;
        return n == 0;
    }
    for (size_t i = 0; i < n - sizeof(x); i += sizeof(x)) {
        memcpy(&x, a + i, sizeof(x));
        memcpy(&y, b + i, sizeof(y));
        if (x != y)
            return false;
    }
    memcpy(&x, a + n - sizeof(x), sizeof(x));
    memcpy(&y, b + n - sizeof(y), sizeof(y));
    return x == y;
}

#endif
