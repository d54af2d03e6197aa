#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A growable array of any type, as plain struct members:
 *
 *   struct { struct point *v; uint32_t n, cap; } points;
 *   if (!VEC_PUSH(&points, p)) goto fail_nomem;
 *
 * VEC_PUSH is false when out of memory, and then nothing changed. Growth is by doubling. */
#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *v;                                                                                   \
        uint32_t n;                                                                                \
        uint32_t cap;                                                                              \
    }

#define VEC_RESERVE(vec, more)                                                                     \
    ((uint64_t)(vec)->n + (more) <= (vec)->cap ||                                                  \
     vec_grow((void **)&(vec)->v, &(vec)->cap, (uint64_t)(vec)->n + (more), sizeof((vec)->v[0])))

#define VEC_PUSH(vec, item) (VEC_RESERVE(vec, 1) && ((vec)->v[(vec)->n++] = (item), 1))

#define VEC_FINI(vec)                                                                              \
    do {                                                                                           \
        free((vec)->v);                                                                            \
        (vec)->v = NULL;                                                                           \
        (vec)->n = (vec)->cap = 0;                                                                 \
    } while (0)

/* Use the macros. 1 or 0. */
int vec_grow(void **v, uint32_t *cap, uint64_t need, size_t size);

#endif
