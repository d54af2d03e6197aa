#ifndef QUERY_SCRATCH_H
#define QUERY_SCRATCH_H

#include "base/arena.h"
#include "base/error.h"
#include "base/vec.h"
#include "port/guard.h"

#include <stddef.h>
#include <stdint.h>

/* Memory of one read, charged to its budget. Caller-owned; one thread at a time. */
struct scratch {
    struct arena arena;
    struct read_guard *guard;
    size_t bytes; /* charged */
    int error;    /* of the last take that failed: LT_ELIMIT or LT_ENOMEM */
};

void scratch_init(struct scratch *s, struct read_guard *guard);
void scratch_fini(struct scratch *s);

/* Why the last take failed, for who holds its NULL: never 0. */
static inline int scratch_error(const struct scratch *s)
{
    return s->error != 0 ? s->error : LT_ENOMEM;
}

/* count x size bytes, cleared, aligned for anything. NULL: scratch_error says why. */
MUST_USE void *scratch_take(struct scratch *s, uint64_t count, size_t size);

/* The same, not cleared. */
MUST_USE void *scratch_take_raw(struct scratch *s, uint64_t count, size_t size);

/* A copy; p is NULL on failure. */
struct slice scratch_copy(struct scratch *s, struct slice text);

/* A growable array (base/vec.h) whose growth is charged. 0, LT_ELIMIT or LT_ENOMEM; the elements
 * stay the vector's. */
MUST_USE int scratch_grow(struct read_guard *guard, void **v, uint32_t *cap, uint64_t need,
                          size_t size);

#define SCRATCH_RESERVE(guard, vec, more)                                                          \
    ((uint64_t)(vec)->n + (more) <= (vec)->cap                                                     \
         ? 0                                                                                       \
         : scratch_grow(guard, (void **)&(vec)->v, &(vec)->cap, (uint64_t)(vec)->n + (more),       \
                        sizeof((vec)->v[0])))

/* Frees such an array and gives its charge back. */
#define SCRATCH_FREE(guard, vec)                                                                   \
    do {                                                                                           \
        scratch_release(guard, (size_t)(vec)->cap * sizeof((vec)->v[0]));                          \
        VEC_FINI(vec);                                                                             \
    } while (0)

static inline void scratch_release(struct read_guard *guard, size_t bytes)
{
    read_guard_release(guard, bytes);
}

#endif
