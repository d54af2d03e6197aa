#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* A bump allocator: many small things that die together. Caller-owned; one thread at a time.
 * Pointers stay valid until reset or fini. Blocks double from 4 KiB up to 2 MiB, a huge
 * page each where the system has such. */
struct arena {
    struct arena_block *blocks; /* newest first */
    char *at;
    char *end;
    size_t next_bytes;
    size_t bytes; /* taken from malloc in all: for budgets */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);

/* n bytes aligned to align (a power of two up to 64), not cleared; NULL when out of memory. */
MUST_USE void *arena_alloc(struct arena *a, size_t n, size_t align);

/* A copy of s; p is NULL when out of memory. An empty slice gets a valid pointer. */
struct slice arena_copy(struct arena *a, struct slice s);

#endif
