#ifndef RECORD_NAMES_H
#define RECORD_NAMES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdint.h>

/* A batch's distinct names, numbered by first appearance, and held as the record will hold them:
 * one msgpack bin after the other. Part of the builder. */

struct name_entry {
    uint64_t hash;
    uint32_t at; /* of its text, in bytes */
    uint32_t n;
};

struct names {
    struct buffer bytes;
    VEC(struct name_entry) entries;
    struct hash_index index;
};

void names_init(struct names *names, size_t bytes_max);
void names_fini(struct names *names);

/* Finds or adds; guess is the number that it probably has. LT_ENOMEM, LT_ELIMIT: nothing changed.
 */
MUST_USE int names_number(struct names *names, struct slice name, uint32_t guess, uint32_t *out);

/* Forgets all but the first count. */
void names_cut(struct names *names, uint32_t count);

static inline struct slice names_at(const struct names *names, uint32_t number)
{
    struct name_entry entry = names->entries.v[number];
    return slice_make(names->bytes.data + entry.at, entry.n);
}

#endif
